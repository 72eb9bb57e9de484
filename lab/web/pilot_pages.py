"""Pilots: the list, and one pilot with its plan, runs and reports."""

from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from bookings.models import Booking
from bookings.service import list_bookings
from lab.core.http import ClockDep, DatabaseDep
from lab.people import repository as people
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal
from lab.pilots.documents.service import list_documents
from lab.pilots.drafts import awaits_engineer
from lab.pilots.errors import PlanMissingError
from lab.pilots.maturity.service import assessments
from lab.pilots.models import Plan, Run
from lab.pilots.plans import AmendedPlan, AnalysisPlan, read_plan
from lab.pilots.service import get_pilot, get_plan, list_pilots, plan_versions, planned_runs
from lab.reports.afterwards.service import follow_ups, get_acceptance
from lab.reports.progress import progress_of_pilot
from lab.reports.service import list_reports
from lab.web.afterwards_pages import STAGES
from lab.web.booking_pages import names
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.pilot_steps import pilot_steps
from lab.web.plan_pages import seen_plan
from lab.web.plan_words import design_text
from lab.web.rendering import page
from lab.web.report_pages import standing_report, standing_reports

router = APIRouter()

_DONE = {
    "written": ("good", N_("The plan is saved. Look it through; it is locked before the first run.")),
    "amended": ("good", N_("The new version holds. The company gets a mail.")),
    "locked": ("good", N_("The plan is locked and its runs are laid out. The company gets its fingerprint by mail.")),
    "changed": ("warn", N_("Nothing is locked: the plan was changed meanwhile. This is how it stands now.")),
}


@dataclass(frozen=True, slots=True)
class _Version:
    """A version of the plan, for the page."""

    version: int
    locked_at: datetime | None
    by: str
    reason: str
    """Why it replaced the one before; empty of the first."""
    sha256: str


@router.get("/pilots")
def show_pilots(request: Request, principal: PrincipalDep, database: DatabaseDep) -> Response:
    """All pilots one may see, with their state and the verdict of the report that stands."""
    with database.read() as session:
        return page(
            request,
            "pilots.html",
            title=_("Pilots"),
            principal=principal,
            pilots=list_pilots(session, principal),
            reports=standing_reports(session, principal),
            **names(session, principal),
        )


@router.get("/pilots/{pilot_id}")
def show_pilot(
    request: Request,
    pilot_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    done: str = "",
) -> Response:
    """One pilot: the question, the plan as it is locked, the runs, the reports."""
    with database.read() as session:
        pilot = get_pilot(session, principal, pilot_id)
        row, plan = _plan(session, principal, pilot_id)
        runs = planned_runs(session, pilot_id)
        bookings = _bookings_of(session, principal, pilot_id)
        reports = list_reports(session, principal, pilot_id)
        sketched = row is not None and awaits_engineer(session, row)
        tone, said = _DONE.get(done, ("", ""))
        locked_by = people.account(session, row.locked_by) if row is not None and row.locked_by else None
        return page(
            request,
            "pilot.html",
            title=f"{pilot.number} {pilot.title}",
            principal=principal,
            pilot=pilot,
            row=row,
            plan=plan,
            sketched=sketched,
            seen=seen_plan(row),
            may_lock=row is not None and row.locked_at is None and (principal.is_staff or not sketched),
            done=_(said) if said else "",
            tone=tone,
            tried=design_text(plan, with_seed=principal.is_staff) if plan else "",
            locked_by=locked_by.name if locked_by else "",
            versions=_versions(session, principal, pilot_id),
            arm_labels={arm.name: arm.label for arm in plan.arms} if plan else {},
            runs=runs,
            finished=sum(run.ended_at is not None for run in runs),
            run_states={run.id: _run_state(run) for run in runs},
            bookings=bookings,
            reports=reports,
            answer=standing_report(reports),
            steps=pilot_steps(
                pilot,
                row,
                runs,
                bookings,
                reports,
                machines=sorted(plan.devices()) if plan else (),
                for_staff=principal.is_staff,
                progress=progress_of_pilot(session, pilot_id, now=clock.now()),
                acceptance=get_acceptance(session, principal, reports[0].id) if reports else None,
                follow_ups=follow_ups(session, principal, pilot_id),
            ),
            missing_maturity=[
                _(STAGES[stage]) for stage in assessments(session, principal, pilot_id, now=clock.now())[1]
            ],
            documents=sum(row.removed_at is None for row in list_documents(session, principal, pilot_id)),
            **names(session, principal),
        )


def _plan(session: Session, principal: Principal, pilot_id: str) -> tuple[Plan | None, AnalysisPlan | None]:
    try:
        row = get_plan(session, principal, pilot_id)
    except PlanMissingError:
        return None, None
    return row, read_plan(row.document)


def _versions(session: Session, principal: Principal, pilot_id: str) -> list[_Version]:
    """Every version of a plan that was changed after its lock, the newest first; else none."""
    rows = plan_versions(session, principal, pilot_id)
    return [_version(session, row) for row in reversed(rows)] if len(rows) > 1 else []


def _version(session: Session, row: Plan) -> _Version:
    plan, by = read_plan(row.document), people.account(session, row.locked_by or "")
    reason = plan.amends.reason if isinstance(plan, AmendedPlan) else ""
    return _Version(row.version, row.locked_at, by.name if by else row.locked_by or "", reason, row.sha256 or "")


def _bookings_of(session: Session, principal: Principal, pilot_id: str) -> list[Booking]:
    return [booking for booking in list_bookings(session, principal) if booking.pilot_id == pilot_id]


def _run_state(run: Run) -> tuple[str, str]:
    if run.excluded is not None:
        return "cancelled", _("left out")
    if run.ended_at is not None:
        return "done", _("finished")
    if run.started_at is not None:
        return "running", _("running")
    return "planned", _("to do")
