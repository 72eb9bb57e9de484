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
    CountOfEdges,
    CountOfEvents,
    DurationOfRun,
    EventValue,
    IndicatorOfMachine,
    IntegralOfSignals,
    Kpi,
    Measure,
    RatioOfMeasures,
    ResultValue,
    RunLimits,
    SignalAtEvent,
    StatisticOfSignal,
    TimeInState,
    signals_of,
)
from lab.pilots.units import conversion_factor, integral_factor
from lab.reports.kpi_words import INDICATOR_NAMES
from lab.reports.language import marked as N_  # noqa: N812
from lab.reports.language import say as _
from lab.reports.numbers import format_number
from lab.reports.results import RunValue
from lab.reports.sealed import SealedEvent, SealedRun
from lab.reports.sealing import SealedData
from lab.reports.steadiness.iso22400 import Production, Quantities, indicator, wrong_planned_time
from lab.reports.steadiness.machine_times import StateChange, seconds_in, time_elements

Nanoseconds = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
_PORTION = 1_000_000
"""Steps between samples that are integrated at once, so that memory stays small."""

_LARGEST = 1e18
"""In size, of a run's number; its square and the sum of many can still be reckoned with."""
UNFINISHED = N_("unfinished part")
NOT_COMPARED = N_("arm not compared by the plan")


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
    times, numbers = in_order(settled_ns, values, start_ns=start_ns, end_ns=end_ns)
    if not len(times):
        return Covered(0.0, 0.0, None, 0)
    integral, covered_s = 0.0, 0.0
    longest_s = max(float(times[0] - start_ns), float(end_ns - times[-1])) / 1e9
    for first in range(0, len(times) - 1, _PORTION):
        portion = slice(first, first + _PORTION + 1)
        steps = np.diff((times[portion] - start_ns) / 1e9)
        bridged = steps <= longest_gap_s
        areas = steps * (numbers[portion][1:] + numbers[portion][:-1]) / 2
        integral += float(areas[bridged].sum())
        covered_s += float(steps[bridged].sum())
        longest_s = max(longest_s, float(steps.max()))
    return Covered(integral=integral, covered_s=covered_s, longest_gap_s=longest_s, samples=len(times))


def in_order(settled_ns: Nanoseconds, values: Numbers, *, start_ns: int, end_ns: int) -> tuple[Nanoseconds, Numbers]:
    """Samples within `[start_ns, end_ns]` in order of time, equal times by value; no copies of what is so already.

    Args:
        settled_ns: (n,), in any order.
        values: (n,).
        start_ns: first time.
        end_ns: last time.
    """
    if (settled_ns[1:] > settled_ns[:-1]).all():
        within = slice(*np.searchsorted(settled_ns, [start_ns, end_ns + 1]))
        return settled_ns[within], values[within]
    inside = (settled_ns >= start_ns) & (settled_ns <= end_ns)
    times, numbers = settled_ns[inside], values[inside]
    order = np.lexsort((numbers, times))
    return times[order], numbers[order]


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
    """When a run began and ended, by the plan's events or states, else by the run table.

    Returns:
        `None` for a run that was never made, or whose events or states did not come.
    """
    if run.started_at is None or run.ended_at is None:
        return None
    named = data.plan.limits
    if named is None:
        return Limits(to_nanoseconds(run.started_at), to_nanoseconds(run.ended_at))
    if named.item_states:
        return _limits_by_state(data, run, named)
    events = events_of(data, run, named.device)
    starts = [event.settled_ns for event in events if event.kind == named.start_event]
    ends = [event.settled_ns for event in events if event.kind in named.end_events]
    return Limits(min(starts), max(ends)) if starts and ends and max(ends) > min(starts) else None


def _limits_by_state(data: SealedData, run: SealedRun, named: RunLimits) -> Limits | None:
    """From first to last in one of the states, within what people have marked."""
    assert run.started_at is not None
    assert run.ended_at is not None
    marked_start, marked_end = to_nanoseconds(run.started_at), to_nanoseconds(run.ended_at)
    changes = states_of(data, run, named.device)
    left_at = [*(change.at_ns for change in changes), marked_end][1:]
    spans = [
        (max(change.at_ns, marked_start), min(left, marked_end))
        for change, left in zip(changes, left_at, strict=True)
        if change.item_state in named.item_states
    ]
    spans = [(start, end) for start, end in spans if start < end]
    return Limits(spans[0][0], spans[-1][1]) if spans else None


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
    reduced = _usable(_reduce(data, run, kpi), kpi) if run.ended_at is not None else _nothing(_("never made"))
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
        return _(UNFINISHED)
    return _(NOT_COMPARED) if plan.arm(run.arm).role == "other" else None


def _usable(reduced: _Reduced, kpi: Kpi) -> _Reduced:
    """A share is made of yes and no; a number beyond all measure would leave no room to reckon in."""
    value = reduced.value
    if value is None:
        return reduced
    if kpi.kind == "proportion" and value not in (0.0, 1.0):
        return _nothing(_("neither yes nor no, but {value}", value=format_number(value)), reduced.coverage_percent)
    if not abs(value) <= _LARGEST:
        return _nothing(_("a number beyond all measure"), reduced.coverage_percent)
    return reduced


