"""What people do with pilots, plans and runs. The caller owns the transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bookings.models import Booking
from devices.service import list_devices
from lab.core.audit import note_change
from lab.core.errors import UnavailableError
from lab.core.ids import new_id
from lab.core.jobs import enqueue
from lab.core.time import Span
from lab.people.principals import Principal
from lab.pilots import repository
from lab.pilots.designs import PlannedRun, planned_runs_of
from lab.pilots.drafts import COMPLETED, awaits_engineer
from lab.pilots.errors import (
    BookingUnfitError,
    EngineerCompletesError,
    PilotNumberTakenError,
    PilotStateError,
    PilotUnknownError,
    PlanAlteredError,
    PlanLockedError,
    PlanMissingError,
    ReasonMissingError,
    RunStateError,
    RunUnknownError,
)
from lab.pilots.models import Pilot, Plan, Run
from lab.pilots.plans import AnalysisPlan, StopCriterion, plan_sha256, read_plan
from lab.pilots.rules import check_plan
from telemetry.alarms.definitions import LimitDefinition
from telemetry.alarms.service import begin_plan_rules, end_plan_rules

PLAN_LOCKED_JOB = "plan-locked"
"""Tells the company's people of the lock; payload `plan_id`. `lab.reports` has the words."""
_FINISHED_STATES = frozenset({"sealed", "reported"})
_NUMBERING_TRIES = 10
_HOLDING_STATES = frozenset({"confirmed", "in_use", "done"})


def create_pilot(
    session: Session,
    principal: Principal,
    *,
    organisation_id: str,
    title: str,
    question: str,
    number: str | None = None,
    now: datetime,
) -> Pilot:
    """Open a pilot for a company.

    Args:
        session: a write session.
        principal: the staff, or a member of that company.
        organisation_id: the company whose question it is.
        title: a few words.
        question: one sentence, ending in a question mark.
        number: for people; default: the next of the year, `PL-2026-001`.
        now: the present instant.

    Raises:
        PilotUnknownError: if there is no such company, or it is not the member's own: its existence is private.
        PilotNumberTakenError: if the number is in use.
    """
    if not principal.owns(organisation_id) or not repository.organisation_exists(session, organisation_id):
        raise PilotUnknownError("there is no such organisation", field="organisation_id", rule="known-organisation")
    if number is not None and repository.number_exists(session, number):
        raise PilotNumberTakenError(f"there is already a pilot {number}", field="number", rule="number-free")
    for _ in range(_NUMBERING_TRIES):
        pilot = Pilot(
            id=new_id("plt"),
            number=number or _next_number(session, now.year),
            organisation_id=organisation_id,
            title=title,
            question=question,
            state="accepted",
            created_at=now,
        )
        try:
            with session.begin_nested():
                session.add(pilot)
        except IntegrityError:  # somebody took the number at the same moment
            continue
        return pilot
    raise UnavailableError("many pilots are being opened at this moment; please try again")


def list_pilots(session: Session, principal: Principal) -> list[Pilot]:
    """The pilots that this principal may see: the staff all, a member the own company's, the newest first."""
    if principal.is_staff:
        return repository.list_pilots(session, organisation_id=None)
    found = repository.list_pilots(session, organisation_id=principal.organisation_id)
    return [pilot for pilot in found if principal.owns(pilot.organisation_id)]


def get_pilot(session: Session, principal: Principal, pilot_id: str) -> Pilot:
    """One pilot.

    Raises:
        PilotUnknownError: if there is none, or it is another company's.
    """
    return _visible(repository.find_pilot(session, pilot_id), principal, pilot_id)


def company_of_pilot(session: Session, pilot_id: str) -> str | None:
    """Whose a pilot is; `None`: there is no such pilot."""
    pilot = repository.find_pilot(session, pilot_id)
    return None if pilot is None else pilot.organisation_id


def get_plan(session: Session, principal: Principal, pilot_id: str) -> Plan:
    """The newest version of a pilot's plan.

    Raises:
        PilotUnknownError: if there is no such pilot, or it is another company's.
        PlanMissingError: if no plan has been written.
    """
    get_pilot(session, principal, pilot_id)
    return _plan_of(session, pilot_id)


