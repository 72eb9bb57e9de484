"""The report's section on money: what the company gave, what follows, how sure it is, and who paid for the pilot."""

from datetime import datetime

from lab.reports.blocks import Block, Bullets, Column, Fact, Facts, Figure, Heading, Paragraph, Section, Table
from lab.reports.charts import ChartFacts, describe_chart, economic_charts
from lab.reports.economics.findings import EconomicCase, NpvDistribution, PublicSupport
from lab.reports.economics.support import CURRENCY
from lab.reports.economics.writing import (
    format_money,
    format_probability,
    format_rates,
    format_to_the_cent,
    format_years,
    write_figure,
)
from lab.reports.numbers import format_number, format_quantity
from lab.reports.results import Economics, Results
from lab.reports.words import Words
from lab.reports.writing import decimals_of_kpi, write_time


def economics(results: Results, words: Words) -> Section:
    """What the investment is worth."""
    money = results.economics
    blocks: list[Block] = [Paragraph(money.sentence)]
    if money.sentences:
        blocks.append(Bullets(money.sentences))
    if money.inputs:
        blocks.append(_inputs(money, words))
    if money.not_appraised is not None:
        blocks.append(Paragraph(words.say("not_appraised", reason=money.not_appraised)))
    if money.with_grant is not None:
        blocks.append(_cases(results, money.with_grant, words))
    tables = {"tornado": _tornado, "npv": _bins}
    for chart in economic_charts(results):
        alt = describe_chart(results, chart, words)
        blocks.append(Figure(chart.name, words[_caption(chart, money)], alt, tables[chart.kind](money, words)))
    if money.distribution is not None:
        blocks += [_quantiles(money, money.distribution, words), Paragraph(_how_drawn(money.distribution, words))]
    if money.more_runs is not None:
        blocks += [Heading(words["worth_of_runs"]), Paragraph(money.more_runs.sentence)]
        blocks.append(Paragraph(words["worth_of_runs_note"]))
    blocks.append(Heading(words["public_support"]))
    blocks += [Paragraph(words["no_prices"])] if money.support is None else _support(results, money.support, words)
    return Section("economics", words["section_economics"], tuple(blocks))


def _caption(chart: ChartFacts, money: Economics) -> str:
    """The word for a chart's caption; one of the net present value names zero only where draws lie on both sides."""
    found = money.distribution
    if chart.kind == "npv" and found is not None:
        if found.edges_cents[0] >= 0:
            return "figure_npv_gains"
        if found.edges_cents[-1] <= 0:
            return "figure_npv_losses"
    return f"figure_{chart.kind}"


def _inputs(money: Economics, words: Words) -> Table:
    columns = (
        Column(words["col_figure"], share=2),
        *(Column(words[name], align="right", share=1) for name in ("col_low", "col_likely", "col_high")),
    )
    rows = []
    for figure in money.inputs:
        cells = [
            words["certain"]
            if figure.low == figure.high and place != "likely"
            else write_figure(figure.key, getattr(figure, place), money, words)
            for place in ("low", "likely", "high")
        ]
        rows.append((words[f"input_{figure.key}"], *cells))
    return Table(words["inputs_table"], columns, tuple(rows), small=True)


def _cases(results: Results, case: EconomicCase, words: Words) -> Table:
    money = results.economics
    cases = [case] if money.without_grant is None else [case, money.without_grant]
    titles = [words["col_value"]] if len(cases) == 1 else [words["col_with_grant"], words["col_without_grant"]]
    currency = money.currency or ""

    def row(name: str, texts: list[str]) -> tuple[str, ...]:
        return (words[name], *texts)

    rows = (
        row("own_investment", [format_money(one.own_investment_cents, currency) for one in cases]),
        row("yearly_cash_flow", [format_money(money.yearly_cash_flow_cents or 0, currency)] * len(cases)),
        row("npv", [format_money(one.npv_cents, currency) for one in cases]),
        row("internal_rate", [format_rates(one.internal_rates, words) for one in cases]),
        row("payback", [format_years(one.payback_years, words) for one in cases]),
        row("discounted_payback", [format_years(one.discounted_payback_years, words) for one in cases]),
        row("profitability_index", [format_number(one.profitability_index, decimals=2) for one in cases]),
        row("break_even_effect", [format_quantity(one.break_even, money.unit) for one in cases]),
    )
    columns = (Column(words["col_figure"], share=2), *(Column(title, align="right", share=1) for title in titles))
    effect = format_quantity(money.effect or 0.0, money.unit, decimals=decimals_of_kpi(results.primary))
    return Table(words.say("cases_table", effect=effect), columns, rows, small=True)


