"""One fact reads the same wherever a report says it, and what stands in its words stands in its numbers."""

import dataclasses
import json
import re

import pytest

from lab.reports.advice import risks
from lab.reports.blocks import printable
from lab.reports.distributions import rows_of
from lab.reports.document import build_document
from lab.reports.economics.writing import sentences_of
from lab.reports.language import say_word, writing_in
from lab.reports.results import Results
from lab.reports.steadiness.writing import energy_sentence
from lab.reports.tables import comparison_facts, kpi_summary
from lab.reports.words import GLOSSARY, english_words, words_of
from lab.reports.writing import write_time_of_zone
from tests.factories import MONDAY_MORNING
from tests.unit.reports.report_examples import (
    AWKWARD,
    example_document,
    example_plan,
    example_results,
    polish,
    with_statement,
)

WORDS = words_of("en")


def section_of(results: Results, name: str):
    return next(part for part in build_document(results).sections if part.id == name)


def numbers_in_percent(text: str) -> list[str]:
    return re.findall(r"[−+]\d[\d.,]*(?=\s%)", text)


@pytest.mark.parametrize("case", [example_results, polish])
def test_a_kpis_relative_effect_reads_the_same_wherever_it_is_said(case):
    results = case()
    words = words_of(results.issue.statement.language)
    with writing_in(results.issue.statement.language):
        rows = kpi_summary(results, words).rows
        facts = {kpi.key: comparison_facts(kpi, results.guards, words) for kpi in results.kpis}
    for kpi, key_number, row in zip(results.kpis, results.key_numbers, rows, strict=False):
        if kpi.comparison is None or kpi.comparison.percent is None or kpi.kind == "proportion":
            continue
        said = [row[4], *numbers_in_percent(key_number.text), *numbers_in_percent(kpi.sentence)]
        difference = next(fact.text for fact in facts[kpi.key] if fact.name == words["difference"])
        said += numbers_in_percent(difference)
        assert len(said) == 4, said
        assert len(set(said)) == 1, said


def test_figures_that_move_the_worth_alike_are_named_together():
    money = example_results().economics
    (sentence,) = (text for text in sentences_of(money, decimals=4) if text.startswith("It depends most"))
    assert sentence.startswith(
        "It depends most on these, equally: effect seen in the pilot, parts a year, value of one unit saved. 20 % less "
        "or more of any of them moves"
    )
    alone = money.model_copy(update={"tornado": money.tornado[1:2] + money.tornado[3:]})
    assert any(text.startswith("It depends most on this: ") for text in sentences_of(alone, decimals=4))


@pytest.mark.parametrize("case", ["example", "statement", *AWKWARD])
def test_the_glossary_explains_what_the_report_says_and_nothing_else(case):
    results = {"example": example_results, "statement": with_statement, **AWKWARD}[case]()
    document = build_document(results)
    others = [dataclasses.asdict(part) for part in document.sections if part.id != "annex-glossary"]
    text = json.dumps([others, dataclasses.asdict(document.decision)], ensure_ascii=False)
    (facts,) = section_of(results, "annex-glossary").blocks
    assert [fact.name for fact in facts.facts] == [
        term.name for term in words_of(document.language).glossary if term.is_used(text)
    ]
    for name in ("MTBF", "Cpk", "OEE", "CUSUM", "TOST", "PERT", "UCUM", "Welch", "Hodges", "Hedges", "k = 2"):
        explained = any(name in fact.name for fact in facts.facts)
        assert explained == (name in text), name


def test_a_polish_glossary_has_the_same_terms_as_the_english_one():
    english, other = (section_of(case(), "annex-glossary").blocks[0].facts for case in (with_statement, polish))
    names = {term.name: one.name for term, one in zip(by_meaning("pl"), by_meaning("en"), strict=True)}
    assert {names[fact.name] for fact in other} == {fact.name for fact in english}


def by_meaning(language):
    """The terms of a language in one order for all."""
    found = {term.name: term for term in words_of(language).glossary}
    return [found[say_word(GLOSSARY, name, language)] for name in english_words()[GLOSSARY]]