def write_plan(session: Session, principal: Principal, pilot_id: str, plan: AnalysisPlan, *, now: datetime) -> Plan:
    """Write, or write again, the plan of a pilot that is not locked yet.

    Raises:
        PilotUnknownError: if there is no such pilot, or it is another company's.
        InvalidError: a named refusal of `lab.pilots.rules.check_plan`.
        PlanLockedError: if the plan is locked.
    """
    pilot = _visible(repository.lock_pilot(session, pilot_id), principal, pilot_id)
    check_plan(plan, signal_units(session))
    row = repository.latest_plan(session, pilot.id)
    if row is None:
        row = Plan(id=new_id("pln"), pilot_id=pilot.id, version=1, locked_at=None, locked_by=None, sha256=None)
        session.add(row)
    elif row.locked_at is not None:
        raise PlanLockedError(
            f"the plan of {pilot.number} was locked on {row.locked_at:%Y-%m-%d %H:%M} UTC and does not change; "
            "the staff of the lab can put a new version in its place, with a reason",
            field="plan",
            rule="locked",
            sha256=row.sha256,
        )
    row.document = plan.model_dump(mode="json")
    session.flush()
    if principal.is_staff:
        after = {"plan_id": row.id, "document_sha256": plan_sha256(row.document)}
        note_change(session, "pilot", pilot.id, COMPLETED, by=principal.account_id, at=now, after=after)
    return row


def lock_plan(session: Session, principal: Principal, pilot_id: str, *, now: datetime) -> Plan:
    """Lock the plan: from now on it does not change; its runs are laid out in their order, the company gets its hash.

    Locking a locked plan again changes nothing.

    Raises:
        PilotUnknownError: if there is no such pilot, or it is another company's.
        PlanMissingError: if no plan has been written.
        EngineerCompletesError: if it began as a sketch, no engineer has completed it, and the company locks it.
        InvalidError: if the catalogue has changed so that the plan no longer makes sense.
    """
    pilot = _visible(repository.lock_pilot(session, pilot_id), principal, pilot_id)
    row = _plan_of(session, pilot.id)
    if row.locked_at is not None:
        return row
    if not principal.is_staff and awaits_engineer(session, row):
        raise EngineerCompletesError(
            "this plan is a sketch; an engineer of the lab says first what exactly is measured, then it can be locked",
            field="plan",
            rule="engineer-completes",
        )
    plan = AnalysisPlan.model_validate(row.document)
    check_plan(plan, signal_units(session))
    row.sha256, row.locked_at, row.locked_by = plan_sha256(row.document), now, principal.account_id
    for number, planned in enumerate(planned_runs_of(plan), start=1):
        session.add(_planned_run(pilot.id, row.id, number, planned))
    pilot.state = "planned"
    enqueue(session, kind=PLAN_LOCKED_JOB, key=f"{PLAN_LOCKED_JOB}:{row.id}", payload={"plan_id": row.id}, now=now)
    session.flush()
    return row


def locked_plan(session: Session, pilot_id: str) -> tuple[Plan, AnalysisPlan]:
    """The locked plan of a pilot, after checking that it is what was locked.

    Raises:
        PlanMissingError: if it is not locked.
        PlanAlteredError: if the stored document no longer gives the locked hash.
    """
    row = _plan_of(session, pilot_id)
    if row.locked_at is None:
        raise PlanMissingError("the plan is not locked yet; lock it before the first run", field="plan", rule="locked")
    _check_unaltered(row)
    return row, read_plan(row.document)


def plan_versions(session: Session, principal: Principal, pilot_id: str) -> list[Plan]:
    """Every version of a pilot's plan, the first one first; none before one is written.

    Raises:
        PilotUnknownError: if there is no such pilot, or it is another company's.
    """
    return repository.plan_versions(session, get_pilot(session, principal, pilot_id).id)


def former_plans(session: Session, pilot_id: str) -> list[Plan]:
    """The versions of a locked plan that a later one has replaced, the first one first.

    Raises:
        PlanAlteredError: if a stored document no longer gives the locked hash.
    """
    former = repository.plan_versions(session, pilot_id)[:-1]
    for row in former:
        _check_unaltered(row)
    return former


def planned_runs(session: Session, pilot_id: str) -> list[Run]:
    """The runs of a pilot, in planned order; none before the plan is locked."""
    return repository.list_runs(session, pilot_id)


