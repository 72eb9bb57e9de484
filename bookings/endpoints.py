"""The calendar over HTTP: book, move, look."""

from datetime import datetime
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Query, Request, Response

from bookings import service
from bookings.calendar import CALENDAR_SCHEMA, calendar_of
from bookings.errors import RuleBrokenError
from bookings.models import Booking
from bookings.rules import Rules
from bookings.schemas import (
    Alternatives,
    BookingAnswer,
    BookingHistory,
    BookingList,
    BookingRequest,
    ChangeAnswer,
    DeviceId,
    Instant,
    MoveRequest,
    SpanAnswer,
)
from bookings.states import BookingState
from bookings.wall_times import clear_span
from lab.core.etags import IfMatch, entity_tag, version_of
from lab.core.http import ClockDep, DatabaseDep, PageDep, SettingsDep, say_next
from lab.core.idempotency import IdempotencyDep, once
from lab.core.time import Span
from lab.people.endpoints import PrincipalDep

router = APIRouter(prefix="/api/v1", tags=["bookings"])


async def company_of_pilot(request: Request) -> service.CompanyOfPilot:
    """What `lab.app` puts on `app.state.company_of_pilot`, as a FastAPI dependency."""
    return cast(service.CompanyOfPilot, request.app.state.company_of_pilot)


async def lab_rules(settings: SettingsDep) -> Rules:
    """What holds where no manager has set anything."""
    return Rules.from_settings(settings)


PilotsDep = Annotated[service.CompanyOfPilot, Depends(company_of_pilot)]
RulesDep = Annotated[Rules, Depends(lab_rules)]


@router.post(
    "/bookings", status_code=201, response_model=BookingAnswer, summary="Book devices for a span, all of them or none"
)
def create_booking(
    request: BookingRequest,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    pilots: PilotsDep,
    request_key: IdempotencyDep,
) -> Response:
    """Answers 409 with three free alternatives when a device is taken; a company's booking may be a request first."""
    return once(
        request_key,
        database,
        principal,
        clock,
        lambda session: service.book_devices(
            session, principal, request, now=clock.now(), rules=rules, company_of_pilot=pilots
        ),
        answer=BookingAnswer.of,
        headers=booking_headers,
    )


@router.get("/bookings", summary="Bookings one may see, by start")
def list_bookings(
    request: Request,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    page: PageDep,
    start: Annotated[Instant | None, Query(description="only bookings that overlap [start, end)")] = None,
    end: Annotated[Instant | None, Query()] = None,
    state: Annotated[
        list[BookingState] | None, Query(description="only in these states; repeat it for several")
    ] = None,
    device_id: Annotated[str | None, Query(description="only those that hold this device")] = None,
    pilot_id: Annotated[str | None, Query()] = None,
    series_id: Annotated[str | None, Query()] = None,
) -> BookingList:
    """The staff sees all, a member those of the own company; page by page."""
    asked = service.Asked(span_asked_for(start, end), tuple(state or ()), device_id, pilot_id, series_id)
    with database.read() as session:
        found = service.page_of_bookings(session, principal, asked, page)
        return BookingList(
            bookings=[BookingAnswer.of(booking) for booking in found.rows], next=say_next(request, response, found)
        )


@router.get(
    "/calendar",
    summary="A window of the calendar: bookings, outages, opening hours",
    response_class=Response,
    responses={200: {"content": {"application/json": {"schema": CALENDAR_SCHEMA}}}},
)
def get_calendar(
    principal: PrincipalDep,
    database: DatabaseDep,
    rules: RulesDep,
    start: Annotated[Instant, Query(description="the window is [start, end), 100 days at most")],
    end: Annotated[Instant, Query()],
    device_id: Annotated[list[DeviceId] | None, Query(description="only these; repeat it for several")] = None,
) -> Response:
    """The staff sees every booking, a member the own company's in full and of others when a device is taken."""
    service.require_may_book(principal)
    with database.read() as session:
        found = calendar_of(session, principal, Span(start, end), device_ids=device_id, rules=rules)
    return Response(found, media_type="application/json")


@router.get("/bookings/alternatives", summary="Free spans like a wished one, the nearest first")
def find_alternatives(
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    device_ids: Annotated[list[str], Query(alias="device_id", description="repeat it for several devices")],
    start: Annotated[Instant, Query()],
    end: Annotated[Instant, Query()],
    count: Annotated[int, Query(ge=1, le=20)] = 3,
    supervised: Annotated[bool, Query(description="whether an engineer must be free as well")] = False,
) -> Alternatives:
    """All devices free at once, under all rules of time; the wish itself comes first if it is free."""
    service.require_may_book(principal)
    span = clear_span(start, end, zone=rules.zone)
    with database.read() as session:
        found = service.free_alternatives(
            session, device_ids, span, now=clock.now(), rules=rules, count=count, supervised=supervised
        )
    return Alternatives(alternatives=[SpanAnswer.of(span) for span in found])


@router.get("/bookings/{booking_id}", summary="One booking")
def get_booking(booking_id: str, response: Response, principal: PrincipalDep, database: DatabaseDep) -> BookingAnswer:
    """Another company's booking does not exist: 404."""
    with database.read() as session:
        return booking_answer(service.get_booking(session, principal, booking_id), response)


@router.get("/bookings/{booking_id}/history", summary="Who changed a booking, when, from what to what, and why")
def get_history(booking_id: str, principal: PrincipalDep, database: DatabaseDep) -> BookingHistory:
    """Oldest first."""
    with database.read() as session:
        found = service.history_of_booking(session, principal, booking_id)
        return BookingHistory(changes=[ChangeAnswer.of(entry) for entry in found])


@router.post("/bookings/{booking_id}/move", summary="Give a booking another span before it starts")
def move_booking(
    booking_id: str,
    request: MoveRequest,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    if_match: IfMatch = None,
) -> BookingAnswer:
    """All its devices move together or none does."""
    span, version = clear_span(request.start, request.end, zone=rules.zone), version_of(if_match)
    booking = database.transact(
        lambda session: service.move_booking(
            session,
            principal,
            booking_id,
            span,
            version=version,
            now=clock.now(),
            rules=rules,
            override=request.override_reason,
        )
    )
    return booking_answer(booking, response)


def booking_headers(booking: Booking) -> dict[str, str]:
    """Where a new booking is, and its version."""
    return {"Location": f"/api/v1/bookings/{booking.id}", "ETag": entity_tag(booking.version)}


def booking_answer(booking: Booking, response: Response) -> BookingAnswer:
    """A booking with its ETag."""
    response.headers["ETag"] = entity_tag(booking.version)
    return BookingAnswer.of(booking)


def span_asked_for(start: datetime | None, end: datetime | None) -> Span | None:
    """The window of a list, if there is one.

    Raises:
        RuleBrokenError: only one of its ends is given.
    """
    if start is not None and end is not None:
        return Span(start, end)
    if start is None and end is None:
        return None
    missing = "start" if start is None else "end"
    raise RuleBrokenError(
        "give both start and end, or neither to see all", field=missing, rule="start-and-end-together"
    )
