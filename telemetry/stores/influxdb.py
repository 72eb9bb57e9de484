"""The store of a deployment: InfluxDB 2, and what speaks its `/api/v2/write` and InfluxQL's `/query` (1.8, 3).

A point's key is the sample's identity, its time the device time; settled time, received time and flags are fields.
Two things follow. InfluxDB lets the last value win where we want the first (I3): a batch that reaches behind the
high-water mark of a series is compared with what is stored, all others are new. And it finds points by device time
where we ask by settled time: how far the two lie apart is kept for each boot (`clocks`), so that a question becomes a
range of device time that surely holds the answer, which is then cut to settled time here.

The order of a write is clocks, samples, watermark: what is lost on the way is written again from the spool.
"""

import threading
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from telemetry.stores.batches import OrderedBatch, as_batch, column_of, order_batch, same_value
from telemetry.stores.coverages import coverage_of
from telemetry.stores.influxdb_connection import InfluxDBConnection
from telemetry.stores.interface import (
    BUCKETS,
    COVERAGE,
    SAMPLES,
    Checkpoint,
    Compaction,
    Flag,
    Repair,
    SampleBatch,
    Series,
    StoreLimits,
    Written,
)
from telemetry.stores.limits import within_limits
from telemetry.stores.line_protocol import clock_line, decode_tag, encode_tag, sample_lines, watermark_line
from telemetry.stores.spans import clusters, merged
from telemetry.stores.streaming import stream_windows

_NEVER = -(2**63)
_EARLIEST, _LATEST = -(2**63) + 2, 2**63 - 2  # what InfluxDB can hold
_NEAR_NS = 120 * 1_000_000_000
"""Clocks at most this far off are asked for together; each other one on its own."""
_HOLE_NS = 60 * 1_000_000_000
"""Suspects further apart than this are compared in separate questions."""

_ROWS = pa.schema(
    [
        pa.field("time", pa.int64()),
        pa.field("boot", pa.string()),
        pa.field("signal", pa.string()),
        pa.field("value", pa.float64()),
        pa.field("text", pa.string()),
        pa.field("settled", pa.int64()),
        pa.field("received", pa.int64()),
        pa.field("flags", pa.int64()),
    ]
)
_MARKS = pa.schema([pa.field("tags", pa.string()), pa.field("time", pa.int64())])
_CLOCKS = pa.schema([pa.field("boot", pa.string()), pa.field("low", pa.int64()), pa.field("high", pa.int64())])
_ENDS = pa.schema([pa.field("time", pa.int64())])
_PROGRESS = pa.schema([pa.field("watermark", pa.int64())])

LIMITS = StoreLimits(
    longest_text_bytes=2**16 - 1,
    longest_name_bytes=4096,
    earliest_ns=-(2**62),  # the distance between two times has to be a time as well
    latest_ns=2**62,
    transactional=False,
    own_backups=False,
)
_LATE_NS = 60 * 1_000_000_000

Boot = tuple[str, str]
"""Device and boot."""


