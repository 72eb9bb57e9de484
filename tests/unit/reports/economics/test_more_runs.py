"""What a wrong decision costs in the mean, and what more runs would save of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.pilots.economics.cash_flow import likely_terms, net_present_value
from lab.pilots.examples import demo_economics
from lab.reports.economics.monte_carlo import draw_terms
from lab.reports.economics.more_runs import expected_losses, spread_after, value_of_runs, worth_line


@pytest.mark.parametrize(("place", "loss"), [(0.0, 0.3989), (0.5, 0.1978), (1.0, 0.0833), (2.0, 0.008491)])
def test_unit_normal_loss_is_that_of_the_tables(place, loss):
    """Raiffa, Schlaifer, *Applied Statistical Decision Theory*, table of the unit normal linear-loss integral."""
    assert value_of_runs(place, 1.0) == pytest.approx(loss, abs=5e-5)
    assert value_of_runs(-300 * place, 300.0) == pytest.approx(300 * loss, rel=1e-3)


def test_value_of_runs_is_what_many_further_pilots_would_gain():
    """Played through: further runs move the estimate, then the better of the two decisions is taken."""
    line, rng = (-1_000.0, 50_000.0), np.random.default_rng(5)
    effects = rng.normal(0.022, 0.01, 400_000)
    runs, further = 6, 10
    sd_one = 0.01 * np.sqrt(runs)  # of the estimate from one run an arm
    seen = effects + rng.normal(0, sd_one / np.sqrt(further), len(effects))
    together = (runs * effects.mean() + further * seen) / (runs + further)
    gained = np.where(line[0] + line[1] * together > 0, line[0] + line[1] * effects, 0.0).mean()
    now = max(0.0, line[0] + line[1] * float(effects.mean()))
    spread = spread_after(line, effects, runs=runs, further=further)
    assert value_of_runs(line[0] + line[1] * float(effects.mean()), spread) == pytest.approx(gained - now, rel=0.05)


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.integers(0, 2**31))
def test_no_run_is_worth_more_than_certainty(worth, sd, seed):
    effects = np.random.default_rng(seed).normal(0.0, 1.0, 4_000)
    effects = (effects - effects.mean()) / effects.std()
    line = (worth, sd)
    few, many = (value_of_runs(worth, spread_after(line, effects, runs=6, further=further)) for further in (3, 10_000))
    assert 0 <= few <= many
    assert many <= expected_losses(line, effects).certainty + 0.02 * sd + 1e-6


def test_losses_differ_by_the_mean_worth():
    effects = np.random.default_rng(3).normal(0.02, 0.01, 1_000)
    line = worth_line(draw_terms(demo_economics(), seed=1))
    losses = expected_losses(line, effects)
    assert losses.if_not - losses.if_bought == pytest.approx(float((line[0] + line[1] * effects).mean()))
    assert losses.certainty == min(losses.if_bought, losses.if_not)


def test_worth_is_a_straight_line_in_the_effect():
    nothing, slope = worth_line(likely_terms(demo_economics()))
    assert nothing + 0.03 * slope == pytest.approx(float(net_present_value(likely_terms(demo_economics()), 0.03)))


def test_nothing_uncertain_leaves_nothing_to_find_out():
    assert value_of_runs(100.0, 0.0) == 0
    assert value_of_runs(0.0, 0.0) == 0
