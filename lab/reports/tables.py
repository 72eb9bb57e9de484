"""The tables of a report that are used more than once or need some counting."""

from collections import defaultdict
from collections.abc import Sequence

from lab.reports.blocks import Column, Fact, Table
from lab.reports.numbers import decimals_of, format_interval, format_number, format_quantity, with_unit
from lab.reports.results import Comparison, DeviceQuality, GuardResult, KpiResult, Results
from lab.reports.words import Words
from lab.reports.writing import (
    criterion_word,
    decimals_of_kpi,
    decimals_of_runs,
    no_inference_words,
    scale_of,
    unit_of,
    write_difference,
    write_difference_interval,
    write_executed,
    write_interval,
    write_mean,
    write_mean_interval,
    write_p,
    write_percent,
    write_run_value,
)


def kpi_summary(results: Results, words: Words, *, kpis: Sequence[KpiResult] | None = None) -> Table:
    """All KPIs, or some, in one table: arms, difference, interval, criterion."""
    level = format_number((1 - results.method.alpha) * 100)
    columns = (
        Column(words["col_kpi"], share=1.6),
        Column(words["col_baseline"], align="right", share=1),
        Column(words["col_treatment"], align="right", share=1),
        Column(words["col_difference"], align="right", share=1),
        Column(words["col_percent"], align="right", share=0.8),
        Column(words.say("level_interval", level=level), align="right", share=1.4),
        Column(words["col_criterion"], share=0.9),
    )
    chosen = results.kpis if kpis is None else kpis
    caption = words["summary"] if kpis is None else ", ".join(kpi.label for kpi in chosen)
    return Table(caption, columns, tuple(_summary_row(kpi, results, words) for kpi in chosen), small=True)


def _summary_row(kpi: KpiResult, results: Results, words: Words) -> tuple[str, ...]:
    means = {arm.role: write_mean(arm, kpi, words) for arm in kpi.arms}
    unit = unit_of(kpi, words)
    return (
        f"{kpi.label}, {unit}" if unit else kpi.label,
        means.get("baseline", words["not_shown"]),
        means.get("treatment", words["not_shown"]),
        write_difference(kpi, words, unit=False),
        write_percent(kpi, words),
        write_difference_interval(kpi, words, unit=False),
        criterion_word(kpi, results.guards, words),
    )


def kpi_by_arm(kpi: KpiResult, words: Words) -> Table:
    """The arms of one KPI."""
    caption = words.say("by_arm", label=kpi.label if not kpi.unit else f"{kpi.label}, {kpi.unit}")
    return _shares_by_arm(caption, kpi, words) if kpi.kind == "proportion" else _means_by_arm(caption, kpi, words)


def _shares_by_arm(caption: str, kpi: KpiResult, words: Words) -> Table:
    columns = (
        Column(words["col_arm"], share=1.6),
        Column(words["col_share"], align="right", share=1),
        Column(words["col_share_interval"], align="right", share=1),
    )
    rows = tuple((arm.label, write_mean(arm, kpi, words), write_mean_interval(arm, kpi, words)) for arm in kpi.arms)
    return Table(caption, columns, rows, small=True)


def _means_by_arm(caption: str, kpi: KpiResult, words: Words) -> Table:
    places = decimals_of_kpi(kpi)
    columns = (
        Column(words["col_arm"], share=1.6),
        Column(words["col_runs"], align="right", share=0.5),
        Column(words["col_mean"], align="right", share=0.8),
        Column(words["col_sd"], align="right", share=1),
        Column(words["col_mean_interval"], align="right", share=1.3),
    )
    rows = tuple(
        (
            arm.label,
            str(arm.n),
            write_mean(arm, kpi, words),
            words["not_shown"] if arm.sd is None else format_number(arm.sd, decimals=places),
            write_mean_interval(arm, kpi, words),
        )
        for arm in kpi.arms
    )
    return Table(caption, columns, rows, small=True)


def comparison_facts(kpi: KpiResult, guards: Sequence[GuardResult], words: Words) -> tuple[Fact, ...]:
    """Everything that was computed for one KPI, or why nothing was."""
    facts = [Fact(words["definition"], kpi.definition)]
    if kpi.comparison is None:
        facts.append(Fact(words["comparison"], no_inference_words(kpi, words)))
    else:
        facts += _comparison(kpi, kpi.comparison, words)
    if kpi.criterion is not None:
        facts.append(Fact(words["criterion"], kpi.criterion.text))
        facts.append(Fact(words["criterion_result"], criterion_word(kpi, guards, words)))
    facts += [Fact(words["guard_result"], guard.sentence) for guard in guards if guard.key == kpi.key]
    return tuple(facts)


