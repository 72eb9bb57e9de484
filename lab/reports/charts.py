"""The charts of a report, from the result object: SVG with text as paths, the same bytes for the same input.

Effects: per KPI the difference of the arms with its interval against zero, break-even, expected effect or margin.
Runs: every run's number in the order of execution, excluded runs hollow. Arms differ in colour (Okabe and Ito's
palette) and in the shape of the marker, so that grey prints and colour-blind readers lose nothing.

matplotlib is loaded at the first chart, not at the start of the program.
"""

import functools
import io
import textwrap
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.reports.numbers import decimals_of, format_interval, format_number, format_quantity
from lab.reports.results import ArmSetup, GuardResult, KpiResult, Results
from lab.reports.words import Words, words_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 6.7  # the text width of an A4 page
KPIS_PER_CHART = 5
INK, FAINT = "#222222", "#767676"
COLOURS = {"baseline": "#0072B2", "treatment": "#D55E00"}
MARKERS = {"baseline": "o", "treatment": "s"}
OTHER_COLOURS, OTHER_MARKERS = ("#009E73", "#CC79A7", "#56B4E9", "#E69F00"), ("^", "D", "v", "P")
STYLE: dict[str, Any] = {
    "svg.fonttype": "path",
    "svg.hashsalt": "pilotlab",
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that it is the same everywhere
    "font.size": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.6,
    "axes.labelsize": 8.0,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "text.parse_math": False,  # a company's `$` is a dollar
    "axes.unicode_minus": True,
}
_DRAWING = threading.Lock()  # matplotlib's settings are shared by all threads


@dataclass(frozen=True, slots=True)
class ChartFacts:
    """What a chart shows: which KPIs, and how."""

    name: str
    kind: str
    """`effects` or `runs`."""
    kpis: tuple[KpiResult, ...]


def list_charts(results: Results) -> list[ChartFacts]:
    """The charts a report has; more than one of a kind only when a page could not hold all KPIs."""
    charts = []
    for kind in ("effects", "runs"):
        for start in range(0, len(results.kpis), KPIS_PER_CHART):
            suffix = "" if start == 0 else f"-{start // KPIS_PER_CHART + 1}"
            charts.append(ChartFacts(f"{kind}{suffix}.svg", kind, results.kpis[start : start + KPIS_PER_CHART]))
    return charts


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
    words = words_of("en")
    drawn = {}
    for chart in [primary_chart(results), *list_charts(results)]:
        draw = _draw_effects if chart.kind == "effects" else _draw_runs
        drawn[chart.name] = _to_svg(draw, results, chart.kpis, words)
    return drawn


def _to_svg(draw: Any, results: Results, kpis: Sequence[KpiResult], words: Words) -> bytes:
    import matplotlib.style
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    with _DRAWING, matplotlib.style.context(["default", STYLE]):
        figure = draw(results, kpis, words)
        FigureCanvasSVG(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _new_figure(height_in: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH_IN, height_in), layout="constrained")


# --- effects ---------------------------------------------------------------------------------------------------------


def reference_lines(kpi: KpiResult, guards: Sequence[GuardResult], words: Words) -> list[tuple[float, str, str]]:
    """What a difference is held against: (position as treatment − baseline, style, words), zero first."""
    worse = 1.0 if kpi.direction == "lower" else -1.0
    lines = [(0.0, "-", words["chart_zero"])]
    if kpi.criterion is not None:
        lines.append((-worse * kpi.criterion.break_even, "--", words["break_even"]))
        lines.append((-worse * kpi.criterion.expected, ":", words["expected"]))
    lines += [(worse * guard.margin, "-.", words["margin"]) for guard in guards if guard.key == kpi.key]
    return lines


def _draw_effects(results: Results, kpis: Sequence[KpiResult], words: Words) -> "Figure":
    figure = _new_figure(0.1 + 0.95 * len(kpis))
    rows = figure.subplots(len(kpis), 1, squeeze=False)[:, 0]
    for axes, kpi in zip(rows, kpis, strict=True):
        _draw_effect(axes, kpi, results.guards, words)
    return figure


