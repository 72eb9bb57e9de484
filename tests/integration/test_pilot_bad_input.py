"""Pilots with something wrong in them: a named refusal or an honest report, never a number that pretends."""

from datetime import timedelta

import pytest

from bookings.models import Booking
from lab.pilots import service as pilots
from lab.reports.models import Report
from tests.factories import MONDAY_MORNING
from tests.integration.test_reports import PLAN, Http, Lab, quick_layout  # noqa: F401 - a fixture


@pytest.fixture
def lab(database, tmp_path):
    found = Lab(database, tmp_path / "data")
    yield found
    found.store.close()


def plan_without_lock(lab, http, **changed):
    """A second pilot's plan, written over HTTP."""
    pilot = http.call("member", "POST", "/pilots", json={"title": "Feed", "question": "Is it?"}).json()["id"]
    body = {**PLAN.model_dump(mode="json"), **changed}
    return http.call("member", "PUT", f"/pilots/{pilot}/plan", json=body)


def kpis(**changed):
    """The plan's KPIs, the primary one changed."""
    found = PLAN.model_dump(mode="json")["kpis"]
    return [{**kpi, **(changed if kpi["role"] == "primary" else {})} for kpi in found]


def said_of(lab):
    """Verdict and result object of a sealed pilot."""
    report: Report = lab.report()
    return report.verdict, report.results


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"kpis": kpis(role="secondary")}, "primary-kpi"),
        ({"break_even": 0, "economics": None}, "effect-zero"),
        ({"expected": 0}, "effect-zero"),
        ({"runs_per_arm": 1}, "one-run-arm"),
        ({"kpis": kpis(unit="mm")}, "unit-mismatch"),
    ],
    ids=[
        "no primary KPI",
        "break-even of zero",
        "expected effect of zero",
        "one run an arm",
        "units that do not match",
    ],
)
def test_a_plan_that_cannot_decide_is_refused_by_name_when_it_is_written(lab, changed, error):
    answer = plan_without_lock(lab, Http(lab), **changed)
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (422, f"urn:pilotlab:problem:{error}"), problem
    assert problem["field"]
    assert problem["rule"]


def test_more_expected_than_break_even_is_needed(lab):
    answer = plan_without_lock(lab, Http(lab), economics=None, break_even=PLAN.expected)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:pilotlab:problem:expected-effect")


def test_a_criterion_is_not_changed_after_the_lock(lab):
    body = {**PLAN.model_dump(mode="json"), "expected": PLAN.expected * 2}
    answer = Http(lab).call("member", "PUT", f"/pilots/{lab.pilot_id}/plan", json=body)
    assert (answer.status_code, answer.json()["rule"]) == (409, "locked")


def test_a_run_does_not_start_in_a_booking_that_was_moved_away(lab):
    with lab.database.write() as session:
        booking = session.get_one(Booking, lab.booking_id)
        booking.start_at, booking.end_at = (MONDAY_MORNING + timedelta(days=7, hours=hour) for hour in (0, 3))
    answer = Http(lab).call(
        "engineer", "POST", f"/pilots/{lab.pilot_id}/runs/1/start", json={"booking_id": lab.booking_id}
    )
    assert (answer.status_code, answer.json()["rule"]) == (422, "now-inside")


def test_all_runs_excluded_before_they_were_made_leave_nothing_to_seal(lab):
    http = Http(lab)
    with lab.database.read() as session:
        numbers = [run.number for run in pilots.planned_runs(session, lab.pilot_id)]
    for number in numbers:
        address = f"/pilots/{lab.pilot_id}/runs/{number}/exclude"
        assert http.call("engineer", "POST", address, json={"reason": "No material."}).status_code == 200
    answer = http.call("engineer", "POST", f"/pilots/{lab.pilot_id}/seal")
    assert (answer.status_code, answer.json()["rule"]) == (409, "all-made")


def test_all_runs_excluded_afterwards_is_a_report_that_infers_nothing(lab, quick_layout):  # noqa: F811
    lab.make_runs()
    with lab.database.read() as session:
        numbers = [run.number for run in pilots.planned_runs(session, lab.pilot_id)]
    for number in numbers:
        lab.write(
            lambda s, n=number: pilots.exclude_run(
                s, lab.engineer, lab.pilot_id, n, reason="Wrong material.", now=lab.clock.now()
            )
        )
    verdict, results = said_of(lab)
    assert verdict == "Extend the pilot"
    assert no_interval(results["kpis"])


def test_constant_data_are_a_report_that_infers_nothing(lab, quick_layout):  # noqa: F811
    with lab.database.read() as session:
        numbers = [run.number for run in pilots.planned_runs(session, lab.pilot_id)]
    for number in numbers:
        lab.make_run(number, 5.0)
    verdict, results = said_of(lab)
    assert verdict == "Extend the pilot"
    assert no_interval(primary_of(results))


def test_a_signal_that_never_came_is_a_report_that_infers_nothing(lab, monkeypatch, quick_layout):  # noqa: F811
    monkeypatch.setattr(lab.store, "write", lambda *_args, **_facts: None)
    lab.make_runs()
    verdict, results = said_of(lab)
    assert verdict == "Extend the pilot"
    assert no_interval(primary_of(results))


def no_interval(kpis):
    """Whether none of them pretends: neither interval nor p value, but a reason."""
    return all(kpi["comparison"] is None and kpi["no_inference"] for kpi in kpis)


def primary_of(results):
    """The primary KPI; the others may have been measured all the same."""
    return [kpi for kpi in results["kpis"] if kpi["role"] == "primary"]
