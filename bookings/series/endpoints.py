"""Many bookings at once over HTTP: series, lists of wishes, lists of moves."""

from fastapi import APIRouter, Response

from bookings.endpoints import PilotsDep, RulesDep
from bookings.schemas import BookingAnswer, ReasonRequest
from bookings.series import bulk, service
from bookings.series.schemas import (
    BulkAnswer,
    BulkRequest,
    MovesAnswer,
    MovesRequest,
    SeriesAnswer,
    SeriesBooked,
    SeriesCancelled,
    SeriesPreview,
    SeriesRequest,
)
from lab.core.http import ClockDep, DatabaseDep
from lab.core.idempotency import IdempotencyDep, once
from lab.people.endpoints import PrincipalDep

router = APIRouter(prefix="/api/v1", tags=["bookings"])


@router.post("/bookings/series", status_code=201, response_model=SeriesBooked, summary="Book slots that recur")
def book_series(
    request: SeriesRequest,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    pilots: PilotsDep,
    request_key: IdempotencyDep,
) -> Response:
    """Each occurrence passes the same rules as a booking of its own; a refused one comes with free alternatives."""
    return once(
        request_key,
        database,
        principal,
        clock,
        lambda session: service.book_series(
            session, principal, request, now=clock.now(), rules=rules, company_of_pilot=pilots
        ),
        answer=lambda booked: SeriesBooked.of(booked.series, booked.outcomes),
        headers=lambda booked: {"Location": f"/api/v1/bookings/series/{booked.series.id}"},
    )


@router.post("/bookings/series/preview", summary="What would become of a series, before it is sent")
def preview_series(
    request: SeriesRequest,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    pilots: PilotsDep,
) -> SeriesPreview:
    """Every occurrence that would be refused is named with what is in its way; nothing is booked, held or told."""
    return database.rehearse(
        lambda session: SeriesPreview.of(
            service.preview_series(session, principal, request, now=clock.now(), rules=rules, company_of_pilot=pilots)
        )
    )


@router.get("/bookings/series/{series_id}", summary="A series with its bookings")
def get_series(series_id: str, principal: PrincipalDep, database: DatabaseDep) -> SeriesAnswer:
    """Another company's series does not exist: 404."""
    with database.read() as session:
        return SeriesAnswer.of(*service.get_series(session, principal, series_id))


@router.post("/bookings/series/{series_id}/cancel", summary="Give back what of a series is ahead")
def cancel_series(
    series_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    request: ReasonRequest | None = None,
) -> SeriesCancelled:
    """Those that it is too late for stay, and say so."""
    reason = request.reason if request else None
    series, outcomes = database.transact(
        lambda session: service.cancel_series(
            session, principal, series_id, now=clock.now(), rules=rules, reason=reason
        )
    )
    return SeriesCancelled.of(series, outcomes)


@router.post("/bookings/bulk", status_code=201, response_model=BulkAnswer, summary="Book a list of wishes")
def book_many(
    request: BulkRequest,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    pilots: PilotsDep,
    request_key: IdempotencyDep,
) -> Response:
    """All or, in mode `possible`, those that can be; each passes the same rules as a booking of its own."""
    return once(
        request_key,
        database,
        principal,
        clock,
        lambda session: bulk.book_many(
            session, principal, request, now=clock.now(), rules=rules, company_of_pilot=pilots
        ),
        answer=BulkAnswer.of,
    )


@router.post("/bookings/moves", summary="Move several bookings, all or none")
def move_many(
    request: MovesRequest, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, rules: RulesDep
) -> MovesAnswer:
    """Two bookings can change places; the new places must not overlap each other or anything else."""
    moved = database.transact(lambda session: bulk.move_many(session, principal, request, now=clock.now(), rules=rules))
    return MovesAnswer(bookings=[BookingAnswer.of(booking) for booking in moved])
