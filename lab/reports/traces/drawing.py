"""Typical runs of the arms, laid on each other at their start, one row a signal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from lab.reports.drawing import INK, add_row, arm_styles, drawable, new_figure, write_ticks
from lab.reports.marks import mark
from lab.reports.numbers import format_number, format_quantity
from lab.reports.results import KpiResult, Results
from lab.reports.traces.findings import Trace, TraceLine
from lab.reports.words import Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW_IN, _BETWEEN_IN = 1.15, 0.4
MOST_MARKS = 40
"""A line; between them one sees where it goes."""
_STYLES: dict[str, Literal["-", "--", ":"]] = {"baseline": "-", "treatment": "--"}


def draw_traces(results: Results, kpis: Sequence[KpiResult], words: Words) -> "Figure":
    """Every traced signal; arms differ in colour and in the kind of line."""
    from matplotlib.lines import Line2D

    styles, roles = arm_styles(results.arms), {arm.name: arm.role for arm in results.arms}
    figure = new_figure(0.3 + len(results.traces) * (_ROW_IN + _BETWEEN_IN) + 0.3)
    longest = max(line.seconds[-1] for trace in results.traces for line in trace.lines)
    for row, trace in enumerate(results.traces):
        axes = add_row(figure, 0.5 + row * (_ROW_IN + _BETWEEN_IN), _ROW_IN, left_in=0.65)
        unit = f" ({drawable(trace.unit)})" if trace.unit else ""
        axes.set_title(f"{drawable(trace.label, 60)}{unit}", loc="left", fontsize=8.5, fontweight="bold", color=INK)
        for line in trace.lines:
            colour = styles.get(line.arm, (INK, "o"))[0]
            kind = _STYLES.get(roles.get(line.arm, ""), ":")
            axes.plot(line.seconds, line.values, color=colour, linestyle=kind, linewidth=1.1)
            _mark_line(axes, trace, line, words)
        axes.set_xlim(0, longest * 1.01)
        axes.margins(y=0.12)
        if len({value for line in trace.lines for value in line.values}) == 1:
            level = trace.lines[0].values[0]
            axes.set_ylim(level - max(abs(level) * 0.1, 1e-9), level + max(abs(level) * 0.1, 1e-9))
        write_ticks(axes.yaxis, axes.get_ylim())
        write_ticks(axes.xaxis, axes.get_xlim())
        axes.tick_params(labelbottom=trace is results.traces[-1])
    axes.set_xlabel(words["chart_seconds"])
    lines = {line.arm: line for trace in results.traces for line in trace.lines}
    handles = [
        Line2D(
            [],
            [],
            color=styles.get(arm, (INK, "o"))[0],
            linestyle=_STYLES.get(roles.get(arm, ""), ":"),
            label=words.say("chart_trace_line", arm=drawable(line.label), run=line.run),
        )
        for arm, line in lines.items()
    ]
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.04, 1), ncols=2, frameon=False, fontsize=7.5)
    return figure


def _mark_line(axes: "Axes", trace: Trace, line: TraceLine, words: Words) -> None:
    who = f"{trace.label}: {words.say('chart_trace_line', arm=line.label, run=line.run)}"
    step = -(-len(line.seconds) // MOST_MARKS)
    for second, value in list(zip(line.seconds, line.values, strict=True))[::step]:
        at = words.say("mark_second", value=format_quantity(value, trace.unit), second=format_number(second))
        mark(axes, second, value, f"{who}: {at}")
