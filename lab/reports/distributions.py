"""How the runs of each arm spread: every run as a point, with quartiles and mean."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.reports.blocks import Column, Table
from lab.reports.drawing import INK, add_row, arm_styles, drawable, new_figure, write_ticks
from lab.reports.marks import mark
from lab.reports.numbers import format_number, format_quantity
from lab.reports.results import ArmSummary, KpiResult, Results
from lab.reports.words import Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ARM_IN, _BETWEEN_IN = 0.27, 0.55
LEAST_FOR_QUARTILES = 5


@dataclass(frozen=True, slots=True)
class Spread:
    """The runs of an arm that count for one KPI, sorted."""

    arm: ArmSummary
    values: tuple[float, ...]

    @property
    def quartiles(self) -> tuple[float, float, float] | None:
        """Lower quartile, median, upper quartile; `None` with few runs."""
        if len(self.values) < LEAST_FOR_QUARTILES:
            return None
        first, middle, third = statistics.quantiles(self.values, n=4, method="inclusive")
        return first, middle, third


def spreads_of(kpi: KpiResult) -> list[Spread]:
    """Of the arms that are compared and have runs that count."""
    found = []
    for arm in kpi.arms:
        values = sorted(
            run.value for run in kpi.runs if run.arm == arm.arm and run.value is not None and run.excluded is None
        )
        if values:
            found.append(Spread(arm, tuple(values)))
    return found


def draw_distribution(results: Results, kpis: Sequence[KpiResult], words: Words) -> "Figure":
    """One row a KPI, one line of it an arm."""
    styles = arm_styles(results.arms)
    rows = [(kpi, spreads_of(kpi)) for kpi in kpis]
    heights = [_ARM_IN * max(1, len(spreads)) + 0.1 for _kpi, spreads in rows]
    figure = new_figure(sum(heights) + _BETWEEN_IN * len(rows) + 0.1)
    top = 0.25
    for (kpi, spreads), height in zip(rows, heights, strict=True):
        axes = add_row(figure, top, height, left_in=1.6)
        unit = f" ({drawable(kpi.unit)})" if kpi.unit else ""
        axes.set_title(f"{drawable(kpi.label, 80)}{unit}", loc="left", fontsize=8.5, fontweight="bold", color=INK)
        _draw_spreads(axes, spreads, styles)
        _mark_spreads(axes, kpi, spreads, words)
        top += height + _BETWEEN_IN
    return figure


def _draw_spreads(axes: "Axes", spreads: Sequence[Spread], styles: dict[str, tuple[str, str]]) -> None:
    axes.set_ylim(len(spreads) - 0.4, -0.6)
    axes.set_yticks(range(len(spreads)), [drawable(spread.arm.label, 26) for spread in spreads])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for place, spread in enumerate(spreads):
        colour, marker = styles.get(spread.arm.arm, (INK, "o"))
        if spread.quartiles is not None:
            first, middle, third = spread.quartiles
            axes.barh(place, third - first, left=first, height=0.6, color=colour, alpha=0.18, zorder=1)
            axes.plot([middle, middle], [place - 0.3, place + 0.3], color=colour, linewidth=1.4, zorder=2)
        axes.plot(spread.values, [place] * len(spread.values), marker, color=colour, markersize=4.5, alpha=0.6,
                  linestyle="", zorder=3)  # fmt: skip
        if spread.arm.mean is not None:
            axes.plot([spread.arm.mean], [place], "|", color=INK, markersize=11, markeredgewidth=1.1, zorder=4)
    values = [value for spread in spreads for value in spread.values]
    if not values:
        axes.set_xticks([])
        return
    pad = 0.06 * (max(values) - min(values)) or max(abs(values[0]) * 0.05, 1e-9)
    axes.set_xlim(min(values) - pad, max(values) + pad)
    write_ticks(axes.xaxis, axes.get_xlim())


def _mark_spreads(axes: "Axes", kpi: KpiResult, spreads: Sequence[Spread], words: Words) -> None:
    for place, spread in enumerate(spreads):
        runs = [run for run in kpi.runs if run.arm == spread.arm.arm and run.excluded is None]
        for run in sorted(runs, key=lambda one: one.value or 0.0):
            if run.value is not None:
                who = words.say("chart_trace_line", arm=spread.arm.label, run=run.run)
                mark(axes, run.value, place, f"{kpi.label}: {who}: {format_quantity(run.value, kpi.unit)}")


def distribution_table(kpis: Sequence[KpiResult], words: Words) -> Table:
    """The numbers of the chart."""
    names = ("col_lowest", "col_first_quartile", "col_median", "col_third_quartile", "col_highest")
    columns = (
        Column(words["col_kpi"], share=1.4),
        Column(words["col_arm"], share=1.2),
        Column(words["col_runs"], align="right", share=0.6),
        *(Column(words[name], align="right", share=1) for name in names),
    )
    rows = []
    for kpi in kpis:
        for spread in spreads_of(kpi):
            quartiles = spread.quartiles
            middle = [words["no_percent"]] * 3 if quartiles is None else [format_number(one) for one in quartiles]
            ends = format_number(spread.values[0]), format_number(spread.values[-1])
            rows.append(
                (
                    f"{kpi.label}, {kpi.unit}" if kpi.unit else kpi.label,
                    spread.arm.label,
                    str(len(spread.values)),
                    ends[0],
                    *middle,
                    ends[1],
                )
            )
    return Table(words["distribution_table"], columns, tuple(rows), small=True)
