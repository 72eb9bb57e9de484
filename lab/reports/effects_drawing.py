"""The interval chart: per KPI the difference of the arms against what it is held against, drawn and in words."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab.reports.drawing import (
    COLOURS,
    FAINT,
    INK,
    MARKERS,
    add_row,
    drawable,
    label_lines,
    name_of,
    new_figure,
    unit_of_chart,
    write_ticks,
)
from lab.reports.marks import mark
from lab.reports.numbers import decimals_of, format_interval, format_number, format_quantity
from lab.reports.results import GuardResult, KpiResult, Results
from lab.reports.words import Words
from lab.reports.writing import no_inference_words, scale_of, unit_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_effects(results: Results, kpis: Sequence[KpiResult], words: Words) -> "Figure":
    """Per KPI the difference of the arms with its interval, against what it is held against."""
    heights = [0.55 if kpi.comparison is None else 1.0 for kpi in kpis]
    figure = new_figure(sum(heights) + 0.05)
    top = 0.0
    for kpi, height in zip(kpis, heights, strict=True):
        axes = add_row(figure, top + 0.36, 0.15 if kpi.comparison is None else 0.27)
        _draw_effect(axes, kpi, results.guards, words)
        top += height
    return figure


def _draw_effect(axes: "Axes", kpi: KpiResult, guards: Sequence[GuardResult], words: Words) -> None:
    axes.set_title(name_of(kpi), loc="left", fontsize=8.5, fontweight="bold", color=INK, pad=13)
    axes.set_ylim(-1, 1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    comparison = kpi.comparison
    if comparison is None:
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        reason = textwrap.wrap(drawable(no_inference_words(kpi, words), 270), 95)
        axes.text(0, 0, "\n".join(reason), ha="left", va="center", transform=axes.get_yaxis_transform(), color=FAINT)
        return
    scale = scale_of(kpi)
    low, high = comparison.interval.low * scale, comparison.interval.high * scale
    middle = comparison.difference * scale
    lines = [(position * scale, style, text) for position, style, text in reference_lines(kpi, guards, words)]
    _set_limits(axes, [low, high, middle, *(position for position, _, _ in lines)])
    for at, _, text in reference_lines(kpi, guards, words):
        mark(axes, at * scale, 0.8, f"{kpi.label}: {line_words(kpi, at, text, words)}")
    mark(axes, middle, 0, f"{kpi.label}: {difference_words(kpi, words)}")
    for position, style, _ in lines:
        axes.axvline(position, color=FAINT if style == "-" else INK, linestyle=style, linewidth=0.9, zorder=1)
    label_lines(axes, [(position, text) for position, _, text in lines])
    axes.plot([low, high], [0, 0], color=COLOURS["treatment"], linewidth=2.4, solid_capstyle="butt", zorder=2)
    axes.plot([low, low, high, high], [-0.28, 0.28, -0.28, 0.28], "|", color=COLOURS["treatment"], markersize=6)
    axes.plot([middle], [0], MARKERS["treatment"], color=COLOURS["treatment"], markersize=6, zorder=3)
    write_ticks(axes.xaxis, axes.get_xlim())
    better_left = kpi.direction == "lower"
    axes.set_xlabel(
        words.say(
            "chart_difference_better_left" if better_left else "chart_difference_better_right",
            unit=drawable(unit_of_chart(kpi, words)),
        )
    )


def _set_limits(axes: "Axes", positions: Sequence[float]) -> None:
    low, high = min(positions), max(positions)
    pad = 0.08 * (high - low) if high > low else max(abs(high), 1.0) * 0.5
    axes.set_xlim(low - pad, high + pad)


def reference_lines(kpi: KpiResult, guards: Sequence[GuardResult], words: Words) -> list[tuple[float, str, str]]:
    """What a difference is held against: (position as treatment − baseline, style, words), zero first."""
    worse = 1.0 if kpi.direction == "lower" else -1.0
    lines = [(0.0, "-", words["chart_zero"])]
    if kpi.criterion is not None:
        lines.append((-worse * kpi.criterion.break_even, "--", words["break_even"]))
        lines.append((-worse * kpi.criterion.expected, ":", words["expected"]))
    lines += [(worse * guard.margin, "-.", words["margin"]) for guard in guards if guard.key == kpi.key]
    return lines


def difference_words(kpi: KpiResult, words: Words) -> str:
    """The difference with its interval; the KPI has a comparison."""
    comparison = kpi.comparison
    assert comparison is not None
    scale, unit = scale_of(kpi), unit_of(kpi, words)
    low, high = comparison.interval.low * scale, comparison.interval.high * scale
    places = 0 if kpi.kind == "proportion" else decimals_of(low, high)
    return words.say(
        "difference_with_interval",
        difference=format_quantity(comparison.difference * scale, unit, decimals=places, sign=True),
        level=format_number(comparison.level * 100),
        interval=format_interval(low, high, unit, decimals=places, sign=True),
    )


def line_words(kpi: KpiResult, position: float, text: str, words: Words) -> str:
    """What a line of the chart says: its name and its place."""
    return f"{text} {format_quantity(position * scale_of(kpi), unit_of(kpi, words), sign=True)}"


def describe_effect(kpi: KpiResult, guards: Sequence[GuardResult], words: Words) -> str:
    """What is drawn of a KPI, in words."""
    if kpi.comparison is None:
        return f"{kpi.label}: {no_inference_words(kpi, words)}."
    lines = [line_words(kpi, at, text, words) for at, _, text in reference_lines(kpi, guards, words)[1:]]
    return f"{kpi.label}: {'; '.join([difference_words(kpi, words), *lines])}."
