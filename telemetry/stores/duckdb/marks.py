"""What is kept in memory of each series: how far it reaches, so that most questions need no look at the rows.

Computed from the rows at the first need after opening, so it cannot disagree with a file that was damaged or restored.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import duckdb
import numpy as np
from numpy.typing import NDArray

from telemetry.stores.interface import Block, Flag

NEVER = -(2**63)
_DOUBT = int(Flag.UNCERTAIN)


@dataclass(slots=True)
class Mark:
    """How far one series reaches."""

    high: int = NEVER
    """Greatest device time."""
    oldest: int = 2**63 - 1
    newest: int = NEVER
    """Least and greatest settled time."""
    newest_certain: int = NEVER
    """Greatest settled time of a sample that is not uncertain."""

    def reaches(self, *, uncertain: bool) -> int:
        """The greatest settled time that may be seen."""
        return self.newest if uncertain else self.newest_certain


def load_marks(cursor: duckdb.DuckDBPyConnection, ids: Iterable[int] | None = None) -> dict[int, Mark]:
    """Marks of all series, or of some; those without rows are missing."""
    where = "" if ids is None else f"WHERE series IN ({listed(ids)})"
    rows = cursor.execute(
        f"""SELECT series, max(device_ns), min(settled_ns), max(settled_ns),
                   max(settled_ns) FILTER (WHERE flags & {_DOUBT} = 0)
            FROM samples {where} GROUP BY series"""  # noqa: S608 - whole numbers
    ).fetchall()
    return {
        number: Mark(high, oldest, newest, NEVER if certain is None else certain)
        for number, high, oldest, newest, certain in rows
    }


def raise_marks(marks: dict[int, Mark], reached: Iterable[tuple[int, Mark]]) -> None:
    """Take rows into account that have been stored: how far they reach, by the numbers of their series."""
    for number, new in reached:
        mark = marks.get(number)
        if mark is None:
            marks[number] = new
            continue
        mark.high = max(mark.high, new.high)
        mark.oldest = min(mark.oldest, new.oldest)
        mark.newest = max(mark.newest, new.newest)
        mark.newest_certain = max(mark.newest_certain, new.newest_certain)


def reached_by_blocks(blocks: Iterable[Block], ids: NDArray[np.int32]) -> Iterator[tuple[int, Mark]]:
    """How far blocks reach.

    Args:
        blocks: of a batch.
        ids: the number of each of its series.
    """
    for block in blocks:
        certain = NEVER if block.newest_certain_ns is None else block.newest_certain_ns
        for number in ids[block.series].tolist():
            yield number, Mark(block.last_ns, block.oldest_ns, block.newest_ns, certain)


def reached_by_rows(
    series: NDArray[np.int32], device_ns: NDArray[np.int64], settled_ns: NDArray[np.int64], flags: NDArray[np.uint8]
) -> Iterator[tuple[int, Mark]]:
    """How far rows reach: equally long columns, sorted by series and device time."""
    if not len(series):
        return
    starts = np.flatnonzero(np.diff(series, prepend=series[0] - 1))
    ends = np.append(starts[1:], len(series)) - 1
    certain = np.where(flags & _DOUBT, NEVER, settled_ns)
    columns = (
        series[starts],
        device_ns[ends],
        np.minimum.reduceat(settled_ns, starts),
        np.maximum.reduceat(settled_ns, starts),
        np.maximum.reduceat(certain, starts),
    )
    for number, *mark in zip(*(column.tolist() for column in columns), strict=True):
        yield number, Mark(*mark)


def listed(ids: Iterable[int]) -> str:
    """Numbers for `IN (…)`; never empty."""
    return ", ".join(f"{number:d}" for number in ids) or "-1"
