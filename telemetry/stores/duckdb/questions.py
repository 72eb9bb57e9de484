"""Questions to the file, by the numbers of series; bounds over all spans let DuckDB skip whole row groups."""

from collections.abc import Iterable

from telemetry.stores.duckdb.marks import listed
from telemetry.stores.duckdb.schema import COLUMNS
from telemetry.stores.interface import Flag
from telemetry.stores.spans import merged

Names = dict[int, tuple[str, str]]
"""Number of a series → signal and boot."""


def within(ids: Iterable[int], spans: list[tuple[int, int]], *, uncertain: bool) -> str:
    """A condition on rows: series, settled time in one of the spans (merged, at least one), certain or not."""
    numbers = list(ids)
    which = f"= {numbers[0]:d}" if len(numbers) == 1 else f"IN ({listed(numbers)})"  # one alone is quicker
    clauses = [f"series {which}", f"settled_ns >= {spans[0][0]:d} AND settled_ns < {spans[-1][1]:d}"]
    if len(spans) > 1:
        pieces = [f"settled_ns >= {start:d} AND settled_ns < {end:d}" for start, end in spans]
        clauses.append("(" + " OR ".join(pieces) + ")")
    if not uncertain:
        clauses.append(f"flags & {int(Flag.UNCERTAIN)} = 0")
    return " AND ".join(clauses)


def surely(doubtful_before_ns: int | None) -> str:
    """A condition on rows: certain, or received before an instant; `None`: any."""
    if doubtful_before_ns is None:
        return "true"
    return f"(flags & {int(Flag.UNCERTAIN)} = 0 OR received_ns < {doubtful_before_ns:d})"


def around(spans: list[tuple[int, int]], margin_ns: int) -> str:
    """A condition on rows of all series: settled time in one of the spans (at least one), or as near to it."""
    pieces = merged([(max(start - margin_ns, -(2**63)), min(end + margin_ns, 2**63 - 1)) for start, end in spans])
    return " OR ".join(f"settled_ns >= {start:d} AND settled_ns < {end:d}" for start, end in pieces)


def plain_rows_query(where: str) -> str:
    """Rows as they lie in the file, without names."""
    return f"SELECT {COLUMNS} FROM samples WHERE {where}"  # noqa: S608 - whole numbers


def rows_query(names: Names, where: str, limit: int) -> tuple[str, dict[str, object]]:
    """The first rows with names, sorted, schema SAMPLES."""
    order = sorted(names)
    parameters: dict[str, object] = {
        "ids": order,
        "signals": [names[number][0] for number in order],
        "boots": [names[number][1] for number in order],
    }
    query = f"""
        WITH known AS (SELECT unnest($ids) AS id, unnest($signals) AS signal, unnest($boots) AS boot)
        SELECT $device AS device, signal, boot, device_ns, settled_ns, received_ns, value, text, flags
        FROM samples JOIN known ON known.id = samples.series
        WHERE {where} ORDER BY signal, settled_ns, device_ns, boot LIMIT {limit:d}
    """  # noqa: S608 - values are parameters or whole numbers
    return query, parameters


def buckets_query(where: str) -> str:
    """Buckets of `$width` nanoseconds, schema BUCKETS."""
    start = "settled_ns - (settled_ns % $width + $width) % $width"  # floors before 1970 too
    return f"""
        SELECT {start} AS start_ns, min(value) AS min, max(value) AS max, avg(value) AS mean, count(*) AS count
        FROM samples WHERE {where} AND value IS NOT NULL GROUP BY start_ns ORDER BY start_ns
    """  # noqa: S608 - values are parameters or whole numbers


def newest_query(where: str) -> str:
    """The newest row of each series."""
    return f"""
        SELECT series, unnest(arg_max(
            {{'device_ns': device_ns, 'settled_ns': settled_ns, 'received_ns': received_ns,
              'value': value, 'text': text, 'flags': flags}}, (settled_ns, device_ns)))
        FROM samples WHERE {where} GROUP BY series
    """  # noqa: S608 - whole numbers


def coverage_query(where: str) -> str:
    """Stretches of each series without a silence longer than `$gap`.

    A stretch is named by the time at which it begins, after the first one of its series: of that DuckDB finds the
    running maximum thirty times as fast as it counts the silences before each row.
    """
    return f"""
        WITH steps AS (
            SELECT series, settled_ns, settled_ns - lag(settled_ns) OVER one AS step FROM samples WHERE {where}
            WINDOW one AS (PARTITION BY series ORDER BY settled_ns)
        ), stretches AS (
            SELECT series, settled_ns, step, max(CASE WHEN step > $gap THEN settled_ns END) OVER one AS stretch
            FROM steps
            WINDOW one AS (PARTITION BY series ORDER BY settled_ns)
        )
        SELECT series, min(settled_ns) AS first_ns, max(settled_ns) AS last_ns, count(*) AS count,
               coalesce(max(step) FILTER (WHERE step <= $gap), 0) AS longest_gap_ns
        FROM stretches GROUP BY series, stretch
    """  # noqa: S608 - values are parameters or whole numbers
