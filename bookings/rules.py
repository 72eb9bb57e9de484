"""When something may be booked: pure decisions over values, with the time passed in.

A rule that says no gives a `Refusal`: which rule, the fact, and the nearest choice that all rules allow. Who may book
and how much is decided in `bookings.entitlements`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from bookings.errors import RuleBrokenError
from bookings.nearest import free_openings, nearest_allowed, nearest_end, stepped
from bookings.ruleset import Quota, Rules, joined
from lab.core.time import Span, in_zone

__all__ = ["Quota", "Rules", "free_openings", "joined", "nearest_allowed", "stepped"]
"""From here as well."""

MOST_DEVICES = 20
"""More devices than any lab books at once; a longer list is a mistake."""

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule says no."""

    field: str
    rule: str
    fact: str
    """One sentence for a person."""
    nearest: Span | None = None
    """The nearest span that the rules of time allow, shorter than the wish if nothing as long is possible."""
    instead: dict[str, Any] | None = None
    """What else of the wish to change: fields of the request with allowed values."""
    otherwise: str = "there is no other time near it"
    """What a person is told where no choice like this is allowed."""


class Unusable(Protocol):
    """A time in which a device cannot be used (`bookings.outages.service.OutageSpan`)."""

    @property
    def device_id(self) -> str | None:
        """None: the whole lab."""

    @property
    def span(self) -> Span:
        """From when until when."""

    @property
    def until_further_notice(self) -> bool:
        """Whether nobody knows yet when it ends."""

    @property
    def reason(self) -> str:
        """Why, in the lab's words."""


def refusals(
    span: Span, *, now: datetime, rules: Rules, closed: Sequence[Span] = (), running: bool = False
) -> list[Refusal]:
    """All rules of time that forbid a booking of `span`, the gravest first; empty: it is allowed.

    A span too far away for a calendar, such as the year 9999, is refused before the opening hours are looked at.

    Args:
        span: what is wished.
        now: the present instant.
        rules: what holds.
        closed: spans that the proposals avoid as well: outages.
        running: the booking has begun, only its end is wished.
    """
    broken = broken_rules(span, now=now, rules=rules, running=running)
    if not broken:
        return []
    if running:
        nearest = nearest_end(span, now=now, rules=rules, closed=closed)
    else:
        nearest = nearest_allowed(span, now=now, rules=rules, closed=closed)
    return [Refusal(field, rule, fact, nearest) for field, rule, fact in broken]


def broken_rules(span: Span, *, now: datetime, rules: Rules, running: bool = False) -> list[tuple[str, str, str]]:
    """(field, rule, fact) of each rule of time that forbids a booking: `refusals` without the search for proposals."""
    broken = [] if running else _too_soon(span, now, rules)
    broken += _too_long_or_far(span, now, rules)
    if not broken:
        broken += _out_of_step(span, rules, running=running)
        openings = rules.openings(span)
        if not any(opening.start <= span.start and span.end <= opening.end for opening in openings):
            broken.append(_outside_hours(span, openings, rules))
    return broken


def _too_soon(span: Span, now: datetime, rules: Rules) -> list[tuple[str, str, str]]:
    if span.start < now:
        fact = f"the start {wall(span.start, rules.zone)} is over, it is {wall(now, rules.zone)}"
        return [("start", "not-in-the-past", fact)]
    if span.start < now + rules.lead:
        fact = f"a booking is made {length(rules.lead)} ahead at least, so from {wall(now + rules.lead, rules.zone)} on"
        return [("start", "lead-time", fact)]
    return []


def _too_long_or_far(span: Span, now: datetime, rules: Rules) -> list[tuple[str, str, str]]:
    broken = []
    if span.length > rules.longest:
        fact = f"a booking lasts {length(rules.longest)} at most, this one {length(span.length)}"
        broken.append(("end", "longest-booking", fact))
    if span.length < rules.shortest:
        fact = f"a booking lasts {length(rules.shortest)} at least, this one {length(span.length)}"
        broken.append(("end", "shortest-booking", fact))
    if span.end > now + rules.horizon:
        until = wall(now + rules.horizon, rules.zone)
        broken.append(("end", "horizon", f"bookings are open for {rules.horizon.days} days ahead, until {until}"))
    return broken


def _out_of_step(span: Span, rules: Rules, *, running: bool) -> list[tuple[str, str, str]]:
    edges = (("start", span.start), ("end", span.end))[1 if running else 0 :]
    for field, instant in edges:
        if rules.granularity and stepped(instant, rules) != instant:
            fact = f"bookings start and end in steps of {length(rules.granularity)}, not at {wall(instant, rules.zone)}"
            return [(field, "granularity", fact)]
    return []


def require_allowed(
    span: Span, *, now: datetime, rules: Rules, closed: Sequence[Span] = (), running: bool = False
) -> None:
    """Refuse a span that a rule of time forbids.

    Raises:
        RuleBrokenError: with the gravest refusal and the names of all of them.
    """
    require_none(refusals(span, now=now, rules=rules, closed=closed, running=running), rules.zone)


