"""From the result object to the blocks of a report: what is said, in which order. Layout is the templates' business."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from lab.reports.annexes import annex_changes, annex_glossary, annex_manifest, annex_notes, annex_quality, annex_runs
from lab.reports.blocks import Column, DecisionPage, Document, Section, Table
from lab.reports.charts import describe_chart, primary_chart
from lab.reports.conclusions import (
    first_step,
    maturity,
    next_steps,
    readiness,
    recommendation,
    risks,
    top_risks,
    transfer,
)
from lab.reports.economics.section import economics
from lab.reports.language import writing_in
from lab.reports.photos import annex_attachments
from lab.reports.plan_annex import annex_plan
from lab.reports.results import KpiResult, Results, Verdict
from lab.reports.sections import (
    identification,
    limits,
    method,
    plan,
    quality,
    results_by_kpi,
    set_up,
)
from lab.reports.tables import kpi_summary
from lab.reports.words import Words, words_of
from lab.reports.writing import after_data_sentence, criterion_word, short_hash, write_time_of_zone, write_verdict

TONES: dict[Verdict, Literal["invest", "conditions", "extend", "no"]] = {
    Verdict.INVEST: "invest",
    Verdict.INVEST_UNDER_CONDITIONS: "conditions",
    Verdict.EXTEND: "extend",
    Verdict.DO_NOT_INVEST: "no",
}
MOST_ON_PAGE_ONE = 3
LAYOUT_WORDS = (
    "question",
    "answer",
    "verdict",
    "evidence_grade",
    "grade_scale",
    "key_numbers",
    "why",
    "risks",
    "not_tested_short",
    "next_step",
    "figure",
    "table",
    "figure_table",
    "chart",
    "chart_marks",
    "none_named",
    "no_rows",
)


def as_results(results: Results | Mapping[str, Any]) -> Results:
    """The result object itself, also from its JSON form."""
    return results if isinstance(results, Results) else Results.model_validate(results)


def build_document(results: Results) -> Document:
    """Everything a report says, ready to be laid out, in the language that it was computed in."""
    with writing_in(results.issue.statement.language):
        return _document(results, words_of(results.issue.statement.language))


def _document(results: Results, words: Words) -> Document:
    identity = results.identification
    parts = (
        identification,
        plan,
        set_up,
        method,
        quality,
        results_by_kpi,
        limits,
        economics,
        readiness,
        risks,
        transfer,
        recommendation,
        next_steps,
        maturity,
    )
    annexes = (
        annex_runs,
        *((annex_plan,) if results.plan.document is not None else ()),
        annex_quality,
        annex_manifest,
        annex_changes,
        *((annex_attachments,) if results.attachments else ()),
        *((annex_notes,) if results.notes else ()),
    )
    page, numbered = decision_page(results, words), [part(results, words) for part in parts]
    lettered = [annex(results, words) for annex in annexes]
    text = "\n".join(_texts([dataclasses.asdict(part) for part in (page, *numbered, *lettered)]))
    lettered.insert(annexes.index(annex_changes), annex_glossary(text, words))
    return Document(
        language=words.language,
        title=f"{words['report']} {identity.report_number}: {identity.pilot_title}",
        author=identity.lab_name,
        description=results.question,
        footer_left=words.say("footer", number=identity.report_number, version=identity.version),
        footer_right=words.say("manifest_short", hash=short_hash(results.manifest.sha256)),
        page_of=words["page_of"],
        labels={key: words[key] for key in LAYOUT_WORDS},
        decision=page,
        sections=tuple(_number(part, number) for number, part in enumerate(numbered, start=2))
        + tuple(_letter(annex, place, words) for place, annex in enumerate(lettered)),
    )


def _texts(value: object) -> Iterator[str]:
    """Everything that is said, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from itertools.chain.from_iterable(map(_texts, value.values()))
    elif isinstance(value, (list, tuple)):
        yield from itertools.chain.from_iterable(map(_texts, value))


def _number(section: Section, number: int) -> Section:
    return Section(section.id, f"{number}  {section.title}", section.blocks)


def _letter(annex: Section, place: int, words: Words) -> Section:
    return Section(annex.id, words.say("annex", letter=chr(ord("A") + place), title=annex.title), annex.blocks)


def decision_page(results: Results, words: Words) -> DecisionPage:
    """The first page, from which a director decides."""
    identity, locked = results.identification, results.plan
    status = words.get(f"status_{identity.status}", identity.status)
    version = words.say("version", version=identity.version)
    chart = primary_chart(results)
    return DecisionPage(
        kicker=f"1  {words['decision_page']} · {words['report']} {identity.report_number} · {version} · {status}",
        title=identity.pilot_title,
        customer=words.say("for_customer", customer=identity.customer),
        question=results.question,
        answer=results.answer,
        verdict=write_verdict(results.verdict),
        tone=TONES[results.verdict],
        grade=results.grade.letter,
        grade_label=results.grade.label,
        notice=after_data_sentence(results, words),
        numbers=_key_numbers(results, words),
        chart=chart.name,
        chart_caption=words["figure_primary"],
        chart_alt=describe_chart(results, chart, words),
        chart_table=kpi_summary(results, words, kpis=chart.kpis),
        reasons=results.verdict_reasons,
        risks=_cut(top_risks(results, words), words, "section_risks"),
        not_tested=_cut(results.not_tested, words, "section_transfer"),
        next_step=results.next_step,
        first_step=first_step(results, words),
        locked=words.say(
            "criteria_locked", time=write_time_of_zone(locked.locked_at, identity.time_zone), person=locked.locked_by
        ),
        locked_hash=short_hash(locked.sha256),
        statements=results.statements,
    )


def _cut(items: tuple[str, ...], words: Words, section: str) -> tuple[str, ...]:
    if len(items) <= MOST_ON_PAGE_ONE + 1:
        return items
    more = words.say("and_more", n=len(items) - MOST_ON_PAGE_ONE, section=words[section])
    return (*items[:MOST_ON_PAGE_ONE], more)


def _key_numbers(results: Results, words: Words) -> Table:
    kpis = {kpi.label: kpi for kpi in results.kpis}
    rows = tuple(
        (number.label, number.text, _criterion_of(kpis.get(number.label), results, words))
        for number in results.key_numbers
    )
    columns = (
        Column(words["col_number"], share=1),
        Column(words["col_change"], share=2.2),
        Column(words["col_criterion"]),
    )
    return Table(words["key_numbers"], columns, rows)


def _criterion_of(kpi: KpiResult | None, results: Results, words: Words) -> str:
    if kpi is None:
        return words["no_criterion"]
    return criterion_word(kpi, results.guards, words)
