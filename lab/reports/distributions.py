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

_ARM_IN, _BETWEEN_IN, _AXIS_IN = 0.36, 0.55, 0.32
LEAST_FOR_QUARTILES = 5
_FAR = 4.0
"""How many times the widest arm all arms together are, from which each gets an axis of its own."""
_BOX, _POINTS = 0.12, -0.24
"""Where box and points lie in an arm's line, so that neither hides the other."""


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
    rows = [(kpi, rows_of(kpi)) for kpi in kpis]
    heights = [sum(_ARM_IN * len(row) + _AXIS_IN for row in parts) for _kpi, parts in rows]
    between = _BETWEEN_IN - _AXIS_IN
    figure = new_figure(sum(heights) + between * len(rows) + 0.1)
    top = 0.25
    for kpi, parts in rows:
        unit = f" ({drawable(kpi.unit)})" if kpi.unit else ""
        width = max((_width(row) for row in parts), default=0.0)
        for place, row in enumerate(parts):
            axes = add_row(figure, top, _ARM_IN * len(row), left_in=1.6)
            if place == 0:
                title = f"{drawable(kpi.label, 80)}{unit}"
                axes.set_title(title, loc="left", fontsize=8.5, fontweight="bold", color=INK)
            _draw_spreads(axes, row, styles, width)
            _mark_spreads(axes, kpi, row, words)
            top += _ARM_IN * len(row) + _AXIS_IN
        top += between
    return figure


def rows_of(kpi: KpiResult) -> list[list[Spread]]:
    """The arms that share an axis: all of them, unless they lie so far apart that each would shrink to a blob."""
    spreads = spreads_of(kpi)
    widest = max((_width([spread]) for spread in spreads), default=0.0)
    far = len(spreads) > 1 and widest > 0 and _width(spreads) > _FAR * widest
    return [[spread] for spread in spreads] if far else [spreads]


def _width(spreads: Sequence[Spread]) -> float:
    values = [value for spread in spreads for value in spread.values]
    return max(values) - min(values) if values else 0.0


def _draw_spreads(axes: "Axes", spreads: Sequence[Spread], styles: dict[str, tuple[str, str]], width: float) -> None:
    """Arms on one axis that is `width` wide, in the KPI's unit."""
    axes.set_ylim(len(spreads) - 0.5, -0.5)
    axes.set_yticks(range(len(spreads)), [drawable(spread.arm.label, 26) for spread in spreads])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for place, spread in enumerate(spreads):
        colour, marker = styles.get(spread.arm.arm, (INK, "o"))
        if spread.quartiles is not None:
            first, middle, third = spread.quartiles
            axes.barh(place + _BOX, third - first, left=first, height=0.4, color=colour, alpha=0.25, zorder=1)
            axes.plot([middle, middle], [place + _BOX - 0.2, place + _BOX + 0.2], color=colour, linewidth=1.6, zorder=2)
        axes.plot(spread.values, [place + _POINTS] * len(spread.values), marker, color=colour, markersize=4,
                  markeredgecolor="white", markeredgewidth=0.4, linestyle="", zorder=3)  # fmt: skip
        if spread.arm.mean is not None:
            axes.plot([spread.arm.mean], [place + _BOX], "|", color=INK, markersize=11, markeredgewidth=1.1, zorder=4)
    values = [value for spread in spreads for value in spread.values]
    if not values:
        axes.set_xticks([])
        return
    middle = (min(values) + max(values)) / 2
    half = 0.56 * width or max(abs(middle) * 0.05, 1e-9)
    axes.set_xlim(middle - half, middle + half)
    write_ticks(axes.xaxis, axes.get_xlim())


def _mark_spreads(axes: "Axes", kpi: KpiResult, spreads: Sequence[Spread], words: Words) -> None:
    for place, spread in enumerate(spreads):
        runs = [run for run in kpi.runs if run.arm == spread.arm.arm and run.excluded is None]
        for run in sorted(runs, key=lambda one: one.value or 0.0):
            if run.value is not None:
                who = words.say("chart_trace_line", arm=spread.arm.label, run=run.run)
                mark(axes, run.value, place + _POINTS, f"{kpi.label}: {who}: {format_quantity(run.value, kpi.unit)}")


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
