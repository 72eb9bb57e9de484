"""InfluxDB's line protocol for samples, built in columns (the client's `Point` takes far longer). Pure.

A line is all that a device said at one instant: measurement `samples:DEVICE`, tags `boot` and `lead`, the device time
as its time. `lead` is the first by name of the signals in the line, so that a line's key is the identity (I3) of one of
its samples: what is written again overwrites itself, and two lines never share a key, because no identity is written
twice. Fields of a signal are `v:SIGNAL` (number) or `t:SIGNAL` (text), and `f:SIGNAL` where the sample has flags of its
own; of the line `settled` and `received`, in nanoseconds after the device time, and `flags` (decision 18).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from telemetry.stores.batches import column_of, numbers_of
from telemetry.stores.interface import Flag, SampleBatch, Series

LINE_FLAGS = int(Flag.SKEWED | Flag.LATE | Flag.BUFFERED | Flag.UNCERTAIN)
"""Those that tell of a message; the others tell of one sample."""
TEXT_MARK = "="
"""Stands before each text: an answer in CSV cannot tell no text from an empty one."""
_SAFE = ":-._~"
_EMPTY = "%"
"""Stands for the empty text, which a tag cannot hold; no encoded text is a lone per cent sign."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines one after the other, each with its newline."""

    content: memoryview
    starts: NDArray[np.int64]
    """(n + 1,) where each of n lines begins in `content`, and the end."""

    def part(self, first: int, last: int) -> bytes:
        """Lines `[first, last)`."""
        return bytes(self.content[self.starts[first] : self.starts[last]])

    def pieces(self, size: int) -> Iterator[tuple[int, int]]:
        """First and last + 1 of pieces of at most so many bytes; a longer line is a piece of its own."""
        first = 0
        while first < len(self):
            within = int(np.searchsorted(self.starts, self.starts[first] + size, "right")) - 1
            last = max(first + 1, within)
            yield first, last
            first = last

    def __len__(self) -> int:
        """How many."""
        return len(self.starts) - 1


@dataclass(frozen=True, slots=True)
class SampleLines:
    """Samples as lines, and which are in which."""

    lines: Lines
    places: NDArray[np.intp]
    """(m,) places of the samples, line by line."""
    firsts: NDArray[np.intp]
    """(n + 1,) line i holds `places[firsts[i]:firsts[i + 1]]`."""

    def places_in(self, line: int) -> NDArray[np.intp]:
        """Which samples a line holds."""
        return self.places[self.firsts[line] : self.firsts[line + 1]]


@lru_cache(maxsize=4096)
def encode_tag(text: str) -> str:
    """Any text as a name in lines and, between quotes, in InfluxQL: letters, digits and `%:-._~` only."""
    return quote(text, safe=_SAFE) or _EMPTY


@lru_cache(maxsize=4096)
def decode_tag(tag: str) -> str:
    """The inverse of `encode_tag`."""
    return "" if tag == _EMPTY else unquote(tag)


def measurement(device: str) -> str:
    """Where a device's samples are."""
    return f"samples:{encode_tag(device)}"


def sample_lines(batch: SampleBatch, *, alone: bool = False) -> SampleLines:
    """The lines of samples, each identity once; samples of one message and instant share one.

    Args:
        batch: in the order in which they came.
        alone: give each sample a line of its own.
    """
    rows = batch.rows
    if not rows.num_rows:
        return SampleLines(plain_lines([]), np.empty(0, np.intp), np.zeros(1, np.intp))
    places, begins = _in_lines(batch)
    if alone:
        begins = np.ones(len(places), dtype=np.bool_)
    if not np.array_equal(places, np.arange(len(places))):
        rows = rows.take(column_of(places))
    starts = np.flatnonzero(begins)
    heads = [numbers_of(rows, name)[starts] for name in ("device_ns", "settled_ns", "received_ns", "flags")]
    cells = _cells(batch.series, rows, begins, _endings(*heads))
    return SampleLines(_joined(cells, starts), places, np.append(starts, len(places)))


def head_lines(device: str, rows: pa.Table) -> Lines:
    """New times and flags for lines that are there; their samples stay.

    Args:
        device: whose lines.
        rows: each line once: `boot`, `lead` (encoded), `time`, `settled` and `received` in nanoseconds after it,
            `flags`.
    """
    name = measurement(device)
    head = pc.binary_join_element_wise(
        f"{name},boot=", rows.column("boot"), ",lead=", rows.column("lead"), " ", ""
    ).combine_chunks()
    times, settled, received, flags = (numbers_of(rows, key) for key in ("time", "settled", "received", "flags"))
    ending = _endings(times, times + settled, times + received, flags)
    whole = pc.binary_join_element_wise(head, pc.utf8_slice_codeunits(ending, 1), "")  # without the leading comma
    return _joined(whole, np.arange(rows.num_rows))


def plain_lines(lines: Sequence[str]) -> Lines:
    """Lines that hold no samples."""
    parts = [f"{line}\n".encode() for line in lines]
    return Lines(memoryview(b"".join(parts)), np.cumsum([0, *map(len, parts)], dtype=np.int64))


def watermark_line(spool: str, watermark: int) -> str:
    """The last row of a spool that is stored; always the same point."""
    return f"progress,spool={encode_tag(spool)} watermark={watermark}i 0"


