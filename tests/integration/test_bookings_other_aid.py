"""De minimis aid of other grantors: it uses up the ceiling, is countered and never changed, and nobody else sees it."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from bookings.models import Booking
from bookings.prices.constraints import LEDGER_KEPT
from bookings.prices.models import OtherAid
from bookings.prices.rules import CEILING_CENTS
from lab.core.clock import LabClock
from lab.core.database import Database
from tests.booking_lab import at
from tests.booking_town import BookingTown, problem, race, wish
from tests.factories import MONDAY_MORNING as NOW

PATH = "/support/other-aid"


@pytest.fixture
def town(each_database: Database, lab_clock: LabClock) -> BookingTown:
    made = BookingTown(each_database, lab_clock)
    terms = {"legal_basis": "de-minimis", "price_per_mille": 300, "state_share_per_mille": 1000}
    programme = made.post("manager", "/programmes", {"name": "P", "valid_from": NOW.isoformat(), **terms}).json()
    path = f"/api/v1/programmes/{programme['id']}/companies/{made.town.foundry.id}"
    assert made.people["manager"].call("PUT", path).status_code == 200
    return made


def aid(town: BookingTown, cents: int, **facts: Any) -> dict[str, Any]:
    day = (NOW - timedelta(days=30)).isoformat()
    whose = town.town.foundry.id
    return {"organisation_id": whose, "grantor": "Region", "granted_at": day, "cents": cents, **facts}


def record(town: BookingTown, cents: int, **facts: Any) -> dict[str, Any]:
    made = town.post("manager", PATH, aid(town, cents, **facts))
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


def test_what_others_granted_uses_the_ceiling_up_until_it_is_countered(town: BookingTown) -> None:
    entry = record(town, CEILING_CENTS, reference="UDA-7")
    standing = town.get("founder", PATH).json()
    assert (standing["entries"][0]["grantor"], standing["entries"][0]["reference"]) == ("Region", "UDA-7")
    assert standing["de_minimis"]["remaining_cents"] == 0
    assert town.get("founder", "/support").json()["de_minimis"]["used_cents"] == CEILING_CENTS
    refused = problem(town.post("founder", "/bookings", wish(at(9, day=24))), 409)
    assert (refused["rule"], refused["remaining_cents"]) == ("support-ceiling", 0)

    taken_back = town.post("manager", f"{PATH}/{entry['id']}/counter", {"reason": "another company's"})
    assert taken_back.status_code == 201, taken_back.text
    assert (taken_back.json()["cents"], taken_back.json()["counters"]) == (-CEILING_CENTS, entry["id"])
    assert taken_back.json()["granted_at"] == entry["granted_at"]
    assert town.book("founder", at(9, day=24))["support_cents"] > 0
    log = town.get("manager", "/audit", subject="other-aid").json()["changes"]
    assert [(one["what"], one["reason"]) for one in log] == [("countered", "another company's"), ("recorded", None)]


def test_linked_companies_share_it_and_after_three_years_it_counts_no_more(town: BookingTown) -> None:
    for whose in (town.town.foundry.id, town.town.joinery.id):
        town.people["manager"].call("PATCH", f"/api/v1/organisations/{whose}", json={"undertaking": "wood-and-iron"})
    record(town, CEILING_CENTS - 5, organisation_id=town.town.joinery.id)
    record(town, CEILING_CENTS, granted_at="2023-11-23T07:00:00Z")
    assert town.get("founder", PATH).json()["de_minimis"]["remaining_cents"] == 5
    assert town.get("founder", "/quotes", device_id="mill-1", **wish_times()).json()["support_fits"] is False


def wish_times() -> dict[str, str]:
    span = at(9, day=24)
    return {"start": span.start.isoformat(), "end": span.end.isoformat()}


def test_managers_write_it_down_and_a_company_sees_its_own(town: BookingTown) -> None:
    entry = record(town, 100)
    for who in ("founder", "engineer", "reader"):
        problem(town.post(who, PATH, aid(town, 100)), 403)
        problem(town.post(who, f"{PATH}/{entry['id']}/counter", {"reason": "x"}), 403)
    assert town.get("joiner", PATH).json()["entries"] == []
    problem(town.get("joiner", PATH, organisation_id=town.town.foundry.id), 404)
    problem(town.get("reader", PATH), 403)
    assert [one["id"] for one in town.get("engineer", PATH).json()["entries"]] == [entry["id"]]


@pytest.mark.parametrize(
    ("facts", "status", "rule"),
    [
        ({"cents": 0}, 422, "greater-than-equal"),
        ({"cents": CEILING_CENTS + 1}, 422, "less-than-equal"),
        ({"cents": 1.5}, 422, "int-type"),
        ({"granted_at": "2026-11-24T08:00:00Z"}, 422, "granted-by-now"),
        ({"granted_at": "2026-11-01T08:00:00"}, 422, "aware-time"),
        ({"organisation_id": "org_none"}, 404, "known-organisation"),
        ({"grantor": " "}, 422, "string-too-short"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    town: BookingTown, facts: dict[str, Any], status: int, rule: str
) -> None:
    assert problem(town.post("manager", PATH, {**aid(town, 100), **facts}), status)["rule"] == rule
    assert town.count(OtherAid) == 0


def test_the_lab_has_no_aid_and_an_entry_is_taken_back_once(town: BookingTown) -> None:
    problem(town.post("manager", PATH, aid(town, 1, organisation_id=town.town.lab.id)), 422)
    problem(town.post("manager", f"{PATH}/7/counter", {"reason": "x"}), 404)
    entry = record(town, 100)
    counter = town.post("manager", f"{PATH}/{entry['id']}/counter", {"reason": "x"}).json()
    for again in (entry, counter):
        found = problem(town.post("manager", f"{PATH}/{again['id']}/counter", {"reason": "x"}), 409)
        assert found["rule"] == "countered-once"
    assert town.count(OtherAid) == 2


def test_the_database_itself_keeps_the_entries(town: BookingTown) -> None:
    record(town, 100)
    for statement in ("UPDATE other_aids SET cents = 1", "DELETE FROM other_aids"):
        with pytest.raises(IntegrityError, match=LEDGER_KEPT), town.database.write() as session:
            session.execute(sa.text(statement))


def test_a_booking_and_aid_at_the_same_moment_know_of_each_other(town: BookingTown) -> None:
    """Whichever comes second sees the first: the booking is refused, or was there before the aid used all up."""
    for number in range(6):
        given, refused, failed = race(
            [
                lambda number=number: town.post("founder", "/bookings", wish(at(9 + number, day=24), "robot-1")),
                lambda: town.post("manager", PATH, aid(town, CEILING_CENTS)),
            ]
        )
        assert not refused
        assert not failed
        booked, recorded = sorted(given, key=lambda answer: "grantor" in answer.json())
        assert recorded.status_code == 201, recorded.text
        assert booked.status_code in {201, 409}, booked.text
        if booked.status_code == 201:
            with town.database.read() as session:
                made_at = session.scalar(sa.select(Booking.support_cents).where(Booking.id == booked.json()["id"]))
            assert made_at
        taken = town.post("manager", f"{PATH}/{recorded.json()['id']}/counter", {"reason": "next round"})
        assert taken.status_code == 201
