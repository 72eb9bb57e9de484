"""A locked plan is corrected by a new version: over HTTP, by mail, in the sealed data, in report and page."""

import json
import zipfile
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from lab.core.audit import changes_of
from lab.core.jobs import Worker
from lab.people.endpoints import SESSION_COOKIE
from lab.people.service import open_session
from lab.pilots import amending
from lab.pilots import service as pilots
from lab.pilots.models import Plan, Run
from lab.pilots.plans import canonical_json, plan_sha256
from lab.post.jobs import post_handlers
from lab.reports import service as reports
from lab.reports.assembly import compute_results
from lab.reports.jobs import report_handlers
from lab.reports.verifying import verify_package
from tests.factories import make_account
from tests.integration.test_reports import PLAN, Http, Lab
from tests.post_office import PostOffice
from tests.web_client import browser

REASON = "The price of energy was mistyped."
DOCUMENT = PLAN.model_dump(mode="json")
STRICTER = {**DOCUMENT, "alpha": 0.02}
BOSS = "boss@example.org"


@pytest.fixture
def lab(each_database, tmp_path):
    """A pilot whose plan is locked and of which no run is made yet."""
    found = Lab(each_database, tmp_path / "data")
    yield found
    found.store.close()


@pytest.fixture
def http(lab):
    return Http(lab)


def amend(http, lab, plan=STRICTER, *, who="engineer", reason=REASON):
    body = {"plan": plan, "reason": reason}
    return http.call(who, "POST", f"/pilots/{lab.pilot_id}/plan/amend", json=body)


def made(lab, *numbers):
    """Make these runs; all of their parts take the same energy, but for a little."""
    with lab.database.read() as session:
        arms = {run.number: run.arm for run in pilots.planned_runs(session, lab.pilot_id)}
    for number in numbers:
        lab.make_run(number, 7.2 + number / 100 - (2.4 if arms[number] == "fast" else 0))


def plans(lab) -> list[Plan]:
    with lab.database.read() as session:
        return pilots.plan_versions(session, lab.engineer, lab.pilot_id)


def test_a_new_version_names_the_one_before_which_stays_as_it_was_locked(lab, http):
    before = plans(lab)[0]
    bytes_before = canonical_json(before.document)
    lab.clock.advance(timedelta(minutes=5))
    answer = amend(http, lab)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["version"], said["locked_by"]) == (2, lab.engineer.account_id)
    assert said["sha256"] == plan_sha256(said["document"]) != before.sha256
    assert said["document"] == {
        **STRICTER, "amends": {"version": 1, "sha256": before.sha256, "reason": REASON}
    }  # fmt: skip
    first, second = plans(lab)
    assert (canonical_json(first.document), first.sha256) == (bytes_before, before.sha256)
    assert http.get("member", f"/pilots/{lab.pilot_id}/plan").json() == said
    listed = http.get("member", f"/pilots/{lab.pilot_id}/plan/versions").json()
    assert [one["sha256"] for one in listed] == [first.sha256, second.sha256]
    with lab.database.read() as session:
        (line,) = [one for one in changes_of(session, "pilot", lab.pilot_id) if one.what == amending.AMENDED]
    assert (line.by, line.reason) == (lab.engineer.account_id, REASON)
    assert (line.before["sha256"], line.after["sha256"]) == (first.sha256, second.sha256)


def test_a_third_version_names_the_second(lab, http):
    second = amend(http, lab).json()
    third = amend(http, lab, {**DOCUMENT, "alpha": 0.03}).json()
    assert third["document"]["amends"]["sha256"] == second["sha256"]
    assert third["version"] == 3


def test_the_database_itself_keeps_every_version(lab, http):
    amend(http, lab)
    for change in (sa.update(Plan).values(sha256="0" * 64), sa.delete(Plan)):
        with pytest.raises(DBAPIError), lab.database.write() as session:
            session.execute(change)


