"""Reading samples from InfluxDB: what to ask, and rows out of wide lines."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from telemetry.stores.coverages import coverage_of
from telemetry.stores.influxdb.clocks import CLOCKS, Question, Reach, between, questions, read_reaches
from telemetry.stores.influxdb.connection import InfluxDBConnection
from telemetry.stores.influxdb.lines import TEXT_MARK, decode_tag, encode_tag, measurement
from telemetry.stores.influxdb.rows import (
    LINES,
    ROWS,
    are_inside,
    as_samples,
    each_once,
    in_order,
    last_of_each,
    samples_of,
    within,
)
from telemetry.stores.interface import COVERAGE, SAMPLES, Flag
from telemetry.stores.spans import merged
from telemetry.stores.streaming import stream_windows

CERTAIN = f"flags < {int(Flag.UNCERTAIN)}"
"""Of a line's flags UNCERTAIN is the greatest."""
_MOST_SIGNALS = 50
"""Of a question."""
_MOST_LEADS = 40
"""More are not worth a condition."""
_FIELDS = pa.schema([pa.field("fieldKey", pa.string())])
_FIRST_LOOK_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Carriers:
    """Signals whose samples are in the same lines."""

    leads: frozenset[str]
    fields: tuple[str, ...]
    """Of their values, encoded."""