def _nothing(why: str, coverage_percent: float | None = None) -> _Reduced:
    return _Reduced(None, coverage_percent, why)


def _reduce(data: SealedData, run: SealedRun, kpi: Kpi) -> _Reduced:
    if isinstance(kpi.measure, RatioOfMeasures):
        return _reduce_ratio(data, run, kpi.measure)
    return _reduce_measure(data, run, kpi.measure, kpi.unit)


def _reduce_ratio(data: SealedData, run: SealedRun, ratio: RatioOfMeasures) -> _Reduced:
    above, below = (
        _reduce_measure(data, run, side.measure, side.unit) for side in (ratio.numerator, ratio.denominator)
    )
    known = [side.coverage_percent for side in (above, below) if side.coverage_percent is not None]
    worst = min(known, default=None)
    if above.value is None or below.value is None:
        return _nothing(above.why or below.why or _("one side is missing"), worst)
    if below.value == 0:
        return _nothing(_("the ratio is to nothing"), worst)
    return _Reduced(above.value / below.value, worst, None)


def _reduce_measure(data: SealedData, run: SealedRun, measure: Measure, unit: str) -> _Reduced:
    match measure:
        case EventValue(device=device, event=kind, field=field):
            found = [event for event in events_of(data, run, device) if event.kind == kind and field in event.fields]
            return (
                _noted(found[-1].fields[field], kind)
                if found
                else _nothing(_("no {event} with {field} from {device}", event=kind, field=field, device=device))
            )
        case ResultValue(field=field):
            return _noted(run.result.get(field), field)
        case _:
            pass
    limits = limits_of(data, run)
    if limits is None:
        if data.plan.limits is None:
            return _nothing(_("nobody reported a start and an end"))
        return _nothing(_("{device} reported no start and end", device=data.plan.limits.device))
    match measure:
        case DurationOfRun():
            return _Reduced(limits.length_s * conversion_factor("s", unit), None, None)
        case CountOfEvents(device=device, event=kind, where=where):
            counted = [event for event in _within(data, run, limits, device) if event.kind == kind]
            fits = [event for event in counted if all(event.fields.get(name) == is_ for name, is_ in where.items())]
            return _Reduced(float(len(fits)), None, None)
        case SignalAtEvent():
            return _at_event(data, run, limits, measure, unit)
        case TimeInState():
            return _time_in_state(data, run, limits, measure, unit)
        case IndicatorOfMachine():
            return _indicator(data, run, limits, measure)
        case _:
            return _reduce_signals(data, run, limits, measure, unit)


def _reduce_signals(data: SealedData, run: SealedRun, limits: Limits, measure: Measure, unit: str) -> _Reduced:
    total, worst = 0.0, 100.0
    for device, signal in signals_of(measure):
        times, numbers = read_series(data, run, device, signal)
        gap_s = data.plan.longest_gap_s
        covered = integrate(times, numbers, start_ns=limits.start_ns, end_ns=limits.end_ns, longest_gap_s=gap_s)
        if not covered.samples:
            return _nothing(_("{signal} of {device} never came", signal=signal, device=device), 0.0)
        worst = min(worst, covered.percent(limits.length_s))
        origin = data.signal_unit(device, signal) or "1"
        inside = in_order(times, numbers, start_ns=limits.start_ns, end_ns=limits.end_ns)[1]
        total += _of_signal(measure, covered, inside, origin, unit)
    least = data.plan.least_coverage_percent
    if worst < least or worst == 0:
        return _nothing(
            _(
                "only {percent} % of the run is covered by data, the plan asks for {least} %",
                percent=format_number(worst, decimals=1),
                least=format_number(least),
            ),
            worst,
        )
    return _Reduced(total, worst, None)


def _of_signal(measure: Measure, covered: Covered, numbers: Numbers, origin: str, unit: str) -> float:
    """A number of one signal over a run; its numbers in order of time."""
    match measure:
        case IntegralOfSignals():
            return covered.integral * integral_factor(origin, unit)
        case StatisticOfSignal(statistic=statistic, percent=percent):
            share = {"minimum": 0.0, "maximum": 100.0}.get(statistic, percent or 50.0)
            return float(np.percentile(numbers, share)) * conversion_factor(origin, unit)
        case CountOfEdges(threshold=threshold, edge=edge):
            above = numbers > threshold
            rising = above[1:] & ~above[:-1] if edge == "rising" else ~above[1:] & above[:-1]
            return float(rising.sum())
        case _:
            seconds = covered.covered_s
            return covered.integral / seconds * conversion_factor(origin, unit) if seconds > 0 else 0.0


def _within(data: SealedData, run: SealedRun, limits: Limits, device: str) -> list[SealedEvent]:
    found = events_of(data, run, device)
    return [event for event in found if limits.start_ns <= event.settled_ns <= limits.end_ns]