def start_run(
    session: Session,
    principal: Principal,
    pilot_id: str,
    number: int,
    booking_id: str,
    *,
    numbers: Mapping[str, Any] | None = None,
    now: datetime,
) -> Run:
    """Note that a run starts now.

    Args:
        session: a write session.
        principal: the staff.
        pilot_id: the pilot.
        number: of the run.
        booking_id: whose time it uses.
        numbers: by device, {"boot": …, "first_seq": …}: how far its messages are numbered.
        now: the present instant.

    Raises:
        ForbiddenError: for anybody but the staff.
        PlanMissingError: if the plan is not locked.
        RunUnknownError: if there is no such run.
        RunStateError: if it was started or excluded before, or another run of the pilot is going.
        BookingUnfitError: if the booking does not cover this pilot's company, devices and the present instant.
    """
    principal.require_staff("start runs")
    pilot = open_pilot(session, principal, pilot_id)
    _, plan = locked_plan(session, pilot_id)
    runs = repository.lock_runs(session, pilot_id)
    run = _run(runs, number)
    if run.started_at is not None or run.excluded is not None:
        raise RunStateError(
            f"run {number} has been {'started' if run.started_at else 'excluded'} already", field="number", rule="once"
        )
    for other in runs:
        if other.started_at is not None and other.ended_at is None:
            raise RunStateError(
                f"run {other.number} is still going; stop it first",
                field="number",
                rule="one-at-a-time",
                run=other.number,
            )
    _check_booking(repository.find_booking(session, booking_id), booking_id, pilot, plan, now=now)
    run.booking_id, run.started_at = booking_id, now
    run.completeness = dict(numbers) if numbers else None
    run.executed_order = 1 + max((other.executed_order or 0 for other in runs), default=0)
    pilot.state = "running"
    session.flush()
    begin_plan_rules(
        session,
        pilot_id=pilot.id,
        run_id=run.id,
        organisation_id=pilot.organisation_id,
        criteria=[_watched(criterion) for criterion in plan.stop],
        now=now,
    )
    return run


def stop_run(
    session: Session,
    principal: Principal,
    pilot_id: str,
    number: int,
    *,
    result: Mapping[str, Any],
    completeness: Mapping[str, Any],
    now: datetime,
) -> Run:
    """Note that a run ended now, and what was found out about the part.

    Args:
        session: a write session.
        principal: the staff.
        pilot_id: the pilot.
        number: of the run.
        result: {"finished": true, "passed": true, "roughness_um": 1.4}: plain values by name.
        completeness: by device, {"boot": …, "first_seq": …, "last_seq": …}: what the devices say that they sent.
        now: the present instant.

    Raises:
        ForbiddenError: for anybody but the staff.
        RunUnknownError: if there is no such run.
        RunStateError: if it is not going.
    """
    principal.require_staff("stop runs")
    open_pilot(session, principal, pilot_id)
    run = _run(repository.lock_runs(session, pilot_id), number)
    if run.started_at is None or run.ended_at is not None:
        raise RunStateError(f"run {number} is not going", field="number", rule="started")
    if now <= run.started_at:
        raise RunStateError(f"run {number} cannot end before it has started", field="now", rule="end-after-start")
    run.ended_at, run.result, run.completeness = now, dict(result), dict(completeness)
    session.flush()
    end_plan_rules(session, pilot_id=pilot_id, now=now)
    return run


def exclude_run(
    session: Session, principal: Principal, pilot_id: str, number: int, *, reason: str, now: datetime
) -> Run:
    """Leave a run out of the comparison, with a reason; it is kept and shown.

    A run that was never made can be excluded too, so that the pilot can be sealed without it.

    Raises:
        ForbiddenError: for anybody but the staff.
        RunUnknownError: if there is no such run.
        ReasonMissingError: without a reason.
        RunStateError: while the run is going, or if it is excluded already.
    """
    principal.require_staff("exclude runs")
    open_pilot(session, principal, pilot_id)
    run = _run(repository.lock_runs(session, pilot_id), number)
    if not reason.strip():
        raise ReasonMissingError("an exclusion needs its reason", field="reason", rule="not-empty")
    if run.started_at is not None and run.ended_at is None:
        raise RunStateError(f"run {number} is still going; stop it first", field="number", rule="ended")
    if run.excluded is not None:
        raise RunStateError(f"run {number} is excluded already: {run.excluded}", field="number", rule="once")
    run.excluded = reason.strip()
    session.flush()
    return run


