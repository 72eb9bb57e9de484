"""Reading samples from the file."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from telemetry.stores.duckdb import questions
from telemetry.stores.duckdb.arranging import arranged
from telemetry.stores.duckdb.file import StoreFile
from telemetry.stores.duckdb.marks import NEVER, Mark, load_marks
from telemetry.stores.duckdb.questions import Names
from telemetry.stores.interface import BUCKETS, COVERAGE, SAMPLES
from telemetry.stores.spans import clusters, merged
from telemetry.stores.streaming import stream_windows

_FIRST_REACH_NS = 600 * 1_000_000_000
_HOLE_NS = 60 * 1_000_000_000
Newest = dict[str, dict[str, Any]]
"""Signal → its newest sample."""


class SampleReader:
    """The questions of `SampleStore`, answered from a DuckDB file.

    Args:
        file: where the samples are.
    """

    def __init__(self, file: StoreFile) -> None:
        self._file = file

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
        names, wanted = self._file.known().names(device, signals), merged(spans)
        if not names or not wanted:
            return SAMPLES.empty_table()
        where = questions.within(names, wanted, uncertain=uncertain)
        if limit is None:
            return arranged(self._file.answer(questions.plain_rows_query(where)), names, device)
        query, parameters = questions.rows_query(names, where, limit)
        return self._file.answer(query, parameters | {"device": device}).cast(SAMPLES)

    def stream(
        self, device: str, signals: list[str], spans: list[tuple[int, int]], *, uncertain: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Samples in pieces (see `SampleStore.stream`)."""
        names = self._file.known().names(device, signals)
        for signal in sorted({name for name, _ in names.values()}):
            inside = self._reach(device, signal, spans)

            def read(start: int, end: int, most: int, signal: str = signal) -> pa.Table:
                return self.read(device, [signal], [(start, end)], uncertain=uncertain, limit=most or None)

            yield from stream_windows(read, inside)

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
        names, wanted = self._file.known().names(device, [signal]), merged(spans)
        if not names or not wanted:
            return BUCKETS.empty_table()
        where = questions.within(names, wanted, uncertain=uncertain)
        return self._file.answer(questions.buckets_query(where), {"width": width_ns}).cast(BUCKETS)

    def last_values(self, device: str, spans: list[tuple[int, int]], *, uncertain: bool = False) -> pa.Table:
        """The newest sample of each signal within the spans (see `SampleStore.last_values`).

        Where the newest sample of all is within the spans, as it is live, its time is known and only it is read.
        """
        wanted, names, marks = merged(spans), self._file.known().names(device, []), self._all_marks()
        newest: dict[str, int] = {}
        for number, (signal, _) in names.items():
            if number in marks:
                newest[signal] = max(newest.get(signal, NEVER), marks[number].reaches(uncertain=uncertain))
        at = {time for time in newest.values() if any(start <= time < end for start, end in wanted)}
        rest = {number: pair for number, pair in names.items() if number in marks and newest[pair[0]] not in at}
        found = self._newest_at(names, newest, at, uncertain=uncertain)
        found |= self._search_newest(rest, wanted, uncertain=uncertain)
        listed = [{"device": device, **found[signal]} for signal in sorted(found)]
        return pa.Table.from_pylist(listed, schema=SAMPLES)

    def coverage(
        self,
        device: str,
        signals: list[str],
        spans: list[tuple[int, int]],
        *,
        longest_gap_ns: int,
        uncertain: bool = False,
    ) -> pa.Table:
        """From when to when there are samples (see `SampleStore.coverage`)."""
        names, wanted = self._file.known().names(device, signals), merged(spans)
        if not names or not wanted:
            return COVERAGE.empty_table()
        query = questions.coverage_query(questions.within(names, wanted, uncertain=uncertain))
        rows = self._file.answer(query, {"gap": longest_gap_ns}).to_pylist()
        for row in rows:
            row["signal"], row["boot"] = names[row.pop("series")]
        rows.sort(key=lambda row: (row["signal"], row["boot"], row["first_ns"]))
        return pa.Table.from_pylist(rows, schema=COVERAGE)

    def count(self, device: str, spans: list[tuple[int, int]], *, doubtful_before_ns: int | None = None) -> int:
        """How many samples of a device lie in spans of settled time (see `SampleStore.count`)."""
        names, wanted = self._file.known().names(device, []), merged(spans)
        if not names or not wanted:
            return 0
        where = f"{questions.within(names, wanted, uncertain=True)} AND {questions.surely(doubtful_before_ns)}"
        return int(self._file.answer(f"SELECT count(*) AS n FROM samples WHERE {where}").column(0)[0].as_py())  # noqa: S608

    def _all_marks(self) -> dict[int, Mark]:
        known = self._file.known()
        if known.marks is None:
            with self._file.writing, self._file.cursor() as (cursor, known):
                if known.marks is None:
                    known.marks = load_marks(cursor)
        return known.marks

    def _reach(self, device: str, signal: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Spans, cut to where the signal has samples at all."""
        marks = self._all_marks()
        known = [marks[number] for number in self._file.known().names(device, [signal]) if number in marks]
        if not known:
            return []
        first, last = min(mark.oldest for mark in known), max(mark.newest for mark in known)
        return merged([(max(start, first), min(end, last + 1)) for start, end in spans])

    def _newest_at(self, names: Names, newest: dict[str, int], at: set[int], *, uncertain: bool) -> Newest:
        """The newest samples of signals of which it is known when they are."""
        found: Newest = {}
        for first, last in clusters(at, _HOLE_NS):
            here = [number for number, (signal, _) in names.items() if first <= newest.get(signal, NEVER) <= last]
            self._take_newest(found, names, here, [(first, last + 1)], uncertain=uncertain)
        return found

    def _search_newest(self, names: Names, spans: list[tuple[int, int]], *, uncertain: bool) -> Newest:
        """The newest samples within spans that lie in the past: the last minutes of them first, then further back."""
        marks = self._all_marks()
        reaching = [marks[number] for number in names if number in marks]
        if not reaching or not spans:
            return {}
        oldest, newest = min(mark.oldest for mark in reaching), max(mark.newest for mark in reaching)
        first, last = max(oldest, spans[0][0]), min(newest, spans[-1][1] - 1)
        signals = {signal for signal, _ in names.values()}
        reach = _FIRST_REACH_NS
        while first <= last:
            start = max(first, last - reach)
            inside = merged([(max(begin, start), end) for begin, end in spans])
            found: Newest = {}
            self._take_newest(found, names, list(names), inside, uncertain=uncertain)
            if len(found) == len(signals) or start == first:
                return found
            reach *= 32
        return {}

    def _take_newest(
        self, found: Newest, names: Names, ids: list[int], spans: list[tuple[int, int]], *, uncertain: bool
    ) -> None:
        """Add the newest sample of each signal, or put it in the place of an older one."""
        if not ids or not spans:
            return
        where = questions.within(ids, spans, uncertain=uncertain)
        for row in self._file.answer(questions.newest_query(where)).to_pylist():
            signal, boot = names[row.pop("series")]
            row |= {"signal": signal, "boot": boot}
            best = found.get(signal)
            if best is None or _age(row) > _age(best):
                found[signal] = row


def _age(row: dict[str, Any]) -> tuple[int, int, str]:
    return row["settled_ns"], row["device_ns"], row["boot"]
