"""How a company's question reaches the lab: without an account, and then it becomes a pilot or goes to a partner."""

import pytest
import sqlalchemy as sa

from lab.app import create_app
from lab.core.audit import changes_of
from lab.core.clock import LabClock
from lab.core.settings import Settings
from lab.people.models import Organisation
from lab.people.principals import Role
from lab.people.service import create_api_token
from lab.pilots.enquiries.models import Enquiry
from lab.pilots.enquiries.service import MOST_A_DAY_FOR_ADDRESS, MOST_AN_HOUR
from lab.pilots.models import Pilot
from lab.post.models import Mail
from tests.factories import MONDAY_MORNING, make_account, make_organisation, principal
from tests.web_client import browser, program

ASKED = {
    "company": "Odlewnia Bytom sp. z o.o.",
    "contact": "Ewa Maj",
    "mail": "ewa@odlewnia.example",
    "question": "Would a robot pay for our deburring?",
    "size_class": "small",
    "nace": "24.5",
    "region": "PL22A",
}


class Office:
    """A lab with staff, a company with a member, a partner, and somebody whom nobody knows."""

    def __init__(self, database):
        self.database = database
        self.app = create_app(
            settings=Settings(), database=database, clock=LabClock(MONDAY_MORNING), store=None, live=None
        )
        with database.write() as session:
            self.partner_id = make_organisation(session, "Robot Institute", kind="partner").id
            self.company_id = make_organisation(session, "Company").id
            rows = {
                "engineer": make_account(session, Role.ENGINEER),
                "member": make_account(session, Role.MEMBER, organisation_id=self.company_id),
                "stranger": make_account(session, Role.MEMBER),
                "recipient": make_account(session, Role.RECIPIENT, organisation_id=self.company_id),
            }
            self.tokens = {
                name: create_api_token(
                    session,
                    principal(row.role, row.organisation_id, account_id=row.id),
                    name="t",
                    scopes=("read", "write"),
                    now=MONDAY_MORNING,
                )[1]
                for name, row in rows.items()
            }

    def call(self, who, method, path, **body):
        return program(self.app, self.tokens.get(who)).call(method, f"/api/v1{path}", json=body or None)

    def ask(self, who=None, **facts):
        return self.call(who, "POST", "/enquiries" + ("/own" if who else ""), **{**ASKED, **facts})

    def rows(self, table):
        with self.database.read() as session:
            return session.scalars(sa.select(table)).all()


@pytest.fixture
def office(database):
    return Office(database)


def test_a_question_without_an_account_becomes_a_pilot_of_a_company_that_is_registered_with_it(office):
    asked = office.ask()
    assert asked.status_code == 201
    assert set(asked.json()) == {"id", "asked_at"}
    enquiry_id = asked.json()["id"]
    accepted = office.call("engineer", "POST", f"/enquiries/{enquiry_id}/accept", title="Deburring robot")
    assert accepted.status_code == 200
    (pilot,) = office.rows(Pilot)
    assert (pilot.id, pilot.question) == (accepted.json()["pilot_id"], ASKED["question"])
    with office.database.read() as session:
        company = session.get_one(Organisation, pilot.organisation_id)
        assert (company.name, company.size_class, company.nace, company.region) == (
            ASKED["company"], "small", "24.5", "PL22A",
        )  # fmt: skip
        assert [one.what for one in changes_of(session, "enquiry", enquiry_id)] == ["accepted"]
    (mail,) = office.rows(Mail)
    assert mail.recipient == ASKED["mail"]
    assert pilot.number in mail.subject


def test_a_question_that_others_answer_better_goes_to_a_partner_and_whoever_asked_is_told(office):
    enquiry_id = office.ask().json()["id"]
    unfit = office.call("engineer", "POST", f"/enquiries/{enquiry_id}/refer", partner_id=office.company_id, answer="x")
    assert (unfit.status_code, unfit.json()["rule"]) == (422, "partner")
    referred = office.call(
        "engineer", "POST", f"/enquiries/{enquiry_id}/refer", partner_id=office.partner_id, answer="They have robots."
    )
    assert referred.json()["state"] == "referred"
    (mail,) = office.rows(Mail)
    assert "Robot Institute" in mail.text
    assert "They have robots." in mail.text
    assert office.rows(Pilot) == []


