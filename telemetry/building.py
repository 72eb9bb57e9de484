"""Samples of a batch grow column by column: what a message says is added whole, not value by value.

Messages that name the same signals share a `Shape`: their numbers are one row of a matrix, and what each number has to
be checked against is one row of bounds, looked at once for the whole matrix.
"""

import math
from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from devices.service import SignalFacts
from telemetry.stores.batches import column_of
from telemetry.stores.interface import ROWS, Flag, SampleBatch, Series
from telemetry.validation import LARGEST_EXACT

Row: TypeAlias = tuple[str, str, str, int, int, int, float | None, str | None, int]
"""One sample, its columns in the order of SAMPLES."""

_NUMBERS = frozenset({float, int})
_Columns: TypeAlias = tuple[
    NDArray[np.int64],
    NDArray[np.int32],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.uint8],
]
"""Place in the order of arrival, series, device_ns, settled_ns, received_ns, value, flags; equally long."""


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
    heads: "array[int]" = field(default_factory=lambda: array("q"))
    """Five for each message: place, device_ns, settled_ns, received_ns, flags."""

    def numbers_of(self, values: Mapping[str, Any]) -> "array[float] | None":
        """The numbers of a message; `None` if each has to be looked at: one is not finite, or very large."""
        given = [values[name] for name in self.names] if self.others else list(values.values())
        if not _NUMBERS.issuperset(map(type, given)):
            return None
        try:
            return array("d", given) if abs(sum(given)) <= LARGEST_EXACT else None
        except OverflowError:
            return None

    def columns(self) -> _Columns:
        """What it holds, message by message."""
        k = len(self.names)
        heads = np.frombuffer(self.heads, np.int64).reshape(-1, 5)
        numbers = np.frombuffer(self.values, np.float64).reshape(-1, k)
        flags = np.repeat(heads[:, 4].astype(np.uint8), k)
        out = (numbers < self.low) | (numbers > self.high)
        if out.any():
            flags[out.ravel()] |= np.uint8(Flag.OUT_OF_RANGE.value)
        place, device, settled, received = (np.repeat(heads[:, column], k) for column in range(4))
        return place, np.tile(self.series, len(heads)), device, settled, received, numbers.ravel(), flags


class Samples:
    """The samples of a batch, in the order in which they came."""

    def __init__(self) -> None:
        self._series: dict[Series, int] = {}
        self._shapes: dict[tuple[str, str, tuple[str, ...]], Shape | None] = {}
        self._rows: list[tuple[int, Row]] = []
        self._waves: list[_Columns] = []
        self._count = 0

    def shape_of(
        self, device: str, boot: str, values: Mapping[str, Any], signals: Mapping[str, SignalFacts]
    ) -> Shape | None:
        """The shape of a message; `None` if one of its signals is unknown or none is a number.

        Args:
            device: whose message.
            boot: its boot.
            values: by signal.
            signals: what is known of the device's signals.
        """
        key = (device, boot, tuple(values))
        if key not in self._shapes or self._shapes[key] is None:
            self._shapes[key] = self._new_shape(device, boot, key[2], signals)
        return self._shapes[key]

    def add_numbers(
        self, shape: Shape, numbers: "array[float]", device_ns: int, settled_ns: int, received_ns: int, flags: int
    ) -> None:
        """The numbers of one message, as `Shape.numbers_of` gave them."""
        self._count += 1
        shape.values.extend(numbers)
        shape.heads.extend((self._count, device_ns, settled_ns, received_ns, flags))

    def add(self, row: Row) -> None:
        """One sample."""
        self._count += 1
        self._rows.append((self._count, row))

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
        self._count += 1
        count = len(values)
        place = np.full(count, self._count, dtype=np.int64)
        series = np.full(count, self._number(source), dtype=np.int32)
        received = np.full(count, received_ns, dtype=np.int64)
        self._waves.append((place, series, device_ns, settled_ns, received, values, flags))

    @property
    def series(self) -> Collection[Series]:
        """The series of the samples; of a batch that was built, all of them."""
        return self._series.keys()

    def build(self) -> SampleBatch:
        """All of them."""
        parts = [shape.columns() for shape in self._shapes.values() if shape is not None and shape.heads]
        parts += self._waves
        texts: list[tuple[int, str]] = []
        if self._rows:
            start = sum(len(part[0]) for part in parts)
            texts = [(start + place, row[7]) for place, (_, row) in enumerate(self._rows) if row[7] is not None]
            parts.append(self._columns_of_rows())
        if not parts:
            return SampleBatch((), ROWS.empty_table())
        columns: list[NDArray[Any]] = [np.concatenate(column) for column in zip(*parts, strict=True)]
        order = np.argsort(columns[0], kind="stable") if len(parts) > 1 else None
        rows = _as_rows(columns[1:], texts)
        return SampleBatch(tuple(self._series), rows if order is None else rows.take(column_of(order)))

    def table(self) -> pa.Table:
        """All of them with names, schema SAMPLES."""
        return self.build().samples()

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

    def _columns_of_rows(self) -> _Columns:
        rows = [row for _, row in self._rows]
        return (
            np.array([place for place, _ in self._rows], dtype=np.int64),
            np.array([self._number(row[:3]) for row in rows], dtype=np.int32),
            np.array([row[3] for row in rows], dtype=np.int64),
            np.array([row[4] for row in rows], dtype=np.int64),
            np.array([row[5] for row in rows], dtype=np.int64),
            np.array([math.nan if row[6] is None else row[6] for row in rows], dtype=np.float64),
            np.array([row[8] for row in rows], dtype=np.uint8),
        )


def _as_rows(columns: Sequence[NDArray[Any]], texts: list[tuple[int, str]]) -> pa.Table:
    """Schema ROWS from series, times, values and flags, and the rows that hold a text instead of a value."""
    series, device, settled, received, values, flags = columns
    count = len(series)
    numbers, words = column_of(values), pa.nulls(count, pa.string())
    if texts:
        content: list[str | None] = [None] * count
        for place, text in texts:
            content[place] = text
        words = pa.array(content, pa.string())
        present = np.ones(count, dtype=np.bool_)
        present[[place for place, _ in texts]] = False
        bits = pa.py_buffer(np.packbits(present, bitorder="little"))
        numbers = pa.Array.from_buffers(pa.float64(), count, [bits, numbers.buffers()[1]])
    plain = (column_of(column) for column in (series, device, settled, received))
    return pa.Table.from_arrays([*plain, numbers, words, column_of(flags)], schema=ROWS)
