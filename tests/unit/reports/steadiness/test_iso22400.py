"""ISO 22400 indicators from reported states, against worked examples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.reports.steadiness.iso22400 import (
    Production,
    Quantities,
    indicator,
    mean_time_between_failures,
    wrong_planned_time,
)
from lab.reports.steadiness.machine_times import StateChange, TimeElements, failures, seconds_in, time_elements

MINUTE = 60.0
SECOND = 1_000_000_000


def shift() -> Production:
    """Vorne Industries, *OEE calculation* (oee.com): 480 min shift, 60 min breaks, 47 min down, 19,271 parts, 423 bad.

    Ideal cycle time 1.0 s.
    """
    times = TimeElements(production_s=373 * MINUTE, delay_s=47 * MINUTE, planned_down_s=60 * MINUTE)
    return Production(times, Quantities(produced=19_271, good=19_271 - 423, scrap=423), planned_s_per_item=1.0)


@pytest.mark.parametrize(
    ("name", "percent"),
    [("availability", 88.81), ("effectiveness", 86.11), ("quality_ratio", 97.80), ("oee", 74.79)],
)
def test_the_published_shift_gives_the_published_figures(name, percent):
    assert 100 * indicator(name, shift()) == pytest.approx(percent, abs=0.005)


def test_the_other_indicators_by_their_formulas():
    times = TimeElements(production_s=300, setup_s=60, delay_s=40, idle_s=100, planned_down_s=50)
    it = Production(
        times,
        Quantities(produced=10, good=9, scrap=1, good_first=8, inspected=10),
        planned_s_per_item=27,
        order_s=400,
    )
    assert times.busy_s == 500
    assert indicator("nee", it) == pytest.approx(360 / 500 * 0.9 * 0.9)
    assert indicator("allocation_efficiency", it) == pytest.approx(400 / 500)
    assert indicator("utilisation_efficiency", it) == pytest.approx(300 / 400)
    assert indicator("throughput_rate", it) == pytest.approx(10 / 400)
    assert indicator("technical_efficiency", it) == pytest.approx(300 / 340)
    assert indicator("setup_ratio", it) == pytest.approx(60 / 360)
    assert indicator("scrap_ratio", it) == pytest.approx(0.1)
    assert indicator("first_pass_yield", it) == pytest.approx(0.8)


def test_effectiveness_above_one_is_told_and_not_clipped():
    it = Production(TimeElements(production_s=10), Quantities(produced=11, good=11), planned_s_per_item=1)
    assert indicator("effectiveness", it) == pytest.approx(1.1)
    assert wrong_planned_time(it)


def test_a_ratio_to_nothing_is_no_number():
    nothing = Production(TimeElements(), Quantities())
    assert {indicator(name, nothing) for name in ("availability", "oee", "scrap_ratio", "first_pass_yield")} == {None}


def test_mean_time_between_failures_with_the_table_values_of_chi_square():
    mean, interval = mean_time_between_failures(1000.0, 2, alpha=0.05)
    assert mean == 500
    assert interval.low == pytest.approx(2000 / 14.449, rel=1e-4)  # χ²(0.975; 6)
    assert interval.high == pytest.approx(2000 / 0.4844, rel=1e-3)  # χ²(0.025; 4)
    assert mean_time_between_failures(1000.0, 0, alpha=0.05) == (None, None)


CHANGES = [
    StateChange(-5 * SECOND, "NotExecuting", "Setup"),
    StateChange(10 * SECOND, "Executing", "Processing"),
    StateChange(40 * SECOND, "OutOfService", "Processing"),
    StateChange(45 * SECOND, "Executing", "Processing"),
    StateChange(70 * SECOND, "NotExecuting", "None"),
    StateChange(80 * SECOND, "NotExecuting", "Maintenance"),
]


def test_reported_states_become_time_elements():
    found = time_elements(CHANGES, 0, 100 * SECOND)
    assert found == TimeElements(production_s=55, setup_s=10, delay_s=5, idle_s=10, planned_down_s=20)
    assert (found.length_s, found.busy_s) == (100, 80)
    assert failures(CHANGES, 0, 100 * SECOND) == [5.0]


def test_a_time_before_the_first_state_is_unknown_and_counts_as_nothing():
    found = time_elements(CHANGES[1:2], 0, 20 * SECOND)
    assert found == TimeElements(production_s=10, unknown_s=10)
    assert seconds_in(CHANGES[1:2], 0, 20 * SECOND, item_states=["Executing"]) == (10.0, 10.0)


def test_a_failure_that_changes_its_mode_is_one_failure():
    changes = [
        StateChange(0, "OutOfService", "Processing"),
        StateChange(5 * SECOND, "OutOfService", "None"),
        StateChange(9 * SECOND, "Executing", "Processing"),
        StateChange(12 * SECOND, "OutOfService", "Maintenance"),
    ]
    assert failures(changes, 0, 20 * SECOND) == [9.0]


states = st.builds(
    StateChange,
    st.integers(-50, 150).map(lambda second: second * SECOND),
    st.sampled_from(["NotAvailable", "OutOfService", "NotExecuting", "Executing"]),
    st.sampled_from([None, "None", "Maintenance", "Setup", "Processing"]),
)


@given(st.lists(states, unique_by=lambda change: change.at_ns), st.randoms())
def test_the_elements_are_the_whole_span_in_whatever_order_states_arrive(changes, random):
    shuffled = list(changes)
    random.shuffle(shuffled)
    found = time_elements(shuffled, 0, 100 * SECOND)
    assert found == time_elements(changes, 0, 100 * SECOND)
    assert found.length_s == pytest.approx(100)
    first, second = (time_elements(changes, *span) for span in ((0, 30 * SECOND), (30 * SECOND, 100 * SECOND)))
    assert first.production_s + second.production_s == pytest.approx(found.production_s)
