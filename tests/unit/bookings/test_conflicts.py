"""What is said about who is in the way."""

from datetime import UTC, datetime, timedelta

from bookings.conflicts import busy_error, conflict_facts
from bookings.models import Booking
from bookings.repository import Reservation
from lab.core.time import Span
from lab.people.principals import Principal, Role

START = datetime(2026, 11, 23, 9, tzinfo=UTC)
SPAN = Span(START, START + timedelta(hours=1))
OWNER = Principal("acc_owner", "org_owner", Role.MEMBER, "Owner")
STRANGER = Principal("acc_stranger", "org_stranger", Role.MEMBER, "Stranger")
ENGINEER = Principal("acc_engineer", "org_lab", Role.ENGINEER, "Engineer")


def reservation(booking_id: str, device_id: str = "mill-1") -> Reservation:
    booking = Booking(
        id=booking_id, organisation_id="org_owner", title="Secret alloy", start_at=SPAN.start, end_at=SPAN.end
    )
    return Reservation(device_id, SPAN.widened(before=timedelta(minutes=10), after=timedelta(0)), booking)


def test_the_owner_reads_title_and_times_without_buffers() -> None:
    (fact,) = conflict_facts(OWNER, [reservation("bkg_1")])
    assert fact == {
        "device_id": "mill-1",
        "what": "own booking",
        "booking_id": "bkg_1",
        "title": "Secret alloy",
        "start": "2026-11-23T09:00:00Z",
        "end": "2026-11-23T10:00:00Z",
    }


def test_the_staff_reads_the_same_of_everybody() -> None:
    (fact,) = conflict_facts(ENGINEER, [reservation("bkg_1")])
    assert (fact["what"], fact["title"]) == ("booking", "Secret alloy")


def test_a_stranger_reads_taken_and_not_even_how_often() -> None:
    found = [reservation("bkg_1"), reservation("bkg_2"), reservation("bkg_2", "robot-1")]
    assert conflict_facts(STRANGER, found) == [
        {"device_id": "mill-1", "what": "taken"},
        {"device_id": "robot-1", "what": "taken"},
    ]
    error = busy_error(STRANGER, ["mill-1", "robot-1"], found, [SPAN])
    assert "Secret" not in error.message + str(error.facts)
    assert "org_owner" not in str(error.facts)


def test_when_what_was_in_the_way_is_gone_again_all_wished_devices_are_named() -> None:
    error = busy_error(STRANGER, ["robot-1", "mill-1"], [], [])
    assert error.facts["devices"] == ["mill-1", "robot-1"]
    assert "no free time is left" in error.message
