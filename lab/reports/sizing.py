"""How many runs a pilot needs and how long the machines are needed for them, before its plan is locked.

The spread of runs is given, or taken from this lab's earlier reports: of the same KPI in the same unit, on machines of
the same kind. A company's own earlier pilots count for it, for the staff those of all: what another company's runs
spread by is that company's.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from devices.service import list_devices
from lab.people.principals import Principal
from lab.pilots import service as pilots
from lab.pilots.plans import AnalysisPlan
from lab.pilots.power import MOST_RUNS, POWER, BookingTime, Size, booking_time, layout_of, runs_for
from lab.pilots.units import unit_label
from lab.reports import repository
from lab.reports.errors import SpreadUnknownError
from lab.reports.numbers import format_number, format_quantity

SLOTS = "/api/v1/slots"
_SHARE_SD = 0.5
"""The largest standard deviation that yes and no can have."""


@dataclass(frozen=True, slots=True)
class SizeQuestion:
    """What is asked."""

    run_minutes: float
    reset_minutes: float
    setup_minutes: float
    longest_session_minutes: int
    sd: float | None
    """Of runs of one arm, in the primary KPI's unit; `None`: from history."""
    power: float = POWER


@dataclass(frozen=True, slots=True)
class Spread:
    """What runs of one arm differ by."""

    sd: float
    source: str
    """In words."""
    pilots: tuple[str, ...] = ()
    """Numbers of the pilots that it comes from."""


@dataclass(frozen=True, slots=True)
class PilotSize:
    """The answer."""

    size: Size
    runs: int | None
    """Of all arms."""
    spread: Spread
    time: BookingTime | None
    why: tuple[str, ...]
    slots: str | None
    """Address of a slot search for one session."""


def size_pilot(session: Session, principal: Principal, pilot_id: str, question: SizeQuestion) -> PilotSize:
    """Runs and minutes for the plan of a pilot, as it is written now.

    Raises:
        PilotUnknownError: if there is no such pilot, or it is another company's.
        PlanMissingError: if no plan has been written.
        SpreadUnknownError: if the spread is neither given nor known from history.
    """
    pilot = pilots.get_pilot(session, principal, pilot_id)
    plan = AnalysisPlan.model_validate(pilots.get_plan(session, principal, pilot_id).document)
    spread = _spread(session, principal, plan, question.sd)
    size = runs_for(
        gain=plan.expected - plan.break_even,
        sd=spread.sd,
        layout=layout_of(plan),
        alpha=plan.alpha,
        power=question.power,
    )
    if size.runs_per_arm is None:
        return PilotSize(size, None, spread, None, (_runs_sentence(plan, size, spread, question.power),), None)
    runs = size.runs_per_arm * len(plan.arms)
    time = booking_time(
        runs,
        run_minutes=question.run_minutes,
        reset_minutes=question.reset_minutes,
        setup_minutes=question.setup_minutes,
        longest_minutes=question.longest_session_minutes,
    )
    why = (_runs_sentence(plan, size, spread, question.power), _time_sentence(runs, time, question))
    query = [("device_id", device) for device in sorted(plan.devices())]
    query += [("duration_minutes", str(time.minutes_a_session)), ("pilot_id", pilot.id)]
    if principal.is_staff:
        query.append(("organisation_id", pilot.organisation_id))
    return PilotSize(size, runs, spread, time, why, f"{SLOTS}?{urlencode(query)}")


def pooled_spread(arms: Iterable[tuple[int, float]]) -> float | None:
    """One standard deviation from several arms, each with its number of runs; `None` without any spread."""
    known = [(n - 1, sd) for n, sd in arms if n > 1]
    freedom = sum(df for df, _ in known)
    return math.sqrt(sum(df * sd**2 for df, sd in known) / freedom) or None if freedom else None


def _spread(session: Session, principal: Principal, plan: AnalysisPlan, given: float | None) -> Spread:
    if given is not None:
        return Spread(given, "as given")
    found = _history(session, principal, plan)
    if found is not None:
        return found
    if plan.primary.kind == "proportion":
        return Spread(_SHARE_SD, "the most that yes and no can spread")
    raise SpreadUnknownError(
        f"no earlier pilot tells how much runs differ in {plan.primary.label} on such machines; "
        "give sd, from a few runs made for trial or from your own records",
        field="sd",
        rule="known-spread",
    )


def _history(session: Session, principal: Principal, plan: AnalysisPlan) -> Spread | None:
    kinds = {device.kind for device in list_devices(session) if device.id in plan.devices()}
    company = None if principal.is_staff else principal.organisation_id
    newest: dict[str, dict[str, Any]] = {}
    for report in repository.list_reports(session, organisation_id=company, pilot_id=None):
        newest.setdefault(report.pilot_id, report.results)
    arms: list[tuple[int, float]] = []
    numbers = []
    for results in newest.values():
        seen = _arms_of(results, plan, kinds)
        if seen:
            arms += seen
            numbers.append(str(results["identification"]["pilot_number"]))
    sd = pooled_spread(arms)
    if sd is None:
        return None
    return Spread(sd, f"from {', '.join(sorted(numbers))}", tuple(sorted(numbers)))


def _arms_of(results: dict[str, Any], plan: AnalysisPlan, kinds: set[str]) -> Sequence[tuple[int, float]]:
    """(runs, standard deviation) of the compared arms of a report, if it is on the same KPI and kind of machine."""
    if not kinds & {device["kind"] for device in results.get("devices", ())}:
        return []
    primary = plan.primary
    wanted = (primary.key, unit_label(primary.unit), primary.kind)
    return [
        (arm["n"], arm["sd"])
        for kpi in results.get("kpis", ())
        if (kpi["key"], kpi["unit"], kpi["kind"]) == wanted
        for arm in kpi["arms"]
        if arm["sd"] is not None and arm["role"] in ("baseline", "treatment")
    ]


def _runs_sentence(plan: AnalysisPlan, size: Size, spread: Spread, power: float) -> str:
    scale, unit = (
        (100.0, "percentage points") if plan.primary.kind == "proportion" else (1.0, unit_label(plan.primary.unit))
    )
    asked = (
        f"To show that the improvement is more than {format_quantity(plan.break_even * scale, unit)} when in truth it "
        f"is {format_quantity(plan.expected * scale, unit)}, with {format_number(100 * power)} % probability, where "
        f"runs differ by {format_quantity(spread.sd * scale, unit)} ({spread.source})"
    )
    if size.runs_per_arm is None:
        return f"{asked}, more than {MOST_RUNS} runs of each arm would be needed: hope for more, or make runs steadier."
    return f"{asked}, {size.runs_per_arm} runs of each arm are needed."


def _time_sentence(runs: int, time: BookingTime, question: SizeQuestion) -> str:
    each = f"{time.runs_a_session} × ({question.run_minutes:g} + {question.reset_minutes:g}) minutes"
    session = (
        f"{each} + {question.setup_minutes:g} minutes of set-up + 15 % in reserve = {time.minutes_a_session} minutes"
    )
    if time.sessions == 1:
        return f"{runs} runs in one session: {session}."
    return f"{runs} runs in {time.sessions} sessions of up to {time.runs_a_session}: {session} each."
