"""The tornado: which figure moves the result most."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.pilots.economics.cash_flow import likely_terms, net_present_value
from lab.pilots.economics.inputs import EconomicInputs
from lab.pilots.examples import demo_economics
from lab.reports.economics.sensitivity import tornado


def inputs(**figures):
    return EconomicInputs.model_validate({**demo_economics().model_dump(), **figures})


@given(st.floats(0.02, 0.2), st.floats(0, 0.9), st.floats(0, 0.5), st.floats(1, 40))
def test_every_bar_contains_the_worth_as_computed(effect, grant, rate, years):
    figures = inputs(grant_share={"likely": grant}, discount_rate={"likely": rate}, lifetime_years={"likely": years})
    worth = float(net_present_value(likely_terms(figures), effect))
    bars = tornado(figures, effect)
    for bar in bars:
        low, high = sorted((bar.npv_less_cents, bar.npv_more_cents))
        assert low - 1 <= worth <= high + 1
        assert bar.swing_cents == high - low
    assert [bar.swing_cents for bar in bars] == sorted((bar.swing_cents for bar in bars), reverse=True)


def test_a_figure_of_zero_has_no_bar_and_a_share_ends_at_one():
    bars = {bar.key: bar for bar in tornado(inputs(grant_share={"likely": 0.9}), 0.03)}
    assert "residual_value_cents" not in bars
    assert bars["grant_share"].more == 1.0
    assert bars["grant_share"].less == pytest.approx(0.72)


def test_bars_by_hand():
    """EUR 8,400 less 20 %: 20 % more of it costs 0.2 · 6,720; the same of the running costs 0.2 · 600 · annuity."""
    bars = {bar.key: bar for bar in tornado(demo_economics(), 0.03)}
    assert bars["investment_cents"].swing_cents == round(0.4 * 672_000)
    annuity = (1 - 1.08**-8) / 0.08
    assert bars["running_costs_cents"].swing_cents == pytest.approx(0.4 * 60_000 * annuity, abs=1)
    assert bars["effect"].swing_cents == bars["yearly_volume"].swing_cents
    assert bars["effect"].npv_more_cents > bars["effect"].npv_less_cents
    assert bars["discount_rate"].npv_more_cents < bars["discount_rate"].npv_less_cents


def test_shares_are_shown_in_percentage_points():
    (bar,) = (bar for bar in tornado(demo_economics(), 0.03, scale=100.0) if bar.key == "effect")
    assert (bar.less, bar.more) == (pytest.approx(2.4), pytest.approx(3.6))
