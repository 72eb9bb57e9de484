"""The embedded store: one DuckDB file, opened by one process.

No primary key: it would cost four times the speed and eight times the space. What is new is told from what is stored
by a high-water mark per series (device, signal, boot): rows above it are new, and only a batch that reaches behind it
is compared with the rows that are stored. Marks are computed from the rows at the first write after opening and kept in
memory, so they cannot disagree with a file that was damaged or restored.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import structlog
from numpy.typing import NDArray

from telemetry.stores.batches import OrderedBatch, Series, order_batch
from telemetry.stores.errors import StoreUnavailableError
from telemetry.stores.interface import BUCKETS, SAMPLES, Flag, Written
from telemetry.stores.spans import merged

log = structlog.get_logger(__name__)

_NEVER = -(2**63)
_TABLES = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER NOT NULL, device VARCHAR NOT NULL, signal VARCHAR NOT NULL, boot VARCHAR NOT NULL
);
CREATE TABLE IF NOT EXISTS samples (
    series INTEGER NOT NULL, device_ns BIGINT NOT NULL, settled_ns BIGINT NOT NULL, received_ns BIGINT NOT NULL,
    value DOUBLE, text VARCHAR, flags UTINYINT NOT NULL
);
CREATE TABLE IF NOT EXISTS progress (watermark BIGINT NOT NULL);
INSERT INTO progress SELECT 0 WHERE NOT EXISTS (FROM progress);
"""
_JOINED = "samples JOIN series ON series.id = samples.series"
_FIRST_REACH_NS = 600 * 1_000_000_000
_STORED_TWINS = """
SELECT suspects.row, suspects.value IS NOT DISTINCT FROM samples.value
                     AND suspects.text IS NOT DISTINCT FROM samples.text AS same
FROM suspects JOIN samples ON samples.series = suspects.series AND samples.device_ns = suspects.device_ns
WHERE samples.device_ns BETWEEN ? AND ?
"""


