"""Recurring spans: RFC 5545 rules on the clock of the lab's wall, by `dateutil.rrule`. Pure.

A slot from 09:00 to 12:00 stays one from 09:00 to 12:00 when the clocks change. The rule gives days; each day's start
and end by the wall clock are then turned into instants. A wall time that does not exist on its day, or exists twice,
is told as such and never shifted silently.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from lab.core.errors import InvalidError
from lab.core.time import Span

LONGEST_RULE = 500
"""Characters; what the database keeps."""

DOES_NOT_EXIST = "time-does-not-exist"
EXISTS_TWICE = "time-exists-twice"

_DAY = timedelta(days=1)
_FIRST_YEAR, _LAST_YEAR = 1971, 9500
_NUMBERS = r"{0}(?:,{0})*"
_FORMS = {
    "FREQ": r"DAILY|WEEKLY|MONTHLY|YEARLY",
    "INTERVAL": r"0*[1-9]\d{0,2}",
    "COUNT": r"0*[1-9]\d{0,5}",
    "UNTIL": r"\d{8}(?:T\d{6}Z?)?",
    "BYDAY": _NUMBERS.format(r"(?:[+-]?(?:[1-9]|[1-4]\d|5[0-3]))?(?:MO|TU|WE|TH|FR|SA|SU)"),
    "BYMONTHDAY": _NUMBERS.format(r"[+-]?(?:0?[1-9]|[12]\d|3[01])"),
    "BYMONTH": _NUMBERS.format(r"(?:0?[1-9]|1[0-2])"),
    "BYSETPOS": _NUMBERS.format(r"[+-]?(?:[1-9]\d?|[12]\d\d|3[0-5]\d|36[0-6])"),
    "WKST": r"MO|TU|WE|TH|FR|SA|SU",
}
_FREQUENT = frozenset({"SECONDLY", "MINUTELY", "HOURLY"})


class RecurrenceError(InvalidError):
    """A recurrence that cannot be read, has no end, or has too many occurrences. Facts: `field`, `rule`."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A rule that was read.

    Attributes:
        frequency: DAILY, WEEKLY, MONTHLY or YEARLY.
        interval: every how many of them.
        count: how many occurrences; None: not said.
        until: the last start at the latest: an instant, or a naive time by the lab's wall clock; None: not said.
        days: the rule in RFC 5545's words without its end.
    """

    frequency: str
    interval: int
    count: int | None
    until: datetime | None
    days: str

    @property
    def is_endless(self) -> bool:
        """Whether it says neither how often nor until when."""
        return self.count is None and self.until is None


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One of the spans that a rule gives.

    Attributes:
        start: by the clock on the lab's wall, naive.
        end: likewise.
        span: the two as instants; None if one of them is `refused`.
        refused: `time-does-not-exist` or `time-exists-twice`.
        field: which of the two is refused.
        widest: from the earliest reading of the start to the latest of the end; `span` if nothing is refused.
    """

    start: datetime
    end: datetime
    span: Span | None
    refused: str | None
    field: str | None
    widest: Span

    @property
    def fact(self) -> str | None:
        """Why it is refused, one sentence for a person."""
        if self.refused is None:
            return None
        wall = self.start if self.field == "start" else self.end
        what = "does not exist" if self.refused == DOES_NOT_EXIST else "comes twice"
        return f"{wall:%H:%M} on {wall:%Y-%m-%d} {what}, because the clocks change"


def occurrences(
    rule: str,
    first: Span,
    *,
    zone: str,
    most: int,
    until: datetime | None = None,
    since: datetime | None = None,
    field: str = "rrule",
) -> list[Occurrence]:
    """The spans that a rule gives, by start.

    Args:
        rule: RFC 5545 recurrence, such as `FREQ=WEEKLY;BYDAY=MO,WE;COUNT=10`.
        first: the first occurrence; all others have its times of the day.
        zone: IANA zone of the wall clock.
        most: how many at most, in the rule's COUNT and in the answer.
        until: only those that start before this instant; without it, the rule itself must end.
        since: only those that end after this instant, of a rule that was found to be right before; what lies earlier is
            not walked through.
        field: what the rule is called in the request.

    Returns:
        The first one is `first` itself, unless `since` leaves it out.

    Raises:
        RecurrenceError: the rule cannot be read, does not contain `first`, has no end, or too many occurrences.
    """
    read = read_recurrence(rule, most=most, field=field)
    if until is None and read.is_endless:
        raise RecurrenceError(
            "a recurrence needs an end here; add COUNT (how often) or UNTIL (the last day)",
            field=field,
            rule="recurrence-ends",
        )
    wall = _Wall.of(first, ZoneInfo(zone))
    if since is None:
        _require_first(read, wall, field)
    found: list[Occurrence] = []
    for day in _days(read, wall, since):
        occurrence = wall.on(day)
        if _is_over(occurrence, read.until) or (until is not None and occurrence.widest.start >= until):
            break
        if since is not None and occurrence.widest.end <= since:
            continue
        if len(found) == most:
            raise _too_many(most, field)
        found.append(occurrence)
    return found