def _in_lines(batch: SampleBatch) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Places of the rows, line by line and by name of the signal within a line; and which rows begin one."""
    rows, series = batch.rows, numbers_of(batch.rows, "series")
    names = sorted(range(len(batch.series)), key=lambda place: batch.series[place][1])
    rank = np.empty(len(names), np.int32)
    rank[names] = np.arange(len(names), dtype=np.int32)
    boots = {key: place for place, key in enumerate(dict.fromkeys((one[0], one[2]) for one in batch.series))}
    boot = np.array([boots[device, boot] for device, _, boot in batch.series], np.int32)[series]
    times, settled, received = (numbers_of(rows, name) for name in ("device_ns", "settled_ns", "received_ns"))
    flags = numbers_of(rows, "flags") & np.uint8(LINE_FLAGS)
    places: NDArray[np.intp] = np.arange(len(series))
    columns, ranks = [boot, times, settled, received, flags], rank[series]
    if not _is_sorted(boot, times):
        places = np.lexsort((times, boot))
        columns, ranks = [column[places] for column in columns], ranks[places]
    begins = np.zeros(len(series), dtype=np.bool_)
    begins[0] = True
    for column in columns:
        begins[1:] |= column[1:] != column[:-1]
    if not (begins[1:] | (ranks[1:] > ranks[:-1])).all():
        places = places[np.lexsort((ranks, np.cumsum(begins)))]
    return places, begins


def _is_sorted(boot: NDArray[np.int32], times: NDArray[np.int64]) -> bool:
    steps = np.diff(boot)
    return bool(((steps > 0) | ((steps == 0) & (times[1:] >= times[:-1]))).all())


def _endings(
    times: NDArray[np.int64], settled: NDArray[np.int64], received: NDArray[np.int64], flags: NDArray[np.uint8]
) -> pa.Array:
    """What stands behind the samples of each line."""
    return pc.binary_join_element_wise(
        ",settled=",
        _text_of(settled - times),
        "i,received=",
        _text_of(received - times),
        "i,flags=",
        _text_of(flags & np.uint8(LINE_FLAGS)),
        "i ",
        _text_of(times),
        "\n",
        "",
    )


def _cells(series: tuple[Series, ...], rows: pa.Table, begins: NDArray[np.bool_], endings: pa.Array) -> pa.Array:
    """For each sample its part of a line: the first has what stands before, the last what stands behind the samples."""
    count, kinds = len(begins), len(series)
    place = numbers_of(rows, "series")
    prefix = place + kinds * begins.astype(np.int32)
    values = pc.cast(_whole(rows, "value"), pa.string())
    texts = _whole(rows, "text")
    if texts.null_count < count:
        prefix += np.int32(2 * kinds) * pc.is_valid(texts).to_numpy(zero_copy_only=False).astype(np.int32)
        escaped = pc.replace_substring_regex(texts, '(["\\\\])', r"\\\1")
        values = pc.coalesce(values, pc.binary_join_element_wise(f'"{TEXT_MARK}', escaped, '"', ""))
    parts = [_prefixes(series).take(column_of(prefix)), values]
    own = numbers_of(rows, "flags") & np.uint8(0xFF ^ LINE_FLAGS)
    if own.any():
        parts.append(_own_flags(series, place, own))
    lasts = np.append(begins[1:], True)
    ending = np.where(lasts, np.cumsum(begins), 0).astype(np.int32)
    parts.append(pa.concat_arrays([pa.array([""], pa.string()), endings]).take(column_of(ending)))
    return pc.binary_join_element_wise(*parts, "")


@lru_cache(maxsize=64)
def _prefixes(series: tuple[Series, ...]) -> pa.Array:
    """What stands before a value: of a number and of a text, each within a line and at its beginning."""
    found: list[str] = []
    for kind in "vt":
        fields = [f"{kind}:{encode_tag(signal)}=" for _, signal, _ in series]
        found += [f",{field}" for field in fields]
        found += [
            f"{measurement(device)},boot={encode_tag(boot)},lead={encode_tag(signal)} {field}"
            for (device, signal, boot), field in zip(series, fields, strict=True)
        ]
    return pa.array(found, pa.string())


def _own_flags(series: tuple[Series, ...], place: NDArray[np.int32], own: NDArray[np.uint8]) -> pa.Array:
    names = pa.array([f",f:{encode_tag(signal)}=" for _, signal, _ in series], pa.string())
    fields = pc.binary_join_element_wise(names.take(column_of(place)), _text_of(own), "i", "")
    return pc.if_else(pa.array(own != 0), fields, "")


def _joined(parts: pa.Array, starts: NDArray[np.intp]) -> Lines:
    """Parts that follow each other in memory, as lines that begin at some of them."""
    _, offsets, content = parts.buffers()
    ends = np.frombuffer(offsets, np.int32, len(parts) + 1, parts.offset * 4).astype(np.int64)
    return Lines(memoryview(content or b""), np.append(ends[starts], ends[-1]))


def _whole(rows: pa.Table, name: str) -> pa.Array:
    column = rows.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _text_of(numbers: NDArray[Any]) -> pa.Array:
    return pc.cast(column_of(numbers), pa.string())
