"""What the section on results says of steadiness: capability, control charts, what the machines did."""

from lab.reports.blocks import Block, Column, Figure, Heading, Notice, Paragraph, Table
from lab.reports.charts import control_chart, describe_chart, energy_charts, traces_chart
from lab.reports.language import say as _
from lab.reports.numbers import decimals_together, format_interval, format_number, format_quantity
from lab.reports.results import LAB_OEE, KpiResult, Results
from lab.reports.steadiness.findings import ControlFinding, Index, MachineRecord
from lab.reports.steadiness.writing import energy_sentence
from lab.reports.value import Interval
from lab.reports.words import Words
from lab.reports.writing import decimals_of_kpi

_SECONDS_AN_HOUR = 3600.0


def lab_oee(kpi: KpiResult) -> list[Block]:
    """The notice beside an OEE."""
    return [Notice(_(LAB_OEE))] if kpi.is_oee else []


def capability(kpi: KpiResult, words: Words) -> list[Block]:
    """How well each arm keeps within the tolerance."""
    if kpi.tolerance is None:
        return []
    columns = (
        Column(words["col_arm"], share=1.6),
        Column(words["col_runs"], align="right", share=0.5),
        *(Column(name, align="right", share=1.1) for name in ("Cp", "Cpk", "Pp", "Ppk")),
    )
    rows = tuple(
        (
            arm.label,
            str(arm.n),
            *_indices(arm.within, arm.print_point, words),
            *_indices(arm.overall, arm.print_point, words),
        )
        for arm in kpi.capabilities
    )
    low, high = kpi.tolerance.low, kpi.tolerance.high
    if low is not None and high is not None:
        limits = format_interval(low, high, kpi.unit, decimals=None)
    else:
        key = "at_least" if low is not None else "at_most"
        limits = words.say(key, value=format_quantity(low if low is not None else high or 0.0, kpi.unit))
    table = Table(words.say("capability_table", label=kpi.label, limits=limits), columns, rows, small=True)
    return [table, Paragraph(words["capability_note"])]


def _indices(found: Index | None, print_point: bool, words: Words) -> tuple[str, str]:
    if found is None:
        return words["not_shown"], words["not_shown"]
    first = _written(found.spread_index, found.spread_interval, print_point, words)
    return first, _written(found.centred_index, found.centred_interval, print_point, words)


def _written(value: float | None, interval: Interval | None, print_point: bool, words: Words) -> str:
    if value is None or interval is None:
        return words["no_percent"]
    reach = format_interval(interval.low, interval.high, "", decimals=2)
    return f"{format_number(value, decimals=2)} ({reach})" if print_point else reach


def control(results: Results, words: Words) -> list[Block]:
    """The control charts of the primary KPI."""
    chart, found = control_chart(results), results.primary.control
    if chart is None or found is None:
        return []
    caption = words.say("figure_control", label=results.primary.label)
    alt = describe_chart(results, chart, words)
    return [
        Figure(chart.name, caption, alt, _control_table(found, words), floats=True),
        Paragraph(control_sentence(found, words)),
    ]


def energy(results: Results, kpi: KpiResult, words: Words) -> list[Block]:
    """What was saved against the baseline's model, added up run by run."""
    found = kpi.energy
    chart = next((one for one in energy_charts(results) if one.kpis == (kpi,)), None)
    if found is None or chart is None:
        return []
    columns = (
        Column(words["col_run"], align="right"),
        Column(words["col_arm"], share=1),
        Column(words.say("chart_energy", unit=kpi.unit), align="right", share=1),
    )
    places = decimals_of_kpi(kpi)  # as in the sentence below
    rows = tuple(
        (str(run), arm, format_number(value, decimals=places, sign=True))
        for run, arm, value in zip(found.runs, found.arm_of, found.cusum, strict=True)
    )
    table = Table(words.say("energy_table", label=kpi.label), columns, rows, small=True)
    caption = words.say("figure_energy", label=kpi.label)
    figure = Figure(chart.name, caption, describe_chart(results, chart, words), table, floats=True)
    return [figure, Paragraph(energy_sentence(kpi, words))]


