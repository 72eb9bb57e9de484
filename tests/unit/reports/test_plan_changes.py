"""What was changed of a locked plan stands in the report in words, and a former version cannot be forged."""

import hashlib
import json
import zipfile
from datetime import timedelta

import pytest

from lab.pilots.amending import LAYOUT
from lab.pilots.examples import demo_economics, demo_plan
from lab.pilots.plans import AmendedPlan, AnalysisPlan, Kpi, ResultValue, canonical_json, plan_sha256
from lab.reports.assembly import compute_results
from lab.reports.document import build_document
from lab.reports.errors import DataSetAlteredError
from lab.reports.files import write_report
from lab.reports.html import render_page
from lab.reports.issue import ReportIssue
from lab.reports.language import writing_in
from lab.reports.plan_changes import changes_between
from lab.reports.results import Results
from lab.reports.sealed import SealedPlanVersion
from lab.reports.sealing import read_data_set
from lab.reports.verifying import verify_package
from tests.factories import MONDAY_MORNING
from tests.unit.reports.report_examples import example_plan, in_polish, seal_example

REASON = "The price of energy was mistyped."
PLAN = demo_plan(economics=demo_economics())
AFTER_FOUR = MONDAY_MORNING + timedelta(minutes=45)
"""Runs begin every ten minutes, the first one ten minutes after the lock."""


def kpi(plan: AnalysisPlan, place: int, **facts: object) -> tuple[Kpi, ...]:
    changed = plan.kpis[place].model_copy(update=facts)
    return (*plan.kpis[:place], changed, *plan.kpis[place + 1 :])


PASSED = Kpi.model_validate(
    {
        "key": "passed", "label": "Passed", "unit": "1", "kind": "proportion", "direction": "higher",
        "role": "guard", "margin": 0.1, "measure": ResultValue(field="passed"),
    }
)  # fmt: skip
DEARER = PLAN.economics.model_copy(update={"unit_value_cents": PLAN.economics.unit_value_cents.model_copy(
    update={"likely": 25.0})})  # fmt: skip
STOP = {"signal": {"device": "meter-1", "signal": "active_power_kw"}, "high": 9.5, "delay_s": 2.0}

CHANGES = [
    ("objective", "Save money.", [("the objective", f"“{PLAN.objective}”", "“Save money.”", False)]),
    ("hypothesis", "It does.", [("the hypothesis", f"“{PLAN.hypothesis}”", "“It does.”", False)]),
    ("kpis", kpi(PLAN, 2, margin=0.5), [("the margin of “Surface roughness Ra”", "0.3 µm", "0.5 µm", True)]),
    ("kpis", kpi(PLAN, 1, direction="higher"),
     [("the direction of “Run time”", "lower is better", "higher is better", True)]),
    ("kpis", PLAN.kpis[:2], [("the KPI “Surface roughness Ra”",
      "roughness_um as noted in the run table; finished parts only. Not worse by more than 0.3 µm.", "nothing", True)]),
    ("kpis", (*PLAN.kpis, PASSED), [("the KPI “Passed”", "nothing",
      "passed as noted in the run table; finished parts only. Not worse by more than 10 percentage points.", True)]),
    ("economics", DEARER, [("the company's figure “Value of one unit saved”", "0.18 EUR per kWh / 0.22 EUR per kWh / "
      "0.30 EUR per kWh", "0.18 EUR per kWh / 0.25 EUR per kWh / 0.30 EUR per kWh", False)]),
    ("break_even", 0.0123456789, [("break-even", None, None, True)]),
    ("expected", 0.9, [("the effect that is hoped for", None, "0.9 kWh", True)]),
    ("alpha", 0.1, [("the confidence level", "95 %", "90 %", True)]),
    ("limits", None, [("the events or states that limit a run", "run_started … part_finished (mill-1)", "none", True)]),
    ("finished_only", False, [("whether unfinished parts are left out", "yes", "no", True)]),
    ("longest_gap_s", 9.0, [("the longest silence that is bridged", "5 s", "9 s", True)]),
    ("least_coverage_percent", 80.0, [("the least coverage of a run", "95 %", "80 %", True)]),
    ("written_after_data", True, [("whether the criteria were written after the data", "no", "yes", True)]),
    ("demonstration_only", True, [("whether it is a demonstration only", "no", "yes", True)]),
    ("not_tested", (), [("what is not tested", None, "none", False)]),
    ("stop", (STOP,), [("the stop criteria", "none",
      "active_power_kw of meter-1: … to 9.5 (2 s; meter-1)", False)]),
]  # fmt: skip


