"""From sealed data to one number a run and KPI.

Integrals and means go by trapezoids over settled time; a silence longer than the plan's `longest_gap_s` is not bridged,
and below the plan's coverage a run has no number rather than an invented one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lab.core.time import to_nanoseconds
from lab.pilots.plans import (
    AnalysisPlan,
    DurationOfRun,
    EventValue,
    IntegralOfSignals,
    Kpi,
    ResultValue,
    measured_signals,
)
from lab.pilots.units import conversion_factor, integral_factor
from lab.reports.results import RunValue
from lab.reports.sealed import SealedEvent, SealedRun
from lab.reports.sealing import SealedData

Nanoseconds = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]

UNFINISHED = "unfinished part"
NOT_COMPARED = "arm not compared by the plan"


@dataclass(frozen=True, slots=True)
class Covered:
    """A signal over a run, reduced."""

    integral: float
    """In the signal's unit × second, over what is covered."""
    covered_s: float
    longest_gap_s: float | None
    """The longest silence, the ends of the run included; `None` without samples."""
    samples: int

    def percent(self, length_s: float) -> float:
        """How much of the run is covered."""
        return min(100.0, 100 * self.covered_s / length_s) if length_s > 0 else 0.0


def integrate(settled_ns: Nanoseconds, values: Numbers, *, start_ns: int, end_ns: int, longest_gap_s: float) -> Covered:
    """Integrate a signal by trapezoids over `[start_ns, end_ns]`.

    Args:
        settled_ns: (n,), in any order.
        values: (n,), in the signal's unit.
        start_ns: of the run.
        end_ns: of the run; a sample at this very instant belongs to it.
        longest_gap_s: a longer step between two samples is not bridged.
    """
    inside = (settled_ns >= start_ns) & (settled_ns <= end_ns)
    times, numbers = settled_ns[inside], values[inside]
    if not len(times):
        return Covered(0.0, 0.0, None, 0)
    order = np.lexsort((numbers, times))
    seconds = (times[order] - start_ns) / 1e9
    numbers = numbers[order]
    steps = np.diff(seconds)
    bridged = steps <= longest_gap_s
    areas = steps * (numbers[1:] + numbers[:-1]) / 2
    ends = np.array([seconds[0], (end_ns - start_ns) / 1e9 - seconds[-1]])
    return Covered(
        integral=float(areas[bridged].sum()),
        covered_s=float(steps[bridged].sum()),
        longest_gap_s=float(max(ends.max(), steps.max(initial=0.0))),
        samples=len(times),
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """First and last nanosecond of a run; both belong to it."""

    start_ns: int
    end_ns: int

    @property
    def length_s(self) -> float:
        """How long the run took, in seconds."""
        return (self.end_ns - self.start_ns) / 1e9


def limits_of(data: SealedData, run: SealedRun) -> Limits | None:
    """When a run began and ended, by the plan's events, else by the run table.

    Returns:
        `None` for a run that was never made, or whose events did not come.
    """
    if run.started_at is None or run.ended_at is None:
        return None
    named = data.plan.limits
    if named is None:
        return Limits(to_nanoseconds(run.started_at), to_nanoseconds(run.ended_at))
    events = events_of(data, run, named.device)
    starts = [event.settled_ns for event in events if event.kind == named.start_event]
    ends = [event.settled_ns for event in events if event.kind in named.end_events]
    return Limits(min(starts), max(ends)) if starts and ends and max(ends) > min(starts) else None


def events_of(data: SealedData, run: SealedRun, device: str) -> list[SealedEvent]:
    """What a device reported during a run, in order of settled time."""
    found = [event for event in data.events if event.run == run.number and event.device == device]
    return sorted(found, key=lambda event: (event.settled_ns, event.seq))


def cover(data: SealedData, run: SealedRun, limits: Limits, device: str, signal: str) -> Covered:
    """Reduce one sealed signal over a run."""
    times, numbers = read_series(data, run, device, signal)
    return integrate(
        times,
        numbers,
        start_ns=limits.start_ns,
        end_ns=limits.end_ns,
        longest_gap_s=data.plan.longest_gap_s,
    )


def run_value(data: SealedData, run: SealedRun, kpi: Kpi) -> RunValue:
    """One run's number for one KPI, with the reason where it does not count."""
    reduced = _reduce(data, run, kpi) if run.ended_at is not None else _nothing("never made")
    return RunValue(
        run=run.number,
        arm=run.arm,
        executed_order=run.executed_order,
        block=run.block,
        levels=run.levels,
        value=reduced.value,
        excluded=_exclusion(data.plan, run, kpi) or reduced.why,
        coverage_percent=reduced.coverage_percent,
    )


@dataclass(frozen=True, slots=True)
class _Reduced:
    value: float | None
    coverage_percent: float | None
    why: str | None
    """Why there is no number."""


def _exclusion(plan: AnalysisPlan, run: SealedRun, kpi: Kpi) -> str | None:
    if run.excluded is not None:
        return run.excluded
    if plan.finished_only and kpi.population == "finished" and run.result.get("finished") is False:
        return UNFINISHED
    return NOT_COMPARED if plan.arm(run.arm).role == "other" else None


def _nothing(why: str, coverage_percent: float | None = None) -> _Reduced:
    return _Reduced(None, coverage_percent, why)


def _reduce(data: SealedData, run: SealedRun, kpi: Kpi) -> _Reduced:
    match kpi.measure:
        case EventValue(device=device, event=kind, field=field):
            found = [event for event in events_of(data, run, device) if event.kind == kind and field in event.fields]
            return _noted(found[-1].fields[field], kind) if found else _nothing(f"no {kind} with {field} from {device}")
        case ResultValue(field=field):
            return _noted(run.result.get(field), field)
        case _:
            limits = limits_of(data, run)
            if limits is None:
                return _nothing(
                    f"{data.plan.limits.device if data.plan.limits else 'nobody'} reported no start and end"
                )
            if isinstance(kpi.measure, DurationOfRun):
                return _Reduced(limits.length_s * conversion_factor("s", kpi.unit), None, None)
            return _reduce_signals(data, run, limits, kpi)


def _reduce_signals(data: SealedData, run: SealedRun, limits: Limits, kpi: Kpi) -> _Reduced:
    total, worst = 0.0, 100.0
    for device, signal in measured_signals(kpi):
        covered = cover(data, run, limits, device, signal)
        if not covered.samples:
            return _nothing(f"{signal} of {device} never came", 0.0)
        worst = min(worst, covered.percent(limits.length_s))
        unit = data.signal_unit(device, signal) or ""
        if isinstance(kpi.measure, IntegralOfSignals):
            total += covered.integral * integral_factor(unit, kpi.unit)
        elif covered.covered_s > 0:
            total += covered.integral / covered.covered_s * conversion_factor(unit, kpi.unit)
    least = data.plan.least_coverage_percent
    if worst < least or worst == 0:
        return _nothing(f"only {worst:.1f} % of the run is covered by data, the plan asks for {least:g} %", worst)
    return _Reduced(total, worst, None)


def _noted(value: Any, name: str) -> _Reduced:
    if isinstance(value, (bool, int, float)) and np.isfinite(value):
        return _Reduced(float(value), None, None)
    return _Reduced(None, None, f"{name} was not noted")


def read_series(data: SealedData, run: SealedRun, device: str, signal: str) -> tuple[Nanoseconds, Numbers]:
    """Settled times (ns, as sealed) and numbers (in the signal's unit) of one signal in a run."""
    table = data.samples(run, device=device, signal=signal)
    kept = table.select(["settled_ns", "value"]).drop_null()
    return (
        kept.column("settled_ns").to_numpy().astype(np.int64, copy=False),
        kept.column("value").to_numpy().astype(np.float64, copy=False),
    )
