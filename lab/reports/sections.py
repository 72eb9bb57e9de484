"""The numbered sections of a report, each a function from the result object to blocks."""

from lab.reports.blocks import Block, Bullets, Column, Fact, Facts, Figure, Heading, Notice, Paragraph, Section, Table
from lab.reports.charts import describe_chart, distribution_charts, list_charts
from lab.reports.distributions import distribution_table, rows_of
from lab.reports.issue import Signature
from lab.reports.language import say
from lab.reports.numbers import format_number, format_quantity
from lab.reports.results import DeviceSetup, OrderedRun, Results, SignalSetup
from lab.reports.steadiness.section import capability, control, energy, lab_oee, machines, traces
from lab.reports.tables import comparison_facts, kpi_by_arm, kpi_summary, quality_by_device, runs_of_kpis
from lab.reports.words import Words
from lab.reports.writing import after_data_sentence, write_date, write_time, write_time_of_zone, write_value


def identification(results: Results, words: Words) -> Section:
    """Which report on what, for whom."""
    identity = results.identification
    zone = identity.time_zone
    period = f"{write_time(identity.data_from, zone)} – {write_time(identity.data_to, zone)}"
    facts = (
        Fact(words["report_number"], f"{identity.report_number}, {words.say('version', version=identity.version)}"),
        Fact(words["report_status"], words.get(f"status_{identity.status}", identity.status)),
        Fact(words["pilot"], f"{identity.pilot_number}: {identity.pilot_title}"),
        Fact(words["customer"], identity.customer),
        Fact(words["lab"], identity.lab_name),
        Fact(words["lab_address"], identity.lab_address or words["not_stated"]),
        *_people(results, words),
        Fact(words["dated"], write_time(identity.dated, zone)),
        Fact(words["data_period"], words["not_executed"] if identity.data_from is None else period),
        Fact(words["data_set"], words.say("version", version=identity.data_set_version)),
        Fact(words["manifest_hash"], results.manifest.sha256, code=True),
    )
    tail = " ".join((words.say("times_zone", zone=zone), *results.statements))
    return Section("identification", words["section_identification"], (Facts(facts), Paragraph(tail)))


def _people(results: Results, words: Words) -> tuple[Fact, ...]:
    """Who wrote, who stands for it, who paid, and which version this one replaces."""
    issue, zone = results.issue, results.identification.time_zone

    def signed(signature: Signature | None, otherwise: str) -> str:
        if signature is None:
            return words[otherwise]
        time = write_time(signature.at, zone)
        return words.say("signature", name=signature.name, role=say(signature.role), time=time)

    facts = [
        Fact(words["authors"], ", ".join(issue.statement.authors) or words["no_authors"]),
        Fact(words["reviewed_by"], signed(issue.reviewed, "not_reviewed")),
        Fact(words["approved_by"], signed(issue.approved, "not_approved")),
        Fact(words["funding_notice"], issue.statement.funding_notice or words["no_funding_notice"]),
    ]
    if issue.replaces is not None:
        facts.append(Fact(words["replaces"], issue.replaces))
    return tuple(facts)


def plan(results: Results, words: Words) -> Section:
    """What was asked and what was to count as success, as locked."""
    locked = results.plan
    time = write_time_of_zone(locked.locked_at, results.identification.time_zone)
    late = after_data_sentence(results, words)
    facts = (
        Fact(words["question"], results.question),
        Fact(words["objective"], locked.objective),
        Fact(words["hypothesis"], locked.hypothesis),
        Fact(words["locked"], words.say("locked_text", time=time, person=locked.locked_by, version=locked.version)),
        Fact(words["plan_hash"], locked.sha256, code=True),
        *_former(results, words),
    )
    criteria = Table(
        words["criteria"],
        (Column(words["col_kpi"], share=1), Column(words["col_criterion"], share=2)),
        tuple((criterion.label, criterion.text) for criterion in locked.criteria),
    )
    blocks: list[Block] = [Notice(said) for said in (late, locked.changed_after_runs) if said]
    blocks += [Facts(facts), criteria]
    if locked.changes:
        blocks += [Heading(words["plan_changes"]), Bullets(tuple(change.sentence for change in locked.changes))]
    blocks += [Heading(words["verdict_rule"]), Paragraph(results.verdict_rule)]
    return Section("plan", words["section_plan"], tuple(blocks))


def _former(results: Results, words: Words) -> tuple[Fact, ...]:
    """The versions before, each with its hash, which the company got by mail."""
    zone = results.identification.time_zone
    facts: list[Fact] = []
    for one in results.plan.former:
        time = write_time_of_zone(one.locked_at, zone)
        text = words.say("locked_text", time=time, person=one.locked_by, version=one.version)
        facts += [Fact(words["former_version"], text), Fact(words["former_hash"], one.sha256, code=True)]
    return tuple(facts)


