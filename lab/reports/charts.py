"""The charts of a report, from the result object: SVG with text as paths, the same bytes for the same input.

Effects: per KPI the difference of the arms with its interval against zero, break-even, expected effect or margin.
Runs: every run's number in the order of execution, excluded runs hollow. Arms differ in colour (Okabe and Ito's
palette) and in the shape of the marker, so that grey prints and colour-blind readers lose nothing.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.reports.distributions import draw_distribution, spreads_of
from lab.reports.drawing import draw_runs, to_svg
from lab.reports.economics.drawing import draw_npv, draw_tornado
from lab.reports.economics.writing import format_money, format_probability, write_figure
from lab.reports.effects_drawing import describe_effect, draw_effects
from lab.reports.language import writing_in
from lab.reports.numbers import format_interval, format_number, format_quantity
from lab.reports.results import KpiResult, Results
from lab.reports.steadiness.drawing import draw_control
from lab.reports.steadiness.energy_drawing import draw_energy
from lab.reports.steadiness.writing import energy_sentence
from lab.reports.traces.drawing import draw_traces
from lab.reports.traces.findings import Trace
from lab.reports.words import Words, words_of

KPIS_PER_CHART = 5


@dataclass(frozen=True, slots=True)
class ChartFacts:
    """What a chart shows: which KPIs, and how."""

    name: str
    kind: str
    """`effects`, `runs`, `distribution`, `traces`, `control` or `energy`; on money: `tornado` or `npv`."""
    kpis: tuple[KpiResult, ...]


def list_charts(results: Results) -> list[ChartFacts]:
    """The charts a report has; more than one of a kind only when a page could not hold all KPIs."""
    charts = []
    for kind in ("effects", "runs"):
        for start in range(0, len(results.kpis), KPIS_PER_CHART):
            suffix = "" if start == 0 else f"-{start // KPIS_PER_CHART + 1}"
            charts.append(ChartFacts(f"{kind}{suffix}.svg", kind, results.kpis[start : start + KPIS_PER_CHART]))
    return charts


def distribution_charts(results: Results) -> list[ChartFacts]:
    """How the runs of the arms spread, of KPIs that are numbers."""
    kpis = tuple(kpi for kpi in results.kpis if kpi.kind == "number" and spreads_of(kpi))
    charts = []
    for start in range(0, len(kpis), KPIS_PER_CHART):
        suffix = "" if start == 0 else f"-{start // KPIS_PER_CHART + 1}"
        chosen = kpis[start : start + KPIS_PER_CHART]
        charts.append(ChartFacts(f"distribution{suffix}.svg", "distribution", chosen))
    return charts


def traces_chart(results: Results) -> ChartFacts | None:
    """The signals over a typical run of each arm; none where no KPI is made of signals."""
    return ChartFacts("traces.svg", "traces", ()) if results.traces else None


def energy_charts(results: Results) -> list[ChartFacts]:
    """What was saved, of each KPI that is an energy."""
    found = [kpi for kpi in results.kpis if kpi.energy is not None]
    return [ChartFacts(f"energy-{place}.svg", "energy", (kpi,)) for place, kpi in enumerate(found, start=1)]


def economic_charts(results: Results) -> list[ChartFacts]:
    """The charts on money; none where nothing could be computed."""
    money = results.economics
    kinds = [("tornado", bool(money.tornado)), ("npv", money.distribution is not None)]
    return [ChartFacts(f"{kind}.svg", kind, ()) for kind, is_there in kinds if is_there]


def control_chart(results: Results) -> ChartFacts | None:
    """The control charts of the primary KPI; none for shares and with few runs."""
    return None if results.primary.control is None else ChartFacts("control.svg", "control", results.kpis[:1])


PRIMARY_CHART = "primary.svg"


def primary_chart(results: Results) -> ChartFacts:
    """The chart of the decision page: the primary KPI's difference against its criterion."""
    return ChartFacts(PRIMARY_CHART, "effects", results.kpis[:1])


def draw_charts(results: Results | Mapping[str, Any]) -> dict[str, bytes]:
    """Draw every chart of a report.

    Returns:
        File name (`primary.svg`, `effects.svg`, `runs.svg`, …) → SVG.
    """
    results = results if isinstance(results, Results) else Results.model_validate(results)
    language = results.issue.statement.language
    with writing_in(language):
        return _draw(results, words_of(language))


def _draw(results: Results, words: Words) -> dict[str, bytes]:
    drawn = {}
    kinds = {
        "effects": draw_effects,
        "runs": draw_runs,
        "control": draw_control,
        "distribution": draw_distribution,
        "traces": draw_traces,
        "energy": draw_energy,
        "tornado": draw_tornado,
        "npv": draw_npv,
    }
    single = [chart for chart in (traces_chart(results), control_chart(results)) if chart is not None]
    of_runs = [*list_charts(results), *distribution_charts(results), *single, *energy_charts(results)]
    for chart in [primary_chart(results), *of_runs, *economic_charts(results)]:
        drawn[chart.name] = to_svg(kinds[chart.kind], results, chart.kpis, words)
    return drawn


