"""Rows as they lie in the file, put in order and given their names.

Rows lie nearly in the order of time, so that telling signals apart is most of what there is to do, and names are made
once for each series instead of once for each row.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from telemetry.stores.duckdb.questions import Names
from telemetry.stores.interface import SAMPLES


def arranged(rows: pa.Table, names: Names, device: str) -> pa.Table:
    """Rows with names, sorted by signal, settled_ns, device_ns, boot.

    Args:
        rows: columns series, device_ns, settled_ns, received_ns, value, text, flags, in any order.
        names: of every series in it.
        device: whose rows they are.

    Returns:
        Schema SAMPLES.
    """
    numbers = sorted(names, key=lambda number: names[number])
    ranks = np.zeros(max(numbers) + 1, np.int16 if len(numbers) < 2**15 else np.int32)
    ranks[numbers] = np.arange(len(numbers))
    rows = rows.combine_chunks()
    series = ranks[rows["series"].to_numpy()]
    order = _order(series, [names[number][0] for number in numbers], rows)
    series = series[order]
    named = (_repeated([names[number][part] for number in numbers], series) for part in (0, 1))
    columns = [_taken(rows[name], order) for name in SAMPLES.names[3:]]
    return pa.Table.from_arrays([_repeated([device], np.zeros_like(series)), *named, *columns], schema=SAMPLES)


def _order(series: NDArray[np.signedinteger], signals: list[str], rows: pa.Table) -> NDArray[np.intp]:
    """Where the rows come from, in order; `series` are ranks, by signal and boot."""
    settled = rows["settled_ns"].to_numpy()
    order = np.argsort(series, kind="stable")
    if len(set(signals)) == len(signals):
        times, ranks = settled[order], series[order]
        if ((np.diff(times) > 0) | (np.diff(ranks) > 0)).all():
            return order
    places = {signal: place for place, signal in enumerate(sorted(set(signals)))}
    signal = np.array([places[name] for name in signals], series.dtype)[series]
    return np.lexsort((series, rows["device_ns"].to_numpy(), settled, signal))


def _taken(column: pa.ChunkedArray, order: NDArray[np.intp]) -> pa.ChunkedArray | pa.Array:
    if column.null_count == len(column):
        return pa.nulls(len(column), column.type)
    return column.take(pa.array(order)) if column.null_count else pa.array(column.to_numpy()[order])


def _repeated(names: list[str], places: NDArray[np.signedinteger]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(places), pa.array(names, pa.string())).cast(pa.string())
