"""The nearest allowed choice: steps of the wall clock, what is open and ahead, and what comes closest to a wish."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bookings.ruleset import Rules
from bookings.slots import before_grid, on_grid, without
from lab.core.time import Span

_SEARCH_DAYS = 14
"""How far from the wish a nearest allowed choice is looked for."""
_MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
_RESOLUTION = timedelta.resolution


def nearest_allowed(span: Span, *, now: datetime, rules: Rules, closed: Sequence[Span] = ()) -> Span | None:
    """The allowed span nearest to the wish: as long as possible up to the wished length, then as near as possible."""
    if rules.shortest > rules.longest:
        return None
    wished = max(min(span.length, rules.longest), rules.shortest)
    if rules.granularity and wished % rules.granularity:
        wished += rules.granularity - wished % rules.granularity
        wished = wished if wished <= rules.longest else wished - rules.granularity
    # Before anything is added to it, a wish in the year 1 or 9999 is drawn to the part of time that can be booked.
    start = min(max(span.start, now), before_grid(max(now, now + rules.horizon - wished)))
    near = Span(start, start + max(wished, _MINUTE))
    found = [
        (abs(wished - fitting.length), abs(fitting.start - start), fitting)
        for opening in without(free_openings(near, days=_SEARCH_DAYS, now=now, rules=rules), closed)
        for fitting in _fitting(opening, start, wished, rules)
    ]
    return min(found)[2] if found else None


def nearest_end(span: Span, *, now: datetime, rules: Rules, closed: Sequence[Span] = ()) -> Span | None:
    """Of a booking that has begun only the end moves: the span with the allowed end nearest to the wished one."""
    closing = (one.start for one in closed if one.end > span.start)
    last = min(span.start + rules.longest, now + rules.horizon, *closing)
    if last <= now:
        return None
    for opening in rules.openings(Span(span.start, max(last, span.start + _MINUTE))):
        if not opening.contains(span.start):
            continue
        first = max(span.start + rules.shortest, now + _RESOLUTION)
        last = min(last, opening.end)
        wished = min(max(span.end, first), last)
        ends = [end for end in (stepped(wished, rules, down=True), stepped(wished, rules)) if first <= end <= last]
        return Span(span.start, min(ends, key=lambda end: abs(end - span.end))) if ends else None
    return None


def _fitting(opening: Span, start: datetime, wished: timedelta, rules: Rules) -> Iterator[Span]:
    """Spans within an opening, none longer than `wished` if the shortest allowed one is not, near a wished start."""
    possible = min(wished, opening.length)
    wanted = min(max(start, opening.start), opening.end - possible)
    for first in {wanted, stepped(wanted, rules, down=True), stepped(wanted, rules), stepped(opening.start, rules)}:
        if not (opening.start <= first < opening.end and stepped(first, rules) == first):
            continue
        most = min(first + rules.longest, opening.end)
        for end in (stepped(min(first + possible, most), rules, down=True), stepped(first + rules.shortest, rules)):
            if first < end <= most and end - first >= rules.shortest:
                yield Span(first, end)


def free_openings(span: Span, *, days: int, now: datetime, rules: Rules) -> list[Span]:
    """The openings within `days` of a span, cut to what can be booked: from the lead time to the horizon."""
    first, last = on_grid(now + rules.lead), now + rules.horizon
    cut = ((max(opening.start, first), min(opening.end, last)) for opening in rules.openings(span, days=days))
    return [Span(start, end) for start, end in cut if start < end]


def stepped(instant: datetime, rules: Rules, *, down: bool = False) -> datetime:
    """The first instant at or after (`down`: the last at or before) this one that lies on the rules' steps.

    Steps are counted from midnight of each day, by the wall clock of the lab: where the clock jumps, a step that it
    does not show is left out, and one that it shows twice comes twice.
    """
    step = rules.granularity
    if not step:
        return instant
    zone = ZoneInfo(rules.zone)
    while True:
        local = instant.astimezone(zone)
        since_midnight = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second) + (
            timedelta(microseconds=local.microsecond)
        )
        over = since_midnight % step
        if not over:
            return instant
        other = instant - over if down else instant + min(step - over, _DAY - since_midnight)
        if other.astimezone(zone).utcoffset() == local.utcoffset():
            return other
        # The clocks change in between; it goes on from there.
        early, late = sorted((instant, other))
        change = _clock_change(early, late, zone)
        instant = change - _RESOLUTION if down else change


def _clock_change(early: datetime, late: datetime, zone: ZoneInfo) -> datetime:
    """The first instant, to the second, after `early` at which another offset holds."""
    before = early.astimezone(zone).utcoffset()
    early = early.replace(microsecond=0)
    while late - early > _SECOND:
        middle = early + (late - early) // 2
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late.replace(microsecond=0)