def set_up(results: Results, words: Words) -> Section:
    """What was compared, on which devices, measured by what."""
    arms = Table(
        words["arms"],
        (Column(words["col_arm"], share=2), Column(words["col_role"], share=1), Column(words["col_settings"], share=2)),
        tuple(
            (
                f"{arm.label} ({arm.name})",
                words[f"role_{arm.role}"],
                ", ".join(f"{name} = {write_value(value, words)}" for name, value in arm.settings.items())
                or words["none"],
            )
            for arm in results.arms
        ),
    )
    devices = Table(
        words["devices"],
        (
            Column(words["col_device"], share=2),
            Column(words["col_kind"], share=2),
            Column(words["col_location"], share=1),
            Column(words["col_software"]),
        ),
        tuple(
            (
                f"{device.name} ({device.id})",
                device.kind,
                device.location,
                device.software_version or words["not_stated"],
            )
            for device in results.devices
        ),
    )
    rows = tuple(_signal_row(device, signal, words) for device in results.devices for signal in device.signals)
    columns = (
        Column(words["col_signal"], share=2),
        Column(words["col_device"], share=1),
        Column(words["col_range"]),
        Column(words["col_rate"]),
        Column(words["col_sensor"], share=1.4),
        Column(words["col_uncertainty"], share=0.9),
        Column(words["col_calibration"], share=1),
    )
    return Section("setup", words["section_setup"], (arms, devices, Table(words["signals"], columns, rows, small=True)))


def _signal_row(device: DeviceSetup, signal: SignalSetup, words: Words) -> tuple[str, ...]:
    low = "" if signal.low is None else format_number(signal.low)
    high = "" if signal.high is None else format_number(signal.high)
    top = "…" if signal.high is None else format_quantity(signal.high, signal.unit or "")
    span = say("{low} to {high}", low=low or "…", high=top)
    due = words["not_stated"] if signal.calibration_due is None else write_date(signal.calibration_due)
    return (
        signal.name if signal.label == signal.name else f"{signal.label} ({signal.name})",
        device.id,
        span if low or high else words["not_stated"],
        words["not_stated"] if signal.rate_hz is None else format_quantity(signal.rate_hz, "Hz"),
        signal.sensor or words["not_stated"],
        words["not_stated"] if signal.uncertainty is None else format_quantity(signal.uncertainty, signal.unit or ""),
        words.say("calibration_overdue", date=due) if signal.calibration_overdue else due,
    )


def method(results: Results, words: Words) -> Section:
    """How it was done: design, order, deviations, statistics."""
    how = results.method
    facts = (
        Fact(words["design"], how.design_label if how.randomised else f"{how.design_label}, {words['not_randomised']}"),
        Fact(words["seed"], words["none"] if how.seed is None else str(how.seed)),
        Fact(words["evidence_grade"], f"{results.grade.letter}: {results.grade.label}. {results.grade.reason}"),
        Fact(words["blinding"], how.blinding),
        Fact(words["alpha"], words.say("confidence", level=format_number((1 - how.alpha) * 100))),
    )
    kept = words["order_kept"] if how.planned_order == how.executed_order else words["order_changed"]
    return Section(
        "method",
        words["section_method"],
        (
            Facts(facts),
            Heading(words["orders"]),
            Paragraph(kept),
            _orders(how.planned_order, how.executed_order, words),
            Heading(words["deviations"]),
            Bullets(how.deviations) if how.deviations else Paragraph(words["no_deviations"]),
            Heading(words["statistics"]),
            Bullets(how.statistics),
        ),
    )


def _orders(planned: tuple[OrderedRun, ...], executed: tuple[OrderedRun, ...], words: Words) -> Table:
    def write(order: tuple[OrderedRun, ...], place: int) -> str:
        if place >= len(order):
            return "–"
        key = "run_of_arm" if order[place].block is None else "run_of_block"
        return words.say(key, run=order[place].run, arm=order[place].arm, block=order[place].block)

    rows = tuple(
        (str(place + 1), write(planned, place), write(executed, place))
        for place in range(max(len(planned), len(executed)))
    )
    columns = (
        Column(words["col_place"], align="right"),
        Column(words["col_planned"], share=1),
        Column(words["col_executed"], share=1),
    )
    return Table(words["orders"], columns, rows, small=True)


def quality(results: Results, words: Words) -> Section:
    """What came of the data, and what was left out."""
    left_out = _exclusions(results, words)
    return Section(
        "quality",
        words["section_quality"],
        (
            Paragraph(" ".join(filter(None, (_coverage(results, words), _longest_silence(results, words))))),
            quality_by_device(results, words),
            Paragraph(words["missing_sentence"]),
            Heading(words["exclusions"]),
            Bullets(left_out) if left_out else Paragraph(words["no_exclusions"]),
        ),
    )


