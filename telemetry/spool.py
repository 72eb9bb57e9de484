"""The spool: every message is here, on disk, before the broker is told that it has arrived (I2).

One SQLite file in WAL mode with `synchronous=FULL`: when `append` returns, the messages survive a power cut. A batch is
one row, compressed and with a checksum, because a row per message costs more than everything else the recorder does.
Messages are numbered without gaps and numbers are never used twice, not even by a new file (`start_after`).
"""

import sqlite3
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow as pa
import structlog

from telemetry.errors import SpoolUnavailableError

log = structlog.get_logger(__name__)

_COMPRESS_ABOVE_BYTES = 1024
_CHECK_BELOW_BYTES = 1 << 30  # a larger file would take too long to check at every start
_NUMBERS_LEFT_FREE = 1_000_000
_TABLES = """
CREATE TABLE IF NOT EXISTS batches (
    last INTEGER PRIMARY KEY, first INTEGER NOT NULL, received_ns INTEGER NOT NULL,
    size INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


class SpooledMessage(NamedTuple):
    """A message as it came."""

    topic: str
    payload: bytes
    """The first bytes only, if it was longer than the recorder takes."""
    payload_bytes: int
    """How long it was."""
    received_ns: int
    entered_after_ns: int
    """The broker had it not before this instant; it may have waited there since."""
    retained: bool
    """The broker repeated what it keeps for new subscribers: nobody knows how old it is."""


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[SpooledMessage])


class Spool:
    """A queue of messages on disk. One process; `append` from one thread, the rest from another.

    Args:
        path: the file; made at need, with its folder. A damaged one is set aside and what it still holds is kept.
        start_after: the highest number that was ever used, as far as the sample store knows.

    Raises:
        SpoolUnavailableError: if it cannot be opened.
    """

    def __init__(self, path: Path, *, start_after: int = 0) -> None:
        self._path = path
        self._writing = threading.Lock()
        self._reading = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = _open_or_salvage(path)
            self._reader = _connect(path)
            self._head = max(self._last_number(), start_after, self.note("head"))
        except (sqlite3.Error, OSError) as error:
            raise SpoolUnavailableError(f"the spool {path} cannot be opened: {error}") from error
        self._cached: tuple[int, list[SpooledMessage]] = (0, [])

    @property
    def head(self) -> int:
        """The number of the newest message; 0 in a spool that never had one."""
        return self._head

    @property
    def oldest(self) -> int:
        """The number of the oldest message it holds; 0 if it holds none."""
        with self._reads() as reader:
            row = reader.execute("SELECT coalesce(min(first), 0) FROM batches").fetchone()
        return int(row[0])

    @property
    def depth(self) -> int:
        """How many messages it holds."""
        with self._reads() as reader:
            row = reader.execute("SELECT coalesce(sum(last - first + 1), 0) FROM batches").fetchone()
        return int(row[0])

    @property
    def size_bytes(self) -> int:
        """How large the held messages are on disk."""
        with self._reads() as reader:
            row = reader.execute("SELECT coalesce(sum(length(body)), 0) FROM batches").fetchone()
        return int(row[0])

    def append(self, batch: list[SpooledMessage]) -> int:
        """Keep messages; they are on disk when this returns.

        Returns:
            The number of the last one; they are numbered in order.

        Raises:
            SpoolUnavailableError: nothing is kept; the same call may succeed later.
        """
        if not batch:
            return self._head
        body = _ENCODER.encode(batch)
        size = len(body)
        if size > _COMPRESS_ABOVE_BYTES:
            body = pa.compress(body, codec="zstd", asbytes=True)
        first, last = self._head + 1, self._head + len(batch)
        row = (last, first, batch[-1].received_ns, size, zlib.crc32(body), body)
        with self._writes() as writer:
            writer.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)", row)
        self._head = last
        return last

    def read(self, after: int, limit: int) -> list[tuple[int, SpooledMessage]]:
        """The oldest messages above a number.

        Args:
            after: the last number that is not wanted.
            limit: at most so many.

        Returns:
            Number and message, in order. A batch whose checksum is wrong is left out (and logged).

        Raises:
            SpoolUnavailableError: if the disk does not answer.
        """
        found: list[tuple[int, SpooledMessage]] = []
        while len(found) < limit:
            last, messages = self._cached
            if not last - len(messages) <= after < last:
                following = self._load_batch_after(after)
                if following is None:
                    break
                last, messages = self._cached = following
            first = last - len(messages) + 1
            start = max(0, after + 1 - first)
            taken = messages[start : start + limit - len(found)]
            found.extend(enumerate(taken, first + start))
            after = first + start + len(taken) - 1
        return found

    def delete_through(self, number: int, *, received_before_ns: int | None = None) -> int:
        """Forget batches that end at or below a number (and were received before an instant), never the newest one.

        Returns:
            How many messages were forgotten.
        """
        before = received_before_ns if received_before_ns is not None else 2**63 - 1
        where = "last <= ? AND received_ns < ? AND last < (SELECT max(last) FROM batches)"
        with self._writes() as writer:
            row = writer.execute(
                f"SELECT coalesce(sum(last - first + 1), 0) FROM batches WHERE {where}",  # noqa: S608 - constant
                (number, before),
            ).fetchone()
            if row[0]:
                writer.execute(f"DELETE FROM batches WHERE {where}", (number, before))  # noqa: S608 - constant
        return int(row[0])

    def note(self, name: str) -> int:
        """A number remembered beside the messages; 0 if there is none."""
        with self._reads() as reader:
            row = reader.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def remember(self, name: str, value: int) -> None:
        """Remember a number beside the messages."""
        with self._writes() as writer:
            writer.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    def close(self) -> None:
        """Let go of the file."""
        with self._writing, self._reading:
            self._writer.close()
            self._reader.close()

    def _last_number(self) -> int:
        row = self._writer.execute("SELECT coalesce(max(last), 0) FROM batches").fetchone()
        return int(row[0])

    def _load_batch_after(self, after: int) -> tuple[int, list[SpooledMessage]] | None:
        query = "SELECT last, first, size, crc, body FROM batches WHERE last > ? ORDER BY last LIMIT 1"
        while True:
            with self._reads() as reader:
                row = reader.execute(query, (after,)).fetchone()
            if row is None:
                return None
            messages = _unpack(*row)
            if messages is not None:
                return row[0], messages
            after = row[0]

    @contextmanager
    def _writes(self) -> Iterator[sqlite3.Connection]:
        with self._writing:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
            except (sqlite3.Error, OSError) as error:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise SpoolUnavailableError(f"the spool {self._path.name} cannot be written: {error}") from error

    @contextmanager
    def _reads(self) -> Iterator[sqlite3.Connection]:
        with self._reading:
            try:
                yield self._reader
            except (sqlite3.Error, OSError) as error:
                raise SpoolUnavailableError(f"the spool {self._path.name} cannot be read: {error}") from error


def _unpack(last: int, first: int, size: int, crc: int, body: bytes) -> list[SpooledMessage] | None:
    """The messages of a batch; `None` if it is damaged."""
    try:
        if zlib.crc32(body) != crc:
            raise ValueError("its checksum is wrong")
        plain = pa.decompress(body, size, codec="zstd", asbytes=True) if size > _COMPRESS_ABOVE_BYTES else body
        messages = _DECODER.decode(plain)
        if len(messages) != last - first + 1:
            raise ValueError("messages are missing")
    except (ValueError, OSError, msgspec.DecodeError, pa.ArrowException) as error:
        log.warning("a batch in the spool is damaged", first=first, last=last, error=str(error))
        return None
    return messages


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _open_or_salvage(path: Path) -> sqlite3.Connection:
    """The file; if it was damaged, a new one with what the old one still held, under the same numbers."""
    connection: sqlite3.Connection | None = None
    try:
        connection = _connect(path)
        connection.executescript(_TABLES)
        too_large = path.stat().st_size > _CHECK_BELOW_BYTES
        if too_large or connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",):
            return connection
        fault = "its structure is broken"
    except sqlite3.OperationalError:
        raise  # busy, full or forbidden: not damaged
    except sqlite3.DatabaseError as error:
        fault = str(error)
    if connection is not None:
        connection.close()
    aside = _set_aside(path)
    connection = _connect(path)
    connection.executescript(_TABLES)
    batches = _salvage(aside, connection)
    log.error("the spool was damaged and begun anew", fault=fault, kept_as=aside.name, salvaged_batches=batches)
    return connection


def _set_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for ending in ("", "-wal", "-shm"):
        part = path.with_name(path.name + ending)
        if part.exists():
            part.replace(aside.with_name(aside.name + ending))
    return aside


def _salvage(damaged: Path, into: sqlite3.Connection) -> int:
    """Copy every sound batch that can be reached from either end of the table; returns how many."""
    into.execute("BEGIN IMMEDIATE")
    for order in ("ASC", "DESC"):
        old = sqlite3.connect(damaged, isolation_level=None)
        try:
            query = f"SELECT last, first, received_ns, size, crc, body FROM batches ORDER BY last {order}"  # noqa: S608
            for row in old.execute(query):
                if zlib.crc32(row[5]) == row[4]:
                    into.execute("INSERT OR IGNORE INTO batches VALUES (?, ?, ?, ?, ?, ?)", row)
        except sqlite3.DatabaseError as error:
            log.warning("the damaged spool cannot be read further", order=order, error=str(error))
        finally:
            old.close()
    count, last = into.execute("SELECT count(*), coalesce(max(last), 0) FROM batches").fetchone()
    # what was lost at the end had numbers too, and a number is never used twice
    into.execute("INSERT OR REPLACE INTO notes VALUES ('head', ?)", (last + _NUMBERS_LEFT_FREE,))
    into.execute("COMMIT")
    return int(count)
