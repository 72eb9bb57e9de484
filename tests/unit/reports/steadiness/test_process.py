"""Capability, control charts and machine records: from a plan to the printed report and back from the package."""

import dataclasses
import json
from dataclasses import dataclass

import pytest
from scipy import stats

from lab.pilots.errors import PlanFormError
from lab.pilots.examples import demo_plan
from lab.pilots.plans import Arm, Kpi, ResultValue, Tolerance
from lab.pilots.rules import check_plan
from lab.reports.document import build_document
from lab.reports.results import LAB_OEE
from lab.reports.steadiness.machine_times import StateChange
from lab.reports.steadiness.process import capabilities_of, control_of, machine_record
from tests.unit.pilots.test_rules import UNITS
from tests.unit.reports.report_examples import example_results, with_process

SECOND = 1_000_000_000
FLOW = [49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1]
"""Of the NIST/SEMATECH e-Handbook, section 6.3.2.2.1."""
ARM = Arm(name="a", label="A", role="baseline")


@dataclass(frozen=True)
class Run:
    run: int
    arm: str
    value: float | None
    block: str | None = None


def runs(values, arm="a", first=1):
    return [Run(first + place, arm, value) for place, value in enumerate(values)]


def measured(**tolerance):
    return Kpi(
        key="width", label="Width", unit="mm", direction="lower", role="secondary",
        measure=ResultValue(field="width_mm"), tolerance=Tolerance(**tolerance) if tolerance else None,
    )  # fmt: skip


def test_capability_is_given_for_each_arm_that_has_a_spread():
    kpi = measured(low=45.0, high=57.0)
    (found,) = capabilities_of(kpi, [ARM], runs(FLOW), alpha=0.05)
    assert found.within is None  # no block holds two runs of the arm
    assert found.overall.spread_index == pytest.approx(12 / (6 * stats.tstd(FLOW)))
    assert not found.print_point
    assert capabilities_of(measured(), [ARM], runs(FLOW), alpha=0.05) == ()
    (constant,) = capabilities_of(kpi, [ARM], runs([50.0] * 5), alpha=0.05)
    (empty,) = capabilities_of(kpi, [ARM], [], alpha=0.05)
    assert constant.overall is None
    assert (empty.n, empty.overall) == (0, None)


