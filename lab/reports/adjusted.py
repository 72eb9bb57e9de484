"""Two arms compared within blocks, beside a drift, a period, other factors or a control: what each design asks for.

Sources: Montgomery, *Design and Analysis of Experiments* (blocks 4.1, factorials ch. 6); Hills, Armitage (1979) for two
periods; Hollander, Wolfe, *Nonparametric Statistical Methods*, 3.1–3.3 for pairs; Satterthwaite (1946) for four groups.
Why blocks are fixed and not random: docs/decisions/0020-blocks-are-fixed.md.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from lab.reports.comparison import (
    RANDOM_ARRANGEMENTS,
    Direction,
    NoInferenceError,
    hodges_lehmann_pairs,
    is_constant,
    require_runs,
    scaled,
    turned,
)
from lab.reports.language import say as _
from lab.reports.linear import Array, Fit, block_columns, fit_effect
from lab.reports.results import Comparison, Interval

Labels = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What else may matter, and how the comparison allows for it."""

    method: str
    """e.g. "Student's interval of the difference within blocks"."""
    blocks: tuple[str, ...] = ()
    """(n,) or none: of every run."""
    covariates: Array | None = None
    """(n, k): places in the order, periods, levels of other factors."""
    shuffled_within: bool = False
    """Whether chance dealt the arms within the blocks: then a permutation test is one too."""


def compare_adjusted(
    values: Sequence[float],
    treated: Sequence[bool],
    adjustment: Adjustment,
    *,
    direction: Direction,
    alpha: float,
    seed: int,
) -> Comparison:
    """Treatment less baseline on run means, with what else matters taken away.

    Args:
        values: one number a run.
        treated: whether each run was of the treatment.
        adjustment: what else matters.
        direction: which way is better.
        alpha: 1 − confidence level.
        seed: of the random arrangements.

    Raises:
        NoInferenceError: with fewer than two runs in an arm, no block with both arms, or without any spread.
    """
    y, arm = np.asarray(values, float), np.asarray(treated, bool)
    require_runs(int((~arm).sum()), int(arm.sum()))
    blocks = np.array(adjustment.blocks)
    fit = _fit(y, arm, blocks, adjustment)
    interval = interval_of(fit.effect, fit.error, fit.df, alpha)
    mean = float(y[~arm].mean())
    shift, shift_interval = _shift(y, arm, blocks, alpha)
    p, how = permute_within(y, arm, blocks, seed) if adjustment.shuffled_within else (None, None)
    g, g_interval = _standardised(fit, alpha)
    return Comparison(
        difference=fit.effect,
        percent=100 * fit.effect / mean if mean else None,
        interval=interval,
        interval_percent=scaled(interval, 100 / mean) if mean else None,
        level=1 - alpha,
        method=adjustment.method,
        df=float(fit.df),
        standard_error=fit.error,
        p_value=float(2 * stats.t.sf(abs(fit.effect) / fit.error, fit.df)),
        p_holm=None,
        improvement=fit.effect if direction == "higher" else -fit.effect,
        improvement_interval=turned(interval, direction),
        hodges_lehmann=shift,
        hodges_lehmann_interval=shift_interval,
        permutation_p=p,
        permutation_method=how,
        hedges_g=g,
        hedges_g_interval=g_interval,
    )


def compare_with_control(
    groups: tuple[Sequence[float], Sequence[float], Sequence[float], Sequence[float]],
    *,
    direction: Direction,
    alpha: float,
) -> Comparison:
    """The change of what was changed less the change of what was not (difference in differences).

    Args:
        groups: runs of baseline, treatment, control before, control after; one number a run.
        direction: which way is better.
        alpha: 1 − confidence level.

    Raises:
        NoInferenceError: with fewer than two runs in a group, or without any spread.
    """
    arms = [np.asarray(group, float) for group in groups]
    for first, second in ((0, 1), (2, 3)):
        require_runs(len(arms[first]), len(arms[second]))
    if all(is_constant(arm) for arm in arms):
        raise NoInferenceError(_("no inference possible: within each arm every run gave the same number"))
    base, treat, before, after = (float(arm.mean()) for arm in arms)
    difference = (treat - base) - (after - before)
    squares = [float(arm.var(ddof=1)) / len(arm) for arm in arms]
    error = math.sqrt(sum(squares))
    df = sum(squares) ** 2 / sum(part**2 / (len(arm) - 1) for part, arm in zip(squares, arms, strict=True))
    interval = interval_of(difference, error, df, alpha)
    return Comparison(
        difference=difference,
        percent=100 * difference / base if base else None,
        interval=interval,
        interval_percent=scaled(interval, 100 / base) if base else None,
        level=1 - alpha,
        method=_("Welch's t interval of the change less the control's change"),
        df=df,
        standard_error=error,
        p_value=float(2 * stats.t.sf(abs(difference) / error, df)),
        p_holm=None,
        improvement=difference if direction == "higher" else -difference,
        improvement_interval=turned(interval, direction),
        hodges_lehmann=None,
        hodges_lehmann_interval=None,
        permutation_p=None,
        permutation_method=None,
        hedges_g=None,
        hedges_g_interval=None,
    )


