"""A checkpoint is good when what it wrote has been read back from the disk.

While rows are written, their number and the sum of their hashes are kept. After the checkpoint the buffers are dropped,
the newest rows are read from the file (which checks its blocks), and both must agree; so must the number of all rows.

How many rows have been proved so is a fact in the file. Whoever deletes or moves rows changes it in the same
transaction, so that the proof survives: what is not proved are always the last rows of the file, whatever numbers
DuckDB gives them after a deletion, and a file that holds fewer rows than were proved is a damaged one.
"""

from contextlib import suppress
from dataclasses import dataclass

import duckdb

from telemetry.stores.duckdb.reading_gate import ReadingGate
from telemetry.stores.duckdb.schema import COLUMNS
from telemetry.stores.errors import StoreDamagedError

_SUMS = f"count(*), coalesce(sum(hash({COLUMNS})), 0)"
_PROVED = "proved"
_LESS_THAN_A_BLOCK = "128KB"
"""No block of 256 KiB stays under this limit, and there is room for the statement that raises it again."""
_PATIENCE_SECONDS = 1.0
"""How long buffers wait for those who read; longer, writers and new readers are not kept waiting."""
_ATTEMPTS = 100
Sums = tuple[int, int]
"""How many rows, and the sum of their hashes."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What must be in the file, and what of it has not been read back: its last rows."""

    all_rows: int
    """How many rows there are."""
    rows: int = 0
    """How many of them, the last ones, are not proved."""
    hashes: int = 0
    from_before: bool = False
    """Rows from before the opening are among the unproved ones: they can be read back, not compared."""

    @classmethod
    def begin(cls, connection: duckdb.DuckDBPyConnection) -> "Tally":
        """After opening: what an earlier checkpoint proved need not be read again.

        Raises:
            StoreDamagedError: the file holds less than that.
        """
        query = f"SELECT count(*), (SELECT coalesce(max(value), 0) FROM facts WHERE name = '{_PROVED}') FROM samples"  # noqa: S608
        rows, proved = _pair(connection, query)
        if rows < proved:
            raise StoreDamagedError(f"the sample store holds {rows} samples, and {proved} had been proved")
        return cls(rows, rows - proved, from_before=rows > proved)

    def add(self, cursor: duckdb.DuckDBPyConnection, name: str) -> "Tally":
        """With the rows of a registered table."""
        rows, hashes = _pair(cursor, f"SELECT {_SUMS} FROM {name}")  # noqa: S608 - constants
        return Tally(self.all_rows + rows, self.rows + rows, self.hashes + hashes, self.from_before)


def verified_checkpoint(
    cursor: duckdb.DuckDBPyConnection, tally: Tally, gate: ReadingGate, *, memory_limit: str
) -> Tally:
    """Write everything into the main file and read back what is new. The caller keeps writers away.

    Returns:
        The tally to go on with.

    Raises:
        StoreDamagedError: something else was read.
        duckdb.Error: it could not be written or read.
    """
    cursor.execute("CHECKPOINT")
    with gate.closed(patience_seconds=_PATIENCE_SECONDS):
        drop_buffers(cursor, memory_limit=memory_limit)
    all_rows, last = _pair(cursor, "SELECT count(*), coalesce(max(rowid), -1) FROM samples")
    if all_rows != tally.all_rows:
        raise StoreDamagedError(f"the sample store holds {all_rows} samples after a checkpoint, not {tally.all_rows}")
    if tally.rows:
        found = sums_of(cursor, f"rowid > {last - tally.rows:d}")
        if found[0] != tally.rows or (not tally.from_before and found[1] != tally.hashes):
            raise StoreDamagedError(f"the sample store gives back {tally.rows} new samples otherwise than written")
        cursor.begin()
        cursor.execute(f"DELETE FROM facts WHERE name = '{_PROVED}'")  # noqa: S608 - constant
        cursor.execute("INSERT INTO facts VALUES (?, ?)", [_PROVED, all_rows])
        cursor.commit()
    return Tally(all_rows)


def sums_of(cursor: duckdb.DuckDBPyConnection, where: str) -> Sums:
    """Number and hashes of rows, to be compared with those after a checkpoint."""
    return _pair(cursor, f"SELECT {_SUMS} FROM samples WHERE {where}")  # noqa: S608 - whole numbers


def require_sums(cursor: duckdb.DuckDBPyConnection, where: str, expected: Sums) -> None:
    """See that rows are those that were there before a checkpoint.

    Raises:
        StoreDamagedError: they are not.
    """
    if sums_of(cursor, where) != expected:
        raise StoreDamagedError("the sample store gives back changed samples otherwise than written")


def lower_proved(cursor: duckdb.DuckDBPyConnection, rows: int) -> None:
    """So many proved rows are deleted, or moved to the end, in the transaction that is open."""
    cursor.execute("UPDATE facts SET value = value - ? WHERE name = ?", [rows, _PROVED])


def drop_buffers(cursor: duckdb.DuckDBPyConnection, *, memory_limit: str) -> None:
    """Have DuckDB forget what it holds of the file, so that the next question is answered from the disk.

    Raises:
        duckdb.OutOfMemoryException: the usual limit could not be set again; the file must be opened anew.
    """
    try:
        with suppress(duckdb.OutOfMemoryException):  # somebody reads: all else is dropped before DuckDB says so
            cursor.execute(f"SET memory_limit = '{_LESS_THAN_A_BLOCK}'")
    finally:
        _set_limit(cursor, memory_limit)


def _set_limit(cursor: duckdb.DuckDBPyConnection, memory_limit: str) -> None:
    """Raise the limit again; whoever reads under the low one may hold what this needs for an instant."""
    for attempt in range(_ATTEMPTS):
        try:
            cursor.execute(f"SET memory_limit = '{memory_limit}'")
        except duckdb.OutOfMemoryException:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return


def _pair(cursor: duckdb.DuckDBPyConnection, query: str) -> Sums:
    [(first, second)] = cursor.execute(query).fetchall()  # all: an answer that is read in part stays a transaction
    return int(first), int(second)
