"""A draft of the plan from what a company has sketched: an engineer completes it, then it is locked.

What the engineer has written, or locked, is never replaced by a sketch; a later sketch replaces the draft of a former
one as long as nobody has touched it.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from lab.core.audit import note_change
from lab.people.principals import Principal
from lab.pilots import repository
from lab.pilots.drafts import DRAFTED, is_sketch
from lab.pilots.models import Plan
from lab.pilots.plans import AnalysisPlan, Arm, Kpi, ResultValue, plan_sha256
from lab.pilots.service import get_pilot, write_plan

MEASURED = "measured"
"""Field of a part's result, until the engineer says which signals or events it comes from."""
_SEED_DIGITS = 12


@dataclass(frozen=True, slots=True)
class SketchedPlan:
    """What a company has answered, with the runs that follow; the texts in its own language."""

    better: str
    """What should get better, by becoming less: of one line."""
    unit: str
    """UCUM code."""
    pays: float
    """Saving from which on it pays, > 0, in the unit."""
    hope: float
    """Saving that is hoped for, above `pays`."""
    runs_per_arm: int
    objective: str
    hypothesis: str
    today: str
    """Name of the way in which it is done today."""
    tried: str


def plan_of(sketch: SketchedPlan, *, seed: int) -> AnalysisPlan:
    """A randomised comparison of today's way with the one that is tried."""
    primary = Kpi(
        key="sketched", label=sketch.better, unit=sketch.unit, direction="lower", role="primary",
        measure=ResultValue(field=MEASURED),
    )  # fmt: skip
    return AnalysisPlan(
        objective=sketch.objective,
        hypothesis=sketch.hypothesis,
        arms=(
            Arm(name="today", label=sketch.today, role="baseline"),
            Arm(name="tried", label=sketch.tried, role="treatment"),
        ),
        kpis=(primary,),
        break_even=sketch.pays,
        expected=sketch.hope,
        design="completely_randomised",
        runs_per_arm=sketch.runs_per_arm,
        seed=seed,
    )


def draft_plan(
    session: Session, principal: Principal, pilot_id: str, sketch: SketchedPlan, *, now: datetime
) -> Plan | None:
    """Write a sketch as the draft of the plan, unless people have written a plan.

    Args:
        session: a write session.
        principal: a member of the pilot's company, or the staff.
        pilot_id: the pilot.
        sketch: what was answered.
        now: the present instant.

    Returns:
        The draft; `None`: the pilot has a plan that is not a mere sketch, which stays as it is.

    Raises:
        PilotUnknownError: if there is no such pilot, or it is another company's.
        InvalidError: a named refusal of `lab.pilots.rules.check_plan`.
    """
    pilot = get_pilot(session, principal, pilot_id)
    repository.lock_pilot(session, pilot.id)
    there = repository.latest_plan(session, pilot.id)
    if there is not None and not is_sketch(session, there):
        return None
    seed = int(hashlib.sha256(pilot.id.encode()).hexdigest()[:_SEED_DIGITS], 16)
    row = write_plan(session, principal, pilot.id, plan_of(sketch, seed=seed), now=now)
    after = {"plan_id": row.id, "document_sha256": plan_sha256(row.document)}
    note_change(session, "pilot", pilot.id, DRAFTED, by=principal.account_id, at=now, after=after)
    return row
