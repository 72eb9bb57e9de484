"""Order in one batch before it meets what is stored: by series and device time, each identity once (I3). Pure.

The usual batch is already in order within each series, so the work is a few passes over integers; no pandas, no sort
of strings.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Series: TypeAlias = tuple[str, str, str]
"""Device, signal and boot."""


@dataclass(frozen=True, slots=True)
class OrderedBatch:
    """A batch sorted by series and device time in which no identity comes twice."""

    samples: pa.Table
    """Schema SAMPLES."""
    series: list[Series]
    """The distinct series, each with at least one row in `samples`."""
    index: NDArray[np.intp]
    """(n,) for each row the position of its series in `series`; never decreasing."""
    times: NDArray[np.int64]
    """(n,) device_ns; increasing within a series."""
    duplicates: int
    """Rows left out because an earlier row of the batch has the same identity and value."""
    conflicts: pa.Table
    """Rows left out because an earlier row of the batch has the same identity and another value."""

    def last_times(self) -> list[int]:
        """The greatest device_ns of each series, in the order of `series`."""
        ends = np.flatnonzero(np.diff(self.index, append=len(self.series)))
        return [int(time) for time in self.times[ends]]


def order_batch(samples: pa.Table) -> OrderedBatch:
    """Sort a batch by series and device time; of one identity the first row stays.

    Args:
        samples: schema SAMPLES; text columns may be dictionary-encoded.
    """
    series, index = _series_of(samples)
    times = samples.column("device_ns").to_numpy()
    in_order = _is_increasing(index, times)
    if not in_order:
        order = _stable_order(index, len(series))
        if not _is_increasing(index[order], times[order]):
            order = np.lexsort((times, index))
        samples, index, times = samples.take(order), index[order], times[order]
    first = _first_of_identity(index, times)
    if first.all():
        return OrderedBatch(samples, series, index, times, 0, samples.slice(0, 0))
    return _without_repetitions(samples, series, index, times, first)


def same_value(ours: pa.Table, theirs: pa.Table) -> NDArray[np.bool_]:
    """Row by row, whether two tables (n rows with `value` and `text`) say the same."""
    equal = np.ones(ours.num_rows, dtype=np.bool_)
    for name in ("value", "text"):
        a, b = ours.column(name), theirs.column(name)
        both_empty = pc.and_(pc.is_null(a), pc.is_null(b))
        equal &= pc.or_(both_empty, pc.fill_null(pc.equal(a, b), False)).to_numpy()
    return equal


def _without_repetitions(
    samples: pa.Table,
    series: list[Series],
    index: NDArray[np.intp],
    times: NDArray[np.int64],
    first: NDArray[np.bool_],
) -> OrderedBatch:
    winner = np.flatnonzero(first)[np.cumsum(first) - 1]  # for each row the first one of its identity
    later = np.flatnonzero(~first)
    repeated = samples.take(later)
    same = same_value(repeated, samples.take(winner[later]))
    return OrderedBatch(
        samples.filter(pa.array(first)),
        series,
        index[first],
        times[first],
        int(same.sum()),
        repeated.filter(pa.array(~same)),
    )


def _series_of(samples: pa.Table) -> tuple[list[Series], NDArray[np.intp]]:
    dictionaries: list[list[str]] = []
    codes = np.zeros(samples.num_rows, dtype=np.int64)
    size = 1
    for name in ("device", "signal", "boot"):
        column = samples.column(name)
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        array = column.unify_dictionaries().combine_chunks()
        words = array.dictionary.to_pylist()
        codes = codes * len(words) + array.indices.to_numpy()
        size *= len(words)
        dictionaries.append(words)
    present, index = _compacted(codes, size)
    _, signals, boots = dictionaries
    series = []
    for code in present.tolist():
        rest, boot = divmod(code, len(boots))
        device, signal = divmod(rest, len(signals))
        series.append((dictionaries[0][device], signals[signal], boots[boot]))
    return series, index


def _compacted(codes: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    if size > 4 * len(codes) + 1024:  # a table of all combinations would be larger than the batch
        present, index = np.unique(codes, return_inverse=True)
        return present, index
    present = np.flatnonzero(np.bincount(codes, minlength=size))
    position = np.zeros(size, dtype=np.intp)
    position[present] = np.arange(len(present))
    return present, position[codes]


def _stable_order(index: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    narrow = index.astype(np.int16) if count < 2**15 else index  # numpy sorts 16 bits by radix
    return np.argsort(narrow, kind="stable")


def _is_increasing(index: NDArray[np.intp], times: NDArray[np.int64]) -> bool:
    steps = np.diff(index)
    return bool((steps >= 0).all()) and bool((np.diff(times)[steps == 0] >= 0).all())


def _first_of_identity(index: NDArray[np.intp], times: NDArray[np.int64]) -> NDArray[np.bool_]:
    first = np.ones(len(index), dtype=np.bool_)
    first[1:] = (index[1:] != index[:-1]) | (times[1:] != times[:-1])
    return first
