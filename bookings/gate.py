"""The one gate through which every reservation passes (I1).

On the ground of a decision (`bookings.ground`: devices, locked in the order of their ids) come the rules, what a
company may, the outages, the engineers and what is held already. The database's own constraint has the last word at
the commit: a transaction that breaks it is run again (`lab.core.database`), and then finds here what is in the way.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bookings import repository
from bookings.alternatives import NEAR_DAYS, alternatives
from bookings.conflicts import busy_error
from bookings.entitlements import (
    Wish,
    missing_devices,
    missing_qualifications,
    missing_supervision,
    quota_refusals,
    weeks_of,
)
from bookings.errors import EngineersBusyError, EngineerUnknownError, OverrideRefusedError
from bookings.ground import Ground
from bookings.ground_facts import obstacles
from bookings.nearest import nearest_end
from bookings.outages.rules import OutageSpan, outage_spans
from bookings.outages.service import outages_within
from bookings.repository import Reservation
from bookings.rulebook.repository import trainings_of
from bookings.rules import Refusal, closed_starts, outage_refusals, refusals, require_none, span_facts
from lab.core.time import Span
from lab.people.principals import Principal

_QUOTA_WEEKS = timedelta(days=63)
"""How far ahead of the wish what a company holds is looked at: a later week with room is proposed."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What may be written."""

    reserved: dict[str, Span]
    """By device, buffers included."""
    engineer_id: str | None
    """Who supervises."""
    overridden: tuple[str, ...]
    """Rules that the staff has set aside."""


def pass_gate(
    session: Session,
    principal: Principal,
    ground: Ground,
    wish: Wish,
    *,
    now: datetime,
    except_bookings: Collection[str] = (),
    running_until: datetime | None = None,
    engineer_id: str | None = None,
    preferred_engineer: str | None = None,
    override: str | None = None,
    propose: int = 3,
) -> Passed:
    """Judge a wish; what it gives may be written in this transaction.

    Args:
        session: of a write transaction in which `ground` was prepared.
        principal: who wishes.
        ground: the locked devices and their rules.
        wish: what is wished.
        now: the present instant.
        except_bookings: do not count as held (they are being moved).
        running_until: the present end of a booking that has begun: only another end is wished.
        engineer_id: who shall supervise; None: whoever is free.
        preferred_engineer: who supervises if free; else somebody else.
        override: the reason for which the staff sets rules aside; None: all rules hold.
        propose: how many alternatives a refusal has; looking for them takes longer than all the rest.

    Raises:
        RuleBrokenError: a rule says no; with the nearest allowed choice.
        OverrideRefusedError: somebody who is not of the staff wants to set rules aside.
        EngineersBusyError, EngineerUnknownError: nobody can supervise then.
        DeviceBusyError: with the conflicts as this principal may know them, and alternatives.
    """
    if override is not None and not principal.is_staff:
        raise OverrideRefusedError(
            "only the lab's staff sets rules aside; leave override_reason out",
            field="override_reason",
            rule="staff-only",
        )
    running = running_until is not None
    found = _refusals_of_time(session, ground, wish.span, now=now, running=running)
    kept = [refusal for refusal in found if _never_set_aside(refusal, wish.span, now)]
    if kept or (override is None and any(refusal.rule in _FAR for refusal in found)):
        require_none(kept or found, ground.rules.zone)  # no calendar, and no sum of hours, reaches there
    reserved = ground.reserved(wish.span)
    window = Span(min(span.start for span in reserved.values()), max(span.end for span in reserved.values()))
    in_the_way = obstacles(session, reserved, window, except_bookings=except_bookings)
    found += missing_devices(wish, ground.rules)
    if in_the_way.outages and outage_spans(in_the_way.outages, window, zone=ground.rules.zone):
        near = _outages_near(session, ground, window)
        found += outage_refusals(reserved, wish.span, near, now=now, rules=ground.rules, running=running)
    found += _other_refusals(session, principal, ground, wish, now, except_bookings)
    overridden = tuple(refusal.rule for refusal in found) if override is not None else ()
    if override is None:
        require_none(found, ground.rules.zone)
    engineer = None
    if wish.supervised:
        free = _free_engineers(session, ground, wish, now, except_bookings, engineer_id, propose, running_until)
        engineer = preferred_engineer if preferred_engineer in free else free[0]
    held = _held(session, reserved, now, except_bookings) if in_the_way.taken else []
    if held and running_until is not None:
        longer = _later_end(ground, wish, _kept_by(ground, held), now, running_until)
        raise busy_error(principal, list(reserved), held, longer, running=True)
    if held:
        instead = alternatives(session, ground, wish, now=now, count=propose, except_bookings=except_bookings)
        raise busy_error(principal, list(reserved), held, instead)
    return Passed(reserved, engineer, overridden)