def read_recurrence(rule: str, *, most: int, field: str = "rrule") -> Recurrence:
    """Read a rule.

    Args:
        rule: the value of RFC 5545's RRULE.
        most: the largest COUNT.
        field: what it is called in the request.

    Raises:
        RecurrenceError: it is none, or one that no slot can follow.
    """
    if len(rule) > LONGEST_RULE:
        raise RecurrenceError(
            f"a recurrence has {LONGEST_RULE} characters at most, this one {len(rule)}",
            field=field,
            rule="recurrence-length",
            limit=LONGEST_RULE,
        )
    read = _read(rule, field)
    if read.count is not None and read.count > most:
        raise _too_many(most, field)
    return read


@lru_cache(maxsize=1024)
def _read(rule: str, field: str) -> Recurrence:
    parts: dict[str, str] = {}
    for part in rule.strip().upper().removesuffix(";").split(";"):
        name, _, value = part.partition("=")
        if name not in _FORMS:
            raise RecurrenceError(
                f"a recurrence is made of {', '.join(_FORMS)}, such as FREQ=WEEKLY;BYDAY=MO;COUNT=10; "
                f"'{name[:40]}' is none of them",
                field=field,
                rule="recurrence-parts",
            )
        if name in parts:
            raise RecurrenceError(f"{name} stands twice in the recurrence", field=field, rule="recurrence-parts")
        if name == "FREQ" and value in _FREQUENT:
            raise RecurrenceError(
                f"FREQ={value} is too frequent for slots; use DAILY, WEEKLY, MONTHLY or YEARLY",
                field=field,
                rule="recurrence-frequency",
            )
        if re.fullmatch(_FORMS[name], value, re.ASCII) is None:
            raise RecurrenceError(f"{name}={value[:60]} cannot be read", field=field, rule="recurrence-parts")
        parts[name] = value
    _require_sense(parts, field)
    until = _read_until(parts.pop("UNTIL"), field) if "UNTIL" in parts else None
    count = int(parts.pop("COUNT")) if "COUNT" in parts else None
    words = ";".join(f"{name}={value}" for name, value in {"WKST": "MO", **parts}.items())
    return Recurrence(parts["FREQ"], int(parts.get("INTERVAL", "1")), count, until, words)


def _require_sense(parts: dict[str, str], field: str) -> None:
    """The parts fit together as RFC 5545 §3.3.10 says."""
    frequency = parts.get("FREQ")
    by_day = re.search(r"\d", parts.get("BYDAY", "")) is not None
    fault = None
    if frequency is None:
        fault = "it needs FREQ: DAILY, WEEKLY, MONTHLY or YEARLY"
    elif "COUNT" in parts and "UNTIL" in parts:
        fault = "it ends by COUNT or by UNTIL, not by both"
    elif by_day and frequency not in {"MONTHLY", "YEARLY"}:
        fault = "a numbered day such as 1MO needs FREQ=MONTHLY or YEARLY"
    elif "BYMONTHDAY" in parts and frequency == "WEEKLY":
        fault = "BYMONTHDAY does not go with FREQ=WEEKLY"
    elif "BYSETPOS" in parts and not {"BYDAY", "BYMONTHDAY", "BYMONTH"} & parts.keys():
        fault = "BYSETPOS chooses among days; add BYDAY or BYMONTHDAY"
    if fault is not None:
        raise RecurrenceError(f"the recurrence cannot be read: {fault}", field=field, rule="recurrence-parts")


