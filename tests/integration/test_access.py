"""Who may see which machine's data, and when."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from bookings import repository
from bookings.models import Booking, BookingDevice
from lab.access.service import grant_for, may_see_live
from lab.core.database import Database
from lab.core.time import Span, to_nanoseconds
from lab.people.principals import Principal, Role
from telemetry.grants import BEGINNING_NS, END_NS, Grant
from tests.booking_lab import BookingLab, at, make_booking_lab
from tests.factories import principal

MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def lab(each_database: Database) -> BookingLab:
    return make_booking_lab(each_database)


def grant(lab: BookingLab, who: Principal) -> Grant:
    with lab.database.read() as session:
        return grant_for(session, who)


def sees_live(lab: BookingLab, who: Principal, device_id: str, span: Span) -> tuple[bool, bool, bool, bool]:
    """Just before the span, at its start, just before its end, at its end."""
    with lab.database.read() as session:
        before, first = span.start - MICROSECOND, span.start
        last, after = span.end - MICROSECOND, span.end
        return tuple(may_see_live(session, who, device_id, now) for now in (before, first, last, after))  # type: ignore[return-value]


def nanoseconds(span: Span) -> tuple[int, int]:
    return to_nanoseconds(span.start), to_nanoseconds(span.end)


def test_the_staff_sees_every_device_at_all_times_with_what_is_uncertain(lab: BookingLab) -> None:
    for role in (Role.ENGINEER, Role.MANAGER):
        seen = grant(lab, principal(role, lab.engineer.organisation_id))
        assert seen.uncertain
        for device_id in ("mill-1", "meter-1", "robot-1", "lathe-0"):
            assert seen.spans_of(device_id) == [(BEGINNING_NS, END_NS)]


def test_a_member_sees_the_own_booking_without_its_buffers_and_nothing_uncertain(lab: BookingLab) -> None:
    lab.book(lab.anna, at(9, length=2), "mill-1", "meter-1")
    seen = grant(lab, lab.anna)
    assert not seen.uncertain
    assert seen.spans_of("mill-1") == seen.spans_of("meter-1") == [nanoseconds(at(9, length=2))]
    assert seen.spans_of("robot-1") == []


def test_a_colleague_sees_the_same_and_a_stranger_nothing(lab: BookingLab) -> None:
    lab.book(lab.anna, at(9))
    assert grant(lab, principal(Role.MEMBER, lab.anna.organisation_id)) == grant(lab, lab.anna)
    assert grant(lab, lab.bert) == Grant(())


def test_a_recipient_of_reports_sees_nothing_even_of_the_own_company(lab: BookingLab) -> None:
    lab.book(lab.anna, at(9))
    recipient = principal(Role.RECIPIENT, lab.anna.organisation_id)
    assert grant(lab, recipient) == Grant(())
    assert sees_live(lab, recipient, "mill-1", at(9)) == (False, False, False, False)


def test_neighbours_on_one_device_share_no_instant(lab: BookingLab) -> None:
    lab.book(lab.anna, at(9), "robot-1")
    lab.book(lab.bert, at(10), "robot-1")
    border = to_nanoseconds(at(10).start)
    assert (grant(lab, lab.anna).covers("robot-1", border - 1), grant(lab, lab.anna).covers("robot-1", border)) == (
        True,
        False,
    )
    assert (grant(lab, lab.bert).covers("robot-1", border - 1), grant(lab, lab.bert).covers("robot-1", border)) == (
        False,
        True,
    )


def test_live_is_seen_inside_the_booking_only(lab: BookingLab) -> None:
    lab.book(lab.anna, at(9))
    assert sees_live(lab, lab.anna, "mill-1", at(9)) == (False, True, True, False)
    assert sees_live(lab, lab.anna, "meter-1", at(9)) == (False, False, False, False)
    assert sees_live(lab, lab.bert, "mill-1", at(9)) == (False, False, False, False)
    assert sees_live(lab, lab.engineer, "mill-1", at(9)) == (True, True, True, True)


def test_a_booking_that_was_cancelled_before_its_start_shows_nothing(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9))
    lab.cancel(lab.anna, booking.id)
    assert grant(lab, lab.anna) == Grant(())


@pytest.mark.parametrize("how", ["cancelled", "finished"])
def test_a_booking_that_ended_early_shows_what_was_until_then_and_the_next_company_the_rest(
    lab: BookingLab, how: str
) -> None:
    booking = lab.book(lab.anna, at(9, length=3), "robot-1")
    if how == "cancelled":
        lab.cancel(lab.anna, booking.id, now=at(10).start)
    else:
        lab.finish(lab.anna, booking.id, now=at(10).start)
    lab.book(lab.bert, at(10), "robot-1", now=at(10).start)
    assert grant(lab, lab.anna).spans_of("robot-1") == [nanoseconds(at(9))]
    assert grant(lab, lab.bert).spans_of("robot-1") == [nanoseconds(at(10))]
    assert sees_live(lab, lab.anna, "robot-1", at(9)) == (False, True, True, False)


def test_a_booking_that_moved_shows_its_new_time_only(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9))
    lab.move(lab.anna, booking.id, at(14))
    assert grant(lab, lab.anna).spans_of("mill-1") == [nanoseconds(at(14))]


def test_a_request_is_no_occupancy_but_what_was_held_is_even_if_nobody_came(lab: BookingLab) -> None:
    lab.book(lab.anna, at(9))
    for state, seen in {"requested": False, "confirmed": True, "in_use": True, "done": True, "no_show": True}.items():
        with lab.database.write() as session:
            session.execute(sa.update(Booking).values(state=state))
        assert bool(grant(lab, lab.anna).spans) is seen, state


def test_a_booking_stretched_past_what_it_reserved_shows_no_more_than_that(lab: BookingLab) -> None:
    """Reservations are what the database keeps apart, so nobody may see beyond them, whatever the booking says."""
    lab.book(lab.anna, at(9), "robot-1")
    lab.book(lab.bert, at(10), "robot-1")
    with lab.database.write() as session:
        stretched = sa.update(Booking).where(Booking.organisation_id == lab.anna.organisation_id)
        session.execute(stretched.values(start_at=at(8).start, end_at=at(12).start))
    assert grant(lab, lab.anna).spans_of("robot-1") == [nanoseconds(at(9))]
    assert sees_live(lab, lab.anna, "robot-1", at(9)) == (False, True, True, False)


def test_occupancies_come_by_device_and_start(lab: BookingLab) -> None:
    lab.book(lab.anna, at(14), "robot-1")
    lab.book(lab.anna, at(9), "robot-1", "meter-1")
    with lab.database.read() as session:
        found = repository.occupancies(session, lab.anna.organisation_id)
    assert [(occupancy.device_id, occupancy.start) for occupancy in found] == [
        ("meter-1", at(9).start),
        ("robot-1", at(9).start),
        ("robot-1", at(14).start),
    ]
    assert lab.count(BookingDevice) == 3
