"""Lists of bookings: made, or moved, in one transaction.

Whoever changes several bookings takes all locks first, in the one order that holds everywhere: bookings,
organisations, devices, each by id. What is locked one after the other would let two such lists wait for each other.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from bookings.models import Booking
from bookings.notices import Notice, announce
from bookings.repository import lock_devices
from bookings.rules import MOST_DEVICES, Rules, span_facts, wall
from bookings.schemas import BookingRequest
from bookings.series import repository
from bookings.series.errors import BookingNamedTwiceError
from bookings.series.outcomes import REFUSALS, Mode, Outcome, is_decided, proposals, require_enough
from bookings.series.schemas import BulkRequest, MovesRequest, OneMove
from bookings.service import (
    CompanyOfPilot,
    book_devices,
    change_span,
    lock_own_booking,
    no_pilots,
    require_may_book,
    require_movable,
)
from bookings.waitlist.freed import note_freed
from bookings.wall_times import clear_span
from lab.core.errors import PilotLabError
from lab.core.time import Span
from lab.people.principals import Principal


def book_many(
    session: Session,
    principal: Principal,
    request: BulkRequest,
    *,
    now: datetime,
    rules: Rules,
    company_of_pilot: CompanyOfPilot = no_pilots,
) -> Sequence[Outcome]:
    """Book a list of wishes in its order; each passes the gate after what was booked for those before it.

    Args:
        session: of a write transaction, to be undone when this raises.
        principal: who books.
        request: the wishes.
        now: the present instant.
        rules: `Rules.from_settings`.
        company_of_pilot: knows whose a pilot is.

    Raises:
        NotYourBookingError: by somebody who may not book at all.
        NothingBookedError: every wish was refused.
        PilotLabError: in mode "all", what `book_devices` raises for the first wish refused.
    """
    require_may_book(principal)
    companies = {wish.organisation_id or principal.organisation_id for wish in request.bookings}
    _lock_ground(
        session,
        [company for company in companies if principal.owns(company)],
        [device for wish in request.bookings if len(wish.device_ids) <= MOST_DEVICES for device in wish.device_ids],
    )
    outcomes: list[Outcome] = []
    for number, wish in enumerate(request.bookings, start=1):
        name, facts = _of_wish(wish, rules)
        booking: Booking | None = None
        refusal: PilotLabError | None = None
        try:
            booking = book_devices(
                session,
                principal,
                wish,
                now=now,
                rules=rules,
                company_of_pilot=company_of_pilot,
                propose=proposals(outcomes),
            )
        except REFUSALS as error:
            refusal = error
        outcomes.append(Outcome(number, name, facts, booking=booking, refusal=refusal))
        if is_decided(outcomes, request.mode):
            break
    require_enough(outcomes, request.mode, list_name="bookings")
    return outcomes


def move_many(
    session: Session, principal: Principal, request: MovesRequest, *, now: datetime, rules: Rules
) -> Sequence[Booking]:
    """Give several bookings other spans, all or none, so that two can change places.

    All give up what they hold first; then each passes the gate, which knows the new places of those before it.

    Args:
        session: of a write transaction, to be undone when this raises.
        principal: who moves them.
        request: which, and where to.
        now: the present instant.
        rules: `Rules.from_settings`.

    Returns:
        The bookings, in the order of the request.

    Raises:
        BookingNamedTwiceError: one is to be in two places.
        PilotLabError: what `move_booking` raises, for the first move refused, with its `number`.
    """
    _require_each_once(request.moves)
    bookings = _lock_bookings(session, principal, request.moves, now)
    _lock_ground(
        session,
        [booking.organisation_id for booking in bookings.values()],
        [row.device_id for booking in bookings.values() for row in booking.devices],
    )
    for booking in bookings.values():
        for row in booking.devices:
            row.active = False
        for engineer in booking.engineers:
            engineer.active = False
    session.flush()
    outcomes = []
    for number, move in enumerate(request.moves, start=1):
        refusal: PilotLabError | None = None
        try:
            change_span(
                session,
                principal,
                bookings[move.booking_id],
                clear_span(move.start, move.end, zone=rules.zone),
                rules,
                now=now,
                what="moved",
                override=request.override_reason,
            )
        except REFUSALS as error:
            refusal = error
        outcomes.append(Outcome(number, move.booking_id, {"booking_id": move.booking_id}, refusal=refusal))
        if is_decided(outcomes, Mode.ALL):
            break
    require_enough(outcomes, Mode.ALL, list_name="moves")
    moved = [bookings[move.booking_id] for move in request.moves]
    for booking in moved:
        announce(session, booking, Notice.MOVED, now=now)
        note_freed(session, booking, now=now)
    return moved


def _lock_bookings(
    session: Session, principal: Principal, moves: Sequence[OneMove], now: datetime
) -> dict[str, Booking]:
    """The bookings by id, locked in that order, all of them one's own and able to move."""
    found: dict[str, Booking] = {}
    refused: list[Outcome] = []
    for number, move in sorted(enumerate(moves, start=1), key=lambda numbered: numbered[1].booking_id):
        try:
            booking = lock_own_booking(session, principal, move.booking_id, move.version)
            require_movable(booking, now)
            found[booking.id] = booking
        except REFUSALS as error:
            refused.append(Outcome(number, move.booking_id, {"booking_id": move.booking_id}, refusal=error))
    require_enough(sorted(refused, key=lambda one: one.number), Mode.ALL, list_name="moves")
    return found


def _lock_ground(session: Session, organisation_ids: Iterable[str], device_ids: Iterable[str]) -> None:
    repository.lock_organisations(session, set(organisation_ids))
    lock_devices(session, sorted(set(device_ids)))


def _require_each_once(moves: Sequence[OneMove]) -> None:
    seen: set[str] = set()
    for number, move in enumerate(moves):
        if move.booking_id in seen:
            raise BookingNamedTwiceError(
                f"{move.booking_id} is named twice; a booking moves to one place",
                field=f"moves.{number}.booking_id",
                rule="each-booking-once",
                booking_id=move.booking_id,
            )
        seen.add(move.booking_id)


def _of_wish(wish: BookingRequest, rules: Rules) -> tuple[str, dict[str, str]]:
    """How people and programs know it again, if its times are any."""
    try:
        span = Span(wish.start, wish.end)
    except REFUSALS:
        return wish.title, {}
    return f"{wish.title}, {wall(span.start, rules.zone)}", span_facts(span)
