"""Outages over HTTP."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from bookings.outages import declaring, service
from bookings.outages.errors import OutageInvalidError
from bookings.outages.models import Outage
from bookings.outages.schemas import (
    DeclaredAnswer,
    EndRequest,
    HitAnswer,
    ListedOutage,
    OutageAnswer,
    OutageList,
    OutageRequest,
    WithdrawRequest,
)
from bookings.rules import Rules
from bookings.schemas import DeviceId, Instant
from lab.core.etags import IfMatch, entity_tag, version_of
from lab.core.http import ClockDep, DatabaseDep, PageDep, SettingsDep, say_next
from lab.core.idempotency import IdempotencyDep, once
from lab.core.time import Span
from lab.people.endpoints import PrincipalDep

router = APIRouter(prefix="/api/v1", tags=["outages"])

_USUAL_WINDOW = timedelta(days=60)
_LONGEST_WINDOW = timedelta(days=366)


@router.post(
    "/outages",
    status_code=201,
    response_model=DeclaredAnswer,
    responses={200: {"model": DeclaredAnswer, "description": "A dry run: what it would hit"}},
    summary="Take a device, or the whole lab, out of service",
)
def declare_outage(
    request: OutageRequest,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    request_key: IdempotencyDep,
    dry_run: Annotated[bool, Query(description="only tell what it would hit")] = False,
) -> Response:
    """For the staff; the whole lab for managers. Tells which bookings it hits; their owners are told too."""
    defaults, now = Rules.from_settings(settings), clock.now()
    if dry_run:
        with database.read() as session:
            seen = declaring.preview_outage(session, principal, request, now=now, defaults=defaults)
        return Response(_declared(seen).model_dump_json(), media_type="application/json")
    return once(
        request_key,
        database,
        principal,
        clock,
        lambda session: declaring.declare_outage(session, principal, request, now=clock.now(), defaults=defaults),
        answer=_declared,
        headers=lambda declared: {
            "Location": f"/api/v1/outages/{declared.facts.id}",
            "ETag": entity_tag(1),
        },
    )


@router.get("/outages", summary="Outages within a window, and when they are")
def list_outages(
    request: Request,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    page: PageDep,
    start: Annotated[Instant | None, Query(description="of the window; default: the next 60 days")] = None,
    end: Annotated[Instant | None, Query()] = None,
    device_id: Annotated[DeviceId | None, Query(description="of this device and of the whole lab")] = None,
) -> OutageList:
    """For the staff and for members, who are not told who declared them. Withdrawn ones are left out."""
    window = _window(start, end, clock.now())
    with database.read() as session:
        found, spans = service.list_outages(
            session, principal, window, page, zone=settings.time_zone, device_id=device_id
        )
        outages = [
            ListedOutage.within(outage, spans[outage.id], staff=principal.is_staff)
            for outage in found.rows
            if spans[outage.id]
        ]
    return OutageList(outages=outages, next=say_next(request, response, found))


@router.get("/outages/{outage_id}", summary="One outage")
def get_outage(outage_id: str, response: Response, principal: PrincipalDep, database: DatabaseDep) -> OutageAnswer:
    """For the staff and for members; a withdrawn one for the staff only."""
    with database.read() as session:
        return _answer(service.get_outage(session, principal, outage_id), response, staff=principal.is_staff)


@router.post("/outages/{outage_id}/end", summary="Back in service")
def end_outage(
    outage_id: str,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    request: EndRequest | None = None,
    if_match: IfMatch = None,
) -> OutageAnswer:
    """Now, or at an instant that is earlier than the end known so far; a recurring one does not come again."""
    version = version_of(if_match)
    outage = database.transact(
        lambda session: service.end_outage(
            session, principal, outage_id, request or EndRequest(), version=version, now=clock.now()
        )
    )
    return _answer(outage, response)


@router.post("/outages/{outage_id}/withdraw", summary="It was a mistake, or will not happen")
def withdraw_outage(
    outage_id: str,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    request: WithdrawRequest | None = None,
    if_match: IfMatch = None,
) -> OutageAnswer:
    """It counts nowhere any more, not even in the figures of the past."""
    version = version_of(if_match)
    outage = database.transact(
        lambda session: service.withdraw_outage(
            session, principal, outage_id, request or WithdrawRequest(), version=version, now=clock.now()
        )
    )
    return _answer(outage, response)


def _declared(declared: declaring.Declared) -> DeclaredAnswer:
    hits = [HitAnswer.of(one.booking, one.hit.device_ids, one.hit.spans, one.alternatives) for one in declared.hits]
    return DeclaredAnswer.of(declared.outage, declared.facts, hits)


def _answer(outage: Outage, response: Response, *, staff: bool = True) -> OutageAnswer:
    response.headers["ETag"] = entity_tag(outage.version)
    return OutageAnswer.of(outage, staff=staff)


def _window(start: datetime | None, end: datetime | None, now: datetime) -> Span:
    if start is None and end is None:
        return Span(now, now + _USUAL_WINDOW)
    if start is None or end is None:
        raise OutageInvalidError(
            "give both start and end, or neither to see the next 60 days",
            field="start" if start is None else "end",
            rule="start-and-end-together",
        )
    window = Span(start, end)
    if window.length > _LONGEST_WINDOW:
        raise OutageInvalidError(
            f"outages are listed for {_LONGEST_WINDOW.days} days at once at most; ask for less, then for the rest",
            field="end",
            rule="longest-window",
            limit=_LONGEST_WINDOW.days,
        )
    return window
