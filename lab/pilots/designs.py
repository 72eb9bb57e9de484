"""In which order the runs of a design are made, in which blocks, and with which settings of other factors.

Every random choice is made by numpy's PCG64 from the plan's seed. The order is stored with the runs, because numpy does
not promise the same shuffle in every release.

Sources: Montgomery, *Design and Analysis of Experiments* (blocks: ch. 4, factorials: ch. 6 and 8); Jones, Kenward,
*Design and Analysis of Cross-Over Trials*; two-level factorials by pyDOE3.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lab.pilots.errors import PlanFormError
from lab.pilots.plans import AnalysisPlan, Design, Setting

RANDOMISED: frozenset[Design] = frozenset({"completely_randomised", "blocked", "factorial"})
"""Designs whose every run falls to its arm by chance: evidence grade A."""
ALTERNATING: frozenset[Design] = frozenset({"abab", "abba", "crossover"})
"""Designs in which the arms take turns: evidence grade B."""

PERIOD = "period"
"""Level of a crossover's runs: the first or the second of a subject."""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A place in the planned order."""

    arm: str
    block: str | None = None
    """What its run is compared within: a shift, a batch, a pair, a subject."""
    levels: Mapping[str, Setting] = field(default_factory=dict)
    """Other factors at this run, or the period of a crossover."""


def planned_runs_of(plan: AnalysisPlan) -> tuple[PlannedRun, ...]:
    """Every run of a plan, in planned order; the plan makes sense (`check_design`)."""
    return tuple(_ORDERS[plan.design](plan, np.random.default_rng(plan.seed)))


def randomised_order(plan: AnalysisPlan) -> tuple[str, ...]:
    """The arm of every run, in planned order."""
    return tuple(run.arm for run in planned_runs_of(plan))


def check_design(plan: AnalysisPlan) -> None:
    """Refuse a design that contradicts itself.

    Raises:
        PlanFormError: naming the field.
    """
    if (plan.design == "as_recorded") != (plan.order is not None) or (plan.order is None) == (
        plan.runs_per_arm is None
    ):
        raise _refusal(
            "a recorded design needs its order, every other one needs runs_per_arm", "design", "order-or-runs"
        )
    _check_arms(plan)
    _check_blocks(plan)
    _check_factors(plan)


def factor_signs(plan: AnalysisPlan) -> npt.NDArray[np.float64]:
    """(cells, 1 + factors): −1 low and +1 high; the arm (−1 baseline) first, then `plan.factors`.

    Raises:
        PlanFormError: if the generators are no such fraction.
    """
    import pyDOE3  # here: few plans need it

    size = 1 + len(plan.factors)
    if plan.generators is None:
        return np.asarray(pyDOE3.ff2n(size), float)
    try:
        signs = np.asarray(pyDOE3.fracfact(plan.generators), float)
    except (ValueError, IndexError) as error:
        raise _refusal(f"{plan.generators!r} generates no fraction: {error}", "generators", "fraction") from error
    if signs.shape[1] != size:
        raise _refusal(
            f"the generators give {signs.shape[1]} columns; the arm and {len(plan.factors)} factors need {size}",
            "generators",
            "fraction",
            nearest=size,
        )
    return signs


def _completely_randomised(plan: AnalysisPlan, rng: np.random.Generator) -> Iterable[PlannedRun]:
    arms = [arm.name for arm in plan.arms for _ in range(plan.runs_per_arm or 0)]
    return [PlannedRun(arms[place]) for place in rng.permutation(len(arms))]


def _as_recorded(plan: AnalysisPlan, _: np.random.Generator) -> Iterable[PlannedRun]:
    return [PlannedRun(arm) for arm in plan.order or ()]