def traces(results: Results, words: Words) -> list[Block]:
    """A typical run of each arm, signal by signal."""
    chart = traces_chart(results)
    if chart is None:
        return []
    columns = (
        Column(words["col_signal"], share=1.6),
        Column(words["col_arm"], share=1),
        Column(words["col_run"], align="right"),
        *(Column(words[name], align="right", share=1) for name in ("col_duration", "col_lowest", "col_highest")),
    )
    rows = tuple(
        (
            f"{trace.label}, {trace.unit}" if trace.unit else trace.label,
            line.label,
            str(line.run),
            format_number(line.seconds[-1]),
            format_number(line.low),
            format_number(line.high),
        )
        for trace in results.traces
        for line in trace.lines
    )
    table = Table(words["traces_table"], columns, rows, small=True)
    return [Figure(chart.name, words["figure_traces"], describe_chart(results, chart, words), table, floats=True)]


def control_sentence(found: ControlFinding, words: Words) -> str:
    """Which runs signal, and what that means."""
    runs = tuple(dict.fromkeys((*found.outside, *found.ewma_signals, *found.cusum_signals)))
    if not runs:
        return words["control_steady"]
    return words.say("control_signals", runs=", ".join(map(str, sorted(runs))))


def _control_table(found: ControlFinding, words: Words) -> Table:
    columns = (
        Column(words["col_run"], align="right"),
        Column(words["col_arm"], share=1),
        *(Column(words[name], align="right", share=1) for name in ("col_value", "col_limits", "col_ewma", "col_cusum")),
    )
    limits = {arm.arm: format_interval(arm.low, arm.high, "") for arm in found.arms}
    places = decimals_together(found.values)
    rows = tuple(
        (
            str(run),
            arm,
            format_number(value, decimals=places),
            limits[arm],
            format_number(average, decimals=2, sign=True),
            f"{format_number(above, decimals=2)} / {format_number(below, decimals=2)}",
        )
        for run, arm, value, average, above, below in zip(
            found.runs,
            found.arm_of,
            found.values,
            found.ewma,
            found.cusum_above,
            found.cusum_below,
            strict=True,
        )
    )
    caption = words.say("control_table", ewma=format_number(found.ewma_limit, decimals=2), cusum=found.cusum_limit)
    return Table(caption, columns, rows, small=True)


def machines(results: Results, words: Words) -> list[Block]:
    """What the machines spent the runs on, and how often they failed."""
    if not results.machines:
        return []
    first = (Column(words["col_device"], share=1.2), Column(words["col_arm"], share=1.2))
    times = ("production", "setup", "delay", "idle", "planned_down", "unknown")
    spent = Table(
        words["machine_times"],
        (*first, *(Column(words[f"col_{name}"], align="right", share=1) for name in times)),
        tuple(
            (one.device, one.label, *(format_number(getattr(one, f"{name}_s"), decimals=0) for name in times))
            for one in results.machines
        ),
        small=True,
    )
    failed = Table(
        words["machine_failures"],
        (
            *first,
            Column(words["col_failures"], align="right", share=0.7),
            Column(words["col_up"], align="right", share=0.8),
            Column("MTBF", align="right", share=1.8),
            Column("MTTR", align="right", share=1.5),
        ),
        tuple(
            (
                one.device,
                one.label,
                str(one.failures),
                format_quantity(one.up_s / _SECONDS_AN_HOUR, "h", decimals=2),
                _between(one, words),
                _repair(one, words),
            )
            for one in results.machines
        ),
        small=True,
    )
    return [Heading(words["machines"]), spent, failed, Paragraph(words["machines_note"])]


def _between(one: MachineRecord, words: Words) -> str:
    if one.mtbf_s is not None and one.mtbf_interval is not None:
        value = format_quantity(one.mtbf_s / _SECONDS_AN_HOUR, "h", decimals=2)
        low, high = one.mtbf_interval.low / _SECONDS_AN_HOUR, one.mtbf_interval.high / _SECONDS_AN_HOUR
        return f"{value} ({format_interval(low, high, 'h', decimals=2)})"
    if one.mtbf_at_least_s is None:
        return words["not_shown"]
    bound = format_quantity(one.mtbf_at_least_s / _SECONDS_AN_HOUR, "h", decimals=2)
    return words.say("no_failure", bound=bound)


def _repair(one: MachineRecord, words: Words) -> str:
    if one.mttr_s is None or one.mttr_interval is None:
        return words["no_percent"]
    reach = format_interval(one.mttr_interval.low, one.mttr_interval.high, "s", decimals=0)
    return f"{format_quantity(one.mttr_s, 's', decimals=0)} ({reach})"
