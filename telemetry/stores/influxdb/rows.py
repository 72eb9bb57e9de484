"""Rows out of wide lines, and lines out of rows. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from telemetry.stores.batches import column_of
from telemetry.stores.influxdb.lines import LINE_FLAGS, TEXT_MARK, decode_tag
from telemetry.stores.interface import SAMPLES, Flag

LINES = pa.schema(
    [
        *(pa.field(name, pa.int64()) for name in ("time", "settled", "received", "flags")),
        *(pa.field(name, pa.string()) for name in ("boot", "lead")),
    ]
)
"""What all samples of a line share; `settled` and `received` in nanoseconds after `time`, tags encoded."""
ROWS = pa.schema(
    [*LINES, pa.field("signal", pa.string()), pa.field("value", pa.float64()), pa.field("text", pa.string())]
)
"""Samples as they are read: `settled` and `received` are instants, tags encoded, the signal's name is not."""


def as_samples(rows: pa.Table, device: str) -> pa.Table:
    """Schema SAMPLES from rows of schema ROWS."""
    return pa.table(
        {
            "device": pa.array([device] * rows.num_rows, pa.string()),
            "signal": rows.column("signal"),
            "boot": _decoded(rows.column("boot")),
            "device_ns": rows.column("time"),
            "settled_ns": rows.column("settled"),
            "received_ns": rows.column("received"),
            "value": rows.column("value"),
            "text": rows.column("text"),
            "flags": rows.column("flags").cast(pa.uint8()),
        },
        schema=SAMPLES,
    )


def samples_of(lines: pa.Table, name: str) -> pa.Table:
    """The samples of one signal (encoded) in lines, schema ROWS."""
    held = pc.or_(pc.is_valid(lines.column(f"v:{name}")), pc.is_valid(lines.column(f"t:{name}")))
    mine = lines.filter(held)
    own = pc.fill_null(mine.column(f"f:{name}"), 0)
    columns: Mapping[str, Any] = {
        "time": mine.column("time"),
        "settled": pc.add(mine.column("time"), mine.column("settled")),
        "received": pc.add(mine.column("time"), mine.column("received")),
        "flags": pc.bit_wise_or(mine.column("flags"), own),
        "boot": mine.column("boot"),
        "lead": mine.column("lead"),
        "signal": pa.repeat(pa.scalar(decode_tag(name)), mine.num_rows),
        "value": mine.column(f"v:{name}"),
        "text": pc.utf8_slice_codeunits(mine.column(f"t:{name}"), len(TEXT_MARK)),
    }
    return pa.table(columns, schema=ROWS)


def within(rows: pa.Table, start: int, end: int, *, uncertain: bool) -> pa.Table:
    """Those that settled in `[start, end)`, without those of uncertain time unless they are wanted."""
    settled = rows.column("settled")
    inside = pc.and_(pc.greater_equal(settled, start), pc.less(settled, end))
    if not uncertain:
        inside = pc.and_(inside, pc.equal(pc.bit_wise_and(rows.column("flags"), int(Flag.UNCERTAIN)), 0))
    return rows.filter(inside)


def each_once(rows: pa.Table) -> pa.Table:
    """One row of each identity."""
    keys = rows.select(["boot", "signal", "time"]).append_column("row", column_of(np.arange(rows.num_rows)))
    first = keys.group_by(["boot", "signal", "time"]).aggregate([("row", "min")])
    return rows.take(first.column("row_min"))


def in_order(rows: pa.Table) -> pa.Table:
    """Sorted by signal, settled and device time."""
    return rows.sort_by([("signal", "ascending"), ("settled", "ascending"), ("time", "ascending")])


def last_of_each(rows: pa.Table) -> pa.Table:
    """The last row of each signal, of sorted rows."""
    if not rows.num_rows:
        return rows
    signals = rows.column("signal").combine_chunks().dictionary_encode().indices.to_numpy()
    return rows.take(column_of(np.flatnonzero(np.append(signals[1:] != signals[:-1], True))))


def _decoded(tags: pa.ChunkedArray) -> pa.Array:
    encoded = tags.combine_chunks().dictionary_encode()
    words = pa.array([decode_tag(tag) for tag in encoded.dictionary.to_pylist()], pa.string())
    return pa.DictionaryArray.from_arrays(encoded.indices, words).cast(pa.string())


def lines_of(rows: pa.Table) -> pa.Table:
    """Each line of some samples (schema ROWS) once: `boot`, `lead`, `time`, `received`, `flags` of the line."""
    names = ["boot", "lead", "time", "received", "flags"]
    own = pc.bit_wise_and(rows.column("flags"), LINE_FLAGS)
    rows = rows.set_column(rows.schema.get_field_index("flags"), "flags", own)
    return rows.group_by(names).aggregate([])


def are_inside(rows: pa.Table, start: int, end: int, doubtful_before_ns: int | None) -> NDArray[np.bool_]:
    """Which settled in `[start, end)`; of those of uncertain time only what was received before an instant, if any."""
    settled = rows.column("settled").to_numpy()
    inside: NDArray[np.bool_] = (settled >= start) & (settled < end)
    if doubtful_before_ns is None:
        return inside
    certain = rows.column("flags").to_numpy() & int(Flag.UNCERTAIN) == 0
    sure: NDArray[np.bool_] = certain | (rows.column("received").to_numpy() < doubtful_before_ns)
    return inside & sure


def runs(rows: pa.Table, start: int, end: int, doubtful_before_ns: int | None) -> Iterator[tuple[str, int, int, int]]:
    """Lead, first and last device time and number of samples of neighbouring lines of which `are_inside` is true."""
    inside = are_inside(rows, start, end, doubtful_before_ns)
    lines = rows.append_column("inside", pa.array(inside)).group_by(["lead", "time", "inside"])
    run: tuple[str, int, int, int] | None = None
    for row in lines.aggregate([([], "count_all")]).sort_by([("lead", "ascending"), ("time", "ascending")]).to_pylist():
        if run is not None and (row["lead"] != run[0] or not row["inside"]):
            yield run
            run = None
        if row["inside"]:
            lead, first, _, count = run or (row["lead"], row["time"], 0, 0)
            run = lead, first, row["time"], count + row["count_all"]
    if run is not None:
        yield run