def _draw_effect(axes: "Axes", kpi: KpiResult, guards: Sequence[GuardResult], words: Words) -> None:
    axes.set_title(_name(kpi), loc="left", fontsize=8.5, fontweight="bold", color=INK, pad=13)
    axes.set_ylim(-1, 1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    comparison = kpi.comparison
    if comparison is None:
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        reason = textwrap.wrap(_drawable(no_inference_words(kpi, words), 270), 95)
        axes.text(0, 0, "\n".join(reason), ha="left", va="center", transform=axes.get_yaxis_transform(), color=FAINT)
        return
    scale = 100.0 if kpi.kind == "proportion" else 1.0
    low, high = comparison.interval.low * scale, comparison.interval.high * scale
    middle = comparison.difference * scale
    lines = [(position * scale, style, text) for position, style, text in reference_lines(kpi, guards, words)]
    _set_limits(axes, [low, high, middle, *(position for position, _, _ in lines)])
    for position, style, _ in lines:
        axes.axvline(position, color=FAINT if style == "-" else INK, linestyle=style, linewidth=0.9, zorder=1)
    _label_lines(axes, [(position, text) for position, _, text in lines])
    axes.plot([low, high], [0, 0], color=COLOURS["treatment"], linewidth=2.4, solid_capstyle="butt", zorder=2)
    axes.plot([low, low, high, high], [-0.28, 0.28, -0.28, 0.28], "|", color=COLOURS["treatment"], markersize=6)
    axes.plot([middle], [0], MARKERS["treatment"], color=COLOURS["treatment"], markersize=6, zorder=3)
    better_left = kpi.direction == "lower"
    axes.set_xlabel(
        words.say(
            "chart_difference_better_left" if better_left else "chart_difference_better_right",
            unit=_drawable(_unit(kpi, words)),
        )
    )


def _set_limits(axes: "Axes", positions: Sequence[float]) -> None:
    low, high = min(positions), max(positions)
    pad = 0.08 * (high - low) if high > low else max(abs(high), 1.0) * 0.5
    axes.set_xlim(low - pad, high + pad)


def _label_lines(axes: "Axes", lines: Sequence[tuple[float, str]]) -> None:
    """Name the lines above the row; names that would overlap share one place, in order."""
    left, right = axes.get_xlim()
    groups: list[list[tuple[float, str]]] = []
    for position, text in sorted(lines):
        if groups and position - groups[-1][-1][0] < 0.17 * (right - left):
            groups[-1].append((position, text))
        else:
            groups.append([(position, text)])
    for group in groups:
        middle = sum(position for position, _ in group) / len(group)
        share = (middle - left) / (right - left)
        align = "left" if share < 0.12 else "right" if share > 0.88 else "center"
        at = group[0][0] if align == "left" else group[-1][0] if align == "right" else middle
        axes.text(at, 1.05, " · ".join(text for _, text in group), ha=align, va="bottom", fontsize=7, color=INK)


# --- runs ------------------------------------------------------------------------------------------------------------


def _draw_runs(results: Results, kpis: Sequence[KpiResult], words: Words) -> "Figure":
    heights = [1.7 if kpi.role == "primary" else 0.85 if kpi.kind == "proportion" else 1.2 for kpi in kpis]
    figure = _new_figure(0.45 + sum(heights))
    rows = figure.subplots(len(kpis), 1, squeeze=False, sharex=True, gridspec_kw={"height_ratios": heights})[:, 0]
    styles = _arm_styles(results.arms)
    for axes, kpi in zip(rows, kpis, strict=True):
        _draw_run_values(axes, kpi, styles, words)
    rows[-1].set_xlabel(words["chart_executed_order"])
    _draw_legend(figure, results.arms, kpis, styles, words)
    return figure


def _arm_styles(arms: Sequence[ArmSetup]) -> dict[str, tuple[str, str]]:
    """(colour, marker) by arm name."""
    styles, others = {}, 0
    for arm in arms:
        if arm.role == "other":
            styles[arm.name] = (OTHER_COLOURS[others % 4], OTHER_MARKERS[others % 4])
            others += 1
        else:
            styles[arm.name] = (COLOURS[arm.role], MARKERS[arm.role])
    return styles


def _draw_run_values(axes: "Axes", kpi: KpiResult, styles: Mapping[str, tuple[str, str]], words: Words) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(_name(kpi), loc="left", fontsize=8.5, fontweight="bold", color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    for run in kpi.runs:
        if run.executed_order is None:
            continue
        colour, marker = styles.get(run.arm, (INK, "o"))
        if run.value is None:
            axes.plot([run.executed_order], [0], "x", color=colour, markersize=5.5, markeredgewidth=1.4, clip_on=False,
                      transform=axes.get_xaxis_transform(), zorder=4)  # fmt: skip
            continue
        fill = "white" if run.excluded else colour
        axes.plot([run.executed_order], [run.value], marker, markersize=5.5, markerfacecolor=fill,
                  markeredgecolor=colour, markeredgewidth=1.2, zorder=3)  # fmt: skip
    values = [run.value for run in kpi.runs if run.value is not None and run.executed_order is not None]
    orders = [run.executed_order for run in kpi.runs if run.executed_order is not None]
    if orders:
        axes.set_xlim(min(orders) - 0.6, max(orders) + 0.6)
    if kpi.kind == "proportion":
        axes.set_ylim(-0.45, 1.45)
        axes.set_yticks([0, 1], [words["no"], words["yes"]])
        return
    axes.set_ylabel(_drawable(kpi.unit))
    axes.margins(y=0.15)
    if values and min(values) == max(values):
        spread = max(abs(values[0]) * 0.05, 1e-9)
        axes.set_ylim(values[0] - spread, values[0] + spread)
    for arm in kpi.arms:
        if arm.mean is not None and arm.n > 1:
            axes.axhline(arm.mean, color=styles.get(arm.arm, (INK, "o"))[0], linewidth=0.9, linestyle="--", zorder=1)


def _draw_legend(
    figure: "Figure",
    arms: Sequence[ArmSetup],
    kpis: Sequence[KpiResult],
    styles: Mapping[str, tuple[str, str]],
    words: Words,
) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for arm in arms:
        colour, marker = styles[arm.name]
        handles.append(
            Line2D([], [], color=colour, marker=marker, markersize=5.5, linestyle="--", linewidth=0.9,
                   label=_drawable(arm.label))
        )  # fmt: skip
    runs = [run for kpi in kpis for run in kpi.runs]
    if any(run.excluded and run.value is not None for run in runs):
        handles.append(
            Line2D([], [], color=INK, marker="o", markerfacecolor="white", linestyle="", label=words["chart_excluded"])
        )
    if any(run.value is None and run.executed_order is not None for run in runs):
        handles.append(Line2D([], [], color=INK, marker="x", markersize=5, linestyle="", label=words["chart_no_value"]))
    figure.legend(handles=handles, loc="outside upper left", ncols=min(3, len(handles)), frameon=False, fontsize=7.5)


# --- words -----------------------------------------------------------------------------------------------------------


def _unit(kpi: KpiResult, words: Words) -> str:
    return words["percentage_points"] if kpi.kind == "proportion" else kpi.unit or words["no_unit"]


def _name(kpi: KpiResult) -> str:
    return _drawable(kpi.label, 80)


def _drawable(text: str, longest: int = 40) -> str:
    """The text on one line, not too long, a letter that the font lacks as `?`."""
    known = _letters()
    text = "".join(letter if ord(letter) in known else "?" for letter in " ".join(text.split()))
    return text if len(text) <= longest else text[: longest - 1] + "…"


@functools.cache
def _letters() -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap())


def no_inference_words(kpi: KpiResult, words: Words) -> str:
    """What stands in the place of an interval that cannot be given."""
    return words["no_inference"] if not kpi.no_inference else f"{words['no_inference']}: {kpi.no_inference}"


def describe_chart(results: Results, chart: ChartFacts, words: Words) -> str:
    """The alternative text of a chart: the numbers that it shows, in words."""
    if chart.kind == "effects":
        parts = [words["chart_effects_alt"], *(_describe_effect(kpi, results.guards, words) for kpi in chart.kpis)]
    else:
        parts = [words["chart_runs_alt"], *(_describe_runs(kpi, words) for kpi in chart.kpis)]
    return " ".join(parts)


def _describe_effect(kpi: KpiResult, guards: Sequence[GuardResult], words: Words) -> str:
    if kpi.comparison is None:
        return f"{kpi.label}: {no_inference_words(kpi, words)}."
    scale, unit = (100.0, words["percentage_points"]) if kpi.kind == "proportion" else (1.0, kpi.unit)
    low, high = kpi.comparison.interval.low * scale, kpi.comparison.interval.high * scale
    places = decimals_of(low, high)
    difference = format_quantity(kpi.comparison.difference * scale, unit, decimals=places, sign=True)
    interval = format_interval(low, high, unit, decimals=places, sign=True)
    lines = [
        f"{text} {format_quantity(position * scale, unit, sign=True)}"
        for position, _, text in reference_lines(kpi, guards, words)[1:]
    ]
    level = format_number(kpi.comparison.level * 100)
    facts = [words.say("difference_with_interval", difference=difference, level=level, interval=interval), *lines]
    return f"{kpi.label}: {'; '.join(facts)}."


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
