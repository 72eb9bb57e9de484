"""The spool's file: opened, checked, and begun anew from what a damaged one still holds.

Beside it lies a small file with the number of the newest message (`….head`). It is what tells that the end of the spool
is missing: SQLite cuts a torn write-ahead file silently.
"""

import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import structlog

log = structlog.get_logger(__name__)

CHECK_BELOW_BYTES = 1 << 30
"""A larger file would take too long to check at every start; damage shows when it is read."""
NUMBERS_LEFT_FREE = 1_000_000
"""After damage: what was lost at the end had numbers too, and a number is never used twice."""
_MOST_PROBES = 2_000
_SHORT_READ, _CORRUPT_FILE_SYSTEM, _MOVED_AWAY = 522, 8458, 1032
_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}
_COLUMNS = "last, first, received_ns, size, crc, body"
_TABLES = """
CREATE TABLE IF NOT EXISTS batches (
    last INTEGER PRIMARY KEY, first INTEGER NOT NULL, received_ns INTEGER NOT NULL,
    size INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS identity (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checkpoints (number INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS jumps (after INTEGER PRIMARY KEY, first INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS losses (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, from_ns INTEGER, to_ns INTEGER, detail TEXT NOT NULL
);
"""
_SMALL_TABLES = {"notes": 2, "identity": 2, "checkpoints": 2, "jumps": 2, "losses": 5}


class Loss(NamedTuple):
    """Messages that were safe in the spool and can be read no more, before they were stored."""

    first: int
    last: int
    """Numbers, both included."""
    from_ns: int | None
    to_ns: int | None
    """They were received in this span; `None`: not known."""
    detail: str


class Held(NamedTuple):
    """One batch that a file holds."""

    first: int
    last: int
    received_ns: int


class Mark:
    """The number of the newest message, in a file of its own.

    Args:
        path: of the spool.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".head")
        self._file: int | None = None

    def read(self) -> tuple[int, int]:
        """Number and time of reception; (0, 0) if it is not known."""
        with suppress(OSError, ValueError):
            number, received_ns, check = self._path.read_bytes().split()
            if zlib.crc32(number + b" " + received_ns) == int(check):
                return int(number), int(received_ns)
        return 0, 0

    def write(self, number: int, received_ns: int) -> None:
        """Remember; a mark that cannot be written costs nothing but exactness after damage."""
        with suppress(OSError):
            if self._file is None:
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            said = b"%020d %020d" % (number, received_ns)
            os.pwrite(self._file, b"%s %010d\n" % (said, zlib.crc32(said)), 0)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def is_damage(error: Exception) -> bool:
    """Whether an error says that the file is broken, and not that it is busy, full or out of reach."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return False
    damaged = code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
    return damaged or code in {_SHORT_READ, _CORRUPT_FILE_SYSTEM, _MOVED_AWAY}


def connect(path: Path) -> sqlite3.Connection:
    """A connection whose commits survive a power cut."""
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def open_or_salvage(path: Path, *, stored_through: int | None, mark: tuple[int, int]) -> sqlite3.Connection:
    """The file; if it is damaged, a new one with what the old one still holds, under the same numbers.

    Args:
        path: the file.
        stored_through: messages up to here are in the sample store; `None`: not known.
        mark: the newest message and when it was received (see `Mark`).

    Raises:
        sqlite3.Error: if the disk is full or out of reach; nothing is lost, the same call may succeed later.
        OSError: likewise.
    """
    _finish_salvage(path)
    connection: sqlite3.Connection | None = None
    try:
        connection = connect(path)
        connection.executescript(_TABLES)
        too_large = path.stat().st_size > CHECK_BELOW_BYTES
        if too_large or connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",):
            return connection
        fault = "its structure is broken"
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            if connection is not None:
                connection.close()
            raise
        fault = str(error)
    if connection is not None:
        connection.close()
    return begin_anew(path, fault, stored_through=stored_through, mark=mark)


def begin_anew(path: Path, fault: str, *, stored_through: int | None, mark: tuple[int, int]) -> sqlite3.Connection:
    """Set a damaged file aside and begin a new one with what it still holds (see `open_or_salvage`)."""
    fresh = _salvage_file(path)
    for part in (fresh, *_companions(fresh)):
        part.unlink(missing_ok=True)
    with closing(connect(fresh)) as into:
        into.executescript(_TABLES)
        held = _copy(path, into, stored_through=stored_through, mark=mark)
    fresh.rename(_salvaged_file(path))  # from here on a crash loses nothing of the work
    aside = _set_aside(path)
    _finish_salvage(path)
    log.error("the spool was damaged and begun anew", fault=fault, kept_as=aside.name, salvaged_batches=held)
    return connect(path)


