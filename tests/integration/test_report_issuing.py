"""A report from the first draft to its approval and correction, and the links that open it without an account."""

import json
import zipfile
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from lab.core.audit import changes_of
from lab.core.errors import ForbiddenError
from lab.core.jobs import Worker
from lab.people.endpoints import SESSION_COOKIE
from lab.people.principals import Role
from lab.people.service import open_session
from lab.post.models import Mail
from lab.reports import issuing, service
from lab.reports.errors import ReportChangedError, ReportStateError, SameReviewerError
from lab.reports.issue import NextStep, Risk, Statement
from lab.reports.jobs import report_handlers
from lab.reports.links import service as links
from lab.reports.models import Report
from lab.reports.verifying import verify_package
from tests.factories import make_account, principal
from tests.integration.test_reports import Http, Lab, quick_layout  # noqa: F401 - a fixture
from tests.web_client import browser, program

SAID = Statement(
    authors=("Piotr Zieliński",),
    risks=(Risk(text="The chuck wears faster.", likelihood="medium", impact="low"),),
    next_steps=(NextStep(text="Ask for an offer.", owner="Anna Kowalska"),),
    transfer="Your mill has a weaker spindle.",
)


class Desk:
    """A pilot with a first draft, a manager, and the worker that writes."""

    def __init__(self, lab):
        self.lab = lab
        with lab.database.write() as session:
            row = make_account(session, Role.MANAGER, organisation_id=lab.engineer.organisation_id)
            lab.people["manager"] = principal(row.role, row.organisation_id, account_id=row.id)
        handlers = report_handlers(lab.database, lab.store, data_dir=lab.folder, clock=lab.clock)
        self.worker = Worker(lab.database, lab.clock, {**handlers, "mail": lambda _job: None})
        self.report_id = lab.report().id

    @property
    def report(self) -> Report:
        with self.lab.database.read() as session:
            return session.get_one(Report, self.report_id)

    def do(self, what, who, *, report_id=None, write=True, **facts):
        self.lab.clock.advance(timedelta(minutes=1))
        if what is not issuing.correct_report:
            facts.setdefault("version", None)
        done = self.lab.write(
            lambda s: what(s, self.lab.people[who], report_id or self.report_id, now=self.lab.clock.now(), **facts)
        )
        if write:
            self.worker.run_due()
        return done.id

    def approve(self):
        self.do(issuing.review_report, "engineer")
        self.do(issuing.approve_report, "manager")
        return self.report

    def link(self, who="member", **facts):
        given = {"label": "Bank", "days": 30, "now": self.lab.clock.now(), **facts}
        return self.lab.write(lambda s: links.create_link(s, self.lab.people[who], self.report_id, **given))


@pytest.fixture
def lab(database, tmp_path):
    found = Lab(database, tmp_path / "data").make_runs()
    yield found
    found.store.close()


@pytest.fixture
def desk(lab, quick_layout):  # noqa: F811
    return Desk(lab)


def test_from_draft_to_approved_the_files_say_what_people_said(lab):
    desk = Desk(lab)
    desk.do(issuing.write_statement, "engineer", statement=SAID)
    first = lab.folder / desk.report.folder
    approved = desk.approve()
    assert approved.is_final
    assert not first.exists()  # only what is valid stays
    package = lab.folder / approved.folder / "package.zip"
    issue = json.loads(zipfile.ZipFile(package).read("issue.json"))
    assert issue["status"] == "approved"
    assert issue["statement"]["transfer"] == "Your mill has a weaker spindle."
    assert issue["reviewed"]["role"] == "Lab engineer"
    assert issue["approved"]["role"] == "Lab manager"
    assert approved.results["identification"]["status"] == "approved"
    assert approved.results["identification"]["dated"] == issue["approved"]["at"]
    findings = verify_package(package)
    assert [one for one in findings if one.level == "wrong"] == []


def test_every_step_belongs_to_its_role_and_its_state(desk):
    with pytest.raises(ForbiddenError):
        desk.do(issuing.review_report, "member")
    with pytest.raises(ReportStateError, match="after somebody else has reviewed"):
        desk.do(issuing.approve_report, "manager")
    desk.do(issuing.review_report, "engineer")
    with pytest.raises(ReportStateError, match="reviewed already"):
        desk.do(issuing.review_report, "manager")
    with pytest.raises(ReportStateError, match="send it back"):
        desk.do(issuing.write_statement, "engineer", statement=SAID)
    with pytest.raises(ForbiddenError):
        desk.do(issuing.approve_report, "engineer")
    desk.do(issuing.send_back, "manager", reason="A number is missing.")
    assert desk.report.status == "draft"
    assert desk.report.issue["reviewed"] is None
    desk.do(issuing.review_report, "manager")
    with pytest.raises(SameReviewerError):
        desk.do(issuing.approve_report, "manager")
    with desk.lab.database.read() as session:
        told = changes_of(session, "report", desk.report_id)
        assert [one.what for one in told] == ["reviewed", "sent back", "reviewed"]
        assert told[1].reason == "A number is missing."