def changed_plan(field: str, value: object) -> AnalysisPlan:
    document = {**PLAN.model_dump(), field: value}
    return AnalysisPlan.model_validate(document)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")


@pytest.mark.parametrize(("field", "value", "told"), CHANGES)
def test_every_change_is_told_in_words(field, value, told):
    found = changes_between(PLAN, changed_plan(field, value))
    assert [(one[0], one[3]) for one in found] == [(one[0], one[3]) for one in told]
    for (_, before, after, _), (_, was, now, _) in zip(found, told, strict=True):
        assert was in (None, plain(before))
        assert now in (None, plain(after))
        assert before != after
    with writing_in("pl"):
        polish = changes_between(PLAN, changed_plan(field, value))
    assert [one[0] for one in polish] != [one[0] for one in found]


def test_there_is_nothing_in_a_plan_that_can_change_untold():
    told = {field for field, _, _ in CHANGES}
    assert told | set(LAYOUT) == set(AnalysisPlan.model_fields)
    assert not told & set(LAYOUT)


@pytest.mark.parametrize("name", sorted(set(Kpi.model_fields) - {"key"}))
def test_there_is_nothing_in_a_kpi_that_can_change_untold(name):
    other = {
        "label": "Other", "unit": "min", "kind": "proportion", "direction": "higher", "role": "guard", "margin": 1.0,
        "population": "all", "measure": ResultValue(field="t"), "tolerance": {"high": 9.0},
    }  # fmt: skip
    later = Kpi.model_validate({**PLAN.kpis[1].model_dump(), name: other[name]})
    found = changes_between(PLAN, PLAN.model_copy(update={"kpis": (PLAN.kpis[0], later, PLAN.kpis[2])}))
    assert len(found) == 1


def test_a_difference_too_small_to_be_printed_is_printed_in_full():
    found = changes_between(PLAN, PLAN.model_copy(update={"break_even": PLAN.break_even * (1 + 1e-9)}))
    ((what, before, after, _),) = found
    assert what == "break-even"
    assert before != after


def test_another_primary_kpi_is_told_first():
    first = PLAN.kpis[0].model_copy(update={"role": "secondary"})
    second = PLAN.kpis[1].model_copy(update={"role": "primary"})
    later = PLAN.model_copy(update={"kpis": (first, second, PLAN.kpis[2])})
    found = changes_between(PLAN, later)
    assert found[0] == ("the primary KPI", "“Energy per part”", "“Run time”", True)
    assert ("the role of “Run time”", "secondary", "primary", True) in found


# Sealed


def sealed_versions(folder, *, at=AFTER_FOUR, **changed):
    """Seal the example under the second version of its plan."""
    first = example_plan()
    document = first.model_dump(mode="json")
    former = SealedPlanVersion(version=1, locked_at=MONDAY_MORNING, locked_by="Ewa Lis", sha256=plan_sha256(document))
    named = {"version": 1, "sha256": former.sha256, "reason": REASON}
    later = AmendedPlan.model_validate({**document, **changed, "amends": named})
    return seal_example(folder, plan=later, former=[(former, document)], plan_version=2, plan_locked_at=at)


@pytest.fixture
def sealed(tmp_path):
    sealed_versions(tmp_path / "sealed", alpha=0.1)
    return tmp_path / "sealed"


def test_the_report_says_on_page_one_and_among_the_deviations_what_was_changed(sealed):
    results = compute_results(sealed)
    said = (
        f"On 2026-11-23 08:45 CET Anna Nowak changed the confidence level from 95 % to 90 %, after 4 runs had been "
        f"made: {REASON}"
    )
    assert plain(results.method.deviations[0]) == said
    assert results.verdict_reasons[0].startswith("The criteria were changed after 4 runs had been made")
    document = build_document(results)
    assert document.decision.reasons[0] == results.verdict_reasons[0]
    page = plain(render_page(results, {}))
    assert page.count(said) == 2  # beside the criteria, and among the deviations
    assert results.plan.former[0].sha256 in page
    assert results.plan.sha256 in page
    assert "2026-11-23 08:00 CET, Ewa Lis" in page.replace(" by ", ", ")