def _watched(criterion: StopCriterion) -> tuple[str, str, LimitDefinition, tuple[str, ...]]:
    definition = LimitDefinition(kind="limit", low=criterion.low, high=criterion.high, delay_s=criterion.delay_s)
    return criterion.signal.device, criterion.signal.signal, definition, criterion.devices


def signal_units(session: Session) -> dict[str, dict[str, str | None]]:
    """The catalogue as `lab.pilots.rules.check_plan` wants it."""
    return {
        device.id: {signal.name: signal.unit if signal.type == "number" else None for signal in device.signals}
        for device in list_devices(session)
    }


def _next_number(session: Session, year: int) -> str:
    prefix = f"PL-{year}-"
    taken = [number.removeprefix(prefix) for number in repository.numbers_like(session, prefix)]
    return f"{prefix}{1 + max((int(end) for end in taken if end.isdigit()), default=0):03d}"


def _visible(pilot: Pilot | None, principal: Principal, pilot_id: str) -> Pilot:
    if pilot is None or not principal.owns(pilot.organisation_id):
        raise PilotUnknownError(f"there is no pilot {pilot_id[:40]}", field="pilot_id", rule="known-pilot")
    return pilot


def open_pilot(session: Session, principal: Principal, pilot_id: str) -> Pilot:
    """A pilot whose data are not sealed, kept from other changes until this transaction ends.

    Raises:
        PilotUnknownError: if there is no such pilot, or it is another company's.
        PilotStateError: if its data are sealed.
    """
    pilot = _visible(repository.lock_pilot(session, pilot_id), principal, pilot_id)
    if pilot.state in _FINISHED_STATES:
        raise PilotStateError(
            f"the data of {pilot.number} are sealed; its plan and its runs do not change any more",
            field="state",
            rule="not-sealed",
        )
    return pilot


def _plan_of(session: Session, pilot_id: str) -> Plan:
    row = repository.latest_plan(session, pilot_id)
    if row is None:
        raise PlanMissingError("this pilot has no analysis plan yet", field="plan", rule="written")
    return row


def _check_unaltered(row: Plan) -> None:
    if plan_sha256(row.document) != row.sha256:
        raise PlanAlteredError(
            "the stored plan is not the one that was locked: its SHA-256 differs", field="plan", rule="unaltered"
        )


def _run(runs: list[Run], number: int) -> Run:
    for run in runs:
        if run.number == number:
            return run
    raise RunUnknownError(
        f"the pilot has no run {number}; it has {len(runs)}", field="number", rule="known-run", nearest=len(runs)
    )


def _planned_run(pilot_id: str, plan_id: str, number: int, planned: PlannedRun) -> Run:
    return Run(
        id=new_id("run"),
        pilot_id=pilot_id,
        plan_id=plan_id,
        booking_id=None,
        number=number,
        arm=planned.arm,
        block=planned.block,
        levels=dict(planned.levels),
        executed_order=None,
        started_at=None,
        ended_at=None,
        result={},
        completeness=None,
        excluded=None,
    )


def _check_booking(
    booking: Booking | None, booking_id: str, pilot: Pilot, plan: AnalysisPlan, *, now: datetime
) -> None:
    if booking is None or booking.organisation_id != pilot.organisation_id:
        raise BookingUnfitError(
            f"{booking_id[:40]} is no booking of this pilot's company", field="booking_id", rule="own-booking"
        )
    if booking.pilot_id not in (None, pilot.id):
        raise BookingUnfitError("the booking is for another pilot", field="booking_id", rule="own-pilot")
    if booking.state not in _HOLDING_STATES or not Span(booking.start_at, booking.end_at).contains(now):
        raise BookingUnfitError(
            f"the booking ({booking.state.replace('_', ' ')}, {booking.start_at:%Y-%m-%d %H:%M} to "
            f"{booking.end_at:%Y-%m-%d %H:%M} UTC) does not hold the devices now",
            field="booking_id",
            rule="now-inside",
        )
    missing = sorted(plan.devices() - {row.device_id for row in booking.devices})
    if missing:
        raise BookingUnfitError(
            f"the plan needs {', '.join(missing)}, which the booking does not hold",
            field="booking_id",
            rule="devices-booked",
            missing=missing,
        )
