"""Public support on a page: programmes and their companies, the ledger, aid of others, what remains of the ceiling."""

import re
from html import unescape

import pytest
from httpx import Response

from bookings.prices.models import OtherAid, Programme, ProgrammeMember, SupportEntry
from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from tests.booking_lab import at
from tests.factories import MONDAY_MORNING, make_device
from tests.integration.test_pages import words
from tests.placed_bookings import place_booking
from tests.web_client import Town

SUPPORT = "/manage/support"
TERMS = {
    "name": "Test before invest", "legal_basis": "de-minimis", "price": "30", "share": "80,5", "first": "2026-11-01",
    "last": "2027-10-31",
}  # fmt: skip
AID = {"grantor": "Regional agency", "reference": "12/2026", "granted": "2026-03-02", "amount": "12 500,50"}


class Office(Town):
    """The town with its pages."""

    def __init__(self, database: Database, clock: LabClock) -> None:
        super().__init__(database, clock)
        self.app = create_app(settings=Settings(), database=database, clock=clock, store=None, live=None)

    def get(self, who: str, path: str = SUPPORT) -> Response:
        return self.browser(self.app, who).get(path)

    def post(self, who: str, path: str, **form: str) -> Response:
        return self.browser(self.app, who).post(f"{SUPPORT}{path}", data=form)

    def programme(self) -> Programme:
        with self.database.read() as session:
            return session.query(Programme).one()

    def rows(self, table: type) -> list:
        with self.database.read() as session:
            return list(session.query(table).order_by(table.id))


@pytest.fixture
def office(database: Database, lab_clock: LabClock) -> Office:
    return Office(database, lab_clock)


def test_a_manager_sets_up_a_programme_takes_a_company_in_and_out(office: Office) -> None:
    assert "everybody pays the market price" in words(office.get("engineer"))
    made = office.post("manager", "/programmes", **TERMS)
    assert made.headers["location"] == f"{SUPPORT}?done=programme"
    programme = office.programme()
    assert (programme.price_per_mille, programme.state_share_per_mille) == (300, 805)
    assert programme.valid_from.isoformat() == "2026-10-31T23:00:00+00:00"  # the lab's midnight
    assert programme.valid_until.isoformat() == "2027-10-31T23:00:00+00:00"  # the last day belongs to it
    join = f"/programmes/{programme.id}/companies"
    assert office.post("manager", join, organisation_id=office.foundry.id).status_code == 303
    page = words(office.get("manager"))
    assert "a company pays 30 per cent, 80.5 per cent of the rest is state aid" in page
    assert f"{office.foundry.name} Take out" in page
    leave = f"{join}/{office.foundry.id}/leave"
    assert office.post("manager", leave).headers["location"].endswith("done=left")
    assert f"{office.foundry.name} left Mon 23 Nov 2026" in words(office.get("manager"))
    with office.database.read() as session:
        assert session.query(ProgrammeMember).one().left_at is not None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": " "}, "give the programme a name"),
        ({"price": "130"}, "from 0 to 100"),
        ({"price": "12.345"}, "from 0 to 100"),
        ({"share": "much"}, "state’s share"),
        ({"first": "soon"}, "the first day"),
        ({"last": "31.10.2027"}, "the last day"),
        ({"last": "0001-01-01"}, "the last day"),
        ({"legal_basis": "because"}, "check what you have typed"),
        ({"last": "2026-10-01"}, "ends"),
    ],
)
def test_terms_that_make_no_sense_are_said_and_kept_in_the_form(office: Office, changes, said) -> None:
    refused = office.post("manager", "/programmes", **{**TERMS, **changes})
    assert said in words(refused, 422)
    assert 'value="80,5"' in refused.text or "share" in changes
    assert office.rows(Programme) == []


def test_aid_of_others_uses_the_ceiling_up_and_is_taken_back_by_an_entry_of_its_own(office: Office) -> None:
    company = office.foundry.id
    made = office.post("manager", "/other-aid", organisation_id=company, **AID)
    assert made.headers["location"].startswith(f"{SUPPORT}?organisation_id={company}&done=recorded")
    page = words(office.get("manager", f"{SUPPORT}?organisation_id={company}"))
    assert "Remains 287 499.50 EUR" in page.replace("\u202f", " ").replace("\u00a0", " ")
    (aid,) = office.rows(OtherAid)
    assert (aid.cents, aid.granted_at.isoformat()) == (1_250_050, "2026-03-01T23:00:00+00:00")
    unsaid = office.post("manager", f"/other-aid/{aid.id}/take-back", reason=" ")
    assert "say why the entry is taken back" in words(unsaid, 422)
    assert office.post("manager", f"/other-aid/{aid.id}/take-back", reason="It was a loan.").status_code == 303
    page = words(office.get("manager", f"{SUPPORT}?organisation_id={company}"))
    assert "Remains 300 000.00 EUR" in page.replace("\u202f", " ").replace("\u00a0", " ")
    assert "It was a loan." in page
    assert "Take back" not in page
    again = office.post("manager", f"/other-aid/{aid.id}/take-back", reason="Once more.")
    assert again.status_code == 422
    assert [one.cents for one in office.rows(OtherAid)] == [1_250_050, -1_250_050]


