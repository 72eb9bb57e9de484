"""Pilots with something wrong in them: a named refusal or an honest report, never a number that pretends.

No primary KPI, an effect of zero, one run an arm, units that do not match: refused when the plan is written. A
criterion changed after the lock, a run in a booking that was moved: refused when it happens. All runs excluded, one run
an arm left, constant data, a signal that never came: a report, on the page and as PDF, that draws no conclusion.
"""

import html
import io
import json
import re
from datetime import timedelta

import pytest
from pypdf import PdfReader

from lab.core.jobs import Worker
from lab.people.endpoints import SESSION_COOKIE
from lab.people.service import open_session
from lab.pilots import service as pilots
from lab.pilots.models import Run
from lab.reports.jobs import report_handlers
from tests.factories import MONDAY_MORNING
from tests.integration.test_reports import PLAN, Http, Lab
from tests.web_client import browser


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
    http = Http(lab)
    before, after = (MONDAY_MORNING + timedelta(days=1, hours=hours) for hours in (1, 4))
    wish = {"device_ids": ["meter-1", "mill-1"], "title": "T", "pilot_id": lab.pilot_id}
    booked = http.call("member", "POST", "/bookings", json=wish | span_of(before))
    assert booked.status_code == 201, booked.text
    address = f"/bookings/{booked.json()['id']}/move"
    assert http.call("member", "POST", address, json=span_of(after)).status_code == 200
    start = f"/pilots/{lab.pilot_id}/runs/1/start"
    body = {"booking_id": booked.json()["id"]}
    lab.clock.advance(before + timedelta(minutes=5) - lab.clock.now())
    refused = http.call("engineer", "POST", start, json=body)
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:pilotlab:problem:booking-unfit")
    assert refused.json()["rule"] == "now-inside"
    lab.clock.advance(after + timedelta(minutes=5) - lab.clock.now())
    assert http.call("engineer", "POST", start, json=body).status_code == 200


def span_of(start):
    return {"start": start.isoformat(), "end": (start + timedelta(hours=2)).isoformat()}


def test_all_runs_excluded_before_they_were_made_leave_nothing_to_seal(lab):
    http = Http(lab)
    with lab.database.read() as session:
        numbers = [run.number for run in pilots.planned_runs(session, lab.pilot_id)]
    for number in numbers:
        address = f"/pilots/{lab.pilot_id}/runs/{number}/exclude"
        assert http.call("engineer", "POST", address, json={"reason": "No material."}).status_code == 200
    answer = http.call("engineer", "POST", f"/pilots/{lab.pilot_id}/seal")
    assert (answer.status_code, answer.json()["rule"]) == (409, "all-made")


def arms_of(lab):
    """The arm of each run of the pilot, by its number."""
    with lab.database.read() as session:
        return {run.number: run.arm for run in pilots.planned_runs(session, lab.pilot_id)}


def leave_out(lab, numbers):
    http = Http(lab)
    for number in numbers:
        address = f"/pilots/{lab.pilot_id}/runs/{number}/exclude"
        assert http.call("engineer", "POST", address, json={"reason": "Wrong material."}).status_code == 200


def all_runs_excluded(lab):
    lab.make_runs()
    leave_out(lab, arms_of(lab))


def one_run_an_arm_left(lab):
    lab.make_runs()
    last_of_arm = {arm: number for number, arm in arms_of(lab).items()}
    leave_out(lab, arms_of(lab).keys() - last_of_arm.values())


def constant_data(lab):
    for number in arms_of(lab):
        lab.make_run(number, 5.0)


def constant_data_in_each_arm(lab):
    for number, arm in arms_of(lab).items():
        lab.make_run(number, 5.0 if arm == "fast" else 7.0)


def a_signal_that_never_came(lab):
    for number in arms_of(lab):
        lab.make_run(number, None)


