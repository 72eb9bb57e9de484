"""A batch meets what is stored: only what is new goes into the file (I3)."""

from collections.abc import Iterable
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from telemetry.stores.batches import OrderedBatch, column_of, numbers_of, order_batch
from telemetry.stores.duckdb.marks import NEVER, Mark, reached_by_blocks, reached_by_rows
from telemetry.stores.interface import SampleBatch, Series

_STORED_TWINS = """
SELECT suspects.row, suspects.value IS NOT DISTINCT FROM samples.value
                     AND suspects.text IS NOT DISTINCT FROM samples.text AS same
FROM suspects JOIN samples ON samples.series = suspects.series AND samples.device_ns = suspects.device_ns
WHERE samples.device_ns BETWEEN ? AND ?
"""


def number_series(
    cursor: duckdb.DuckDBPyConnection, known: dict[Series, int], series: list[Series]
) -> tuple[NDArray[np.int32], dict[Series, int]]:
    """The numbers of series, and those of them that this transaction has just made."""
    missing = [key for key in series if key not in known]
    added: dict[Series, int] = {}
    if missing:
        following = max(known.values(), default=0) + 1
        added = {key: following + place for place, key in enumerate(missing)}
        cursor.executemany("INSERT INTO series VALUES (?, ?, ?, ?)", [(added[key], *key) for key in missing])
    numbers = [known[key] if key in known else added[key] for key in series]
    return np.array(numbers, dtype=np.int32), added


@dataclass(frozen=True, slots=True)
class News:
    """What of a batch is not stored yet."""

    rows: pa.Table
    """Columns of table `samples`, in the order in which they came."""
    reached: Iterable[tuple[int, Mark]]
    """How far they reach, by the numbers of their series."""
    duplicates: int = 0
    conflicts: tuple[pa.Table, ...] = ()
    """Schema SAMPLES: rows whose identity has another value."""


def news_of(
    cursor: duckdb.DuckDBPyConnection, batch: SampleBatch, known: dict[Series, int], marks: dict[int, Mark]
) -> tuple[News, dict[Series, int]]:
    """What of a batch has to be stored, and the series that this transaction has made for it.

    Blocks that begin after all that is known of their series are new as a whole; else the rows are looked at.
    """
    if batch.blocks is not None and _follows(batch, known, marks):
        ids, added = number_series(cursor, known, list(batch.series))
        return News(_numbered(batch.rows, ids), reached_by_blocks(batch.blocks, ids)), added
    ordered = order_batch(batch)
    ids, added = number_series(cursor, known, ordered.series)
    return _without_stored(cursor, ordered, ids, marks), added


def _follows(batch: SampleBatch, known: dict[Series, int], marks: dict[int, Mark]) -> bool:
    numbers = [known.get(one, -1) for one in batch.series]
    high = np.array([marks[number].high if number in marks else NEVER for number in numbers], dtype=np.int64)
    present = np.zeros(len(high), dtype=np.bool_)
    for block in batch.blocks or ():
        if (high[block.series] >= block.first_ns).any():
            return False
        high[block.series] = block.last_ns
        present[block.series] = True
    return bool(present.all())  # a series without rows is not to be made


def _without_stored(
    cursor: duckdb.DuckDBPyConnection, batch: OrderedBatch, ids: NDArray[np.int32], marks: dict[int, Mark]
) -> News:
    if not batch.series:
        return News(batch.rows, ())
    high = np.array([marks[number].high if number in marks else NEVER for number in ids.tolist()], dtype=np.int64)
    behind = np.flatnonzero(batch.times <= high[batch.index])
    absent = np.ones(len(batch.places), dtype=np.bool_)
    conflicting, duplicates = np.zeros(0, dtype=np.intp), 0
    if len(behind):
        suspects = _numbered(batch.taken(behind), ids).append_column("row", column_of(behind))
        cursor.register("suspects", suspects)
        twins = cursor.execute(
            _STORED_TWINS, [int(batch.times[behind].min()), int(batch.times[behind].max())]
        ).fetchnumpy()
        cursor.unregister("suspects")
        found = np.asarray(twins["row"], dtype=np.intp)
        absent[found] = False
        conflicting = np.unique(found[~np.asarray(twins["same"], dtype=np.bool_)])
        duplicates = len(absent) - int(absent.sum()) - len(conflicting)
    left = np.flatnonzero(absent)
    whole = len(left) == batch.rows.num_rows
    rows = batch.rows if whole else batch.rows.take(column_of(np.sort(batch.places[left])))
    at = batch.places[left]
    settled, flags = (numbers_of(batch.rows, name)[at] for name in ("settled_ns", "flags"))
    return News(
        _numbered(rows, ids),
        reached_by_rows(ids[batch.index[left]], batch.times[left], settled, flags),
        batch.duplicates + duplicates,
        tuple(batch.named(part) for part in (batch.conflicts, batch.taken(conflicting))),
    )


def _numbered(rows: pa.Table, ids: NDArray[np.int32]) -> pa.Table:
    """With the store's numbers of the series instead of the batch's."""
    return rows.set_column(0, "series", column_of(ids[numbers_of(rows, "series")]))
