"""Worth of an investment: worked examples of others, and what must hold for any figures."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lab.pilots.economics.cash_flow import (
    NEVER,
    annuity_factor,
    break_even_effect,
    discounted_payback_years,
    net_present_value,
    payback_years,
    profitability_index,
    terms_of,
    yearly_cash_flow,
)
from lab.pilots.economics.rates import present_value


def terms(**changed):
    """EUR 10,000 for 5 years at 8 %, 1,000 parts a year worth EUR 1 a unit."""
    given = {
        "investment_cents": 1_000_000,
        "lifetime_years": 5,
        "discount_rate": 0.08,
        "grant_share": 0,
        "residual_value_cents": 0,
        "yearly_volume": 1000,
        "unit_value_cents": 100,
        "running_costs_cents": 0,
    }
    return terms_of(given | changed)


def level(own, flow, years, rate, **changed):
    """An investment of `own` that brings `flow` a year; the effect is then 1."""
    figures = {"investment_cents": own, "yearly_volume": flow, "unit_value_cents": 1, "lifetime_years": years}
    return terms(**figures, discount_rate=rate, **changed)


# Worked examples


def test_annuity_factors_are_those_of_the_tables():
    """Brealey, Myers, Allen, *Principles of Corporate Finance*, appendix table 3 (three decimals)."""
    for rate, years, factor in ((0.08, 5, 3.993), (0.10, 10, 6.145), (0.05, 20, 12.462), (0.0, 7, 7.0)):
        assert annuity_factor(np.asarray(rate), np.asarray(years)) == pytest.approx(factor, abs=5e-4)


def test_ordinary_and_discounted_payback_of_a_textbook():
    """Ross, Westerfield, Jordan, *Fundamentals of Corporate Finance*, ch. 9: 400 for 100 a year at 20 %.

    The ordinary payback is four years, the discounted one a little less than nine, the NPV of the perpetuity 100.
    """
    example = level(400, 100, 100, 0.20)
    assert payback_years(example, 1) == 4
    assert 8.8 < discounted_payback_years(example, 1) < 9
    assert net_present_value(example, 1) == pytest.approx(100, abs=1e-4)


def test_discounted_payback_counts_the_part_of_its_year():
    """900 a year for 4 years at 9 % for 2,800, by hand: 2,278.17 after three years, the fourth brings 637.58."""
    assert discounted_payback_years(level(2800, 900, 4, 0.09), 1) == pytest.approx(3 + 521.83 / 637.58, abs=1e-4)
    assert discounted_payback_years(level(3200, 900, 4, 0.09), 1) == NEVER
    assert payback_years(level(3200, 900, 4, 0.09), 1) == pytest.approx(3200 / 900)


def test_grant_residual_value_and_running_costs_by_hand():
    """EUR 10,000, grant 20 %, EUR 2,500 less 500 a year, 8 %, 5 years, EUR 1,000 left."""
    example = terms(
        grant_share=0.2,
        residual_value_cents=100_000,
        yearly_volume=1000,
        unit_value_cents=50,
        running_costs_cents=50_000,
    )
    effect = 5.0
    assert yearly_cash_flow(example, effect) == 200_000
    by_hand = -800_000 + sum(200_000 / 1.08**year for year in range(1, 6)) + 100_000 / 1.08**5
    assert net_present_value(example, effect) == pytest.approx(by_hand)
    assert profitability_index(example, effect) == pytest.approx(1 + by_hand / 1_000_000)
    assert break_even_effect(example) == pytest.approx(5.0 - by_hand / 3.992710037 / 50_000)


# What must hold for any figures

RATES = st.floats(0, 1)
YEARS = st.floats(0.5, 40)
EFFECTS = st.floats(0.01, 100)


@given(st.floats(0, 0.9), st.floats(0.001, 0.1), YEARS, EFFECTS)
def test_worth_of_earnings_falls_when_money_costs_more(rate, more, years, effect):
    cheap, dear = (terms(discount_rate=r, lifetime_years=years) for r in (rate, rate + more))
    assert net_present_value(dear, effect) < net_present_value(cheap, effect)


@given(RATES, YEARS, st.floats(0, 1), st.floats(0, 1e6), st.floats(0, 1e6))
def test_at_the_break_even_effect_the_worth_is_nothing(rate, years, grant, residual, costs):
    example = terms(
        discount_rate=rate,
        lifetime_years=years,
        grant_share=grant,
        residual_value_cents=residual,
        running_costs_cents=costs,
    )
    effect = break_even_effect(example)
    assert net_present_value(example, effect) == pytest.approx(0, abs=1e-3)
    assert net_present_value(example, effect + 1) > 0 > net_present_value(example, effect - 1)


@given(RATES, st.integers(1, 40), EFFECTS, st.floats(0, 1e6))
def test_worth_is_the_sum_of_discounted_cash_flows(rate, years, effect, residual):
    example = terms(discount_rate=rate, lifetime_years=years, residual_value_cents=residual)
    flows = [-1_000_000.0, *[100_000 * effect] * (years - 1), 100_000 * effect + residual]
    assert net_present_value(example, effect) == pytest.approx(present_value(range(years + 1), flows, rate), rel=1e-9)


@given(RATES, YEARS, EFFECTS, st.floats(0, 2e6))
def test_discounted_payback_lies_within_the_lifetime_exactly_if_it_pays(rate, years, effect, residual):
    example = terms(discount_rate=rate, lifetime_years=years, residual_value_cents=residual)
    worth, payback = float(net_present_value(example, effect)), float(discounted_payback_years(example, effect))
    if abs(worth) > 1e-3:
        assert (payback <= years) == (worth > 0)
    assert payback >= payback_years(example, effect) - 1e-9
    assert payback == NEVER or 0 < payback <= years


@given(RATES, st.floats(1, 30), EFFECTS)
def test_after_the_payback_the_investment_is_just_earned(rate, years, effect):
    payback = float(discounted_payback_years(terms(discount_rate=rate, lifetime_years=years), effect))
    if math.isinf(payback):
        return
    whole = min(math.floor(payback), math.floor(years))
    at = years if whole == math.floor(years) else whole + 1
    earned = sum(100_000 * effect / (1 + rate) ** year for year in range(1, whole + 1))
    assert earned + (payback - whole) * 100_000 * effect * (1 + rate) ** -at == pytest.approx(1_000_000, rel=1e-6)


@given(YEARS, RATES)
@example(39.99999999999999, 0.921875)
def test_a_little_more_lifetime_is_worth_only_a_little_more(years, rate):
    factor, more = annuity_factor(np.asarray(rate), np.array([years, years + 1e-6]))
    rounding = 4 * np.spacing(factor)
    assert -rounding <= more - factor < 1.1e-6


def test_what_costs_nothing_of_the_own_is_paid_back_at_once():
    assert payback_years(terms(grant_share=1), 1) == 0


def test_a_loss_every_year_is_never_paid_back_and_a_residual_value_pays_back_at_the_end():
    assert payback_years(terms(), -1) == NEVER
    assert discounted_payback_years(terms(), 0) == NEVER
    assert discounted_payback_years(terms(residual_value_cents=2_000_000), 0) == 5


def test_draws_are_computed_at_once():
    many = terms(discount_rate=np.array([0.0, 0.05, 0.1]), lifetime_years=np.array([4.0, 5.5, 6.0]))
    effects = np.array([2.0, 3.0, 4.0])
    for function in (net_present_value, payback_years, discounted_payback_years, profitability_index):
        one_by_one = [
            float(function(terms(discount_rate=rate, lifetime_years=years), effect))
            for rate, years, effect in zip(many.discount_rate, many.lifetime_years, effects, strict=True)
        ]
        assert function(many, effects).tolist() == pytest.approx(one_by_one)
