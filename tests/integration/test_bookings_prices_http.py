"""Quotes, price lists, programmes and public support over HTTP: who sees what, and what is refused."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from httpx import Response

from bookings.models import Booking
from bookings.prices import service
from bookings.prices.rules import CEILING_CENTS
from lab.app import create_app
from lab.core.audit import AuditEntry
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from tests.factories import MONDAY_MORNING as NOW
from tests.factories import make_device
from tests.web_client import Client, Town

API = "/api/v1"
DAY = timedelta(days=1)
SLOT = {"start": "2026-11-24T09:00:00+01:00", "end": "2026-11-24T10:30:00+01:00"}


class Office:
    """Programs of everybody in town, at a lab with two machines."""

    def __init__(self, database: Database, clock: LabClock) -> None:
        self.town = Town(database, clock)
        self.clock = clock
        app: FastAPI = create_app(settings=Settings(), database=database, clock=clock, store=None, live=None)
        self.programs: dict[str, Client] = {name: self.town.program(app, name) for name in self.town.accounts}
        with database.write() as session:
            make_device(session, "mill-1", price_cents_per_hour=12_000)
            make_device(session, "meter-1", price_cents_per_hour=3_000)
            make_device(session, "lathe-0", retired_at=NOW)

    def get(self, who: str, path: str, **query: Any) -> Response:
        return self.programs[who].get(API + path, params=query)

    def call(self, who: str, method: str, path: str, body: Any = None, **headers: str) -> Response:
        return self.programs[who].call(method, API + path, json=body, headers=headers)

    def post(self, who: str, path: str, body: Any = None, **headers: str) -> Response:
        return self.call(who, "POST", path, body, **headers)

    def programme(self, **terms: Any) -> str:
        """A programme of which the Foundry is a member."""
        made = self.post("manager", "/programmes", {**PROGRAMME, **terms})
        assert made.status_code == 201, made.text
        found: str = made.json()["id"]
        assert self.call("manager", "PUT", f"/programmes/{found}/companies/{self.town.foundry.id}").status_code == 200
        return found

    def grant(self, cents: int, number: int = 1) -> None:
        """A booking of the Foundry with so much support."""
        with self.town.database.write() as session:
            programme_id = session.scalar(sa.text("SELECT id FROM programmes"))
            booking = Booking(
                id=f"bkg_{number}",
                organisation_id=self.town.foundry.id,
                booked_by="acc_founder",
                title="Trial",
                start_at=NOW + DAY,
                end_at=NOW + 2 * DAY,
                state="confirmed",
                version=1,
                created_at=self.clock.now(),
                changed_at=self.clock.now(),
                supervised=False,
                programme_id=programme_id,
                support_cents=cents,
            )
            session.add(booking)
            service.write_support(session, booking, now=self.clock.now(), by="acc_founder")


PROGRAMME = {
    "name": "Regional",
    "legal_basis": "de-minimis",
    "price_per_mille": 300,
    "state_share_per_mille": 800,
    "valid_from": "2026-01-01T00:00:00+01:00",
    "valid_until": "2028-01-01T00:00:00+01:00",
}
PRICES = {
    "name": "Winter 2026",
    "devices": {"mill-1": {"hour_cents": 20_000, "setup_cents": 2_500}},
    "supervision_hour_cents": 6_000,
}


@pytest.fixture
def office(each_database: Database, lab_clock: LabClock) -> Office:
    return Office(each_database, lab_clock)


@pytest.fixture
def counter(database: Database, lab_clock: LabClock) -> Office:
    """The same on SQLite only, for what does not depend on the database."""
    return Office(database, lab_clock)


def problem(response: Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    return found


def test_a_member_sees_what_a_slot_costs_and_what_is_left_of_the_ceiling(office: Office) -> None:
    office.post("manager", "/price-lists", PRICES)
    programme = office.programme()
    office.grant(CEILING_CENTS - 20_000)
    answer = office.get("founder", "/quotes", device_id=["mill-1", "meter-1"], supervised=True, **SLOT)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "lines": [
            {"what": "use", "device_id": "meter-1", "hour_cents": 3_000, "cents": 4_500},
            {"what": "use", "device_id": "mill-1", "hour_cents": 20_000, "cents": 30_000},
            {"what": "set-up", "device_id": "mill-1", "hour_cents": None, "cents": 2_500},
            {"what": "supervision", "device_id": None, "hour_cents": 6_000, "cents": 9_000},
        ],
        "market_value_cents": 46_000,
        "price_cents": 13_800,
        "support_cents": 25_760,
        "price_list_version": 1,
        "programme_id": programme,
        "programme": "Regional",
        "legal_basis": "de-minimis",
        "organisation_id": office.town.foundry.id,
        "start": "2026-11-24T08:00:00Z",
        "end": "2026-11-24T09:30:00Z",
        "supervised": True,
        "support_fits": False,
        "de_minimis": {
            "ceiling_cents": CEILING_CENTS,
            "used_cents": CEILING_CENTS - 20_000,
            "remaining_cents": 20_000,
            "since": "2023-11-23T07:00:00Z",
        },
    }
    shorter = office.get("founder", "/quotes", device_id="mill-1", **SLOT).json()
    assert (shorter["support_cents"], shorter["support_fits"]) == (18_200, True)


def test_the_staff_quotes_for_any_company_and_a_member_for_the_own_only(counter: Office) -> None:
    counter.programme(legal_basis="market", price_per_mille=900, state_share_per_mille=0)
    foundry, wish = counter.town.foundry.id, {"device_id": "mill-1", **SLOT}
    own = counter.get("founder", "/quotes", **wish).json()
    assert (own["price_cents"], own["support_cents"], own["de_minimis"], own["support_fits"]) == (16_200, 0, None, True)
    assert counter.get("engineer", "/quotes", organisation_id=foundry, **wish).json() == own
    assert counter.get("founder", "/quotes", organisation_id=foundry, **wish).json() == own
    assert counter.get("engineer", "/quotes", **wish).json()["price_cents"] == 18_000
    for somewhere in (foundry, "org_nowhere"):
        assert (
            problem(counter.get("joiner", "/quotes", organisation_id=somewhere, **wish), 403)["rule"] == "own-company"
        )
    assert problem(counter.get("reader", "/quotes", **wish), 403)["rule"] == "members-see-prices"
    assert problem(counter.get("manager", "/quotes", organisation_id="org_nowhere", **wish), 404)["field"] == (
        "organisation_id"
    )


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"device_id": "mill-9"}, "device_id", "known-device"),
        ({"device_id": "mill\0"}, "device_id", "no-nul"),
        ({"device_id": "młyn-1"}, "device_id", "known-device"),
        ({"device_id": "lathe-0"}, "device_id", "device-in-service"),
        ({"device_id": ["mill-1", "mill-1"]}, "device_ids", "each-device-once"),
        ({"device_id": [f"mill-{number}" for number in range(1000)]}, "device_ids", "most-devices"),
        ({"end": "2026-11-24T09:00:00+01:00"}, "end", "end-after-start"),
        ({"start": "2026-11-24T09:00:00"}, "start", "aware-time"),
        ({"end": "2036-11-24T09:00:00Z"}, "end", "longest-quote"),
        ({"start": "1795510800"}, "start", "value-error"),
        ({"supervised": "perhaps"}, "supervised", "bool-parsing"),
        ({"organisation_id": "a b"}, "organisation_id", "string-pattern-mismatch"),
    ],
)
def test_a_quote_for_what_is_no_slot_is_refused_by_name(
    counter: Office, change: dict[str, Any], field: str, rule: str
) -> None:
    found = problem(counter.get("manager", "/quotes", **{"device_id": "mill-1", **SLOT, **change}), 422)
    assert (found["field"], found["rule"]) == (field, rule)


def test_prices_are_published_once_and_read_by_the_staff(office: Office) -> None:
    made = office.post("manager", "/price-lists", PRICES, **{"Idempotency-Key": "winter"})
    assert made.status_code == 201, made.text
    assert made.headers["location"] == "/api/v1/price-lists/1"
    assert made.json() == {
        **PRICES,
        "version": 1,
        "valid_from": "2026-11-23T07:00:00Z",
        "created_by": office.town.accounts["manager"].id,
        "created_at": "2026-11-23T07:00:00Z",
    }
    again = office.post("manager", "/price-lists", PRICES, **{"Idempotency-Key": "winter"})
    assert (again.status_code, again.json()) == (201, made.json())
    office.post("manager", "/price-lists", {**PRICES, "name": "Spring", "valid_from": "2027-03-01T00:00:00+01:00"})
    found = office.get("engineer", "/price-lists").json()
    assert ([price_list["name"] for price_list in found["price_lists"]], found["in_force"]) == (
        ["Spring", "Winter 2026"],
        1,
    )
    assert office.get("engineer", "/price-lists", limit=1).json()["next"] is not None
    assert office.get("engineer", "/price-lists/1").json() == made.json()


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"valid_from": "2026-11-23T06:59:59Z"}, "valid_from", "prices-not-in-the-past"),
        ({"valid_from": "2026-12-01T00:00:00"}, "valid_from", "aware-time"),
        ({"valid_from": "9999-12-31T23:59:59-01:00"}, "valid_from", "time-in-range"),
        ({"devices": {"mill-9": {"hour_cents": 1}}}, "devices", "known-device"),
        ({"devices": {"mill-1": {"hour_cents": -1}}}, "devices.mill-1.hour_cents", "greater-than-equal"),
        ({"devices": {"mill-1": {"hour_cents": 1.5}}}, "devices.mill-1.hour_cents", "int-type"),
        ({"devices": {"mill-1": {"hour_cents": True}}}, "devices.mill-1.hour_cents", "int-type"),
        ({"devices": {"mill-1": {"hour_cents": 10**30}}}, "devices.mill-1.hour_cents", "less-than-equal"),
        ({"supervision_hour_cents": None}, "supervision_hour_cents", "int-type"),
        ({"name": " "}, "name", "string-too-short"),
        ({"version": 3}, "version", "extra-forbidden"),
    ],
)
def test_prices_that_make_no_sense_are_refused_by_name(
    counter: Office, change: dict[str, Any], field: str, rule: str
) -> None:
    found = problem(counter.post("manager", "/price-lists", {**PRICES, **change}), 422)
    assert (found["field"], found["rule"]) == (field, rule)
    assert counter.get("manager", "/price-lists").json()["price_lists"] == []


@pytest.mark.parametrize("version", ["0", "2", "-1", str(2**31), str(10**40)])
def test_a_version_that_never_was_is_not_found(office: Office, version: str) -> None:
    office.post("manager", "/price-lists", PRICES)
    assert problem(office.get("manager", f"/price-lists/{version}"), 404)["rule"] == "known-price-list"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/price-lists", {"manager", "engineer"}),
        ("GET", "/price-lists/1", {"manager", "engineer"}),
        ("POST", "/price-lists", {"manager"}),
        ("GET", "/programmes", {"manager", "engineer"}),
        ("GET", "/programmes/{programme}", {"manager", "engineer"}),
        ("POST", "/programmes", {"manager"}),
        ("PUT", "/programmes/{programme}/companies/{foundry}", {"manager"}),
        ("DELETE", "/programmes/{programme}/companies/{foundry}", {"manager"}),
        ("GET", "/support", {"manager", "engineer", "founder", "joiner"}),
        ("GET", "/support.csv", {"manager"}),
        ("PATCH", "/organisations/{foundry}", {"manager"}),
    ],
)
def test_who_may_do_what(counter: Office, method: str, path: str, allowed: set[str]) -> None:
    counter.post("manager", "/price-lists", PRICES)
    programme = counter.programme()
    bodies = {"/price-lists": PRICES, "/programmes": {**PROGRAMME, "name": "Another"}, "/organisations/{foundry}": {}}
    body = bodies.get(path) if method in {"POST", "PATCH"} else None
    there = path.format(programme=programme, foundry=counter.town.foundry.id)
    statuses = {who: counter.call(who, method, there, body).status_code for who in counter.programs}
    assert {who for who, status in statuses.items() if status < 300} == allowed
    assert {status for who, status in statuses.items() if who not in allowed} <= {403}


def test_a_programme_is_set_up_joined_and_left(office: Office) -> None:
    programme = office.programme()
    assert [found["name"] for found in office.get("engineer", "/programmes").json()["programmes"]] == ["Regional"]
    foundry = office.town.foundry.id
    found = office.get("engineer", f"/programmes/{programme}").json()
    assert [(company["name"], company["left_at"]) for company in found["companies"]] == [("Foundry", None)]
    office.clock.jump_to(NOW + DAY)
    for _ in range(2):
        left = office.call("manager", "DELETE", f"/programmes/{programme}/companies/{foundry}")
        assert (left.status_code, left.json()["left_at"]) == (200, "2026-11-24T07:00:00Z")
        office.clock.jump_to(NOW + 2 * DAY)
    with office.town.database.read() as session:
        told = session.scalars(
            sa.select(AuditEntry.what).where(AuditEntry.subject == "programme").order_by(AuditEntry.id)
        ).all()
    assert told == ["created", "company added", "company removed"]


@pytest.mark.parametrize(
    ("method", "programme", "organisation", "status", "rule"),
    [
        ("PUT", "prg_none", "{foundry}", 404, "known-programme"),
        ("PUT", "%00", "{foundry}", 404, "known-programme"),
        ("PUT", "{programme}", "org_none", 404, "known-organisation"),
        ("PUT", "{programme}", "{lab}", 422, "company"),
        ("DELETE", "{programme}", "{joinery}", 404, "company-in-programme"),
        ("DELETE", "{programme}", "org_none", 404, "known-organisation"),
    ],
)
def test_strange_members_of_programmes_are_refused_by_name(
    office: Office, method: str, programme: str, organisation: str, status: int, rule: str
) -> None:
    ids = {
        "programme": office.programme(),
        **{name: getattr(office.town, name).id for name in ("lab", "foundry", "joinery")},
    }
    path = f"/programmes/{programme}/companies/{organisation}".format(**ids)
    assert problem(office.call("manager", method, path), status)["rule"] == rule


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"legal_basis": "gift"}, "legal_basis", "enum"),
        ({"legal_basis": "none"}, "state_share_per_mille", "support-needs-legal-basis"),
        ({"price_per_mille": 1001}, "price_per_mille", "less-than-equal"),
        ({"state_share_per_mille": 0.5}, "state_share_per_mille", "int-type"),
        ({"valid_until": PROGRAMME["valid_from"]}, "end", "end-after-start"),
        ({"valid_from": "2026-01-01"}, "valid_from", "value-error"),
    ],
)
def test_terms_that_make_no_sense_are_refused_by_name(
    counter: Office, change: dict[str, Any], field: str, rule: str
) -> None:
    found = problem(counter.post("manager", "/programmes", {**PROGRAMME, **change}), 422)
    assert (found["field"], found["rule"]) == (field, rule)


def test_a_member_sees_the_own_ledger_and_the_staff_everybodys(office: Office) -> None:
    office.programme()
    for number in (1, 2, 3):
        office.grant(1_000 * number, number)
    own = office.get("founder", "/support", limit=2).json()
    assert [entry["cents"] for entry in own["entries"]] == [3_000, 2_000]
    assert (own["granted_cents"], own["de_minimis"]["remaining_cents"]) == (6_000, CEILING_CENTS - 6_000)
    rest = office.get("founder", "/support", limit=2, cursor=own["next"]).json()
    assert ([entry["cents"] for entry in rest["entries"]], rest["next"]) == ([1_000], None)
    assert office.get("joiner", "/support").json()["entries"] == []
    everybody = office.get("engineer", "/support").json()
    assert (len(everybody["entries"]), everybody["organisation_id"], everybody["de_minimis"]) == (3, None, None)
    foundry = office.town.foundry.id
    assert office.get("engineer", "/support", organisation_id=foundry).json()["granted_cents"] == 6_000
    for who, whose in (("joiner", foundry), ("joiner", "org_none"), ("manager", "org_none")):
        assert problem(office.get(who, "/support", organisation_id=whose), 404)["rule"] == "known-organisation"


def test_the_ledger_is_downloaded_as_a_table_that_starts_no_formula(office: Office) -> None:
    office.programme(name="=HYPERLINK(1)")
    office.grant(1_000)
    for whose in ({}, {"organisation_id": office.town.foundry.id}):
        answer = office.get("manager", "/support.csv", **whose)
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [(row["organisation"], row["programme"], row["cents"], row["granted_at"]) for row in rows] == [
            ("Foundry", "'=HYPERLINK(1)", "1000", "2026-11-23T07:00:00+00:00")
        ]
    joinery = office.town.joinery.id
    assert len(office.get("manager", "/support.csv", organisation_id=joinery).text.splitlines()) == 1
    assert problem(office.get("manager", "/support.csv", organisation_id="org_none"), 404)


# Facts about organisations


def test_a_manager_says_which_companies_are_linked(office: Office) -> None:
    body = {"name": "Subsidiary", "undertaking": " Kowalski-Group "}
    assert problem(office.post("engineer", "/organisations", body), 403)["rule"] == "manager-only"
    made = office.post("manager", "/organisations", body)
    assert (made.status_code, made.json()["undertaking"]) == (201, "kowalski-group")
    path = f"/organisations/{office.town.foundry.id}"
    changed = office.call("manager", "PATCH", path, {"undertaking": "KOWALSKI-group", "size_class": "medium"})
    assert changed.status_code == 200, changed.text
    assert changed.json() == office.get("founder", path).json()
    assert {name: changed.json()[name] for name in ("name", "undertaking", "size_class", "nace")} == {
        "name": "Foundry",
        "undertaking": "kowalski-group",
        "size_class": "medium",
        "nace": "C25.62",
    }
    assert office.call("manager", "PATCH", path, {"undertaking": None}).json()["undertaking"] is None
    with office.town.database.read() as session:
        told = session.scalars(
            sa.select(AuditEntry).where(AuditEntry.subject == "organisation").order_by(AuditEntry.id)
        ).all()
    assert [(entry.before, entry.after) for entry in told] == [
        ({"size_class": "small", "undertaking": None}, {"size_class": "medium", "undertaking": "kowalski-group"}),
        ({"undertaking": "kowalski-group"}, {"undertaking": None}),
    ]


@pytest.mark.parametrize(
    ("change", "status", "rule"),
    [
        ({"undertaking": ""}, 422, "undertaking-form"),
        ({"undertaking": "a b"}, 422, "undertaking-form"),
        ({"undertaking": "x" * 61}, 422, "undertaking-form"),
        ({"name": ""}, 422, "name-needed"),
        ({"name": None}, 422, "string-type"),
        ({"name": "JOINERY"}, 409, "unique"),
        ({"nace": "steel"}, 422, "nace-form"),
        ({"kind": "lab"}, 422, "extra-forbidden"),
    ],
)
def test_wrong_facts_about_an_organisation_are_refused_by_name(
    counter: Office, change: dict[str, Any], status: int, rule: str
) -> None:
    path = f"/organisations/{counter.town.foundry.id}"
    before = counter.get("manager", path).json()
    assert problem(counter.call("manager", "PATCH", path, change), status)["rule"] == rule
    assert counter.get("manager", path).json() == before
    assert problem(counter.call("manager", "PATCH", "/organisations/org_none", {}), 404)


# Prices in the life of a booking


def test_a_booking_whose_support_does_not_fit_is_refused_and_a_shorter_one_is_granted_and_given_back(
    office: Office,
) -> None:
    office.programme(price_per_mille=0, state_share_per_mille=1000)
    office.grant(CEILING_CENTS - 12_000)
    wish = {"device_ids": ["mill-1"], "title": "Feed rates", **SLOT}
    refused = problem(office.post("founder", "/bookings", wish), 409)
    assert (refused["type"], refused["rule"], refused["remaining_cents"]) == (
        "urn:pilotlab:problem:support-ceiling",
        "support-ceiling",
        12_000,
    )
    made = office.post("founder", "/bookings", {**wish, "end": "2026-11-24T10:00:00+01:00"})
    assert made.status_code == 201, made.text
    booking_id = made.json()["id"]
    ledger = office.get("founder", "/support").json()
    assert (ledger["entries"][0]["booking_id"], ledger["de_minimis"]["remaining_cents"]) == (booking_id, 0)
    assert office.post("founder", f"/bookings/{booking_id}/cancel").status_code == 200
    ledger = office.get("founder", "/support").json()
    assert [entry["cents"] for entry in ledger["entries"][:2]] == [-12_000, 12_000]
    assert ledger["de_minimis"]["remaining_cents"] == 12_000


def test_a_booking_that_is_moved_keeps_its_prices_and_a_new_one_has_the_new(office: Office) -> None:
    wish = {"device_ids": ["mill-1"], "title": "Feed rates", **SLOT}
    booking_id = office.post("founder", "/bookings", wish).json()["id"]
    office.clock.jump_to(NOW + timedelta(hours=1))
    assert office.post("manager", "/price-lists", PRICES).status_code == 201
    moved = {"start": "2026-11-25T09:00:00+01:00", "end": "2026-11-25T10:30:00+01:00"}
    assert office.post("founder", f"/bookings/{booking_id}/move", moved).status_code == 200
    new = office.post("founder", "/bookings", wish).json()["id"]
    with office.town.database.read() as session:
        found = [session.get_one(Booking, one) for one in (booking_id, new)]
    assert [(booking.price_list_version, booking.price_cents) for booking in found] == [(None, 18_000), (1, 32_500)]
