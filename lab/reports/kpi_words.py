"""What a KPI measures and how it is judged, in words; without the statistics, which only a new report needs."""

from collections.abc import Mapping

from lab.pilots.plans import (
    AnalysisPlan,
    CountOfEdges,
    CountOfEvents,
    DurationOfRun,
    EventValue,
    IndicatorOfMachine,
    IntegralOfSignals,
    Kpi,
    MeanOfSignal,
    Measure,
    RatioOfMeasures,
    ResultValue,
    SignalAtEvent,
    SignalReference,
    StatisticOfSignal,
    TimeInState,
)
from lab.pilots.units import unit_label
from lab.reports.language import marked as N_  # noqa: N812
from lab.reports.language import say as _
from lab.reports.numbers import format_number, format_quantity

INDICATOR_NAMES: Mapping[str, str] = {
    "availability": N_("Availability"),
    "effectiveness": N_("Effectiveness"),
    "quality_ratio": N_("Quality ratio"),
    "oee": N_("OEE"),
    "nee": N_("NEE"),
    "allocation_efficiency": N_("Allocation efficiency"),
    "utilisation_efficiency": N_("Utilisation efficiency"),
    "throughput_rate": N_("Throughput rate"),
    "technical_efficiency": N_("Technical efficiency"),
    "setup_ratio": N_("Set-up ratio"),
    "scrap_ratio": N_("Scrap ratio"),
    "first_pass_yield": N_("First pass yield"),
}
"""ISO 22400-2:2014."""


def criterion_text(plan: AnalysisPlan, kpi: Kpi) -> str:
    """What the plan asks of a KPI, as a sentence."""
    if kpi.margin is not None:
        return _("Not worse by more than {margin}.", margin=written_amount(kpi.margin, kpi))
    if kpi.role == "primary":
        facts = {
            "label": kpi.label,
            "break_even": written_amount(plan.break_even, kpi),
            "expected": written_amount(plan.expected, kpi),
        }
        if kpi.direction == "higher":
            return _("{label} rises by more than {break_even} (break-even); {expected} is hoped for.", **facts)
        return _("{label} falls by more than {break_even} (break-even); {expected} is hoped for.", **facts)
    return _("No criterion; shown for information.")


def written_amount(value: float, kpi: Kpi) -> str:
    """An amount of a KPI with its unit, as the plan names it."""
    if kpi.kind == "proportion":
        return format_quantity(100 * value, _("percentage points"))
    return format_quantity(value, unit_label(kpi.unit))


def definition_text(plan: AnalysisPlan, kpi: Kpi) -> str:
    """What is measured for a KPI, as a sentence."""
    text = _measured(plan, kpi.measure)
    if plan.limits is not None and not isinstance(kpi.measure, (EventValue, ResultValue)):
        device, states = plan.limits.device, " / ".join(plan.limits.item_states)
        if states:
            text = _("{measure}, while {device} reported {states}", measure=text, device=device, states=states)
        else:
            start, end = plan.limits.start_event, " / ".join(plan.limits.end_events)
            text = _(
                "{measure}, from {start} to {end} as {device} reported them",
                measure=text, start=start, end=end, device=device,
            )  # fmt: skip
    if not plan.finished_only:
        return f"{text}."
    if kpi.population == "finished":
        return _("{measure}; finished parts only.", measure=text)
    return _("{measure}; unfinished parts count too.", measure=text)


def _measured(plan: AnalysisPlan, measure: Measure) -> str:
    match measure:
        case IntegralOfSignals(signals=signals):
            names = " + ".join(_of_device(part) for part in signals)
            return _(
                "Integral of {signals} over the run (trapezoids; silences above {gap} s not bridged)",
                signals=names,
                gap=format_number(plan.longest_gap_s),
            )
        case MeanOfSignal(signal=part):
            return _("Time-weighted mean of {signal} over the run", signal=_of_device(part))
        case DurationOfRun():
            return _("Duration of the run")
        case EventValue(device=device, event=event, field=field):
            return _(
                "{field} of the last {event} that {device} reported in the run", field=field, event=event, device=device
            )
        case SignalAtEvent(signal=part, device=device, event=event):
            return _(
                "{signal} at the last {event} that {device} reported in the run",
                signal=_of_device(part), event=event, device=device,
            )  # fmt: skip
        case ResultValue(field=field):
            return _("{field} as noted in the run table", field=field)
        case StatisticOfSignal(signal=part, statistic=statistic, percent=percent):
            return _statistic(part, statistic, percent)
        case TimeInState(device=device, item_states=states, modes=modes):
            facts = {"device": device, "states": " / ".join(states), "modes": " / ".join(modes)}
            if modes:
                return _("Time that {device} reported as {states} in mode {modes}", **facts)
            return _("Time that {device} reported as {states}", **facts)
        case CountOfEdges(signal=part, threshold=threshold, edge=edge):
            facts = {"threshold": format_number(threshold), "signal": _of_device(part)}
            if edge == "rising":
                return _("Number of rising crossings of {threshold} by {signal}", **facts)
            return _("Number of falling crossings of {threshold} by {signal}", **facts)
        case CountOfEvents(device=device, event=event, where=where):
            only = ", ".join(f"{name} {value}" for name, value in sorted(where.items()))
            facts = {"event": f"{event} ({only})" if only else event, "device": device}
            return _("Number of {event} that {device} reported", **facts)
        case IndicatorOfMachine(indicator=indicator, device=device, planned_s_per_item=planned):
            facts = {
                "indicator": _(INDICATOR_NAMES[indicator]),
                "device": device,
                "planned": format_number(planned or 0),
            }
            if planned is None:
                return _("{indicator} of {device} by ISO 22400-2", **facts)
            return _("{indicator} of {device} by ISO 22400-2, planned time of a part {planned} s", **facts)
        case RatioOfMeasures(numerator=above, denominator=below):
            return _(
                "({above}) through ({below})",
                above=_measured(plan, above.measure),
                below=_measured(plan, below.measure),
            )


def _of_device(part: SignalReference) -> str:
    return _("{signal} of {device}", signal=part.signal, device=part.device)


def _statistic(part: SignalReference, statistic: str, percent: float | None) -> str:
    facts = {"signal": _of_device(part), "percent": format_number(percent or 0)}
    match statistic:
        case "percentile":
            return _("{percent} % percentile of {signal} over the run", **facts)
        case "minimum":
            return _("Minimum of {signal} over the run", **facts)
        case _:
            return _("Maximum of {signal} over the run", **facts)
