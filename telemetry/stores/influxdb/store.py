"""Samples in a bucket of InfluxDB, all signals of a device and instant in one line.

A line's key is the identity of one of its samples, its time the device time; settled time, received time and flags
are fields. InfluxDB lets the last value win where we want the first (I3): a batch that reaches behind the high-water
mark of a series is compared with what is stored, all others are new.

The order of a write is clocks, samples, watermark: what is lost on the way is written again from the spool. A watermark
goes with the request of the next batch, or when it is asked for.
"""

import threading
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from telemetry.stores.batches import OrderedBatch, as_batch, column_of, numbers_of, order_batch, same_value
from telemetry.stores.errors import StoreUnavailableError
from telemetry.stores.influxdb.buckets import BucketReader
from telemetry.stores.influxdb.clocks import Reach, between, clock_line, reach_of
from telemetry.stores.influxdb.comparing import Boot, stored_twins
from telemetry.stores.influxdb.connection import InfluxDBConnection
from telemetry.stores.influxdb.lines import (
    Lines,
    SampleLines,
    encode_tag,
    head_lines,
    measurement,
    plain_lines,
    sample_lines,
    watermark_line,
)
from telemetry.stores.influxdb.reading import inside_and_edges
from telemetry.stores.influxdb.rows import lines_of, runs
from telemetry.stores.interface import (
    Checkpoint,
    Compaction,
    Flag,
    Repair,
    SampleBatch,
    StoreLimits,
    Written,
)
from telemetry.stores.limits import within_limits
from telemetry.stores.spans import merged

_NEVER = -(2**63)
_LATE_NS = 60 * 1_000_000_000
ROWS_A_REQUEST = 20_000
"""About half a megabyte: two of these at once took the server less time than the same in smaller or larger ones."""
_REQUESTS_AT_ONCE = 2
_ENDS = pa.schema([pa.field("time", pa.int64())])
_PROGRESS = pa.schema([pa.field("watermark", pa.int64())])

LIMITS = StoreLimits(
    longest_text_bytes=2**16 - 2,
    longest_name_bytes=4096,
    earliest_ns=-(2**62),  # the distance between two times has to be a time as well
    latest_ns=2**62,
    transactional=False,
    own_backups=False,
)


@dataclass(slots=True)
class _Marks:
    """Up to which device time something is stored of a boot."""

    stored: int
    """Of any signal, when it was asked."""
    signals: dict[str, int] = field(default_factory=dict)

    def of(self, signal: str) -> int:
        return self.signals.get(signal, self.stored)