def require_none(found: Sequence[Refusal], zone: str) -> None:
    """Refuse if there is any refusal.

    Raises:
        RuleBrokenError: with the gravest refusal and the names of all of them.
    """
    if not found:
        return
    first = found[0]
    advice = ""
    if first.nearest is not None:
        advice = f"; the nearest choice is {wall(first.nearest.start, zone)} to {wall(first.nearest.end, zone)}"
    elif first.instead is None:
        advice = f"; {first.otherwise}"
    more = {"instead": first.instead} if first.instead is not None else {}
    raise RuleBrokenError(
        first.fact + advice,
        field=first.field,
        rule=first.rule,
        nearest=span_facts(first.nearest) if first.nearest else None,
        rules=[refusal.rule for refusal in found],
        **more,
    )


def outage_refusals(
    reserved: dict[str, Span],
    span: Span,
    outages: Iterable[Unusable],
    *,
    now: datetime,
    rules: Rules,
    running: bool = False,
) -> list[Refusal]:
    """What is out of service at the wished time, buffers included.

    Args:
        reserved: by device, what would be reserved.
        span: the wish.
        outages: those near it.
        now: the present instant.
        rules: what holds for these devices together.
        running: the booking has begun, only its end is wished.
    """
    outages = list(outages)
    hit = [
        outage
        for outage in outages
        if any(
            outage.device_id in (None, device_id) and outage.span.overlaps(held) for device_id, held in reserved.items()
        )
    ]
    if not hit:
        return []
    nearest = (nearest_end if running else nearest_allowed)(
        span, now=now, rules=rules, closed=closed_starts(reserved, span, outages)
    )
    return [
        Refusal(
            "start",
            "outage",
            f"{outage.device_id or 'the whole lab'} cannot be used from {wall(outage.span.start, rules.zone)} "
            f"{_until(outage, rules.zone)}: {outage.reason}",
            nearest,
        )
        for outage in hit
    ]


def _until(outage: Unusable, zone: str) -> str:
    return "until further notice" if outage.until_further_notice else f"to {wall(outage.span.end, zone)}"


def closed_starts(reserved: dict[str, Span], span: Span, outages: Iterable[Unusable]) -> list[Span]:
    """Spans that a booking itself must avoid so that, with its buffers, it avoids the outages."""
    found = []
    for outage in outages:
        for device_id, held in reserved.items():
            if outage.device_id in (None, device_id):
                after, before = held.end - span.end, span.start - held.start
                found.append(outage.span.widened(before=after, after=before))
    return found


def require_device_ids(device_ids: Sequence[str]) -> list[str]:
    """The devices of a booking, sorted: the order in which rows are written, so that writers never wait in a circle.

    Raises:
        RuleBrokenError: if there is none, one twice, or more than `MOST_DEVICES`.
    """
    if not device_ids:
        raise RuleBrokenError("a booking needs at least one device", field="device_ids", rule="at-least-one-device")
    if len(device_ids) > MOST_DEVICES:
        raise RuleBrokenError(
            f"a booking holds {MOST_DEVICES} devices at most, this one names {len(device_ids)}",
            field="device_ids",
            rule="most-devices",
            limit=MOST_DEVICES,
        )
    twice = sorted({device_id for device_id in device_ids if device_ids.count(device_id) > 1})
    if twice:
        raise RuleBrokenError(
            f"{', '.join(twice)}: named more than once", field="device_ids", rule="each-device-once", devices=twice
        )
    return sorted(device_ids)


def span_facts(span: Span) -> dict[str, str]:
    """A span for the facts of an error: `{"start": …, "end": …}`, RFC 3339 in UTC."""
    return {"start": _text(span.start), "end": _text(span.end)}


def wall(instant: datetime, zone: str) -> str:
    """As the clock on the lab's wall shows it; in UTC where the calendar ends and has no room for a zone."""
    if instant.year in (1, 9999):
        return _text(instant)
    return in_zone(instant, zone).isoformat(sep=" ", timespec="minutes")


def length(time_span: timedelta) -> str:
    """A length as people say it: minutes below two hours, else hours or days."""
    if time_span < timedelta(hours=2) and time_span % timedelta(hours=1):
        return f"{time_span / _MINUTE:g} min"
    return f"{time_span / timedelta(hours=1):g} h"


def _outside_hours(span: Span, openings: Iterable[Span], rules: Rules) -> tuple[str, str, str]:
    holding = next((opening for opening in openings if opening.contains(span.start)), None)
    if holding is not None:
        return "end", "opening-hours", f"the lab closes at {wall(holding.end, rules.zone)}, before this booking ends"
    day = span.start.astimezone(ZoneInfo(rules.zone)).date()
    for calendar in rules.calendars:
        name = calendar.closed_because(day)
        if name is not None:
            return "start", "holiday", f"the lab is closed on {day.isoformat()}: {name}"
    return "start", "opening-hours", f"the lab is closed at {wall(span.start, rules.zone)}"


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