def _coverage(results: Results, words: Words) -> str:
    known = [run.coverage_percent for run in results.quality if run.coverage_percent is not None]
    if not known:
        return words["coverage_unknown"]
    low, high = (format_number(value, decimals=1) for value in (min(known), max(known)))
    return words.say("coverage_one" if low == high else "coverage_sentence", low=low, high=high)


def _longest_silence(results: Results, words: Words) -> str:
    found = [(part.longest_gap_s, run.run, part) for run in results.quality for part in run.coverage]
    known = [(seconds, number, part) for seconds, number, part in found if seconds is not None]
    if not known:
        return ""
    seconds, number, part = max(known, key=lambda one: one[0])
    return words.say(
        "longest_silence", seconds=format_number(seconds), signal=part.signal, device=part.device, run=number
    )


def _exclusions(results: Results, words: Words) -> tuple[str, ...]:
    """Each reason once with its runs: those that do not count at all, then those that do not count for one KPI."""
    whole = {run.run: run.excluded for run in results.quality if run.excluded}
    reasons: dict[tuple[str | None, str], list[str]] = {}
    for run in results.quality:
        if run.excluded:
            reasons.setdefault((None, run.excluded), []).append(f"{run.run} ({run.arm})")
    for kpi in results.kpis:
        for value in kpi.runs:
            if value.excluded and value.run not in whole:
                reasons.setdefault((kpi.label, value.excluded), []).append(f"{value.run} ({value.arm})")
    return tuple(
        words.say("exclusion", runs=", ".join(runs), reason=reason)
        if kpi_label is None
        else words.say("kpi_exclusion", runs=", ".join(runs), kpi=kpi_label, reason=reason)
        for (kpi_label, reason), runs in reasons.items()
    )


def results_by_kpi(results: Results, words: Words) -> Section:
    """Every KPI: charts, all in one table, then one by one."""
    blocks: list[Block] = [kpi_summary(results, words)]
    level = format_number((1 - results.method.alpha) * 100)
    for chart in list_charts(results):
        table = kpi_summary(results, words) if chart.kind == "effects" else runs_of_kpis(chart.kpis, words)
        caption = words.say(f"figure_{chart.kind}", level=level)
        alt = describe_chart(results, chart, words)
        blocks.append(Figure(chart.name, caption, alt, table, floats=chart.kind == "runs"))
    for chart in distribution_charts(results):
        alt = describe_chart(results, chart, words)
        table = distribution_table(chart.kpis, words)
        caption = words["figure_distribution"]
        if any(len(rows_of(kpi)) > 1 for kpi in chart.kpis):
            caption = f"{caption} {words['figure_distribution_far']}"
        blocks.append(Figure(chart.name, caption, alt, table, floats=True))
    blocks += traces(results, words)
    for kpi in results.kpis:
        blocks += [
            Heading(words.say("kpi_heading", label=kpi.label, role=words[f"role_{kpi.role}"])),
            Paragraph(kpi.sentence),
            kpi_by_arm(kpi, words),
            Facts(comparison_facts(kpi, results.guards, words)),
            *lab_oee(kpi),
            *capability(kpi, words),
            *energy(results, kpi, words),
        ]
        if kpi is results.primary:
            blocks += control(results, words)
    blocks += machines(results, words)
    return Section("results", words["section_results"], tuple(blocks))


def limits(results: Results, words: Words) -> Section:
    """What the intervals cover and what not."""
    blocks: list[Block] = [Paragraph(words["limits_intro"])]
    overdue = [
        f"{signal.label} ({device.id})"
        for device in results.devices
        for signal in device.signals
        if signal.calibration_overdue
    ]
    if overdue:
        blocks.append(Notice(words.say("calibration_notice", signals=", ".join(overdue))))
    lines = tuple(dict.fromkeys(f"{kpi.label}: {line}" for kpi in results.kpis for line in kpi.assumptions))
    if lines:
        blocks += [Heading(words["assumptions"]), Bullets(_merged(results))]
    sensors = tuple(_sensor_line(device, signal, words) for device in results.devices for signal in device.signals)
    if sensors:
        blocks += [Heading(words["sensor_uncertainty"]), Bullets(sensors)]
    return Section("limits", words["section_limits"], tuple(blocks))


def _merged(results: Results) -> tuple[str, ...]:
    """Each assumption once, with the KPIs it holds for unless it holds for all."""
    said: dict[str, list[str]] = {}
    for kpi in results.kpis:
        for line in kpi.assumptions:
            said.setdefault(line, []).append(kpi.label)
    everywhere = len(results.kpis)
    return tuple(line if len(labels) == everywhere else f"{', '.join(labels)}: {line}" for line, labels in said.items())


def _sensor_line(device: DeviceSetup, signal: SignalSetup, words: Words) -> str:
    if signal.uncertainty is None:
        return words.say("sensor_uncertainty_unknown", signal=signal.label, device=device.id)
    value = format_quantity(signal.uncertainty, signal.unit or "")
    return words.say("sensor_uncertainty_item", signal=signal.label, device=device.id, value=value)
