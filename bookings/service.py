"""What people do with the calendar: book, move, cancel, look, use.

Whatever holds a device passes `bookings.gate`. The caller owns the transaction.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from sqlalchemy.orm import Session

from bookings import repository
from bookings.errors import (
    BookingChangedError,
    BookingClosedError,
    BookingNotStartedError,
    BookingStartedError,
    BookingUnknownError,
    NotYourBookingError,
    PilotUnfitError,
    UnknownOrganisationError,
)
from bookings.gate import buffers_of, free_alternatives, lock_bookable_devices, reserve
from bookings.history import note_change, snapshot
from bookings.models import Booking, BookingDevice
from bookings.rules import LIMITS, Limits, OpeningHours, require_allowed, require_device_ids
from bookings.schemas import BookingRequest
from bookings.states import OPEN, UPCOMING, BookingState
from lab.core.ids import new_id
from lab.core.time import Span
from lab.people.principals import SYSTEM, Principal, Role

__all__ = [
    "CompanyOfPilot",
    "book_devices",
    "cancel_booking",
    "finish_use",
    "free_alternatives",
    "get_booking",
    "list_bookings",
    "move_booking",
    "require_may_book",
    "start_use",
]

CompanyOfPilot: TypeAlias = Callable[[Session, str], str | None]
"""Whose a pilot is; `None`: there is no such pilot. Pilots are known on a floor above: `lab.pilots.service`."""


def _no_pilots(session: Session, pilot_id: str) -> str | None:
    """Where nobody knows of pilots, there are none."""
    return None


def book_devices(
    session: Session,
    principal: Principal,
    request: BookingRequest,
    *,
    now: datetime,
    hours: OpeningHours,
    limits: Limits = LIMITS,
    company_of_pilot: CompanyOfPilot = _no_pilots,
) -> Booking:
    """Reserve one or several devices for a span, all of them or none.

    Raises:
        NotYourBookingError: for another company, or by a recipient of reports.
        PilotUnfitError: for a pilot that the company has not.
        NaiveTimeError, EmptySpanError: the times make no span.
        RuleBrokenError, UnknownDevicesError, DevicesRetiredError, UnknownOrganisationError: it cannot be booked.
        DeviceBusyError: somebody holds a device at that time; with alternatives.
    """
    organisation_id = _organisation_booked_for(session, principal, request.organisation_id)
    if request.pilot_id is not None and company_of_pilot(session, request.pilot_id) != organisation_id:
        raise PilotUnfitError(
            "the company that this booking is for has no such pilot; choose one of its own or leave pilot_id out",
            field="pilot_id",
            rule="own-pilot",
        )
    device_ids = require_device_ids(request.device_ids)
    span = Span(request.start, request.end)
    require_allowed(span, now=now, hours=hours, limits=limits)
    devices = lock_bookable_devices(session, device_ids)
    booking = Booking(
        id=new_id("bkg"),
        organisation_id=organisation_id,
        pilot_id=request.pilot_id,
        booked_by=principal.account_id,
        title=request.title,
        start_at=span.start,
        end_at=span.end,
        state=BookingState.CONFIRMED.value,
        version=1,
        created_at=now,
    )

    def write() -> None:
        for device in devices:
            reserved = buffers_of(device).around(span)
            booking.devices.append(
                BookingDevice(
                    device_id=device.id, reserved_start=reserved.start, reserved_end=reserved.end, active=True
                )
            )
        session.add(booking)

    reserve(session, principal, devices, span, write, now=now, hours=hours, limits=limits)
    note_change(session, booking, "created", by=principal.account_id, at=now, before=None)
    return booking


def move_booking(
    session: Session,
    principal: Principal,
    booking_id: str,
    span: Span,
    *,
    version: int | None,
    now: datetime,
    hours: OpeningHours,
    limits: Limits = LIMITS,
) -> Booking:
    """Give a booking another span, on the same devices, before it starts.

    Args:
        session: of a write transaction.
        principal: who moves it.
        booking_id: which.
        span: where to.
        version: the version the decision was made on; None: whichever is there.
        now: the present instant.
        hours: the lab's opening hours.
        limits: how long and how far ahead.

    Raises:
        BookingUnknownError, BookingChangedError: not there, or changed meanwhile.
        BookingClosedError, BookingStartedError: it does not move any more.
        RuleBrokenError, DevicesRetiredError, DeviceBusyError: not to that span.
    """
    booking = _lock_own_booking(session, principal, booking_id, version)
    if booking.state not in OPEN:
        raise _closed(booking, "move-while-open")
    if booking.state not in UPCOMING or booking.start_at <= now:
        raise BookingStartedError(
            "this booking has started and stays where it is; it can still be cancelled, which ends it now",
            rule="move-before-start",
            start=booking.start_at.isoformat(),
        )
    require_allowed(span, now=now, hours=hours, limits=limits)
    device_ids = [row.device_id for row in booking.devices]
    devices = lock_bookable_devices(session, device_ids)
    before = snapshot(booking)

    def write() -> None:
        booking.start_at, booking.end_at = span.start, span.end
        booking.version += 1
        for row, device in zip(booking.devices, devices, strict=True):
            reserved = buffers_of(device).around(span)
            row.reserved_start, row.reserved_end = reserved.start, reserved.end

    reserve(session, principal, devices, span, write, now=now, hours=hours, limits=limits, except_booking=booking.id)
    note_change(session, booking, "moved", by=principal.account_id, at=now, before=before)
    return booking


def cancel_booking(
    session: Session, principal: Principal, booking_id: str, *, version: int | None, now: datetime
) -> Booking:
    """Give a slot back. Before its start the devices are simply free; after it, the booking ends now and stays history.

    Raises:
        BookingUnknownError, BookingChangedError: not there, or changed meanwhile.
        BookingClosedError: it is cancelled, done or over already.
    """
    booking = _lock_own_booking(session, principal, booking_id, version)
    if booking.state not in OPEN or booking.end_at <= now:
        raise _closed(booking, "cancel-while-open")
    before = snapshot(booking)
    if booking.start_at < now:
        _end_now(booking, now)  # its devices were held, so its rows stay active: who held them when is history (I4)
    else:
        for row in booking.devices:
            row.active = False
    booking.state = BookingState.CANCELLED.value
    booking.cancelled_at = now
    booking.version += 1
    note_change(session, booking, "cancelled", by=principal.account_id, at=now, before=before)
    return booking


def start_use(
    session: Session,
    booking_id: str,
    *,
    now: datetime,
    principal: Principal = SYSTEM,
    version: int | None = None,
) -> Booking:
    """Note that the machines of a booking are in use. Saying it again changes nothing.

    Args:
        session: of a write transaction.
        booking_id: which.
        now: the present instant.
        principal: who says so; without one, the product itself has seen it.
        version: the version the decision was made on; None: whichever is there.

    Raises:
        BookingUnknownError, BookingChangedError: not there, or changed meanwhile.
        BookingNotStartedError: before its start, or not approved yet.
        BookingClosedError: cancelled, done or over.
    """
    booking = _lock_own_booking(session, principal, booking_id, version)
    if booking.state == BookingState.IN_USE:
        return booking
    if booking.state not in OPEN or booking.end_at <= now:
        raise _closed(booking, "use-within-slot")
    if booking.state != BookingState.CONFIRMED or now < booking.start_at:
        raise _not_started(booking, "use-within-slot", "it can be used")
    before = snapshot(booking)
    booking.state = BookingState.IN_USE.value
    booking.version += 1
    note_change(session, booking, "started", by=principal.account_id, at=now, before=before)
    return booking


def finish_use(
    session: Session, principal: Principal, booking_id: str, *, now: datetime, version: int | None = None
) -> Booking:
    """End a booking that has begun; what is left of its slot is free. Saying it again changes nothing.

    Raises:
        BookingUnknownError, BookingChangedError: not there, or changed meanwhile.
        BookingNotStartedError: before its start; it can be cancelled.
        BookingClosedError: cancelled.
    """
    booking = _lock_own_booking(session, principal, booking_id, version)
    if booking.state == BookingState.DONE:
        return booking
    if booking.state not in OPEN:
        raise _closed(booking, "finish-while-open")
    if booking.state == BookingState.REQUESTED or now <= booking.start_at:
        raise _not_started(booking, "finish-after-start", "it can be finished; until then it can be cancelled")
    before = snapshot(booking)
    if now < booking.end_at:
        _end_now(booking, now)
    booking.state = BookingState.DONE.value
    booking.version += 1
    note_change(session, booking, "finished", by=principal.account_id, at=now, before=before)
    return booking


def get_booking(session: Session, principal: Principal, booking_id: str) -> Booking:
    """One booking, with its devices.

    Raises:
        BookingUnknownError: there is none, or it is another company's.
    """
    return _require_own(principal, booking_id, repository.find_booking(session, booking_id))


def list_bookings(session: Session, principal: Principal, span: Span | None = None) -> list[Booking]:
    """The bookings one may see, by start: the staff everybody's, a member the own company's, others none.

    Args:
        session: to read in.
        principal: who looks.
        span: only those that overlap it.
    """
    if principal.is_staff:
        return repository.find_bookings(session, organisation_id=None, span=span)
    if principal.role is Role.MEMBER:
        return repository.find_bookings(session, organisation_id=principal.organisation_id, span=span)
    return []


def require_may_book(principal: Principal) -> None:
    """Refuse who has no business with the calendar.

    Raises:
        NotYourBookingError: for recipients of reports.
    """
    if not principal.is_staff and principal.role is not Role.MEMBER:
        raise NotYourBookingError(
            "you can read reports here; ask the lab for a member's account to book", rule="members-book"
        )


def _organisation_booked_for(session: Session, principal: Principal, organisation_id: str | None) -> str:
    require_may_book(principal)
    wanted = organisation_id or principal.organisation_id
    if not principal.owns(wanted):
        raise NotYourBookingError(
            "you book for your own company only; leave organisation_id out", field="organisation_id", rule="own-company"
        )
    if not repository.organisation_exists(session, wanted):
        raise UnknownOrganisationError(
            "there is no such organisation to book for", field="organisation_id", rule="known-organisation"
        )
    return wanted


def _lock_own_booking(session: Session, principal: Principal, booking_id: str, version: int | None) -> Booking:
    booking = _require_own(principal, booking_id, repository.lock_booking(session, booking_id))
    if version is not None and booking.version != version:
        raise BookingChangedError(
            "this booking was changed meanwhile; look at it again before you change it",
            field="If-Match",
            rule="present-version",
            version=booking.version,
        )
    return booking


def _require_own(principal: Principal, booking_id: str, booking: Booking | None) -> Booking:
    if booking is None or not principal.owns(booking.organisation_id):
        raise BookingUnknownError("there is no such booking", field="booking_id", rule="known-booking")
    return booking


def _end_now(booking: Booking, now: datetime) -> None:
    """Cut a future end to now; each device keeps the clean-up time it was booked with."""
    for row in booking.devices:
        row.reserved_end = now + (row.reserved_end - booking.end_at)
    booking.end_at = now


def _closed(booking: Booking, rule: str) -> BookingClosedError:
    what = "over" if booking.state in OPEN else booking.state.replace("_", " ")
    return BookingClosedError(
        f"this booking is {what}; it does not change any more",
        rule=rule,
        state=booking.state,
        end=booking.end_at.isoformat(),
    )


def _not_started(booking: Booking, rule: str, what: str) -> BookingNotStartedError:
    return BookingNotStartedError(
        f"this booking starts at {booking.start_at.isoformat()}; from then on {what}",
        rule=rule,
        start=booking.start_at.isoformat(),
    )
