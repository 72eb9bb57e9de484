"""Rewriting closed days in one order: message by message, within a message by series and device time.

Measured: times and flags, the same for all signals of a message, then take a tenth of a byte a sample; sorted by series
first, they would take ten bytes and the values half a byte less. Late samples and the many small pieces in which a day
arrived find together.
"""

import duckdb

from telemetry.stores.duckdb.schema import COLUMNS

_DAY_NS = 86_400 * 1_000_000_000
_MOST_ROWS = 4_000_000
"""Of a piece that is sorted at once: enough for a sorted file, few enough for the memory."""


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


def sort_piece(cursor: duckdb.DuckDBPyConnection, start: int, end: int) -> tuple[int, int]:
    """Rewrite rows settled in `[start, end)`; gives their number and how many were there twice."""
    where = f"settled_ns >= {start:d} AND settled_ns < {end:d}"
    cursor.begin()
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE piece AS SELECT {COLUMNS} FROM samples WHERE {where} "  # noqa: S608
        "ORDER BY received_ns, series, device_ns"
    )
    [(rows, doubles)] = cursor.execute(
        "SELECT coalesce(sum(n), 0), coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM piece "
        "GROUP BY series, device_ns)"
    ).fetchall()
    cursor.execute(f"DELETE FROM samples WHERE {where}")  # noqa: S608 - whole numbers
    unique = (
        "QUALIFY row_number() OVER (PARTITION BY series, device_ns ORDER BY received_ns) = 1 "
        "ORDER BY received_ns, series, device_ns"
        if doubles
        else ""
    )
    cursor.execute(f"INSERT INTO samples SELECT {COLUMNS} FROM piece {unique}")  # noqa: S608 - constants
    cursor.execute("DELETE FROM facts WHERE name = 'sorted'")
    cursor.execute("INSERT INTO facts VALUES ('sorted', ?)", [end])
    cursor.execute("DROP TABLE piece")
    cursor.commit()
    return int(rows), int(doubles)
