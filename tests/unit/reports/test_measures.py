"""The vocabulary of KPIs: what a plan may ask of signals, states, events and the run table, and in which unit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core.time import to_nanoseconds
from lab.pilots.errors import PlanFormError, UnitMismatchError, UnknownSignalError
from lab.pilots.plans import Kpi
from lab.pilots.rules import check_plan
from lab.reports.kpis import run_value
from lab.reports.outcomes import kpi_results
from tests.unit.pilots.test_rules import UNITS, changed
from tests.unit.reports.sealed_examples import SECOND, samples, sealed_run
from tests.unit.reports.test_kpis import event, kpi, sealed, with_events  # noqa: F401 - `sealed` is a fixture

POWER = {"device": "meter-1", "signal": "active_power_kw"}
INTEGRAL = {"kind": "integral", "signals": [POWER]}
AT_END = {"kind": "signal_at_event", "signal": POWER, "device": "mill-1", "event": "door_opened"}
PARTS = {"kind": "count", "device": "mill-1", "event": "part_finished"}


def zigzag():
    """101 seconds of 0, 1, 2, 3, 4, 0, 1, … kW."""
    run = sealed_run(1, "standard", seconds=100)
    start = to_nanoseconds(run.started_at)
    return samples(
        "meter-1", "active_power_kw", [start + n * SECOND for n in range(101)], [float(n % 5) for n in range(101)]
    )


def value(data, run, measure, unit="1"):
    return run_value(data, run, kpi(measure, unit=unit))


@pytest.mark.parametrize(
    ("facts", "unit", "wanted"),
    [
        ({"statistic": "maximum"}, "kW", 4.0),
        ({"statistic": "minimum"}, "W", 0.0),
        ({"statistic": "percentile", "percent": 50}, "W", 2000.0),
    ],
)
def test_smallest_largest_and_percentile_of_a_signal(sealed, facts, unit, wanted):  # noqa: F811
    data, run = sealed(table=zigzag())
    found = value(data, run, {"kind": "statistic", "signal": POWER, **facts}, unit)
    assert found.value == pytest.approx(wanted)
    assert found.coverage_percent == pytest.approx(100)


def test_edges_are_counted_once_for_each_crossing(sealed):  # noqa: F811
    data, run = sealed(table=zigzag())
    edges = {"kind": "edges", "signal": POWER, "threshold": 2.5}
    assert value(data, run, edges).value == 20
    assert value(data, run, {**edges, "edge": "falling"}).value == 20
    assert value(data, run, {**edges, "threshold": 9.0}).value == 0


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        ([("door_opened", 43.9)], 3000.0),  # the last value before it, not the next one
        ([("door_opened", 42.0)], 2000.0),
        ([("door_opened", 11.0), ("door_opened", 4.5)], 1000.0),  # the last one in the run
        ([("door_opened", 64.0)], "active_power_kw of meter-1 was silent at the event"),
        ([("door_closed", 42.0)], "no door_opened from mill-1"),
        ([("door_opened", 130.0)], "no door_opened from mill-1"),  # after the run
    ],
)
def test_the_value_of_a_signal_when_a_machine_reports_an_event(sealed, events, wanted):  # noqa: F811
    data, run = sealed(table=zigzag().slice(0, 51))
    data = with_events(data, *(event(kind, at, run) for kind, at in events))
    found = value(data, run, AT_END, "W")
    assert (found.value if found.excluded is None else found.excluded) == wanted


def test_a_signal_with_a_gap_has_no_statistic(sealed):  # noqa: F811
    data, run = sealed(table=zigzag().slice(0, 50))
    found = value(data, run, {"kind": "statistic", "signal": POWER, "statistic": "maximum"}, "kW")
    assert found.value is None
    assert "covered by data" in found.excluded


def test_energy_per_part_is_energy_through_parts(sealed):  # noqa: F811
    data, run = sealed()
    data = with_events(data, event("part_finished", 30, run, result="good"), event("part_finished", 90, run))
    ratio = {
        "kind": "ratio",
        "numerator": {"measure": INTEGRAL, "unit": "kW.h"},
        "denominator": {"measure": PARTS, "unit": "1"},
    }
    assert value(data, run, ratio, "kW.h").value == pytest.approx(0.05)  # 3.6 kW × 100 s, two parts
    good = {**ratio, "denominator": {"measure": {**PARTS, "where": {"result": "good"}}, "unit": "1"}}
    assert value(data, run, good, "kW.h").value == pytest.approx(0.1)
    none = value(with_events(data), run, ratio, "kW.h")
    assert (none.value, none.excluded) == (None, "the ratio is to nothing")


def states(data, run, *more):
    return with_events(
        data,
        event("state", -5, run, item_state="NotExecuting", mode="Setup"),
        event("state", 10, run, item_state="Executing", mode="Processing"),
        event("state", 60, run, item_state="OutOfService", mode="Processing"),
        event("state", 70, run, item_state="Executing", mode="Processing"),
        *more,
    )


def test_time_in_a_state_counts_from_the_state_in_which_the_run_began(sealed):  # noqa: F811
    data, run = sealed()
    data = states(data, run)
    in_state = {"kind": "time_in_state", "device": "mill-1", "item_states": ["Executing"]}
    assert value(data, run, in_state, "s").value == pytest.approx(80)
    assert value(data, run, in_state, "min").value == pytest.approx(80 / 60)
    setup = {**in_state, "item_states": ["NotExecuting", "Executing"], "modes": ["Setup"]}
    assert value(data, run, setup, "s").value == pytest.approx(10)


def test_a_state_that_nobody_knows_gives_no_number(sealed):  # noqa: F811
    data, run = sealed()
    data = with_events(data, event("state", 50, run, item_state="Executing", mode="Processing"))
    found = value(data, run, {"kind": "time_in_state", "device": "mill-1", "item_states": ["Executing"]}, "s")
    assert found.value is None
    assert found.excluded == "the state of mill-1 is known for 50.0 % of the run, the plan asks for 95 %"


@pytest.mark.parametrize(
    ("name", "unit", "wanted"),
    [
        ("availability", "1", 0.8),
        ("effectiveness", "1", 3 * 20 / 80),
        ("quality_ratio", "1", 2 / 3),
        ("oee", "1", 0.8 * 0.75 * 2 / 3),
        ("scrap_ratio", "1", 1 / 3),
        ("throughput_rate", "/h", 3 * 36),
        ("setup_ratio", "1", 10 / 90),
    ],
)
def test_indicators_of_iso_22400_come_from_states_and_parts(sealed, name, unit, wanted):  # noqa: F811
    data, run = sealed()
    parts = [("good", 30), ("scrap", 50), ("good", 95)]
    data = states(data, run, *(event("part_finished", at, run, result=result) for result, at in parts))
    measure = {"kind": "iso22400", "indicator": name, "device": "mill-1", "planned_s_per_item": 20}
    assert value(data, run, measure, unit).value == pytest.approx(wanted)


def test_parts_whose_result_nobody_told_give_no_quality(sealed):  # noqa: F811
    data, run = sealed()
    data = states(data, run, event("part_finished", 30, run))
    found = value(data, run, {"kind": "iso22400", "indicator": "quality_ratio", "device": "mill-1"})
    assert "cannot be said" in found.excluded


def test_every_measure_is_told_in_words(sealed):  # noqa: F811
    measures = [
        ({"kind": "statistic", "signal": POWER, "statistic": "percentile", "percent": 95}, "kW", "95 % percentile"),
        ({"kind": "edges", "signal": POWER, "threshold": 1}, "1", "rising crossings of 1"),
        (PARTS, "1", "Number of part_finished"),
        (AT_END, "W", "active_power_kw of meter-1 at the last door_opened that mill-1 reported"),
        ({"kind": "time_in_state", "device": "mill-1", "item_states": ["Executing"]}, "s", "reported as Executing"),
        ({"kind": "iso22400", "indicator": "availability", "device": "mill-1"}, "1", "Availability of mill-1 by ISO"),
    ]
    kpis = [
        kpi(measure, unit=unit, key=f"k{place}", role="primary" if place == 0 else "secondary")
        for place, (measure, unit, _) in enumerate(measures)
    ]
    data, _ = sealed(*kpis)
    told = {result.key: result.definition for result in kpi_results(data)}
    for place, (_, _, words) in enumerate(measures):
        assert words in told[f"k{place}"], told


def with_measure(measure, unit):
    return changed("kpis.0", {**changed("seed", 1).kpis[0].model_dump(mode="json"), "measure": measure, "unit": unit})


@pytest.mark.parametrize(
    ("measure", "unit", "error"),
    [
        ({"kind": "statistic", "signal": POWER, "statistic": "maximum"}, "s", UnitMismatchError),
        ({"kind": "statistic", "signal": POWER, "statistic": "percentile"}, "kW", PlanFormError),
        ({"kind": "statistic", "signal": POWER, "statistic": "maximum", "percent": 5}, "kW", PlanFormError),
        ({"kind": "edges", "signal": {**POWER, "signal": "nothing"}, "threshold": 1}, "1", UnknownSignalError),
        ({"kind": "edges", "signal": POWER, "threshold": 1}, "kW", UnitMismatchError),
        (PARTS, "s", UnitMismatchError),
        (AT_END, "s", UnitMismatchError),
        ({**AT_END, "device": "nobody"}, "kW", UnknownSignalError),
        ({**PARTS, "device": "nobody"}, "1", UnknownSignalError),
        ({"kind": "time_in_state", "device": "mill-1", "item_states": ["Executing"]}, "kW", UnitMismatchError),
        ({"kind": "iso22400", "indicator": "oee", "device": "mill-1"}, "1", PlanFormError),
        ({"kind": "iso22400", "indicator": "availability", "device": "mill-1"}, "s", UnitMismatchError),
        (
            {
                "kind": "ratio",
                "numerator": {"measure": INTEGRAL, "unit": "kW.h"},
                "denominator": {"measure": PARTS, "unit": "1"},
            },
            "kW",
            UnitMismatchError,
        ),
        (
            {
                "kind": "ratio",
                "numerator": {"measure": INTEGRAL, "unit": "m"},
                "denominator": {"measure": PARTS, "unit": "1"},
            },
            "m",
            UnitMismatchError,
        ),
    ],
)
def test_a_measure_that_cannot_give_its_unit_is_refused_when_the_plan_is_written(measure, unit, error):
    with pytest.raises(error):
        check_plan(with_measure(measure, unit), UNITS)


def test_a_measure_in_its_unit_is_taken():
    check_plan(
        with_measure(
            {
                "kind": "ratio",
                "numerator": {"measure": INTEGRAL, "unit": "kW.h"},
                "denominator": {"measure": {"kind": "duration"}, "unit": "h"},
            },
            "kW.h/h",
        ),
        UNITS,
    )
    assert isinstance(kpi(PARTS, unit="1"), Kpi)


@given(st.permutations(range(101)))
def test_the_order_in_which_samples_arrive_changes_no_count_of_edges(order):
    import numpy as np

    from lab.pilots.plans import CountOfEdges, SignalReference
    from lab.reports.kpis import Covered, _of_signal, in_order

    table = zigzag()
    times, numbers = table["settled_ns"].to_numpy()[order], table["value"].to_numpy()[order]
    _, sorted_numbers = in_order(np.array(times), np.array(numbers), start_ns=min(times), end_ns=max(times))
    measure = CountOfEdges(signal=SignalReference(**POWER), threshold=2.5)
    assert _of_signal(measure, Covered(0, 0, None, 101), sorted_numbers, "kW", "1") == 20
