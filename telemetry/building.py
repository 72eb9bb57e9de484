"""Samples of a batch grow column by column: what a message says is added whole, not value by value.

Messages that name the same signals share a `Shape`: their numbers are one row of a matrix, and what each number has to
be checked against is one row of bounds, looked at once for the whole matrix.
"""

import math
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from devices.service import SignalFacts
from telemetry.stores.batches import column_of
from telemetry.stores.interface import ROWS, Block, Flag, SampleBatch, Series
from telemetry.validation import LARGEST_EXACT

Row: TypeAlias = tuple[str, str, str, int, int, int, float | None, str | None, int]
"""One sample, its columns in the order of SAMPLES."""

_NUMBERS = frozenset({float, int})
_HEAD = 5
"""Numbers of a message's head: device_ns, settled_ns, received_ns, flags, and how many samples follow."""


def exact_numbers(given: Sequence[float]) -> "array[float] | None":
    """The numbers as a column; `None` if each has to be looked at: one is not finite, or very large."""
    try:
        # By the length of the vector: large numbers of a sum could cancel each other out.
        return array("d", given) if math.hypot(*given) < LARGEST_EXACT else None
    except OverflowError:
        return None


@dataclass(slots=True)
class Shape:
    """Messages of one boot with the same signals, and the numbers they said so far."""

    names: tuple[str, ...]
    """Its signals that are numbers."""
    others: tuple[str, ...]
    """Its signals that are not."""
    series: NDArray[np.int32]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    """(k,) for each of `names`."""
    values: "array[float]" = field(default_factory=lambda: array("d"))
    starts: "array[int]" = field(default_factory=lambda: array("q"))
    """For each message the row at which its numbers begin."""
    heads: "array[int]" = field(default_factory=lambda: array("q"))
    """For each message the place of its head."""

    def numbers_of(self, values: Mapping[str, Any]) -> "array[float] | None":
        """The numbers of a message; `None` if each has to be looked at: one is not finite, or very large."""
        given = [values[name] for name in self.names] if self.others else list(values.values())
        return exact_numbers(given) if _NUMBERS.issuperset(map(type, given)) else None

    def block(self, heads: NDArray[np.int64]) -> Block | None:
        """What its rows have in common; `None` if device times do not increase from message to message."""
        own = heads[np.frombuffer(self.heads, np.int64)]
        return _block_of(self.series, own[:, 0], own[:, 1], own[:, 3])

    def fill(self, columns: "_Columns") -> None:
        """Put series, values and flags of its messages into their rows."""
        k = len(self.names)
        starts = np.frombuffer(self.starts, np.int64)
        numbers = np.frombuffer(self.values, np.float64).reshape(-1, k)
        rows: slice | NDArray[np.int64]
        if starts[-1] - starts[0] == (len(starts) - 1) * k:  # nothing came in between
            rows = slice(int(starts[0]), int(starts[-1]) + k)
        else:
            rows = (starts[:, np.newaxis] + np.arange(k)).ravel()
        columns.values[rows] = numbers.ravel()
        columns.series[rows] = np.tile(self.series, len(starts))
        out = (numbers < self.low) | (numbers > self.high)
        if out.any():
            columns.flags[rows] |= out.ravel() * np.uint8(Flag.OUT_OF_RANGE.value)


@dataclass(slots=True)
class Wave:
    """Evenly spaced samples of one signal; columns of equal length."""

    series: int
    start: int
    """The row at which it begins."""
    device_ns: NDArray[np.int64]
    """Increasing."""
    settled_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    flags: NDArray[np.uint8]

    def block(self) -> Block | None:
        """What its rows have in common."""
        return _block_of(np.array([self.series], dtype=np.int32), self.device_ns, self.settled_ns, self.flags)

    def fill(self, columns: "_Columns") -> None:
        """Put it into its rows."""
        rows = slice(self.start, self.start + len(self.values))
        columns.series[rows] = self.series
        columns.device_ns[rows] = self.device_ns
        columns.settled_ns[rows] = self.settled_ns
        columns.values[rows] = self.values
        columns.flags[rows] = self.flags


@dataclass(slots=True)
class _Columns:
    """Those of ROWS but for texts; as long as there are samples."""

    series: NDArray[np.int32]
    device_ns: NDArray[np.int64]
    settled_ns: NDArray[np.int64]
    received_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    flags: NDArray[np.uint8]