def _at_event(data: SealedData, run: SealedRun, limits: Limits, measure: SignalAtEvent, unit: str) -> _Reduced:
    """The last value before the event, unless the signal had been silent for longer than the plan bridges."""
    found = [event for event in _within(data, run, limits, measure.device) if event.kind == measure.event]
    if not found:
        return _nothing(_("no {event} from {device}", event=measure.event, device=measure.device))
    device, signal, at_ns = measure.signal.device, measure.signal.signal, found[-1].settled_ns
    times, numbers = read_series(data, run, device, signal)
    times, numbers = in_order(times, numbers, start_ns=limits.start_ns, end_ns=at_ns)
    if not len(times) or at_ns - int(times[-1]) > data.plan.longest_gap_s * 1e9:
        return _nothing(_("{signal} of {device} was silent at the event", signal=signal, device=device))
    origin = data.signal_unit(device, signal) or "1"
    return _Reduced(float(numbers[-1]) * conversion_factor(origin, unit), None, None)


def _time_in_state(data: SealedData, run: SealedRun, limits: Limits, measure: TimeInState, unit: str) -> _Reduced:
    seconds, known_s = seconds_in(
        states_of(data, run, measure.device),
        limits.start_ns,
        limits.end_ns,
        item_states=measure.item_states,
        modes=measure.modes,
    )
    return _if_known(data, measure.device, known_s, limits, seconds * conversion_factor("s", unit))


def states_of(data: SealedData, run: SealedRun, device: str) -> list[StateChange]:
    """What a device reported of its state during a run, the state in which it began it first."""
    return [
        StateChange(event.settled_ns, str(event.fields.get("item_state")), event.fields.get("mode"))
        for event in events_of(data, run, device)
        if event.kind == "state"
    ]


def exceeds_planned_time(data: SealedData, run: SealedRun, measure: IndicatorOfMachine) -> bool:
    """Whether more was made in a run than the planned time of a part allows: then that time is wrong."""
    limits = limits_of(data, run)
    return limits is not None and wrong_planned_time(_production(data, run, limits, measure))


def _indicator(data: SealedData, run: SealedRun, limits: Limits, measure: IndicatorOfMachine) -> _Reduced:
    made = _production(data, run, limits, measure)
    found, times = indicator(measure.indicator, made), made.times
    if found is None:
        return _nothing(
            _(
                "{indicator} cannot be said: no part, no time or no result was reported",
                indicator=_(INDICATOR_NAMES[measure.indicator]),
            )
        )
    value = found * 3600 if measure.indicator == "throughput_rate" else found
    return _if_known(data, measure.device, times.length_s - times.unknown_s, limits, value)


def _production(data: SealedData, run: SealedRun, limits: Limits, measure: IndicatorOfMachine) -> Production:
    times = time_elements(states_of(data, run, measure.device), limits.start_ns, limits.end_ns)
    parts = [event for event in _within(data, run, limits, measure.device) if event.kind == measure.part_event]
    results = [event.fields.get(measure.result_field) for event in parts]
    told = all(result in {"good", "scrap", "rework"} for result in results)
    quantities = Quantities(
        produced=len(parts),
        good=results.count("good") if told else None,
        scrap=results.count("scrap") if told else None,
        rework=results.count("rework") if told else None,
        good_first=sum(
            event.fields.get(measure.result_field) == "good" and event.fields.get("reworked") is not True
            for event in parts
        ),
        inspected=sum(result in {"good", "scrap", "rework"} for result in results),
    )
    return Production(times, quantities, measure.planned_s_per_item)


def _if_known(data: SealedData, device: str, known_s: float, limits: Limits, value: float) -> _Reduced:
    """A number made of states, unless the state is unknown for too long."""
    percent = min(100.0, 100 * known_s / limits.length_s) if limits.length_s > 0 else 0.0
    least = data.plan.least_coverage_percent
    if percent < least or percent == 0:
        return _nothing(
            _(
                "the state of {device} is known for {percent} % of the run, the plan asks for {least} %",
                device=device,
                percent=format_number(percent, decimals=1),
                least=format_number(least),
            ),
            percent,
        )
    return _Reduced(value, percent, None)


def _noted(value: Any, name: str) -> _Reduced:
    if isinstance(value, (bool, int, float)) and np.isfinite(value):
        return _Reduced(float(value), None, None)
    return _Reduced(None, None, _("{name} was not noted", name=name))


def read_series(data: SealedData, run: SealedRun, device: str, signal: str) -> tuple[Nanoseconds, Numbers]:
    """Settled times (ns, as sealed) and numbers (in the signal's unit) of one signal in a run."""
    kept = [
        portion if portion.column("value").null_count == 0 else portion.drop_null()
        for _, portion in data.portions(run, device=device, signal=signal, columns=("settled_ns", "value"))
    ]
    if not kept:
        return np.empty(0, np.int64), np.empty(0, np.float64)
    times, values = ([portion.column(name).to_numpy() for portion in kept] for name in ("settled_ns", "value"))
    return (times[0], values[0]) if len(kept) == 1 else (np.concatenate(times), np.concatenate(values))
