"""Decisions about the waitlist: pure, with the time passed in.

An offer stands for two hours in which the lab is open, and never beyond its start, so that nobody misses one at night.
Whoever misses an offer goes to the end of the line and is not offered the same time again; whoever lets two of them
lapse without a word does not wait any more. So a slot comes back to everybody after a bounded number of offers. To
decline is an answer and costs nothing but the place in the line.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bookings.rules import Refusal, Rules, free_openings, length, nearest_allowed, span_facts, wall
from lab.core.time import Span

OFFER_STANDS = timedelta(hours=2)
"""Of the time in which the lab is open."""
NOTICE = timedelta(minutes=30)
"""A slot that starts sooner is not offered: nobody would see it in time. It can still be claimed."""
MOST_LAPSED = 2
"""So many offers that nobody answered, and the entry expires."""
MOST_WAITING = 50
"""Open entries of one company."""

_FURTHEST_OPENING = timedelta(days=14)
_MINUTE = timedelta(minutes=1)


class EntryState(StrEnum):
    """Where an entry stands."""

    WAITING = "waiting"
    OFFERED = "offered"
    TAKEN = "taken"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


OPEN = frozenset({EntryState.WAITING, EntryState.OFFERED})


class Missed(StrEnum):
    """How an offer ended that was not taken."""

    LAPSED = "lapsed"
    DECLINED = "declined"


def offer_ends(now: datetime, start: datetime, rules: Rules) -> datetime:
    """Until when an offer stands that is made now.

    Args:
        now: the present instant.
        start: of the offered slot, after `now`.
        rules: with the opening hours of its devices.
    """
    last = min(start, now + _FURTHEST_OPENING)
    left = OFFER_STANDS
    for opening in rules.openings(Span(now, last), days=1):
        begins = max(opening.start, now)
        if opening.end - begins >= left:
            return min(begins + left, last)
        left -= max(opening.end - begins, timedelta(0))
    return last


def is_over(latest: datetime, minutes: int, now: datetime) -> bool:
    """Whether nothing of this length can begin and end in the window any more."""
    return now + _MINUTE * minutes > latest


def missed_fact(span: Span, how: Missed) -> dict[str, str]:
    """An offer that was not taken, JSON-ready."""
    return {**span_facts(span), "how": how.value}


def missed_spans(missed: Iterable[Mapping[str, Any]]) -> list[Span]:
    """The times of such offers."""
    return [Span(datetime.fromisoformat(one["start"]), datetime.fromisoformat(one["end"])) for one in missed]


def state_after_missed(missed: Sequence[Mapping[str, Any]], *, latest: datetime, minutes: int, now: datetime) -> str:
    """What becomes of an entry whose last offer was not taken: it waits again, or not any more."""
    lapsed = sum(one["how"] == Missed.LAPSED for one in missed)
    over = lapsed >= MOST_LAPSED or is_over(latest, minutes, now)
    return (EntryState.EXPIRED if over else EntryState.WAITING).value


def window_refusals(window: Span, minutes: int, *, now: datetime, rules: Rules) -> list[Refusal]:
    """Why nothing can ever be offered in such a window, however much is given back; empty: something can.

    Args:
        window: not before, and ended by then.
        minutes: how long the slot is to be.
        now: the present instant.
        rules: of the devices together.
    """
    wanted = _MINUTE * minutes
    found = [*_unfit_length(wanted, rules)]
    if wanted > window.length:
        fact = f"the window lasts {length(window.length)}, too short for a slot of {length(wanted)}"
        found.append(Refusal("latest", "window-holds-slot", fact, instead={"minutes": int(window.length / _MINUTE)}))
    elif window.end < now + wanted:
        fact = f"the window is over at {wall(window.end, rules.zone)}, it is {wall(now, rules.zone)}"
        found.append(Refusal("latest", "not-in-the-past", fact, instead=_at("latest", now + wanted)))
    elif window.end > now + rules.horizon:
        until = wall(now + rules.horizon, rules.zone)
        fact = f"bookings are open for {rules.horizon.days} days ahead, so a window ends by {until}"
        found.append(Refusal("latest", "horizon", fact, instead=_at("latest", now + rules.horizon)))
    elif not any(opening.length >= wanted for opening in openings_within(window, now=now, rules=rules)):
        nearest = nearest_allowed(Span(window.start, window.start + wanted), now=now, rules=rules)
        fact = f"the lab is never open for {length(wanted)} in this window"
        found.append(Refusal("earliest", "opening-hours", fact, nearest))
    return found


def openings_within(window: Span, *, now: datetime, rules: Rules) -> list[Span]:
    """When a booking may lie in the window: open, after the lead time, before the horizon."""
    cut = (max(window.start, now), min(window.end, now + rules.horizon))
    if cut[0] >= cut[1]:
        return []
    openings = free_openings(Span(*cut), days=1, now=now, rules=rules)
    inside = ((max(one.start, cut[0]), min(one.end, cut[1])) for one in openings)
    return [Span(start, end) for start, end in inside if start < end]


def _unfit_length(wanted: timedelta, rules: Rules) -> Iterable[Refusal]:
    if wanted > rules.longest:
        fact = f"a booking lasts {length(rules.longest)} at most, this one {length(wanted)}"
        yield Refusal("minutes", "longest-booking", fact, instead=_minutes(rules.longest))
    if wanted < rules.shortest:
        fact = f"a booking lasts {length(rules.shortest)} at least, this one {length(wanted)}"
        yield Refusal("minutes", "shortest-booking", fact, instead=_minutes(rules.shortest))
    if rules.granularity and wanted % rules.granularity:
        fact = f"bookings last multiples of {length(rules.granularity)}, not {length(wanted)}"
        fitting = wanted + rules.granularity - wanted % rules.granularity
        yield Refusal("minutes", "granularity", fact, instead=_minutes(fitting))


def _minutes(allowed: timedelta) -> dict[str, Any]:
    return {"minutes": int(allowed / _MINUTE)}


def _at(field: str, instant: datetime) -> dict[str, Any]:
    return {field: instant.isoformat().replace("+00:00", "Z")}
