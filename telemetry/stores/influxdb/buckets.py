"""Minimum, maximum, mean and count of one signal, made by the server.

Buckets are of settled time, the server's are of device time. Where the two lie equally far apart the server's buckets,
moved by that distance, are ours; it is asked once for each of the usual distances. What settled otherwise is read and
put into its buckets here, so that an edge is exact whatever a clock does.
"""

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from telemetry.stores.batches import column_of
from telemetry.stores.influxdb.clocks import MOST_USUAL, Reach, between, questions
from telemetry.stores.influxdb.lines import encode_tag, measurement
from telemetry.stores.influxdb.reading import CERTAIN, LineReader
from telemetry.stores.interface import BUCKETS
from telemetry.stores.spans import merged

_PARTS = pa.schema(
    [
        pa.field("time", pa.int64()),
        *(pa.field(name, pa.float64()) for name in ("min", "max", "sum")),
        pa.field("count", pa.int64()),
    ]
)
"""Some samples of a bucket; `time` is where it starts."""


class BucketReader(LineReader):
    """The questions of `SampleStore`, that for buckets included."""

    def buckets(
        self, device: str, signal: str, spans: list[tuple[int, int]], *, width_ns: int, uncertain: bool = False
    ) -> pa.Table:
        """Minimum, maximum, mean and count in buckets of settled time (see `SampleStore.buckets`)."""
        reaches = self.reaches(device)
        parts = [_PARTS.empty_table()]
        for start, end in _cut(merged(spans), reaches):
            usual = _usual(reaches, start, end)
            parts += [
                self._of_server(device, signal, reaches, start, end, distance, width_ns, uncertain=uncertain)
                for distance in usual
            ]
            asked = [one for one in questions(reaches, [(start, end)]) if not (one.even and one.low in usual)]
            if asked:
                rows = self.exceptions(device, signal, asked, usual, uncertain=uncertain)
                parts.append(_in_buckets(rows, width_ns))
        return _merged(pa.concat_tables(parts))

    def _of_server(
        self,
        device: str,
        signal: str,
        reaches: Mapping[str, Reach],
        start: int,
        end: int,
        distance: int,
        width_ns: int,
        *,
        uncertain: bool,
    ) -> pa.Table:
        """What settled in `[start, end)` at one distance from device time, by start of its bucket."""
        first, last = start - distance, end - distance
        there = [
            reach for reach in reaches.values() if reach.since - reach.high < last and first < reach.until - reach.low
        ]
        where = between(first, last)
        if any(not reach.even or reach.low != distance for reach in there):
            where += f" AND settled = {distance}"
        if not uncertain and any(reach.doubtful for reach in there):
            where += f" AND {CERTAIN}"
        field = f'"v:{encode_tag(signal)}"'
        found = self._connection.query(
            f"SELECT min({field}) AS min, max({field}) AS max, sum({field}) AS sum, count({field}) AS count "  # noqa: S608
            f'FROM "{measurement(device)}" WHERE {where} '
            f"GROUP BY time({width_ns}ns, {-distance % width_ns}ns) fill(none)",
            _PARTS,
        )
        return found.set_column(0, _PARTS.field("time"), pc.add(found.column("time"), distance))


def _cut(spans: list[tuple[int, int]], reaches: Mapping[str, Reach]) -> list[tuple[int, int]]:
    """The parts of spans in which there may be samples."""
    found = []
    for start, end in spans:
        there = [reach for reach in reaches.values() if reach.overlaps(start, end)]
        if there:
            first, last = min(reach.since for reach in there), max(reach.until for reach in there)
            found.append((max(start, first), min(end, last)))
    return found


def _usual(reaches: Mapping[str, Reach], start: int, end: int) -> list[int]:
    """The distances worth a question."""
    counts = Counter(distance for reach in reaches.values() if reach.overlaps(start, end) for distance in reach.usual)
    return [distance for distance, _ in counts.most_common(MOST_USUAL)]


def _in_buckets(rows: pa.Table, width_ns: int) -> pa.Table:
    settled = rows.column("settled").to_numpy()
    starts = pa.table({"time": column_of(settled // width_ns * width_ns), "value": rows.column("value")})
    functions = [("value", name) for name in ("min", "max", "sum", "count")]
    found = starts.group_by("time").aggregate(functions)
    return found.select(["time", *(f"value_{name}" for _, name in functions)]).rename_columns(_PARTS.names).cast(_PARTS)


def _merged(parts: pa.Table) -> pa.Table:
    grouped = parts.group_by("time").aggregate([("min", "min"), ("max", "max"), ("sum", "sum"), ("count", "sum")])
    grouped = grouped.sort_by("time")
    counts = grouped.column("count_sum")
    columns = {
        "start_ns": grouped.column("time"),
        "min": grouped.column("min_min"),
        "max": grouped.column("max_max"),
        "mean": pc.divide(grouped.column("sum_sum"), counts.cast(pa.float64())),
        "count": counts,
    }
    return pa.table(columns, schema=BUCKETS)
