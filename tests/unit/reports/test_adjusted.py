"""Comparisons within blocks against worked examples with their source, the mixed model, and how often they cover."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM

from lab.reports.adjusted import Adjustment, compare_adjusted, compare_with_control
from lab.reports.comparison import NoInferenceError, hodges_lehmann_pairs
from lab.reports.linear import block_columns, fit_effect

# Box, Hunter, Hunter, Statistics for Experimenters (2005), table 3.5: wear of boys' shoes, materials A and B.
SHOES_A = [13.2, 8.2, 10.9, 14.3, 10.7, 6.6, 9.5, 10.8, 8.8, 13.3]
SHOES_B = [14.0, 8.8, 11.2, 14.2, 11.8, 6.4, 9.8, 11.3, 9.3, 13.6]
BOYS = tuple(f"boy-{number}" for number in range(10))
WITHIN = Adjustment("within", (*BOYS, *BOYS), shuffled_within=True)

# Hollander, Wolfe, Nonparametric Statistical Methods, table 3.1: Hamilton depression scores before and after.
BEFORE = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
AFTER = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]


def compare(base, treat, adjustment, direction="higher"):
    treated = [False] * len(base) + [True] * len(treat)
    return compare_adjusted([*base, *treat], treated, adjustment, direction=direction, alpha=0.05, seed=1)


def test_pairs_are_those_of_box_hunter_and_hunter():
    # mean difference 0.41, standard error 0.12, t = 3.4 on 9 degrees of freedom, 95 % interval 0.13 … 0.69
    found = compare(SHOES_A, SHOES_B, WITHIN)
    assert found.difference == pytest.approx(0.41)
    assert found.standard_error == pytest.approx(0.12, abs=0.005)
    assert found.df == 9
    assert found.difference / found.standard_error == pytest.approx(3.35, abs=0.005)
    assert (found.interval.low, found.interval.high) == (pytest.approx(0.13, abs=0.005), pytest.approx(0.69, abs=0.005))
    assert found.p_value == pytest.approx(stats.ttest_rel(SHOES_B, SHOES_A).pvalue)


def test_permutation_of_pairs_is_that_of_box_hunter_and_hunter():
    # of the 1,024 ways to give the shoes, 3 differ by more and 4 by as much: 7/1024 one-sided, ties counted whole
    assert compare(SHOES_A, SHOES_B, WITHIN).permutation_p == pytest.approx(2 * 7 / 1024, abs=0.003)


def test_shift_of_pairs_is_that_of_hollander_and_wolfe():
    # estimate −0.46 with the interval (−0.786, −0.010) at 1 − α = 0.961
    differences = [after - before for before, after in zip(BEFORE, AFTER, strict=True)]
    shift, interval = hodges_lehmann_pairs(differences, 0.05)
    assert shift == pytest.approx(-0.46)
    assert (interval.low, interval.high) == (pytest.approx(-0.786), pytest.approx(-0.010))
    assert hodges_lehmann_pairs(differences[:5], 0.05)[1] is None
    assert hodges_lehmann_pairs(differences[:6], 0.05)[1] is not None


def blocked(seed, blocks=6, each=2, effect=1.0, between=2.0):
    rng = np.random.default_rng(seed)
    labels = tuple(f"shift-{block}" for block in range(blocks) for _ in range(2 * each))
    treated = [place % 2 == 1 for place in range(2 * blocks * each)]
    shifts = dict(zip(sorted(set(labels)), rng.normal(0, between, blocks), strict=True))
    values = [10 + shifts[label] + effect * arm + rng.normal() for label, arm in zip(labels, treated, strict=True)]
    return values, treated, labels


@pytest.mark.parametrize("seed", range(3))
def test_complete_blocks_give_the_mixed_models_numbers(seed):
    values, treated, labels = blocked(seed)
    found = compare_adjusted(values, treated, Adjustment("within", labels), direction="higher", alpha=0.05, seed=1)
    table = pd.DataFrame({"y": values, "treatment": np.array(treated, float), "block": labels})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mixed = MixedLM(table.y, sm.add_constant(table.treatment), table.block).fit(reml=True)
    assert found.difference == pytest.approx(mixed.params["treatment"], rel=1e-6)
    assert found.standard_error == pytest.approx(mixed.bse["treatment"], rel=1e-3)


def test_adjusted_effect_is_that_of_ordinary_least_squares():
    values, treated, labels = blocked(5)
    values, treated, labels = values[:-3], treated[:-3], labels[:-3]  # some runs were left out
    places = np.arange(len(values), dtype=float).reshape(-1, 1)
    found = fit_effect(values, treated, np.column_stack([places, block_columns(labels)]))
    design = np.column_stack([np.array(treated, float), places, block_columns(labels)])
    reference = sm.OLS(values, design).fit()
    assert found.effect == pytest.approx(reference.params[0])
    assert found.error == pytest.approx(reference.bse[0])
    assert found.df == reference.df_resid
    assert found.effect == pytest.approx(float(found.weights @ np.array(values)))


def test_two_periods_are_those_of_the_classical_analysis():
    # Hills and Armitage: half the difference of the mean period differences of the two sequences
    rng = np.random.default_rng(4)
    subjects = rng.normal(0, 5, 8)
    first, second = rng.normal(0, 1, (2, 8)) + subjects + np.array([[0.0], [0.7]])
    baseline_first = np.arange(8) < 4
    first, second = first + ~baseline_first, second + baseline_first
    values = [value for pair in zip(first, second, strict=True) for value in pair]
    treated = [arm for flag in baseline_first for arm in (not flag, bool(flag))]
    blocks = tuple(f"s{number}" for number in range(8) for _ in range(2))
    periods = np.array([[1.0], [2.0]] * 8)
    found = compare_adjusted(
        values, treated, Adjustment("crossover", blocks, periods), direction="higher", alpha=0.05, seed=1
    )
    steps = second - first
    classical = stats.ttest_ind(steps[baseline_first] / 2, steps[~baseline_first] / 2)
    assert found.difference == pytest.approx((steps[baseline_first].mean() - steps[~baseline_first].mean()) / 2)
    assert found.p_value == pytest.approx(classical.pvalue)


def test_change_less_the_controls_change():
    groups = ([10.0, 12.0, 11.0], [14.0, 16.0, 15.0], [20.0, 21.0, 22.0], [21.0, 22.0, 23.5])
    found = compare_with_control(groups, direction="higher", alpha=0.05)
    assert found.difference == pytest.approx(4 - (22.1666667 - 21))
    error = np.sqrt(sum(np.var(group, ddof=1) / 3 for group in groups))
    assert found.standard_error == pytest.approx(error)
    assert found.permutation_p is None
    with pytest.raises(NoInferenceError):
        compare_with_control(([1.0, 2.0], [1.0, 2.0], [1.0], [1.0, 2.0]), direction="higher", alpha=0.05)
    with pytest.raises(NoInferenceError):
        compare_with_control(([1.0, 1.0], [2.0, 2.0], [1.0, 1.0], [1.0, 1.0]), direction="higher", alpha=0.05)


@pytest.mark.parametrize(
    ("base", "treat", "blocks", "fact"),
    [
        ([1.0, 2.0], [3.0, 4.5], ("a", "a", "b", "b"), "no block has runs of both arms"),
        ([1.0, 2.0], [2.0, 3.0], ("a", "b", "a", "b"), "no spread"),
        ([1.0, 5.0, 9.0], [2.0, 6.0, 10.0], ("a", "b", "c", "a", "b", "c"), "no spread"),
        ([1.0], [3.0, 4.0], ("a", "a", "b"), "1 run"),
    ],
)
def test_no_inference_is_said_as_a_fact(base, treat, blocks, fact):
    with pytest.raises(NoInferenceError, match=fact):
        compare(base, treat, Adjustment("within", blocks))


def test_too_few_runs_for_what_was_varied_is_no_inference():
    with pytest.raises(NoInferenceError, match="too few"):
        compare(
            [1.0, 2.5], [3.0, 4.0], Adjustment("within", ("a", "b", "a", "b"), np.array([[1.0], [4.0], [2.0], [3.5]]))
        )


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.randoms(use_true_random=False), st.sampled_from([1e-3, 1.0, 1e3]))
def test_order_of_runs_names_of_blocks_and_unit_do_not_matter(seed, random, scale):
    values, treated, labels = blocked(seed, blocks=3)
    places = random.sample(range(len(values)), len(values))
    first = compare_adjusted(values, treated, Adjustment("m", labels), direction="lower", alpha=0.05, seed=1)
    second = compare_adjusted(
        [scale * values[place] for place in places],
        [treated[place] for place in places],
        Adjustment("m", tuple(labels[place][::-1] for place in places)),
        direction="lower",
        alpha=0.05,
        seed=1,
    )
    assert second.difference == pytest.approx(scale * first.difference, rel=1e-9, abs=1e-9 * scale)
    assert second.interval.low == pytest.approx(scale * first.interval.low, rel=1e-9, abs=1e-9 * scale)
    assert second.hedges_g == pytest.approx(first.hedges_g, rel=1e-9, abs=1e-9)
    assert second.hodges_lehmann == pytest.approx(scale * first.hodges_lehmann, rel=1e-9, abs=1e-9 * scale)


def test_what_blocks_share_does_not_matter():
    values, treated, labels = blocked(3)
    moved = [value + 100 * int(label[-1]) for value, label in zip(values, labels, strict=True)]
    adjustment = Adjustment("m", labels, shuffled_within=True)
    first, second = (
        compare_adjusted(numbers, treated, adjustment, direction="lower", alpha=0.05, seed=1)
        for numbers in (values, moved)
    )
    assert second.difference == pytest.approx(first.difference)
    assert second.standard_error == pytest.approx(first.standard_error)
    assert second.permutation_p == pytest.approx(first.permutation_p, abs=0.02)


def test_interval_within_blocks_covers_the_truth_as_often_as_it_says():
    pilots, covered = 500, 0
    for seed in range(pilots):
        values, treated, labels = blocked(seed, blocks=4, each=1)
        found = fit_effect(values, treated, block_columns(labels))
        half = stats.t.ppf(0.975, found.df) * found.error
        covered += abs(found.effect - 1) <= half
    low, high = stats.binom.interval(0.999, pilots, 0.95)
    assert low <= covered <= high
