"""What a foreign program, Debian's khal, makes of our calendars, before and after the changes of the clocks."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.time import Span
from tests.conftest import have
from tests.integration.test_bookings_feeds import Feeds
from tests.services import Khal, start_khal


@pytest.fixture
def feeds(database: Database, lab_clock: LabClock) -> Feeds:
    return Feeds(database, lab_clock)


def hour(month: int, day: int, hours: float, *, length: float = 1) -> Span:
    """A span on a day of 2027, UTC."""
    start = datetime(2027, month, day, tzinfo=UTC) + timedelta(hours=hours)
    return Span(start, start + timedelta(hours=length))


def test_bookings_around_the_change_to_summer_time(feeds: Feeds, khal: Khal) -> None:
    for title, span in {
        "day before": hour(3, 27, 8),
        "across": hour(3, 28, 0.5),
        "right after": hour(3, 28, 1.75),
        "that morning": hour(3, 28, 7),
        "day after": hour(3, 29, 7),
    }.items():
        feeds.booked("founder", span, title=title)
    calendar = feeds.anybody.get(feeds.link("founder", "company")).content
    shown = {event.title: (event.start, event.end) for event in khal.read(calendar, start="2027-03-27", days=3)}
    assert shown == {
        "day before": ("2027-03-27 09:00", "2027-03-27 10:00"),
        "across": ("2027-03-28 01:30", "2027-03-28 03:30"),
        "right after": ("2027-03-28 03:45", "2027-03-28 04:45"),
        "that morning": ("2027-03-28 09:00", "2027-03-28 10:00"),
        "day after": ("2027-03-29 09:00", "2027-03-29 10:00"),
    }


def test_bookings_around_the_change_to_winter_time(feeds: Feeds, khal: Khal) -> None:
    for title, span in {
        "day before": hour(10, 30, 7),
        "first half past two": hour(10, 31, 0.5, length=0.25),
        "second half past two": hour(10, 31, 1.5, length=0.25),
        "that morning": hour(10, 31, 8),
        "day after": hour(11, 1, 8),
    }.items():
        feeds.booked("founder", span, title=title)
    calendar = feeds.anybody.get(feeds.link("founder", "person")).content
    shown = {event.title: (event.start, event.end) for event in khal.read(calendar, start="2027-10-30", days=3)}
    assert shown == {
        "day before": ("2027-10-30 09:00", "2027-10-30 10:00"),
        "first half past two": ("2027-10-31 02:30", "2027-10-31 02:45"),
        "second half past two": ("2027-10-31 02:30", "2027-10-31 02:45"),
        "that morning": ("2027-10-31 09:00", "2027-10-31 10:00"),
        "day after": ("2027-11-01 09:00", "2027-11-01 10:00"),
    }


def test_a_reader_far_away_sees_own_times(feeds: Feeds, tmp_path: Path) -> None:
    """In New York the clocks change on other days, so that the distance to Gliwice is five hours for a while."""
    feeds.booked("founder", hour(3, 22, 8), title="between the changes")
    feeds.booked("founder", hour(3, 29, 7), title="after both")
    reader = have(lambda: start_khal(tmp_path / "far", zone="America/New_York"))
    calendar = feeds.anybody.get(feeds.link("founder", "company")).content
    shown = {event.title: event.start for event in reader.read(calendar, start="2027-03-20", days=12)}
    assert shown == {"between the changes": "2027-03-22 04:00", "after both": "2027-03-29 03:00"}


def test_a_change_and_a_cancellation_reach_the_reader_as_the_same_event(feeds: Feeds, khal: Khal) -> None:
    booking_id = feeds.booked("founder", hour(3, 27, 8), title="Żeliwo; próba, część 1")
    path = feeds.link("founder", "company")
    [before] = khal.read(feeds.anybody.get(path).content, start="2027-03-27")
    assert (before.title, before.status, before.uid) == ("Żeliwo; próba, część 1", "CONFIRMED", f"{booking_id}@gliwice")
    assert before.description == "Devices: Mill 1\nCompany: Foundry\nState: confirmed"
    feeds.change(booking_id, start_at=hour(3, 27, 10).start, end_at=hour(3, 27, 11).end)
    [moved] = khal.read(feeds.anybody.get(path).content, start="2027-03-27")
    assert (moved.start, moved.end, moved.uid) == ("2027-03-27 11:00", "2027-03-27 13:00", before.uid)
    feeds.change(booking_id, state="cancelled")
    [cancelled] = khal.read(feeds.anybody.get(path).content, start="2027-03-27")
    assert (cancelled.status, cancelled.uid) == ("CANCELLED", before.uid)


def test_a_stranger_sees_busy(feeds: Feeds, khal: Khal) -> None:
    feeds.booked("joiner", hour(3, 27, 8), title="Sawing")
    [shown] = khal.read(feeds.anybody.get(feeds.link("founder", "device", "mill-1")).content, start="2027-03-27")
    assert (shown.title, shown.start, shown.end) == ("busy", "2027-03-27 08:50", "2027-03-27 10:05")
    assert shown.description == ""
