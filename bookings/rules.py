"""Who may book what, and when: pure decisions over values, with the time passed in.

A rule that says no gives a `Refusal`: which rule, the fact, and the nearest choice that all rules allow.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bookings.errors import RuleBrokenError
from bookings.opening import OpeningHours
from bookings.slots import on_grid
from lab.core.time import Span, in_zone

__all__ = [
    "LIMITS",
    "MOST_DEVICES",
    "Limits",
    "OpeningHours",
    "Refusal",
    "free_openings",
    "nearest_allowed",
    "refusals",
    "require_allowed",
    "require_device_ids",
    "span_facts",
]

MOST_DEVICES = 20
"""More devices than any lab books at once; a longer list is a mistake."""

_SEARCH_DAYS = 14
"""How far from the wish a nearest allowed choice is looked for."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how far ahead a booking may be."""

    longest: timedelta = timedelta(hours=24)
    horizon: timedelta = timedelta(days=180)
    """A booking ends no later than this from now."""


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule says no."""

    field: str
    rule: str
    fact: str
    """One sentence for a person."""
    nearest: Span | None
    """The nearest span that all rules allow, shorter than the wish if nothing as long is possible; None: none."""


def refusals(span: Span, *, now: datetime, hours: OpeningHours, limits: Limits = LIMITS) -> list[Refusal]:
    """All rules that forbid a booking of `span`, the gravest first; empty: it is allowed.

    A span too far away for a calendar, such as the year 9999, is refused before the opening hours are looked at.
    """
    broken: list[tuple[str, str, str]] = []
    if span.start < now:
        fact = f"the start {_wall(span.start, hours)} is over, it is {_wall(now, hours)}"
        broken.append(("start", "not-in-the-past", fact))
    if span.length > limits.longest:
        fact = f"a booking lasts {_hours(limits.longest)} at most, this one {_hours(span.length)}"
        broken.append(("end", "longest-booking", fact))
    if span.end > now + limits.horizon:
        until = _wall(now + limits.horizon, hours)
        broken.append(("end", "horizon", f"bookings are open for {limits.horizon.days} days ahead, until {until}"))
    if not broken:
        openings = hours.openings_around(span)
        if not any(opening.start <= span.start and span.end <= opening.end for opening in openings):
            broken.append(_outside_hours(span, openings, hours))
    if not broken:
        return []
    nearest = nearest_allowed(span, now=now, hours=hours, limits=limits)
    return [Refusal(field, rule, fact, nearest) for field, rule, fact in broken]


def require_allowed(span: Span, *, now: datetime, hours: OpeningHours, limits: Limits = LIMITS) -> None:
    """Refuse a span that a rule forbids.

    Raises:
        RuleBrokenError: with the gravest refusal and the names of all of them.
    """
    found = refusals(span, now=now, hours=hours, limits=limits)
    if not found:
        return
    first = found[0]
    advice = "; there is no other time near it"
    if first.nearest is not None:
        advice = f"; the nearest choice is {_wall(first.nearest.start, hours)} to {_wall(first.nearest.end, hours)}"
    raise RuleBrokenError(
        first.fact + advice,
        field=first.field,
        rule=first.rule,
        nearest=span_facts(first.nearest) if first.nearest else None,
        rules=[refusal.rule for refusal in found],
    )


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


def nearest_allowed(span: Span, *, now: datetime, hours: OpeningHours, limits: Limits = LIMITS) -> Span | None:
    """The allowed span nearest to the wish: as long as possible up to the wished length, then as near as possible."""
    length = min(span.length, limits.longest)
    # Before anything is added to it, a wish in the year 1 or 9999 is drawn to the part of time that can be booked.
    start = min(max(span.start, now), now + limits.horizon - length)
    found: list[tuple[timedelta, timedelta, Span]] = []
    for opening in free_openings(Span(start, start + length), days=_SEARCH_DAYS, now=now, hours=hours, limits=limits):
        possible = min(length, opening.length)
        near = min(max(start, opening.start), opening.end - possible)
        found.append((length - possible, abs(near - start), Span(near, near + possible)))
    return min(found)[2] if found else None


def free_openings(span: Span, *, days: int, now: datetime, hours: OpeningHours, limits: Limits = LIMITS) -> list[Span]:
    """The lab's openings within `days` of a span, cut to what can be booked: the next full 5 minutes to the horizon."""
    first, last = on_grid(now), now + limits.horizon
    cut = ((max(opening.start, first), min(opening.end, last)) for opening in hours.openings_around(span, days=days))
    return [Span(start, end) for start, end in cut if start < end]


def span_facts(span: Span) -> dict[str, str]:
    """A span for the facts of an error: `{"start": …, "end": …}`, RFC 3339 in UTC."""
    return {"start": _text(span.start), "end": _text(span.end)}


def _outside_hours(span: Span, openings: Iterable[Span], hours: OpeningHours) -> tuple[str, str, str]:
    holding = next((opening for opening in openings if opening.contains(span.start)), None)
    if holding is not None:
        return "end", "opening-hours", f"the lab closes at {_wall(holding.end, hours)}, before this booking ends"
    return "start", "opening-hours", f"the lab is closed at {_wall(span.start, hours)}"


def _wall(instant: datetime, hours: OpeningHours) -> str:
    """As the clock on the lab's wall shows it; in UTC where the calendar ends and has no room for a zone."""
    if instant.year in (1, 9999):
        return _text(instant)
    return in_zone(instant, hours.zone).isoformat(sep=" ", timespec="minutes")


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def _hours(length: timedelta) -> str:
    return f"{length / timedelta(hours=1):g} h"
