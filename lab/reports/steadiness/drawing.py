"""Control charts of the runs, one below the other: single values, moving average, cumulative sums (ISO 7870)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab.reports.drawing import FAINT, INK, add_row, arm_styles, drawable, new_figure, unit_of_chart, write_ticks
from lab.reports.marks import mark
from lab.reports.numbers import format_quantity
from lab.reports.results import KpiResult, Results
from lab.reports.steadiness.findings import ControlFinding
from lab.reports.words import Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROWS_IN = (1.5, 0.8, 0.8)
_BETWEEN_IN = 0.45


def draw_control(results: Results, kpis: Sequence[KpiResult], words: Words) -> "Figure":
    """The three charts of one KPI; a run that signals has a ring."""
    (kpi,) = kpis
    found = kpi.control
    assert found is not None
    styles = arm_styles(results.arms)
    figure = new_figure(sum(_ROWS_IN) + 3 * _BETWEEN_IN + 0.25)
    tops = [0.3 + sum(_ROWS_IN[:row]) + row * _BETWEEN_IN for row in range(3)]
    rows = [add_row(figure, top, height, left_in=0.65) for top, height in zip(tops, _ROWS_IN, strict=True)]
    titles = ("chart_individuals", "chart_ewma", "chart_cusum")
    for axes, title in zip(rows, titles, strict=True):
        text = words.say(title, kpi=drawable(kpi.label), unit=drawable(unit_of_chart(kpi, words)))
        axes.set_title(text, loc="left", fontsize=8.5, fontweight="bold", color=INK)
        axes.set_xlim(0.4, len(found.runs) + 0.6)
    _draw_values(rows[0], found, styles)
    _draw_average(rows[1], found, styles)
    _draw_sums(rows[2], found)
    _mark_runs(rows, kpi, found, words)
    for axes in rows:
        axes.margins(y=0.12)
        write_ticks(axes.yaxis, axes.get_ylim())
        axes.set_xticks(range(1, len(found.runs) + 1), [str(run) for run in found.runs] if axes is rows[2] else [])
        if len(found.runs) > 30:
            axes.tick_params(axis="x", labelsize=4.5)
    rows[2].set_xlabel(words["chart_run_numbers"])
    return figure


def _draw_values(axes: "Axes", found: ControlFinding, styles: dict[str, tuple[str, str]]) -> None:
    limits = {arm.arm: arm for arm in found.arms}
    for place, (run, arm, value) in enumerate(zip(found.runs, found.arm_of, found.values, strict=True), start=1):
        colour, marker = styles.get(arm, (INK, "o"))
        own = limits[arm]
        axes.plot([place], [value], marker, color=colour, markersize=4.5, zorder=3)
        axes.hlines([own.low, own.high], place - 0.5, place + 0.5, color=colour, linewidth=0.9)
        axes.hlines([own.centre], place - 0.5, place + 0.5, color=colour, linewidth=0.7, linestyle=":")
        if run in found.outside:
            _ring(axes, place, value)


def _draw_average(axes: "Axes", found: ControlFinding, styles: dict[str, tuple[str, str]]) -> None:
    _lines(axes, (0.0, -found.ewma_limit, found.ewma_limit))
    places = range(1, len(found.runs) + 1)
    axes.plot(places, found.ewma, color=INK, linewidth=0.8, zorder=2)
    for place, run, arm, value in zip(places, found.runs, found.arm_of, found.ewma, strict=True):
        colour, marker = styles.get(arm, (INK, "o"))
        axes.plot([place], [value], marker, color=colour, markersize=3.5, zorder=3)
        if run in found.ewma_signals:
            _ring(axes, place, value)


def _draw_sums(axes: "Axes", found: ControlFinding) -> None:
    _lines(axes, (0.0, -found.cusum_limit, found.cusum_limit))
    places = range(1, len(found.runs) + 1)
    below = [-value for value in found.cusum_below]
    axes.plot(places, found.cusum_above, color=INK, linewidth=0.9, marker="^", markersize=3, zorder=3)
    axes.plot(places, below, color=FAINT, linewidth=0.9, marker="v", markersize=3, zorder=3)
    for place, run, high, low in zip(places, found.runs, found.cusum_above, below, strict=True):
        if run in found.cusum_signals:
            _ring(axes, place, high if high > -low else low)


def _mark_runs(rows: Sequence["Axes"], kpi: KpiResult, found: ControlFinding, words: Words) -> None:
    labels = {arm.arm: arm.label for arm in kpi.arms}
    low = [-value for value in found.cusum_below]
    sums = [high if high > -below else below for high, below in zip(found.cusum_above, low, strict=True)]
    shown = (
        (kpi.label, kpi.unit, found.values, found.outside),
        ("EWMA", "σ", found.ewma, found.ewma_signals),
        ("CUSUM", "σ", sums, found.cusum_signals),
    )
    for axes, (name, unit, values, signals) in zip(rows, shown, strict=True):
        for place, (run, arm, value) in enumerate(zip(found.runs, found.arm_of, values, strict=True), start=1):
            who = words.say("chart_trace_line", arm=labels.get(arm, arm), run=run)
            signal = f" ({words['mark_signal']})" if run in signals else ""
            mark(axes, place, value, f"{name}: {who}: {format_quantity(value, unit)}{signal}")


def _lines(axes: "Axes", positions: Sequence[float]) -> None:
    axes.axhline(positions[0], color=FAINT, linewidth=0.7, linestyle=":", zorder=1)
    for position in positions[1:]:
        axes.axhline(position, color=FAINT, linewidth=0.9, linestyle="--", zorder=1)


def _ring(axes: "Axes", place: float, value: float) -> None:
    axes.plot([place], [value], "o", markersize=9, markerfacecolor="none", markeredgecolor="#a1241d",
              markeredgewidth=1.3, zorder=4)  # fmt: skip