def describe_chart(results: Results, chart: ChartFacts, words: Words) -> str:
    """The alternative text of a chart: the numbers that it shows, in words."""
    if chart.kind == "tornado":
        parts = [words["chart_tornado_alt"], *_describe_tornado(results, words)]
    elif chart.kind == "npv":
        parts = [_describe_npv(results, words)]
    elif chart.kind == "distribution":
        parts = [words["chart_distribution_alt"], *(_describe_spreads(kpi, words) for kpi in chart.kpis)]
    elif chart.kind == "traces":
        parts = [words["chart_traces_alt"], *(_describe_trace(trace, words) for trace in results.traces)]
    elif chart.kind == "energy":
        parts = [words.say("chart_energy_alt", label=chart.kpis[0].label), energy_sentence(chart.kpis[0], words)]
    elif chart.kind == "control":
        parts = [_describe_control(chart.kpis[0], words)]
    elif chart.kind == "effects":
        parts = [words["chart_effects_alt"], *(describe_effect(kpi, results.guards, words) for kpi in chart.kpis)]
    else:
        parts = [words["chart_runs_alt"], *(_describe_runs(kpi, words) for kpi in chart.kpis)]
    return " ".join(parts)


def _describe_control(kpi: KpiResult, words: Words) -> str:
    found = kpi.control
    assert found is not None

    def listed(runs: Sequence[int]) -> str:
        return ", ".join(map(str, runs)) or words["none"]

    limits = "; ".join(f"{arm.arm} {format_interval(arm.low, arm.high, kpi.unit)}" for arm in found.arms)
    return words.say(
        "chart_control_alt",
        label=kpi.label,
        limits=limits,
        outside=listed(found.outside),
        ewma=listed(found.ewma_signals),
        cusum=listed(found.cusum_signals),
    )


def _describe_spreads(kpi: KpiResult, words: Words) -> str:
    parts = [
        words.say(
            "chart_spread",
            arm=spread.arm.label,
            n=len(spread.values),
            low=format_number(spread.values[0]),
            median=format_number(statistics.median(spread.values)),
            high=format_quantity(spread.values[-1], kpi.unit),
        )
        for spread in spreads_of(kpi)
    ]
    return f"{kpi.label}: {'; '.join(parts)}."


def _describe_trace(trace: Trace, words: Words) -> str:
    parts = [
        words.say(
            "chart_trace",
            arm=line.label,
            run=line.run,
            low=format_number(line.low),
            high=format_quantity(line.high, trace.unit),
            seconds=format_number(line.seconds[-1]),
        )
        for line in trace.lines
    ]
    return f"{trace.label}: {'; '.join(parts)}."


def _describe_runs(kpi: KpiResult, words: Words) -> str:
    arms = {run.arm: None for run in kpi.runs}
    parts = [_describe_arm(arm, kpi, words) for arm in arms]
    excluded = [format_number(run.run) for run in kpi.runs if run.excluded]
    if excluded:
        parts.append(f"{words['excluded_runs']} {', '.join(excluded)}")
    return f"{kpi.label}: {'; '.join(parts)}."


def _describe_arm(arm: str, kpi: KpiResult, words: Words) -> str:
    values = [run.value for run in kpi.runs if run.arm == arm and run.value is not None and not run.excluded]
    if not values:
        return f"{arm}: {words['not_available']}"
    if kpi.kind == "proportion":
        yes = sum(1 for value in values if value)
        return words.say("chart_arm_share", arm=arm, yes=yes, n=len(values))
    low, high = format_number(min(values)), format_quantity(max(values), kpi.unit)
    return words.say("chart_arm_range", arm=arm, n=len(values), low=low, high=high)


def _describe_tornado(results: Results, words: Words) -> list[str]:
    money = results.economics
    currency = money.currency or ""
    return [
        words.say(
            "chart_tornado_bar",
            figure=words[f"input_{bar.key}"],
            less=write_figure(bar.key, bar.less, money, words),
            more=write_figure(bar.key, bar.more, money, words),
            npv_less=format_money(bar.npv_less_cents, currency),
            npv_more=format_money(bar.npv_more_cents, currency),
        )
        for bar in money.tornado
    ]


def _describe_npv(results: Results, words: Words) -> str:
    found, currency = results.economics.distribution, results.economics.currency or ""
    assert found is not None
    quantiles = {name: format_money(getattr(found.npv_cents, name) or 0.0, currency) for name in ("p10", "p50", "p90")}
    return words.say(
        "chart_npv_alt",
        draws=format_number(found.draws),
        positive=format_probability(found.probability_positive),
        **quantiles,
    )