@pytest.mark.parametrize(
    "happens",
    [all_runs_excluded, one_run_an_arm_left, constant_data, constant_data_in_each_arm, a_signal_that_never_came],
)
def test_what_allows_no_conclusion_is_a_report_that_draws_none(lab, happens):
    happens(lab)
    http = Http(lab)
    lab.clock.advance(timedelta(hours=4))
    assert http.call("engineer", "POST", f"/pilots/{lab.pilot_id}/seal").status_code == 202
    handlers = report_handlers(lab.database, lab.store, data_dir=lab.folder, clock=lab.clock)
    Worker(lab.database, lab.clock, {**handlers, "mail": lambda _job: None}).run_due()
    (listed,) = http.get("member", f"/reports?pilot_id={lab.pilot_id}").json()
    assert listed["verdict"] == "Extend the pilot"

    answer = http.get("member", f"/reports/{listed['id']}")
    results = json.loads(answer.text, parse_constant=pytest.fail)["results"]  # no NaN, no infinity
    primary = next(kpi for kpi in results["kpis"] if kpi["role"] == "primary")
    assert (primary["comparison"], primary["criterion"]["met"]) == (None, None)
    assert "no inference possible" in primary["no_inference"]
    assert results["economics"]["distribution"] is None

    pdf = http.get("member", f"/reports/{listed['id']}/report.pdf").content
    printed = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
    client = browser(http.app)
    with lab.database.write() as session:
        client.cookies.set(SESSION_COOKIE, open_session(session, lab.engineer.account_id, now=lab.clock.now()))
    page = client.get(f"/reports/{listed['id']}")
    assert page.status_code == 200
    shown = html.unescape(re.sub(r"<(style|script|svg).*?</\1>|<[^>]*>", " ", page.text, flags=re.DOTALL))
    for said in (printed, shown):
        said = " ".join(said.split())
        assert "no inference possible" in said.lower()
        assert "is not shown, because the runs allow no conclusion" in said
        assert not re.search(r"\b(nan|inf|None(?!: whoever)|null|Traceback|undefined)\b", said)


@pytest.mark.parametrize(
    "body",
    [
        '{"result": {"roughness_um": 1e999}}',
        '{"result": {"roughness_um": NaN}}',
        '{"result": {}, "completeness": {"mill-1": {"boot": ["m"], "first_seq": 1, "last_seq": 2}}}',
        '{"result": {}, "completeness": {"mill-1": {"boot": "m", "first_seq": "x", "last_seq": 2}}}',
        '{"result": {}, "completeness": {"mill-1": {"boot": "m", "first_seq": -1, "last_seq": 1e999}}}',
        '{"result": {}, "completeness": {"mill-1": {"boot": "m", "first_seq": 1}}}',
    ],
)
def test_what_could_never_be_sealed_is_refused_when_a_run_is_stopped(lab, body):
    http, run = Http(lab), f"/pilots/{lab.pilot_id}/runs/1"
    lab.clock.advance(timedelta(seconds=30))
    assert http.call("engineer", "POST", f"{run}/start", json={"booking_id": lab.booking_id}).status_code == 200
    lab.clock.advance(timedelta(seconds=30))
    refused = http.call("engineer", "POST", f"{run}/stop", content=body, headers={"content-type": "application/json"})
    assert refused.status_code == 422
    said = {"result": {"finished": True}, "completeness": {"mill-1": {"boot": "m", "first_seq": 1, "last_seq": 2}}}
    assert http.call("engineer", "POST", f"{run}/stop", json=said).status_code == 200


def nonsense_instead_of_yes_and_no(lab):
    lab.make_runs()
    with lab.database.write() as session:
        for run in session.query(Run):
            run.result = {**run.result, "passed": 5, "roughness_um": 1e308 if run.number == 1 else 1.0 + run.number / 9}


def test_a_typed_number_that_cannot_be_meant_leaves_its_run_out_with_the_reason(lab):
    nonsense_instead_of_yes_and_no(lab)
    report = lab.report()
    rough = next(kpi for kpi in report.results["kpis"] if kpi["key"] == "roughness")
    assert {run["run"]: run["excluded"] for run in rough["runs"] if run["excluded"]} == {
        1: "a number beyond all measure"
    }
    assert rough["comparison"] is not None
