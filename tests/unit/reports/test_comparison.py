"""Golden numbers against hand computation and the literature, invariances, and how often the interval covers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lab.reports.comparison import (
    NoInferenceError,
    compare_numbers,
    compare_proportions,
    hodges_lehmann,
    holm,
    mean_interval,
    permutation_test,
    share_interval,
)

BASELINE = [10.0, 12.0, 11.0, 13.0, 9.0, 11.0]
TREATMENT = [8.0, 9.0, 7.0, 10.0, 8.5, 7.5]

numbers = st.lists(st.floats(-1e3, 1e3).map(lambda value: round(value, 3)), min_size=3, max_size=7)


def compare(base, treat, direction="lower"):
    return compare_numbers(base, treat, direction=direction, alpha=0.05, seed=1)


def test_welch_interval_is_that_of_the_formula():
    base, treat = np.array(BASELINE), np.array(TREATMENT)
    a, b = treat.var(ddof=1) / 6, base.var(ddof=1) / 6
    df = (a + b) ** 2 / (a**2 / 5 + b**2 / 5)
    half = stats.t.ppf(0.975, df) * math.sqrt(a + b)
    found = compare(BASELINE, TREATMENT)
    assert found.df == pytest.approx(df)
    assert found.difference == pytest.approx(-8 / 3)
    assert found.interval.low == pytest.approx(-8 / 3 - half)
    assert found.interval.high == pytest.approx(-8 / 3 + half)
    assert found.percent == pytest.approx(-100 * (8 / 3) / 11)
    assert found.improvement_interval.low == pytest.approx(8 / 3 - half)


def test_hedges_g_is_cohens_d_made_smaller_for_few_runs():
    base, treat = np.array(BASELINE), np.array(TREATMENT)
    pooled = math.sqrt((base.var(ddof=1) + treat.var(ddof=1)) / 2)
    assert compare(BASELINE, TREATMENT).hedges_g == pytest.approx((-8 / 3) / pooled * (1 - 3 / (4 * 10 - 1)))


def test_permutation_test_tries_every_arrangement_when_they_are_few():
    found = compare_numbers([1, 2, 3], [4, 5, 6], direction="higher", alpha=0.05, seed=1)
    assert found.permutation_p == pytest.approx(2 / 20)
    assert found.permutation_method == "exact, all 20 arrangements"


def test_permutation_test_agrees_with_scipy():
    rng = np.random.default_rng(5)
    base, treat = rng.normal(0, 1, 6), rng.normal(1, 2, 5)
    scipys = stats.permutation_test(
        (treat, base), lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis), vectorized=True, n_resamples=np.inf
    )
    assert permutation_test(base, treat, 1)[0] == pytest.approx(scipys.pvalue)


def test_permutation_test_with_many_runs_is_the_same_for_the_same_seed():
    rng = np.random.default_rng(3)
    base, treat = rng.normal(0, 1, 20), rng.normal(0.5, 1, 20)
    first, second = (compare(base, treat).permutation_p for _ in range(2))
    assert first == second
    assert "seed 1" in (compare(base, treat).permutation_method or "")


def test_hodges_lehmann_interval_is_that_of_hollander_and_wolfe():
    # Hollander, Wolfe: permeability of chorioamnion, table 4.1; n = 10 and 5; HL shift −0.305 (0.305 turned),
    # 96 % interval (−0.76, 0.15) at W(C) with C = 9.
    term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    gestation = [1.15, 0.88, 0.90, 0.74, 1.21]
    shift, interval = hodges_lehmann(term, gestation, 0.05)
    assert shift == pytest.approx(-0.305)
    assert interval is not None
    assert (interval.low, interval.high) == (pytest.approx(-0.76), pytest.approx(0.15))


def test_too_few_runs_for_a_distribution_free_interval_give_none():
    assert hodges_lehmann([1.0, 2.0, 3.0], [4.0, 5.0, 6.0], 0.05)[1] is None
    assert hodges_lehmann([1.0, 2.0, 3.0, 4.0], [4.0, 5.0, 6.0, 7.0], 0.05)[1] is not None


def test_newcombe_interval_is_that_of_his_table():
    # Newcombe (1998), Statistics in Medicine 17:873, table II, method 10, example (a): 56/70 − 48/80.
    treat, base = [1.0] * 56 + [0.0] * 14, [1.0] * 48 + [0.0] * 32
    found = compare_proportions(base, treat, direction="higher", alpha=0.05)
    assert found.difference == pytest.approx(0.2)
    assert found.interval.low == pytest.approx(0.0524, abs=5e-5)
    assert found.interval.high == pytest.approx(0.3339, abs=5e-5)


def test_newcombe_interval_of_few_perfect_parts_is_wide():
    # the same, example (h): 10/10 − 0/20 is 0.6791 … 1.0
    found = compare_proportions([0.0] * 20, [1.0] * 10, direction="higher", alpha=0.05)
    assert found.interval.low == pytest.approx(0.6791, abs=5e-5)
    assert found.interval.high == pytest.approx(1.0)


def test_one_run_an_arm_allows_no_inference():
    with pytest.raises(NoInferenceError, match="no inference possible: the comparison has 1 run"):
        compare([1.0], [2.0])
    with pytest.raises(NoInferenceError, match="no inference"):
        compare_proportions([1.0], [0.0, 1.0], direction="higher", alpha=0.05)


def test_constant_numbers_allow_no_inference():
    with pytest.raises(NoInferenceError, match="no spread"):
        compare([0.1 + 0.2, 0.3], [0.5, 0.5, 0.5])


def test_an_arm_without_spread_beside_one_with_spread_is_compared():
    found = compare([1.0, 1.0, 1.0], [2.0, 2.1, 2.2])
    assert found.interval.low < 1.1 < found.interval.high


def test_zero_baseline_has_no_percentage():
    assert compare([-1.0, 0.0, 1.0], [1.0, 2.0, 3.0]).percent is None


def test_intervals_of_one_arm():
    found = mean_interval(BASELINE, 0.05)
    assert found is not None
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 5, 11, stats.sem(BASELINE)))
    assert mean_interval([1.0], 0.05) is None
    assert share_interval([], 0.05) is None
    wilson = share_interval([1.0] * 6, 0.05)
    assert wilson is not None
    assert wilson.low == pytest.approx(6 / (6 + 1.959964**2), abs=1e-6)


def test_holm_adjusts_several_p_values():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@settings(max_examples=40, deadline=None)
@given(numbers, numbers, st.randoms(use_true_random=False))
def test_order_of_runs_does_not_matter(base, treat, random):
    assert_same_or_refused(base, treat, random.sample(base, len(base)), random.sample(treat, len(treat)), scale=1)


@settings(max_examples=40, deadline=None)
@given(numbers, numbers, st.sampled_from([0.5, 2.0, 1024.0]))
def test_unit_of_the_numbers_scales_the_result(base, treat, scale):
    assert_same_or_refused(base, treat, [scale * x for x in base], [scale * x for x in treat], scale=scale)


def assert_same_or_refused(base, treat, other_base, other_treat, *, scale):
    try:
        first = compare(base, treat)
    except NoInferenceError:
        with pytest.raises(NoInferenceError):
            compare(other_base, other_treat)
        return
    second = compare(other_base, other_treat)
    size = max(map(abs, [*base, *treat]))
    assert second.difference == pytest.approx(scale * first.difference, abs=1e-9 * scale * size)
    assert second.interval.low == pytest.approx(scale * first.interval.low, rel=1e-6, abs=1e-9 * scale * size)
    assert second.hodges_lehmann == pytest.approx(scale * first.hodges_lehmann, abs=1e-9 * scale * size)
    assert second.permutation_p == pytest.approx(first.permutation_p)


def test_interval_covers_the_truth_as_often_as_it_says():
    rng, covered, pilots = np.random.default_rng(20261123), 0, 500
    for _ in range(pilots):
        base, treat = rng.normal(10, 0.5, 6), rng.normal(9, 1.0, 6)
        welch = stats.ttest_ind(treat, base, equal_var=False).confidence_interval()
        found = mean_difference_interval(base, treat)
        assert (found.low, found.high) == pytest.approx((welch.low, welch.high))
        covered += found.low <= -1 <= found.high
    low, high = stats.binom.interval(0.999, pilots, 0.95)
    assert low <= covered <= high


def mean_difference_interval(base, treat):
    return compare_numbers(base, treat, direction="lower", alpha=0.05, seed=1).interval
