"""Which comparison a design asks for."""

from collections.abc import Sequence

import numpy as np

from lab.pilots.designs import PERIOD, RANDOMISED
from lab.pilots.plans import AnalysisPlan, Kpi
from lab.reports.adjusted import Adjustment, are_pairs, compare_adjusted, compare_with_control
from lab.reports.comparison import NoInferenceError, compare_numbers, compare_proportions
from lab.reports.kpis import NOT_COMPARED
from lab.reports.language import marked as N_  # noqa: N812
from lab.reports.language import say as _
from lab.reports.linear import Array
from lab.reports.results import Comparison, RunValue

PAIRS = N_("Student's t interval of the differences within pairs")
BLOCKS = N_("Student's t interval of the difference within blocks")


def compare_runs(plan: AnalysisPlan, kpi: Kpi, runs: Sequence[RunValue]) -> tuple[Comparison | None, str | None]:
    """Treatment against baseline by the plan's design.

    Args:
        plan: says the design.
        kpi: the KPI.
        runs: every run's number for it.

    Returns:
        The comparison, or `None` and why no inference is possible.
    """
    base, treat = (values_of(runs, arm.name) for arm in (plan.baseline, plan.treatment))
    try:
        if kpi.kind == "proportion":
            return compare_proportions(base, treat, direction=kpi.direction, alpha=plan.alpha), None
        if any(arm.role == "control_before" for arm in plan.arms):
            before, after = (_of_role(plan, runs, role) for role in ("control_before", "control_after"))
            found = compare_with_control((base, treat, before, after), direction=kpi.direction, alpha=plan.alpha)
            return found, None
        used = compared_runs(plan, runs)
        adjustment = adjustment_of(plan, used)
        if adjustment is None:
            found = compare_numbers(base, treat, direction=kpi.direction, alpha=plan.alpha, seed=plan.seed)
            return found, None
        return (
            compare_adjusted(
                [run.value or 0.0 for run in used],
                [run.arm == plan.treatment.name for run in used],
                adjustment,
                direction=kpi.direction,
                alpha=plan.alpha,
                seed=plan.seed,
            ),
            None,
        )
    except NoInferenceError as reason:
        return None, str(reason)


def adjustment_of(plan: AnalysisPlan, runs: Sequence[RunValue]) -> Adjustment | None:
    """What the design allows for beside the treatment; `None`: nothing, the arms are two groups.

    Args:
        plan: says the design.
        runs: those that are compared.
    """
    blocks = tuple(run.block or "" for run in runs)
    match plan.design:
        case "blocked":
            pairs = are_pairs(blocks, [run.arm == plan.treatment.name for run in runs])
            return Adjustment(_(PAIRS if pairs else BLOCKS), blocks, shuffled_within=True)
        case "abab":
            return Adjustment(_("Student's t interval of the difference beside a steady drift"), (), _places(runs))
        case "abba":
            return Adjustment(
                _("Student's t interval of the difference within blocks, beside a steady drift"), blocks, _places(runs)
            )
        case "crossover":
            periods = np.array([[float(run.levels.get(PERIOD) or 0)] for run in runs])
            how = _("Student's t interval of the difference within subjects, beside periods")
            return Adjustment(how, blocks, periods)
        case "factorial":
            names = ", ".join(factor.label for factor in plan.factors)
            how = _("Student's t interval of the difference, beside {names}", names=names)
            return Adjustment(how, (), _levels(plan, runs))
        case _:
            return None


def compared_runs(plan: AnalysisPlan, runs: Sequence[RunValue]) -> list[RunValue]:
    """The runs of both arms that count, in executed order."""
    arms = {plan.baseline.name, plan.treatment.name}
    return [run for run in runs if run.arm in arms and run.value is not None and not left_out(run)]


def values_of(runs: Sequence[RunValue], arm: str) -> list[float]:
    """The numbers of an arm's runs that count."""
    return [run.value for run in runs if run.arm == arm and run.value is not None and not left_out(run)]


def left_out(run: RunValue) -> bool:
    """Arms that are not compared still have a mean of their own; every other exclusion keeps a run out."""
    return run.excluded is not None and run.excluded != _(NOT_COMPARED)


def is_randomised(plan: AnalysisPlan) -> bool:
    """Whether chance dealt every run its arm."""
    return plan.design in RANDOMISED


def _of_role(plan: AnalysisPlan, runs: Sequence[RunValue], role: str) -> list[float]:
    return [value for arm in plan.arms if arm.role == role for value in values_of(runs, arm.name)]


def _places(runs: Sequence[RunValue]) -> Array:
    return np.array([[float(run.executed_order or run.run)] for run in runs])


def _levels(plan: AnalysisPlan, runs: Sequence[RunValue]) -> Array:
    return np.array([[float(run.levels.get(factor.name) == factor.high) for factor in plan.factors] for run in runs])
