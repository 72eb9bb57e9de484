"""The run console: which run is next, starting and stopping it, its machines live, its alarms."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from bookings.models import Booking
from bookings.service import list_bookings
from bookings.states import OPEN
from devices.repository import find_devices
from devices.service import list_devices
from devices.units import unit_symbol
from lab.core.errors import ConflictError, InvalidError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.paging import PageWish
from lab.core.time import Span
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal
from lab.pilots import service
from lab.pilots.closing import claims_at_end, claims_at_start
from lab.pilots.endpoints import DevicesDep
from lab.pilots.models import Run
from lab.pilots.notes.schemas import NoteRequest
from lab.pilots.notes.service import list_notes, write_note
from lab.pilots.plans import AnalysisPlan, ResultValue, basic_measures
from lab.pilots.schemas import RunStop
from lab.reports.gathering import messages_of_runs
from lab.reports.sealed import SealedMessages
from lab.web.clock_words import clock_words
from lab.web.device_pages import drawn_limits
from lab.web.languages import gettext as _
from lab.web.rendering import page
from lab.web.wording import one_line, plain_words, sentence
from telemetry.alarms.models import Alarm
from telemetry.alarms.service import list_alarms
from telemetry.granting import GrantDep
from telemetry.grants import Grant

router = APIRouter()

_MOST_ALARMS = 20
_MOST_NOTES = 50
_MOST_COUNTED = 60
"""Runs whose messages are counted for the page; the page of sealing counts all."""
_MARK_LETTERS = 40
_LONGEST_FINDING = 200
_ALWAYS = {"finished", "passed", "result", "operator", "material"}
"""What is asked about every part, or may be said of every run."""
_PART: Mapping[str, Mapping[str, str | bool]] = {
    "yes": {"passed": True, "result": "good"},
    "scrap": {"passed": False, "result": "scrap"},
    "rework": {"passed": False, "result": "rework"},
}
"""Whether it is good, as chosen, and as it stands in the run's record."""
_KEPT = ("operator", "material")
"""What mostly stays the same from run to run."""


@router.get("/pilots/{pilot_id}/console")
def show_console(
    request: Request, pilot_id: str, principal: PrincipalDep, grant: GrantDep, database: DatabaseDep, clock: ClockDep
) -> Response:
    """For the staff: everything that is needed beside the machine."""
    return _console(request, pilot_id, principal, grant, database, clock)


