"""What becomes of a booking: requested → confirmed → in use → done | cancelled | no-show.

Occupancies are history (I4): after the start only a future end changes; what ends early ends now, and whoever held a
device until then is still known to have held it. The caller owns the transaction.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from bookings import repository
from bookings.errors import (
    BookingNotStartedError,
    NoRequestError,
    RuleBrokenError,
)
from bookings.history import note_change, snapshot
from bookings.models import Booking
from bookings.notices import Notice, announce
from bookings.pricing import grant_support, release_support
from bookings.rulebook.service import load_rulebook
from bookings.rules import Rules, length, wall
from bookings.service import change_span, closed, has_lapsed, lock_own_booking
from bookings.states import OPEN, BookingState
from bookings.waitlist.freed import note_freed
from bookings.waitlist.repository import is_offer
from lab.core.time import Span
from lab.people.principals import SYSTEM, Principal

_UTC = "UTC"
"""A sentence that is made where nobody knows the lab's own zone names this one."""


def approve_booking(
    session: Session, principal: Principal, booking_id: str, *, version: int | None, now: datetime
) -> Booking:
    """Confirm a request, which holds its slot already.

    Raises:
        ForbiddenError: by anybody but the staff.
        BookingUnknownError, BookingChangedError: not there, or changed meanwhile.
        NoRequestError: it is none, or its time to be approved is over, or it is an offer of the waitlist.
    """
    booking = _lock_for_staff(session, principal, booking_id, version, "approve bookings")
    if booking.state != BookingState.REQUESTED or _lapsed(booking, now):
        raise _no_request(booking, now, "approved")
    if is_offer(session, booking.id):
        raise NoRequestError(
            "this slot is offered to somebody who waits for it; only they accept it",
            rule="owner-answers",
            state=booking.state,
        )
    before = snapshot(booking)
    booking.state, booking.lapses_at = BookingState.CONFIRMED.value, None
    grant_support(session, booking, now=now, by=principal.account_id)
    return _noted(session, booking, Notice.APPROVED, by=principal, now=now, before=before)


def decline_booking(
    session: Session,
    principal: Principal,
    booking_id: str,
    *,
    version: int | None,
    now: datetime,
    reason: str | None = None,
) -> Booking:
    """Refuse a request; its slot is free again.

    Raises:
        ForbiddenError: by anybody but the staff.
        BookingUnknownError, BookingChangedError: not there, or changed meanwhile.
        NoRequestError: it is none.
    """
    booking = _lock_for_staff(session, principal, booking_id, version, "decline bookings")
    if booking.state != BookingState.REQUESTED:
        raise _no_request(booking, now, "declined")
    return give_back(session, booking, Notice.DECLINED, by=principal, now=now, reason=reason)


def reinstate_booking(
    session: Session,
    principal: Principal,
    booking_id: str,
    *,
    version: int | None,
    now: datetime,
    rules: Rules,
    override: str | None = None,
) -> Booking:
    """Give a booking that was cancelled, declined or has lapsed before its start its slot back, if it is still free.

    Raises:
        ForbiddenError: by anybody but the staff.
        BookingUnknownError, BookingChangedError: not there, or changed meanwhile.
        NoRequestError: it still holds its slot, or held its devices before it was cancelled.
        RuleBrokenError, DevicesRetiredError, EngineersBusyError, DeviceBusyError: the slot cannot be booked any more.
    """
    booking = _lock_for_staff(session, principal, booking_id, version, "reinstate bookings")
    lapsed = booking.state == BookingState.REQUESTED and _lapsed(booking, now)
    given_back = booking.state == BookingState.CANCELLED and not any(row.active for row in booking.devices)
    if not (lapsed or given_back):
        raise _no_request(booking, now, "reinstated")
    span = Span(booking.start_at, booking.end_at)
    change_span(session, principal, booking, span, rules, now=now, what="reinstated", override=override, confirm=True)
    announce(session, booking, Notice.REINSTATED, now=now)
    return booking


def cancel_booking(
    session: Session,
    principal: Principal,
    booking_id: str,
    *,
    version: int | None,
    now: datetime,
    rules: Rules,
    reason: str | None = None,
) -> Booking:
    """Give a slot back. Before its start the devices are simply free; after it, the booking ends now and stays history.

    Raises:
        BookingUnknownError, BookingChangedError: not there, or changed meanwhile.
        BookingClosedError: it is cancelled, done or over already.
        RuleBrokenError: a company cancels too late.
    """
    booking = lock_own_booking(session, principal, booking_id, version)
    if booking.state not in OPEN or booking.end_at <= now:
        raise closed(booking, "cancel-while-open")
    if not principal.is_staff and booking.state != BookingState.REQUESTED:
        _require_in_time(session, booking, now, rules)
    return give_back(session, booking, Notice.CANCELLED, by=principal, now=now, reason=reason)


