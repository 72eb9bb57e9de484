"""Slot search over HTTP: what a company is told, and what it can book at once."""

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from httpx import Response

from bookings.outages.models import Outage
from bookings.prices.models import Programme, ProgrammeMember
from bookings.rulebook.models import RuleEntry
from devices.catalogue import DEFAULT_CATALOGUE, load_catalogue
from devices.service import import_catalogue
from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.ids import new_id
from lab.core.settings import Settings
from tests.booking_lab import at
from tests.factories import MONDAY_MORNING, make_device
from tests.placed_bookings import place_booking
from tests.web_client import Town, program

SLOTS = "/api/v1/slots"


class Lab:
    """Two mills and a meter in a town; people ask by program."""

    def __init__(self, database: Database, clock: LabClock) -> None:
        self.database, self.clock = database, clock
        self.town = Town(database, clock)
        self.app = create_app(settings=Settings(), database=database, clock=clock, store=None, live=None)
        with database.write() as session:
            for device_id, facts in {
                "mill-1": {
                    "capabilities": [{"name": "milling", "axes": 3, "travel_x_mm": 500, "travel_y_mm": 400}],
                    "setup_minutes": 10,
                    "cleanup_minutes": 5,
                },
                "mill-2": {
                    "capabilities": [{"name": "milling", "axes": 5, "travel_x_mm": 900, "travel_y_mm": 700}],
                    "price_cents_per_hour": 20_000,
                },
                "meter-1": {
                    "capabilities": [{"name": "energy-metering", "phases": 3}],
                    "kind": "meter",
                    "price_cents_per_hour": 500,
                },
                "mill-0": {"capabilities": [{"name": "drilling"}], "retired_at": MONDAY_MORNING},
            }.items():
                make_device(session, device_id, signals={}, **facts)
        self.people = {name: self.town.program(self.app, name) for name in self.town.accounts}

    def get(self, who: str, path: str = SLOTS, **query: Any) -> Response:
        return self.people[who].get(path, params={name.rstrip("_"): value for name, value in query.items()})

    def slots(self, who: str = "founder", **query: Any) -> dict[str, Any]:
        response = self.get(who, **query)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    def refused(self, status: int, who: str = "founder", **query: Any) -> dict[str, Any]:
        response = self.get(who, **query)
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        found: dict[str, Any] = response.json()
        assert found["detail"]
        return found

    def hold(self, span: Any, *device_ids: str, whose: str = "joinery", **facts: Any) -> None:
        with self.database.write() as session:
            place_booking(session, getattr(self.town, whose).id, span, *device_ids, **facts)

    def rule(self, scope: str, name: str, **settings: Any) -> None:
        with self.database.write() as session:
            session.add(
                RuleEntry(
                    scope=scope, name=name, settings=settings, version=1, changed_by="acc", changed_at=MONDAY_MORNING
                )
            )


@pytest.fixture
def lab(each_database: Database, lab_clock: LabClock) -> Lab:
    return Lab(each_database, lab_clock)


def ids(slot: dict[str, Any]) -> list[str]:
    return [device["id"] for device in slot["devices"]]


def starts(found: dict[str, Any]) -> list[str]:
    return [slot["start"][5:16] for slot in found["slots"]]


def test_the_first_free_spans_are_found_with_devices_price_and_a_draft_that_can_be_sent(lab: Lab) -> None:
    lab.hold(at(9, length=2), "mill-1", before=10, after=5)
    found = lab.slots(device_id=["mill-1", "meter-1"], duration_minutes=120)
    # Taken until 11:05 by the clock in Gliwice, and ten minutes are needed before.
    assert starts(found) == ["11-23T10:15", "11-23T12:15", "11-23T14:15"]
    slot = found["slots"][0]
    assert ids(slot) == ["meter-1", "mill-1"]
    assert slot["quote"]["price_cents"] == 2 * 12_500
    assert (slot["supervised"], slot["needs_approval"], slot["preferred"]) == (False, False, False)
    for one in found["slots"][:1]:
        made = lab.people["founder"].post("/api/v1/bookings", json={**one["booking"], "title": "Feed rates"})
        assert made.status_code == 201, made.text
        assert made.json()["price_cents"] == one["quote"]["price_cents"]
    assert starts(lab.slots(device_id=["mill-1", "meter-1"], duration_minutes=120))[0] == "11-23T12:30"


