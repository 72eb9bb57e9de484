"""A checkpoint is good when what it wrote has been read back from the disk.

While rows are written, their number and the sum of their hashes are kept. After the checkpoint the buffers are dropped,
the rows added since the last one are read from the file (which checks its blocks), and both must agree.
"""

from dataclasses import dataclass

import duckdb
import structlog

from telemetry.stores.duckdb.schema import COLUMNS
from telemetry.stores.errors import StoreDamagedError

log = structlog.get_logger(__name__)

_SUMS = f"count(*), coalesce(sum(hash({COLUMNS})), 0)"


@dataclass(slots=True)
class Tally:
    """What was written since the last checkpoint."""

    first_row: int
    """DuckDB's number of the first row that is not verified."""
    all_rows: int
    """How many rows there are."""
    rows: int = 0
    hashes: int = 0
    from_before: bool = True
    """Rows from before the opening are among the unverified ones: they can be read back, not compared."""

    @classmethod
    def begin(cls, connection: duckdb.DuckDBPyConnection) -> "Tally":
        """After opening: what an earlier checkpoint verified need not be read again."""
        query = "SELECT (SELECT coalesce(max(value), 0) FROM facts WHERE name = 'verified'), count(*) FROM samples"
        return cls(*_sums(connection, query))

    def add(self, cursor: duckdb.DuckDBPyConnection, name: str) -> "Tally":
        """With the rows of a registered table."""
        rows, hashes = _sums(cursor, f"SELECT {_SUMS} FROM {name}")  # noqa: S608 - constants
        return Tally(self.first_row, self.all_rows + rows, self.rows + rows, self.hashes + hashes, self.from_before)


def verified_checkpoint(cursor: duckdb.DuckDBPyConnection, tally: Tally, *, memory_limit: str) -> tuple[Tally, int]:
    """Write everything into the main file and read back what is new. The caller keeps writers away.

    Returns:
        The tally to go on with, and how many rows were read back.

    Raises:
        StoreDamagedError: something else was read.
        duckdb.Error: it could not be written or read.
    """
    following, _ = _sums(cursor, "SELECT coalesce(max(rowid) + 1, 0), 0 FROM samples")
    _note_verified(cursor, following)
    cursor.execute("CHECKPOINT")
    drop_buffers(cursor, memory_limit=memory_limit)
    rows, hashes = _sums(cursor, f"SELECT {_SUMS} FROM samples WHERE rowid >= {tally.first_row:d}")  # noqa: S608
    if not tally.from_before and (rows, hashes) != (tally.rows, tally.hashes):
        _require_count(cursor, tally)
    return Tally(following, tally.all_rows, from_before=False), rows


def begin_anew(cursor: duckdb.DuckDBPyConnection) -> Tally:
    """After rows were changed or deleted, of which all that was written before had been verified."""
    cursor.execute("CHECKPOINT")
    first, count = _sums(cursor, "SELECT coalesce(max(rowid) + 1, 0), count(*) FROM samples")
    _note_verified(cursor, first)
    return Tally(first, count, from_before=False)


def drop_buffers(cursor: duckdb.DuckDBPyConnection, *, memory_limit: str) -> None:
    """Have DuckDB forget what it holds of the file, so that the next question is answered from the disk."""
    try:
        cursor.execute("SET memory_limit = '1MB'")
    except duckdb.OutOfMemoryException:
        log.debug("not all buffers could be dropped: somebody reads")
    finally:
        cursor.execute(f"SET memory_limit = '{memory_limit}'")


def _require_count(cursor: duckdb.DuckDBPyConnection, tally: Tally) -> None:
    """Rows may have got new numbers where others were deleted: then at least all of them must be there and sound."""
    rows, _ = _sums(cursor, f"SELECT {_SUMS} FROM samples")  # noqa: S608 - constants
    log.warning("rows were numbered anew by a checkpoint", rows=rows)
    if rows != tally.all_rows:
        raise StoreDamagedError(f"the sample store holds {rows} samples after a checkpoint, not {tally.all_rows}")


def _note_verified(cursor: duckdb.DuckDBPyConnection, first_row: int) -> None:
    cursor.begin()
    cursor.execute("DELETE FROM facts WHERE name = 'verified'")
    cursor.execute("INSERT INTO facts VALUES ('verified', ?)", [first_row])
    cursor.commit()


def _sums(cursor: duckdb.DuckDBPyConnection, query: str) -> tuple[int, int]:
    [(first, second)] = cursor.execute(query).fetchall()  # all: an answer that is read in part stays a transaction
    return int(first), int(second)
