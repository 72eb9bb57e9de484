"""Bookings at 02:30 on the days when the clocks change, as they come over HTTP."""

from datetime import UTC, datetime, timedelta

import pytest

from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.time import Span
from tests.booking_town import BookingTown, problem

HOUR = timedelta(hours=1)
SKIPPED, REPEATED = "2027-03-28T02:30:00", "2026-10-25T02:30:00"


def _town(database: Database, now: datetime) -> BookingTown:
    town = BookingTown(database, LabClock(now))
    # 28 March 2027 is Easter Sunday as well.
    town.rule(opening_hours=dict.fromkeys(["sat", "sun"], "00:00-24:00"), horizon_days=30, holidays="")
    return town


@pytest.fixture
def spring(each_database: Database) -> BookingTown:
    """A week before 28 March 2027, when 02:00 becomes 03:00; open around the clock at weekends."""
    return _town(each_database, datetime(2027, 3, 20, 8, tzinfo=UTC))


@pytest.fixture
def autumn(each_database: Database) -> BookingTown:
    """A week before 25 October 2026, when 03:00 becomes 02:00."""
    return _town(each_database, datetime(2026, 10, 17, 8, tzinfo=UTC))


def body(start: str, end: str) -> dict[str, object]:
    return {"device_ids": ["robot-1"], "title": "Night run", "start": start, "end": end}


def test_half_past_two_that_does_not_exist_is_refused_by_name_wherever_a_time_is_written(spring: BookingTown) -> None:
    town, end = spring, "2027-03-28T05:00:00+02:00"
    kept = town.book("founder", Span(datetime(2027, 3, 28, 6, tzinfo=UTC), datetime(2027, 3, 28, 8, tzinfo=UTC)))
    path = f"/bookings/{kept['id']}"
    for written in (SKIPPED, SKIPPED + "+01:00", SKIPPED + "+02:00"):
        for answer, field in (
            (town.post("founder", "/bookings", body(written, end)), "start"),
            (town.post("founder", "/bookings", body("2027-03-28T00:00:00+01:00", written)), "end"),
            (town.post("founder", f"{path}/move", {"start": written, "end": end}), "start"),
            (town.post("founder", f"{path}/extend", {"end": written}), "end"),
            (town.get("founder", "/bookings/alternatives", device_id="robot-1", start=written, end=end), "start"),
        ):
            refused = problem(answer, 422)
            assert (refused["field"], refused["rule"]) == (field, "time-does-not-exist")
            assert refused["choices"] == ["2027-03-28T01:30:00+01:00", "2027-03-28T03:30:00+02:00"]
            assert "02:30 on 2027-03-28 does not exist in Europe/Warsaw" in refused["detail"]
    assert town.count() == 1
    for start in refused["choices"]:
        end = (datetime.fromisoformat(start).astimezone(UTC) + HOUR / 4).isoformat()
        assert town.post("founder", "/bookings", body(start, end)).status_code == 201
    assert town.post("founder", "/bookings", body("2027-03-28T02:30:00Z", "2027-03-28T03:30:00Z")).status_code == 201


def test_half_past_two_that_comes_twice_is_refused_without_an_offset_and_booked_with_either(
    autumn: BookingTown,
) -> None:
    refused = problem(autumn.post("founder", "/bookings", body(REPEATED, "2026-10-25T05:00:00+01:00")), 422)
    assert (refused["field"], refused["rule"]) == ("start", "time-exists-twice")
    assert refused["choices"] == [REPEATED + "+02:00", REPEATED + "+01:00"]
    assert autumn.count() == 0
    booked = [
        autumn.post("founder", "/bookings", body(f"2026-10-25T02:30:00{offset}", f"2026-10-25T02:45:00{offset}"))
        for offset in ("+02:00", "+01:00")
    ]
    assert [answer.json()["start"] for answer in booked] == ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"]


def test_any_other_time_without_an_offset_is_refused_as_such(autumn: BookingTown) -> None:
    refused = problem(autumn.post("founder", "/bookings", body("2026-10-25T04:30:00", "2026-10-25T05:30:00")), 422)
    assert (refused["field"], refused["rule"]) == ("start", "aware-time")


def test_a_booking_over_the_whole_night_lasts_as_long_as_the_night_does(spring: BookingTown) -> None:
    night = spring.post("founder", "/bookings", body("2027-03-27T22:00:00+01:00", "2027-03-28T06:00:00+02:00")).json()
    assert datetime.fromisoformat(night["end"]) - datetime.fromisoformat(night["start"]) == 7 * HOUR
