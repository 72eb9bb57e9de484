"""The analysis plan on a form: whatever stands in a plan can be typed, and comes back as it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lab.pilots.examples import demo_economics, demo_plan, recording_plan
from lab.pilots.plans import (
    AnalysisPlan,
    CountOfEdges,
    CountOfEvents,
    DurationOfRun,
    EventValue,
    Factor,
    IndicatorOfMachine,
    IntegralOfSignals,
    MeanOfSignal,
    Measure,
    Quantity,
    RatioOfMeasures,
    ResultValue,
    RunLimits,
    SignalAtEvent,
    SignalReference,
    StatisticOfSignal,
    StopCriterion,
    TimeInState,
    Tolerance,
)
from lab.web import languages
from lab.web.measure_forms import FormError, read_settings, typed_settings
from lab.web.plan_forms import blank_form, read_plan_form, typed_of, wrong_place


def signal(name: str) -> SignalReference:
    return SignalReference(device="mill-1", signal=name)


COUNT = CountOfEvents(
    device="mill-1", event="part_finished", where={"result": "good", "kg": 1.5, "late": True, "no": "7"}
)
MEASURES: tuple[Measure, ...] = (
    IntegralOfSignals(signals=(signal("x_power_kw"), signal("y.power_kw"))),
    MeanOfSignal(signal=signal("feed_mm_s")),
    StatisticOfSignal(signal=signal("feed_mm_s"), statistic="minimum"),
    StatisticOfSignal(signal=signal("feed_mm_s"), statistic="maximum"),
    StatisticOfSignal(signal=signal("feed_mm_s"), statistic="percentile", percent=97.5),
    DurationOfRun(),
    TimeInState(device="mill-1", item_states=("Executing", "NotExecuting"), modes=("Setup", "Processing")),
    CountOfEdges(signal=signal("feed_mm_s"), threshold=0.1 + 0.2, edge="falling"),
    COUNT,
    EventValue(device="mill-1", event="part_finished", field="mass_kg"),
    SignalAtEvent(signal=signal("feed_mm_s"), device="meter-1", event="door_opened"),
    ResultValue(field="roughness_um"),
    IndicatorOfMachine(indicator="oee", device="mill-1", planned_s_per_item=180, part_event="made", result_field="was"),
    RatioOfMeasures(
        numerator=Quantity(measure=IntegralOfSignals(signals=(signal("x_power_kw"),)), unit="kW.h"),
        denominator=Quantity(measure=COUNT, unit="1"),
    ),
)


def with_measure(measure: Measure, **facts: object) -> AnalysisPlan:
    plan = demo_plan()
    return plan.model_copy(
        update={"kpis": (plan.kpis[0].model_copy(update={"measure": measure, **facts}), *plan.kpis[1:])}
    )


PLANS = {
    "of the demonstration": demo_plan(),
    "with economics": demo_plan(economics=demo_economics()),
    "of a recording": recording_plan(),
    "blocked": demo_plan().model_copy(update={"design": "blocked", "blocks": ("monday", "shift_2", "3rd-shift")}),
    "factorial": demo_plan().model_copy(
        update={
            "design": "factorial",
            "factors": (
                Factor(name="coolant", label="Coolant", low=False, high=True),
                Factor(name="tool_mm", label="Tool", low=6.0, high=8.0),
                Factor(name="maker", label="Maker, of the tool", low="A", high="B, new"),
            ),
            "generators": "a b c abc",
        }
    ),
    "with stops": demo_plan().model_copy(
        update={
            "stop": (
                StopCriterion(signal=signal("spindle_power_kw"), high=6.5, delay_s=2.5, stops=("mill-1", "conveyor-1")),
                StopCriterion(signal=signal("feed_mm_s"), low=0.0),
            )
        }
    ),
    "with a tolerance": with_measure(
        ResultValue(field="width_mm"), unit="mm", tolerance=Tolerance(low=9.99, high=10.01)
    ),
    "limited by states": demo_plan().model_copy(
        update={"limits": RunLimits(device="mill-1", item_states=("Executing", "NotExecuting"))}
    ),
    "long numbers": demo_plan().model_copy(update={"break_even": 0.1 + 0.2, "expected": 1 / 3 + 1, "alpha": 0.025}),
    **{f"measured by {measure.kind} {place}": with_measure(measure) for place, measure in enumerate(MEASURES)},
}


@pytest.mark.parametrize("language", ["en", "pl"])
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
def test_a_plan_that_nobody_has_touched_comes_back_as_it_was(plan: AnalysisPlan, language: languages.Language) -> None:
    token = languages._language.set(language)
    try:
        assert read_plan_form(typed_of(plan)) == plan
    finally:
        languages._language.reset(token)


def test_a_locked_plan_keeps_what_its_runs_are_laid_out_by_whatever_is_sent() -> None:
    plan = demo_plan()
    typed = typed_of(plan) | {
        "runs_per_arm": "99",
        "seed": "1",
        "design": "abab",
        "arms-0-role": "treatment",
        "alpha": "2",
    }
    found = read_plan_form(typed, layout_of=plan)
    assert found == plan.model_copy(update={"alpha": 0.02})


def test_names_for_programs_are_made_from_what_people_type_and_are_all_different() -> None:
    added = {"unit": "s", "direction": "lower", "role": "secondary", "measure": "duration"}
    typed = typed_of(demo_plan()) | {"arms-5-label": "2 mm głębiej", "arms-5-role": "other"}
    for place, label in {"7": "Zużycie energii", "8": "Zużycie: energii!", "9": "  "}.items():
        typed |= {f"kpis-{place}-{field}": text for field, text in {"label": label, **added}.items()}
    plan = read_plan_form(typed)
    assert [kpi.key for kpi in plan.kpis][3:] == ["zuzycie-energii", "zuzycie-energii2"]
    assert [arm.name for arm in plan.arms] == ["standard", "fast", "n-2-mm-glebiej"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"objective": ""}, "Objective"),
        ({"expected": "much"}, "Hoped for"),
        ({"expected": "1e999"}, "Hoped for"),
        ({"alpha": "60"}, "Risk of a wrong"),
        ({"kpis-0-signals-0": "", "kpis-0-signals-1": ""}, "Signals, added up"),
        ({"kpis-1-direction": "sideways"}, "Better is"),
        ({"kpis-2-margin": "-1"}, "May get worse by at most"),
        ({"arms-1-role": "boss"}, "Role"),
        ({"runs_per_arm": "1.5"}, "Runs of each way of working"),
        ({"economics": "yes", "investment_cents-likely": "8400.005"}, "Investment"),
    ],
)
def test_what_cannot_be_so_is_named(changes: dict[str, str], named: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read_plan_form(typed_of(demo_plan(economics=demo_economics())) | changes)
    assert f"“{named}" in wrong_place(caught.value)


@pytest.mark.parametrize(
    "changes", [{"kpis-0-unit": "sacks"}, {"kpis-0-measure": "magic"}, {"arms-0-settings": "feed_mm_s"}]
)
def test_what_cannot_be_read_is_told(changes: dict[str, str]) -> None:
    with pytest.raises(FormError):
        read_plan_form(typed_of(demo_plan()) | changes)


def test_a_form_that_nobody_has_filled_in_asks_for_the_first_thing() -> None:
    with pytest.raises(ValidationError) as caught:
        read_plan_form(blank_form("plt_1") | {"kpis-0-label": "Energy", "kpis-0-unit": "kWh"})
    assert "“Objective”" in wrong_place(caught.value)


_VALUES = st.one_of(
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15),
    st.text(
        st.characters(codec="utf-8", exclude_characters='"', exclude_categories=("C", "Z")), min_size=1, max_size=20
    ),
    st.sampled_from(["two words", "a, b", "7", "1e5", "true", "x; y", "1.5.2"]),
)


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True), _VALUES, max_size=4))
def test_settings_come_back_as_they_were(settings: dict[str, bool | float | str]) -> None:
    found = read_settings(typed_settings(settings), "settings")
    assert found == settings
    assert [type(value) for value in found.values()] == [type(value) for value in settings.values()]
