"""Sealing a pilot's data: what is still in the way, how far it is, and what came afterwards."""

from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from devices.service import list_devices
from lab.core.errors import ConflictError, InvalidError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal
from lab.pilots.errors import PlanMissingError
from lab.pilots.models import Pilot
from lab.pilots.service import get_pilot, locked_plan, planned_runs
from lab.reports import repository
from lab.reports.gathering import bookings_of_runs, incomplete_messages, unfinished_runs
from lab.reports.progress import progress_of_pilot, try_again
from lab.reports.service import ask_to_seal, list_reports
from lab.web.job_words import what_to_do, why_given_up
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.rendering import page
from lab.web.wording import sentence

router = APIRouter(prefix="/pilots/{pilot_id}")

_MOST_GAPS = 12
_DONE = {
    "asked": ("good", N_("It is asked for. You can close this page; it goes on by itself.")),
    "again": ("good", N_("It is tried again.")),
    "late": ("warn", N_("Somebody was faster; this is how it stands now.")),
}


@router.get("/seal")
def show_sealing(
    request: Request,
    pilot_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    done: str = "",
) -> Response:
    """For the staff what is in the way and the button; for the company how it stands."""
    return _page(request, pilot_id, principal, database, clock, settings, done=done)


@router.post("/seal")
def submit_sealing(
    request: Request,
    pilot_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
) -> Response:
    """Have the data sealed and the report made; pressed twice it is the same job."""
    settling = timedelta(minutes=settings.seal_settling_minutes)
    try:
        database.transact(lambda session: ask_to_seal(session, principal, pilot_id, now=clock.now(), settling=settling))
    except (ConflictError, InvalidError) as error:
        problem = sentence(error.message, settings.time_zone)
        return _page(request, pilot_id, principal, database, clock, settings, problem=problem)
    return RedirectResponse(f"/pilots/{pilot_id}/seal?done=asked", 303)


@router.post("/seal/again")
def submit_trying_again(
    pilot_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> RedirectResponse:
    """What was given up is tried again, after somebody has mended the cause."""
    principal.require_staff("have reports tried again")

    def again(session: Session) -> bool:
        get_pilot(session, principal, pilot_id)
        return try_again(session, principal, pilot_id, now=clock.now())

    tried = database.transact(again)
    return RedirectResponse(f"/pilots/{pilot_id}/seal" + ("?done=again" if tried else ""), 303)


def _page(
    request: Request,
    pilot_id: str,
    principal: Principal,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    *,
    done: str = "",
    problem: str = "",
) -> Response:
    now = clock.now()
    tone, told = _DONE.get(done, ("good", ""))
    with database.read() as session:
        pilot = get_pilot(session, principal, pilot_id)
        progress = progress_of_pilot(session, pilot.id, now=now)
        reports = list_reports(session, principal, pilot.id)
        waits = principal.is_staff and progress.state in {"open", "waiting"}
        return page(
            request,
            "seal.html",
            title=_("Sealed data") if progress.data_set else _("Seal the data"),
            principal=principal,
            status=422 if problem else 200,
            here=f"/pilots/{pilot.id}/seal",
            pilot=pilot,
            progress=progress,
            why=why_given_up(progress.job, settings.time_zone),
            to_do=what_to_do(progress.job),
            outlook=_outlook(session, pilot, timedelta(minutes=settings.seal_settling_minutes), now) if waits else None,
            data_sets=repository.data_sets(session, pilot.id),
            reports={data_set: [one for one in reports if one.data_set_id == data_set] for data_set in _sets(reports)},
            done=_(told) if told and (progress.under_way or tone == "warn") else "",
            tone=tone,
            problem=problem,
        )


def _sets(reports: list[Any]) -> set[str]:
    return {report.data_set_id for report in reports}


def _outlook(session: Session, pilot: Pilot, settling: timedelta, now: datetime) -> dict[str, Any]:
    """What is still in the way, and what the report would have to do without."""
    try:
        locked_plan(session, pilot.id)
        locked = True
    except PlanMissingError:
        locked = False
    runs = planned_runs(session, pilot.id)
    ends = repository.last_end(session, bookings_of_runs(runs))
    made = any(run.ended_at for run in runs)
    unfinished = unfinished_runs(runs)
    gaps = incomplete_messages(session, runs)
    names = {device.id: device.name for device in list_devices(session)}
    return {
        "locked": locked,
        "unfinished": unfinished,
        "made": made,
        "ready": locked and made and not unfinished,
        "ends": ends,
        "due": None if ends is None or ends + settling <= now else ends + settling,
        "settling": round(settling.total_seconds() / 60),
        "gaps": [(run.number, names.get(one.device, one.device), one) for run, one in gaps[:_MOST_GAPS]],
        "more_gaps": max(0, len(gaps) - _MOST_GAPS),
    }