def test_a_gap_that_fits_to_the_minute_is_found_and_one_that_is_a_minute_short_is_not(lab: Lab) -> None:
    lab.hold(at(8, length=2), "mill-1", before=10, after=5)
    lab.hold(at(11.5, length=7.5), "mill-1", before=10, after=5)
    # Free from 10:05 to 11:20 by the clock in Gliwice: ten minutes before and five after leave an hour.
    assert starts(lab.slots(device_id="mill-1", duration_minutes=60, count=1)) == ["11-23T09:15"]
    assert starts(lab.slots(device_id="mill-1", duration_minutes=61, count=1)) == ["11-24T06:00"]


def test_devices_are_chosen_by_what_they_can_do_the_cheapest_first(lab: Lab) -> None:
    found = lab.slots(capability=["milling(axes>=3)", "Energy metering"], duration_minutes=60, count=1)
    assert ids(found["slots"][0]) == ["meter-1", "mill-1"]
    assert [device["meets"] for device in found["slots"][0]["devices"]] == [["energy-metering"], ["milling(axes>=3)"]]
    lab.hold(at(8, length=4), "mill-1")
    found = lab.slots(capability="milling", duration_minutes=60, count=6)
    chosen = [(start[6:], *ids(slot)) for start, slot in zip(starts(found), found["slots"], strict=True)]
    assert chosen[3:] == [("10:00", "mill-2"), ("11:00", "mill-2"), ("12:00", "mill-1")]  # set up from 11:00 on


def test_the_same_requirement_twice_asks_for_two_devices_and_different_ones_may_share_one(lab: Lab) -> None:
    found = lab.slots(capability=["milling", "Milling"], duration_minutes=60)
    assert ids(found["slots"][0]) == ["mill-1", "mill-2"]
    found = lab.slots(capability=["milling(axes>=4)", "milling(travel_x_mm>=600)"], duration_minutes=60)
    assert ids(found["slots"][0]) == ["mill-2"]
    found = lab.slots(device_id="mill-2", capability="milling", duration_minutes=60)
    assert ids(found["slots"][0]) == ["mill-2"]


def test_spans_in_preferred_hours_come_first(lab: Lab) -> None:
    found = lab.slots(
        device_id="meter-1", duration_minutes=120, prefer=["13:00-15:30"], to="2026-11-24T18:00:00Z", count=4
    )
    assert starts(found) == ["11-23T12:00", "11-24T12:00", "11-23T07:00", "11-23T09:00"]
    assert [slot["preferred"] for slot in found["slots"]] == [True, True, False, False]
    only = lab.slots(
        device_id="meter-1", duration_minutes=120, weekday=["wed", "fri"], count=2, from_="2026-11-24T00:00:00Z"
    )
    assert starts(only) == ["11-25T06:00", "11-25T08:00"]


def test_it_is_told_why_earlier_starts_were_refused_and_of_strangers_no_more_than_taken(lab: Lab) -> None:
    lab.hold(at(10, length=8), "mill-2", title="Secret trials", whose="joinery")
    lab.rule("device", "mill-2", lead_minutes=60)
    lab.rule("lab", "", closed_days=[{"day": "2026-11-24", "name": "Stocktaking"}])
    with lab.database.write() as session:
        session.add(
            Outage(
                id=new_id("out"),
                device_id="mill-2",
                kind="planned",
                start_at=at(7, day=25).start,
                end_at=at(9, day=25).start,
                last_end_at=at(9, day=25).start,
                reason="new belt",
                declared_by="acc",
                declared_at=MONDAY_MORNING,
                version=1,
            )
        )
    response = lab.get("founder", device_id="mill-2", duration_minutes=120, count=1, explain=True)
    found = response.json()
    assert starts(found) == ["11-25T08:00"]
    told = [
        (one["start"][5:16], one["end"][5:16], *(f"{cause['device_id']} {cause['rule']}" for cause in one["causes"]))
        for one in found["refused"]
    ]
    assert told == [
        ("11-23T07:00", "11-23T08:00", "None lead-time"),
        ("11-23T08:00", "11-23T16:05", "mill-2 device-free"),
        ("11-23T16:05", "11-23T23:00", "None opening-hours"),
        ("11-23T23:00", "11-24T23:00", "None holiday"),
        ("11-24T23:00", "11-25T06:00", "None opening-hours"),
        ("11-25T06:00", "11-25T08:00", "mill-2 outage"),
    ]
    assert not found["refused_left_off"]
    assert "Stocktaking" in response.text
    assert "new belt" in response.text
    assert not any(secret in response.text for secret in ("Secret", "bkg_", lab.town.joinery.id, "Joinery"))
    assert lab.slots(device_id="mill-2", duration_minutes=120)["refused"] is None


