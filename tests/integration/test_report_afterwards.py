"""After the report: its company accepts it, and tells 6 and 12 months later what became of it."""

import csv
import io
from datetime import timedelta

import pytest
import sqlalchemy as sa

from lab.core.audit import changes_of
from lab.people.principals import Role
from lab.pilots.maturity.rules import missing_stages
from lab.post.models import Mail
from lab.reports import issuing
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
    assert len(mails_to(desk, "boss@example.org")) == before + 1  # nobody is asked what was answered
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


@pytest.mark.parametrize(
    ("assessed", "state", "missing"),
    [([], "accepted", ["T0"]), (["T0"], "running", []), (["T0"], "reported", ["T1"]), (["T0", "T1"], "reported", [])],
)
def test_an_assessment_is_missing_from_the_moment_it_should_be_there(assessed, state, missing):
    assert missing_stages(assessed, state) == missing