def test_it_says_so_in_polish(sealed):
    results = compute_results(sealed, issue=in_polish(ReportIssue()))
    assert plain(results.method.deviations[0]) == (
        f"23.11.2026 08:45 CET, Anna Nowak, zmiana: poziom ufności. Było: 95 %. Jest: 90 %. "
        f"Zmieniono po wykonaniu 4 przebiegów. Powód: {REASON}"
    )
    assert results.verdict_reasons[0].startswith("Kryteria zmieniono po wykonaniu 4 przebiegów")


def test_a_change_before_the_first_run_or_of_no_criterion_is_a_deviation_and_no_more(tmp_path):
    sealed_versions(tmp_path / "early", at=MONDAY_MORNING + timedelta(minutes=1), alpha=0.1)
    sealed_versions(tmp_path / "words", objective="Save money.")
    for name, when in (("early", "before the first run"), ("words", "after 4 runs had been made")):
        results = compute_results(tmp_path / name)
        assert when in results.method.deviations[0]
        assert results.plan.changed_after_runs is None
        assert not any("The criteria were changed" in reason for reason in results.verdict_reasons)


def test_a_plan_that_was_never_changed_says_nothing_of_versions(tmp_path):
    seal_example(tmp_path / "sealed")
    assert not list((tmp_path / "sealed").glob("plan-*"))
    document = json.loads(compute_results(tmp_path / "sealed").model_dump_json())
    assert {"former", "changes", "changed_after_runs"}.isdisjoint(document["plan"])


def test_the_result_object_is_read_back_as_it_was_written(sealed):
    results = compute_results(sealed)
    assert Results.model_validate_json(results.model_dump_json()) == results


def test_the_deviations_are_computed_again_from_the_package_alone(sealed, tmp_path):
    write_report(tmp_path / "report", compute_results(sealed), sealed)
    findings = verify_package(tmp_path / "report" / "package.zip")
    assert [one for one in findings if one.level == "wrong"] == []
    assert findings[-1].fact.startswith("SAME")
    with zipfile.ZipFile(tmp_path / "report" / "package.zip") as archive:
        assert "plan-v1.json" in archive.read("README.txt").decode()


def test_the_mailed_hash_is_that_of_the_file_of_the_former_version(sealed):
    results = compute_results(sealed)
    assert hashlib.sha256((sealed / "plan-v1.json").read_bytes()).hexdigest() == results.plan.former[0].sha256


def relist(folder):
    """As a forger would: with a manifest that fits."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for entry in list(manifest["files"]):
        path = folder / entry["path"]
        if not path.exists():
            manifest["files"].remove(entry)
            continue
        entry["bytes"], entry["sha256"] = path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "manifest.json").write_bytes(canonical_json(manifest))


def test_a_forged_former_version_is_found(sealed):
    path = sealed / "plan-v1.json"
    forged = canonical_json({**json.loads(path.read_bytes()), "alpha": 0.1})
    versions = sealed / "plan-versions.json"
    versions.write_text(
        versions.read_text().replace(hashlib.sha256(path.read_bytes()).hexdigest(), hashlib.sha256(forged).hexdigest())
    )
    path.write_bytes(forged)
    with pytest.raises(DataSetAlteredError, match="differs"):
        read_data_set(sealed)
    relist(sealed)
    with pytest.raises(DataSetAlteredError, match="is not the plan before version 2"):
        read_data_set(sealed)


def test_a_former_version_that_was_taken_away_is_found(sealed):
    (sealed / "plan-versions.json").unlink()
    (sealed / "plan-v1.json").unlink()
    relist(sealed)
    with pytest.raises(DataSetAlteredError, match="is not the plan before version 2"):
        read_data_set(sealed)


def test_a_later_version_that_hides_what_it_replaced_is_found(sealed):
    document = {name: value for name, value in json.loads((sealed / "plan.json").read_bytes()).items()
                if name != "amends"}  # fmt: skip
    pilot = json.loads((sealed / "pilot.json").read_bytes())
    (sealed / "plan.json").write_bytes(canonical_json(document))
    (sealed / "pilot.json").write_bytes(canonical_json({**pilot, "plan_sha256": plan_sha256(document)}))
    relist(sealed)
    with pytest.raises(DataSetAlteredError, match="is not the plan before version 2"):
        read_data_set(sealed)