def _require_in_time(session: Session, booking: Booking, now: datetime, rules: Rules) -> None:
    """Refuse to cancel later than the devices' rules allow."""
    deadline = cancel_deadline(session, booking, rules)
    if deadline and now > booking.start_at - deadline:
        latest = booking.start_at - deadline
        raise RuleBrokenError(
            f"this booking could be cancelled until {wall(latest, rules.zone)}, {length(deadline)} before its start; "
            "ask the lab's staff, or finish early once it has started",
            field="booking_id",
            rule="cancel-deadline",
            nearest=None,
            deadline=latest.isoformat(),
        )


def cancel_deadline(session: Session, booking: Booking, rules: Rules) -> timedelta:
    """How long before the start a company may cancel at the latest."""
    return rules_of(session, booking, rules).cancel_deadline


def extend_booking(
    session: Session,
    principal: Principal,
    booking_id: str,
    end: datetime,
    *,
    version: int | None,
    now: datetime,
    rules: Rules,
    override: str | None = None,
) -> Booking:
    """Give a booking another end that is still ahead; later, if everything is free until then.

    Raises:
        BookingUnknownError, BookingChangedError: not there, or changed meanwhile.
        BookingClosedError: it is over.
        NaiveTimeError, EmptySpanError: the end is no end.
        RuleBrokenError, DevicesRetiredError, EngineersBusyError, DeviceBusyError: not until then.
    """
    booking = lock_own_booking(session, principal, booking_id, version)
    if booking.state not in OPEN or booking.end_at <= now or has_lapsed(booking, now):
        raise closed(booking, "extend-while-open")
    span = Span(booking.start_at, end)
    if span.end <= now:
        raise RuleBrokenError(
            f"the new end {wall(span.end, rules.zone)} is over, it is {wall(now, rules.zone)}; to end now, finish",
            field="end",
            rule="end-ahead",
            nearest=None,
        )
    shorter, running = span.end < booking.end_at, booking.start_at <= now
    change_span(session, principal, booking, span, rules, now=now, what="extended", override=override, running=running)
    announce(session, booking, Notice.EXTENDED, now=now)
    if shorter:
        note_freed(session, booking, now=now)
    return booking


def start_use(
    session: Session,
    booking_id: str,
    *,
    now: datetime,
    principal: Principal = SYSTEM,
    version: int | None = None,
    since: datetime | None = None,
) -> Booking:
    """Note that the machines of a booking are in use. Saying it again changes nothing.

    Args:
        session: of a write transaction.
        booking_id: which.
        now: the present instant.
        principal: who says so; without one, the product itself has seen it.
        version: the version the decision was made on; None: whichever is there.
        since: when the use began, if that is known; else now.

    Raises:
        BookingUnknownError, BookingChangedError: not there, or changed meanwhile.
        BookingNotStartedError: before its start, or not approved yet.
        BookingClosedError: it is cancelled, done or over.
    """
    booking = lock_own_booking(session, principal, booking_id, version)
    if booking.state == BookingState.IN_USE:
        return booking
    if booking.state not in OPEN or booking.end_at <= now:
        raise closed(booking, "use-within-slot")
    if booking.state == BookingState.REQUESTED:
        raise BookingNotStartedError(
            "this booking is not approved yet; ask the lab's staff", rule="use-within-slot", start=_text(booking)
        )
    if booking.start_at > now:
        raise _not_started(booking, "use-within-slot", "the machines can be used")
    before = snapshot(booking)
    booking.state, booking.used_from = BookingState.IN_USE.value, max(since or now, booking.start_at)
    return _noted(session, booking, Notice.STARTED, by=principal, now=now, before=before)


def finish_use(
    session: Session, principal: Principal, booking_id: str, *, version: int | None = None, now: datetime
) -> Booking:
    """Note that the machines are not needed any more; what is left of the slot is free. Again changes nothing.

    Raises:
        BookingUnknownError, BookingChangedError: not there, or changed meanwhile.
        BookingNotStartedError: before its start; it can be cancelled.
        BookingClosedError: it is cancelled.
    """
    booking = lock_own_booking(session, principal, booking_id, version)
    if booking.state == BookingState.DONE:
        return booking
    if booking.state not in OPEN:
        raise closed(booking, "finish-while-open")
    if booking.state == BookingState.REQUESTED or booking.start_at >= now:
        raise _not_started(booking, "finish-after-start", "it can be finished; until then it can be cancelled")
    return end_use(session, booking, by=principal, now=now)


