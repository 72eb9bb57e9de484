"""After the report: its company accepts it, and tells 6 and 12 months later what became of it."""

import csv
import io
from datetime import date, datetime, timedelta

import pytest
import sqlalchemy as sa

from lab.core.audit import changes_of
from lab.core.jobs import Job
from lab.core.settings import Settings
from lab.housekeeping import Housekeeping
from lab.people.principals import Role
from lab.pilots.maturity.rules import missing_stages
from lab.post.models import Mail
from lab.reports import issuing
from lab.reports.afterwards.models import FollowUp
from lab.reports.issue import Statement
from lab.reports.models import Report
from tests.factories import make_account
from tests.integration.test_report_issuing import Desk
from tests.integration.test_reports import Http, Lab, quick_layout  # noqa: F401 - a fixture

YES = {"invested": "yes", "amount_cents": 12_500_000_00, "funding": "loan", "source": "telephone call"}
SCORES = {"strategy": 40, "readiness": 30, "people": 50, "data": 20, "automation": 10, "green": 30}
T0 = {**SCORES, "assessed_on": "2026-11-02", "source": "DMA questionnaire 4711"}


@pytest.fixture
def desk(each_database, tmp_path, quick_layout):  # noqa: F811
    lab = Lab(each_database, tmp_path / "data").make_runs()
    yield Desk(lab)
    lab.store.close()


@pytest.fixture
def http(desk):
    return Http(desk.lab)


def pilot_of(desk):
    return f"/pilots/{desk.report.pilot_id}"


def mails_to(desk, recipient):
    with desk.lab.database.read() as session:
        return session.scalars(sa.select(Mail).where(Mail.recipient == recipient)).all()


def test_a_report_is_accepted_once_by_a_member_of_its_company_and_only_when_approved(desk, http):
    address = f"/reports/{desk.report_id}/acceptance"
    early = http.call("member", "POST", address, json={})
    assert (early.status_code, early.json()["rule"]) == (409, "approved-first")
    desk.approve()
    assert http.get("member", address).json() is None
    assert http.call("stranger", "POST", address, json={}).status_code == 404
    assert http.get("stranger", address).status_code == 404
    for who in ("engineer", "manager", "recipient"):
        assert http.call(who, "POST", address, json={}).status_code == 403
    accepted = http.call("member", "POST", address, json={"comment": "We agree."})
    assert accepted.status_code == 201
    assert accepted.json()["comment"] == "We agree."
    again = http.call("member", "POST", address, json={})
    assert (again.status_code, again.json()["rule"]) == (409, "once")
    assert http.get("engineer", address).json() == accepted.json()
    with desk.lab.database.read() as session:
        (noted,) = [one for one in changes_of(session, "report", desk.report_id) if one.what == "accepted"]
        assert (noted.by, noted.reason) == (desk.lab.people["member"].account_id, "We agree.")


def test_the_company_is_reminded_after_6_and_12_months_unless_it_has_answered(desk, http):
    with desk.lab.database.write() as session:
        make_account(session, Role.MEMBER, organisation_id=desk.lab.organisation_id, sign_in="boss@example.org")
    assert http.get("member", f"{pilot_of(desk)}/follow-ups").json() == []
    desk.approve()
    approved = desk.lab.clock.now()
    assert [one["months"] for one in http.get("member", f"{pilot_of(desk)}/follow-ups").json()] == [6, 12]
    assert http.get("engineer", "/follow-ups?due=true").json() == []
    before = len(mails_to(desk, "boss@example.org"))
    desk.lab.clock.advance(timedelta(days=184))
    for _ in range(2):
        desk.worker.run_due()
    asked = mails_to(desk, "boss@example.org")[before:]
    assert [mail.subject for mail in asked] == ["6 months after pilot PL-2026-001: did you invest?"]
    due = http.get("engineer", "/follow-ups?due=true").json()
    assert [(one["pilot"], one["months"]) for one in due] == [("PL-2026-001", 6)]
    for months in (6, 12):
        answer = http.call("member", "PUT", f"{pilot_of(desk)}/follow-ups/{months}", json=YES)
        assert (answer.status_code, answer.json()["amount_cents"]) == (200, YES["amount_cents"])
    desk.lab.clock.advance(timedelta(days=184))
    desk.worker.run_due()
    (last,) = mails_to(desk, "boss@example.org")[before + 1 :]
    assert last.subject == "12 months after pilot PL-2026-001: how digital are you now?"
    assert "invest" not in last.text  # nobody is asked what was answered
    assert desk.lab.clock.now() > approved + timedelta(days=366)


