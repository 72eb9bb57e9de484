"""What is free instead: the spans nearest to a wish in which all its devices, and an engineer if need be, are free."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bookings import repository
from bookings.entitlements import Wish, broken_quotas
from bookings.ground import Ground, look_at
from bookings.outages.service import outages_within
from bookings.rules import Rules, free_openings, require_allowed, require_device_ids, stepped
from bookings.slots import (
    FIVE_MINUTES,
    Buffers,
    Starts,
    Steps,
    common_starts,
    either_starts,
    free_starts,
    nearest_spans,
)
from lab.core.time import Span

NEAR_DAYS = 14
"""Alternatives are looked for this far around the wish first, and up to the horizon only if there are too few."""
_WEEK = timedelta(days=7)
_NO_BUFFERS = Buffers()


def free_alternatives(
    session: Session,
    device_ids: Sequence[str],
    span: Span,
    *,
    now: datetime,
    rules: Rules,
    count: int = 3,
    except_bookings: Collection[str] = (),
    supervised: bool = False,
) -> list[Span]:
    """Spans as long as the wish in which all these devices are free under all rules of time, the nearest first.

    Args:
        session: to read in.
        device_ids: all needed at once.
        span: the wish; it is the first answer if it is free.
        now: the present instant.
        rules: `Rules.from_settings`.
        count: how many at most; fewer only if there are not so many up to the horizon.
        except_bookings: do not count as held (they are being moved).
        supervised: whether an engineer must be free as well.

    Raises:
        RuleBrokenError, UnknownDevicesError, DevicesRetiredError: no span like this can be booked.
    """
    ground = look_at(session, require_device_ids(device_ids), rules)
    require_allowed(span, now=now, rules=ground.rules)
    wish = ground.wish(span, "", pilot_id=None, supervised=supervised)
    return alternatives(session, ground, wish, now=now, count=count, except_bookings=except_bookings, quotas=False)


def alternatives(
    session: Session,
    ground: Ground,
    wish: Wish,
    *,
    now: datetime,
    count: int,
    except_bookings: Collection[str] = (),
    quotas: bool = True,
) -> list[Span]:
    """Spans as long as the wish that could be booked instead, the nearest first.

    Args:
        session: to read in.
        ground: the devices and their rules, locked or not.
        wish: what cannot be had.
        now: the present instant.
        count: how many at most; none are looked for if it is 0.
        except_bookings: do not count as held (they are being moved).
        quotas: whether what the company holds already counts.
    """
    found: list[Span] = []
    for days in (NEAR_DAYS, ground.rules.horizon.days + 1):
        if len(found) >= count:
            break
        openings = free_openings(wish.span, days=days, now=now, rules=ground.rules)
        found = free_spans(
            session,
            ground,
            wish,
            openings,
            now=now,
            count=count,
            except_bookings=except_bookings,
            quotas=quotas,
        )
    return found


def free_spans(
    session: Session,
    ground: Ground,
    wish: Wish,
    openings: Sequence[Span],
    *,
    now: datetime,
    count: int,
    except_bookings: Collection[str] = (),
    avoid: Iterable[Span] = (),
    quotas: bool = True,
) -> list[Span]:
    """Free spans within the openings that do not overlap each other, those nearest to the wish first; one sweep.

    Args:
        session: to read in.
        ground: the devices and their rules; without locks, what is found may be gone a moment later.
        wish: as long as the spans are to be; begins where the nearest one is wanted.
        openings: sorted; each span lies within one of them.
        now: the present instant.
        count: how many at most.
        except_bookings: do not count as held.
        avoid: times that are not wanted.
        quotas: whether what the company holds already counts.
    """
    if not openings:
        return []
    length, buffers = wish.span.length, ground.buffers()
    around = Span(openings[0].start, openings[-1].end)
    wider = around.widened(
        before=max(one.setup for one in buffers.values()), after=max(one.cleanup for one in buffers.values())
    )
    held = repository.reserved_spans(session, ground.device_ids, wider, except_bookings=except_bookings)
    reserved = [(taken, buffers[device_id]) for device_id, taken in held]
    for outage in outages_within(session, ground.device_ids, wider, zone=ground.rules.zone):
        hit = [outage.device_id] if outage.device_id is not None else ground.device_ids
        reserved += [(outage.span, buffers[device_id]) for device_id in hit]
    reserved += [(span, _NO_BUFFERS) for span in avoid]
    starts = free_starts(length, reserved=reserved, openings=openings)
    if wish.supervised:
        starts = common_starts(starts, _engineers_free(session, length, openings, except_bookings))
    accept = _within_quotas(session, ground, wish, around, now, except_bookings) if quotas else _anything
    return nearest_spans(wish.span, starts, count=count, steps=steps_of(ground.rules), accept=accept)


def _engineers_free(
    session: Session, length: timedelta, openings: Sequence[Span], except_bookings: Collection[str]
) -> list[Starts]:
    """Where at least one engineer is free."""
    window = Span(openings[0].start, openings[-1].end)
    busy = repository.engineers_reserved(session, window, except_bookings=except_bookings)
    return either_starts(
        free_starts(
            length, reserved=[(taken, _NO_BUFFERS) for who, taken in busy if who == engineer], openings=openings
        )
        for engineer in repository.engineer_ids(session)
    )


def _within_quotas(
    session: Session, ground: Ground, wish: Wish, around: Span, now: datetime, except_bookings: Collection[str]
) -> Callable[[Span], bool]:
    if not ground.rules.quotas:
        return _anything
    held = repository.held_slots(
        session,
        wish.organisation_id,
        window=around.widened(before=_WEEK, after=_WEEK),
        pilot_id=wish.pilot_id,
        now=now,
        except_bookings=except_bookings,
    )
    return lambda span: not broken_quotas(replace(wish, span=span), ground.rules, held, now=now)


def _anything(_: Span) -> bool:
    return True


def steps_of(rules: Rules) -> Steps:
    """Where bookings may start: on the rules' steps, else on full five minutes where one fits."""
    if not rules.granularity:
        return FIVE_MINUTES
    return Steps(lambda instant: stepped(instant, rules), lambda instant: stepped(instant, rules, down=True))