_FAR = frozenset({"longest-booking", "horizon"})
_FURTHEST = timedelta(days=3660)


def _never_set_aside(refusal: Refusal, span: Span, now: datetime) -> bool:
    """Whether not even the staff may set it aside: what is over is over, and ten years are a mistake."""
    return refusal.rule == "not-in-the-past" or (refusal.rule in _FAR and span.end > now + _FURTHEST)


def _refusals_of_time(session: Session, ground: Ground, span: Span, *, now: datetime, running: bool) -> list[Refusal]:
    """What the rules of time say; what they propose instead avoids the outages as well."""
    rules = ground.rules
    found = refusals(span, now=now, rules=rules, running=running)
    if not found:
        return found
    start = min(max(span.start, now), now + rules.horizon)  # nothing further away is proposed
    near = Span(start, start + min(span.length, rules.longest))
    closed = closed_starts(ground.reserved(near), near, _outages_near(session, ground, near))
    return refusals(span, now=now, rules=rules, closed=closed, running=running) if closed else found


def _outages_near(session: Session, ground: Ground, span: Span) -> Sequence[OutageSpan]:
    wider = span.widened(before=timedelta(days=NEAR_DAYS), after=timedelta(days=NEAR_DAYS))
    return outages_within(session, ground.device_ids, wider, zone=ground.rules.zone)


def _kept_by(ground: Ground, held: Sequence[Reservation]) -> list[Span]:
    """When a booking cannot be because of what is held: its own buffers do not fit either."""
    buffers = ground.buffers()
    return [one.span.widened(before=buffers[one.device_id].cleanup, after=buffers[one.device_id].setup) for one in held]


def _later_end(
    ground: Ground, wish: Wish, closed: Sequence[Span], now: datetime, running_until: datetime
) -> list[Span]:
    """How long a booking that has begun can go on: until what comes next, if that is later than it ends now."""
    longest = nearest_end(wish.span, now=now, rules=ground.rules, closed=closed)
    return [longest] if longest is not None and longest.end > running_until else []


def _other_refusals(
    session: Session,
    principal: Principal,
    ground: Ground,
    wish: Wish,
    now: datetime,
    except_bookings: Collection[str],
) -> list[Refusal]:
    rules = ground.rules
    found = []
    if not principal.is_staff or wish.organisation_id != principal.organisation_id:
        found += missing_supervision(wish, rules)
    if rules.qualifications and not principal.is_staff:
        trainings = trainings_of(session, principal.account_id)
        found += missing_qualifications(wish, rules, trainings, now=now)
    if rules.quotas:
        weeks = weeks_of(wish.span, rules.zone)
        held = repository.held_slots(
            session,
            wish.organisation_id,
            window=Span(weeks[0].start, weeks[-1].end + _QUOTA_WEEKS),
            pilot_id=wish.pilot_id,
            now=now,
            except_bookings=except_bookings,
        )
        found += quota_refusals(wish, rules, held, now=now)
    return found


def _held(
    session: Session, reserved: Mapping[str, Span], now: datetime, except_bookings: Collection[str]
) -> list[Reservation]:
    """What is in the way; requests whose time is over give way at once."""
    held = repository.find_conflicts(session, reserved, except_bookings=except_bookings)
    over = {one.booking.id for one in held if one.booking.lapses_at is not None and one.booking.lapses_at <= now}
    if not over:
        return held
    from bookings.timekeeping import lapse_requests  # which itself passes freed slots on through this gate

    lapse_requests(session, over, now=now)
    return repository.find_conflicts(session, reserved, except_bookings=except_bookings)


def _free_engineers(
    session: Session,
    ground: Ground,
    wish: Wish,
    now: datetime,
    except_bookings: Collection[str],
    wanted: str | None,
    propose: int,
    running_until: datetime | None,
) -> list[str]:
    engineers = repository.lock_engineers(session)
    if wanted is not None and wanted not in engineers:
        raise EngineerUnknownError("there is no such engineer", field="engineer_id", rule="known-engineer")
    taken = repository.engineers_reserved(session, wish.span, except_bookings=except_bookings)
    busy = {who for who, _ in taken}
    free = [who for who in engineers if who not in busy and wanted in (None, who)]
    if free:
        return free
    if running_until is not None:
        held = repository.find_conflicts(session, ground.reserved(wish.span), except_bookings=except_bookings)
        closed = [span for who, span in taken if wanted in (None, who)] + _kept_by(ground, held)
        instead = _later_end(ground, wish, closed, now, running_until)
    else:
        instead = alternatives(session, ground, wish, now=now, count=propose, except_bookings=except_bookings)
    advice = "see alternatives for times near it" if instead else "ask the lab's staff"
    raise EngineersBusyError(
        f"no engineer is free to supervise at that time; {advice}",
        field="supervised",
        rule="engineer-free",
        alternatives=[span_facts(span) for span in instead],
    )