def test_every_column_of_run_values_has_one_number_of_decimals():
    document = example_document()
    for number, run in enumerate(document["kpis"][0]["runs"]):
        run["value"] = (1.21, 1.2, 1.3, 301)[number % 4]
    annex = section_of(Results.model_validate(document), "annex-runs")
    written = [row[3].strip("()") for row in annex.blocks[0].rows]
    assert set(written) == {"1.21", "1.20", "1.30", "301.00"}
    for table in annex.blocks:
        for place, column in enumerate(getattr(table, "columns", ())):
            if column.align == "right":
                cells = [row[place].strip("()") for row in table.rows]
                places = {len(cell.partition(".")[2]) for cell in cells if cell.replace(".", "").isdigit()}
                assert len(places) <= 1, cells


def test_what_was_saved_is_what_was_expected_less_what_was_taken_as_printed():
    document = example_document()
    document["kpis"][0]["energy"].update(model=0.33648, expected=1.68242, actual=1.27956, saving=0.40286)
    sentence = energy_sentence(Results.model_validate(document).primary, WORDS)
    found = re.search(r"would have taken ([\d.]+)\skWh; they took ([\d.]+)\skWh, ([\d.]+)\skWh less", sentence)
    assert found is not None, sentence
    expected, actual, saving = map(float, found.groups())
    assert round(expected - actual, 4) == saving == 0.4029


@pytest.mark.parametrize(
    ("edges", "said", "unsaid"),
    [
        ([-100, 0, 100], "losses hatched", "None lies below zero"),
        ([0, 100, 200], "None lies below zero", "full line"),
        ([-200, -100, 0], "All are losses", "full line"),
    ],
)
def test_the_chart_of_net_present_values_is_explained_as_it_is_drawn(edges, said, unsaid):
    document = example_document()
    document["economics"]["distribution"].update(edges_cents=edges, counts=[5000, 5000])
    figures = [one for one in section_of(Results.model_validate(document), "economics").blocks if one.kind == "figure"]
    caption = next(one.caption for one in figures if one.chart == "npv.svg")
    assert said in caption
    assert unsaid not in caption


def test_a_time_that_stands_alone_names_its_zone():
    assert write_time_of_zone(MONDAY_MORNING, "Europe/Warsaw").endswith("\u00a0CET")
    assert write_time_of_zone(None, "Europe/Warsaw") == "–"
    assert re.search(r"\d\d:\d\d\u00a0CES?T by ", build_document(example_results()).decision.locked)


def test_runs_that_do_not_count_are_named_with_their_reason():
    results = example_results()
    assert [text for text in results.risks if "run 7" in text.lower()] == [
        "feed 9 mm/s: 1 of 5 parts not finished (run 7)."
    ]
    quality = [
        run.model_copy(update={"excluded": "operator stopped it" if run.run in {2, 3} else run.excluded})
        for run in results.quality
    ]
    found = risks(example_plan(), results.kpis, results.guards, results.grade, quality, ())
    assert "Runs 2 and 3 do not count: operator stopped it." in found


def test_arms_that_lie_far_apart_have_an_axis_each():
    kpi = example_results().primary
    near = kpi.model_copy(
        update={"runs": tuple(run.model_copy(update={"value": 1.0 + run.run / 100}) for run in kpi.runs)}
    )
    assert [len(row) for row in rows_of(near)] == [2]
    far = near.model_copy(
        update={
            "runs": tuple(
                run.model_copy(update={"value": run.value + (10 if run.arm == "fast" else 0)}) for run in near.runs
            )
        }
    )
    assert [len(row) for row in rows_of(far)] == [1, 1]


def test_no_line_breaks_between_a_number_and_its_percent():
    document = json.dumps(printable(build_document(with_statement())), ensure_ascii=False)
    assert "95\u00a0% interval" in document
    assert not re.search(r"\d %", document)


def test_the_decision_page_speaks_plainly():
    page = build_document(example_results()).decision
    text = json.dumps(dataclasses.asdict(page), ensure_ascii=False)
    assert "P10" not in text
    assert "guard is met" not in text
    assert "in eight of ten cases" in text