def lost_between(
    held: Sequence[Held], jumps: Iterable[tuple[int, int]], *, safe: int | None, mark: tuple[int, int]
) -> list[Loss]:
    """What is missing above `safe`, up to the newest message.

    Args:
        held: batches that are there, in order.
        jumps: (after, first): numbers between the two were never given to a message.
        safe: messages up to here are stored; `None`: not known, and only what is missing after the
            first batch can be told.
        mark: number of the newest message and when it was received.
    """
    found: list[Loss] = []
    known = sorted(jumps)
    reached, seen_ns = (held[0].first if held else mark[0]) - 1 if safe is None else safe, None
    for batch in [*held, Held(mark[0] + 1, mark[0], mark[1])]:
        for first, last in _without_jumps(reached + 1, batch.first - 1, known):
            found.append(Loss(first, last, seen_ns, batch.received_ns or None, "the spool's file was damaged"))
        reached, seen_ns = max(reached, batch.last), batch.received_ns or seen_ns
    return found


def _without_jumps(first: int, last: int, jumps: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for after, begins in jumps:
        if after >= last or begins <= first:
            continue
        if first <= after:
            yield first, after
        first = max(first, begins)
    if first <= last:
        yield first, last


def _salvage_file(path: Path) -> Path:
    return path.with_name(path.name + ".salvage")


def _salvaged_file(path: Path) -> Path:
    return path.with_name(path.name + ".salvaged")


def _companions(path: Path) -> list[Path]:
    return [path.with_name(path.name + ending) for ending in ("-wal", "-shm")]


def _finish_salvage(path: Path) -> None:
    """Put a finished salvage in its place, also when the recorder was killed before it could."""
    salvaged = _salvaged_file(path)
    if not salvaged.exists():
        return
    if path.exists():
        _set_aside(path)
    salvaged.rename(path)


def _set_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for ending in ("-wal", "-shm", ""):
        part = path.with_name(path.name + ending)
        if part.exists():
            part.replace(aside.with_name(aside.name + ending))
    return aside


def _copy(damaged: Path, into: sqlite3.Connection, *, stored_through: int | None, mark: tuple[int, int]) -> int:
    """Copy every sound batch and what is noted beside them; returns how many batches."""
    into.execute("BEGIN IMMEDIATE")
    with closing(sqlite3.connect(damaged, isolation_level=None)) as old:
        for table, width in _SMALL_TABLES.items():
            _copy_small(old, into, table, width)
        _copy_batches(old, into)
    held = [Held(*row) for row in into.execute("SELECT first, last, received_ns FROM batches ORDER BY last")]
    drained = into.execute("SELECT value FROM notes WHERE name = 'drained'").fetchone()
    jumps = into.execute("SELECT after, first FROM jumps").fetchall()
    known = [number for number in (stored_through, drained and drained[0]) if number is not None]
    safe = max(known, default=None)
    for loss in lost_between(held, jumps, safe=safe, mark=mark):
        into.execute("INSERT OR IGNORE INTO losses VALUES (?, ?, ?, ?, ?)", loss)
    newest = max(held[-1].last if held else 0, mark[0])
    head = max(newest, safe or 0) + NUMBERS_LEFT_FREE
    into.execute("INSERT OR REPLACE INTO notes VALUES ('head', ?)", (head,))
    into.execute("INSERT OR REPLACE INTO jumps VALUES (?, ?)", (newest, head + 1))
    into.execute("COMMIT")
    return len(held)


def _copy_small(old: sqlite3.Connection, into: sqlite3.Connection, table: str, width: int) -> None:
    try:
        rows = old.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - constant
    except sqlite3.DatabaseError as error:
        log.warning("part of the damaged spool cannot be read", table=table, error=str(error))
        return
    places = ", ".join("?" * width)
    into.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({places})", rows)  # noqa: S608 - constant


def _copy_batches(old: sqlite3.Connection, into: sqlite3.Connection) -> None:
    """Copy from both ends until something broken, then from the middle of what lies between, and so on."""
    stretches = [(-(2**62), 2**62)]
    for _ in range(_MOST_PROBES):
        if not stretches:
            return
        low, high = stretches.pop()
        reached_up = _copy_stretch(old, into, low, high, "ASC")
        if reached_up is None:
            continue
        reached_down = _copy_stretch(old, into, reached_up, high, "DESC")
        if reached_down is None:
            continue
        low, high = max(low, reached_up), min(high, reached_down)
        middle = (max(low, 0) + min(high, 2**53)) // 2
        if low < middle < high:
            stretches += [(low, middle), (middle, high)]


def _copy_stretch(old: sqlite3.Connection, into: sqlite3.Connection, low: int, high: int, order: str) -> int | None:
    """Copy sound batches with low < last <= high; returns the last number read before damage, `None`: all is read."""
    reached = low if order == "ASC" else high
    query = f"SELECT {_COLUMNS} FROM batches WHERE last > ? AND last <= ? ORDER BY last {order}"  # noqa: S608
    try:
        for row in old.execute(query, (low, high)):
            reached = row[0]
            if zlib.crc32(row[5]) == row[4]:
                into.execute("INSERT OR IGNORE INTO batches VALUES (?, ?, ?, ?, ?, ?)", row)
    except (sqlite3.DatabaseError, TypeError) as error:
        passing = isinstance(error, sqlite3.Error) and error.sqlite_errorcode & 0xFF in _PASSING
        if passing and not is_damage(error):
            raise
        return int(reached)
    return None
