"""What people do with the calendar: book, move, look.

Whatever holds a device passes `bookings.gate`. What becomes of a booking afterwards is in `bookings.life`. The caller
owns the transaction.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeAlias

from sqlalchemy.orm import Session

from bookings import repository
from bookings.alternatives import free_alternatives
from bookings.entitlements import Wish
from bookings.errors import (
    BookingChangedError,
    BookingClosedError,
    BookingStartedError,
    BookingUnknownError,
    NotYourBookingError,
    PilotUnfitError,
)
from bookings.gate import Passed, pass_gate
from bookings.ground import prepare
from bookings.history import SUBJECT, first_line, note_change, snapshot
from bookings.models import Booking, BookingDevice, BookingEngineer
from bookings.notices import Notice, announce, first_notice
from bookings.pricing import grant_support, price_booking
from bookings.repository import Asked
from bookings.rules import Rules, require_device_ids
from bookings.schemas import BookingRequest
from bookings.states import OPEN, UPCOMING, BookingState
from bookings.waitlist.freed import note_freed
from bookings.wall_times import clear_span
from lab.core.audit import AuditEntry, changes_of
from lab.core.ids import new_id
from lab.core.paging import Page, PageWish
from lab.core.time import Span
from lab.people.principals import Principal, Role

__all__ = ["Asked", "free_alternatives"]
"""From here as well."""

CompanyOfPilot: TypeAlias = Callable[[Session, str], str | None]
"""Whose a pilot is; `None`: there is no such pilot. Pilots are known on a floor above: `lab.pilots.service`."""


def no_pilots(session: Session, pilot_id: str) -> str | None:
    """Where nobody knows of pilots, there are none."""
    return None


def book_devices(
    session: Session,
    principal: Principal,
    request: BookingRequest,
    *,
    now: datetime,
    rules: Rules,
    company_of_pilot: CompanyOfPilot = no_pilots,
    series_id: str | None = None,
    propose: int = 3,
) -> Booking:
    """Reserve one or several devices for a span, all of them or none.

    A company's booking of devices that need approval becomes a request, which holds the slot until it lapses.

    Args:
        session: of a write transaction.
        principal: who books.
        request: what.
        now: the present instant.
        rules: `Rules.from_settings`.
        company_of_pilot: knows whose a pilot is.
        series_id: of a recurring booking.
        propose: how many alternatives a refusal has.

    Returns:
        The booking as a plain value, not attached to the session.

    Raises:
        NotYourBookingError: for another company, or by a recipient of reports.
        PilotUnfitError: for a pilot that the company has not.
        NaiveTimeError, WallTimeError, EmptySpanError: the times make no span.
        RuleBrokenError, UnknownDevicesError, DevicesRetiredError, UnknownOrganisationError, EngineerUnknownError,
        OverrideRefusedError: it cannot be booked.
        EngineersBusyError, DeviceBusyError: somebody or something is taken at that time; with alternatives.
        SupportCeilingError: the programme's public support is used up.
    """
    organisation_id = _organisation_booked_for(principal, request.organisation_id)
    device_ids = require_device_ids(request.device_ids)
    span = clear_span(request.start, request.end, zone=rules.zone)
    if request.pilot_id is not None and company_of_pilot(session, request.pilot_id) != organisation_id:
        raise PilotUnfitError(
            "the company that this booking is for has no such pilot; choose one of its own or leave pilot_id out",
            field="pilot_id",
            rule="own-pilot",
        )
    ground = prepare(session, device_ids, rules, organisation_id=organisation_id, agreed_at=now)
    supervised = request.supervised or request.engineer_id is not None
    wish = ground.wish(span, organisation_id, pilot_id=request.pilot_id, supervised=supervised)
    passed = pass_gate(
        session,
        principal,
        ground,
        wish,
        now=now,
        engineer_id=request.engineer_id,
        override=request.override_reason,
        propose=propose,
    )
    asked = ground.rules.approval and not principal.is_staff
    booking = _new_booking(principal, request, wish, now=now, series_id=series_id)
    if asked:
        booking.state = BookingState.REQUESTED.value
        booking.lapses_at = min(now + ground.rules.approval_lapses, span.start)
    reserve(booking, passed)
    price_booking(session, booking, ground.devices, ground.agreed, now=now)
    notice = Notice.REQUESTED if asked else Notice.CREATED
    line = first_line(
        booking,
        notice.value,
        by=principal.account_id,
        at=now,
        reason=request.override_reason,
        overridden=passed.overridden,
    )
    repository.insert_booking(session, booking, line, first_notice(booking, notice, now=now))
    grant_support(session, booking, now=now, by=principal.account_id)
    return booking


def _new_booking(
    principal: Principal, request: BookingRequest, wish: Wish, *, now: datetime, series_id: str | None
) -> Booking:
    return Booking(
        id=new_id("bkg"),
        organisation_id=wish.organisation_id,
        pilot_id=wish.pilot_id,
        booked_by=principal.account_id,
        title=request.title,
        start_at=wish.span.start,
        end_at=wish.span.end,
        state=BookingState.CONFIRMED.value,
        version=1,
        created_at=now,
        changed_at=now,
        supervised=wish.supervised,
        series_id=series_id,
    )


def move_booking(
    session: Session,
    principal: Principal,
    booking_id: str,
    span: Span,
    *,
    version: int | None,
    now: datetime,
    rules: Rules,
    override: str | None = None,
) -> Booking:
    """Give a booking another span, on the same devices, before it starts.

    Args:
        session: of a write transaction.
        principal: who moves it.
        booking_id: which.
        span: where to.
        version: the version the decision was made on; None: whichever is there.
        now: the present instant.
        rules: `Rules.from_settings`.
        override: the reason for which the staff sets rules aside; None: all rules hold.

    Raises:
        BookingUnknownError, BookingChangedError: not there, or changed meanwhile.
        BookingClosedError, BookingStartedError: it does not move any more.
        RuleBrokenError, DevicesRetiredError, EngineersBusyError, DeviceBusyError: not to that span.
    """
    booking = lock_own_booking(session, principal, booking_id, version)
    require_movable(booking, now)
    change_span(session, principal, booking, span, rules, now=now, what="moved", override=override)
    announce(session, booking, Notice.MOVED, now=now)
    note_freed(session, booking, now=now)
    return booking


def change_span(
    session: Session,
    principal: Principal,
    booking: Booking,
    span: Span,
    rules: Rules,
    *,
    now: datetime,
    what: str,
    override: str | None = None,
    running: bool = False,
    confirm: bool = False,
) -> None:
    """Have a booking pass the gate for another span, or for its own once more, and write what it then holds.

    One that has begun keeps its engineer; else whoever supervised it does so if free.

    Args:
        session: of a write transaction.
        principal: who changes it.
        booking: locked.
        span: where to.
        rules: `Rules.from_settings`.
        now: the present instant.
        what: is done, for its history.
        override: the reason for which the staff sets rules aside; None: all rules hold.
        running: it has begun, only its end is changed.
        confirm: whatever it was, it is confirmed then.

    Raises:
        RuleBrokenError, DevicesRetiredError, EngineersBusyError, DeviceBusyError: not to that span.
    """
    before = snapshot(booking)
    device_ids = [row.device_id for row in booking.devices]
    ground = prepare(session, device_ids, rules, organisation_id=booking.organisation_id, agreed_at=booking.created_at)
    wish = ground.wish(span, booking.organisation_id, pilot_id=booking.pilot_id, supervised=booking.supervised)
    supervisor = booking.engineers[0].account_id if booking.engineers else None
    passed = pass_gate(
        session,
        principal,
        ground,
        wish,
        now=now,
        except_bookings={booking.id},
        running_until=booking.end_at if running else None,
        engineer_id=supervisor if running else None,
        preferred_engineer=supervisor,
        override=override,
    )
    if confirm:
        booking.state, booking.lapses_at = BookingState.CONFIRMED.value, None
        booking.cancelled_at = booking.ended_as = None
    booking.start_at, booking.end_at = span.start, span.end
    if booking.state == BookingState.REQUESTED and booking.lapses_at is not None:
        booking.lapses_at = min(booking.lapses_at, span.start)
    booking.version += 1
    booking.changed_at = now
    reserve(booking, passed)
    price_booking(session, booking, ground.devices, ground.agreed, now=now)
    session.flush()
    grant_support(session, booking, now=now, by=principal.account_id)
    note_change(
        session,
        booking,
        what,
        by=principal.account_id,
        at=now,
        before=before,
        reason=override,
        overridden=passed.overridden,
    )


def reserve(booking: Booking, passed: Passed) -> None:
    """Have a booking hold what the gate has let pass."""
    rows = {row.device_id: row for row in booking.devices}
    for device_id, reserved in passed.reserved.items():
        row = rows.get(device_id)
        if row is None:
            row = BookingDevice(device_id=device_id)
            booking.devices.append(row)
        row.reserved_start, row.reserved_end, row.active = reserved.start, reserved.end, True
    supervising = {row.account_id: row for row in booking.engineers}
    for account_id, engineer in supervising.items():
        if account_id != passed.engineer_id:
            booking.engineers.remove(engineer)
    if passed.engineer_id is not None:
        engineer_row = supervising.get(passed.engineer_id)
        if engineer_row is None:
            engineer_row = BookingEngineer(account_id=passed.engineer_id)
            booking.engineers.append(engineer_row)
        engineer_row.reserved_start, engineer_row.reserved_end = booking.start_at, booking.end_at
        engineer_row.active = True


def require_movable(booking: Booking, now: datetime) -> None:
    """Refuse to move what has begun or is over.

    Raises:
        BookingClosedError, BookingStartedError: it does not move any more.
    """
    if booking.state not in OPEN or has_lapsed(booking, now):
        raise closed(booking, "move-while-open")
    if booking.state not in UPCOMING or booking.start_at <= now:
        raise BookingStartedError(
            "this booking has started and stays where it is; only its end can change: extend it, or finish early",
            rule="move-before-start",
            start=booking.start_at.isoformat(),
        )


def has_lapsed(booking: Booking, now: datetime) -> bool:
    """Whether a request has given its slot back, even if nobody has noted it yet."""
    return booking.state == BookingState.REQUESTED and booking.lapses_at is not None and booking.lapses_at <= now


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


def page_of_bookings(session: Session, principal: Principal, asked: Asked, page: PageWish) -> Page[Booking]:
    """Part of the bookings one may see, by start.

    Raises:
        CursorInvalidError: a cursor that this list never gave.
    """
    if principal.is_staff:
        return repository.page_of_bookings(session, page, asked, organisation_id=None)
    if principal.role is Role.MEMBER:
        return repository.page_of_bookings(session, page, asked, organisation_id=principal.organisation_id)
    return Page([], None)


def history_of_booking(session: Session, principal: Principal, booking_id: str) -> Sequence[AuditEntry]:
    """The changes of a booking, oldest first.

    Raises:
        BookingUnknownError: there is none, or it is another company's.
    """
    booking = get_booking(session, principal, booking_id)
    return changes_of(session, SUBJECT, booking.id)


def require_may_book(principal: Principal) -> None:
    """Refuse who has no business with the calendar.

    Raises:
        NotYourBookingError: for recipients of reports.
    """
    if not principal.is_staff and principal.role is not Role.MEMBER:
        raise NotYourBookingError(
            "you can read reports here; ask the lab for a member's account to book", rule="members-book"
        )


def lock_own_booking(session: Session, principal: Principal, booking_id: str, version: int | None) -> Booking:
    """A booking of one's own, kept from other changes until the transaction ends.

    Raises:
        BookingUnknownError: there is none, or it is another company's.
        BookingChangedError: it is not at this version any more.
    """
    booking = _require_own(principal, booking_id, repository.lock_booking(session, booking_id))
    if version is not None and booking.version != version:
        raise BookingChangedError(
            "this booking was changed meanwhile; look at it again before you change it",
            field="If-Match",
            rule="present-version",
            version=booking.version,
        )
    return booking


def closed(booking: Booking, rule: str) -> BookingClosedError:
    """A booking that is cancelled, done or over."""
    what = "over" if booking.state in OPEN else booking.state.replace("_", " ")
    return BookingClosedError(
        f"this booking is {what}; it does not change any more",
        rule=rule,
        state=booking.state,
        end=booking.end_at.isoformat(),
    )


def _organisation_booked_for(principal: Principal, organisation_id: str | None) -> str:
    require_may_book(principal)
    wanted = organisation_id or principal.organisation_id
    if not principal.owns(wanted):
        raise NotYourBookingError(
            "you book for your own company only; leave organisation_id out", field="organisation_id", rule="own-company"
        )
    return wanted


def _require_own(principal: Principal, booking_id: str, booking: Booking | None) -> Booking:
    if booking is None or not principal.owns(booking.organisation_id):
        raise BookingUnknownError("there is no such booking", field="booking_id", rule="known-booking")
    return booking
