"""Where a wish with a window fits: every span that is free under all rules, by one sweep."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bookings.entitlements import Wish, quota_refusals
from bookings.gate import Ground, steps_of
from bookings.outages.service import outages_within
from bookings.repository import engineer_ids, engineers_reserved, held_slots, reserved_spans
from bookings.slots import Buffers, Starts, common_starts, either_starts, free_starts, nearest_spans
from bookings.waitlist.rules import openings_within
from lab.core.time import Span

_WEEK = timedelta(days=7)
_NO_BUFFERS = Buffers()


def fitting_spans(
    session: Session,
    ground: Ground,
    wish: Wish,
    window: Span,
    *,
    now: datetime,
    count: int,
    avoid: Iterable[Span] = (),
) -> list[Span]:
    """Free spans in a window that do not overlap each other, those nearest to the wish first.

    Args:
        session: to read in.
        ground: the devices and their rules, locked or not; without locks, what is found may be gone a moment later.
        wish: as long as the span is to be; begins where the nearest one is wanted.
        window: not before, and ended by then.
        now: the present instant.
        count: how many at most.
        avoid: times that are not wanted.
    """
    openings = openings_within(window, now=now, rules=ground.rules)
    if not openings:
        return []
    length, buffers = wish.span.length, ground.buffers()
    around = Span(openings[0].start, openings[-1].end)
    longest = max(one.setup + one.cleanup for one in buffers.values())
    wider = around.widened(before=longest, after=longest)
    reserved = [(taken, buffers[device_id]) for device_id, taken in reserved_spans(session, ground.device_ids, wider)]
    for outage in outages_within(session, ground.device_ids, wider, zone=ground.rules.zone):
        hit = [outage.device_id] if outage.device_id is not None else ground.device_ids
        reserved += [(outage.span, buffers[device_id]) for device_id in hit]
    reserved += [(span, _NO_BUFFERS) for span in avoid]
    starts = free_starts(length, reserved=reserved, openings=openings)
    if wish.supervised:
        starts = common_starts(starts, _engineers_free(session, length, openings))
    steps = steps_of(ground.rules)
    first = steps.up(wish.span.start)
    return nearest_spans(
        Span(first, first + length),
        starts,
        count=count,
        steps=steps,
        accept=_within_quotas(session, ground, wish, around, now),
    )


def _engineers_free(session: Session, length: timedelta, openings: Sequence[Span]) -> list[Starts]:
    """Where at least one engineer is free."""
    busy = engineers_reserved(session, Span(openings[0].start, openings[-1].end))
    return either_starts(
        free_starts(length, reserved=[(span, _NO_BUFFERS) for who, span in busy if who == engineer], openings=openings)
        for engineer in engineer_ids(session)
    )


def _within_quotas(session: Session, ground: Ground, wish: Wish, around: Span, now: datetime) -> Callable[[Span], bool]:
    if not ground.rules.quotas:
        return lambda span: True
    window = around.widened(before=_WEEK, after=_WEEK)
    held = held_slots(session, wish.organisation_id, window=window, pilot_id=wish.pilot_id, now=now)
    return lambda span: not quota_refusals(replace(wish, span=span), ground.rules, held, now=now)