def _comparison(kpi: KpiResult, found: Comparison, words: Words) -> list[Fact]:
    unit = unit_of(kpi, words)
    level = format_number(found.level * 100)
    interval = write_difference_interval(kpi, words)
    difference = write_difference(kpi, words)
    if found.percent is not None and kpi.kind == "number":
        difference += f" ({with_unit(write_percent(kpi, words), '%')})"
    if found.interval_percent is not None and kpi.kind == "number":
        width = found.interval_percent
        interval += f" ({format_interval(width.low, width.high, '%', sign=True)})"
    how = found.method
    if found.df is not None:
        how = words.say("degrees", method=how, df=format_number(found.df, decimals=1))
    facts = [
        Fact(words["difference"], difference),
        Fact(words.say("level_interval", level=level), interval),
        Fact(words["method_used"], how),
    ]
    if found.p_value is not None:
        facts.append(Fact(words["p_value"], write_p(found.p_value)))
    if found.p_holm is not None:
        facts.append(Fact(words["p_holm"], write_p(found.p_holm)))
    if found.hodges_lehmann is not None:
        shift = format_quantity(found.hodges_lehmann * scale_of(kpi), unit, decimals=decimals_of_kpi(kpi), sign=True)
        if found.hodges_lehmann_interval is not None:
            shift = words.say(
                "difference_with_interval",
                difference=shift,
                level=level,
                interval=write_interval(found.hodges_lehmann_interval, kpi, unit, sign=True),
            )
        facts.append(Fact(words["hodges_lehmann"], shift))
    if found.permutation_p is not None:
        check = words.say("permutation_text", p=write_p(found.permutation_p), method=found.permutation_method or "–")
        facts.append(Fact(words["permutation"], check))
    if found.hedges_g is not None:
        facts.append(Fact(words["hedges_g"], _hedges(found, level, words)))
    return facts


def _hedges(found: Comparison, level: str, words: Words) -> str:
    assert found.hedges_g is not None
    width = found.hedges_g_interval
    if width is None:
        return format_number(found.hedges_g, decimals=2)
    places = decimals_of(width.low, width.high)
    return words.say(
        "difference_with_interval",
        difference=format_number(found.hedges_g, decimals=places, sign=True),
        level=level,
        interval=format_interval(width.low, width.high, "", decimals=places, sign=True),
    )


def runs_of_kpis(kpis: Sequence[KpiResult], words: Words) -> Table:
    """Every run's numbers, in the order of execution; a value that does not count stands in brackets."""
    columns = (
        Column(words["col_order"], align="right"),
        Column(words["col_run"], align="right"),
        Column(words["col_arm"], share=1),
        *(Column(f"{kpi.label}, {kpi.unit}" if kpi.unit else kpi.label, align="right", share=1) for kpi in kpis),
    )
    values = [{run.run: run for run in kpi.runs} for kpi in kpis]
    places = [decimals_of_runs(kpi) for kpi in kpis]
    rows = []
    for run in dict.fromkeys(run.run for kpi in kpis for run in kpi.runs):
        found = next(by_run[run] for by_run in values if run in by_run)
        cells = [write_executed(found.executed_order, words), str(run), found.arm]
        for kpi, by_run, decimals in zip(kpis, values, places, strict=True):
            text = write_run_value(by_run[run].value if run in by_run else None, kpi, words, decimals=decimals)
            hidden = run in by_run and by_run[run].excluded is not None and by_run[run].value is not None
            cells.append(words.say("excluded_mark", value=text) if hidden else text)
        rows.append(tuple(cells))
    return Table(words["runs_table"], columns, tuple(rows), small=True)


QUALITY_COUNTS = ("samples", "duplicates", "late", "buffered", "skewed", "out_of_range")


def quality_columns(words: Words, first: tuple[Column, ...]) -> tuple[Column, ...]:
    """The columns of a table on data quality after its own first ones."""
    names = ("col_expected", "col_received", "col_missing", *(f"col_{name}" for name in QUALITY_COUNTS), "col_offset")
    return (*first, *(Column(words[name], align="right", share=1) for name in names))


def quality_cells(parts: Sequence[DeviceQuality], words: Words) -> tuple[str, ...]:
    """What came of a device in one run or in several, added up."""
    expected = [part.expected_messages for part in parts]
    received = [part.received_messages for part in parts]
    missing = sum(gap.last - gap.first + 1 for part in parts for gap in part.missing)
    offsets = [part.clock_offset_ms for part in parts if part.clock_offset_ms is not None]
    return (
        _total(expected, words),
        _total(received, words),
        words["unknown"] if None in expected and not missing else format_number(missing),
        *(format_number(sum(getattr(part, name) for part in parts)) for name in QUALITY_COUNTS),
        format_number(max(offsets, key=abs)) if offsets else words["not_shown"],
    )


def _total(counts: Sequence[int | None], words: Words) -> str:
    known = [count for count in counts if count is not None]
    return format_number(sum(known)) if len(known) == len(counts) else words["unknown"]


def quality_by_device(results: Results, words: Words) -> Table:
    """Messages and samples by device over all runs."""
    by_device: defaultdict[str, list[DeviceQuality]] = defaultdict(list)
    for run in results.quality:
        for part in run.devices:
            by_device[part.device].append(part)
    rows = tuple((device, *quality_cells(parts, words)) for device, parts in by_device.items())
    return Table(
        words["quality_devices"], quality_columns(words, (Column(words["col_device"], share=1.3),)), rows, small=True
    )