def _tornado(money: Economics, words: Words) -> Table:
    columns = (
        Column(words["col_figure"], share=2),
        Column(words["col_less"], align="right", share=1),
        Column(words["col_more"], align="right", share=1),
        Column(words["col_npv_less"], align="right", share=1),
        Column(words["col_npv_more"], align="right", share=1),
    )
    currency = money.currency or ""
    rows = tuple(
        (
            words[f"input_{bar.key}"],
            write_figure(bar.key, bar.less, money, words),
            write_figure(bar.key, bar.more, money, words),
            format_money(bar.npv_less_cents, currency),
            format_money(bar.npv_more_cents, currency),
        )
        for bar in money.tornado
    )
    return Table(words["tornado_table"], columns, rows, small=True)


def _bins(money: Economics, words: Words) -> Table:
    found, currency = money.distribution, money.currency or ""
    assert found is not None
    columns = (
        Column(words["col_from"], align="right", share=1),
        Column(words["col_below"], align="right", share=1),
        Column(words["col_draws"], align="right", share=1),
    )
    rows = tuple(
        (format_money(low, currency), format_money(high, currency), format_number(count))
        for low, high, count in zip(found.edges_cents, found.edges_cents[1:], found.counts, strict=False)
    )
    return Table(words["bins_table"], columns, rows, small=True)


def _quantiles(money: Economics, found: NpvDistribution, words: Words) -> Table:
    columns = (
        Column(words["col_figure"], share=2),
        *(Column(name, align="right", share=1) for name in ("P10", "P50", "P90")),
    )
    worth, payback = found.npv_cents, found.payback_years
    worths = [format_money(value or 0.0, money.currency or "") for value in (worth.p10, worth.p50, worth.p90)]
    paybacks = [format_years(years, words) for years in (payback.p10, payback.p50, payback.p90)]
    return Table(
        words["quantiles_table"],
        columns,
        ((words["npv"], *worths), (words["payback"], *paybacks)),
        small=True,
    )


def _how_drawn(found: NpvDistribution, words: Words) -> str:
    never = words["never_zero"] if found.never_paid_back == 0 else format_probability(found.never_paid_back)
    return words.say(
        "how_drawn",
        draws=format_number(found.draws),
        seed=found.seed,
        positive=format_probability(found.probability_positive),
        never=never,
    )


def _support(results: Results, support: PublicSupport, words: Words) -> list[Block]:
    bases = ", ".join(words.get(f"basis_{basis}", basis) for basis in support.legal_bases)
    facts = (
        Fact(words["market_value"], format_to_the_cent(support.market_value_cents, CURRENCY)),
        Fact(words["price_charged"], format_to_the_cent(support.price_cents, CURRENCY)),
        Fact(words["public_support"], format_to_the_cent(support.support_cents, CURRENCY)),
        Fact(words["legal_basis"], bases),
    )
    columns = (
        Column(words["col_slot"], share=1.6),
        Column(words["market_value"], align="right", share=1),
        Column(words["price_charged"], align="right", share=1),
        Column(words["col_state_share"], align="right", share=0.8),
        Column(words["public_support"], align="right", share=1),
        Column(words["col_programme"], share=1.2),
    )
    zone = results.identification.time_zone
    rows = tuple(
        (
            _write_slot(slot.start, slot.end, zone),
            format_to_the_cent(slot.market_value_cents, CURRENCY),
            format_to_the_cent(slot.price_cents, CURRENCY),
            words["none"]
            if slot.state_share_per_mille is None
            else format_quantity(slot.state_share_per_mille / 10, "%"),
            format_to_the_cent(slot.support_cents, CURRENCY),
            slot.programme or words["none"],
        )
        for slot in support.slots
    )
    return [Paragraph(words["support_rule"]), Facts(facts), Table(words["slots_table"], columns, rows, small=True)]


def _write_slot(start: datetime, end: datetime, zone: str) -> str:
    first, last = write_time(start, zone), write_time(end, zone)
    day = first.split(" ")[0] + " "
    return f"{first} – {last.removeprefix(day)}"
