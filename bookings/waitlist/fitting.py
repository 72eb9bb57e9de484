"""Where a wish with a window fits."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from bookings.alternatives import free_spans, steps_of
from bookings.entitlements import Wish
from bookings.ground import Ground
from bookings.waitlist.rules import openings_within
from lab.core.time import Span


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
    first = steps_of(ground.rules).up(wish.span.start)
    on_step = replace(wish, span=Span(first, first + wish.span.length))
    return free_spans(session, ground, on_step, openings, now=now, count=count, avoid=avoid)