def nuisances_of(adjustment: Adjustment) -> Array | None:
    """The columns of everything that is adjusted for."""
    columns = [] if adjustment.covariates is None else [adjustment.covariates]
    if adjustment.blocks:
        columns.append(block_columns(adjustment.blocks))
    return np.column_stack(columns) if columns else None


def interval_of(estimate: float, error: float, df: float, alpha: float) -> Interval:
    """Student's interval."""
    half = float(stats.t.ppf(1 - alpha / 2, df)) * error
    return Interval(low=estimate - half, high=estimate + half)


def are_pairs(blocks: Sequence[str], treated: Sequence[bool]) -> bool:
    """Whether every block with both arms has one run of each."""
    counts = Counter(zip(blocks, treated, strict=True))
    both = [block for block in set(blocks) if counts[block, True] and counts[block, False]]
    return bool(both) and all(counts[block, True] == counts[block, False] == 1 for block in both)


def permute_within(values: Array, treated: npt.NDArray[np.bool_], blocks: Labels, seed: int) -> tuple[float, str]:
    """How often arms dealt out by chance within the blocks would differ as much: twice the smaller tail.

    What differs is the fixed-block estimate. Random arrangements; the one seen counts as one of them.

    Returns:
        The p value, and how it was found.
    """
    rng = np.random.default_rng(seed)
    fit = fit_effect(values, treated.tolist(), block_columns(blocks.tolist()))
    assert fit is not None
    spread = float(np.ptp(values))
    centred = values - values.mean()
    found = np.zeros(RANDOM_ARRANGEMENTS)
    for block in sorted(set(blocks.tolist())):
        places = np.flatnonzero(blocks == block)
        order = np.argsort(rng.random((RANDOM_ARRANGEMENTS, len(places))), axis=1)
        found += centred[places][order] @ fit.weights[places]
    grain = max(spread * 1e-9, 1e-300)
    sums, seen = np.rint(found / grain), round(fit.effect / grain)
    tail = min(int((sums <= seen).sum()), int((sums >= seen).sum())) + 1
    return min(1.0, 2 * tail / (RANDOM_ARRANGEMENTS + 1)), (
        _("{n} random arrangements within blocks, seed {seed}", n=RANDOM_ARRANGEMENTS, seed=seed)
    )


def _fit(y: Array, arm: npt.NDArray[np.bool_], blocks: Labels, adjustment: Adjustment) -> Fit:
    fit = fit_effect(y, arm.tolist(), nuisances_of(adjustment))
    if fit is None:
        raise NoInferenceError(_("no inference possible: no block has runs of both arms that count"))
    if fit.df < 1:
        raise NoInferenceError(
            _(
                "no inference possible: {n} runs are too few to tell the effect from what else was varied",
                n=len(y),
            )
        )
    if fit.sd <= 1e-12 * float(np.abs(y).max()):
        raise NoInferenceError(
            _(
                "no inference possible: within the blocks the runs differ by the treatment alone, so there is no "
                "spread against which a difference could be judged"
            )
            if len(blocks)
            else _(
                "no inference possible: the runs differ by the treatment alone, so there is no spread against which a "
                "difference could be judged"
            )
        )
    return fit


def _shift(y: Array, arm: npt.NDArray[np.bool_], blocks: Labels, alpha: float) -> tuple[float | None, Interval | None]:
    """Hodges and Lehmann's shift within blocks; its interval for pairs."""
    if not len(blocks):
        return None, None
    if are_pairs(blocks.tolist(), arm.tolist()):
        base = dict(zip(blocks[~arm].tolist(), y[~arm].tolist(), strict=True))
        treat = dict(zip(blocks[arm].tolist(), y[arm].tolist(), strict=True))
        return hodges_lehmann_pairs([treat[block] - base[block] for block in sorted(base) if block in treat], alpha)
    differences = [
        np.subtract.outer(y[(blocks == block) & arm], y[(blocks == block) & ~arm]).ravel()
        for block in sorted(set(blocks.tolist()))
    ]
    return float(np.median(np.concatenate(differences))), None


def _standardised(fit: Fit, alpha: float) -> tuple[float, Interval]:
    """Hedges' g: the effect in spreads of runs within blocks, made smaller for few runs."""
    g = fit.effect / fit.sd * (1 - 3 / (4 * fit.df - 1))
    half = float(stats.norm.ppf(1 - alpha / 2)) * math.sqrt((fit.error / fit.sd) ** 2 + g**2 / (2 * fit.df))
    return g, Interval(low=g - half, high=g + half)