def test_a_corrected_report_does_not_ask_again(desk, http):
    desk.approve()
    first = http.get("member", f"{pilot_of(desk)}/follow-ups").json()
    new_id = desk.do(issuing.correct_report, "engineer", reason="Typo.")
    desk.do(issuing.review_report, "engineer", report_id=new_id)
    desk.do(issuing.approve_report, "manager", report_id=new_id)
    assert http.get("member", f"{pilot_of(desk)}/follow-ups").json() == first
    assert http.get("member", f"/reports/{new_id}/acceptance").json() is None


def test_a_follow_up_is_told_by_the_company_or_the_staff_and_told_again(desk, http):
    desk.approve()
    address = f"{pilot_of(desk)}/follow-ups/6"
    refused = http.call("member", "PUT", address, json={**YES, "invested": "not yet"})
    assert (refused.status_code, refused.json()["rule"]) == (422, "invested")
    for amount in (-1, 10**14, 1.5, "much"):
        assert http.call("member", "PUT", address, json={**YES, "amount_cents": amount}).status_code == 422
    assert http.call("member", "PUT", address, json={"invested": "yes"}).status_code == 422  # without its source
    assert http.call("member", "PUT", f"{pilot_of(desk)}/follow-ups/7", json=YES).status_code == 404
    for who in ("stranger", "recipient"):
        assert http.call(who, "PUT", address, json=YES).status_code == 404
        assert http.get(who, f"{pilot_of(desk)}/follow-ups").status_code == 404
    assert http.call("engineer", "PUT", address, json={"invested": "not yet", "source": "mail"}).status_code == 200
    assert http.call("member", "PUT", address, json=YES).status_code == 200
    with desk.lab.database.read() as session:
        told = [one for one in changes_of(session, "pilot", desk.report.pilot_id) if one.what == "followed up"]
        assert [one.before and one.before["invested"] for one in told] == [None, "not yet"]
        assert told[1].after["amount_cents"] == YES["amount_cents"]


