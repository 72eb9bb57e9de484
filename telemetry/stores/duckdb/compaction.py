"""Rewriting closed days in one order, and giving free space back.

The order is message by message, within a message by series and device time. Measured: times and flags, the same for all
signals of a message, then take a tenth of a byte a sample; sorted by series first, they would take ten bytes and the
values half a byte less. Late samples and the many small pieces in which a day arrived find together.

DuckDB writes into the first free blocks of its file and cuts off free ones at the end of it. So a small piece at a time
is rewritten, which needs the space of that piece only, and what then lies at the end is moved to the front. Each step
is one transaction: whoever kills the process finds the samples as they were before it or after it.
"""

import duckdb

from telemetry.stores.duckdb.checkpoints import Sums, lower_proved
from telemetry.stores.duckdb.reading_gate import ReadingGate
from telemetry.stores.duckdb.schema import COLUMNS

_DAY_NS = 86_400 * 1_000_000_000
_ROW_GROUP = 122_880
_MOST_ROWS = 8 * _ROW_GROUP
"""Of a piece that is rewritten at once: enough for whole row groups, few enough for memory and free space."""
_FREE_BLOCKS = 4
_FREE_SHARE = 50
"""Free blocks that stay: a few, or one in so many."""


def unsorted_pieces(cursor: duckdb.DuckDBPyConnection, *, before_ns: int) -> list[tuple[int, int]]:
    """Spans of settled time before an instant that have not been sorted yet, each of a day or a part of one."""
    [(done,)] = cursor.execute("SELECT max(value) FROM facts WHERE name = 'sorted'").fetchall()
    days = cursor.execute(
        f"""SELECT settled_ns // {_DAY_NS} AS day, min(settled_ns), max(settled_ns), count(*) FROM samples
            WHERE settled_ns >= ? AND settled_ns < ? GROUP BY day ORDER BY day""",  # noqa: S608 - constant
        [-(2**63) if done is None else done, before_ns],
    ).fetchall()
    found = []
    for _, first, last, count in days:
        pieces = -(-count // _MOST_ROWS)
        width = (last + 1 - first) // pieces + 1
        found += [
            (first + number * width, min(first + (number + 1) * width, last + 1))
            for number in range(pieces)
            if first + number * width <= last
        ]
    return found


def sort_piece(cursor: duckdb.DuckDBPyConnection, gate: ReadingGate, start: int, end: int) -> tuple[Sums, int]:
    """Rewrite rows settled in `[start, end)`, all of them proved; gives what is written, and how many were there twice.

    The rows that are written are the last ones of the file, and not proved.
    """
    cursor.begin()
    _take_out(cursor, f"settled_ns >= {start:d} AND settled_ns < {end:d}", "received_ns, series, device_ns")
    [(doubles,)] = cursor.execute(
        "SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM piece GROUP BY series, device_ns)"
    ).fetchall()
    unique = (
        "QUALIFY row_number() OVER (PARTITION BY series, device_ns ORDER BY received_ns) = 1 "
        "ORDER BY received_ns, series, device_ns"
        if doubles
        else ""
    )
    written = _put_back(cursor, unique)
    cursor.execute("DELETE FROM facts WHERE name = 'sorted'")
    cursor.execute("INSERT INTO facts VALUES ('sorted', ?)", [end])
    with gate.closed():
        cursor.commit()
    return written, int(doubles)


def rows_at_the_end(cursor: duckdb.DuckDBPyConnection) -> list[tuple[int, int]]:
    """Rows that lie where the file could end if they lay in its free blocks; none if few are free.

    Returns:
        Spans of places `[first, last)` in the order of the file. Rows that are deleted in a row group that is still
        there count, so that the places are near the right ones only.
    """
    [(used, free)] = cursor.execute("SELECT used_blocks, free_blocks FROM pragma_database_size()").fetchall()
    if free <= max(_FREE_BLOCKS, used // _FREE_SHARE):
        return []
    groups = cursor.execute(
        """WITH groups AS (
               SELECT row_group_id,
                      sum("count") FILTER (WHERE column_name = 'series' AND segment_type = 'INTEGER') AS n,
                      max(greatest(block_id, coalesce(list_max(additional_block_ids), -1))) AS top
               FROM pragma_storage_info('samples') GROUP BY row_group_id)
           SELECT sum(n) OVER (ORDER BY row_group_id) - n AS first, n, top FROM groups ORDER BY top DESC"""
    ).fetchall()
    most = max(1, min(_MOST_ROWS // _ROW_GROUP, free * len(groups) // (used + 1)))
    return sorted((int(first), int(first + n)) for first, n, top in groups[:most] if top >= used)


def move_rows(cursor: duckdb.DuckDBPyConnection, gate: ReadingGate, places: list[tuple[int, int]]) -> Sums:
    """Write rows, all of them proved, again; gives what is written: now the last rows of the file, and not proved."""
    spans = [
        cursor.execute(
            "SELECT min(rowid), max(rowid) FROM (SELECT rowid FROM samples LIMIT ? OFFSET ?)", [last - first, first]
        ).fetchall()[0]
        for first, last in places
    ]
    where = " OR ".join(f"rowid BETWEEN {first:d} AND {last:d}" for first, last in spans if first is not None)
    cursor.begin()
    _take_out(cursor, where or "false", "rowid")
    written = _put_back(cursor)
    with gate.closed():
        cursor.commit()
    return written


def _take_out(cursor: duckdb.DuckDBPyConnection, where: str, order: str) -> None:
    """Move rows into the table `piece`, in this order."""
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE piece AS SELECT {COLUMNS} FROM samples WHERE {where} ORDER BY {order}"  # noqa: S608
    )
    [(deleted,)] = cursor.execute(f"DELETE FROM samples WHERE {where}").fetchall()  # noqa: S608 - whole numbers
    lower_proved(cursor, deleted)


def _put_back(cursor: duckdb.DuckDBPyConnection, which: str = "") -> Sums:
    """Write the rows of `piece`, or some of them, at the end."""
    cursor.execute(f"INSERT INTO samples SELECT {COLUMNS} FROM piece {which}")  # noqa: S608 - constants
    [(rows, hashes)] = cursor.execute(
        f"SELECT count(*), coalesce(sum(hash({COLUMNS})), 0) FROM (SELECT {COLUMNS} FROM piece {which})"  # noqa: S608
    ).fetchall()
    cursor.execute("DROP TABLE piece")
    return int(rows), int(hashes)
