"""A batch meets what is stored: only what is new goes into the file (I3)."""

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from telemetry.stores.batches import OrderedBatch, column_of
from telemetry.stores.duckdb.marks import NEVER, Mark
from telemetry.stores.interface import Series

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


def without_stored(
    cursor: duckdb.DuckDBPyConnection, batch: OrderedBatch, ids: NDArray[np.int32], marks: dict[int, Mark]
) -> tuple[pa.Table, int, pa.Table]:
    """The rows to insert (columns of table `samples`), the number of duplicates, and the conflicts (schema ROWS)."""
    if not batch.series:
        return batch.rows, 0, batch.rows
    new = batch.rows.set_column(0, "series", column_of(ids[batch.index]))
    high = np.array([marks[number].high if number in marks else NEVER for number in ids.tolist()], dtype=np.int64)
    behind = np.flatnonzero(batch.times <= high[batch.index])
    if not len(behind):
        return new, 0, batch.rows.slice(0, 0)
    cursor.register("suspects", new.take(column_of(behind)).append_column("row", column_of(behind)))
    reach = [int(batch.times[behind].min()), int(batch.times[behind].max())]
    twins = cursor.execute(_STORED_TWINS, reach).fetchnumpy()
    cursor.unregister("suspects")
    found = np.asarray(twins["row"], dtype=np.intp)
    same = np.asarray(twins["same"], dtype=np.bool_)
    absent = np.ones(len(batch.index), dtype=np.bool_)
    absent[found] = False
    conflicting = np.unique(found[~same])
    duplicates = len(absent) - int(absent.sum()) - len(conflicting)
    return new.take(column_of(np.flatnonzero(absent))), duplicates, batch.rows.take(column_of(conflicting))