def test_all_aid_of_others_can_be_read_and_what_is_taken_back_stays_so_on_every_page(office: Office) -> None:
    facts = {"organisation_id": office.foundry.id, "granted_at": MONDAY_MORNING, "written_by": "acc"}
    with office.database.write() as session:
        for number in range(101):
            session.add(OtherAid(**facts, grantor=f"Agency {number}", cents=100, written_at=MONDAY_MORNING))
    oldest = office.rows(OtherAid)[0]
    office.post("manager", f"/other-aid/{oldest.id}/take-back", reason="It was a loan.")
    first = office.get("manager")
    assert "It was a loan." in words(first)
    assert "Agency 1 " not in words(first)
    (link,) = re.findall(r'href="(/manage/support\?[^"]*others=[^"]*)#others"', first.text)
    second = office.get("manager", unescape(link))
    assert "Agency 1 " in words(second)
    assert f"/other-aid/{oldest.id}/take-back" not in second.text
    assert f"/other-aid/{oldest.id + 1}/take-back" in second.text
    assert "Earlier entries" not in words(second)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"grantor": ""}, "who granted"),
        ({"granted": "2026-13-01"}, "the day on which it was granted"),
        ({"granted": "2027-01-01"}, "counts from the day on which it is granted"),
        ({"amount": "a lot"}, "the amount in euros"),
        ({"amount": "0"}, "the amount in euros"),
        ({"amount": "300000,01"}, "the amount in euros"),
    ],
)
def test_what_is_no_aid_is_not_written_down(office: Office, changes, said) -> None:
    refused = office.post("manager", "/other-aid", organisation_id=office.foundry.id, **{**AID, **changes})
    assert said in words(refused, 422)
    assert office.rows(OtherAid) == []


def test_what_a_booking_was_granted_stands_in_the_ledger(office: Office) -> None:
    with office.database.write() as session:
        make_device(session, "mill-1", name="CNC mill")
        booking = place_booking(session, office.foundry.id, at(9, length=2), "mill-1", title="Trial")
    office.post("manager", "/programmes", **TERMS)
    with office.database.write() as session:
        session.add(
            SupportEntry(
                organisation_id=office.foundry.id, programme_id=office.programme().id, legal_basis="de-minimis",
                booking_id=booking.id, granted_at=MONDAY_MORNING, cents=20_160, counters=None, written_by="acc",
                written_at=MONDAY_MORNING, reason="booked",
            )
        )  # fmt: skip
    page = office.get("engineer")
    text = words(page)
    assert f"{office.foundry.name} Test before invest de minimis, (EU) 2023/2831 to the slot 201.60 EUR" in text
    assert f'href="/bookings/{booking.id}"' in page.text
    assert "Nothing has been granted yet" in words(
        office.get("manager", f"{SUPPORT}?organisation_id={office.joinery.id}")
    )


def test_only_managers_change_anything_and_only_the_staff_sees_it(office: Office) -> None:
    assert "Set up a programme" not in words(office.get("engineer"))
    assert "Ledger as CSV" not in words(office.get("engineer"))
    for who in ("engineer", "founder", "reader"):
        assert office.post(who, "/programmes", **TERMS).status_code == 403
        assert office.post(who, "/other-aid", organisation_id=office.foundry.id, **AID).status_code == 403
    for who in ("founder", "reader"):
        assert office.get(who).status_code == 403
    assert office.post("manager", "/programmes/prg_none/companies", organisation_id="x").status_code == 404
    assert office.post("manager", "/other-aid/77/take-back", reason="x").status_code == 404
    assert office.rows(Programme) == []


def test_in_polish_the_page_is_polish(office: Office) -> None:
    client = office.browser(office.app, "manager")
    client.cookies.set("pilotlab_language", "pl")
    text = words(client.get(SUPPORT))
    assert "Czego udzieliło laboratorium" in text
    assert "Ledger" not in text
