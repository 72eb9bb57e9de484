"""Typical runs, energy saved, and how runs spread: what is drawn is what was measured."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.reports.charts import describe_chart, distribution_charts, energy_charts, traces_chart
from lab.reports.distributions import distribution_table, spreads_of
from lab.reports.kpis import Limits
from lab.reports.results import Results
from lab.reports.steadiness.energy import energy_saving
from lab.reports.traces.typical import MOST_POINTS, reduced
from lab.reports.words import words_of
from tests.unit.reports.report_examples import example_document, example_results

WORDS = words_of("en")
SECOND = 1_000_000_000


@dataclass(frozen=True)
class Run:
    run: int
    arm: str
    value: float | None
    block: str | None = None


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=3000), st.integers(1, 86_400))
def test_a_reduced_trace_keeps_the_mean_and_stays_within_the_run(values, length_s):
    numbers = np.array(values)
    times = (np.linspace(0, length_s, len(values)) * SECOND).astype(np.int64)
    seconds, means = reduced(times, numbers, Limits(0, length_s * SECOND))
    assert len(seconds) == len(means) <= MOST_POINTS
    assert (np.diff(seconds) > 0).all()
    assert 0 < seconds[0] <= seconds[-1] < length_s
    assert numbers.min() - 1e-6 <= means.min()
    assert means.max() <= numbers.max() + 1e-6


def test_a_hole_in_a_signal_is_a_hole_in_its_trace():
    times = np.array([*range(100), *range(200, 300)], dtype=np.int64) * SECOND
    seconds, _ = reduced(times, np.ones(200), Limits(0, 300 * SECOND))
    assert not ((seconds > 101) & (seconds < 199)).any()


def test_the_typical_run_is_the_one_nearest_to_the_median_of_its_arm():
    results = example_results()
    (trace,) = results.traces
    assert (trace.device, trace.signal, trace.unit) == ("meter-1", "active_power_kw", "kW")
    for line in trace.lines:
        own = {run.run: run.value for run in results.primary.runs if run.arm == line.arm and not run.excluded}
        middle = float(np.median(list(own.values())))
        assert abs(own[line.run] - middle) == min(abs(value - middle) for value in own.values())
        assert line.low == line.high == pytest.approx(line.values[0])  # constant power
    assert "run 1" in describe_chart(results, traces_chart(results), WORDS)


def test_energy_is_added_up_against_the_mean_of_the_baseline():
    runs = [Run(1, "old", 2.0), Run(2, "new", 1.5), Run(3, "old", 4.0), Run(4, "new", 2.0), Run(5, "new", None)]
    found = energy_saving(runs, unit="kW.h", baseline="old", treatment="new")
    assert (found.model, found.expected, found.actual, found.saving) == (3.0, 6.0, 3.5, 2.5)
    assert found.cusum == (1.0, 2.5, 1.5, 2.5)
    assert found.runs == (1, 2, 3, 4)
    assert energy_saving(runs, unit="s", baseline="old", treatment="new") is None
    assert energy_saving(runs[:1], unit="kW.h", baseline="old", treatment="new") is None


def test_the_saving_is_the_improvement_times_the_runs():
    results = example_results()
    (chart,) = energy_charts(results)
    kpi = chart.kpis[0]
    treated = next(arm for arm in kpi.arms if arm.role == "treatment")
    assert kpi.energy.saving == pytest.approx(treated.n * kpi.comparison.improvement)
    assert kpi.energy.cusum[-1] == pytest.approx(kpi.energy.saving)  # the baseline's own sum to nothing
    assert "less. The model knows one condition only" in describe_chart(results, chart, WORDS)


def test_more_energy_is_said_to_be_more():
    document = example_document()
    document["kpis"][0]["energy"]["saving"] = -0.5
    results = Results.model_validate(document)
    assert "0.5000\u00a0kWh more." in describe_chart(results, energy_charts(results)[0], WORDS)


def test_excluded_runs_are_in_no_distribution_and_few_runs_have_no_quartiles():
    kpi = example_results().primary
    standard, fast = spreads_of(kpi)
    assert (len(standard.values), len(fast.values)) == (6, 4)
    assert standard.quartiles == pytest.approx(np.quantile(standard.values, [0.25, 0.5, 0.75]))
    assert fast.quartiles is None
    (chart,) = distribution_charts(example_results())
    assert len(distribution_table(chart.kpis, WORDS).rows) == 6