def test_a_long_explanation_is_cut_and_says_so(lab: Lab) -> None:
    for day in range(80):
        lab.hold(at(12 + 24 * day), "mill-2")
    found = lab.slots(device_id="mill-2", duration_minutes=660, explain=True)
    assert len(found["refused"]) == 100
    assert found["refused_left_off"]


def test_an_engineer_comes_with_a_slot_where_the_rules_want_one(lab: Lab) -> None:
    lab.rule("device", "mill-1", supervision=True)
    lab.rule("device", "mill-2", qualifications=["cnc"])
    lab.hold(at(8, length=2), "meter-1", engineer=lab.town.accounts["engineer"].id)
    for device_id, because in (("mill-1", "rule"), ("mill-2", "training")):
        slot = lab.slots(device_id=device_id, duration_minutes=60)["slots"][0]
        assert (slot["supervised"], slot["supervised_because"]) == (True, because)
        assert slot["start"][11:16] == "09:00"  # the only engineer is free from 10:00 by the clock in Gliwice
        staff = lab.slots("engineer", device_id=device_id, duration_minutes=60)["slots"][0]
        assert (staff["supervised"], staff["start"][11:16]) == (False, "07:00")
    wished = lab.slots("engineer", device_id="mill-2", duration_minutes=60, supervised=True)["slots"][0]
    assert (wished["supervised_because"], wished["start"][11:16]) == ("wish", "09:00")
    why = lab.slots(device_id="mill-1", duration_minutes=60, count=1, explain=True)["refused"]
    assert why[0]["causes"][0]["rule"] == "engineer-free"


def test_devices_that_are_needed_come_with_the_slot_and_approval_is_told(lab: Lab) -> None:
    lab.rule("device", "mill-2", needs_devices=["meter-1"], approval=True)
    slot = lab.slots(device_id="mill-2", duration_minutes=60)["slots"][0]
    assert [(device["id"], device["added"]) for device in slot["devices"]] == [("meter-1", True), ("mill-2", False)]
    assert slot["needs_approval"]
    made = lab.people["founder"].post("/api/v1/bookings", json={**slot["booking"], "title": "Feed rates"})
    assert (made.status_code, made.json()["state"]) == (201, "requested")
    assert not lab.slots("engineer", device_id="mill-2", duration_minutes=60)["slots"][0]["needs_approval"]


def test_a_device_that_needs_one_out_of_service_is_refused_by_name_or_passed_over(lab: Lab) -> None:
    lab.rule("device", "mill-1", needs_devices=["mill-0"])
    assert "mill-0" in lab.refused(422, device_id="mill-1", duration_minutes=60)["detail"]
    assert ids(lab.slots(capability="milling", duration_minutes=60)["slots"][0]) == ["mill-2"]


def test_a_quota_moves_the_search_to_the_next_week(lab: Lab) -> None:
    lab.rule("lab", "", week_quota_minutes=120)
    lab.hold(at(9, length=1.5), "mill-1", whose="foundry")
    found = lab.slots(device_id="mill-2", duration_minutes=60, count=1, explain=True)
    assert starts(found) == ["11-30T06:00"]
    assert {cause["rule"] for one in found["refused"] for cause in one["causes"]} == {"week-quota", "opening-hours"}
    assert starts(lab.slots("joiner", device_id="mill-2", duration_minutes=60, count=1)) == ["11-23T07:00"]
    for_them = lab.slots(
        "manager", device_id="mill-2", duration_minutes=60, count=1, organisation_id=lab.town.foundry.id
    )
    assert starts(for_them) == ["11-30T06:00"]
    assert for_them["slots"][0]["booking"]["organisation_id"] == lab.town.foundry.id


def test_a_lapsed_request_is_not_in_the_way(lab: Lab) -> None:
    lab.hold(at(8, length=10), "mill-2", state="requested", lapses_at=MONDAY_MORNING)
    slot = lab.slots(device_id="mill-2", duration_minutes=60)["slots"][0]
    assert slot["start"][11:16] == "07:00"
    made = lab.people["founder"].post("/api/v1/bookings", json={**slot["booking"], "title": "Feed rates"})
    assert made.status_code == 201, made.text


