"""Charts on money: the tornado, and the distribution of the net present value."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab.reports.drawing import COLOURS, FAINT, INK, add_row, drawable, label_lines, new_figure, write_ticks
from lab.reports.economics.writing import format_money, format_money_interval, format_probability, write_figure
from lab.reports.marks import mark
from lab.reports.numbers import format_number
from lab.reports.results import KpiResult, Results
from lab.reports.words import Words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BAR_IN = 0.27


def draw_tornado(results: Results, kpis: Sequence[KpiResult], words: Words) -> "Figure":
    """One bar a figure, from the net present value at −20 % of it to that at +20 %, the widest on top."""
    from matplotlib.patches import Patch

    money = results.economics
    bars, case = money.tornado, money.with_grant
    assert case is not None
    height = _BAR_IN * len(bars)
    figure = new_figure(height + 0.75)
    axes = add_row(figure, 0.28, height, left_in=2.15)
    base = case.npv_cents / 100
    ends = [base, *(worth / 100 for bar in bars for worth in (bar.npv_less_cents, bar.npv_more_cents))]
    pad = 0.6 * (max(ends) - min(ends)) or 1.0
    axes.set_xlim(min(ends) - pad, max(ends) + pad)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    sides = (("baseline", "less"), ("treatment", "more"))
    for place, bar in enumerate(bars):
        for role, side in sides:
            end, value = getattr(bar, f"npv_{side}_cents") / 100, getattr(bar, side)
            axes.barh(place, end - base, left=base, height=0.62, color=COLOURS[role], zorder=2)
            figure_text = write_figure(bar.key, value, money, words)
            worth = format_money(getattr(bar, f"npv_{side}_cents"), money.currency or "")
            mark(axes, end, place, f"{words[f'input_{bar.key}']}: {figure_text}: {worth}")
            text = drawable(figure_text)
            left = end < base or (end == base and side == "less")
            axes.annotate(text, (end, place), (-3 if left else 3, 0), textcoords="offset points", fontsize=7,
                          ha="right" if left else "left", va="center", color=INK)  # fmt: skip
    axes.axvline(base, color=INK, linewidth=0.9, zorder=3)
    low, high = axes.get_xlim()
    if low < 0 < high:
        axes.axvline(0, color=FAINT, linewidth=0.9, linestyle="--", zorder=1)
    axes.set_yticks(range(len(bars)), [drawable(words[f"input_{bar.key}"]) for bar in bars])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    margin = 0.04 * (high - low)  # a number at the very edge would be cut off
    write_ticks(axes.xaxis, (low + margin, high - margin))
    axes.set_xlabel(words.say("chart_npv", currency=money.currency))
    figure.legend(
        handles=[Patch(color=COLOURS[role], label=words[f"chart_{side}"]) for role, side in sides],
        loc="upper left", bbox_to_anchor=(0.0, 1), ncols=2, frameon=False, fontsize=7.5,
    )  # fmt: skip
    return figure


def draw_npv(results: Results, kpis: Sequence[KpiResult], words: Words) -> "Figure":
    """How many draws have which net present value; losses hatched."""
    money = results.economics
    found = money.distribution
    assert found is not None
    figure = new_figure(2.1)
    axes = add_row(figure, 0.25, 1.4, left_in=0.2)
    edges = [edge / 100 for edge in found.edges_cents]
    width = edges[1] - edges[0]
    for edge, count in zip(edges, found.counts, strict=False):
        role = "treatment" if edge < 0 else "baseline"
        axes.bar(edge, count, width=width, align="edge", color="white" if edge < 0 else COLOURS[role],
                 edgecolor=COLOURS[role], linewidth=0.5, hatch="////" if edge < 0 else None, zorder=2)  # fmt: skip
        span = format_money_interval(edge * 100, (edge + width) * 100, money.currency or "")
        mark(axes, edge + width / 2, count, words.say("mark_draws", span=span, n=format_number(count)))
    axes.set_xlim(edges[0] - width / 2, edges[-1] + width / 2)
    axes.set_ylim(0, max(found.counts) * 1.05)
    lines = [
        (value / 100, name)
        for value, name in ((found.npv_cents.p10, "P10"), (found.npv_cents.p50, "P50"), (found.npv_cents.p90, "P90"))
        if value is not None
    ]
    for position, name in lines:
        mark(axes, position, max(found.counts), f"{name}: {format_money(position * 100, money.currency or '')}")
        axes.axvline(position, color=INK, linewidth=0.9, linestyle="--", zorder=3)
    label_lines(axes, lines, apart=0.05)
    if edges[0] < 0 < edges[-1]:
        axes.axvline(0.0, color=INK, linewidth=1.2, zorder=3)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    write_ticks(axes.xaxis, (edges[0], edges[-1]))
    positive = format_probability(found.probability_positive)
    axes.set_xlabel(words.say("chart_npv_positive", currency=money.currency, positive=positive))
    return figure