class InfluxDBStore:
    """Samples in a bucket of InfluxDB. Safe for threads; one process writes a device's samples.

    Args:
        url: of the server.
        token: may read and write the bucket.
        org: organisation.
        bucket: its name, which is also the database's name in InfluxQL.
    """

    def __init__(self, url: str, token: str, org: str, bucket: str) -> None:
        self._connection = InfluxDBConnection(url, token, org, bucket)
        self._writing = threading.Lock()
        self._marks: dict[Boot, dict[str, int]] = {}
        self._clocks: dict[str, dict[str, tuple[int, int]]] = {}
        self._watermarks: dict[str, int] = {}
        self._generation = 1

    limits = LIMITS

    @property
    def generation(self) -> int:
        """Raised after a failure: what was written before it may be stored or not."""
        return self._generation

    def write(self, samples: pa.Table | SampleBatch, *, watermark: int, spool: str = "") -> Written:
        """Store a batch, then its watermark (see `SampleStore.write`).

        Raises:
            StoreUnavailableError: a part may be stored; writing the same again is harmless.
        """
        given, beyond = within_limits(as_batch(samples), LIMITS)
        batch = order_batch(given)
        boots = {(device, boot) for device, _, boot in batch.series}
        with self._writing:
            try:
                new, duplicates, conflicts = self._without_stored(batch)
                self._note_clocks(new)
                rejected = self._connection.write(sample_lines(new))
                if watermark > self._known_watermark(spool):
                    self._connection.write([watermark_line(spool, watermark)])
                    self._watermarks[spool] = watermark
            except BaseException:
                self._generation += 1
                for key in boots:  # nobody knows what of them is stored
                    self._marks.pop(key, None)
                self._watermarks.clear()
                raise
            for (device, signal, boot), last in zip(batch.series, batch.last_times(), strict=True):
                marks = self._marks[device, boot]
                marks[signal] = max(marks.get(signal, _NEVER), last)
        refused = pa.concat_tables([new.take(pa.array(rejected, pa.int64())).cast(SAMPLES), beyond])
        return Written(
            stored=new.num_rows - len(rejected),
            duplicates=batch.duplicates + duplicates,
            conflicts=pa.concat_tables(
                [part.cast(SAMPLES) for part in (batch.named(batch.conflicts), conflicts, refused)]
            ),
            rejected=refused,
        )

    def watermark(self, spool: str = "") -> int:
        """The last row of a spool that is surely stored; 0 if nothing of it is."""
        question = f"SELECT watermark FROM progress WHERE spool = '{encode_tag(spool)}'"  # noqa: S608 - encoded
        found = self._connection.query(question, _PROGRESS)
        return max(found.column("watermark").to_pylist(), default=0)

    def read(
        self,
        device: str,
        signals: list[str],
        spans: list[tuple[int, int]],
        *,
        uncertain: bool = False,
        limit: int | None = None,
    ) -> pa.Table:
        """Samples within spans of settled time (see `SampleStore.read`)."""
        left = limit
        parts = [SAMPLES.empty_table()]
        for signal in sorted(set(signals)) or self._signals(device):
            rows = self._rows(device, signal, spans, uncertain=uncertain)
            if left is not None:
                rows = rows.slice(0, left)
                left -= rows.num_rows
            parts.append(_as_samples(rows, device))
            if left == 0:
                break
        return pa.concat_tables(parts)

    def buckets(
        self,
        device: str,
        signal: str,
        spans: list[tuple[int, int]],
        *,
        width_ns: int,
        uncertain: bool = False,
    ) -> pa.Table:
        """Minimum, maximum, mean and count in buckets of settled time (see `SampleStore.buckets`)."""
        rows = self._rows(device, signal, spans, uncertain=uncertain)
        rows = rows.filter(pc.is_valid(rows.column("value")))
        if not rows.num_rows:
            return BUCKETS.empty_table()
        values = rows.column("value").to_numpy()
        starts = rows.column("settled").to_numpy() // width_ns * width_ns
        firsts = np.flatnonzero(np.diff(starts, prepend=starts[0] - 1))
        counts = np.diff(firsts, append=len(starts))
        return pa.table(
            {
                "start_ns": starts[firsts],
                "min": np.minimum.reduceat(values, firsts),
                "max": np.maximum.reduceat(values, firsts),
                "mean": np.add.reduceat(values, firsts) / counts,
                "count": counts.astype(np.int64),
            },
            schema=BUCKETS,
        )

    def last_values(self, device: str, spans: list[tuple[int, int]], *, uncertain: bool = False) -> pa.Table:
        """The newest sample of each signal within the spans (see `SampleStore.last_values`)."""
        newest: dict[str, dict[str, object]] = {}
        certain = "" if uncertain else f" AND {_CERTAIN}"
        for span, where in self._questions(device, spans):
            inside = f"settled >= {_clamped(span[0])} AND settled < {_clamped(span[1])}"
            rows = self._connection.query(
                f"SELECT max(settled) AS settled, boot, value, text, received, flags FROM samples "  # noqa: S608
                f"WHERE {where} AND {inside}{certain} GROUP BY signal",
                pa.schema([*_ROWS, pa.field("tags", pa.string())]),
            )
            for row in rows.to_pylist():
                row["signal"] = row["tags"].removeprefix("signal=")
                best = newest.get(row["signal"])
                if best is None or (row["settled"], row["time"]) > (best["settled"], best["time"]):
                    newest[row["signal"]] = row
        found = pa.Table.from_pylist(list(newest.values()), schema=_ROWS)
        return _as_samples(_sorted(_with_one_value(found)), device)

    def checkpoint(self, spool: str = "") -> Checkpoint:
        """How far the server has it all: it says a write is done when that is in its own write-ahead log."""
        return Checkpoint(self.watermark(spool), 0)

    def stream(
        self, device: str, signals: list[str], spans: list[tuple[int, int]], *, uncertain: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Samples in pieces (see `SampleStore.stream`)."""
        for signal in sorted(set(signals)) or self._signals(device):
            inside = self._reach(device, signal, spans)

            def read(start: int, end: int, most: int, signal: str = signal) -> pa.Table:
                return self.read(device, [signal], [(start, end)], uncertain=uncertain, limit=most or None)

            yield from stream_windows(read, inside)

    def coverage(
        self,
        device: str,
        signals: list[str],
        spans: list[tuple[int, int]],
        *,
        longest_gap_ns: int,
        uncertain: bool = False,
    ) -> pa.Table:
        """From when to when there are samples (see `SampleStore.coverage`)."""
        parts = [COVERAGE.empty_table()]
        for signal in sorted(set(signals)) or self._signals(device):
            rows = self._rows(device, signal, spans, uncertain=uncertain)
            for boot in sorted({decode_tag(tag): tag for tag in pc.unique(rows.column("boot")).to_pylist()}.items()):
                mine = rows.filter(pc.equal(rows.column("boot"), boot[1]))
                parts.append(coverage_of(signal, boot[0], mine.column("settled").to_numpy(), longest_gap_ns))
        return pa.concat_tables(parts)

    def count(self, device: str, spans: list[tuple[int, int]]) -> int:
        """How many samples of a device lie in spans of settled time."""
        rows = (self._rows(device, signal, spans, uncertain=True) for signal in self._signals(device))
        return sum(len(part) for part in rows)

    def resettle(
        self, device: str, boot: str, device_span: tuple[int, int], *, offset_ns: int, uncertain_only: bool = False
    ) -> int:
        """Give samples another settled time (see `SampleStore.resettle`)."""
        where = f"device = '{encode_tag(device)}' AND boot = '{encode_tag(boot)}' AND {_between(*device_span)}"
        rows = _as_samples(self._points(where), device)
        if uncertain_only:
            rows = rows.filter(pa.array(rows.column("flags").to_numpy() & int(Flag.UNCERTAIN) != 0))
        times = rows.column("device_ns").to_numpy()
        received = rows.column("received_ns").to_numpy()
        flags = rows.column("flags").to_numpy() & (0xFF ^ int(Flag.UNCERTAIN | Flag.SKEWED | Flag.LATE))
        settled = np.minimum(times + offset_ns, received)
        late = (received - settled > _LATE_NS) & (flags & int(Flag.BUFFERED) == 0)
        flags = flags | (int(Flag.SKEWED) if offset_ns else 0) | np.where(late, int(Flag.LATE), 0)
        changed = rows.set_column(SAMPLES.get_field_index("settled_ns"), "settled_ns", column_of(settled))
        changed = changed.set_column(SAMPLES.get_field_index("flags"), "flags", column_of(flags.astype(np.uint8)))
        with self._writing:
            self._note_clocks(changed)
            self._connection.write(sample_lines(changed))
        return len(rows)

    def delete(self, device: str, spans: list[tuple[int, int]]) -> int:
        """Delete a device's samples in spans of settled time (see `SampleStore.delete`).

        InfluxDB deletes by device time: each run of points whose settled times all lie in the spans is deleted alone.
        """
        deleted = 0
        tag, wanted = encode_tag(device), merged(spans)
        for boot, (low, high) in self._known_clocks(device).items():
            where = f"device = '{tag}' AND boot = '{boot}'"
            for start, end in wanted:
                rows = self._points(f"{where} AND {_between(start - high, end - low)}")
                order = np.argsort(rows.column("time").to_numpy(), kind="stable")
                settled = rows.column("settled").to_numpy()[order]
                inside = (settled >= start) & (settled < end)
                times = rows.column("time").to_numpy()[order]
                for signal, first, last, count in _runs(rows.column("signal").to_pylist(), order, times, inside):
                    self._connection.execute(
                        f"DELETE FROM samples WHERE {where} AND signal = '{signal}' AND {_between(first, last + 1)}"  # noqa: S608
                    )
                    deleted += count
        return deleted

    def compact(self, *, before_ns: int) -> Compaction:
        """Nothing: the server sorts and compresses by itself."""
        del before_ns
        return Compaction(0, 0, 0, 0)

    def take_repairs(self) -> list[Repair]:
        """None: the server looks after its files."""
        return []

    def size_bytes(self) -> int:
        """The server does not say."""
        return 0

    def close(self) -> None:
        """Let go of connections."""
        self._connection.close()

    def _reach(self, device: str, signal: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Spans, cut to where the signal may have samples at all."""
        clocks = self._known_clocks(device).values()
        tags = f"device = '{encode_tag(device)}' AND signal = '{encode_tag(signal)}'"
        ends = [
            self._connection.query(f"SELECT {end}(settled) FROM samples WHERE {tags}", _ENDS).column("time").to_pylist()  # noqa: S608
            for end in ("first", "last")
        ]
        if not clocks or not ends[0] or not ends[1]:
            return []
        first = ends[0][0] + min(low for low, _ in clocks)
        last = ends[1][0] + max(high for _, high in clocks)
        return merged([(max(start, first), min(end, last + 1)) for start, end in spans])

    def _known_watermark(self, spool: str) -> int:
        if spool not in self._watermarks:
            self._watermarks[spool] = self.watermark(spool)
        return self._watermarks[spool]

    def _signals(self, device: str) -> list[str]:
        tag = encode_tag(device)
        found = self._connection.query(
            f"SHOW TAG VALUES FROM samples WITH KEY = signal WHERE device = '{tag}'",
            pa.schema([pa.field("value", pa.string())]),
        )
        return sorted(decode_tag(name) for name in found.column("value").to_pylist())

    def _rows(self, device: str, signal: str, spans: list[tuple[int, int]], *, uncertain: bool) -> pa.Table:
        """Rows of one signal (schema _ROWS, tags decoded), each once, sorted by settled and device time."""
        parts = [_ROWS.empty_table()]
        for span, where in self._questions(device, spans):
            rows = self._points(f"{where} AND signal = '{encode_tag(signal)}'")
            settled = rows.column("settled")
            inside = pc.and_(pc.greater_equal(settled, span[0]), pc.less(settled, span[1]))
            if not uncertain:
                doubt = pc.bit_wise_and(rows.column("flags"), int(Flag.UNCERTAIN))
                inside = pc.and_(inside, pc.equal(doubt, 0))
            parts.append(rows.filter(inside))
        return _sorted(_each_once(pa.concat_tables(parts)))

    def _points(self, where: str) -> pa.Table:
        """Stored points (schema _ROWS)."""
        question = f"SELECT boot, signal, value, text, settled, received, flags FROM samples WHERE {where}"  # noqa: S608
        return _with_one_value(self._connection.query(question, _ROWS))

    def _questions(self, device: str, spans: list[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], str]]:
        """For each span the conditions on device time that together find every sample of the span.

        Boots whose clock is nearly right share a condition. It also finds samples of other boots; whoever asks has to
        cut by settled time and to drop what is found twice.
        """
        tag = encode_tag(device)
        near: list[tuple[int, int]] = []
        far: list[tuple[str, int, int]] = []
        for boot, (low, high) in self._known_clocks(device).items():
            if low >= -_NEAR_NS and high <= _NEAR_NS:
                near.append((low, high))
            else:
                far.append((boot, low, high))
        for start, end in merged(spans):
            if near:
                low, high = min(low for low, _ in near), max(high for _, high in near)
                yield (start, end), f"device = '{tag}' AND {_between(start - high, end - low)}"
            for boot, low, high in far:
                where = f"device = '{tag}' AND boot = '{boot}'"
                yield (start, end), f"{where} AND {_between(start - high, end - low)}"

    def _known_clocks(self, device: str) -> dict[str, tuple[int, int]]:
        """Encoded boot → least and greatest distance of settled from device time, in nanoseconds; read anew each time.

        The recorder may be another process.
        """
        found = self._connection.query(
            f"SELECT boot, low, high FROM clocks WHERE device = '{encode_tag(device)}'",  # noqa: S608
            _CLOCKS,
        )
        return {row["boot"]: (row["low"], row["high"]) for row in found.to_pylist()}

    def _note_clocks(self, samples: pa.Table) -> None:
        if not samples.num_rows:
            return
        distances = pc.subtract(samples.column("settled_ns"), samples.column("device_ns"))
        grouped = (
            samples.select(["device", "boot"])
            .append_column("distance", distances)
            .group_by(["device", "boot"])
            .aggregate([("distance", "min"), ("distance", "max")])
        )
        for row in grouped.to_pylist():
            device, boot = row["device"], row["boot"]
            if device not in self._clocks:
                self._clocks[device] = self._known_clocks(device)
            known = self._clocks[device].get(encode_tag(boot))
            low, high = row["distance_min"], row["distance_max"]
            wider = (low, high) if known is None else (min(low, known[0]), max(high, known[1]))
            if wider != known:
                self._connection.write([clock_line(device, boot, *wider)])
                self._clocks[device][encode_tag(boot)] = wider

    def _without_stored(self, batch: OrderedBatch) -> tuple[pa.Table, int, pa.Table]:
        """The rows to write, the number of duplicates, and the conflicts."""
        samples = batch.named(batch.rows.take(column_of(batch.places)))
        if not batch.series:
            return samples, 0, samples
        high = np.array([self._mark(series) for series in batch.series], dtype=np.int64)
        behind = np.flatnonzero(batch.times <= high[batch.index])
        if not len(behind):
            return samples, 0, samples.slice(0, 0)
        twins = self._stored_twins(batch, behind)
        found = np.flatnonzero([twin is not None for twin in twins])
        ours = samples.take(behind[found])
        theirs = pa.Table.from_pylist([twins[place] for place in found], schema=SAMPLES.remove(0))
        same = same_value(ours, theirs)
        new = np.ones(samples.num_rows, dtype=np.bool_)
        new[behind[found]] = False
        return samples.filter(pa.array(new)), int(same.sum()), ours.filter(pa.array(~same))

    def _stored_twins(self, batch: OrderedBatch, behind: NDArray[np.intp]) -> list[dict[str, object] | None]:
        """What is stored under the identity of each of these rows."""
        by_boot: dict[Boot, list[int]] = defaultdict(list)
        for place in behind.tolist():
            device, _, boot = batch.series[batch.index[place]]
            by_boot[device, boot].append(int(batch.times[place]))
        stored: dict[tuple[Series, int], dict[str, object]] = {}
        for (device, boot), times in by_boot.items():
            for first, last in clusters(times, _HOLE_NS):
                where = f"device = '{encode_tag(device)}' AND boot = '{encode_tag(boot)}'"
                rows = self._points(f"{where} AND {_between(first, last + 1)}")
                for row in rows.to_pylist():
                    stored[(device, decode_tag(row["signal"]), boot), row["time"]] = row
        return [stored.get((batch.series[batch.index[place]], int(batch.times[place]))) for place in behind.tolist()]

    def _mark(self, series: Series) -> int:
        device, signal, boot = series
        if (device, boot) not in self._marks:
            found = self._connection.query(
                f"SELECT last(settled) FROM samples WHERE device = '{encode_tag(device)}' "  # noqa: S608
                f"AND boot = '{encode_tag(boot)}' GROUP BY signal",
                _MARKS,
            )
            self._marks[device, boot] = {
                decode_tag(row["tags"].removeprefix("signal=")): row["time"] for row in found.to_pylist()
            }
        return self._marks[device, boot].get(signal, _NEVER)


