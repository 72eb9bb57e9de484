"""The life of a booking over HTTP: approve, decline, cancel, reinstate, start, extend, finish."""

from fastapi import APIRouter, Response

from bookings import life
from bookings.endpoints import RulesDep, booking_answer
from bookings.schemas import BookingAnswer, ExtendRequest, OverrideRequest, ReasonRequest
from bookings.wall_times import require_clear_time
from lab.core.etags import IfMatch, version_of
from lab.core.http import ClockDep, DatabaseDep
from lab.people.endpoints import PrincipalDep

router = APIRouter(prefix="/api/v1", tags=["bookings"])


@router.post("/bookings/{booking_id}/approve", summary="Staff: confirm a request")
def approve_booking(
    booking_id: str,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    if_match: IfMatch = None,
) -> BookingAnswer:
    """It holds its slot already; after it has lapsed, reinstate it instead."""
    version = version_of(if_match)
    booking = database.transact(
        lambda session: life.approve_booking(session, principal, booking_id, version=version, now=clock.now())
    )
    return booking_answer(booking, response)


@router.post("/bookings/{booking_id}/decline", summary="Staff: refuse a request")
def decline_booking(
    booking_id: str,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    request: ReasonRequest | None = None,
    if_match: IfMatch = None,
) -> BookingAnswer:
    """Its slot is free again."""
    version, reason = version_of(if_match), request.reason if request else None
    booking = database.transact(
        lambda session: life.decline_booking(
            session, principal, booking_id, version=version, now=clock.now(), reason=reason
        )
    )
    return booking_answer(booking, response)


@router.post("/bookings/{booking_id}/reinstate", summary="Staff: give a cancelled or lapsed booking its slot back")
def reinstate_booking(
    booking_id: str,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    request: OverrideRequest | None = None,
    if_match: IfMatch = None,
) -> BookingAnswer:
    """If the slot is still free, under all rules."""
    version, override = version_of(if_match), request.override_reason if request else None
    booking = database.transact(
        lambda session: life.reinstate_booking(
            session, principal, booking_id, version=version, now=clock.now(), rules=rules, override=override
        )
    )
    return booking_answer(booking, response)


@router.post("/bookings/{booking_id}/cancel", summary="Give a slot back")
def cancel_booking(
    booking_id: str,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    request: ReasonRequest | None = None,
    if_match: IfMatch = None,
) -> BookingAnswer:
    """After its start a booking ends now instead, and stays in the history."""
    version, reason = version_of(if_match), request.reason if request else None
    booking = database.transact(
        lambda session: life.cancel_booking(
            session, principal, booking_id, version=version, now=clock.now(), rules=rules, reason=reason
        )
    )
    return booking_answer(booking, response)


@router.post("/bookings/{booking_id}/start", summary="Check in: the machines are in use")
def start_use(
    booking_id: str,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    if_match: IfMatch = None,
) -> BookingAnswer:
    """Within the slot; saying it again changes nothing."""
    version = version_of(if_match)
    booking = database.transact(
        lambda session: life.start_use(session, booking_id, principal=principal, version=version, now=clock.now())
    )
    return booking_answer(booking, response)


@router.post("/bookings/{booking_id}/extend", summary="Give a booking another end that is still ahead")
def extend_booking(
    booking_id: str,
    request: ExtendRequest,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    if_match: IfMatch = None,
) -> BookingAnswer:
    """Later, also while it runs, if everything is free until then; earlier, and the rest is free."""
    require_clear_time(request.end, zone=rules.zone, field="end")
    version = version_of(if_match)
    booking = database.transact(
        lambda session: life.extend_booking(
            session,
            principal,
            booking_id,
            request.end,
            version=version,
            now=clock.now(),
            rules=rules,
            override=request.override_reason,
        )
    )
    return booking_answer(booking, response)


@router.post("/bookings/{booking_id}/finish", summary="Done: what is left of the slot is free")
def finish_use(
    booking_id: str,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    if_match: IfMatch = None,
) -> BookingAnswer:
    """After the start; saying it again changes nothing."""
    version = version_of(if_match)
    booking = database.transact(
        lambda session: life.finish_use(session, principal, booking_id, version=version, now=clock.now())
    )
    return booking_answer(booking, response)


@router.post("/bookings/{booking_id}/no-show", summary="Staff: nobody came; what is left of the slot is free")
def mark_no_show(
    booking_id: str,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    if_match: IfMatch = None,
) -> BookingAnswer:
    """After the start, of a booking that is not in use."""
    version = version_of(if_match)
    booking = database.transact(
        lambda session: life.mark_no_show(session, principal, booking_id, version=version, now=clock.now())
    )
    return booking_answer(booking, response)
