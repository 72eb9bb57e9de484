"""One number a run: integrals, means, durations and noted values, from sealed data."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.pilots.examples import demo_plan
from lab.pilots.plans import DurationOfRun, EventValue, Kpi, MeanOfSignal, ResultValue, RunLimits, SignalReference
from lab.reports import kpis
from lab.reports.kpis import integrate, run_value
from lab.reports.sealed import SealedEvent, SealedRun
from lab.reports.sealing import SealedData, read_data_set
from tests.unit.reports.sealed_examples import SECOND, constant_power, samples, sealed_device, sealed_run, write_pilot

series = st.lists(
    st.tuples(st.integers(0, 100 * SECOND), st.floats(-10, 10)), min_size=2, max_size=30, unique_by=lambda pair: pair[0]
)


def integral(times, values, gap=200.0):
    return integrate(
        np.array(times, np.int64), np.array(values, float), start_ns=0, end_ns=100 * SECOND, longest_gap_s=gap
    )


def test_a_ramp_has_the_area_of_a_triangle():
    found = integral([0, 40 * SECOND, 100 * SECOND], [0.0, 0.4, 1.0])
    assert found.integral == pytest.approx(50.0)
    assert found.percent(100.0) == pytest.approx(100.0)


def test_a_gap_is_not_bridged_and_shows_in_the_coverage():
    found = integral([0, SECOND, 51 * SECOND, 100 * SECOND], [1.0, 1.0, 1.0, 1.0], gap=49.0)
    assert found.integral == pytest.approx(50.0)
    assert found.percent(100.0) == pytest.approx(50.0)
    assert found.longest_gap_s == pytest.approx(50.0)


def test_samples_outside_the_run_do_not_count():
    found = integral([-SECOND, 0, 100 * SECOND, 101 * SECOND], [9.0, 1.0, 1.0, 9.0])
    assert found.integral == pytest.approx(100.0)
    assert found.samples == 2


def test_a_silent_signal_has_no_coverage():
    assert integral([], []).percent(100.0) == 0.0
    assert integral([], []).longest_gap_s is None


@given(series, st.randoms(use_true_random=False))
def test_order_of_samples_does_not_matter(pairs, random):
    mixed = random.sample(pairs, len(pairs))
    assert integral(*zip(*mixed, strict=True)) == integral(*zip(*pairs, strict=True))


@given(series, st.integers(1, 7), st.floats(1, 100))
def test_a_long_run_is_integrated_in_portions_to_the_same_numbers(pairs, portion, gap):
    times, values = zip(*pairs, strict=True)
    whole = integral(times, values, gap)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kpis, "_PORTION", portion)
        found = integral(times, values, gap)
    assert found.integral == pytest.approx(whole.integral, abs=1e-9)
    assert found.covered_s == pytest.approx(whole.covered_s)
    assert (found.longest_gap_s, found.samples) == (whole.longest_gap_s, whole.samples)


@given(series, st.integers(0, 28), st.floats(0.01, 0.99))
def test_a_sample_on_the_line_between_two_changes_nothing(pairs, place, part):
    pairs = sorted(pairs)
    first, second = pairs[place % (len(pairs) - 1) :][:2]
    at = first[0] + round((second[0] - first[0]) * part)
    share = (at - first[0]) / (second[0] - first[0])
    between = (at, first[1] + share * (second[1] - first[1]))
    more = integral(*zip(*sorted([*pairs, between]), strict=True))
    assert more.integral == pytest.approx(integral(*zip(*pairs, strict=True)).integral, abs=1e-6)


@given(series, st.integers(1, 99))
def test_two_halves_of_a_run_add_up_to_the_whole_when_a_sample_stands_at_the_cut(pairs, second):
    cut = second * SECOND
    pairs = sorted({**dict(pairs), cut: 0.5}.items())
    times, values = (np.array(column) for column in zip(*pairs, strict=True))
    parts = [
        integrate(times, values, start_ns=start, end_ns=end, longest_gap_s=200).integral
        for start, end in ((0, cut), (cut, 100 * SECOND))
    ]
    assert sum(parts) == pytest.approx(integral(times, values).integral, abs=1e-6)


@settings(max_examples=50)
@given(series, st.sampled_from([1000.0, 0.001]))
def test_unit_of_a_signal_scales_the_integral(pairs, factor):
    times, values = zip(*pairs, strict=True)
    scaled = integral(times, [factor * value for value in values])
    assert scaled.integral == pytest.approx(factor * integral(times, values).integral, rel=1e-9, abs=1e-9)


# From a sealed folder


@pytest.fixture
def sealed(tmp_path):
    """Gives the sealed data of one run of 100 s at a constant 3.6 kW, whatever the KPIs."""
    plan = demo_plan()

    def seal(*kpis: Kpi, level: float = 3.6, table=None, limits=None, **run_facts) -> tuple[SealedData, SealedRun]:
        run = sealed_run(1, "standard", seconds=100, **run_facts)
        own = plan.model_copy(update={"kpis": kpis or plan.kpis, "limits": limits})
        devices = [sealed_device("meter-1", {"active_power_kw": "kW"}), sealed_device("mill-1", {})]
        table = constant_power(run, level) if table is None else table
        write_pilot(tmp_path / "sealed", own, [run], devices, lambda _: [table])
        data = read_data_set(tmp_path / "sealed")
        return data, data.runs[0]

    return seal


def kpi(measure, **facts):
    given = {"key": "k", "label": "K", "unit": "s", "direction": "lower", "role": "primary", "measure": measure}
    return Kpi.model_validate({**given, **facts})


def test_constant_power_over_a_run_gives_its_energy(sealed):
    data, run = sealed()
    found = run_value(data, run, data.plan.primary)
    assert found.value == pytest.approx(0.1)  # 3.6 kW × 100 s
    assert found.excluded is None
    assert found.coverage_percent == pytest.approx(100.0)


def test_a_signal_that_never_came_is_said_so(sealed):
    data, run = sealed(table=samples("meter-1", "active_power_kw", [], []))
    found = run_value(data, run, data.plan.primary)
    assert found.value is None
    assert found.excluded == "active_power_kw of meter-1 never came"


def test_too_little_coverage_gives_no_number(sealed):
    run = sealed_run(1, "standard", seconds=100)
    whole = constant_power(run, 1.0)
    data, run = sealed(table=whole.slice(0, 60))
    found = run_value(data, run, data.plan.primary)
    assert found.value is None
    assert found.excluded == "only 59.0 % of the run is covered by data, the plan asks for 95 %"


def test_mean_of_a_signal_in_another_unit(sealed):
    reference = SignalReference(device="meter-1", signal="active_power_kw")
    data, run = sealed(kpi(MeanOfSignal(signal=reference), unit="W"), level=1.25)
    assert run_value(data, run, data.plan.primary).value == pytest.approx(1250.0)


def test_duration_of_a_run_by_the_run_table(sealed):
    data, run = sealed(kpi(DurationOfRun(), unit="min"))
    assert run_value(data, run, data.plan.primary).value == pytest.approx(100 / 60)


def test_unfinished_parts_are_shown_but_left_out(sealed):
    data, run = sealed(result={"finished": False})
    found = run_value(data, run, data.plan.primary)
    assert found.value == pytest.approx(0.1)
    assert found.excluded == "unfinished part"


def test_unfinished_parts_count_where_the_plan_says_all(sealed):
    measure = ResultValue(field="finished")
    data, run = sealed(kpi(measure, kind="proportion", unit="1", population="all"), result={"finished": False})
    found = run_value(data, run, data.plan.primary)
    assert (found.value, found.excluded) == (0.0, None)


def test_an_excluded_run_keeps_its_number_and_its_reason(sealed):
    data, run = sealed(excluded="coolant hose burst")
    found = run_value(data, run, data.plan.primary)
    assert found.value == pytest.approx(0.1)
    assert found.excluded == "coolant hose burst"


def test_a_value_that_was_not_noted_is_said_so(sealed):
    data, run = sealed(kpi(ResultValue(field="roughness_um"), unit="um"), result={"finished": True})
    assert run_value(data, run, data.plan.primary).excluded == "roughness_um was not noted"


@pytest.mark.parametrize(
    ("typed", "number", "why"),
    [(True, 1.0, None), (0, 0.0, None), (5, None, "neither yes nor no, but 5"), ("tak", None, "good was not noted")],
)
def test_a_share_is_made_of_yes_and_no_only(sealed, typed, number, why):
    data, run = sealed(kpi(ResultValue(field="good"), kind="proportion", unit="1"), result={"good": typed})
    found = run_value(data, run, data.plan.primary)
    assert (found.value, found.excluded) == (number, why)


def test_a_number_beyond_all_measure_is_none(sealed):
    data, run = sealed(kpi(ResultValue(field="roughness_um"), unit="um"), result={"roughness_um": -1e200})
    assert run_value(data, run, data.plan.primary).excluded == "a number beyond all measure"


def test_a_run_that_was_never_made_has_no_number(sealed):
    data, _ = sealed()
    never = data.runs[0].model_copy(
        update={"started_at": None, "ended_at": None, "executed_order": None, "data": None, "excluded": None}
    )
    assert run_value(data, never, data.plan.primary).excluded == "never made"


def event(kind, at_s, run, **fields):
    start = int(run.started_at.timestamp()) * SECOND
    at = start + round(at_s * SECOND)
    return SealedEvent(
        run=1, device="mill-1", boot="b1", seq=int(at_s), kind=kind, device_ns=at, settled_ns=at, received_ns=at,
        flags=0, fields=fields,
    )  # fmt: skip


def with_events(data, *events):
    return replace(data, events=events)


def test_events_of_a_device_limit_the_run_where_the_plan_says_so(sealed):
    data, run = sealed(kpi(DurationOfRun()), limits=RunLimits(device="mill-1"))
    data = with_events(data, event("part_finished", 95.5, run), event("run_started", 1, run))
    assert run_value(data, run, data.plan.primary).value == pytest.approx(94.5)


def test_energy_is_that_between_the_limits(sealed):
    data, run = sealed(limits=RunLimits(device="mill-1"))
    data = with_events(data, event("run_started", 20, run), event("part_finished", 70, run))
    found = run_value(data, run, data.plan.primary)
    assert found.value == pytest.approx(0.05)  # 3.6 kW × 50 s
    assert found.coverage_percent == pytest.approx(100.0)


def test_a_run_whose_end_was_never_reported_has_no_number(sealed):
    data, run = sealed(kpi(DurationOfRun()), limits=RunLimits(device="mill-1"))
    data = with_events(data, event("run_started", 1, run))
    assert run_value(data, run, data.plan.primary).excluded == "mill-1 reported no start and end"


@pytest.mark.parametrize(
    ("reported", "seconds"),
    [
        (((0, "NotExecuting"), (20, "Executing"), (70, "NotExecuting")), 50),
        (((-5, "Executing"), (30, "NotExecuting"), (60, "Executing"), (90, "OutOfService")), 90),
        (((0, "NotExecuting"), (20, "Executing")), 80),
        (((-5, "Executing"), (120, "NotExecuting")), 100),
        (((0, "NotExecuting"), (20, "OutOfService")), None),
        (((0, "Executing"), (0, "NotExecuting")), None),
        ((), None),
    ],
)
def test_the_state_of_a_device_limits_the_run_where_the_plan_says_so(sealed, reported, seconds):
    data, run = sealed(kpi(DurationOfRun()), limits=RunLimits(device="mill-1", item_states=("Executing",)))
    told = [event("state", at, run, item_state=state) for at, state in reported]
    found = run_value(with_events(data, *told), run, data.plan.primary)
    if seconds is None:
        assert found.excluded == "mill-1 reported no start and end"
    else:
        assert found.value == pytest.approx(seconds)


def test_the_last_event_of_a_kind_gives_its_value(sealed):
    measure = EventValue(device="mill-1", event="part_finished", field="roughness_um")
    data, run = sealed(kpi(measure, unit="um"))
    data = with_events(
        data, event("part_finished", 90, run, roughness_um=1.5), event("part_finished", 50, run, roughness_um=9.0)
    )
    assert run_value(data, run, data.plan.primary).value == 1.5
