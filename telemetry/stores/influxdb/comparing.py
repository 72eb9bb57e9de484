"""What of a batch is stored already."""

from collections import defaultdict
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from telemetry.stores.batches import OrderedBatch
from telemetry.stores.influxdb.clocks import between
from telemetry.stores.influxdb.lines import encode_tag
from telemetry.stores.influxdb.reading import LineReader
from telemetry.stores.spans import clusters

Boot: TypeAlias = tuple[str, str]
"""Device and boot."""
_HOLE_NS = 60 * 1_000_000_000
"""Suspects further apart than this are compared in separate questions."""


def stored_twins(
    reader: LineReader, batch: OrderedBatch, suspects: NDArray[np.intp]
) -> tuple[NDArray[np.intp], pa.Table]:
    """Which rows of a batch have a twin of the same identity in the store, and the twins (with `value` and `text`).

    Args:
        reader: of the store.
        batch: whose rows.
        suspects: positions in `batch.places` of the rows to look for; at least one.
    """
    parts = []
    for (device, boot), names, first, last in _neighbourhoods(batch, suspects):
        rows = reader.points(device, list(names), f"{between(first, last + 1)} AND boot = '{encode_tag(boot)}'")
        series = [names[signal] for signal in rows.column("signal").to_pylist()]
        parts.append(rows.append_column("series", pa.array(series, pa.int32())))
    stored = pa.concat_tables(parts)
    keys = zip(stored.column("series").to_pylist(), stored.column("time").to_pylist(), strict=True)
    known = {key: place for place, key in enumerate(keys)}
    asked = zip(batch.index[suspects].tolist(), batch.times[suspects].tolist(), strict=True)
    found = [(row, known[key]) for row, key in zip(suspects.tolist(), asked, strict=True) if key in known]
    twins = stored.take(pa.array([place for _, place in found], pa.int64()))
    return np.array([row for row, _ in found], np.intp), twins


def _neighbourhoods(batch: OrderedBatch, suspects: NDArray[np.intp]) -> Iterator[tuple[Boot, dict[str, int], int, int]]:
    """Boot, its signals with their places in `batch.series`, first and last device time of rows to compare."""
    signals: dict[Boot, dict[str, int]] = defaultdict(dict)
    times: dict[Boot, list[NDArray[np.int64]]] = defaultdict(list)
    index = batch.index[suspects]
    for place in np.unique(index).tolist():
        device, signal, boot = batch.series[place]
        signals[device, boot][signal] = place
        times[device, boot].append(batch.times[suspects[index == place]])
    for key, names in signals.items():
        for first, last in clusters(np.unique(np.concatenate(times[key])).tolist(), _HOLE_NS):
            yield key, names, first, last
