"""Sections 10 to 15: what people say is printed, and what nobody has said is not made up."""

import dataclasses
import json

import pytest

from lab.reports.assembly import compute_results
from lab.reports.document import build_document
from lab.reports.results import Results
from tests.unit.reports.report_examples import (
    example_document,
    example_plan,
    example_results,
    said,
    seal_example,
    with_statement,
)

SECTIONS = {
    "readiness": "10",
    "risks": "11",
    "transfer": "12",
    "recommendation": "13",
    "next-steps": "14",
    "maturity": "15",
}


def text_of(results, section_id):
    (section,) = (part for part in build_document(results).sections if part.id == section_id)
    return json.dumps(dataclasses.asdict(section), ensure_ascii=False)


def test_the_sections_have_the_numbers_of_the_standard_report():
    titles = {section.id: section.title for section in build_document(example_results()).sections}
    assert {name: titles[name].split()[0] for name in SECTIONS} == SECTIONS
    assert titles["identification"].startswith("2 ")
    assert build_document(example_results()).decision.kicker.startswith("1 ")


@pytest.mark.parametrize(
    ("section", "wanted"),
    [
        ("identification", ["Piotr Zieliński, Maria Lis", "Ewa Maj, Lab engineer", "Co-financed", "PL-2026-001-R1"]),
        ("readiness", ["TRL 4: validated in a laboratory", "TRL 6", "It ran on real parts for a day."]),
        ("risks", ["The chuck wears faster.", "Try one batch before the purchase.", "not stated"]),
        ("transfer", ["weaker spindle and cuts other steel", "Results relate only to the items tested."]),
        ("recommendation", ["Begin with one machine.", "nobody can change it"]),
        ("next-steps", ["Ask for an offer.", "Anna Kowalska", "2026-12-11", "FESL 10.3"]),
        ("maturity", ["T0, 2026-05-04", "T1, 2026-11-02", "42.0", "+12.0", "Data management"]),
        ("annex-changes", ["A name was misspelt."]),
    ],
)
def test_everything_that_people_said_is_printed(section, wanted):
    text = text_of(with_statement(), section)
    assert [part for part in wanted if part not in text] == []


@pytest.mark.parametrize("section", [*SECTIONS, "identification"])
def test_where_nothing_was_said_the_report_says_so(section):
    text = text_of(example_results(), section)
    assert "The lab has " in text


def test_the_decision_page_has_the_gravest_risk_first_and_the_next_step_with_owner_and_date():
    page = build_document(with_statement()).decision
    assert page.risks[0] == "The spindle of the own mill is weaker (likelihood high, impact high)."
    assert page.first_step == "Ask for an offer. Owner: Anna Kowalska. Due: 2026-12-11."
    assert build_document(example_results()).decision.first_step == (
        "The lab has stated no step with an owner and a date."
    )


def test_what_the_data_show_stands_before_small_risks_that_people_see():
    results = with_statement()
    page = build_document(results).decision
    assert results.risks
    assert page.risks[1] == results.risks[0]


def test_a_step_without_a_date_says_so():
    document = example_document()
    issue = said().model_dump(mode="json")
    issue["statement"]["next_steps"] = issue["statement"]["next_steps"][1:]
    document["issue"] = issue
    page = build_document(Results.model_validate(document)).decision
    assert page.first_step == "Train two operators. Owner: Jan Nowak. No date was stated."


def test_the_longest_silence_is_named_and_every_run_has_its_own():
    document = example_document()
    document["quality"][4]["coverage"][0]["longest_gap_s"] = 3.25
    results = Results.model_validate(document)
    assert "lasted 3.25 s: active_power_kw of meter-1, run 5." in text_of(results, "quality")
    (section,) = (part for part in build_document(results).sections if part.id == "annex-quality")
    table = section.blocks[-1]
    assert [(row[0], row[2], row[4]) for row in table.rows] == [
        (str(run.run), "active_power_kw", f"{run.coverage[0].longest_gap_s:g}") for run in results.quality
    ]


def test_the_rule_for_the_verdict_names_the_level_of_its_interval(tmp_path):
    seal_example(tmp_path / "sealed", plan=example_plan().model_copy(update={"alpha": 0.1}))
    text = text_of(compute_results(tmp_path / "sealed"), "plan")
    assert "the lower bound of the improvement's 90 % interval lies above break-even" in text
    assert "95 %" not in text


def test_the_address_of_the_lab_is_printed_or_said_not_to_be_stated(tmp_path):
    seal_example(tmp_path / "sealed", lab_address="ul. Akademicka 2A, 44-100 Gliwice")
    assert "ul. Akademicka 2A, 44-100 Gliwice" in text_of(compute_results(tmp_path / "sealed"), "identification")
    assert '"Its address", "text": "not stated"' in text_of(example_results(), "identification")