def test_the_programme_gets_its_figures_as_a_table_that_no_spreadsheet_runs(desk, http):
    desk.approve()
    http.call("member", "PUT", f"{pilot_of(desk)}/maturity/T0", json=T0)
    http.call("member", "PUT", f"{pilot_of(desk)}/follow-ups/6", json={**YES, "comment": "=1+1"})
    assert http.get("member", "/follow-ups").status_code == 403
    assert http.get("member", "/follow-ups.csv").status_code == 403
    answer = http.get("manager", "/follow-ups.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    six, twelve = csv.DictReader(io.StringIO(answer.text))
    assert (six["pilot"], six["months"], six["invested"], six["amount_cents"]) == (
        "PL-2026-001",
        "6",
        "yes",
        str(YES["amount_cents"]),
    )
    assert (six["maturity_t0"], six["maturity_t1"], six["comment"]) == ("30.0", "", "'=1+1")
    assert (twelve["months"], twelve["invested"], twelve["amount_cents"]) == ("12", "", "")


def test_digital_maturity_is_kept_over_time_and_warned_of_but_nothing_waits_for_it(desk, http):
    address = f"{pilot_of(desk)}/maturity"
    found = http.get("member", address).json()
    assert found["missing"] == ["T0", "T1"]
    assert found["warning"] == "digital maturity has not been assessed at T0 and T1 yet"
    assert http.call("member", "PUT", f"{address}/T0", json=T0).json()["overall"] == 30
    assert http.call("engineer", "PUT", f"{address}/T0", json={**T0, "green": 60}).json()["overall"] == 35
    assert http.get("member", address).json()["missing"] == ["T1"]
    for wrong in ({"green": 101}, {"green": -1}, {"source": " "}, {"source": "a\x00b"}, {"assessed_on": "2100-01-01"}):
        refused = http.call("member", "PUT", f"{address}/T1", json={**T0, **wrong})
        assert (refused.status_code, bool(refused.json()["field"])) == (422, True), wrong
    assert http.call("member", "PUT", f"{address}/T3", json=T0).status_code == 422
    for who in ("stranger", "recipient"):
        assert http.call(who, "PUT", f"{address}/T1", json=T0).status_code == 404
        assert http.get(who, address).status_code == 404
    with desk.lab.database.read() as session:
        told = [one for one in changes_of(session, "pilot", desk.report.pilot_id) if one.what == "maturity assessed"]
        assert [one.before and one.before["green"] for one in told] == [None, 30]


def test_the_first_draft_takes_over_what_is_known_of_digital_maturity(database, tmp_path, quick_layout):  # noqa: F811
    lab = Lab(database, tmp_path / "data").make_runs()
    with lab.database.read() as session:
        pilot_id = session.scalar(sa.text("SELECT id FROM pilots"))
    assert Http(lab).call("member", "PUT", f"/pilots/{pilot_id}/maturity/T0", json=T0).status_code == 200
    desk = Desk(lab)
    (said,) = desk.report.issue["statement"]["maturity"]
    assert (said["stage"], said["assessed_on"], said["strategy"]) == ("T0", "2026-11-02", 40)
    assert desk.approve().is_final  # though T1 is missing
    lab.store.close()


def test_a_later_version_takes_over_what_has_become_known_of_digital_maturity(desk, http):
    assert desk.report.issue["statement"]["maturity"] == []
    desk.approve()
    for stage in ("T1", "T0"):
        http.call("member", "PUT", f"{pilot_of(desk)}/maturity/{stage}", json=T0)
    corrected = desk.do(issuing.correct_report, "engineer", reason="Maturity is known now.")
    with desk.lab.database.read() as session:
        issue = session.get_one(Report, corrected).issue
    assert [one["stage"] for one in issue["statement"]["maturity"]] == ["T0", "T1"]


def open_member(desk, sign_in="boss@example.org"):
    with desk.lab.database.write() as session:
        make_account(session, Role.MEMBER, organisation_id=desk.lab.organisation_id, sign_in=sign_in)
    return sign_in


def test_the_reminder_is_written_in_the_language_of_the_report_and_asks_for_t2_after_a_year(desk, http):
    boss = open_member(desk)
    desk.do(issuing.write_statement, "engineer", statement=Statement(language="pl"))
    desk.approve()
    for months in (6, 12):
        http.call("member", "PUT", f"{pilot_of(desk)}/follow-ups/{months}", json=YES)
    before = len(mails_to(desk, boss))
    desk.lab.clock.advance(timedelta(days=370))
    desk.worker.run_due()
    (mail,) = mails_to(desk, boss)[before:]
    assert mail.subject == "12 miesięcy po pilotażu PL-2026-001: jaka jest teraz Państwa dojrzałość cyfrowa?"
    assert "T2" in mail.text
    assert "inwestycja" not in mail.text  # that has been told


def test_nobody_is_asked_for_t2_who_has_told_it(desk, http):
    boss = open_member(desk)
    desk.approve()
    for months in (6, 12):
        http.call("member", "PUT", f"{pilot_of(desk)}/follow-ups/{months}", json=YES)
    http.call("member", "PUT", f"{pilot_of(desk)}/maturity/T2", json=T0)
    before = len(mails_to(desk, boss))
    desk.lab.clock.advance(timedelta(days=370))
    desk.worker.run_due()
    assert len(mails_to(desk, boss)) == before


@pytest.mark.parametrize(("days", "asked"), [(30, []), (200, [6]), (400, [12])])
def test_reports_of_earlier_releases_get_their_follow_ups_and_one_question_at_most(desk, http, days, asked):
    boss = open_member(desk)
    desk.approve()
    approved = desk.lab.clock.now()
    with desk.lab.database.write() as session:  # as an earlier release has left it
        session.execute(sa.delete(FollowUp))
        session.execute(sa.delete(Job).where(Job.kind == "follow-up"))
    desk.lab.clock.advance(timedelta(days=days))
    housekeeping = Housekeeping(desk.lab.database, desk.lab.clock, Settings(data_dir=desk.lab.folder))
    before = len(mails_to(desk, boss))
    for _ in range(2):
        housekeeping.round()
        desk.worker.run_due()
    told = http.get("engineer", f"{pilot_of(desk)}/follow-ups").json()
    assert [one["months"] for one in told] == [6, 12]
    due = datetime.fromisoformat(told[0]["due_at"])
    assert abs(due - approved - timedelta(days=181)) < timedelta(days=2)
    subjects = [mail.subject for mail in mails_to(desk, boss)[before:]]
    assert subjects == [f"{months} months after pilot PL-2026-001: did you invest?" for months in asked]


YEAR_AGO, YESTERDAY, TODAY = date(2026, 11, 22), date(2027, 11, 22), date(2027, 11, 23)


@pytest.mark.parametrize(
    ("assessed", "state", "missing"),
    [
        ({}, "accepted", ["T0"]),
        ({"T0": YEAR_AGO}, "running", []),
        ({"T0": YEAR_AGO}, "reported", ["T1"]),
        ({"T0": YEAR_AGO, "T1": YESTERDAY}, "reported", []),
        ({"T0": YEAR_AGO, "T1": YEAR_AGO}, "reported", ["T2"]),
        ({"T0": YEAR_AGO, "T1": YEAR_AGO, "T2": TODAY}, "reported", []),
    ],
)
def test_an_assessment_is_missing_from_the_moment_it_should_be_there(assessed, state, missing):
    assert missing_stages(assessed, state, today=TODAY) == missing
