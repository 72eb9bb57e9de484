"""Companies and partners on pages: what programmes count them by is asked, registered, shown and corrected."""

import pytest
from httpx import Response

from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from lab.people.models import Organisation
from lab.pilots.enquiries.models import Enquiry
from tests.integration.test_pages import words
from tests.web_client import Town, browser

PEOPLE = "/manage/people"
QUESTION = {
    "company": "Bakery Nowak", "contact": "Ola Nowak", "mail": "ola@example.org",
    "question": "Would a robot pack our bread?",
}  # fmt: skip


class Office(Town):
    """The town with its pages."""

    def __init__(self, database: Database, clock: LabClock) -> None:
        super().__init__(database, clock)
        self.app = create_app(settings=Settings(), database=database, clock=clock, store=None, live=None)

    def get(self, who: str, path: str) -> Response:
        return self.browser(self.app, who).get(path)

    def post(self, who: str, path: str, **form: str) -> Response:
        return self.browser(self.app, who).post(path, data=form)

    def organisation(self, name: str) -> Organisation | None:
        with self.database.read() as session:
            return session.query(Organisation).filter(Organisation.name == name).one_or_none()

    def enquiry(self) -> Enquiry:
        with self.database.read() as session:
            return session.query(Enquiry).one()


@pytest.fixture
def office(database: Database, lab_clock: LabClock) -> Office:
    return Office(database, lab_clock)


def test_what_a_company_says_of_itself_with_its_question_is_registered_with_it(office: Office) -> None:
    facts = {"size_class": "small", "nace": "10.71.z", "region": "pl22a"}
    assert "has arrived" in words(browser(office.app).post("/ask", data={**QUESTION, **facts}))
    assert "small, 10.71.Z, PL22A" in words(office.get("manager", "/manage/enquiries"))
    enquiry = office.enquiry()
    assert office.post("manager", f"/manage/enquiries/{enquiry.id}/accept", title="Packing").status_code == 303
    company = office.organisation("Bakery Nowak")
    assert company is not None
    assert (company.size_class, company.nace, company.region) == ("small", "10.71.Z", "PL22A")


def test_nobody_has_to_say_it_and_what_cannot_be_a_code_is_refused_with_everything_kept(office: Office) -> None:
    refused = browser(office.app).post("/ask", data={**QUESTION, "nace": "bread"})
    assert "NACE or PKD code such as C25 or 25.62.Z" in words(refused, 422)
    assert 'value="BREAD"' in refused.text
    assert "Would a robot pack our bread?" in refused.text
    assert "has arrived" in words(browser(office.app).post("/ask", data=QUESTION))
    assert (office.enquiry().size_class, office.enquiry().nace) == (None, None)


def test_a_question_of_a_company_that_is_known_says_so_and_opens_nothing(office: Office) -> None:
    browser(office.app).post("/ask", data={**QUESTION, "company": office.foundry.name})
    enquiry = office.enquiry()
    answer = office.post("manager", f"/manage/enquiries/{enquiry.id}/accept", title="Packing")
    assert "is registered already" in words(office.get("manager", answer.headers["location"]))
    assert office.enquiry().state == "new"


def test_a_partner_is_registered_on_a_page_and_companies_are_referred_to_it(office: Office) -> None:
    browser(office.app).post("/ask", data=QUESTION)
    assert "register the partner first" in words(office.get("manager", "/manage/enquiries"))
    made = office.post("engineer", f"{PEOPLE}/companies", name="Robot House", kind="partner", region="pl22")
    assert made.headers["location"].endswith("done=company")
    partner = office.organisation("Robot House")
    assert partner is not None
    assert (partner.kind, partner.region) == ("partner", "PL22")
    assert "Refer to a partner" in words(office.get("manager", "/manage/enquiries"))
    refer = f"/manage/enquiries/{office.enquiry().id}/refer"
    told = office.post("manager", refer, partner_id=partner.id, answer="They have robots.")
    assert told.headers["location"].endswith("done=referred")
    assert office.enquiry().state == "referred"


@pytest.mark.parametrize("form", [{"kind": "lab"}, {"nace": "steel"}, {"region": "Silesia"}, {"size_class": "huge"}])
def test_what_no_figure_could_count_is_not_registered(office: Office, form: dict[str, str]) -> None:
    refused = office.post("manager", f"{PEOPLE}/companies", **{"name": "New one", **form})
    assert 'id="problem"' in refused.text
    assert refused.status_code == 422
    assert office.organisation("New one") is None


def test_a_manager_corrects_a_company_and_the_log_says_so(office: Office) -> None:
    change = f"{PEOPLE}/companies/{office.foundry.id}/change"
    page = office.get("manager", PEOPLE)
    assert change in page.text
    facts = {"name": "Foundry", "size_class": "medium", "nace": "24.51.z", "region": "PL22A"}
    answer = office.post("manager", change, **facts, undertaking="Kowalski-Group")
    assert answer.headers["location"].endswith("done=corrected#companies")
    text = words(office.get("manager", f"{PEOPLE}?done=corrected"))
    assert "stands in the log of changes" in text
    assert "medium 24.51.Z PL22A kowalski-group" in text
    assert "Linked companies: " in words(office.get("manager", "/manage/audit?subject=organisation"))
    emptied = office.post("manager", change, name="Foundry")
    assert emptied.status_code == 303
    kept = office.organisation("Foundry")
    assert kept is not None
    assert (kept.size_class, kept.nace, kept.undertaking) == (None, None, None)


def test_only_managers_correct_companies_and_only_the_staff_sees_them(office: Office) -> None:
    change = f"{PEOPLE}/companies/{office.foundry.id}/change"
    assert change not in office.get("engineer", PEOPLE).text
    for who in ("engineer", "founder", "reader"):
        assert office.post(who, change, name="Mine").status_code == 403
    assert office.get("founder", PEOPLE).status_code == 403
    assert office.post("manager", f"{PEOPLE}/companies/org_nobody/change", name="X").status_code == 404
    taken = office.post("manager", change, name=office.joinery.name)
    assert "already an organisation named" in words(taken, 422)
    assert office.organisation("Mine") is None


def test_in_polish_a_wrong_code_is_refused_in_polish(office: Office) -> None:
    client = browser(office.app)
    client.cookies.set("pilotlab_language", "pl")
    assert "ranża to kod NACE lub PKD" in words(client.post("/ask", data={**QUESTION, "nace": "xx"}), 422)
