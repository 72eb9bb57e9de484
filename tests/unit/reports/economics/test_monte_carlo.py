"""Draws of the company's figures and of what the investment is worth."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.pilots.economics.inputs import EconomicInputs, Estimate
from lab.pilots.examples import demo_economics
from lab.reports.economics.monte_carlo import distribution_of, draw_pert, draw_terms, histogram

UNIFORMS = np.random.default_rng(1).random(200_000)


def changed(**figures):
    return EconomicInputs.model_validate({**demo_economics().model_dump(), **figures})


def effects(n, *, mean=0.03, sd=0.005):
    return np.random.default_rng(2).normal(mean, sd, n)


@pytest.mark.parametrize(("low", "likely", "high"), [(0, 5, 10), (6, 8, 11), (1, 1, 4), (1, 4, 4)])
def test_pert_draws_have_the_mean_and_spread_of_the_formula(low, likely, high):
    """Mean (a+4m+b)/6 as of Malcolm and others (1959); variance (μ−a)(b−μ)/7 of that beta distribution."""
    drawn = draw_pert(Estimate(low=low, likely=likely, high=high), UNIFORMS)
    mean = (low + 4 * likely + high) / 6
    variance = (mean - low) * (high - mean) / 7
    assert drawn.mean() == pytest.approx(mean, abs=5 * (variance / len(drawn)) ** 0.5)
    assert drawn.var() == pytest.approx(variance, rel=0.02)
    assert low <= drawn.min() <= drawn.max() <= high


def test_the_same_seed_gives_the_same_numbers_and_another_one_others():
    first, again, other = (
        distribution_of(draw_terms(demo_economics(), seed=seed), effects(10_000), seed=seed) for seed in (7, 7, 8)
    )
    assert first == again
    assert first.npv_cents != other.npv_cents
    assert first.seed == 7
    assert first.draws == 10_000


def test_one_more_uncertain_figure_leaves_the_draws_of_the_others():
    before, after = (
        draw_terms(figures, seed=3)
        for figures in (demo_economics(), changed(residual_value_cents={"likely": 10, "low": 0, "high": 50}))
    )
    assert before.residual_value_cents == 0
    assert after.residual_value_cents.shape == (10_000,)
    assert np.array_equal(before.running_costs_cents, after.running_costs_cents)
    assert np.array_equal(before.yearly_volume, after.yearly_volume)


def test_figures_without_a_spread_stay_what_they_are():
    certain = {name: {"likely": value["likely"]} for name, value in demo_economics() if isinstance(value, dict)}
    assert draw_terms(changed(**certain), seed=1).grant_share == 0.2


def test_amounts_beyond_any_money_are_counted_too():
    edges, counts = histogram(np.array([-3e24, 1e23, 5e24]))
    assert sum(counts) == 3
    assert 0 in edges
    assert edges[0] <= -3e24 < 5e24 <= edges[-1]


def test_payback_that_never_comes_counts_as_the_latest():
    found = distribution_of(draw_terms(demo_economics(), seed=1), effects(10_000, mean=0.012), seed=1)
    assert 0.1 < found.never_paid_back < 1
    assert found.payback_years.p90 is None
    assert found.probability_positive < 0.2
    hopeless = distribution_of(draw_terms(demo_economics(), seed=1), effects(10_000, mean=-0.1), seed=1)
    assert hopeless.never_paid_back == 1
    assert hopeless.payback_years.p10 is None
    assert hopeless.probability_positive == 0
    assert hopeless.npv_cents.p90 < 0


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9), st.integers(1, 200), st.integers(0, 2**31))
def test_every_draw_lies_in_one_bin_and_zero_is_an_edge(middle, spread, n, seed):
    amounts = np.random.default_rng(seed).normal(middle, spread, n)
    edges, counts = histogram(amounts)
    assert sum(counts) == len(amounts)
    assert len(counts) == len(edges) - 1 <= 40
    assert len({high - low for low, high in itertools.pairwise(edges)}) == 1
    assert edges[0] <= min(amounts) <= max(amounts) <= edges[-1]
    assert 0 in edges or not edges[0] < 0 < edges[-1]