@pytest.mark.parametrize(
    ("language", "said"),
    [("pl", ("Twoje pytanie: pilotaż", "Możemy pomóc")), (None, ("Your enquiry: pilot", "We can"))],
)
def test_whoever_asks_is_answered_in_the_language_of_the_question(office, language, said):
    enquiry_id = office.ask(**({"language": language} if language else {})).json()["id"]
    office.call("engineer", "POST", f"/enquiries/{enquiry_id}/accept", title="Deburring robot")
    (mail,) = office.rows(Mail)
    assert mail.subject.startswith(said[0])
    assert said[1] in mail.text
    assert ASKED["question"] in mail.text


def test_who_asks_on_a_polish_page_is_answered_in_polish(office):
    visitor = browser(office.app)
    visitor.cookies.set("pilotlab_language", "pl")
    form = {name: ASKED[name] for name in ("company", "contact", "mail", "question")}
    assert visitor.post("/ask", data=form).status_code == 200
    (enquiry,) = office.rows(Enquiry)
    assert enquiry.language == "pl"
    office.call(
        "engineer", "POST", f"/enquiries/{enquiry.id}/refer", partner_id=office.partner_id, answer="Mają roboty."
    )
    (mail,) = office.rows(Mail)
    assert mail.subject == "Twoje pytanie: pomoże Robot Institute"
    assert "Prosimy pytać tu: Robot Institute" in mail.text


def test_an_enquiry_is_decided_once(office):
    enquiry_id = office.ask().json()["id"]
    accept = f"/enquiries/{enquiry_id}/accept"
    assert office.call("engineer", "POST", accept, title="T").status_code == 200
    again = office.call("engineer", "POST", accept, title="T")
    assert (again.status_code, again.json()["now"]) == (409, "accepted")
    assert len(office.rows(Pilot)) == 1


def test_a_company_that_is_there_already_is_named_and_nothing_is_half_done(office):
    enquiry_id = office.ask(company="Company").json()["id"]
    taken = office.call("engineer", "POST", f"/enquiries/{enquiry_id}/accept", title="T")
    assert taken.status_code == 409
    assert office.rows(Enquiry)[0].state == "new"
    named = office.call(
        "engineer", "POST", f"/enquiries/{enquiry_id}/accept", title="T", organisation_id=office.company_id
    )
    assert named.status_code == 200


def test_everybody_sees_the_own_enquiries_and_only_the_staff_decides(office):
    enquiry_id = office.ask("member").json()["id"]
    office.ask()
    seen = {who: len(office.call(who, "GET", "/enquiries").json()) for who in office.tokens}
    assert seen == {"engineer": 2, "member": 1, "stranger": 0, "recipient": 0}
    assert len(office.call("engineer", "GET", "/enquiries?state=accepted").json()) == 0
    for who in ("member", "stranger", "recipient"):
        assert office.call(who, "POST", f"/enquiries/{enquiry_id}/accept", title="T").status_code == 403
    assert office.call(None, "GET", "/enquiries").status_code == 401
    assert office.call("engineer", "POST", "/enquiries/enq_none/accept", title="T").status_code == 404


@pytest.mark.parametrize(
    ("facts", "field"),
    [({"mail": "ewa"}, "mail"), ({"mail": "a@b.example\nBcc: x@y.example"}, "mail"), ({"nace": "99999"}, "nace"),
     ({"question": " "}, "question"), ({"company": "a\x00b"}, "company"), ({"more": 1}, "more")],
)  # fmt: skip
def test_a_question_of_the_wrong_form_is_refused_by_its_field(office, facts, field):
    refused = office.ask(**facts)
    assert (refused.status_code, refused.json()["field"]) == (422, field)
    assert office.rows(Enquiry) == []


def test_nobody_floods_the_lab_without_an_account(office):
    for _ in range(MOST_A_DAY_FOR_ADDRESS):
        assert office.ask().status_code == 201
    refused = office.ask()
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    for number in range(MOST_AN_HOUR - MOST_A_DAY_FOR_ADDRESS):
        assert office.ask(mail=f"p{number}@example.org").status_code == 201
    assert office.ask(mail="one-more@example.org").status_code == 429
    assert office.ask("member").status_code == 201