def test_capability_within_blocks_does_not_see_what_differs_between_them():
    found = [Run(n, "a", 10.0 + (n % 2) * 0.1 + (n // 4), block=f"b{n // 4}") for n in range(12)]
    (one,) = capabilities_of(measured(high=14.0), [ARM], found, alpha=0.05)
    assert one.within.degrees == 9
    assert one.within.centred_index > 5 * one.overall.centred_index
    assert one.within.spread_index is None  # one limit only


def test_the_limits_of_single_values_are_those_of_the_handbook():
    found = control_of(runs(FLOW))
    (limits,) = found.arms
    assert (limits.low, limits.high) == (pytest.approx(45.8151, abs=0.001), pytest.approx(55.8049, abs=0.001))
    assert found.outside == ()


def test_the_effect_of_the_treatment_is_no_signal_but_a_jump_within_an_arm_is():
    steady = [10.0, 10.2, 9.9, 10.1, 10.0, 9.8]
    both = [run for pair in zip(runs(steady), runs([20 + v for v in steady], "b", 7), strict=True) for run in pair]
    found = control_of(both)
    assert (found.outside, found.ewma_signals, found.cusum_signals) == ((), (), ())
    drifting = control_of(runs([v / 100 + 10 + (n >= 6) for n, v in enumerate(steady + steady)]))
    assert drifting.cusum_signals
    assert drifting.ewma_signals


@pytest.mark.parametrize("values", [[], [1.0, 2.0, 1.0, 2.0], [3.0] * 9])
def test_with_few_runs_or_without_spread_nothing_is_charted(values):
    assert control_of(runs(values)) is None


def states(*changes):
    return [StateChange(at * SECOND, item_state, mode) for at, item_state, mode in changes]


def test_a_machine_record_adds_up_what_its_runs_were_spent_on():
    steady = states((0, "Executing", "Processing"))
    failing = states(
        (0, "Executing", "Processing"), (40, "OutOfService", "Processing"), (60, "Executing", "Processing")
    )
    found = machine_record(
        "mill", ARM, [(steady, 0, 100 * SECOND), (failing, 0, 100 * SECOND), ([], 0, 10 * SECOND)], alpha=0.05
    )
    assert (found.production_s, found.delay_s, found.unknown_s) == (180, 20, 10)
    assert (found.failures, found.repair_s, found.up_s, found.mtbf_s, found.mttr_s) == (1, 20, 180, 180, 20)
    assert found.mtbf_interval.low == pytest.approx(2 * 180 / stats.chi2.ppf(0.975, 4))
    assert found.mttr_interval.low == pytest.approx(2 * 20 / stats.chi2.ppf(0.975, 2))
    assert found.mtbf_at_least_s is None


def test_without_a_failure_only_a_lower_bound_is_said():
    found = machine_record("mill", ARM, [(states((0, "Executing", "Processing")), 0, 300 * SECOND)], alpha=0.05)
    assert (found.mtbf_s, found.mtbf_interval, found.mttr_s) == (None, None, None)
    assert found.mtbf_at_least_s == pytest.approx(300 / 2.9957, rel=1e-4)  # −ln 0.05


# From the plan to the printed report


@pytest.mark.parametrize("tolerance", [{}, {"low": 2.0, "high": 1.0}, {"low": 1.0, "high": 1.0}])
def test_a_tolerance_that_is_none_is_refused_when_the_plan_is_written(tolerance):
    plan = demo_plan()
    kpis = (*plan.kpis[:2], plan.kpis[2].model_copy(update={"tolerance": Tolerance(**tolerance)}))
    with pytest.raises(PlanFormError, match="tolerance"):
        check_plan(plan.model_copy(update={"kpis": kpis}), UNITS)


def results_text(results):
    (section,) = (part for part in build_document(results).sections if part.id == "results")
    return json.dumps(dataclasses.asdict(section), ensure_ascii=False)


def test_the_report_prints_capability_as_an_interval_only_control_charts_and_failures():
    results = with_process()
    text = results_text(results)
    roughness = next(kpi for kpi in results.kpis if kpi.key == "roughness")
    index = next(arm for arm in roughness.capabilities if arm.arm == "fast").overall
    assert f"{index.centred_interval.low:.2f} to {index.centred_interval.high:.2f}" in text
    assert f"{index.centred_index:.2f} (" not in text
    assert "at most 1.6\u00a0µm" in text
    assert "Control charts of Energy per part" in text
    (failed,) = (one for one in results.machines if one.failures)
    assert (failed.device, failed.arm, failed.repair_s) == ("mill-1", "fast", 30)
    assert "no failure; longer than" in text


def test_an_oee_stands_with_its_warning_beside_it_and_on_the_first_page():
    results = with_process()
    assert LAB_OEE in results.statements
    assert results_text(results).count(LAB_OEE) == 1
    assert LAB_OEE in build_document(results).decision.statements
    assert LAB_OEE not in results_text(example_results())
    oee = next(kpi for kpi in results.kpis if kpi.key == "efficiency")
    third = next(run for run in oee.runs if run.run == 3)
    assert third.value == pytest.approx(180 / 210)  # one good part of 180 s planned in 210 s


def test_a_planned_time_that_is_exceeded_is_said_and_nothing_is_clipped():
    oee = next(kpi for kpi in with_process().kpis if kpi.key == "efficiency")
    (line,) = (line for line in oee.assumptions if "planned time" in line)
    assert "180 s, allows (run 3)" in line  # 170 s of production