@pytest.mark.parametrize(
    ("changed", "field"),
    [({"seed": 1}, "plan.seed"), ({"runs_per_arm": 4}, "plan.runs_per_arm"), ({"design": "abab"}, "plan.design"),
     ({"arms": [{**DOCUMENT["arms"][0], "label": "other"}, DOCUMENT["arms"][1]]}, "plan.arms")],
)  # fmt: skip
def test_runs_that_are_laid_out_keep_their_order(lab, http, changed, field):
    answer = amend(http, lab, {**DOCUMENT, **changed})
    assert answer.status_code == 409
    problem = answer.json()
    assert (problem["rule"], problem["field"]) == ("layout-fixed", field)
    assert "open a new pilot" in problem["detail"]
    assert len(plans(lab)) == 1


def test_what_lowers_the_evidence_is_not_taken_back(lab, http):
    assert amend(http, lab, {**DOCUMENT, "written_after_data": True}).status_code == 200
    answer = amend(http, lab, DOCUMENT)
    assert (answer.status_code, answer.json()["rule"]) == (409, "evidence-fixed")


def test_it_is_refused_by_name_to_others_without_a_reason_without_a_change_and_where_the_plan_makes_no_sense(lab, http):
    assert amend(http, lab, who="member").status_code == 403
    assert amend(http, lab, who="stranger").status_code in {403, 404}
    assert http.get("stranger", f"/pilots/{lab.pilot_id}/plan/versions").status_code == 404
    assert amend(http, lab, reason="  ").status_code == 422
    assert amend(http, lab, DOCUMENT).json()["rule"] == "changed"
    assert amend(http, lab, {**DOCUMENT, "expected": 0.0001}).json()["rule"] == "above-break-even"
    named = {"version": 1, "sha256": "0" * 64, "reason": "x"}
    assert amend(http, lab, {**STRICTER, "amends": named}).status_code == 422  # only the lab says what it amends
    assert len(plans(lab)) == 1


def test_a_plan_that_is_not_locked_is_written_again_instead(lab, http):
    pilot = http.call("member", "POST", "/pilots", json={"title": "T", "question": "Q?"}).json()["id"]
    http.call("member", "PUT", f"/pilots/{pilot}/plan", json=DOCUMENT)
    body = {"plan": STRICTER, "reason": REASON}
    answer = http.call("engineer", "POST", f"/pilots/{pilot}/plan/amend", json=body)
    assert (answer.status_code, answer.json()["rule"]) == (409, "locked")


def test_while_a_run_is_going_the_plan_stays_and_afterwards_only_runs_to_come_belong_to_the_new_version(lab, http):
    made(lab, 1)
    start = lab.clock.now()
    lab.write(lambda s: pilots.start_run(s, lab.engineer, lab.pilot_id, 2, lab.booking_id, now=start))
    answer = amend(http, lab)
    assert (answer.status_code, answer.json()["rule"], answer.json()["run"]) == (409, "none-going", 2)
    lab.clock.advance(timedelta(seconds=30))
    lab.write(
        lambda s: pilots.stop_run(s, lab.engineer, lab.pilot_id, 2, result={}, completeness={}, now=lab.clock.now())
    )
    assert amend(http, lab).status_code == 200
    first, second = plans(lab)
    with lab.database.read() as session:
        runs = session.scalars(sa.select(Run).order_by(Run.number)).all()
    assert [run.plan_id for run in runs] == [first.id] * 2 + [second.id] * 4


def test_a_sealed_pilot_keeps_its_plan(lab, http):
    made(lab, *range(1, 7))
    lab.seal()
    answer = amend(http, lab)
    assert (answer.status_code, answer.json()["rule"]) == (409, "not-sealed")
    assert "are sealed; its plan and its runs do not change" in answer.json()["detail"]


def test_a_plan_changed_while_the_data_are_being_sealed_is_not_sealed(lab, http, monkeypatch):
    made(lab, *range(1, 7))
    write = reports.write_data_set

    def write_late(*args):  # an engineer changes the plan at this very moment
        assert amend(http, lab).status_code == 200
        monkeypatch.setattr(reports, "write_data_set", write)
        return write(*args)

    monkeypatch.setattr(reports, "write_data_set", write_late)
    with pytest.raises(pilots.PilotStateError, match="the plan changed while"):
        lab.seal()
    assert compute_results(lab.folder / lab.seal().folder).plan.version == 2