_CERTAIN = "(flags < 8 OR (flags >= 16 AND flags < 24))"
"""Flag.UNCERTAIN is not set, for five flags; a field-wise comparison works in every version."""


def _between(start_ns: int, end_ns: int) -> str:
    return f"time >= {_clamped(start_ns)} AND time < {_clamped(end_ns)}"


def _clamped(instant_ns: int) -> int:
    return min(max(instant_ns, _EARLIEST), _LATEST)


def _runs(
    signals: list[str], order: NDArray[np.intp], times: NDArray[np.int64], inside: NDArray[np.bool_]
) -> Iterator[tuple[str, int, int, int]]:
    """Signal, first and last device time and number of neighbouring points of a signal that are all inside."""
    names = [signals[place] for place in order.tolist()]
    open_runs: dict[str, list[int]] = {}
    for name, time, wanted in zip(names, times.tolist(), inside.tolist(), strict=True):
        run = open_runs.get(name)
        if wanted and run is None:
            open_runs[name] = [time, time, 1]
        elif wanted and run is not None:
            run[1:] = time, run[2] + 1
        elif run is not None:
            first, last, count = open_runs.pop(name)
            yield name, first, last, count
    for name, run in open_runs.items():
        yield name, run[0], run[1], run[2]


def _with_one_value(rows: pa.Table) -> pa.Table:
    """CSV cannot tell no text from an empty one; whether there is a number can."""
    text = pc.if_else(pc.is_valid(rows.column("value")), None, pc.fill_null(rows.column("text"), ""))
    return rows.set_column(rows.schema.get_field_index("text"), "text", text)


def _each_once(rows: pa.Table) -> pa.Table:
    keys = rows.select(["boot", "signal", "time"]).append_column("row", pa.array(np.arange(rows.num_rows)))
    first = keys.group_by(["boot", "signal", "time"]).aggregate([("row", "min")])
    return rows.take(first.column("row_min"))


def _sorted(rows: pa.Table) -> pa.Table:
    return rows.sort_by([("signal", "ascending"), ("settled", "ascending"), ("time", "ascending")])


def _as_samples(rows: pa.Table, device: str) -> pa.Table:
    """Schema SAMPLES from rows with encoded tags."""
    count = rows.num_rows
    return pa.table(
        {
            "device": pa.array([device] * count, pa.string()),
            "signal": _decoded(rows.column("signal")),
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


def _decoded(tags: pa.ChunkedArray) -> pa.Array:
    encoded = tags.combine_chunks().dictionary_encode()
    words = pa.array([decode_tag(tag) for tag in encoded.dictionary.to_pylist()], pa.string())
    return pa.DictionaryArray.from_arrays(encoded.indices, words).cast(pa.string())
