"""Figures of use over HTTP: for the staff, as JSON and for spreadsheets."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from httpx import Response

from bookings.outages.models import Outage
from bookings.rulebook.models import RuleEntry
from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from lab.people.models import Organisation
from tests.booking_lab import at
from tests.factories import MONDAY_MORNING, make_device
from tests.placed_bookings import place_booking
from tests.web_client import Client, Town

UTILISATION = "/api/v1/utilisation"
WEEK = {"from": "2026-11-23", "to": "2026-11-30"}
"""Monday to Sunday: five days of twelve hours."""


class Lab:
    """A town in which a week of bookings lies behind."""

    def __init__(self, database: Database, clock: LabClock) -> None:
        self.database, self.town = database, Town(database, clock)
        with database.write() as session:
            for device in ("mill-1", "robot-1"):
                make_device(session, device, created_at=MONDAY_MORNING - timedelta(days=30))
            make_device(session, "lathe-0", created_at=MONDAY_MORNING, retired_at=MONDAY_MORNING)
            foundry, joinery = self.town.foundry.id, self.town.joinery.id
            used = {"state": "done", "used_from": at(9).start, "used_until": at(11).start}
            place_booking(session, foundry, at(9, length=3), "mill-1", "robot-1", **used)
            place_booking(session, joinery, at(9, day=24, length=2), state="no_show")
            place_booking(session, joinery, at(9, day=25), state="cancelled", ended_as="cancelled", active=False)
            place_booking(session, joinery, at(10, day=25), state="cancelled", ended_as="lapsed", active=False)
            place_booking(session, joinery, at(11, day=25), state="requested")
            place_booking(session, foundry, at(9, day=27, length=4))
            session.add(
                Outage(
                    id="out_1",
                    device_id="mill-1",
                    kind="planned",
                    start_at=at(7).start,
                    end_at=at(8).start,
                    rrule="FREQ=DAILY",
                    last_end_at=None,
                    reason="Cleaning",
                    declared_by="acc_somebody",
                    declared_at=MONDAY_MORNING,
                    withdrawn_at=None,
                    version=1,
                )
            )
        clock.jump_to(at(12, day=26).start)
        app = create_app(settings=Settings(), database=database, clock=clock, store=None, live=None)
        self.people: dict[str, Client] = {
            name: self.town.program(app, name) for name in ("manager", "engineer", "founder", "reader")
        }

    def ask(self, who: str = "engineer", *, headers: dict[str, str] | None = None, **query: Any) -> Response:
        return self.people[who].get(UTILISATION, params={**WEEK, **query}, headers=headers or {})


@pytest.fixture
def lab(each_database: Database, lab_clock: LabClock) -> Lab:
    return Lab(each_database, lab_clock)


def problem(response: Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    found: dict[str, Any] = response.json()
    return found


def test_a_week_is_told_by_device(lab: Lab) -> None:
    answer = lab.ask().json()
    assert [row["device_id"] for row in answer["rows"]] == ["mill-1", "robot-1"]  # the lathe was not in service
    mill, robot = answer["rows"]
    assert (mill["open_hours"], robot["open_hours"]) == (55, 60)  # the mill is cleaned for an hour each morning
    assert {name: mill[name] for name in ("booked_hours", "used_hours", "idle_hours", "no_show_hours")} == {
        "booked_hours": 9,
        "used_hours": 2,
        "idle_hours": 1,
        "no_show_hours": 2,
    }
    assert (mill["ahead_hours"], mill["bookings"], mill["no_shows"], mill["cancelled"]) == (4, 3, 1, 1)
    assert (mill["utilisation"], robot["utilisation"]) == (round(9 / 55, 4), 0.05)
    assert (answer["total"]["booked_hours"], answer["total"]["bookings"]) == (12, 3)
    assert (answer["start"], answer["time_zone"]) == ("2026-11-22T23:00:00Z", "Europe/Warsaw")


def test_companies_and_weeks_are_told_apart_when_asked(lab: Lab) -> None:
    rows = lab.ask(by=["company", "week"], to="2026-12-07").json()["rows"]
    assert [(row["week"], row["company"], row["booked_hours"]) for row in rows] == [
        ("2026-W48", "Foundry", 10),
        ("2026-W48", "Joinery", 2),
    ]
    weeks = lab.ask(by="week", to="2026-12-07").json()["rows"]
    assert [(row["week"], row["device_id"], row["open_hours"]) for row in weeks] == [
        ("2026-W48", None, 115),
        ("2026-W49", None, 115),
    ]


def test_devices_with_hours_of_their_own_are_open_by_them(lab: Lab) -> None:
    with lab.database.write() as session:
        session.add(
            RuleEntry(
                scope="device",
                name="robot-1",
                settings={"opening_hours": {"mon": "08:00-10:00"}},
                version=1,
                changed_by="acc_somebody",
                changed_at=MONDAY_MORNING,
            )
        )
    _, robot = lab.ask().json()["rows"]
    assert (robot["open_hours"], robot["utilisation"]) == (2, 1.5)


def test_holidays_are_not_open(lab: Lab) -> None:
    christmas = lab.ask(**{"from": "2026-12-25", "to": "2026-12-26"}).json()
    assert [row["open_hours"] for row in christmas["rows"]] == [0, 0]
    assert [row["utilisation"] for row in christmas["rows"]] == [None, None]


@pytest.mark.parametrize("way", ["accept", "format"])
def test_a_spreadsheet_gets_a_line_a_group_and_no_formula(lab: Lab, way: str) -> None:
    with lab.database.write() as session:
        session.execute(
            sa.update(Organisation).where(Organisation.name == "Foundry").values(name='=HYPERLINK("x","Foundry")')
        )
    headers, query = ({"Accept": "text/csv"}, {}) if way == "accept" else ({}, {"format": "csv"})
    answer = lab.ask(headers=headers, by=["company", "device"], **query)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "utilisation-2026-11-23-2026-11-30.csv" in answer.headers["content-disposition"]
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert list(lines[0])[:4] == ["device_id", "device", "organisation_id", "company"]
    assert {(line["device_id"], line["company"], line["booked_hours"]) for line in lines} == {
        ("mill-1", '\'=HYPERLINK("x","Foundry")', "7.0"),
        ("robot-1", '\'=HYPERLINK("x","Foundry")', "3.0"),
        ("mill-1", "Joinery", "2.0"),
    }


def test_what_names_json_first_gets_json(lab: Lab) -> None:
    for accept in ("application/json, text/csv", "*/*", "text/html", ""):
        assert lab.ask(headers={"Accept": accept}).headers["content-type"] == "application/json"


@pytest.mark.parametrize("who", ["founder", "reader"])
def test_figures_are_for_the_staff(lab: Lab, who: str) -> None:
    assert problem(lab.ask(who), 403)["rule"] == "staff-only"
    assert lab.ask("manager").status_code == 200


@pytest.mark.parametrize(
    ("query", "field", "rule"),
    [
        ({"from": "yesterday"}, "from", "day-or-time"),
        ({"from": "2026-02-30"}, "from", "day-or-time"),
        ({"from": "20261123"}, "from", "day-or-time"),
        ({"to": "2026-11-30T25:00:00Z"}, "to", "day-or-time"),
        ({"to": "2026-11-30T10:00:00"}, "to", "aware-time"),
        ({"to": "2026-11-23"}, "to", "end-after-start"),
        ({"to": "2028-11-26"}, "to", "longest-window"),
        ({"from": "0001-01-01"}, "from", "time-in-range"),
        ({"to": "9999-12-31T23:59:59Z"}, "to", "time-in-range"),
        ({"by": "engineer"}, "by.0", "enum"),
        ({"format": "xml"}, "format", "literal-error"),
    ],
)
def test_what_cannot_be_counted_is_refused_by_field_and_rule(
    lab: Lab, query: dict[str, str], field: str, rule: str
) -> None:
    found = problem(lab.ask(**query), 422)
    assert (found["field"], found["rule"]) == (field, rule)


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    seen: list[str] = []

    def see(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    sa.event.listen(database.engine, "before_cursor_execute", see)
    yield seen
    sa.event.remove(database.engine, "before_cursor_execute", see)


def test_the_number_of_statements_does_not_grow_with_the_calendar(lab: Lab) -> None:
    def statements() -> int:
        with counted(lab.database) as seen:
            assert lab.ask(by=["device", "company", "week"]).status_code == 200
        return len(seen)

    few = statements()
    with lab.database.write() as session:
        for number in range(20):
            device = make_device(session, f"press-{number}").id
            place_booking(session, lab.town.joinery.id, at(8, day=24), device)
    assert statements() == few