def test_nobody_reviews_what_is_not_written_yet_or_has_changed_meanwhile(desk):
    desk.do(issuing.write_statement, "engineer", statement=SAID, write=False)
    with pytest.raises(ReportStateError, match="being written"):
        desk.do(issuing.review_report, "engineer")
    desk.worker.run_due()
    with pytest.raises(ReportChangedError):
        desk.do(issuing.review_report, "engineer", version=1)
    desk.do(issuing.review_report, "engineer", version=2)


def test_an_approved_report_does_not_change_and_its_company_is_told_once(desk):
    with desk.lab.database.write() as session:
        make_account(session, Role.MEMBER, organisation_id=desk.lab.organisation_id, sign_in="boss@example.org")
    desk.approve()
    for statement in (sa.update(Report).values(verdict="Invest!"), sa.delete(Report)):
        with pytest.raises(DBAPIError, match="does not change"), desk.lab.database.write() as session:
            session.execute(statement)
    desk.worker.run_due()
    issuing.write_again(desk.lab.database, desk.report_id, data_dir=desk.lab.folder, clock=desk.lab.clock)
    with desk.lab.database.read() as session:
        mails = session.scalars(sa.select(Mail).where(Mail.recipient == "boss@example.org")).all()
        assert [mail.about for mail in mails if mail.about != desk.lab.pilot_id] == [desk.report_id]
        everybody = session.scalars(sa.select(Mail.recipient).where(Mail.about == desk.report_id)).all()
        assert len(everybody) == len(set(everybody)) == 3  # member, recipient and boss: the company's people, no others
        assert f"Your report {desk.report.number} is ready" in [mail.subject for mail in mails]


def test_who_reads_polish_is_told_in_polish_whatever_language_the_report_has(desk):
    with desk.lab.database.write() as session:
        boss = {"organisation_id": desk.lab.organisation_id, "sign_in": "szef@example.org", "language": "pl"}
        make_account(session, Role.MEMBER, **boss)
    desk.approve()
    desk.worker.run_due()
    with desk.lab.database.read() as session:
        own = sa.select(Mail).where(Mail.recipient == "szef@example.org", Mail.about == desk.report_id)
        [mail] = session.scalars(own).all()
    assert mail.subject == f"Raport {desk.report.number} jest gotowy"
    assert "jest zatwierdzony. Jego odpowiedź: " in mail.text


def test_the_database_keeps_an_approved_report_on_both_databases(each_database, tmp_path, quick_layout):  # noqa: F811
    lab = Lab(each_database, tmp_path).make_runs()
    Desk(lab).approve()
    with pytest.raises(DBAPIError, match="does not change"), lab.database.write() as session:
        session.execute(sa.update(Report).values(status="draft"))
    lab.store.close()


def test_a_correction_is_a_new_version_that_names_the_old_one(desk):
    desk.do(issuing.write_statement, "engineer", statement=SAID)
    with pytest.raises(ReportStateError, match="not approved"):
        desk.do(issuing.correct_report, "engineer", reason="Typo.")
    old = desk.approve()
    kept = {path.name: path.read_bytes() for path in (desk.lab.folder / old.folder).iterdir() if path.is_file()}
    new_id = desk.do(issuing.correct_report, "engineer", reason="The customer's name was misspelt.")
    with pytest.raises(ReportStateError, match="replaces this report already"):
        desk.do(issuing.correct_report, "engineer", reason="Again.")
    with desk.lab.database.read() as session:
        new = session.get_one(Report, new_id)
        assert (new.number, new.version, new.status, new.is_written) == ("PL-2026-001-R2", 2, "draft", True)
        assert new.issue["replaces"] == old.number
        assert new.issue["statement"]["authors"] == ["Piotr Zieliński"]
        assert new.issue["changes"][0]["reason"] == "The customer's name was misspelt."
        assert new.results["identification"]["report_number"] == "PL-2026-001-R2"
        listed = service.list_reports(session, desk.lab.member)
        assert [one.number for one in listed] == ["PL-2026-001-R2", "PL-2026-001-R1"]
    now = {path.name: path.read_bytes() for path in (desk.lab.folder / old.folder).iterdir() if path.is_file()}
    assert now == kept


