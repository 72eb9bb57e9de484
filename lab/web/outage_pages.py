"""Outages: what is or will be out of service, which bookings that hits, and taking something out or back in."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from bookings.endpoints import RulesDep
from bookings.outages import declaring, service
from bookings.outages.rules import OutageKind
from bookings.outages.schemas import EndRequest, OutageRequest, WithdrawRequest
from devices.service import list_devices
from lab.core.errors import ConflictError, ForbiddenError, InvalidError, StaleError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.paging import PageWish
from lab.core.time import Span
from lab.people.endpoints import PrincipalDep
from lab.web.booking_pages import names
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.rendering import page
from lab.web.wording import plain_words, read_field_time, sentence

router = APIRouter(prefix="/manage/outages")

_AHEAD = timedelta(days=90)
_MOST = 200
_DONE = {
    "declared": N_("It is out of service. Whoever had booked it is told."),
    "ended": N_("It is back in service."),
    "withdrawn": N_("The outage is withdrawn."),
    "late": N_("Somebody was faster; this is how it stands now."),
}
WHOLE_LAB = "*"
"""In place of a machine; no machine is called so, and an empty field takes nothing out of service."""
Line = Annotated[str, Form(max_length=500)]


@router.get("")
def show_outages(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    done: str = "",
) -> Response:
    """What is out of service now and in the coming three months."""
    return _page(request, principal, database, clock, settings, done=done)


@router.post("")
def submit_outage(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    rules: RulesDep,
    device_id: Line = "",
    kind: Line = OutageKind.PLANNED,
    start: Line = "",
    end: Line = "",
    reason: Line = "",
    look: Line = "",
) -> Response:
    """Look at what an outage would hit, or declare it."""
    principal.require_staff("take machines out of service")
    zone, now = settings.time_zone, clock.now()
    typed = {"device_id": device_id, "kind": kind, "start": start, "end": end, "reason": reason}
    try:
        if not device_id:
            raise ValueError("a machine, or the whole lab in so many words")
        wish = OutageRequest(
            device_id=None if device_id == WHOLE_LAB else device_id,
            kind=OutageKind(kind),
            start=read_field_time(start, zone, field="start") if start else now,
            end=read_field_time(end, zone, field="end") if end else None,
            rrule=None,
            reason=plain_words(reason),
        )
        if look:
            with database.read() as session:
                seen = declaring.preview_outage(session, principal, wish, now=now, defaults=rules)
            return _page(request, principal, database, clock, settings, typed=typed, seen=seen)
        database.transact(
            lambda session: declaring.declare_outage(session, principal, wish, now=clock.now(), defaults=rules)
        )
    except (ValidationError, ValueError):
        problem = _("Please say what is out of service, from when on, and why.")
    except (InvalidError, ConflictError, ForbiddenError) as error:
        problem = sentence(error.message, zone)
    else:
        return RedirectResponse("/manage/outages?done=declared", 303)
    return _page(request, principal, database, clock, settings, typed=typed, problem=problem)


@router.post("/{outage_id}/end")
def submit_end(outage_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> Response:
    """Back in service now."""
    try:
        database.transact(
            lambda session: service.end_outage(
                session, principal, outage_id, EndRequest(), version=None, now=clock.now()
            )
        )
    except (ConflictError, StaleError, InvalidError):
        return RedirectResponse("/manage/outages?done=late", 303)
    return RedirectResponse("/manage/outages?done=ended", 303)


@router.post("/{outage_id}/withdraw")
def submit_withdrawal(outage_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> Response:
    """It was a mistake, or will not happen."""
    try:
        database.transact(
            lambda session: service.withdraw_outage(
                session, principal, outage_id, WithdrawRequest(), version=None, now=clock.now()
            )
        )
    except (ConflictError, StaleError, InvalidError):
        return RedirectResponse("/manage/outages?done=late", 303)
    return RedirectResponse("/manage/outages?done=withdrawn", 303)


def _page(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    *,
    done: str = "",
    typed: dict[str, str] | None = None,
    seen: declaring.Declared | None = None,
    problem: str = "",
) -> Response:
    principal.require_staff("take machines out of service")
    now = clock.now()
    with database.read() as session:
        found, spans = service.list_outages(
            session, principal, Span(now, now + _AHEAD), PageWish(_MOST), zone=settings.time_zone
        )
        return page(
            request,
            "outages.html",
            title=_("Outages"),
            principal=principal,
            status=422 if problem else 200,
            here="/manage/outages",
            outages=[outage for outage in found.rows if spans[outage.id]],
            spans=spans,
            devices=list_devices(session),
            whole_lab=WHOLE_LAB,
            typed=typed or {"device_id": "", "kind": "planned", "start": "", "end": "", "reason": ""},
            seen=seen,
            problem=problem,
            done=_(_DONE[done]) if done in _DONE else "",
            **names(session, principal),
        )