class DuckDBStore:
    """Samples in a DuckDB file. Safe for threads; another process cannot open the file at the same time.

    Args:
        path: the file; made, with its folder, at the first use.
        memory_limit: most memory DuckDB takes for buffers and sorting, as DuckDB writes it.
    """

    def __init__(self, path: Path, *, memory_limit: str = "256MB") -> None:
        self._path = path
        self._memory_limit = memory_limit
        self._opening = threading.Lock()
        self._writing = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._ids: dict[Series, int] = {}
        self._marks: dict[int, int] | None = None

    def write(self, samples: pa.Table, *, watermark: int) -> Written:
        """Store a batch and its watermark in one transaction (see `SampleStore.write`).

        Raises:
            StoreUnavailableError: nothing of the batch is stored.
        """
        batch = order_batch(samples)
        with self._writing, self._cursor(writes=True) as cursor:
            cursor.begin()
            ids, added = self._series_ids(cursor, batch.series)
            marks = self._high_water_marks(cursor)
            new, duplicates, conflicts = _without_stored(cursor, batch, ids, marks)
            if new.num_rows:
                cursor.register("batch", new)
                cursor.execute("INSERT INTO samples FROM batch")
            cursor.execute("UPDATE progress SET watermark = greatest(watermark, ?)", [watermark])
            cursor.commit()
            self._ids.update(added)
            for number, last in zip(ids.tolist(), batch.last_times(), strict=True):
                marks[number] = max(marks.get(number, _NEVER), last)
        return Written(
            stored=new.num_rows,
            duplicates=batch.duplicates + duplicates,
            conflicts=pa.concat_tables([batch.conflicts, conflicts]).cast(SAMPLES),
        )

    def watermark(self) -> int:
        """The last spool row that is surely stored; 0 in a new store."""
        with self._cursor() as cursor:
            row = cursor.execute("SELECT max(watermark) FROM progress").fetchone()
        return int(row[0]) if row else 0

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
        where, parameters = _within(device, signals, spans, uncertain=uncertain)
        query = f"""
            SELECT series.device, series.signal, series.boot, device_ns, settled_ns, received_ns, value, text, flags
            FROM {_JOINED}
            WHERE {where} ORDER BY signal, settled_ns, device_ns, boot {_limited(limit)}
        """  # noqa: S608 - values are parameters
        return self._answer(query, parameters).cast(SAMPLES)

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
        where, parameters = _within(device, [signal], spans, uncertain=uncertain)
        start = "settled_ns - (settled_ns % $width + $width) % $width"  # floors before 1970 too
        query = f"""
            SELECT {start} AS start_ns, min(value) AS min, max(value) AS max, avg(value) AS mean, count(*) AS count
            FROM {_JOINED}
            WHERE {where} AND value IS NOT NULL GROUP BY start_ns ORDER BY start_ns
        """  # noqa: S608 - values are parameters
        return self._answer(query, parameters | {"width": width_ns}).cast(BUCKETS)

    def last_values(self, device: str, spans: list[tuple[int, int]], *, uncertain: bool = False) -> pa.Table:
        """The newest sample of each signal within the spans (see `SampleStore.last_values`).

        Looks at the last minutes first and further back only while signals are missing.
        """
        where, parameters = _within(device, [], spans, uncertain=uncertain)
        ends = self._answer(f"SELECT min(settled_ns), max(settled_ns) FROM {_JOINED} WHERE {where}", parameters)  # noqa: S608
        oldest, newest = (column[0].as_py() for column in ends.columns)
        if newest is None:
            return SAMPLES.empty_table()
        signals = {signal for owner, signal, _ in list(self._ids) if owner == device}
        reach = _FIRST_REACH_NS
        while True:
            first = max(oldest, newest - reach)
            found = self._newest_since(device, [(max(start, first), end) for start, end in spans], uncertain=uncertain)
            if found.num_rows == len(signals) or first == oldest:
                return found
            reach *= 32

    def _newest_since(self, device: str, spans: list[tuple[int, int]], *, uncertain: bool) -> pa.Table:
        where, parameters = _within(device, [], spans, uncertain=uncertain)
        query = f"""
            WITH newest AS (
                SELECT signal, arg_max(
                    {{'boot': boot, 'device_ns': device_ns, 'settled_ns': settled_ns, 'received_ns': received_ns,
                      'value': value, 'text': text, 'flags': flags}},
                    (settled_ns, device_ns, boot)
                ) AS sample
                FROM {_JOINED} WHERE {where} GROUP BY signal
            )
            SELECT $device AS device, signal, sample.boot, sample.device_ns, sample.settled_ns, sample.received_ns,
                   sample.value, sample.text, sample.flags
            FROM newest ORDER BY signal
        """  # noqa: S608 - values are parameters
        return self._answer(query, parameters).cast(SAMPLES)

    def close(self) -> None:
        """Write everything into the main file and let it go."""
        with self._writing, self._opening:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
                self._forget()

    def _answer(self, query: str, parameters: dict[str, object]) -> pa.Table:
        with self._cursor() as cursor:
            return cursor.sql(query, params=parameters).to_arrow_table()

    @contextmanager
    def _cursor(self, *, writes: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of the calling thread (5 µs); DuckDB's errors become ours.

        After a failed write, which may be committed all the same, ids and marks are read anew from a fresh opening.
        """
        cursor = self._opened().cursor()
        try:
            yield cursor
        except duckdb.Error as error:
            with suppress(duckdb.Error):
                cursor.rollback()
            if writes or isinstance(error, duckdb.FatalException | duckdb.InternalException):
                self._reopen_next_time()
            raise StoreUnavailableError(f"the sample store {self._path.name} failed: {_first_line(error)}") from error
        except BaseException:
            with suppress(duckdb.Error):
                cursor.rollback()
            raise
        finally:
            with suppress(duckdb.Error):
                cursor.close()

    def _opened(self) -> duckdb.DuckDBPyConnection:
        with self._opening:
            if self._connection is None:
                self._connection = self._open()
            return self._connection

    def _open(self) -> duckdb.DuckDBPyConnection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = duckdb.connect(
                self._path,
                config={
                    "memory_limit": self._memory_limit,
                    "autoinstall_known_extensions": "false",  # nothing is fetched from the network
                    "autoload_known_extensions": "false",
                },
            )
        except (duckdb.Error, OSError) as error:
            raise StoreUnavailableError(
                f"the sample store {self._path.name} cannot be opened: {_first_line(error)}"
            ) from error
        try:
            connection.execute(_TABLES)
            rows = connection.execute("SELECT device, signal, boot, id FROM series").fetchall()
        except duckdb.Error as error:
            connection.close()
            raise StoreUnavailableError(f"the sample store {self._path.name} failed: {_first_line(error)}") from error
        self._ids = {(device, signal, boot): number for device, signal, boot, number in rows}
        return connection

    def _reopen_next_time(self) -> None:
        log.warning("sample store failed and will be opened anew", file=self._path.name)
        with self._opening:
            if self._connection is not None:
                with suppress(duckdb.Error):
                    self._connection.close()
                self._connection = None
                self._forget()

    def _forget(self) -> None:
        self._ids = {}
        self._marks = None

    def _series_ids(
        self, cursor: duckdb.DuckDBPyConnection, series: list[Series]
    ) -> tuple[NDArray[np.int32], dict[Series, int]]:
        """The ids of series, and those of them that this transaction has just made."""
        following = max(self._ids.values(), default=0) + 1 if any(key not in self._ids for key in series) else 0
        added: dict[Series, int] = {}
        for key in series:
            if key not in self._ids:
                added[key] = following + len(added)
        if added:
            cursor.executemany("INSERT INTO series VALUES (?, ?, ?, ?)", [(added[key], *key) for key in added])
        known = self._ids | added if added else self._ids
        return np.array([known[key] for key in series], dtype=np.int32), added

    def _high_water_marks(self, cursor: duckdb.DuckDBPyConnection) -> dict[int, int]:
        if self._marks is None:
            rows = cursor.execute("SELECT series, max(device_ns) FROM samples GROUP BY series").fetchall()
            self._marks = dict(rows)
        return self._marks


def _without_stored(
    cursor: duckdb.DuckDBPyConnection, batch: OrderedBatch, ids: NDArray[np.int32], marks: dict[int, int]
) -> tuple[pa.Table, int, pa.Table]:
    """The rows to insert (columns of table `samples`), the number of duplicates, and the conflicts."""
    series = ids[batch.index] if len(ids) else np.zeros(0, dtype=np.int32)
    new = batch.samples.drop_columns(["device", "signal", "boot"]).add_column(0, "series", pa.array(series))
    high = np.array([marks.get(number, _NEVER) for number in ids.tolist()], dtype=np.int64)
    behind = np.flatnonzero(batch.times <= high[batch.index]) if len(ids) else np.zeros(0, dtype=np.intp)
    if not len(behind):
        return new, 0, batch.samples.slice(0, 0)
    cursor.register("suspects", new.take(behind).append_column("row", pa.array(behind)))
    reach = [int(batch.times[behind].min()), int(batch.times[behind].max())]
    twins = cursor.execute(_STORED_TWINS, reach).fetchnumpy()
    cursor.unregister("suspects")
    found = np.asarray(twins["row"], dtype=np.intp)
    same = np.asarray(twins["same"], dtype=np.bool_)
    stored = np.zeros(len(series), dtype=np.bool_)
    stored[found] = True
    conflicting = np.unique(found[~same])
    conflicts = batch.samples.take(conflicting)
    return new.filter(pa.array(~stored)), int(stored.sum()) - len(conflicting), conflicts


def _within(
    device: str, signals: list[str], spans: list[tuple[int, int]], *, uncertain: bool
) -> tuple[str, dict[str, object]]:
    """A WHERE clause and its parameters; bounds over all spans let DuckDB skip whole row groups."""
    parameters: dict[str, object] = {"device": device}
    clauses = ["series.device = $device"]
    if signals:
        clauses.append("list_contains($signals, series.signal)")
        parameters["signals"] = signals
    if not uncertain:
        clauses.append(f"flags & {int(Flag.UNCERTAIN)} = 0")
    wanted = merged(spans)
    if not wanted:
        return "false AND series.device = $device", {"device": device}
    parameters |= {"from": wanted[0][0], "to": wanted[-1][1]}
    clauses.append("settled_ns >= $from AND settled_ns < $to")
    if len(wanted) > 1:
        pieces = []
        for number, (start, end) in enumerate(wanted):
            parameters |= {f"from{number}": start, f"to{number}": end}
            pieces.append(f"settled_ns >= $from{number} AND settled_ns < $to{number}")
        clauses.append("(" + " OR ".join(pieces) + ")")
    return " AND ".join(clauses), parameters


def _limited(limit: int | None) -> str:
    return "" if limit is None else f"LIMIT {limit:d}"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
