"""How many runs a pilot needs and how long the machines are needed for them, before its plan is locked.

The spread of runs is given, or taken from the company's own earlier trials (`lab.reports.spread`). Where it comes from
few runs, so much more is reckoned with as they leave open.
"""

from dataclasses import dataclass
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from lab.people.principals import Principal
from lab.pilots import service as pilots
from lab.pilots.plans import AnalysisPlan, read_plan
from lab.pilots.power import MOST_RUNS, POWER, BookingTime, Size, booking_time, layout_of, runs_for
from lab.pilots.units import unit_label
from lab.reports.errors import SpreadUnknownError
from lab.reports.numbers import format_number, format_quantity
from lab.reports.spread import Spread, Trial, spread_of_plan

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
    sd_runs: int | None = None
    """From how many runs made in the same way `sd` comes; `None`: it is taken as exact."""
    power: float = POWER


@dataclass(frozen=True, slots=True)
class PilotSize:
    """The answer."""

    size: Size
    runs: int | None
    """Of all arms."""
    spread: Spread
    source: str
    """Where the spread comes from, in words."""
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
    plan = read_plan(pilots.get_plan(session, principal, pilot_id).document)
    spread, source = _spread(session, pilot.organisation_id, plan, question)
    size = runs_for(
        gain=plan.expected - plan.break_even,
        sd=spread.reckoned,
        layout=layout_of(plan),
        alpha=plan.alpha,
        power=question.power,
    )
    first = _runs_sentence(plan, size, spread, source, question.power)
    if size.runs_per_arm is None:
        return PilotSize(size, None, spread, source, None, (first,), None)
    runs = size.runs_per_arm * len(plan.arms)
    time = booking_time(
        runs,
        run_minutes=question.run_minutes,
        reset_minutes=question.reset_minutes,
        setup_minutes=question.setup_minutes,
        longest_minutes=question.longest_session_minutes,
    )
    why = (first, _time_sentence(runs, time, question))
    query = [("device_id", device) for device in sorted(plan.devices())]
    query += [("duration_minutes", str(time.minutes_a_session)), ("pilot_id", pilot.id)]
    if principal.is_staff:
        query.append(("organisation_id", pilot.organisation_id))
    return PilotSize(size, runs, spread, source, time, why, f"{SLOTS}?{urlencode(query)}")


def earlier_spread(session: Session, principal: Principal, pilot_id: str) -> tuple[Spread, str] | None:
    """What the company's own earlier runs say about the spread of the plan's primary KPI, and that in words.

    Raises:
        PilotUnknownError: if there is no such pilot, or it is another company's.
        PlanMissingError: if no plan has been written.
    """
    pilot = pilots.get_pilot(session, principal, pilot_id)
    plan = read_plan(pilots.get_plan(session, principal, pilot_id).document)
    found = spread_of_plan(session, pilot.organisation_id, plan)
    return None if found is None else (found, _source(found))


def _spread(session: Session, organisation_id: str, plan: AnalysisPlan, question: SizeQuestion) -> tuple[Spread, str]:
    if question.sd is not None:
        runs = question.sd_runs
        given = Spread(question.sd, freedom=None if runs is None else runs - 1, runs=runs)
        return given, _source(given)
    found = spread_of_plan(session, organisation_id, plan)
    if found is not None:
        return found, _source(found)
    if plan.primary.kind == "proportion":
        return Spread(_SHARE_SD), "the most that yes and no can spread"
    raise SpreadUnknownError(
        f"no earlier trial of this company tells how much runs differ in {plan.primary.label} on these machines; "
        "give sd, from a few runs made for trial or from your own records",
        field="sd",
        rule="known-spread",
    )


def _source(spread: Spread) -> str:
    """Where a spread comes from, in words."""
    if spread.trials:
        return f"from {' and '.join(_trial_words(trial) for trial in spread.trials)}"
    return "as given" if spread.runs is None else f"as given, from {spread.runs} runs"


def _trial_words(trial: Trial) -> str:
    of_day = "" if trial.day is None else f" of {trial.day:%-d %B %Y}"
    return f"{trial.runs} runs of the trial{of_day} ({trial.pilot})"


def _runs_sentence(plan: AnalysisPlan, size: Size, spread: Spread, source: str, power: float) -> str:
    scale, unit = (
        (100.0, "percentage points") if plan.primary.kind == "proportion" else (1.0, unit_label(plan.primary.unit))
    )
    few = ""
    if spread.freedom is not None:
        most = format_quantity(spread.reckoned * scale, unit)
        few = f"; from so many runs it may be up to {most}, which is reckoned with"
    asked = (
        f"To show that the improvement is more than {format_quantity(plan.break_even * scale, unit)} when in truth it "
        f"is {format_quantity(plan.expected * scale, unit)}, with {format_number(100 * power)} % probability, where "
        f"runs differ by {format_quantity(spread.sd * scale, unit)} ({source}{few})"
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
