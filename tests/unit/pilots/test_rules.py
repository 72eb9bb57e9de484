"""A plan that cannot lead to an honest answer is refused by name; the order of the runs follows from the seed."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lab.pilots.designs import randomised_order
from lab.pilots.errors import (
    ArmsError,
    EffectZeroError,
    ExpectedEffectError,
    GuardMarginError,
    OneRunArmError,
    PlanFormError,
    PrimaryKpiError,
    UnitMismatchError,
    UnknownArmError,
    UnknownSignalError,
)
from lab.pilots.examples import RECORDED_FEEDS, demo_plan, recording_plan
from lab.pilots.plans import AnalysisPlan, canonical_json, plan_sha256
from lab.pilots.rules import check_plan
from lab.pilots.units import conversion_factor, integral_factor, unit_label

UNITS = {
    "mill-1": {"spindle_power_kw": "kW", "step": None},
    "meter-1": {"active_power_kw": "kW", "voltage_v": "V"},
    "mill-umich": {"x_power_kw": "kW", "y_power_kw": "kW", "spindle_power_kw": "kW"},
}


def changed(path, value, plan=None):
    """The demonstration's plan with one thing changed, `kpis.0.unit` style."""
    document = (plan or demo_plan()).model_dump(mode="json")
    place = document
    *steps, last = path.split(".")
    for step in steps:
        place = place[int(step)] if step.isdigit() else place[step]
    place[int(last) if last.isdigit() else last] = value
    return AnalysisPlan.model_validate(document)


def test_both_examples_make_sense():
    check_plan(demo_plan(), UNITS)
    check_plan(recording_plan(), UNITS)


@pytest.mark.parametrize(
    ("path", "value", "error"),
    [
        ("kpis.0.role", "secondary", PrimaryKpiError),
        ("kpis.1.role", "primary", PrimaryKpiError),
        ("arms.1.role", "baseline", ArmsError),
        ("arms.1.role", "other", ArmsError),
        ("arms.1.name", "standard", ArmsError),
        ("kpis.1.key", "energy_per_part", PlanFormError),
        ("kpis.2.margin", None, GuardMarginError),
        ("kpis.1.margin", 1.0, GuardMarginError),
        ("break_even", 0.0, EffectZeroError),
        ("break_even", -0.1, EffectZeroError),
        ("expected", 0.0, EffectZeroError),
        ("expected", 0.02, ExpectedEffectError),
        ("alpha", 0.11, PlanFormError),
        ("runs_per_arm", 1, OneRunArmError),
        ("runs_per_arm", 0, OneRunArmError),
        ("runs_per_arm", None, PlanFormError),
        ("order", ["standard", "fast"], PlanFormError),
        ("design", "as_recorded", PlanFormError),
        ("kpis.0.unit", "um", UnitMismatchError),
        ("kpis.0.unit", "kW", UnitMismatchError),
        ("kpis.1.unit", "kW.h", UnitMismatchError),
        ("kpis.0.measure.signals.0.signal", "voltage_v", UnitMismatchError),
        ("kpis.0.measure.signals.0", {"device": "mill-1", "signal": "step"}, UnitMismatchError),
        ("kpis.0.measure.signals.0.signal", "power", UnknownSignalError),
        ("kpis.0.measure.signals.0.device", "meter-9", UnknownSignalError),
        ("limits.device", "mill-9", UnknownSignalError),
        ("kpis.2.kind", "proportion", UnitMismatchError),
    ],
)
def test_refusals_are_named(path, value, error):
    with pytest.raises(error) as refused:
        check_plan(changed(path, value), UNITS)
    assert {"field", "rule"} <= set(refused.value.facts)
    assert refused.value.message


def test_an_order_with_an_unknown_arm_is_refused():
    with pytest.raises(UnknownArmError, match="feed-99"):
        check_plan(changed("order.3", "feed-99", recording_plan()), UNITS)


def test_a_recorded_order_with_one_run_of_an_arm_is_refused():
    order = ["feed-3", "feed-6", "feed-6", "feed-12"]
    with pytest.raises(OneRunArmError, match="feed-3 has 1 run"):
        check_plan(changed("order", order, recording_plan()), UNITS)


@pytest.mark.parametrize(
    ("path", "value"), [("alpha", 0.9), ("seed", -1), ("break_even", "NaN"), ("kpis.0.direction", "up"), ("extra", 1)]
)
def test_what_is_no_plan_at_all_is_refused(path, value):
    with pytest.raises(ValidationError):
        changed(path, value)


@given(st.integers(0, 2**63 - 1), st.integers(2, 20))
def test_randomised_order_is_balanced_and_follows_from_the_seed(seed, runs):
    plan = demo_plan(seed=seed, runs_per_arm=runs)
    order = randomised_order(plan)
    assert Counter(order) == {"standard": runs, "fast": runs}
    assert order == randomised_order(plan)


def test_another_seed_gives_another_order():
    assert len({randomised_order(demo_plan(seed=seed)) for seed in range(20)}) > 15


def test_recorded_order_is_that_of_the_recording():
    assert randomised_order(recording_plan()) == tuple(f"feed-{feed}" for feed in RECORDED_FEEDS)


def test_hash_of_a_plan_does_not_depend_on_the_order_of_its_keys():
    document = demo_plan().model_dump(mode="json")
    turned = dict(reversed(document.items()))
    assert plan_sha256(turned) == plan_sha256(document)
    assert canonical_json({"b": 1.0, "a": "µ"}) == '{"a":"µ","b":1.0}'.encode()


def test_every_change_of_a_plan_changes_its_hash():
    documents = [demo_plan(), demo_plan(seed=1), demo_plan(break_even_kwh=0.021), changed("alpha", 0.1)]
    assert len({plan_sha256(plan.model_dump(mode="json")) for plan in documents}) == 4


def test_units_by_hand():
    assert 3.6 * 100 * integral_factor("kW", "kW.h") == pytest.approx(0.1)
    assert 3.6 * 100 * integral_factor("kW", "W.h") == pytest.approx(100)
    assert 3600 * integral_factor("W", "W.h") == pytest.approx(1)
    assert conversion_factor("kW", "W") == 1000
    assert conversion_factor("um", "um") == 1
    assert [unit_label(unit) for unit in ("kW.h", "um", "1", None, "s")] == ["kWh", "µm", "", "", "s"]


def test_unit_refusal_names_what_would_do():
    with pytest.raises(UnitMismatchError, match=r"kW\.h") as refused:
        integral_factor("kW", "kW")
    assert "kW.h" in refused.value.facts["nearest"]