def end_use(session: Session, booking: Booking, *, by: Principal, now: datetime) -> Booking:
    """Note that a begun booking is done; a future end is cut to now."""
    before = snapshot(booking)
    early = now < booking.end_at
    if booking.used_from is not None:
        booking.used_until = min(now, booking.end_at)
    if early:
        end_now(booking, now)
    booking.state = BookingState.DONE.value
    _noted(session, booking, Notice.FINISHED, by=by, now=now, before=before)
    if early:
        note_freed(session, booking, now=now)
    return booking


def mark_no_show(
    session: Session, principal: Principal, booking_id: str, *, version: int | None, now: datetime
) -> Booking:
    """Note that nobody came; what is left of the slot is free.

    Raises:
        ForbiddenError: by anybody but the staff.
        BookingUnknownError, BookingChangedError: not there, or changed meanwhile.
        BookingNotStartedError: before its start.
        BookingClosedError: it is in use, cancelled, done or over.
    """
    booking = _lock_for_staff(session, principal, booking_id, version, "say that nobody came")
    if booking.state != BookingState.CONFIRMED:
        raise closed(booking, "no-show-while-confirmed")
    if booking.start_at >= now:
        raise _not_started(booking, "no-show-after-start", "it can be said that nobody came")
    return end_unused(session, booking, by=principal, now=now)


def end_unused(session: Session, booking: Booking, *, by: Principal, now: datetime) -> Booking:
    """Note that nobody came to a begun booking; a future end is cut to now."""
    before = snapshot(booking)
    early = now < booking.end_at
    if early:
        end_now(booking, now)
    booking.state = BookingState.NO_SHOW.value
    _noted(session, booking, Notice.NO_SHOW, by=by, now=now, before=before)
    if early:
        note_freed(session, booking, now=now)
    return booking


def give_back(
    session: Session,
    booking: Booking,
    what: Notice,
    *,
    by: Principal,
    now: datetime,
    reason: str | None = None,
) -> Booking:
    """End a booking without its being used: cancelled, declined or lapsed."""
    before = snapshot(booking)
    if booking.state != BookingState.REQUESTED and booking.start_at < now:
        end_now(booking, now)  # its devices were held, so its rows stay active: who held them when is history (I4)
    else:
        for row in booking.devices:
            row.active = False
        for engineer in booking.engineers:
            engineer.active = False
    booking.state, booking.ended_as = BookingState.CANCELLED.value, what.value
    booking.cancelled_at, booking.lapses_at = now, None
    session.flush()
    release_support(session, booking, now=now, by=by.account_id, reason=what.value)
    _noted(session, booking, what, by=by, now=now, before=before, reason=reason)
    note_freed(session, booking, now=now)
    return booking


def end_now(booking: Booking, now: datetime) -> None:
    """Cut a future end to now; each device keeps the clean-up time it was booked with."""
    for row in booking.devices:
        row.reserved_end = now + (row.reserved_end - booking.end_at)
    for engineer in booking.engineers:
        engineer.reserved_end = now
    booking.end_at = now


def rules_of(session: Session, booking: Booking, rules: Rules) -> Rules:
    """The rules for the devices of a booking."""
    devices = repository.find_devices(session, [row.device_id for row in booking.devices])
    return load_rulebook(session, rules).joint(devices)


def _noted(
    session: Session,
    booking: Booking,
    what: Notice,
    *,
    by: Principal,
    now: datetime,
    before: dict[str, Any],
    reason: str | None = None,
) -> Booking:
    booking.version += 1
    booking.changed_at = now
    session.flush()
    note_change(session, booking, what.value, by=by.account_id, at=now, before=before, reason=reason)
    announce(session, booking, what, now=now)
    return booking


def _lock_for_staff(session: Session, principal: Principal, booking_id: str, version: int | None, deed: str) -> Booking:
    booking = lock_own_booking(session, principal, booking_id, version)
    principal.require_staff(deed)
    return booking


def _lapsed(booking: Booking, now: datetime) -> bool:
    return booking.lapses_at is not None and booking.lapses_at <= now


def _no_request(booking: Booking, now: datetime, done: str) -> NoRequestError:
    if booking.state == BookingState.REQUESTED and booking.lapses_at is not None and booking.lapses_at <= now:
        return NoRequestError(
            f"this request has lapsed at {wall(booking.lapses_at, _UTC)}; reinstate it if its slot is still free",
            rule="request-in-time",
            state=booking.state,
        )
    state = booking.ended_as or booking.state.replace("_", " ")
    return NoRequestError(f"this booking is {state} and cannot be {done}", rule=f"can-be-{done}", state=booking.state)


def _text(booking: Booking) -> str:
    return booking.start_at.isoformat()


def _not_started(booking: Booking, rule: str, what: str) -> BookingNotStartedError:
    return BookingNotStartedError(
        f"this booking starts at {wall(booking.start_at, _UTC)}; from then on {what}", rule=rule, start=_text(booking)
    )
