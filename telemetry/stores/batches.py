"""Order in one batch before it meets what is stored: by series and device time, each identity once (I3). Pure.

The usual batch is already in order within each series, so the work is a few passes over integers; no pandas, no text,
no sort of strings.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from telemetry.stores.interface import ROWS, SAMPLES, SampleBatch, Series

_TYPES = {
    np.dtype(np.int64): pa.int64(),
    np.dtype(np.int32): pa.int32(),
    np.dtype(np.uint8): pa.uint8(),
    np.dtype(np.float64): pa.float64(),
}


@dataclass(frozen=True, slots=True)
class OrderedBatch:
    """A batch as it came, and how it is sorted by series and device time, each identity once."""

    rows: pa.Table
    """Schema ROWS, in the order in which they came, which is the order in which they take the least space; column
    `series` is the position in `series`."""
    places: NDArray[np.intp]
    """(n,) the places in `rows` of those that stay, sorted by series and device time."""
    series: list[Series]
    """The distinct series, each with at least one row."""
    index: NDArray[np.int32]
    """(n,) for each of `places` the position of its series in `series`; never decreasing."""
    times: NDArray[np.int64]
    """(n,) for each of `places` device_ns; increasing within a series."""
    duplicates: int
    """Rows left out because an earlier row of the batch has the same identity and value."""
    conflicts: pa.Table
    """Rows (schema ROWS) left out because an earlier row of the batch has the same identity and another value."""

    def last_times(self) -> list[int]:
        """The greatest device_ns of each series, in the order of `series`."""
        ends = np.flatnonzero(np.diff(self.index, append=len(self.series)))
        return [int(time) for time in self.times[ends]]

    def taken(self, places: NDArray[np.intp]) -> pa.Table:
        """Some of the sorted rows, by their position in `places`, schema ROWS."""
        return self.rows.take(column_of(self.places[places]))

    def named(self, rows: pa.Table) -> pa.Table:
        """Rows of this batch with the names of their series, schema SAMPLES."""
        return SampleBatch(tuple(self.series), rows).samples()


def column_of(values: NDArray[Any]) -> pa.Array:
    """An Arrow column over numbers, without a copy (and without pandas, which `pa.array` would load)."""
    plain = np.ascontiguousarray(values)
    return pa.Array.from_buffers(_TYPES[plain.dtype], len(plain), [None, pa.py_buffer(plain)])


def numbers_of(rows: pa.Table, name: str) -> NDArray[Any]:
    """A column without nulls as numbers."""
    column = rows.column(name)
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return np.asarray(array.to_numpy(zero_copy_only=False))


def as_batch(samples: pa.Table | SampleBatch) -> SampleBatch:
    """The same samples as a batch.

    Args:
        samples: schema SAMPLES (text columns may be dictionary-encoded), or a batch already.
    """
    if isinstance(samples, SampleBatch):
        return samples
    series, index = _series_of(samples)
    columns = [column_of(index.astype(np.int32)), *(samples.column(name) for name in ROWS.names[1:])]
    return SampleBatch(tuple(series), pa.Table.from_arrays(columns, schema=ROWS))


def order_batch(samples: pa.Table | SampleBatch) -> OrderedBatch:
    """Sort a batch by series and device time; of one identity the first row stays.

    Args:
        samples: a batch, or a table of schema SAMPLES.
    """
    batch = as_batch(samples)
    rows = batch.rows
    present, given = _compacted(numbers_of(rows, "series"), len(batch.series))
    series = [batch.series[place] for place in present.tolist()]
    index, times = given, numbers_of(rows, "device_ns")
    places: NDArray[np.intp] = np.arange(len(index))
    if not _is_increasing(index, times):
        places = _stable_order(index, len(series))
        if not _is_increasing(index[places], times[places]):
            places = np.lexsort((times, index))
        index, times = index[places], times[places]
    rows = rows.set_column(0, ROWS.field("series"), column_of(given))
    first = _first_of_identity(index, times)
    if first.all():
        return OrderedBatch(rows, places, series, index, times, 0, rows.slice(0, 0))
    return _without_repetitions(rows, places, series, index, times, first)


def same_value(ours: pa.Table, theirs: pa.Table) -> NDArray[np.bool_]:
    """Row by row, whether two tables (n rows with `value` and `text`) say the same."""
    equal = np.ones(ours.num_rows, dtype=np.bool_)
    for name in ("value", "text"):
        a, b = ours.column(name), theirs.column(name)
        both_empty = pc.and_(pc.is_null(a), pc.is_null(b))
        equal &= pc.or_(both_empty, pc.fill_null(pc.equal(a, b), False)).to_numpy()
    return equal


def _without_repetitions(
    rows: pa.Table,
    places: NDArray[np.intp],
    series: list[Series],
    index: NDArray[np.int32],
    times: NDArray[np.int64],
    first: NDArray[np.bool_],
) -> OrderedBatch:
    winner = np.flatnonzero(first)[np.cumsum(first) - 1]  # for each row the first one of its identity
    later = np.flatnonzero(~first)
    repeated = rows.take(column_of(places[later]))
    same = same_value(repeated, rows.take(column_of(places[winner[later]])))
    return OrderedBatch(
        rows,
        places[first],
        series,
        index[first],
        times[first],
        int(same.sum()),
        repeated.take(column_of(np.flatnonzero(~same))),
    )


def _series_of(samples: pa.Table) -> tuple[list[Series], NDArray[np.int64]]:
    dictionaries: list[list[str]] = []
    codes = np.zeros(samples.num_rows, dtype=np.int64)
    size = 1
    for name in SAMPLES.names[:3]:
        column = samples.column(name)
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        array = column.unify_dictionaries().combine_chunks()
        words = array.dictionary.to_pylist()
        codes = codes * len(words) + array.indices.to_numpy()
        size *= len(words)
        dictionaries.append(words)
    present, index = np.unique(codes, return_inverse=True)
    _, signals, boots = dictionaries
    series = []
    for code in present.tolist():
        rest, boot = divmod(code, len(boots))
        device, signal = divmod(rest, len(signals))
        series.append((dictionaries[0][device], signals[signal], boots[boot]))
    return series, index


def _compacted(codes: NDArray[np.int32], size: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The places that occur, and for each row the position of its place among them."""
    present = np.flatnonzero(np.bincount(codes, minlength=size))
    if len(present) == size:
        return present, codes
    position = np.zeros(size, dtype=np.int32)
    position[present] = np.arange(len(present), dtype=np.int32)
    return present, position[codes]


def _stable_order(index: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    narrow = index.astype(np.int16) if count < 2**15 else index  # numpy sorts 16 bits by radix
    return np.argsort(narrow, kind="stable")


def _is_increasing(index: NDArray[np.int32], times: NDArray[np.int64]) -> bool:
    steps = np.diff(index)
    return bool((steps >= 0).all()) and bool((np.diff(times)[steps == 0] >= 0).all())


def _first_of_identity(index: NDArray[np.int32], times: NDArray[np.int64]) -> NDArray[np.bool_]:
    first = np.ones(len(index), dtype=np.bool_)
    first[1:] = (index[1:] != index[:-1]) | (times[1:] != times[:-1])
    return first
