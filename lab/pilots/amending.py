"""A locked plan is corrected by a new version that names the one before; the version before stays as it was locked."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from lab.core.audit import note_change
from lab.core.ids import new_id
from lab.core.jobs import enqueue
from lab.people.principals import Principal
from lab.pilots import repository
from lab.pilots.errors import LayoutFixedError, PlanFormError, ReasonMissingError, RunStateError
from lab.pilots.models import Plan
from lab.pilots.plans import AmendedPlan, AnalysisPlan, plan_sha256
from lab.pilots.rules import check_plan
from lab.pilots.service import PLAN_LOCKED_JOB, locked_plan, open_pilot, signal_units

LAYOUT = ("arms", "design", "runs_per_arm", "blocks", "factors", "generators", "order", "seed")
"""Fields of a plan by which its runs were laid out."""
CONFESSED = ("written_after_data", "demonstration_only")
"""Fields that lower what the evidence is worth; nobody takes them back."""
AMENDED = "plan amended"
"""What the log of changes says."""


def amend_plan(
    session: Session, principal: Principal, pilot_id: str, plan: AnalysisPlan, *, reason: str, now: datetime
) -> Plan:
    """Put a new version in the place of a locked plan, locked at once; the company is told of it by mail.

    The runs keep their arms and their order. Those that were not started yet belong to the new version.

    Args:
        session: a write session.
        principal: the staff.
        pilot_id: the pilot.
        plan: the whole plan as it is to be.
        reason: why, in plain words; it goes into the plan, the mail and the report.
        now: the present instant.

    Raises:
        ForbiddenError: for anybody but the staff.
        PilotUnknownError: if there is no such pilot.
        PilotStateError: if its data are sealed.
        PlanMissingError: if no plan is locked; one that is not can still be written again.
        PlanAlteredError: if the stored plan is not what was locked.
        ReasonMissingError: without a reason.
        LayoutFixedError: if the runs would be laid out otherwise, or the evidence would count for more.
        RunStateError: while a run is going.
        InvalidError: if nothing is changed, or a named refusal of `lab.pilots.rules.check_plan`.
    """
    principal.require_staff("change a locked plan")
    pilot = open_pilot(session, principal, pilot_id)
    former, locked = locked_plan(session, pilot.id)
    if not reason.strip():
        raise ReasonMissingError("a change of a locked plan needs its reason", field="reason", rule="not-empty")
    _check_change(locked, plan)
    check_plan(plan, signal_units(session))
    runs = repository.lock_runs(session, pilot.id)
    going = next((run.number for run in runs if run.started_at is not None and run.ended_at is None), None)
    if going is not None:
        raise RunStateError(f"run {going} is still going; stop it first", field="plan", rule="none-going", run=going)
    row = _next_version(former, plan, reason=reason.strip(), by=principal.account_id, now=now)
    session.add(row)
    session.flush()
    for run in runs:
        if run.started_at is None:
            run.plan_id = row.id
    before, after = ({"version": one.version, "sha256": one.sha256} for one in (former, row))
    note_change(
        session, "pilot", pilot.id, AMENDED, by=principal.account_id, at=now, before=before, after=after,
        reason=reason.strip(),
    )  # fmt: skip
    enqueue(session, kind=PLAN_LOCKED_JOB, key=f"{PLAN_LOCKED_JOB}:{row.id}", payload={"plan_id": row.id}, now=now)
    session.flush()
    return row


def _check_change(locked: AnalysisPlan, plan: AnalysisPlan) -> None:
    changed = [name for name in AnalysisPlan.model_fields if getattr(locked, name) != getattr(plan, name)]
    if not changed:
        raise PlanFormError("nothing differs from the locked plan", field="plan", rule="changed")
    fixed = [name for name in changed if name in LAYOUT]
    if fixed:
        raise LayoutFixedError(
            f"the runs are laid out by the locked plan and keep their order; {', '.join(fixed)} cannot change. Leave "
            "out runs with a reason, or open a new pilot",
            field=f"plan.{fixed[0]}",
            rule="layout-fixed",
            fixed=fixed,
        )
    taken_back = [name for name in changed if name in CONFESSED and getattr(locked, name)]
    if taken_back:
        raise LayoutFixedError(
            f"the locked plan says {taken_back[0]}; that cannot be taken back",
            field=f"plan.{taken_back[0]}",
            rule="evidence-fixed",
        )


def _next_version(former: Plan, plan: AnalysisPlan, *, reason: str, by: str, now: datetime) -> Plan:
    said: dict[str, Any] = {name: value for name, value in plan.model_dump(mode="json").items() if name != "amends"}
    named = {"version": former.version, "sha256": former.sha256, "reason": reason}
    document = AmendedPlan.model_validate({**said, "amends": named}).model_dump(mode="json")
    return Plan(
        id=new_id("pln"),
        pilot_id=former.pilot_id,
        version=former.version + 1,
        document=document,
        locked_at=now,
        locked_by=by,
        sha256=plan_sha256(document),
    )
