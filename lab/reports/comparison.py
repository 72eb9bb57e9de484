"""Two arms compared by one number a run (domain.md §3): the run is the unit, never the sample.

Sources: Welch (1947), Hedges' g, Wilson, Newcombe (1998, method 10) and Holm by statsmodels; Hodges and Lehmann (1963)
with the interval of Moses (Hollander, Wolfe, *Nonparametric Statistical Methods*, 4.2–4.3); Fisher's and Pitman's
permutation test.
"""

import itertools
import math
from collections.abc import Sequence
from functools import cache
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import stats
from statsmodels.stats.meta_analysis import effectsize_smd
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.weightstats import CompareMeans, ttost_ind

from lab.reports.language import marked as N_  # noqa: N812
from lab.reports.language import say as _
from lab.reports.results import Comparison, Interval

Direction = Literal["lower", "higher"]
Array: TypeAlias = npt.NDArray[np.float64]

WELCH = N_("Welch's t interval")
MOST_EXACT_ARRANGEMENTS = 20_000
RANDOM_ARRANGEMENTS = 9_999
_LARGEST_EXACT_U = 2_500  # n·m, beyond: normal approximation
_MOST_EXACT_PAIRS = 40
_CONSTANT = 1e-12  # a spread this small against the size of the numbers is rounding


class NoInferenceError(ValueError):
    """The numbers do not allow a conclusion; the message is a sentence for the report."""


def compare_numbers(
    baseline: Sequence[float], treatment: Sequence[float], *, direction: Direction, alpha: float, seed: int
) -> Comparison:
    """Treatment less baseline on run means.

    Args:
        baseline: one number a run.
        treatment: one number a run.
        direction: which way is better.
        alpha: 1 − confidence level.
        seed: of the random arrangements, where there are too many to try all.

    Raises:
        NoInferenceError: with fewer than two runs in an arm, or without any spread.
    """
    base, treat = np.asarray(baseline, float), np.asarray(treatment, float)
    require_runs(len(base), len(treat))
    if is_constant(base) and is_constant(treat):
        raise NoInferenceError(
            _(
                "no inference possible: within each arm every run gave the same number, so there is no spread against "
                "which a difference could be judged"
            )
        )
    means = CompareMeans.from_data(treat, base)
    _t, p_welch, df = means.ttest_ind(usevar="unequal")
    low, high = means.tconfint_diff(alpha=alpha, usevar="unequal")
    interval = Interval(low=float(low), high=float(high))
    difference, mean = float(treat.mean() - base.mean()), float(base.mean())
    g, g_interval = _hedges_g(base, treat, alpha)
    p, method = permutation_test(base, treat, seed)
    shift, shift_interval = hodges_lehmann(base, treat, alpha)
    return Comparison(
        difference=difference,
        percent=100 * difference / mean if mean else None,
        interval=interval,
        interval_percent=scaled(interval, 100 / mean) if mean else None,
        level=1 - alpha,
        method=_(WELCH),
        df=float(df),
        standard_error=float(means.std_meandiff_separatevar),
        p_value=float(p_welch),
        p_holm=None,
        improvement=difference if direction == "higher" else -difference,
        improvement_interval=turned(interval, direction),
        hodges_lehmann=shift,
        hodges_lehmann_interval=shift_interval,
        permutation_p=p,
        permutation_method=method,
        hedges_g=g,
        hedges_g_interval=g_interval,
    )