def test_the_company_gets_both_hashes_the_reason_and_the_name_in_its_language(lab, http):
    with lab.database.write() as session:
        for sign_in, language in ((BOSS, None), ("szef@example.org", "pl")):
            make_account(session, organisation_id=lab.organisation_id, sign_in=sign_in, name="Lis", language=language)
    with PostOffice().open() as office:
        handlers = report_handlers(lab.database, lab.store, data_dir=lab.folder, clock=lab.clock)
        post = post_handlers(lab.database, lab.clock, office.settings())
        worker = Worker(lab.database, lab.clock, {**handlers, **post})
        for _ in range(2):
            worker.run_due()
        lab.clock.advance(timedelta(minutes=5))
        amend(http, lab)
        for _ in range(2):
            worker.run_due()
        mails = [mail for mail in office.mails if mail["to"] == BOSS]
        polish = [mail for mail in office.mails if mail["to"] == "szef@example.org"]
    first, second = plans(lab)
    assert [mail["subject"] for mail in mails] == [
        "The plan of pilot PL-2026-001 is locked", "The plan of pilot PL-2026-001 was changed"
    ]  # fmt: skip
    said = " ".join(mails[1].get_content().split())
    for fact in (first.sha256, second.sha256, REASON, "2026-11-23 08:05", "by Engineer", "Version 2"):
        assert fact in said, said
    assert polish[1]["subject"] == "Plan pilotażu PL-2026-001 został zmieniony"
    assert f"Powód: {REASON}" in polish[1].get_content()


def test_the_report_tells_the_change_and_its_package_proves_it(lab, http):
    made(lab, 1, 2, 3)
    lab.clock.advance(timedelta(minutes=1))
    amend(http, lab)
    made(lab, 4, 5, 6)
    report = lab.report()
    first, second = plans(lab)
    results = http.get("member", f"/reports/{report.id}").json()["results"]
    deviation = results["method"]["deviations"][0].replace("\u00a0", " ")
    assert "changed the confidence level from 95 % to 98 %, after 3 runs had been made: " + REASON in deviation
    assert "Engineer" in deviation
    assert results["verdict_reasons"][0].startswith("The criteria were changed after 3 runs had been made")
    assert [results["plan"]["former"][0]["sha256"], results["plan"]["sha256"]] == [first.sha256, second.sha256]
    package = lab.folder / report.folder / "package.zip"
    assert [one for one in verify_package(package) if one.level == "wrong"] == []
    with zipfile.ZipFile(package) as archive:
        assert plan_sha256(json.loads(archive.read("plan-v1.json"))) == first.sha256
        page = archive.read("report.html").decode()
    assert first.sha256 in page
    assert "The criteria were changed after 3 runs had been made" in page


def test_the_pilots_page_shows_every_version_with_its_hash_and_its_reason(lab, http):
    page = browser(http.app)
    with lab.database.write() as session:
        page.cookies.set(SESSION_COOKIE, open_session(session, lab.member.account_id, now=lab.clock.now()))
    assert "Versions of the plan" not in page.get(f"/pilots/{lab.pilot_id}").text
    amend(http, lab)
    shown = page.get(f"/pilots/{lab.pilot_id}")
    assert shown.status_code == 200
    for fact in (*(one.sha256 for one in plans(lab)), REASON, "Versions of the plan", "first version"):
        assert fact in shown.text


def test_size_and_spread_are_still_told_of_a_plan_that_was_changed(lab, http):
    amend(http, lab)
    given = {"run_minutes": 5, "reset_minutes": 3, "setup_minutes": 30, "sd": 0.02}
    assert http.call("member", "POST", f"/pilots/{lab.pilot_id}/plan/size", json=given).status_code == 200