def test_public_support_that_is_used_up_is_told_and_cheaper_devices_are_still_found(lab: Lab) -> None:
    with lab.database.write() as session:
        session.add(
            Programme(
                id="prg_1",
                name="Try it",
                legal_basis="de-minimis",
                price_per_mille=0,
                state_share_per_mille=1000,
                valid_from=MONDAY_MORNING,
                created_by="acc",
                created_at=MONDAY_MORNING,
            )
        )
        session.flush()
        session.add(
            ProgrammeMember(
                programme_id="prg_1",
                organisation_id=lab.town.foundry.id,
                added_at=MONDAY_MORNING,
                added_by="acc",
            )
        )
        session.execute(sa.text("UPDATE devices SET price_cents_per_hour = 40000000 WHERE id = 'mill-1'"))
    assert lab.refused(409, device_id="mill-1", duration_minutes=60)["rule"] == "support-ceiling"
    found = lab.slots(capability="milling", duration_minutes=60)
    assert ids(found["slots"][0]) == ["mill-2"]
    assert found["slots"][0]["quote"]["support_cents"] == 20_000


@pytest.mark.parametrize(
    ("query", "field", "rule"),
    [
        ({}, "device_id", "at-least-one-device"),
        ({"device_id": ["mill-1", "mill-1"]}, "device_id", "each-device-once"),
        ({"device_id": [f"mill-{number}" for number in range(1000)]}, "device_id", "most-devices"),
        ({"capability": ["milling"] * 1000}, "capability", "most-devices"),
        ({"device_id": "mill-7"}, "device_id", "known-device"),
        ({"device_id": "młyn"}, "device_id", "known-device"),
        ({"device_id": "mill-0"}, "device_id", "device-in-service"),
        ({"capability": "drilling"}, "capability", "known-capability"),
        ({"capability": "milling(colour=red)"}, "capability", "known-capability"),
        ({"capability": "milling(axes>=9)"}, "capability", "capability-met"),
        ({"capability": ["milling"] * 3}, "capability", "capability-met"),
        ({"capability": "milling(axes"}, "capability", "readable-requirement"),
        ({"device_id": "mill-1", "duration_minutes": 0}, "duration_minutes", "greater-than-equal"),
        ({"device_id": "mill-1", "duration_minutes": -5}, "duration_minutes", "greater-than-equal"),
        ({"device_id": "mill-1", "duration_minutes": 10**30}, "duration_minutes", "less-than-equal"),
        ({"device_id": "mill-1", "duration_minutes": "two hours"}, "duration_minutes", "int-parsing"),
        ({"device_id": "mill-1", "duration_minutes": 25 * 60}, "duration_minutes", "longest-booking"),
        ({"device_id": "mill-1", "prefer": "morning"}, "prefer", "readable-hours"),
        ({"device_id": "mill-1", "prefer": ["09:00-10:00"] * 11}, "prefer", "most-preferences"),
        ({"device_id": "mill-1", "weekday": "someday"}, "weekday", "known-weekday"),
        ({"device_id": "mill-1", "count": 0}, "count", "greater-than-equal"),
        ({"device_id": "mill-1", "count": 21}, "count", "less-than-equal"),
        (
            {"device_id": "mill-1", "from": "2026-11-25T10:00:00Z", "to": "2026-11-25T09:00:00Z"},
            "to",
            "window-not-empty",
        ),
        (
            {"device_id": "mill-1", "from": "2026-11-25T10:00:00Z", "to": "2026-11-25T10:00:00Z"},
            "to",
            "window-not-empty",
        ),
        ({"device_id": "mill-1", "from": "2026-11-25T10:00:00Z", "to": "2036-11-25T10:00:00Z"}, "to", "longest-window"),
        (
            {"device_id": "mill-1", "from": "2016-11-25T10:00:00Z", "to": "2016-12-25T10:00:00Z"},
            "to",
            "not-in-the-past",
        ),
        ({"device_id": "mill-1", "from": "2030-11-25T10:00:00Z"}, "from", "horizon"),
        ({"device_id": "mill-1", "from": "9999-12-31T23:59:59Z"}, "from", "horizon"),
        ({"device_id": "mill-1", "from": "0001-01-01T00:00:00+05:00"}, "from", "time-in-range"),
        ({"device_id": "mill-1", "from": "2026-11-25T10:00:00"}, "from", "aware-time"),
        ({"device_id": "mill-1", "to": "2026-11-25T10:00:00"}, "to", "aware-time"),
        ({"device_id": "mill-1", "to": "2026-11-23T07:30:00Z"}, "duration_minutes", "fits-window"),
        ({"device_id": "mill-1", "to": "tomorrow"}, "to", "value-error"),
        ({"device_id": "mill-1", "pilot_id": "plt_nobody"}, "pilot_id", "own-pilot"),
    ],
)
def test_nonsense_is_refused_by_field_and_rule(lab: Lab, query: dict[str, Any], field: str, rule: str) -> None:
    found = lab.refused(422, **{"duration_minutes": 60, **query})
    assert (found["field"], found["rule"]) == (field, rule), found


