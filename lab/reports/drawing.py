"""How the charts are drawn, by matplotlib, which is loaded at the first chart and not at the start of the program."""

import functools
import io
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lab.reports.marks import mark, with_marks
from lab.reports.numbers import decimals_alone, format_number, with_unit
from lab.reports.results import ArmSetup, KpiResult, Results
from lab.reports.words import Words
from lab.reports.writing import decimals_of_runs, write_mean, write_mean_interval, write_run_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

WIDTH_IN = 6.7  # the text width of an A4 page
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


Draw = Callable[[Results, Sequence[KpiResult], Words], "Figure"]


def to_svg(draw: Draw, results: Results, kpis: Sequence[KpiResult], words: Words) -> bytes:
    """Draw as SVG, the same bytes for the same input, in one thread at a time."""
    import matplotlib.style
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    with _DRAWING, matplotlib.style.context(["default", STYLE]):
        figure = draw(results, kpis, words)
        FigureCanvasSVG(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        return with_marks(buffer.getvalue(), figure)


def new_figure(height_in: float) -> "Figure":
    """An empty figure as wide as the text of a page."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH_IN, height_in))


def add_row(figure: "Figure", top_in: float, height_in: float, *, left_in: float = 0.2) -> "Axes":
    """Axes at a fixed place, counted from the top.

    A solver (`layout="constrained"`) would find the place by itself, but not to the last bit, and names of clip paths
    are hashes of their place: two runs would not give the same bytes.
    """
    width, height = figure.get_size_inches()
    place = (left_in / width, 1 - (top_in + height_in) / height, (width - left_in - 0.1) / width, height_in / height)
    return figure.add_axes(place)


def write_ticks(axis: "Axis", limits: tuple[float, float]) -> None:
    """Ticks inside the limits, written as all numbers of the report are."""
    low, high = min(limits), max(limits)
    slack = 1e-9 * (high - low)
    places = [float(place) for place in axis.get_majorticklocs() if low - slack <= place <= high + slack]
    step = places[1] - places[0] if len(places) > 1 else abs(places[0]) if places else 1.0
    decimals = decimals_alone(round(step, 12), significant=2)
    texts = [format_number(place, decimals=decimals) for place in places]
    if all(text.endswith("0") for text in texts) and decimals > 0:
        texts = [format_number(place, decimals=decimals - 1) for place in places]
    axis.set_ticks(places, texts)


def label_lines(axes: "Axes", lines: Sequence[tuple[float, str]], *, apart: float = 0.17) -> None:
    """Name the lines above the row; names nearer than `apart` of the width share one place, in order."""
    left, right = axes.get_xlim()
    groups: list[list[tuple[float, str]]] = []
    for position, text in sorted(lines):
        if groups and position - groups[-1][-1][0] < apart * (right - left):
            groups[-1].append((position, text))
        else:
            groups.append([(position, text)])
    for group in groups:
        middle = sum(position for position, _ in group) / len(group)
        share = (middle - left) / (right - left)
        align = "left" if share < 0.12 else "right" if share > 0.88 else "center"
        at = group[0][0] if align == "left" else group[-1][0] if align == "right" else middle
        names = " · ".join(text for _, text in group)
        axes.text(at, 1.025, names, ha=align, va="bottom", fontsize=7, color=INK, transform=axes.get_xaxis_transform())


def draw_runs(results: Results, kpis: Sequence[KpiResult], words: Words) -> "Figure":
    """Every run's number in the order of execution, one row a KPI."""
    styles = arm_styles(results.arms)
    legend, columns = _legend(results.arms, kpis, styles, words)
    heights = [1.25 if kpi.role == "primary" else 0.4 if kpi.kind == "proportion" else 0.8 for kpi in kpis]
    top = 0.12 + 0.2 * -(-len(legend) // columns)
    figure = new_figure(top + sum(height + 0.42 for height in heights) + 0.24)
    figure.legend(
        handles=legend, loc="upper left", bbox_to_anchor=(0.04, 1), ncols=columns, frameon=False, fontsize=7.5
    )
    for kpi, height in zip(kpis, heights, strict=True):
        axes = add_row(figure, top + 0.22, height, left_in=0.65)
        _draw_run_values(axes, kpi, styles, words)
        _mark_runs(axes, kpi, words)
        axes.tick_params(labelbottom=kpi is kpis[-1])
        top += height + 0.42
    axes.set_xlabel(words["chart_executed_order"])
    return figure


def arm_styles(arms: Sequence[ArmSetup]) -> dict[str, tuple[str, str]]:
    """(colour, marker) by arm name."""
    styles, others = {}, 0
    for arm in arms:
        if arm.role not in COLOURS:
            styles[arm.name] = (OTHER_COLOURS[others % 4], OTHER_MARKERS[others % 4])
            others += 1
        else:
            styles[arm.name] = (COLOURS[arm.role], MARKERS[arm.role])
    return styles


def _draw_run_values(axes: "Axes", kpi: KpiResult, styles: Mapping[str, tuple[str, str]], words: Words) -> None:
    from matplotlib.ticker import MaxNLocator

    name = f"{name_of(kpi)} ({drawable(kpi.unit)})" if kpi.unit else name_of(kpi)
    axes.set_title(name, loc="left", fontsize=8.5, fontweight="bold", color=INK)
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
    if not values:
        axes.set_yticks([])
    axes.margins(y=0.15)
    if values and min(values) == max(values):
        spread = max(abs(values[0]) * 0.05, 1e-9)
        axes.set_ylim(values[0] - spread, values[0] + spread)
    if values:
        axes.yaxis.set_major_locator(MaxNLocator(5 if kpi.role == "primary" else 3, steps=[1, 2, 2.5, 5, 10]))
        write_ticks(axes.yaxis, axes.get_ylim())
    for arm in kpi.arms:
        if arm.mean is not None and arm.n > 1:
            axes.axhline(arm.mean, color=styles.get(arm.arm, (INK, "o"))[0], linewidth=0.9, linestyle="--", zorder=1)


def _mark_runs(axes: "Axes", kpi: KpiResult, words: Words) -> None:
    """Every run, then the lines of the means."""
    labels, unit = {arm.arm: arm.label for arm in kpi.arms}, "" if kpi.kind == "proportion" else kpi.unit
    places = decimals_of_runs(kpi)
    for run in kpi.runs:
        if run.executed_order is not None:
            who = words.say("chart_trace_line", arm=labels.get(run.arm, run.arm), run=run.run)
            value = with_unit(
                write_run_value(run.value, kpi, words, decimals=places), "" if run.value is None else unit
            )
            left_out = "" if run.excluded is None else f"; {words['chart_excluded']}: {run.excluded}"
            height = axes.get_ylim()[0] if run.value is None else run.value
            mark(axes, run.executed_order, height, f"{kpi.label}: {who}: {value}{left_out}")
    lowest, highest = axes.get_ylim()
    for arm in kpi.arms:
        if arm.mean is not None and arm.n > 1 and kpi.kind == "number" and lowest <= arm.mean <= highest:
            mean = f"{words['col_mean']} {with_unit(write_mean(arm, kpi, words), unit)}"
            interval = with_unit(write_mean_interval(arm, kpi, words), "" if arm.low is None else unit)
            mark(axes, axes.get_xlim()[1], arm.mean, f"{kpi.label}: {arm.label}: {mean} ({interval})")


def _legend(
    arms: Sequence[ArmSetup], kpis: Sequence[KpiResult], styles: Mapping[str, tuple[str, str]], words: Words
) -> tuple[list["Line2D"], int]:
    """What the markers mean, and in how many columns that is told."""
    from matplotlib.lines import Line2D

    handles = []
    for arm in arms:
        colour, marker = styles[arm.name]
        handles.append(
            Line2D([], [], color=colour, marker=marker, markersize=5.5, linestyle="--", linewidth=0.9,
                   label=drawable(arm.label))
        )  # fmt: skip
    runs = [run for kpi in kpis for run in kpi.runs]
    if any(run.excluded and run.value is not None for run in runs):
        handles.append(
            Line2D([], [], color=INK, marker="o", markerfacecolor="white", linestyle="", label=words["chart_excluded"])
        )
    if any(run.value is None and run.executed_order is not None for run in runs):
        handles.append(Line2D([], [], color=INK, marker="x", markersize=5, linestyle="", label=words["chart_no_value"]))
    return handles, 2 if any(len(str(handle.get_label())) > 26 for handle in handles) else 3


def unit_of_chart(kpi: KpiResult, words: Words) -> str:
    """The unit at an axis, in words where there is none."""
    return words["percentage_points"] if kpi.kind == "proportion" else kpi.unit or words["no_unit"]


def name_of(kpi: KpiResult) -> str:
    """The name of a KPI above its row."""
    return drawable(kpi.label, 80)


def drawable(text: str, longest: int = 40) -> str:
    """The text on one line, not too long, a letter that the font lacks as `?`."""
    known = _letters()
    text = "".join(letter if ord(letter) in known else "?" for letter in " ".join(text.split()))
    return text if len(text) <= longest else text[: longest - 1] + "…"


@functools.cache
def _letters() -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap())
