"""The company's figures in a plan: named refusals, defaults, and break-even that follows from them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lab.pilots.economics.cash_flow import likely_terms, net_present_value
from lab.pilots.economics.inputs import EconomicInputs
from lab.pilots.economics.rules import check_break_even, check_inputs, computed_break_even
from lab.pilots.errors import BreakEvenError, EconomicRangeError, EffectZeroError, EstimateOrderError
from lab.pilots.examples import demo_plan
from lab.pilots.plans import AnalysisPlan, plan_sha256
from lab.pilots.rules import check_plan

UNITS = {"mill-1": {"spindle_power_kw": "kW"}, "meter-1": {"active_power_kw": "kW"}}
LEAST = {
    "investment_cents": {"likely": 800_000},
    "lifetime_years": {"likely": 8},
    "yearly_volume": {"likely": 400_000},
    "unit_value_cents": {"likely": 22.0},
}


def inputs(**changed):
    return EconomicInputs.model_validate({**LEAST, **changed})


def document(**changed):
    """The demonstration's plan with economics and without its break-even, then changed."""
    plan = demo_plan().model_dump(mode="json")
    del plan["break_even"]
    return {**plan, "economics": LEAST, **changed}


@pytest.mark.parametrize(
    ("changed", "error", "rule"),
    [
        ({"investment_cents": {"likely": -1}}, EconomicRangeError, "not-negative"),
        ({"investment_cents": {"likely": 0}}, EconomicRangeError, "above-zero"),
        ({"investment_cents": {"likely": 100, "low": 0}}, EconomicRangeError, "above-zero"),
        ({"lifetime_years": {"likely": 0}}, EconomicRangeError, "above-zero"),
        ({"lifetime_years": {"likely": 200}}, EconomicRangeError, "at-most"),
        ({"discount_rate": {"likely": 8}}, EconomicRangeError, "at-most"),
        ({"discount_rate": {"likely": -0.01}}, EconomicRangeError, "not-negative"),
        ({"grant_share": {"likely": 1.5}}, EconomicRangeError, "at-most"),
        ({"grant_share": {"likely": 0.5, "high": 1.1}}, EconomicRangeError, "at-most"),
        ({"residual_value_cents": {"likely": -5}}, EconomicRangeError, "not-negative"),
        ({"yearly_volume": {"likely": 0}}, EconomicRangeError, "above-zero"),
        ({"unit_value_cents": {"likely": 0}}, EconomicRangeError, "above-zero"),
        ({"running_costs_cents": {"likely": 10, "low": -10}}, EconomicRangeError, "not-negative"),
        ({"run_cost_cents": -1}, EconomicRangeError, "not-negative"),
        ({"yearly_volume": {"likely": 5, "low": 6}}, EstimateOrderError, "low-likely-high"),
        ({"yearly_volume": {"likely": 5, "high": 4}}, EstimateOrderError, "low-likely-high"),
        ({"yearly_volume": {"likely": 5, "low": 9, "high": 1}}, EstimateOrderError, "low-likely-high"),
    ],
)
def test_figures_that_make_no_sense_are_refused_by_name(changed, error, rule):
    with pytest.raises(error) as refused:
        check_inputs(inputs(**changed))
    assert refused.value.facts["rule"] == rule
    assert refused.value.facts["field"] == f"economics.{next(iter(changed))}"
    with pytest.raises(error):  # and the same through the plan, whose break-even cannot be computed
        check_plan(AnalysisPlan.model_validate(document(economics={**LEAST, **changed})), UNITS)


@pytest.mark.parametrize(
    "changed",
    [
        {"currency": "euro"},
        {"investment_cents": {"likely": 10.5}},
        {"investment_cents": 800_000},
        {"yearly_volume": {"likely": math.inf}},
        {"yearly_volume": {"likely": 1e13}},
        {"wages": {"likely": 1}},
    ],
)
def test_what_is_no_figure_at_all_is_refused_with_its_place(changed):
    with pytest.raises(ValidationError) as refused:
        AnalysisPlan.model_validate(document(economics={**LEAST, **changed}))
    assert {error["loc"][:2] for error in refused.value.errors()} == {("economics", next(iter(changed)))}


def test_defaults_are_the_cautious_ones():
    given_least = inputs()
    assert given_least.currency == "EUR"
    assert given_least.discount_rate.likely == 0.08
    assert [given_least.grant_share.likely, given_least.residual_value_cents.likely] == [0, 0]
    assert given_least.yearly_volume.is_certain
    assert not inputs(yearly_volume={"likely": 5, "high": 6}).yearly_volume.is_certain


def test_break_even_left_out_follows_from_the_economics_and_is_locked_as_a_number():
    plan = AnalysisPlan.model_validate(document())
    annuity = (1 - 1.08**-8) / 0.08
    assert plan.break_even == pytest.approx(800_000 / annuity / 400_000 / 22)
    check_plan(plan, UNITS)
    stored = plan.model_dump(mode="json")
    assert stored["break_even"] == plan.break_even
    assert AnalysisPlan.model_validate(stored) == plan
    assert AnalysisPlan.model_validate_json(plan.model_dump_json()) == plan
    dearer = AnalysisPlan.model_validate(document(economics={**LEAST, "running_costs_cents": {"likely": 10}}))
    assert plan_sha256(dearer.model_dump(mode="json")) != plan_sha256(stored)


def test_break_even_that_differs_from_the_economics_is_refused_with_the_computed_one():
    with pytest.raises(BreakEvenError) as refused:
        check_plan(AnalysisPlan.model_validate(document(break_even=0.02)), UNITS)
    nearest = refused.value.facts["nearest"]
    assert refused.value.facts["field"] == "break_even"
    check_plan(AnalysisPlan.model_validate(document(break_even=nearest)), UNITS)
    check_plan(AnalysisPlan.model_validate(document(break_even=float(f"{nearest:.9g}"))), UNITS)


def test_neither_break_even_nor_economics_is_refused():
    with pytest.raises(EffectZeroError, match="or the economics"):
        check_plan(AnalysisPlan.model_validate(document(economics=None)), UNITS)


def test_an_investment_that_pays_without_any_effect_leaves_nothing_to_decide():
    with pytest.raises(BreakEvenError, match="without any improvement"):
        computed_break_even(inputs(grant_share={"likely": 1.0}))


def test_a_plan_from_before_there_were_economics_still_holds():
    old = {name: value for name, value in demo_plan().model_dump(mode="json").items() if name != "economics"}
    plan = AnalysisPlan.model_validate(old)
    assert plan.economics is None
    assert plan == demo_plan()
    check_plan(plan, UNITS)


@given(
    st.floats(0.01, 1e9), st.floats(0.1, 100), st.floats(0, 1), st.floats(0, 0.99), st.floats(1, 1e9), st.floats(0, 1e9)
)
def test_at_the_computed_break_even_the_investment_is_worth_nothing(volume, years, rate, grant, value, costs):
    figures = inputs(
        yearly_volume={"likely": volume},
        lifetime_years={"likely": years},
        discount_rate={"likely": rate},
        grant_share={"likely": grant},
        unit_value_cents={"likely": value},
        running_costs_cents={"likely": int(costs)},
    )
    effect = computed_break_even(figures)
    check_break_even(figures, effect)
    assert float(net_present_value(likely_terms(figures), effect)) == pytest.approx(0, abs=1e-6 * (1e6 + costs * years))
