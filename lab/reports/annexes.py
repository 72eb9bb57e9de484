"""The annexes of a report: every run, its data quality, the sealed files, the words used."""

from dataclasses import replace
from typing import Any, TypeGuard

from lab.pilots.designs import PERIOD
from lab.reports.blocks import Block, Column, Fact, Facts, Heading, Paragraph, Section, Table
from lab.reports.charts import KPIS_PER_CHART
from lab.reports.numbers import decimals_together, format_number
from lab.reports.results import Results
from lab.reports.tables import quality_cells, quality_columns, runs_of_kpis
from lab.reports.words import Words
from lab.reports.writing import write_executed, write_time, write_time_of_zone, write_value


def annex_runs(results: Results, words: Words) -> Section:
    """Every run as it was, excluded ones too."""
    starts = range(0, len(results.kpis), KPIS_PER_CHART)
    tables = [runs_of_kpis(results.kpis[start : start + KPIS_PER_CHART], words) for start in starts]
    blocks: list[Block] = [
        replace(table, caption=f"{table.caption} ({place}/{len(tables)})") if len(tables) > 1 else table
        for place, table in enumerate(tables, start=1)
    ]
    if any(run.excluded for kpi in results.kpis for run in kpi.runs):
        blocks.append(Paragraph(words["excluded_note"]))
    blocks.append(_findings(results, words))
    return Section("annex-runs", words["annex_runs"], tuple(blocks))


def _findings(results: Results, words: Words) -> Table:
    names = tuple(dict.fromkeys(name for run in results.quality for name in run.result))
    zone = results.identification.time_zone
    lasted = decimals_together(run.duration_s for run in results.quality if run.duration_s is not None)
    places = {name: decimals_together(filter(_is_number, _results_named(results, name))) for name in names}
    layout = _layout(results, words)
    columns = (
        Column(words["col_order"], align="right"),
        Column(words["col_run"], align="right"),
        Column(words["col_arm"], share=1),
        *(Column(title, share=1) for title in layout),
        Column(words["col_start"]),
        Column(words["col_duration"], align="right"),
        *(Column(name, align="right", share=1) for name in names),
    )
    rows = tuple(
        (
            write_executed(run.executed_order, words),
            str(run.run),
            run.arm,
            *(cells[run.run] for cells in layout.values()),
            write_time(run.started_at, zone),
            words["not_shown"] if run.duration_s is None else format_number(run.duration_s, decimals=lasted),
            *(_write_finding(run.result.get(name), places[name], words) for name in names),
        )
        for run in results.quality
    )
    return Table(words["runs_results"], columns, rows, small=True)


def _results_named(results: Results, name: str) -> list[Any]:
    return [run.result.get(name) for run in results.quality]


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _write_finding(value: Any, decimals: int, words: Words) -> str:
    return format_number(value, decimals=decimals) if _is_number(value) else write_value(value, words)


def _layout(results: Results, words: Words) -> dict[str, dict[int, str]]:
    """What a run was laid out with beside its arm, where there is something: title → number of the run → cell."""
    runs = results.primary.runs
    plan = results.plan.document
    titles = {PERIOD: words["col_period"]} | {one.name: one.label for one in (plan.factors if plan else ())}
    found: dict[str, dict[int, str]] = {}
    if any(run.block is not None for run in runs):
        found[words["col_block"]] = {run.run: run.block or words["none"] for run in runs}
    for name in dict.fromkeys(name for run in runs for name in run.levels):
        found[titles.get(name, name)] = {run.run: write_value(run.levels.get(name), words) for run in runs}
    return found


def annex_quality(results: Results, words: Words) -> Section:
    """What came of every device in every run."""
    first = (Column(words["col_run"], align="right"), Column(words["col_device"], share=1.3))
    rows = tuple(
        (str(run.run), part.device, *quality_cells((part,), words), _percent(run.coverage_percent, words))
        for run in results.quality
        for part in run.devices
    )
    columns = (*quality_columns(words, first), Column(words["col_coverage"], align="right", share=1))
    table = Table(words["quality_runs"], columns, rows, small=True)
    return Section("annex-quality", words["annex_quality"], (table, _silences(results, words)))


def _silences(results: Results, words: Words) -> Table:
    """How much of every run each signal covers that a KPI needs, and for how long it was silent at most."""
    columns = (
        Column(words["col_run"], align="right"),
        Column(words["col_device"], share=1.3),
        Column(words["col_signal"], share=2),
        Column(words["col_samples"], align="right", share=1),
        Column(words["col_silence"], align="right", share=1),
        Column(words["col_coverage"], align="right", share=1),
    )
    rows = tuple(
        (
            str(run.run),
            part.device,
            part.signal,
            format_number(part.samples),
            words["not_shown"] if part.longest_gap_s is None else format_number(part.longest_gap_s),
            format_number(part.coverage_percent, decimals=1),
        )
        for run in results.quality
        for part in run.coverage
    )
    return Table(words["quality_signals"], columns, rows, small=True)


def _percent(value: float | None, words: Words) -> str:
    return words["unknown"] if value is None else format_number(value, decimals=1)


def annex_manifest(results: Results, words: Words) -> Section:
    """The sealed files with their hashes, and the software."""
    files = Table(
        words["manifest_files"],
        (
            Column(words["col_file"], share=1),
            Column(words["col_bytes"], align="right"),
            Column(words["col_sha256"], code=True),
        ),
        tuple((file.path, format_number(file.bytes, decimals=0), file.sha256) for file in results.manifest.files),
        small=True,
    )
    software = Table(
        words["software"],
        (Column(words["col_name"], share=1), Column(words["col_version"], share=2)),
        tuple((item.name, item.version) for item in results.software),
        small=True,
    )
    hash_fact = Facts((Fact(words["manifest_hash"], results.manifest.sha256, code=True),))
    blocks = (Paragraph(words["manifest_intro"]), hash_fact, files, software)
    return Section("annex-manifest", words["annex_manifest"], blocks)


def annex_glossary(text: str, words: Words) -> Section:
    """The terms that the rest of the report (its text) uses, for readers who are new to all this."""
    facts = tuple(Fact(term.name, term.meaning) for term in words.glossary if term.is_used(text))
    return Section("annex-glossary", words["annex_glossary"], (Facts(facts),))


def annex_changes(results: Results, words: Words) -> Section:
    """Why every version but the first replaced the one before."""
    changes, zone = results.issue.changes, results.identification.time_zone
    if not changes:
        return Section("annex-changes", words["annex_changes"], (Paragraph(words["first_version"]),))
    columns = (
        Column(words["col_version"], align="right"),
        Column(words["col_time"]),
        Column(words["col_by"], share=1),
        Column(words["col_reason"], share=2.5),
    )
    rows = tuple((str(one.version), write_time(one.at, zone), one.by, one.reason) for one in changes)
    return Section("annex-changes", words["annex_changes"], (Table(words["changes"], columns, rows, small=True),))


def annex_notes(results: Results, words: Words) -> Section:
    """What was written down about the pilot for its report, the oldest first."""
    blocks: list[Block] = [Paragraph(words["notes_intro"])]
    for note in results.notes:
        blocks.append(Heading(f"{write_time_of_zone(note.written_at, results.identification.time_zone)}, {note.name}"))
        blocks += [Paragraph(line.strip()) for line in note.text.split("\n") if line.strip()]
    return Section("annex-notes", words["annex_notes"], tuple(blocks))