def test_a_length_that_a_rule_forbids_is_refused_with_those_it_allows(lab: Lab) -> None:
    lab.rule("device", "mill-1", granularity_minutes=30, shortest_minutes=60)
    found = lab.refused(422, device_id="mill-1", duration_minutes=75)
    assert (found["rule"], found["instead"]) == ("granularity", {"duration_minutes": [60, 90]})
    assert lab.refused(422, device_id="mill-1", duration_minutes=30)["rule"] == "shortest-booking"
    assert ids(lab.slots(capability="milling", duration_minutes=75)["slots"][0]) == ["mill-2"]
    assert starts(lab.slots(device_id="mill-1", duration_minutes=60, from_="2026-11-23T08:05:00Z", count=1)) == [
        "11-23T08:30"
    ]


def test_only_those_who_book_search_and_only_for_themselves(lab: Lab) -> None:
    query = {"device_id": "mill-1", "duration_minutes": 60}
    assert program(lab.app).get(SLOTS, params=query).status_code == 401
    assert lab.refused(403, "reader", **query)["rule"] == "members-book"
    found = lab.refused(403, "founder", organisation_id=lab.town.joinery.id, **query)
    assert found["rule"] == "own-company"
    assert lab.refused(422, "manager", organisation_id="org_nobody", **query)["rule"] == "known-organisation"


def test_what_the_devices_in_service_can_do_is_listed_with_ranges(lab: Lab) -> None:
    response = lab.get("reader", "/api/v1/capabilities")
    assert response.status_code == 200
    found = {one["name"]: one for one in response.json()["capabilities"]}
    assert sorted(found) == ["energy-metering", "milling"]
    assert found["milling"]["device_ids"] == ["mill-1", "mill-2"]
    attributes = {one["name"]: one for one in found["milling"]["attributes"]}
    assert (attributes["travel_mm"]["lowest"], attributes["travel_mm"]["highest"]) == (500, 900)
    assert attributes["travel_mm"]["stands_for"] == ["travel_x_mm", "travel_y_mm"]
    assert program(lab.app).get("/api/v1/capabilities").status_code == 401


def test_days_on_which_the_clocks_change_are_searched_by_the_clock_on_the_wall(lab: Lab) -> None:
    lab.rule("device", "mill-2", opening_hours={"sun": "00:00-06:00"}, holidays="", granularity_minutes=60)
    lab.clock.jump_to(datetime(2027, 3, 22, 7, tzinfo=UTC))
    found = lab.slots(device_id="mill-2", duration_minutes=120, count=5)
    assert found["slots"][0]["start"] == "2027-03-27T23:00:00Z"
    spans = [(slot["start"][8:16], slot["end"][11:16]) for slot in found["slots"][:3]]
    # 28 March has no 02:00 in Gliwice: five hours hold two bookings, the third is a week later.
    assert spans == [("27T23:00", "01:00"), ("28T01:00", "03:00"), ("03T22:00", "00:00")]


def test_a_search_takes_the_same_few_statements_however_much_is_booked(lab: Lab) -> None:
    statements: list[str] = []
    sa.event.listen(lab.database.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))

    def counted() -> int:
        statements.clear()
        lab.slots(capability=["milling", "energy-metering"], duration_minutes=60, supervised=True, explain=True)
        return len(statements)

    before = counted()
    for day in range(20):
        lab.hold(at(8 + 24 * day, length=10), "mill-1", "meter-1", engineer=lab.town.accounts["engineer"].id)
    assert counted() == before
    assert before <= 15


def test_three_axis_milling_with_400_mm_of_travel_and_energy_metering_is_found_in_gliwice(
    each_database: Database, lab_clock: LabClock
) -> None:
    town = Town(each_database, lab_clock)
    with each_database.write() as session:
        import_catalogue(session, town.principal("manager"), load_catalogue(DEFAULT_CATALOGUE), now=lab_clock.now())
    app = create_app(settings=Settings(), database=each_database, clock=lab_clock, store=None, live=None)
    wanted = {"capability": ["milling(axes>=3, travel_mm>=400)", "energy metering"], "duration_minutes": 120}
    found = town.program(app, "founder").get(SLOTS, params={**wanted, "count": 1, "supervised": True})
    assert found.status_code == 200, found.text
    (slot,) = found.json()["slots"]
    assert ids(slot) == ["meter-1", "mill-1"]