def _blocked(plan: AnalysisPlan, rng: np.random.Generator) -> Iterable[PlannedRun]:
    """Every block holds every arm equally often, in an order of its own."""
    blocks = plan.blocks or ()
    arms = [arm.name for arm in plan.arms for _ in range((plan.runs_per_arm or 0) // max(1, len(blocks)))]
    for block in blocks:
        for place in rng.permutation(len(arms)):
            yield PlannedRun(arms[place], block)


def _abab(plan: AnalysisPlan, _: np.random.Generator) -> Iterable[PlannedRun]:
    for pair in range(plan.runs_per_arm or 0):
        for arm in (plan.baseline, plan.treatment):
            yield PlannedRun(arm.name, f"pair-{pair + 1}")


def _abba(plan: AnalysisPlan, _: np.random.Generator) -> Iterable[PlannedRun]:
    for four in range((plan.runs_per_arm or 0) // 2):
        for arm in (plan.baseline, plan.treatment, plan.treatment, plan.baseline):
            yield PlannedRun(arm.name, f"abba-{four + 1}")


def _crossover(plan: AnalysisPlan, rng: np.random.Generator) -> Iterable[PlannedRun]:
    """Every subject has both arms; half of them, by chance, begin with the baseline."""
    blocks = plan.blocks or ()
    baseline_first = set(rng.permutation(len(blocks))[: len(blocks) // 2].tolist())
    for place, block in enumerate(blocks):
        arms = [plan.baseline.name, plan.treatment.name]
        for period, arm in enumerate(arms if place in baseline_first else reversed(arms), start=1):
            yield PlannedRun(arm, block, {PERIOD: float(period)})


def _factorial(plan: AnalysisPlan, rng: np.random.Generator) -> Iterable[PlannedRun]:
    signs = factor_signs(plan)
    cells = [
        PlannedRun(
            plan.treatment.name if row[0] > 0 else plan.baseline.name,
            None,
            {one.name: one.high if sign > 0 else one.low for one, sign in zip(plan.factors, row[1:], strict=True)},
        )
        for row in signs
    ]
    runs = cells * (2 * (plan.runs_per_arm or 0) // len(cells))
    return [runs[place] for place in rng.permutation(len(runs))]


def _before_after(plan: AnalysisPlan, _: np.random.Generator) -> Iterable[PlannedRun]:
    """All of before, then all of after; the control takes turns with what is changed."""
    controls = {arm.role: arm for arm in plan.arms}
    for arm, beside in ((plan.baseline, "control_before"), (plan.treatment, "control_after")):
        for _run in range(plan.runs_per_arm or 0):
            yield PlannedRun(arm.name)
            if beside in controls:
                yield PlannedRun(controls[beside].name)


_ORDERS: dict[Design, Callable[[AnalysisPlan, np.random.Generator], Iterable[PlannedRun]]] = {
    "completely_randomised": _completely_randomised,
    "as_recorded": _as_recorded,
    "blocked": _blocked,
    "abab": _abab,
    "abba": _abba,
    "crossover": _crossover,
    "factorial": _factorial,
    "before_after": _before_after,
}


def _check_arms(plan: AnalysisPlan) -> None:
    roles = [arm.role for arm in plan.arms]
    controls = [roles.count("control_before"), roles.count("control_after")]
    if controls != [0, 0] and (plan.design != "before_after" or controls != [1, 1]):
        raise _refusal(
            "a control belongs to a design before_after: one arm control_before and one control_after",
            "arms",
            "control",
        )
    if "other" in roles and plan.design in {*ALTERNATING, "factorial", "before_after"}:
        raise _refusal(f"a design {plan.design} has no arms that are only recorded", "arms", "two-arms")


def _check_blocks(plan: AnalysisPlan) -> None:
    blocks, runs = plan.blocks or (), plan.runs_per_arm or 0
    if bool(blocks) != (plan.design in {"blocked", "crossover"}):
        raise _refusal("the designs blocked and crossover, and only these, name their blocks", "blocks", "blocks")
    if len(set(blocks)) < len(blocks) or len(blocks) == 1:
        raise _refusal("a design needs two blocks or more, each with a name of its own", "blocks", "blocks", nearest=2)
    if plan.design == "blocked" and (runs < len(blocks) or runs % len(blocks)):
        raise _refusal(
            f"{runs} runs an arm do not go evenly into {len(blocks)} blocks",
            "runs_per_arm",
            "even-blocks",
            nearest=max(1, round(runs / len(blocks))) * len(blocks),
        )
    if plan.design == "crossover" and (runs != len(blocks) or runs % 2):
        raise _refusal(
            "a crossover has one run of each arm for every subject, and an even number of subjects",
            "runs_per_arm",
            "even-subjects",
            nearest=len(blocks) + len(blocks) % 2,
        )
    if plan.design == "abba" and runs % 2:
        raise _refusal("ABBA needs an even number of runs an arm", "runs_per_arm", "even-runs", nearest=runs + 1)


def _check_factors(plan: AnalysisPlan) -> None:
    names = [one.name for one in plan.factors]
    if bool(names) != (plan.design == "factorial") or (plan.generators is not None and not names):
        raise _refusal("the design factorial, and only this one, has factors beside the arm", "factors", "factors")
    if not names:
        return
    if len(set(names)) < len(names) or any(one.low == one.high for one in plan.factors):
        raise _refusal("every factor needs a name of its own and two levels that differ", "factors", "factors")
    signs = factor_signs(plan)
    half, runs = len(signs) // 2, plan.runs_per_arm or 0
    if runs < half or runs % half:
        raise _refusal(
            f"{runs} runs an arm do not go evenly into the {len(signs)} combinations of the factors",
            "runs_per_arm",
            "even-cells",
            nearest=max(1, round(runs / half)) * half,
        )


def _refusal(fact: str, field: str, rule: str, **facts: object) -> PlanFormError:
    return PlanFormError(fact, field=field, rule=rule, **facts)
