"""Which run of an arm is typical, and its signals reduced to what a chart can show."""

import statistics

import numpy as np

from lab.pilots.plans import measured_signals
from lab.pilots.units import unit_label
from lab.reports.analysis import compared_runs
from lab.reports.kpis import Limits, Nanoseconds, Numbers, in_order, limits_of, read_series
from lab.reports.results import KpiResult, RunValue
from lab.reports.sealing import SealedData
from lab.reports.traces.findings import Trace, TraceLine

MOST_SIGNALS = 3
MOST_POINTS = 200


def typical_runs(data: SealedData, primary: KpiResult) -> tuple[RunValue, ...]:
    """Of each compared arm the run nearest to the arm's median of the primary KPI, the earliest of equals."""
    found = []
    for arm in (data.plan.baseline, data.plan.treatment):
        own = [run for run in compared_runs(data.plan, primary.runs) if run.arm == arm.name]
        if own:
            middle = statistics.median(run.value or 0.0 for run in own)
            found.append(min(own, key=lambda run: (abs((run.value or 0.0) - middle), run.executed_order or 0, run.run)))
    return tuple(found)


def traces_of(data: SealedData, primary: KpiResult) -> tuple[Trace, ...]:
    """The signals of the primary KPI over the typical runs, at most three; of all KPIs where it has none."""
    kpis = {kpi.key: kpi for kpi in data.plan.kpis}
    ordered = [kpis[primary.key], *(kpi for kpi in data.plan.kpis if kpi.key != primary.key)]
    places = next((measured_signals(kpi) for kpi in ordered if measured_signals(kpi)), [])
    chosen = typical_runs(data, primary)
    traces = []
    for device, signal in list(dict.fromkeys(places))[:MOST_SIGNALS]:
        lines = tuple(line for run in chosen for line in _line(data, run, device, signal))
        if lines:
            label, unit = _named(data, device, signal)
            traces.append(Trace(device=device, signal=signal, label=label, unit=unit, lines=lines))
    return tuple(traces)


def reduced(times: Nanoseconds, numbers: Numbers, limits: Limits) -> tuple[Numbers, Numbers]:
    """Means over at most 200 equal portions of a run.

    Args:
        times: (n,) settled time, within the run, in any order.
        numbers: (n,).
        limits: of the run.

    Returns:
        Middles of the portions that hold samples, in seconds since the start; their means.
    """
    length_ns = limits.end_ns - limits.start_ns
    portions = min(MOST_POINTS, len(times))
    place = np.minimum((times - limits.start_ns) * portions // length_ns, portions - 1).astype(np.int64)
    counts = np.bincount(place, minlength=portions)
    sums = np.bincount(place, weights=numbers, minlength=portions)
    held = counts > 0
    middles = np.asarray((np.arange(portions) + 0.5) * (limits.length_s / portions), np.float64)
    return middles[held], sums[held] / counts[held]


def _line(data: SealedData, value: RunValue, device: str, signal: str) -> list[TraceLine]:
    run = next(run for run in data.runs if run.number == value.run)
    limits = limits_of(data, run)
    if limits is None or limits.end_ns <= limits.start_ns:
        return []
    series = read_series(data, run, device, signal)
    times, numbers = in_order(*series, start_ns=limits.start_ns, end_ns=limits.end_ns)
    if not len(times):
        return []
    seconds, means = reduced(times, numbers, limits)
    return [
        TraceLine(
            arm=run.arm,
            label=data.plan.arm(run.arm).label,
            run=run.number,
            seconds=tuple(seconds.tolist()),
            values=tuple(means.tolist()),
            low=float(numbers.min()),
            high=float(numbers.max()),
        )
    ]


def _named(data: SealedData, device: str, signal: str) -> tuple[str, str]:
    for known in data.devices:
        for one in known.signals:
            if (known.id, one.name) == (device, signal):
                return one.label, unit_label(one.unit) or ""
    return signal, ""