class InfluxDBStore(BucketReader):
    """Samples in a bucket of InfluxDB. Safe for threads; one process writes a device's samples.

    Args:
        url: of the server.
        token: may read and write the bucket.
        org: organisation.
        bucket: its name, which is also the database's name in InfluxQL.
    """

    def __init__(self, url: str, token: str, org: str, bucket: str) -> None:
        super().__init__(InfluxDBConnection(url, token, org, bucket))
        self._writing = threading.Lock()
        self._posting = ThreadPoolExecutor(_REQUESTS_AT_ONCE, thread_name_prefix="influxdb-writer")
        self._marks: dict[Boot, _Marks] = {}
        self._reaches: dict[str, dict[str, Reach]] = {}
        self._distances: dict[Boot, int] = {}
        self._watermarks: dict[str, int] = {}
        self._waiting: dict[str, int] = {}
        """Watermarks of batches that are stored, to be written with the next one: a request less for each batch."""
        self._generation = 1

    limits = LIMITS

    @property
    def generation(self) -> int:
        """Raised after a failure: what was written before it may be stored or not."""
        return self._generation

    def write(self, samples: pa.Table | SampleBatch, *, watermark: int, spool: str = "") -> Written:
        """Store a batch, and its watermark with what is written next (see `SampleStore.write`).

        Raises:
            StoreUnavailableError: a part may be stored; writing the same again is harmless.
        """
        given, beyond = within_limits(as_batch(samples), LIMITS)
        batch = order_batch(given)
        with self._writing:
            try:
                new, duplicates, conflicts = self._without_stored(batch)
                self._note_reaches(new)
                rejected = self._write_samples(new)
                if watermark > self._known_watermark(spool):
                    self._watermarks[spool] = self._waiting[spool] = watermark
                if not new.rows.num_rows:
                    self._flush()
            except BaseException:
                self._generation += 1
                for device, _, boot in batch.series:  # nobody knows what of them is stored
                    self._marks.pop((device, boot), None)
                self._watermarks.clear()
                raise
            for (device, signal, boot), last in zip(batch.series, batch.last_times(), strict=True):
                marks = self._marks[device, boot]
                marks.signals[signal] = max(marks.of(signal), last)
        refused = pa.concat_tables([batch.named(new.rows.take(column_of(rejected))), beyond])
        return Written(
            stored=new.rows.num_rows - len(rejected),
            duplicates=batch.duplicates + duplicates,
            conflicts=pa.concat_tables([batch.named(batch.conflicts), batch.named(conflicts), refused]),
            rejected=refused,
        )

    def watermark(self, spool: str = "") -> int:
        """The last row of a spool that is surely stored; 0 if nothing of it is."""
        with self._writing:
            self._flush()
        return self._stored_watermark(spool)

    def _stored_watermark(self, spool: str) -> int:
        question = f"SELECT watermark FROM progress WHERE spool = '{encode_tag(spool)}'"  # noqa: S608 - encoded
        found = self._connection.query(question, _PROGRESS)
        return max(found.column("watermark").to_pylist(), default=0)

    def checkpoint(self, spool: str = "") -> Checkpoint:
        """How far the server has it all: it says a write is done when that is in its own write-ahead log."""
        return Checkpoint(self.watermark(spool), 0)

    def resettle(
        self, device: str, boot: str, device_span: tuple[int, int], *, offset_ns: int, uncertain_only: bool = False
    ) -> int:
        """Give samples another settled time (see `SampleStore.resettle`)."""
        where = f"{between(*device_span)} AND boot = '{encode_tag(boot)}'"
        rows = self.points(device, self.signals(device), where)
        if uncertain_only:
            rows = rows.filter(pa.array(rows.column("flags").to_numpy() & int(Flag.UNCERTAIN) != 0))
        if not rows.num_rows:
            return 0
        lines = lines_of(rows)
        times, received = lines.column("time").to_numpy(), lines.column("received").to_numpy()
        flags = lines.column("flags").to_numpy() & (0xFF ^ int(Flag.UNCERTAIN | Flag.SKEWED | Flag.LATE))
        settled = np.minimum(times + offset_ns, received)
        late = (received - settled > _LATE_NS) & (flags & int(Flag.BUFFERED) == 0)
        flags = (flags | (int(Flag.SKEWED) if offset_ns else 0) | np.where(late, int(Flag.LATE), 0)).astype(np.uint8)
        heads = {"boot": lines.column("boot"), "lead": lines.column("lead"), "time": column_of(times)}
        heads |= {"settled": column_of(settled - times), "received": column_of(received - times)}
        with self._writing:
            self._note_reach(device, boot, times, settled, flags)
            self._connection.write(head_lines(device, pa.table({**heads, "flags": column_of(flags)})))
        return int(rows.num_rows)

    def delete(self, device: str, spans: list[tuple[int, int]], *, doubtful_before_ns: int | None = None) -> int:
        """Delete a device's samples in spans of settled time (see `SampleStore.delete`).

        InfluxDB deletes lines by device time: all of a range that surely lies in a span, and of its edges each run of
        lines that do. Where some of uncertain time stay, all of it is looked at like an edge.
        """
        deleted = 0
        names = self.signals(device)
        for boot, reach in self.reaches(device).items():
            for start, end in merged(spans):
                if reach.overlaps(start, end):
                    whole, edges = inside_and_edges(start, end, reach)
                    if reach.doubtful and doubtful_before_ns is not None:
                        whole, edges = [], [*whole, *edges]
                    for low, high in whole:
                        where = f"{between(low, high)} AND boot = '{boot}'"
                        deleted += self.count_lines(device, where)
                        self._delete_lines(device, where)
                    for low, high in edges:
                        rows = self.points(device, names, f"{between(low, high)} AND boot = '{boot}'")
                        for lead, first, last, count in runs(rows, start, end, doubtful_before_ns):
                            where = f"{between(first, last + 1)} AND boot = '{boot}' AND \"lead\" = '{lead}'"
                            self._delete_lines(device, where)
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
        """Let go of connections; a watermark that cannot be written any more costs a comparison at the next start."""
        with self._writing, suppress(StoreUnavailableError):
            self._flush()
        self._posting.shutdown()
        self._connection.close()

    def _flush(self) -> None:
        """Write the watermarks that wait for a batch to go with."""
        if self._waiting:
            self._connection.write(self._waiting_lines())
            self._waiting.clear()

    def _waiting_lines(self) -> Lines:
        return plain_lines([watermark_line(*one) for one in self._waiting.items()])

    def _known_watermark(self, spool: str) -> int:
        if spool not in self._watermarks:
            self._watermarks[spool] = self._stored_watermark(spool)
        return self._watermarks[spool]

    def _delete_lines(self, device: str, where: str) -> None:
        self._connection.execute(f'DELETE FROM "{measurement(device)}" WHERE {where}')  # noqa: S608 - encoded

    def _write_samples(self, batch: SampleBatch) -> NDArray[np.int64]:
        """Places of the samples that the server refuses for themselves, in order; all others are stored."""
        riding: Lines | None = self._waiting_lines()
        sent: list[tuple[int, SampleLines, Future[list[int]]]] = []
        for first in range(0, batch.rows.num_rows, ROWS_A_REQUEST):
            wide = sample_lines(SampleBatch(batch.series, batch.rows.slice(first, ROWS_A_REQUEST)))
            sent.append((first, wide, self._posting.submit(self._connection.write, wide.lines, also=riding)))
            riding = None
        wait([answer for _, _, answer in sent])
        refused = [first + wide.places_in(line) for first, wide, answer in sent for line in answer.result()]
        if sent and not sent[0][2].result():
            self._waiting.clear()
        if not refused:
            return np.empty(0, np.int64)
        places = np.sort(np.concatenate(refused))
        rest = SampleBatch(batch.series, batch.rows.take(column_of(places)))
        narrow = sample_lines(rest, alone=True)
        bad = [narrow.places_in(line) for line in self._connection.write(narrow.lines)]
        return np.sort(places[np.concatenate(bad)]) if bad else np.empty(0, np.int64)

    def _note_reaches(self, batch: SampleBatch) -> None:
        rows = batch.rows
        boots: dict[Boot, list[int]] = defaultdict(list)
        for place, (device, _, boot) in enumerate(batch.series):
            boots[device, boot].append(place)
        if not rows.num_rows:
            return
        series = numbers_of(rows, "series")
        columns = [numbers_of(rows, name) for name in ("device_ns", "settled_ns", "flags")]
        for (device, boot), places in boots.items():
            mine = columns
            if len(boots) > 1:
                chosen = np.flatnonzero(np.isin(series, places))
                mine = [column[chosen] for column in columns]
            if len(mine[0]):
                self._note_reach(device, boot, *mine)

    def _note_reach(
        self, device: str, boot: str, times: NDArray[np.int64], settled: NDArray[np.int64], flags: NDArray[np.uint8]
    ) -> None:
        """Have it stored where samples of a boot will lie, before they are."""
        tag = encode_tag(boot)
        if device not in self._reaches:
            self._reaches[device] = self.reaches(device)
        known = self._reaches[device].get(tag)
        reach = reach_of(times, settled, flags, before=self._distances.get((device, boot)))
        wider = reach if known is None else known.widened(reach)
        if wider != known:
            self._connection.write(plain_lines([clock_line(device, boot, wider)]))
            self._reaches[device][tag] = wider
        self._distances[device, boot] = int(settled[-1] - times[-1])

    def _without_stored(self, batch: OrderedBatch) -> tuple[SampleBatch, int, pa.Table]:
        """The rows to write in the order in which they came, the number of duplicates, and the conflicts."""
        stays = np.zeros(batch.rows.num_rows, dtype=np.bool_)
        stays[batch.places] = True
        duplicates, conflicts = 0, batch.rows.slice(0, 0)
        high = np.array([self._marks_of(device, boot).of(signal) for device, signal, boot in batch.series], np.int64)
        behind = np.flatnonzero(batch.times <= high[batch.index]) if batch.series else np.empty(0, np.intp)
        if len(behind):
            found, theirs = stored_twins(self, batch, behind)
            ours = batch.taken(found)
            same = same_value(ours, theirs)
            duplicates, conflicts = int(same.sum()), ours.filter(pa.array(~same))
            stays[batch.places[found]] = False
        rows = batch.rows if stays.all() else batch.rows.take(column_of(np.flatnonzero(stays)))
        return SampleBatch(tuple(batch.series), rows), duplicates, conflicts

    def _marks_of(self, device: str, boot: str) -> _Marks:
        if (device, boot) not in self._marks:
            found = self._connection.query(
                f"SELECT last(received) FROM \"{measurement(device)}\" WHERE boot = '{encode_tag(boot)}'",  # noqa: S608
                _ENDS,
            )
            self._marks[device, boot] = _Marks(max(found.column("time").to_pylist(), default=_NEVER))
        return self._marks[device, boot]
