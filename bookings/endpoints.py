"""The calendar over HTTP."""

import re
from datetime import datetime
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from bookings import service
from bookings.errors import RuleBrokenError
from bookings.models import Booking
from bookings.rules import OpeningHours
from bookings.schemas import Alternatives, BookingAnswer, BookingList, BookingRequest, Instant, MoveRequest, SpanAnswer
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.time import Span
from lab.people.endpoints import PrincipalDep

router = APIRouter(prefix="/api/v1", tags=["bookings"])

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description="ETag the decision was made on; refused with 412 if it has changed"),
]
_ENTITY_TAG = re.compile(r'"(\d{1,9})"')
_NO_VERSION = -1


def company_of_pilot(request: Request) -> service.CompanyOfPilot:
    """What `lab.app` puts on `app.state.company_of_pilot`, as a FastAPI dependency."""
    return cast(service.CompanyOfPilot, request.app.state.company_of_pilot)


PilotsDep = Annotated[service.CompanyOfPilot, Depends(company_of_pilot)]


@router.post("/bookings", status_code=201, summary="Book devices for a span, all of them or none")
def create_booking(
    request: BookingRequest,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    pilots: PilotsDep,
) -> BookingAnswer:
    """Answers 409 with three free alternatives when a device is taken."""
    hours = OpeningHours.from_settings(settings)
    booking = database.transact(
        lambda session: service.book_devices(
            session, principal, request, now=clock.now(), hours=hours, company_of_pilot=pilots
        )
    )
    response.headers["Location"] = f"/api/v1/bookings/{booking.id}"
    return _answer(booking, response)


@router.get("/bookings", summary="Bookings one may see, by start")
def list_bookings(
    principal: PrincipalDep,
    database: DatabaseDep,
    start: Annotated[Instant | None, Query(description="only bookings that overlap [start, end)")] = None,
    end: Annotated[Instant | None, Query()] = None,
) -> BookingList:
    """The staff sees all, a member those of the own company."""
    span = _span_asked_for(start, end)
    with database.read() as session:
        found = service.list_bookings(session, principal, span)
        return BookingList(bookings=[BookingAnswer.of(booking) for booking in found])


@router.get("/bookings/alternatives", summary="Free spans like a wished one, the nearest first")
def find_alternatives(
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    device_ids: Annotated[list[str], Query(alias="device_id", description="repeat it for several devices")],
    start: Annotated[Instant, Query()],
    end: Annotated[Instant, Query()],
    count: Annotated[int, Query(ge=1, le=20)] = 3,
) -> Alternatives:
    """All devices free at once, under all rules; the wish itself comes first if it is free."""
    service.require_may_book(principal)
    hours = OpeningHours.from_settings(settings)
    with database.read() as session:
        found = service.free_alternatives(
            session, device_ids, Span(start, end), now=clock.now(), hours=hours, count=count
        )
    return Alternatives(alternatives=[SpanAnswer.of(span) for span in found])


@router.get("/bookings/{booking_id}", summary="One booking")
def get_booking(booking_id: str, response: Response, principal: PrincipalDep, database: DatabaseDep) -> BookingAnswer:
    """Another company's booking does not exist: 404."""
    with database.read() as session:
        return _answer(service.get_booking(session, principal, booking_id), response)


@router.post("/bookings/{booking_id}/move", summary="Give a booking another span before it starts")
def move_booking(
    booking_id: str,
    request: MoveRequest,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    if_match: IfMatch = None,
) -> BookingAnswer:
    """All its devices move together or none does."""
    hours, span, version = OpeningHours.from_settings(settings), Span(request.start, request.end), _version(if_match)
    booking = database.transact(
        lambda session: service.move_booking(
            session, principal, booking_id, span, version=version, now=clock.now(), hours=hours
        )
    )
    return _answer(booking, response)


@router.post("/bookings/{booking_id}/cancel", summary="Give a slot back")
def cancel_booking(
    booking_id: str,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    if_match: IfMatch = None,
) -> BookingAnswer:
    """After its start a booking ends now instead, and stays in the history."""
    version = _version(if_match)
    booking = database.transact(
        lambda session: service.cancel_booking(session, principal, booking_id, version=version, now=clock.now())
    )
    return _answer(booking, response)


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
    version = _version(if_match)
    booking = database.transact(
        lambda session: service.start_use(session, booking_id, principal=principal, version=version, now=clock.now())
    )
    return _answer(booking, response)


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
    version = _version(if_match)
    booking = database.transact(
        lambda session: service.finish_use(session, principal, booking_id, version=version, now=clock.now())
    )
    return _answer(booking, response)


def _answer(booking: Booking, response: Response) -> BookingAnswer:
    response.headers["ETag"] = f'"{booking.version}"'
    return BookingAnswer.of(booking)


def _version(if_match: str | None) -> int | None:
    """The version an If-Match names; a tag that no booking ever had matches none (RFC 9110 §13.1.1)."""
    if if_match is None or if_match.strip() == "*":
        return None
    match = _ENTITY_TAG.fullmatch(if_match.strip())
    return int(match.group(1)) if match else _NO_VERSION


def _span_asked_for(start: datetime | None, end: datetime | None) -> Span | None:
    if start is not None and end is not None:
        return Span(start, end)
    if start is None and end is None:
        return None
    missing = "start" if start is None else "end"
    raise RuleBrokenError(
        "give both start and end, or neither to see all", field=missing, rule="start-and-end-together"
    )