def test_a_correction_that_is_not_written_yet_shows_no_files(desk):
    desk.approve()
    http = Http(desk.lab)
    new_id = desk.do(issuing.correct_report, "engineer", reason="Typo.", write=False)
    answer = http.get("member", f"/reports/{new_id}/report.pdf")
    assert answer.status_code == 503
    assert "being written" in answer.json()["detail"]
    desk.worker.run_due()
    assert http.get("member", f"/reports/{new_id}/report.pdf").status_code == 200


def test_who_only_reads_reports_reads_approved_ones(desk):
    http = Http(desk.lab)
    assert http.get("recipient", "/reports").json() == []
    assert http.get("recipient", f"/reports/{desk.report_id}").status_code == 404
    desk.approve()
    assert [one["status"] for one in http.get("recipient", "/reports").json()] == ["approved"]


def test_review_and_approval_over_http_with_if_match(desk):
    http = Http(desk.lab)
    address = f"/reports/{desk.report_id}"
    body = SAID.model_dump(mode="json")
    assert http.call("member", "PUT", f"{address}/statement", json=body).status_code == 403
    assert http.call("engineer", "PUT", f"{address}/statement", json={**body, "verdict": "Invest"}).status_code == 422
    written = http.call("engineer", "PUT", f"{address}/statement", json=body, headers={"If-Match": '"1"'})
    assert (written.status_code, written.json()["revision"], written.json()["is_written"]) == (200, 2, False)
    desk.worker.run_due()
    stale = http.call("engineer", "POST", f"{address}/review", headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert http.call("engineer", "POST", f"{address}/review").json()["status"] == "reviewed"
    desk.worker.run_due()
    assert http.call("stranger", "POST", f"{address}/approve").status_code == 403
    assert http.call("manager", "POST", f"{address}/approve").json()["status"] == "approved"
    assert http.call("engineer", "POST", f"{address}/correct", json={"reason": " "}).status_code == 422
    desk.worker.run_due()
    assert http.call("engineer", "POST", f"{address}/correct", json={"reason": "Typo."}).status_code == 201


# Links


def shared(desk, secret, path=""):
    return program(Http(desk.lab).app).get(f"/shared/{secret}{path}")


def test_a_link_opens_one_report_and_nothing_else_and_every_opening_is_noted(desk):
    desk.approve()
    link, secret = desk.link()
    answer = shared(desk, secret)
    assert answer.status_code == 200
    assert desk.report.number in answer.text
    assert "Invest" in answer.text
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert shared(desk, secret, "/report.pdf").content.startswith(b"%PDF")
    assert shared(desk, secret, "/package.zip").content.startswith(b"PK")
    app = program(Http(desk.lab).app)
    for path in (f"/reports/{desk.report_id}", "/api/v1/reports", f"/api/v1/reports/{desk.report_id}/report.pdf"):
        assert app.get(path, headers={"Authorization": f"Bearer {secret}"}).status_code in {401, 303}
    with desk.lab.database.read() as session:
        told = [one.after["what"] for one in changes_of(session, "report-link", link.id) if one.what == "opened"]
        assert told == ["page", "report.pdf", "package.zip"]
        (listed,) = links.list_links(session, desk.lab.member, desk.report_id)
        assert listed.opened == 3


def test_a_link_ends_by_itself_and_can_be_closed_and_says_the_same_as_one_that_never_was(desk):
    desk.approve()
    (_, first), (second_link, second) = desk.link(days=1), desk.link(days=30)
    desk.lab.clock.advance(timedelta(days=1))
    assert shared(desk, first).status_code == 404
    assert shared(desk, second).status_code == 200
    desk.lab.write(lambda s: links.revoke_link(s, desk.lab.engineer, second_link.id, now=desk.lab.clock.now()))
    gone = [shared(desk, secret, path) for secret in (first, second, "rpt_never") for path in ("", "/report.pdf")]
    assert {answer.status_code for answer in gone} == {404}
    assert len({answer.json()["detail"] for answer in gone}) == 1


@pytest.mark.parametrize("secret", ["%00", "a%00b", "%F0%9F%98%80", "..%2f..", "x" * 300])
def test_strange_secrets_lead_nowhere(desk, secret):
    assert shared(desk, secret).status_code == 404


def test_a_link_is_made_for_an_approved_report_by_those_whose_it_is(desk):
    with pytest.raises(ReportStateError, match="not approved yet"):
        desk.link()
    desk.approve()
    http = Http(desk.lab)
    address = f"/reports/{desk.report_id}/links"
    body = {"label": "Bank", "days": 14}
    assert http.call("stranger", "POST", address, json=body).status_code == 404
    assert http.call("recipient", "POST", address, json=body).status_code == 403
    refused = http.call("member", "POST", address, json={"label": "Bank", "days": 1000})
    assert (refused.status_code, refused.json()["nearest"]) == (422, 366)
    made = http.call("member", "POST", address, json=body)
    assert made.status_code == 201
    secret = made.json()["url"].rsplit("/", 1)[1]
    assert shared(desk, secret).status_code == 200
    listed = http.get("engineer", address)
    assert secret not in listed.text
    link_id = listed.json()["links"][0]["id"]
    assert http.call("stranger", "POST", f"/report-links/{link_id}/revoke").status_code == 404
    assert http.call("member", "POST", f"/report-links/{link_id}/revoke").status_code == 200
    assert shared(desk, secret).status_code == 404


def test_a_link_says_that_there_is_a_newer_version(desk):
    desk.approve()
    _, secret = desk.link()
    new_id = desk.do(issuing.correct_report, "engineer", reason="Typo.")
    assert "newer version" not in shared(desk, secret).text
    desk.do(issuing.review_report, "engineer", report_id=new_id)
    desk.do(issuing.approve_report, "manager", report_id=new_id)
    assert "newer version" in shared(desk, secret).text


# Pages


def signed_in(desk, who):
    client = browser(Http(desk.lab).app)
    with desk.lab.database.write() as session:
        secret = open_session(session, desk.lab.people[who].account_id, now=desk.lab.clock.now())
    client.cookies.set(SESSION_COOKIE, secret)
    return client


def test_on_the_page_one_reviews_another_approves_and_the_company_shares(desk):
    address = f"/reports/{desk.report_id}"
    engineer, manager, member = (signed_in(desk, who) for who in ("engineer", "manager", "member"))
    assert "I have reviewed it" in engineer.get(address).text
    assert "I have reviewed it" not in member.get(address).text
    assert engineer.post(f"{address}/review", data={"revision": 1}).headers["location"].endswith("done=reviewed")
    assert "being written" in manager.get(address).text
    assert manager.post(f"{address}/approve", data={"revision": 2}).headers["location"].endswith("done=late")
    desk.worker.run_due()
    assert "Approve for good" not in engineer.get(address).text
    assert (
        engineer.post(f"{address}/send-back", data={"revision": 2, "reason": " "})
        .headers["location"]
        .endswith("reason")
    )
    assert manager.post(f"{address}/approve", data={"revision": 2}).headers["location"].endswith("done=approved")
    desk.worker.run_due()
    shown = member.post(f"{address}/links", data={"label": "Bank <b>", "days": 30})
    secret = shown.text.partition("/shared/")[2].partition("<")[0]
    assert "Bank &lt;b&gt;" in shown.text
    assert shared(desk, secret).status_code == 200
    assert secret not in member.get(address).text
    (link,) = desk.lab.write(lambda s: links.list_links(s, desk.lab.member, desk.report_id))
    assert member.post(f"{address}/links/{link.id}/revoke").headers["location"].endswith("done=closed")
    assert shared(desk, secret).status_code == 404


def test_strangers_and_readers_change_nothing_on_the_page(desk):
    address = f"/reports/{desk.report_id}"
    for who, status in (("stranger", 403), ("member", 403), ("recipient", 403)):
        assert signed_in(desk, who).post(f"{address}/review", data={"revision": 1}).status_code == status
    assert desk.report.status == "draft"
    desk.approve()
    assert signed_in(desk, "stranger").post(f"{address}/links", data={"label": "x", "days": 1}).status_code == 404
    assert signed_in(desk, "recipient").post(f"{address}/links", data={"label": "x", "days": 1}).status_code == 403
    assert "Make a link" not in signed_in(desk, "recipient").get(address).text
    about = desk.report.results["identification"]
    listed = signed_in(desk, "recipient").get("/").text
    assert all(about[fact] in listed for fact in ("report_number", "pilot_title", "customer")), (
        "what each report is about"
    )
