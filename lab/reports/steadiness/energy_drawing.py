"""The CUSUM chart of energy: what was saved against the baseline's model, run by run (ISO 50006)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab.reports.drawing import FAINT, INK, add_row, arm_styles, drawable, new_figure, write_ticks
from lab.reports.marks import mark
from lab.reports.numbers import format_quantity
from lab.reports.results import KpiResult, Results
from lab.reports.words import Words

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_energy(results: Results, kpis: Sequence[KpiResult], words: Words) -> "Figure":
    """One KPI; each run is a step, with the marker of its arm."""
    from matplotlib.lines import Line2D

    (kpi,) = kpis
    found = kpi.energy
    assert found is not None
    styles, named = arm_styles(results.arms), {arm.name: arm.label for arm in results.arms}
    figure = new_figure(2.5)
    axes = add_row(figure, 0.42, 1.55, left_in=0.75)
    places = range(1, len(found.runs) + 1)
    axes.axhline(0, color=FAINT, linewidth=0.8, zorder=1)
    axes.plot([0, *places], [0.0, *found.cusum], color=INK, linewidth=0.9, zorder=2)
    for place, run, arm, value in zip(places, found.runs, found.arm_of, found.cusum, strict=True):
        colour, marker = styles.get(arm, (INK, "o"))
        axes.plot([place], [value], marker, color=colour, markersize=5, zorder=3)
        who = words.say("chart_trace_line", arm=named.get(arm, arm), run=run)
        saved = words.say("chart_energy", unit=format_quantity(value, kpi.unit, sign=True))
        mark(axes, place, value, f"{kpi.label}: {who}: {saved}")
    axes.set_xlim(-0.2, len(found.runs) + 0.6)
    axes.margins(y=0.12)
    write_ticks(axes.yaxis, axes.get_ylim())
    axes.set_xticks(places, [str(run) for run in found.runs])
    if len(found.runs) > 30:
        axes.tick_params(axis="x", labelsize=4.5)
    axes.set_xlabel(words["chart_run_numbers"])
    axes.set_ylabel(words.say("chart_energy", unit=drawable(kpi.unit)))
    handles = [
        Line2D([], [], color=styles[arm][0], marker=styles[arm][1], linestyle="", label=drawable(named[arm]))
        for arm in dict.fromkeys(found.arm_of)
        if arm in styles
    ]
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.04, 1), ncols=3, frameon=False, fontsize=7.5)
    return figure
