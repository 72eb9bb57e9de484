"""The calendar of a window: everything in a few statements, and of strangers only "taken"."""

import json
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bookings.calendar import calendar_of
from bookings.errors import WindowTooLongError
from lab.core.database import Database
from lab.core.time import Span
from lab.people.principals import Principal, Role
from tests.booking_lab import RULES, BookingLab, at, make_booking_lab
from tests.factories import principal

WEEK = Span(at(0).start, at(0, day=30).start)


@pytest.fixture
def lab(each_database: Database) -> BookingLab:
    return make_booking_lab(each_database)


def see(lab: BookingLab, who: Principal, window: Span = WEEK, devices: list[str] | None = None) -> dict[str, Any]:
    with lab.database.read() as session:
        found: dict[str, Any] = json.loads(calendar_of(session, who, window, device_ids=devices, rules=RULES))
        return found


def test_the_staff_sees_every_booking_and_a_member_the_own_ones(lab: BookingLab) -> None:
    mine, other = lab.book(lab.anna, at(9), "robot-1", "meter-1"), lab.book(lab.bert, at(11))
    events = see(lab, lab.engineer)["events"]
    assert [event["id"] for event in events] == [mine.id, other.id]
    assert events[0] == {
        "start": "2026-11-23T08:00:00Z",
        "end": "2026-11-23T09:00:00Z",
        "device_ids": ["meter-1", "robot-1"],
        "id": mine.id,
        "title": "Trial of Anna",
        "state": "confirmed",
        "organisation_id": lab.anna.organisation_id,
        "version": 1,
    }
    assert see(lab, lab.anna)["events"] == [
        events[0],
        {"start": "2026-11-23T09:50:00Z", "end": "2026-11-23T11:05:00Z", "device_ids": ["mill-1"], "busy": True},
    ]


def test_a_recipient_sees_no_bookings(lab: BookingLab) -> None:
    lab.book(lab.anna, at(9))
    assert see(lab, principal(Role.RECIPIENT, lab.anna.organisation_id))["events"] == []


def test_what_was_given_back_is_not_shown_and_odd_instants_are_exact(lab: BookingLab) -> None:
    gone = lab.book(lab.anna, at(9))
    lab.cancel(lab.anna, gone.id)
    odd = Span(at(10).start + timedelta(microseconds=7), at(11).start)
    lab.book(lab.anna, odd, "robot-1")
    (event,) = see(lab, lab.anna)["events"]
    assert event["start"] == "2026-11-23T09:00:00.000007Z"


def test_the_lab_is_open_on_weekdays_and_closed_on_independence_day(lab: BookingLab) -> None:
    assert [opening["start"][:10] for opening in see(lab, lab.anna)["openings"]] == [
        f"2026-11-{day}" for day in range(23, 28)
    ]
    november = Span(at(0, day=9).start, at(0, day=14).start)
    days = [opening["start"][8:10] for opening in see(lab, lab.anna, november)["openings"]]
    assert days == ["09", "10", "12", "13"]


def test_only_the_wished_devices_are_shown(lab: BookingLab) -> None:
    lab.book(lab.anna, at(9), "robot-1", "meter-1")
    lab.book(lab.bert, at(9), "mill-1")
    assert [event["device_ids"] for event in see(lab, lab.engineer, devices=["meter-1"])["events"]] == [
        ["meter-1", "robot-1"]
    ]
    assert [event["device_ids"] for event in see(lab, lab.anna, devices=["mill-1"])["events"]] == [["mill-1"]]


def test_a_full_week_takes_no_more_statements_than_an_empty_one(lab: BookingLab) -> None:
    statements: list[str] = []
    sa.event.listen(lab.database.engine, "before_cursor_execute", lambda *seen: statements.append(seen[2]))
    see(lab, lab.anna)
    empty = len(statements)
    for hour in range(8, 18):
        lab.book(lab.anna, at(hour, day=24), "robot-1")
        lab.book(lab.bert, at(hour, day=24), "meter-1")
    statements.clear()
    assert len(see(lab, lab.anna)["events"]) == 20
    assert len(statements) == empty <= 5


def test_a_calendar_of_a_year_is_refused(lab: BookingLab) -> None:
    with pytest.raises(WindowTooLongError):
        see(lab, lab.anna, Span(at(0).start, at(0).start + timedelta(days=366)))