def _read_until(text: str, field: str) -> datetime | None:
    """An instant if it is told in UTC, else a naive time by the wall clock; a date means its whole day."""
    try:
        if "T" not in text:
            return datetime.combine(datetime.strptime(text, "%Y%m%d").date(), time.max)  # noqa: DTZ007 - by the wall
        naive = datetime.strptime(text.removesuffix("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007 - see above
    except ValueError as error:
        raise RecurrenceError(
            f"UNTIL={text} is no date; write UNTIL=20261231 or UNTIL=20261231T225959Z",
            field=field,
            rule="recurrence-parts",
        ) from error
    return naive.replace(tzinfo=UTC) if text.endswith("Z") else naive


@dataclass(frozen=True, slots=True)
class _Wall:
    """The first occurrence by the wall clock, and what another day makes of it."""

    first: Span
    zone: ZoneInfo
    start: datetime
    length: timedelta
    """By the wall clock: what lies between the readings."""

    @classmethod
    def of(cls, first: Span, zone: ZoneInfo) -> "_Wall":
        if not (first.start.year >= _FIRST_YEAR and first.end.year <= _LAST_YEAR):
            raise RecurrenceError(
                f"a recurrence begins between the years {_FIRST_YEAR} and {_LAST_YEAR}",
                field="start",
                rule="time-in-range",
            )
        start, end = (at.astimezone(zone).replace(tzinfo=None, fold=0) for at in (first.start, first.end))
        if end <= start:
            raise RecurrenceError(
                f"the clock goes back during the first slot, which seems to end at {end:%H:%M} before it starts at "
                f"{start:%H:%M}; begin on another day",
                field="start",
                rule=EXISTS_TWICE,
            )
        return cls(first, zone, start, end - start)

    def on(self, day: date) -> Occurrence:
        """The occurrence of a day."""
        start = datetime.combine(day, self.start.time())
        end = start + self.length
        if start == self.start:  # it was given as instants: nothing about it is in doubt
            return Occurrence(start, end, self.first, None, None, self.first)
        starts, ends = self._readings(start), self._readings(end)
        widest = Span(min(starts), max(ends))
        for field, wall, readings in (("start", start, starts), ("end", end, ends)):
            if readings[0] != readings[1]:
                exists = readings[0].astimezone(self.zone).replace(tzinfo=None, fold=0) == wall
                return Occurrence(start, end, None, EXISTS_TWICE if exists else DOES_NOT_EXIST, field, widest)
        return Occurrence(start, end, widest, None, None, widest)

    def _readings(self, wall: datetime) -> tuple[datetime, datetime]:
        """The instants that may be meant: the same twice, unless the clocks change there."""
        local = wall.replace(tzinfo=self.zone)
        return local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)


def _require_first(read: Recurrence, wall: _Wall, field: str) -> None:
    day = next(_days(read, wall, None), None)
    if day is None:
        raise RecurrenceError("no day follows this recurrence", field=field, rule="recurrence-matches")
    if day != wall.start.date():
        raise RecurrenceError(
            f"the first slot is on {wall.start:%a %Y-%m-%d}, which does not follow the recurrence; the first day "
            f"that does is {day:%a %Y-%m-%d}",
            field=field,
            rule="first-follows-recurrence",
            nearest=day.isoformat(),
        )
    if _is_over(wall.on(day), read.until):
        raise RecurrenceError(
            "the recurrence ends before its first slot", field=field, rule="recurrence-ends-after-start"
        )


def _days(read: Recurrence, wall: _Wall, since: datetime | None) -> Iterator[date]:
    """The days of a rule from the first one on, or from shortly before `since`, without the rule's UNTIL.

    `dateutil` stops looking for a day that follows a rule, such as 31 February, at the end of the year 9999 and nowhere
    else. The calendar repeats every 400 years to the day, so the days are looked for as late as possible: what never
    comes is given up after 500 years instead of 8,000.
    """
    first = wall.start.date()
    if since is not None and read.count is None:
        first = _later_first(read, wall, since)
    cycles = (9999 - first.year) // 400
    late = first.replace(year=first.year + 400 * cycles)
    words = read.days if read.count is None else f"{read.days};COUNT={read.count}"
    for day in rrulestr(words, dtstart=datetime.combine(late, time())):
        yield day.date().replace(year=day.year - 400 * cycles)


def _later_first(read: Recurrence, wall: _Wall, since: datetime) -> date:
    """A day to begin with that gives the same days from `since` on; only where a step has one length."""
    first = wall.start.date()
    step = {"DAILY": 1, "WEEKLY": 7}.get(read.frequency, 0) * read.interval
    if step == 0:
        return first
    wanted = max(since, wall.first.start) - wall.length - 3 * _DAY  # clocks change by less
    steps = (wanted - wall.first.start) // timedelta(days=step)
    return first + max(0, steps) * timedelta(days=step)


def _is_over(occurrence: Occurrence, until: datetime | None) -> bool:
    if until is None:
        return False
    return occurrence.start > until if until.tzinfo is None else occurrence.widest.start > until


def _too_many(most: int, field: str) -> RecurrenceError:
    return RecurrenceError(
        f"a recurrence has {most} occurrences at most here; choose a smaller COUNT or an earlier UNTIL",
        field=field,
        rule="most-occurrences",
        limit=most,
    )