def compare_proportions(
    baseline: Sequence[float], treatment: Sequence[float], *, direction: Direction, alpha: float
) -> Comparison:
    """Treatment's share of yes less the baseline's.

    Args:
        baseline: 1 or 0 for each run.
        treatment: 1 or 0 for each run.
        direction: whether more yes is better.
        alpha: 1 − confidence level.

    Raises:
        NoInferenceError: with fewer than two runs in an arm.
    """
    require_runs(len(baseline), len(treatment))
    yes_base, yes_treat = int(sum(baseline)), int(sum(treatment))
    n_base, n_treat = len(baseline), len(treatment)
    low, high = confint_proportions_2indep(
        yes_treat, n_treat, yes_base, n_base, method="newcomb", compare="diff", alpha=alpha
    )
    difference = yes_treat / n_treat - yes_base / n_base
    interval = Interval(low=max(-1.0, min(float(low), difference)), high=min(1.0, max(float(high), difference)))
    exact = stats.fisher_exact(np.array([[yes_treat, n_treat - yes_treat], [yes_base, n_base - yes_base]]))
    return Comparison(
        difference=difference,
        percent=None,
        interval=interval,
        interval_percent=None,
        level=1 - alpha,
        method=_("Newcombe's hybrid score interval"),
        df=None,
        p_value=float(exact.pvalue),
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


def not_worse_p(
    baseline: Sequence[float], treatment: Sequence[float], found: Comparison, *, direction: Direction, margin: float
) -> float | None:
    """One-sided p value of being worse by the margin or more: the half of TOST that matters for "not worse than".

    Args:
        baseline: one number a run.
        treatment: one number a run.
        found: their comparison.
        direction: which way is better.
        margin: the largest tolerable worsening, > 0.

    Returns:
        `None` for shares, whose interval is no Student's.
    """
    if found.standard_error is None or found.df is None:
        return None
    if found.method == _(WELCH):
        _p, from_below, from_above = ttost_ind(
            np.asarray(treatment, float), np.asarray(baseline, float), -margin, margin, usevar="unequal"
        )
        return float((from_below if direction == "higher" else from_above)[1])
    return float(stats.t.sf((margin + found.improvement) / found.standard_error, found.df))


def hodges_lehmann(
    baseline: Sequence[float] | Array, treatment: Sequence[float] | Array, alpha: float
) -> tuple[float, Interval | None]:
    """The median of all differences treatment − baseline, and its distribution-free interval.

    Returns:
        The shift, and `None` for the interval where there are too few runs for this level (at 95 %: 3 against 3,
        not yet 4 against 4).
    """
    differences = np.sort(np.subtract.outer(np.asarray(treatment, float), np.asarray(baseline, float)).ravel())
    place = _critical_place(len(baseline), len(treatment), alpha)
    shift = float(np.median(differences))
    if place < 1:
        return shift, None
    return shift, Interval(low=float(differences[place - 1]), high=float(differences[len(differences) - place]))


def hodges_lehmann_pairs(differences: Sequence[float], alpha: float) -> tuple[float, Interval | None]:
    """The median of all means of two differences, and its distribution-free interval (Tukey's, by signed ranks).

    Returns:
        The shift, and `None` for the interval where there are too few pairs for this level (at 95 %: 5).
    """
    numbers = np.asarray(differences, float)
    n = len(numbers)
    rows, columns = np.triu_indices(n)
    walsh = np.sort((numbers[rows] + numbers[columns]) / 2)
    place = _critical_rank_sum(n, alpha)
    shift = float(np.median(walsh))
    if place < 1:
        return shift, None
    return shift, Interval(low=float(walsh[place - 1]), high=float(walsh[len(walsh) - place]))


def mean_interval(values: Sequence[float], alpha: float) -> Interval | None:
    """Student's interval of the mean of one arm; `None` below two runs or without spread."""
    numbers = np.asarray(values, float)
    if len(numbers) < 2 or is_constant(numbers):
        return None
    half = stats.t.ppf(1 - alpha / 2, len(numbers) - 1) * numbers.std(ddof=1) / math.sqrt(len(numbers))
    return Interval(low=float(numbers.mean() - half), high=float(numbers.mean() + half))


def share_interval(values: Sequence[float], alpha: float) -> Interval | None:
    """Wilson's interval of the share of yes in one arm; `None` without runs."""
    if not values:
        return None
    low, high = proportion_confint(int(sum(values)), len(values), alpha=alpha, method="wilson")
    return Interval(low=max(0.0, float(low)), high=min(1.0, float(high)))


def holm(p_values: Sequence[float]) -> list[float]:
    """P values adjusted for looking at several KPIs."""
    return [float(p) for p in multipletests(p_values, method="holm")[1]] if p_values else []


def spread(baseline: Sequence[float], treatment: Sequence[float]) -> float | None:
    """Pooled run-to-run standard deviation of two arms; `None` where an arm has fewer than two runs."""
    if min(len(baseline), len(treatment)) < 2:
        return None
    return math.sqrt((float(np.var(baseline, ddof=1)) + float(np.var(treatment, ddof=1))) / 2)


def require_runs(n_base: int, n_treat: int) -> None:
    """Two runs of each arm are the least.

    Raises:
        NoInferenceError: where there are fewer.
    """
    if min(n_base, n_treat) < 2:
        raise NoInferenceError(
            _(
                "no inference possible: the comparison has {base} run(s) of the baseline and {treat} of the treatment; "
                "at least two of each are needed to see how much runs differ by themselves",
                base=n_base,
                treat=n_treat,
            )
        )


def is_constant(values: Array) -> bool:
    """Whether numbers differ by rounding alone."""
    return bool(np.ptp(values) <= _CONSTANT * max(1e-300, float(np.abs(values).max())))


def scaled(interval: Interval, factor: float) -> Interval:
    """An interval times a factor of either sign."""
    ends = sorted((interval.low * factor, interval.high * factor))
    return Interval(low=ends[0], high=ends[1])


def turned(interval: Interval, direction: Direction) -> Interval:
    """The interval of a difference as one of an improvement."""
    return interval if direction == "higher" else Interval(low=-interval.high, high=-interval.low)


def _hedges_g(base: Array, treat: Array, alpha: float) -> tuple[float | None, Interval | None]:
    g, variance = effectsize_smd(treat.mean(), treat.std(ddof=1), len(treat), base.mean(), base.std(ddof=1), len(base))
    half = stats.norm.ppf(1 - alpha / 2) * math.sqrt(variance)
    return float(g), Interval(low=float(g - half), high=float(g + half))


def permutation_test(
    baseline: Sequence[float] | Array, treatment: Sequence[float] | Array, seed: int
) -> tuple[float, str]:
    """How often runs dealt out by chance would differ in their means as much: twice the smaller tail (as in scipy).

    All arrangements are tried where they are few, else random ones (the arrangement seen counts as one of them). Means
    that differ by rounding alone are equal, so that the order of the runs does not matter.

    Returns:
        The p value, and how it was found.
    """
    numbers = np.concatenate([np.asarray(treatment, float), np.asarray(baseline, float)])
    n, size = len(treatment), len(numbers)
    arrangements = math.comb(size, n)
    exact = arrangements <= MOST_EXACT_ARRANGEMENTS
    grain = max(float(np.ptp(numbers)) * 1e-9, 1e-300)
    centred = (numbers - numbers.mean()) / grain
    if exact:
        sums = np.rint(centred[_combinations(size, n)].sum(axis=1))
    else:
        rng = np.random.default_rng(seed)
        places = np.argsort(rng.random((RANDOM_ARRANGEMENTS, size)), axis=1)[:, :n]
        sums = np.rint(centred[places].sum(axis=1))
    seen = np.rint(centred[:n].sum())
    extra = 0 if exact else 1
    tail = min(int((sums <= seen).sum()), int((sums >= seen).sum())) + extra
    how = (
        _("exact, all {n} arrangements", n=arrangements)
        if exact
        else _("{n} random arrangements, seed {seed}", n=RANDOM_ARRANGEMENTS, seed=seed)
    )
    return min(1.0, 2 * tail / (len(sums) + extra)), how


@cache
def _combinations(size: int, n: int) -> npt.NDArray[np.int64]:
    return np.array(list(itertools.combinations(range(size), n)))


def _critical_rank_sum(n: int, alpha: float) -> int:
    """The largest C with P(T ≤ C − 1) ≤ α/2 for Wilcoxon's sum of signed ranks without ties; 0 if there is none."""
    if n > _MOST_EXACT_PAIRS:
        centre, sd = n * (n + 1) / 4, math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        return max(0, math.floor(centre - stats.norm.ppf(1 - alpha / 2) * sd))
    counts = np.ones(1)
    for rank in range(1, n + 1):  # how many sets of signs give each sum of ranks
        counts = np.convolve(counts, np.r_[1.0, np.zeros(rank - 1), 1.0])
    return int((np.cumsum(counts) <= 2.0**n * alpha / 2).sum())


def _critical_place(n: int, m: int, alpha: float) -> int:
    """The largest C with P(U ≤ C − 1) ≤ α/2 for Mann–Whitney's U without ties; 0 if there is none."""
    if n * m > _LARGEST_EXACT_U:
        centre, sd = n * m / 2, math.sqrt(n * m * (n + m + 1) / 12)
        return max(0, math.floor(centre - stats.norm.ppf(1 - alpha / 2) * sd))
    counts, total = _u_counts(n, m), math.comb(n + m, n)
    below, place = 0, 0
    for count in counts:
        below += count
        if below > total * alpha / 2:
            break
        place += 1
    return place


@cache
def _u_counts(n: int, m: int) -> tuple[int, ...]:
    """How many arrangements give U = 0, 1, …, n·m: the coefficients of the Gaussian binomial."""
    size = n * m + 1
    counts = [1] + [0] * (size - 1)
    for i in range(1, m + 1):
        for place in range(size - 1, n + i - 1, -1):  # times 1 − q^(n+i)
            counts[place] -= counts[place - n - i]
        for place in range(i, size):  # divided by 1 − q^i
            counts[place] += counts[place - i]
    return tuple(counts)