class LineReader:
    """The questions of `SampleStore`, answered from lines; buckets elsewhere.

    Args:
        connection: to the bucket.
    """

    def __init__(self, connection: InfluxDBConnection) -> None:
        self._connection = connection

    def reaches(self, device: str) -> dict[str, Reach]:
        """Encoded boot → where its samples lie; read anew each time, since the recorder may be another process."""
        question = f"SELECT * FROM clocks WHERE device = '{encode_tag(device)}'"  # noqa: S608 - encoded
        return read_reaches(self._connection.query(question, CLOCKS).to_pylist())

    def signals(self, device: str) -> list[str]:
        """The names of all signals of a device."""
        found = self._connection.query(f'SHOW FIELD KEYS FROM "{measurement(device)}"', _FIELDS)
        names = found.column("fieldKey").to_pylist()
        return sorted({decode_tag(name[2:]) for name in names if name[:2] in {"v:", "t:"}})

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
        names = sorted(set(signals)) or self.signals(device)
        asked = list(questions(self.reaches(device), spans))
        carriers = self._carriers(device, names, asked)
        if limit is None:
            return as_samples(self._rows(device, carriers.values(), asked, uncertain=uncertain), device)
        parts = [SAMPLES.empty_table()]
        for name in names:
            if name in carriers and limit > 0:
                rows = self._rows(device, [carriers[name]], asked, uncertain=uncertain)
                parts.append(as_samples(rows.slice(0, limit), device))
                limit -= parts[-1].num_rows
        return pa.concat_tables(parts)

    def stream(
        self, device: str, signals: list[str], spans: list[tuple[int, int]], *, uncertain: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Samples in pieces (see `SampleStore.stream`)."""
        reaches = self.reaches(device)
        known = merged([(reach.since, reach.until) for reach in reaches.values()])
        inside = merged([(max(a, c), min(b, d)) for a, b in spans for c, d in known])
        for signal in sorted(set(signals)) or self.signals(device):

            def read(start: int, end: int, most: int, signal: str = signal) -> pa.Table:
                return self.read(device, [signal], [(start, end)], uncertain=uncertain, limit=most or None)

            yield from stream_windows(read, inside)

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
        names = sorted(set(signals)) or self.signals(device)
        asked = list(questions(self.reaches(device), spans))
        carriers = self._carriers(device, names, asked)
        parts = [COVERAGE.empty_table()]
        for name in names:
            if name not in carriers:
                continue
            rows = self._rows(device, [carriers[name]], asked, uncertain=uncertain)
            for boot in sorted({decode_tag(tag): tag for tag in pc.unique(rows.column("boot")).to_pylist()}.items()):
                mine = rows.filter(pc.equal(rows.column("boot"), boot[1]))
                parts.append(coverage_of(name, boot[0], mine.column("settled").to_numpy(), longest_gap_ns))
        return pa.concat_tables(parts)

    def count(self, device: str, spans: list[tuple[int, int]], *, doubtful_before_ns: int | None = None) -> int:
        """How many samples of a device lie in spans of settled time (see `SampleStore.count`)."""
        names = self.signals(device)
        total = 0
        for boot, reach in self.reaches(device).items():
            for start, end in merged(spans):
                if reach.overlaps(start, end):
                    whole, edges = inside_and_edges(start, end, reach)
                    if reach.doubtful and doubtful_before_ns is not None:
                        whole, edges = [], [*whole, *edges]
                    for low, high in whole:
                        total += self.count_lines(device, f"{between(low, high)} AND boot = '{boot}'")
                    for low, high in edges:
                        rows = self.points(device, names, f"{between(low, high)} AND boot = '{boot}'")
                        total += int(are_inside(rows, start, end, doubtful_before_ns).sum())
        return total

    def count_lines(self, device: str, where: str) -> int:
        """How many samples the server counts."""
        question = f'SELECT count(/^[vt]:/) FROM "{measurement(device)}" WHERE {where}'  # noqa: S608 - encoded
        rows = self._connection.ask_each([question])
        return sum(int(count) for row in rows for name, count in row.items() if name.startswith("count_") and count)

    def last_values(self, device: str, spans: list[tuple[int, int]], *, uncertain: bool = False) -> pa.Table:
        """The newest sample of each signal within the spans (see `SampleStore.last_values`)."""
        names = self.signals(device)
        parts = [ROWS.empty_table()]
        for question in questions(self.reaches(device), spans):
            newest = self._newest(device, names, question, uncertain=uncertain)
            if not question.even:
                newest = self._newest_settled(device, newest, question, uncertain=uncertain)
            parts.append(within(newest, question.start, question.end, uncertain=uncertain))
        return as_samples(last_of_each(in_order(pa.concat_tables(parts))), device)

    def points(self, device: str, signals: Sequence[str], where: str) -> pa.Table:
        """Stored samples (schema ROWS), in no order.

        Args:
            device: whose.
            signals: their names.
            where: a condition of InfluxQL.
        """
        parts = [ROWS.empty_table()]
        for start in range(0, len(signals), _MOST_SIGNALS):
            names = [encode_tag(signal) for signal in signals[start : start + _MOST_SIGNALS]]
            columns = [
                pa.field(f"{kind}:{name}", type)
                for name in names
                for kind, type in (("v", pa.float64()), ("t", pa.string()), ("f", pa.int64()))
            ]
            chosen = ", ".join(f'"{column.name}"' for column in columns)
            lines = self._connection.query(
                f'SELECT settled, received, flags, boot, "lead", {chosen} '  # noqa: S608 - encoded
                f'FROM "{measurement(device)}" WHERE {where}',
                pa.schema([*LINES, *columns]),
            )
            parts += [samples_of(lines, name) for name in names]
        return pa.concat_tables(parts)

    def exceptions(
        self, device: str, signal: str, asked: Sequence[Question], usual: Sequence[int], *, uncertain: bool
    ) -> pa.Table:
        """The numbers of a signal whose settled time lies at none of the usual distances from device time.

        Returns:
            Schema ROWS, sorted by settled time.
        """
        carriers = self._carriers(device, [signal], asked).values()
        besides = "".join(f" AND settled != {distance}" for distance in usual)
        rows = self._rows(device, carriers, asked, uncertain=uncertain, besides=besides)
        return rows.filter(pc.is_valid(rows.column("value")))

    def _rows(
        self,
        device: str,
        carriers: Iterable[Carriers],
        asked: Sequence[Question],
        *,
        uncertain: bool,
        besides: str = "",
    ) -> pa.Table:
        """Rows (schema ROWS), each once, sorted by signal, settled and device time."""
        together: dict[frozenset[str], dict[str, None]] = defaultdict(dict)
        for one in carriers:
            together[one.leads].update(dict.fromkeys(decode_tag(field[2:]) for field in one.fields))
        parts = [ROWS.empty_table()]
        for question in asked:
            for leads, names in together.items():
                rows = self.points(device, list(names), question.where + _led_by(leads) + besides)
                parts.append(within(rows, question.start, question.end, uncertain=uncertain))
        return in_order(each_once(pa.concat_tables(parts)) if len(parts) > 2 else parts[-1])

    def _carriers(self, device: str, signals: Sequence[str], asked: Sequence[Question]) -> dict[str, Carriers]:
        """Signal → where its samples are, of those that have some in the range of the questions."""
        if not asked:
            return {}
        low = min(question.start - question.high for question in asked)
        high = max(question.end - question.low for question in asked)
        fields = [f"{kind}:{encode_tag(signal)}" for signal in signals for kind in "vt"]
        leads: dict[str, set[str]] = defaultdict(set)
        held: dict[str, list[str]] = defaultdict(list)
        for row in self._connection.ask_each(
            [
                f'SELECT last("{field}") AS "{field}" FROM "{measurement(device)}" '  # noqa: S608 - encoded
                f'WHERE {between(low, high)} GROUP BY "lead"'
                for field in fields
            ]
        ):
            field = list(row)[3]
            signal = decode_tag(field[2:])
            leads[signal].add(row["tags"].removeprefix("lead="))
            held[signal].append(field)
        return {signal: Carriers(frozenset(leads[signal]), tuple(held[signal])) for signal in signals if signal in held}

    def _newest(self, device: str, signals: Sequence[str], question: Question, *, uncertain: bool) -> pa.Table:
        """Of each signal the sample with the greatest device time that the question finds."""
        where = question.where if uncertain or not question.doubtful else f"{question.where} AND {CERTAIN}"
        if not question.alone:
            where += f" AND settled >= {question.low} AND settled <= {question.high}"
        fields = [(f"{kind}:{encode_tag(signal)}", f"f:{encode_tag(signal)}") for signal in signals for kind in "vt"]
        found = []
        for row in self._connection.ask_each(
            [
                f'SELECT last("{field}") AS "{field}", "{own}" AS own, settled, received, flags, boot, "lead" '  # noqa: S608
                f'FROM "{measurement(device)}" WHERE {where}'
                for field, own in fields
            ]
        ):
            field = list(row)[3]
            time = int(row["time"])
            found.append(
                {
                    "time": time,
                    "settled": time + int(row["settled"]),
                    "received": time + int(row["received"]),
                    "flags": int(row["flags"]) | int(row["own"] or 0),
                    "boot": row["boot"],
                    "lead": row["lead"],
                    "signal": decode_tag(field[2:]),
                    "value": float(row[field]) if field.startswith("v") else None,
                    "text": row[field].removeprefix(TEXT_MARK) if field.startswith("t") else None,
                }
            )
        return pa.Table.from_pylist(found, schema=ROWS)

    def _newest_settled(self, device: str, newest: pa.Table, question: Question, *, uncertain: bool) -> pa.Table:
        """Of each signal the sample with the greatest settled time, where that need not be the newest device time.

        Looks back from the newest device time, further and further.
        """
        left = set(newest.column("signal").to_pylist())
        if not left:
            return newest
        end = min(question.end, max(newest.column("time").to_pylist()) + question.high + 1)
        width = question.high - question.low + _FIRST_LOOK_NS
        parts = [ROWS.empty_table()]
        while left and end > question.start:
            start = max(question.start, end - width)
            asked = [
                Question(start, end, question.low, question.high, question.boot, question.alone, question.doubtful)
            ]
            carriers = self._carriers(device, sorted(left), asked)
            rows = last_of_each(self._rows(device, carriers.values(), asked, uncertain=uncertain))
            left -= set(rows.column("signal").to_pylist())
            parts.append(rows)
            end, width = start, width * 8
        return pa.concat_tables(parts)


def inside_and_edges(start: int, end: int, reach: Reach) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Ranges of device time of a boot: what surely settled in `[start, end)`, and what has to be looked at."""
    start, end = max(start, reach.since), min(end, reach.until)
    whole = (start - reach.low, end - reach.high)
    if whole[0] >= whole[1]:
        return [], [(start - reach.high, end - reach.low)]
    edges = [(start - reach.high, whole[0]), (whole[1], end - reach.low)]
    return [whole], [edge for edge in edges if edge[0] < edge[1]]


def _led_by(leads: frozenset[str]) -> str:
    if len(leads) > _MOST_LEADS:
        return ""
    return " AND (" + " OR ".join(f"\"lead\" = '{lead}'" for lead in sorted(leads)) + ")"