@router.post("/pilots/{pilot_id}/console/start")
def submit_start(
    request: Request,
    pilot_id: str,
    principal: PrincipalDep,
    grant: GrantDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    number: Annotated[int, Form()],
    booking_id: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """The next run begins now."""
    try:
        database.transact(
            lambda session: service.start_run(
                session,
                principal,
                pilot_id,
                number,
                booking_id,
                numbers=claims_at_start(session, pilot_id),
                now=clock.now(),
            )
        )
    except (ConflictError, InvalidError) as error:
        problem = sentence(error.message, settings.time_zone)
        return _console(request, pilot_id, principal, grant, database, clock, problem=problem)
    return RedirectResponse(f"/pilots/{pilot_id}/console", 303)


async def _findings(request: Request) -> dict[str, float | str | bool | None]:
    """What was found out about the part: the fields of the form that begin with `found_`."""
    found: dict[str, float | str | bool | None] = {}
    for name, typed in (await request.form()).items():
        if name == "found_passed" and typed in _PART:
            found.update(_PART[str(typed)])
        elif name.startswith("found_") and isinstance(typed, str) and (text := one_line(typed)):
            field = name.removeprefix("found_")[:_LONGEST_FINDING]
            found[field] = text[:_LONGEST_FINDING] if field in _KEPT else _value(text)
    return found


@router.post("/pilots/{pilot_id}/console/stop")
def submit_stop(
    request: Request,
    pilot_id: str,
    principal: PrincipalDep,
    grant: GrantDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    devices: DevicesDep,
    number: Annotated[int, Form()],
    found: Annotated[dict[str, float | str | bool | None], Depends(_findings)],
) -> Response:
    """The run ends now; the machines are asked how far their messages are numbered."""
    with database.read() as session:
        service.get_pilot(session, principal, pilot_id)
        _row, plan = service.locked_plan(session, pilot_id)
    if problem := _no_number(plan, found):
        return _console(request, pilot_id, principal, grant, database, clock, problem=problem, found=found)
    try:
        wish = RunStop(result=found)
        said = claims_at_end(database, devices, principal, pilot_id, number, {})
        database.transact(
            lambda session: service.stop_run(
                session, principal, pilot_id, number, result=wish.result, completeness=said, now=clock.now()
            )
        )
    except ValidationError:
        problem = _("Please check what you have typed.")
    except (ConflictError, InvalidError) as error:
        problem = sentence(error.message, settings.time_zone)
    else:
        return RedirectResponse(f"/pilots/{pilot_id}/console", 303)
    return _console(request, pilot_id, principal, grant, database, clock, problem=problem)


@router.post("/pilots/{pilot_id}/console/note")
def submit_note(
    request: Request,
    pilot_id: str,
    principal: PrincipalDep,
    grant: GrantDep,
    database: DatabaseDep,
    clock: ClockDep,
    text: Annotated[str, Form(max_length=5000)] = "",
    staff_only: Annotated[str, Form(max_length=5)] = "",
) -> Response:
    """Something was seen beside the machine: it is kept with the moment, and marked in the charts."""
    principal.require_staff("write notes at the machine")
    try:
        wish = NoteRequest(text=plain_words(text), staff_only=staff_only == "yes")
    except ValidationError:
        problem = _("Please write what you have seen.")
        return _console(request, pilot_id, principal, grant, database, clock, problem=problem)
    database.transact(lambda session: write_note(session, principal, pilot_id, wish, now=clock.now()))
    return RedirectResponse(f"/pilots/{pilot_id}/console#notes", 303)


@router.post("/pilots/{pilot_id}/console/exclude")
def submit_exclusion(
    request: Request,
    pilot_id: str,
    principal: PrincipalDep,
    grant: GrantDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    number: Annotated[int, Form()],
    reason: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """A run does not count; it is kept and shown with the reason."""
    said = plain_words(reason)
    if not said:
        problem = _("Please say why the run does not count.")
        return _console(request, pilot_id, principal, grant, database, clock, problem=problem)
    try:
        database.transact(
            lambda session: service.exclude_run(session, principal, pilot_id, number, reason=said, now=clock.now())
        )
    except (ConflictError, InvalidError) as error:
        problem = sentence(error.message, settings.time_zone)
        return _console(request, pilot_id, principal, grant, database, clock, problem=problem)
    return RedirectResponse(f"/pilots/{pilot_id}/console", 303)


def _value(typed: str) -> float | str | bool:
    if typed in {"yes", "no"}:
        return typed == "yes"
    try:
        number = float(typed.replace(",", "."))
    except ValueError:
        return typed[:_LONGEST_FINDING]
    return number if math.isfinite(number) else typed


def _console(
    request: Request,
    pilot_id: str,
    principal: Principal,
    grant: Grant,
    database: DatabaseDep,
    clock: ClockDep,
    *,
    problem: str = "",
    found: Mapping[str, float | str | bool | None] | None = None,
) -> Response:
    principal.require_staff("run experiments")
    now = clock.now()
    with database.read() as session:
        pilot = service.get_pilot(session, principal, pilot_id)
        _row, plan = service.locked_plan(session, pilot_id)
        runs = service.planned_runs(session, pilot_id)
        going = next((run for run in runs if run.started_at is not None and run.ended_at is None), None)
        upcoming = next((run for run in runs if run.started_at is None and run.excluded is None), None)
        booking = _booking_now(session, principal, pilot.organisation_id, pilot_id, plan, now)
        devices = list(find_devices(session, sorted(plan.devices())).values())
        notes = list_notes(session, principal, pilot_id)[:_MOST_NOTES]
        return page(
            request,
            "console.html",
            title=_("Runs: %(title)s", title=pilot.title),
            principal=principal,
            status=422 if problem else 200,
            here=f"/pilots/{pilot_id}/console",
            pilot=pilot,
            plan=plan,
            arms={arm.name: arm for arm in plan.arms},
            runs=runs,
            going=going,
            upcoming=upcoming,
            finished=sum(run.ended_at is not None for run in runs),
            states={run.id: _state(run, upcoming) for run in runs},
            booking=booking,
            devices=devices,
            limits={device.id: drawn_limits(session, principal, device.id) for device in devices},
            clocks={device.id: clock_words(session, device.id) for device in devices},
            asked=_asked(plan),
            typed=found or {},
            kept=_kept(runs),
            notes=[(note, run_at(runs, note.written_at)) for note in notes],
            marks=[[note.written_at.timestamp(), note.text[:_MARK_LETTERS]] for note in notes],
            made=_made(session, runs) if "HX-Request" not in request.headers else [],
            alarms=_alarms(session, principal, grant, {device.id for device in devices}),
            device_names={device.id: device.name for device in list_devices(session)},
            problem=problem,
        )


def _made(session: Session, runs: Sequence[Run]) -> list[tuple[Run, list[SealedMessages]]]:
    """The runs that were made or left out, the newest first; the last ones with what came of their messages."""
    past = [run for run in runs if run.ended_at is not None or run.excluded is not None]
    past.sort(key=lambda run: (run.executed_order or 0, run.number), reverse=True)
    messages = {run.id: parts for run, parts in messages_of_runs(session, past[:_MOST_COUNTED])}
    return [(run, messages.get(run.id, [])) for run in past]


def run_at(runs: Sequence[Run], instant: datetime) -> Run | None:
    """The run that was going at an instant: what was noted then belongs to its record."""
    for run in runs:
        if (
            run.started_at is not None
            and run.started_at <= instant
            and (run.ended_at is None or instant < run.ended_at)
        ):
            return run
    return None


def _state(run: Run, upcoming: Run | None) -> str:
    if run.excluded is not None:
        return "excluded"
    if run.ended_at is not None:
        return "done"
    if run.started_at is not None:
        return "going"
    return "next" if upcoming is run else "later"


def _booking_now(
    session: Session, principal: Principal, organisation_id: str, pilot_id: str, plan: AnalysisPlan, now: datetime
) -> Booking | None:
    """The booking of the pilot's company that holds the plan's machines now."""
    for booking in list_bookings(session, principal, Span(now, now + timedelta(seconds=1))):
        fits = booking.organisation_id == organisation_id and booking.pilot_id in {None, pilot_id}
        held = {row.device_id for row in booking.devices}
        if fits and booking.state in OPEN and plan.devices() <= held:
            return booking
    return None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a person says of a part at the end of a run."""

    label: str
    yes_or_no: bool
    """Else a number."""


def _asked(plan: AnalysisPlan) -> dict[str, _Asked]:
    """By field what is asked beside whether the part is finished and good."""
    return {
        measure.field: _Asked(
            f"{kpi.label} ({unit_symbol(kpi.unit)})" if unit_symbol(kpi.unit) else kpi.label, kpi.kind == "proportion"
        )
        for kpi in plan.kpis
        for measure in basic_measures(kpi.measure)
        if isinstance(measure, ResultValue) and measure.field not in _ALWAYS
    }


def _no_number(plan: AnalysisPlan, found: Mapping[str, float | str | bool | None]) -> str | None:
    """What was to be a number and is none, in a sentence; a KPI would have to do without it."""
    for field, asked in _asked(plan).items():
        if not asked.yes_or_no and isinstance(found.get(field), (str, bool)):
            return _("“%(label)s” is a number such as 1.4; %(typed)s is none.", label=asked.label, typed=found[field])
    return None


def _kept(runs: Sequence[Run]) -> dict[str, str]:
    """Who worked the machine and on what, as said of the last run that was made."""
    made = [run for run in runs if run.ended_at is not None]
    last = max(made, key=lambda run: run.executed_order or 0).result if made else {}
    return {name: str(last.get(name) or "") for name in _KEPT}


def _alarms(session: Session, principal: Principal, grant: Grant, device_ids: set[str]) -> list[Alarm]:
    found = list_alarms(session, principal, grant, PageWish(_MOST_ALARMS), only_open=True).rows
    return [alarm for alarm in found if alarm.device_id in device_ids]
