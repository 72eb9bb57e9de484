"""The whole locked plan stands in the report: whoever checks it sees everything that was fixed before the first run."""

import dataclasses
import json

import pytest

from lab.pilots.examples import recording_plan
from lab.pilots.plans import AnalysisPlan, Kpi, ResultValue, Tolerance
from lab.reports.document import build_document
from lab.reports.results import Results
from tests.unit.reports.report_examples import example_plan, example_results, polish

PLAN = example_plan()
OTHER = {
    "objective": "Save money.",
    "hypothesis": "It does.",
    "kpis": PLAN.kpis[:2],
    "break_even": 0.0123,
    "expected": 0.9,
    "design": "abab",
    "runs_per_arm": 9,
    "blocks": ("monday", "tuesday"),
    "factors": ({"name": "coolant", "label": "Coolant", "low": "dry", "high": "wet"},),
    "generators": "a b ab",
    "order": ("standard", "fast", "fast", "standard"),
    "seed": 77,
    "alpha": 0.1,
    "limits": None,
    "finished_only": False,
    "longest_gap_s": 9.0,
    "least_coverage_percent": 80.0,
    "written_after_data": True,
    "demonstration_only": True,
    "not_tested": ("Winter.",),
    "stop": ({"signal": {"device": "meter-1", "signal": "active_power_kw"}, "high": 9.5},),
}
"""By field of the plan, something else that it could say. Ways of working and money have sections of their own."""


def annex(plan: AnalysisPlan, results: Results | None = None) -> str:
    results = results or example_results()
    results = results.model_copy(update={"plan": results.plan.model_copy(update={"document": plan})})
    document = build_document(results)
    (section,) = (part for part in document.sections if part.id == "annex-plan")
    return json.dumps(dataclasses.asdict(section), ensure_ascii=False)


def test_every_field_of_a_plan_has_a_word_here():
    assert set(OTHER) | {"arms", "economics"} == set(AnalysisPlan.model_fields)


@pytest.mark.parametrize("field", OTHER)
def test_whatever_the_plan_fixes_is_printed(field):
    assert annex(AnalysisPlan.model_validate({**PLAN.model_dump(), field: OTHER[field]})) != annex(PLAN)


@pytest.mark.parametrize("field", sorted(set(Kpi.model_fields) - {"key", "kind"}))
def test_and_whatever_it_fixes_of_a_kpi(field):
    other = {
        "label": "Other", "unit": "min", "direction": "higher", "role": "guard", "margin": 1.0, "population": "all",
        "measure": ResultValue(field="t"), "tolerance": Tolerance(high=9.0),
    }  # fmt: skip
    kpi = PLAN.kpis[1].model_copy(update={field: other[field]})
    assert annex(PLAN.model_copy(update={"kpis": (PLAN.kpis[0], kpi, PLAN.kpis[2])})) != annex(PLAN)


def test_the_annex_names_the_hash_and_stands_between_the_runs_and_their_quality():
    results = example_results()
    titles = [part.title for part in build_document(results).sections if part.id.startswith("annex")]
    assert titles[:3] == [
        "Annex A: every run",
        "Annex B: the analysis plan as locked",
        "Annex C: data quality of every run",
    ]
    text = annex(PLAN)
    assert results.plan.sha256 in text
    assert "Runs of each arm" in text
    assert "6" in text


def test_a_plan_in_a_recorded_order_prints_that_order_and_in_polish_nothing_is_left_in_english():
    recorded = annex(recording_plan())
    assert "feed-6, feed-20, feed-6" in recorded
    text = annex(PLAN, polish())
    assert "Przebiegi każdego wariantu" in text
    assert "im mniej, tym lepiej" in text
    assert "lower is better" not in text


def test_a_report_from_before_has_no_such_annex_and_its_letters_go_on():
    results = example_results()
    document = json.loads(results.model_dump_json())
    del document["plan"]["document"]
    older = Results.model_validate(document)
    assert "document" not in older.model_dump()["plan"]
    titles = [part.title for part in build_document(older).sections if part.id.startswith("annex")]
    assert titles[:2] == ["Annex A: every run", "Annex B: data quality of every run"]