class Samples:
    """The samples of a batch, in the order in which they came."""

    def __init__(self) -> None:
        self._series: dict[Series, int] = {}
        self._shapes: dict[tuple[str, str, tuple[str, ...]], Shape | None] = {}
        self._rows: list[tuple[int, Row]] = []
        self._waves: list[Wave] = []
        self._heads: array[int] = array("q")
        self._count = 0

    def __len__(self) -> int:
        """How many there are."""
        return self._count

    def shape_of(
        self, device: str, boot: str, names: Iterable[str], signals: Mapping[str, SignalFacts]
    ) -> Shape | None:
        """The shape of a message; `None` if one of its signals is unknown or none is a number.

        Args:
            device: whose message.
            boot: its boot.
            names: of its signals, in order.
            signals: what is known of the device's signals.
        """
        key = (device, boot, tuple(names))
        if key not in self._shapes or self._shapes[key] is None:
            self._shapes[key] = self._new_shape(device, boot, key[2], signals)
        return self._shapes[key]

    def add_numbers(
        self, shape: Shape, numbers: "array[float]", device_ns: int, settled_ns: int, received_ns: int, flags: int
    ) -> None:
        """The numbers of one message, as `Shape.numbers_of` gave them."""
        shape.values.extend(numbers)
        shape.starts.append(self._count)
        shape.heads.append(len(self._heads) // _HEAD)
        self._add_head(device_ns, settled_ns, received_ns, flags, len(numbers))

    def add(self, row: Row) -> None:
        """One sample."""
        self._rows.append((self._count, row))
        self._add_head(*row[3:6], row[8], 1)

    def add_wave(
        self,
        source: Series,
        device_ns: NDArray[np.int64],
        settled_ns: NDArray[np.int64],
        received_ns: int,
        values: NDArray[np.float64],
        flags: NDArray[np.uint8],
    ) -> None:
        """Many samples of one signal, equally long columns."""
        if len(values):
            self._waves.append(Wave(self._number(source), self._count, device_ns, settled_ns, values, flags))
            self._add_head(0, 0, received_ns, 0, len(values))

    @property
    def series(self) -> Collection[Series]:
        """The series of the samples; of a batch that was built, all of them."""
        return self._series.keys()

    def build(self) -> SampleBatch:
        """All of them."""
        if not self._count:
            return SampleBatch((), ROWS.empty_table())
        heads = np.frombuffer(self._heads, np.int64).reshape(-1, _HEAD)
        sizes = heads[:, 4]
        columns = _Columns(
            np.empty(self._count, dtype=np.int32),
            np.repeat(heads[:, 0], sizes),
            np.repeat(heads[:, 1], sizes),
            np.repeat(heads[:, 2], sizes),
            np.empty(self._count, dtype=np.float64),
            np.repeat(heads[:, 3].astype(np.uint8), sizes),
        )
        shapes = [shape for shape in self._shapes.values() if shape is not None and shape.starts]
        for shape in shapes:
            shape.fill(columns)
        for wave in self._waves:
            wave.fill(columns)
        for place, row in self._rows:
            columns.series[place] = self._number(row[:3])
            columns.values[place] = math.nan if row[6] is None else row[6]
        texts = [(place, row[7]) for place, row in self._rows if row[7] is not None]
        return SampleBatch(tuple(self._series), _as_rows(columns, texts), self._blocks(heads, shapes))

    def table(self) -> pa.Table:
        """All of them with names, schema SAMPLES."""
        return self.build().samples()

    def _blocks(self, heads: NDArray[np.int64], shapes: Sequence[Shape]) -> tuple[Block, ...] | None:
        """The blocks in the order in which they begin; `None` if samples came one by one, or out of order."""
        if self._rows:
            return None
        found = [(shape.starts[0], shape.block(heads)) for shape in shapes]
        found += [(wave.start, wave.block()) for wave in self._waves]
        blocks = [block for _, block in sorted(found, key=itemgetter(0)) if block is not None]
        return tuple(blocks) if len(blocks) == len(found) else None

    def _add_head(self, device_ns: int, settled_ns: int, received_ns: int, flags: int, count: int) -> None:
        self._heads.extend((device_ns, settled_ns, received_ns, flags, count))
        self._count += count

    def _new_shape(
        self, device: str, boot: str, names: tuple[str, ...], signals: Mapping[str, SignalFacts]
    ) -> Shape | None:
        facts = [signals.get(name) for name in names]
        known = [(name, one) for name, one in zip(names, facts, strict=True) if one is not None]
        numbers = [(name, one) for name, one in known if one.type == "number"]
        if len(known) < len(names) or not numbers:
            return None
        return Shape(
            tuple(name for name, _ in numbers),
            tuple(name for name, one in known if one.type != "number"),
            np.array([self._number((device, name, boot)) for name, _ in numbers], dtype=np.int32),
            np.array([-math.inf if one.low is None else one.low for _, one in numbers]),
            np.array([math.inf if one.high is None else one.high for _, one in numbers]),
        )

    def _number(self, series: Series) -> int:
        return self._series.setdefault(series, len(self._series))


def _block_of(
    series: NDArray[np.int32], device_ns: NDArray[np.int64], settled_ns: NDArray[np.int64], flags: NDArray[Any]
) -> Block | None:
    """Of messages that each have one sample of every one of these series; `None` if they are not in order."""
    if not (device_ns[1:] > device_ns[:-1]).all():
        return None
    certain = settled_ns[flags & Flag.UNCERTAIN.value == 0]
    return Block(
        series,
        int(device_ns[0]),
        int(device_ns[-1]),
        int(settled_ns.min()),
        int(settled_ns.max()),
        int(certain.max()) if len(certain) else None,
    )


def _as_rows(columns: _Columns, texts: list[tuple[int, str]]) -> pa.Table:
    """Schema ROWS, and the rows that hold a text instead of a value."""
    count = len(columns.series)
    numbers, words = column_of(columns.values), pa.nulls(count, pa.string())
    if texts:
        content: list[str | None] = [None] * count
        for place, text in texts:
            content[place] = text
        words = pa.array(content, pa.string())
        present = np.ones(count, dtype=np.bool_)
        present[[place for place, _ in texts]] = False
        bits = pa.py_buffer(np.packbits(present, bitorder="little"))
        numbers = pa.Array.from_buffers(pa.float64(), count, [bits, numbers.buffers()[1]])
    times = (columns.device_ns, columns.settled_ns, columns.received_ns)
    parts = [column_of(columns.series), *(column_of(one) for one in times), numbers, words, column_of(columns.flags)]
    return pa.Table.from_arrays(parts, schema=ROWS)
