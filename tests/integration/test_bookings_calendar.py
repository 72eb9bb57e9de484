"""Booking, moving, cancelling and using, on both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bookings import service
from bookings.errors import (
    BookingChangedError,
    BookingClosedError,
    BookingNotStartedError,
    BookingStartedError,
    BookingUnknownError,
    DeviceBusyError,
    DevicesRetiredError,
    NotYourBookingError,
    RuleBrokenError,
    UnknownDevicesError,
    UnknownOrganisationError,
)
from bookings.models import Booking, BookingDevice
from bookings.schemas import BookingRequest
from lab.core.audit import AuditEntry
from lab.core.database import Database
from lab.core.errors import PilotLabError
from lab.core.time import Span
from lab.people.principals import SYSTEM, Role
from tests.booking_lab import RULES, BookingLab, at, make_booking_lab
from tests.factories import principal

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def lab(each_database: Database) -> BookingLab:
    return make_booking_lab(each_database)


# Booking


def test_a_booking_holds_its_devices_with_their_buffers(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9), "mill-1", "meter-1")
    assert [row.device_id for row in booking.devices] == ["meter-1", "mill-1"]
    assert (booking.state, booking.version, booking.organisation_id) == ("confirmed", 1, lab.anna.organisation_id)
    assert lab.held("mill-1") == [at(9).widened(before=10 * MINUTE, after=5 * MINUTE)]
    assert lab.held("meter-1") == [at(9)]


def test_a_taken_slot_is_refused_with_three_free_alternatives(lab: BookingLab) -> None:
    lab.book(lab.anna, at(9, length=2))
    with pytest.raises(DeviceBusyError) as refused:
        lab.book(lab.bert, at(10))
    facts = refused.value.facts
    assert (facts["field"], facts["rule"], facts["devices"]) == ("start", "device-free", ["mill-1"])
    assert facts["conflicts"] == [{"device_id": "mill-1", "what": "taken"}]
    assert facts["alternatives"] == [
        {"start": "2026-11-23T10:15:00Z", "end": "2026-11-23T11:15:00Z"},
        {"start": "2026-11-23T11:15:00Z", "end": "2026-11-23T12:15:00Z"},
        {"start": "2026-11-23T12:15:00Z", "end": "2026-11-23T13:15:00Z"},
    ]
    for alternative in facts["alternatives"]:
        with lab.database.write() as session:
            request = BookingRequest(device_ids=["mill-1"], title="Instead", **alternative)
            service.book_devices(session, lab.bert, request, now=lab.now, rules=RULES)
            session.rollback()  # each of the three is free by itself


def test_alternatives_suit_all_devices_at_once(lab: BookingLab) -> None:
    lab.book(lab.anna, at(9, length=2), "mill-1")
    lab.book(lab.anna, at(12, length=2), "robot-1")
    with pytest.raises(DeviceBusyError) as refused:
        lab.book(lab.bert, at(10, length=2), "robot-1", "mill-1", "meter-1")
    assert refused.value.facts["devices"] == ["mill-1"]
    starts = [alternative["start"] for alternative in refused.value.facts["alternatives"]]
    assert starts == ["2026-11-23T13:00:00Z", "2026-11-23T15:00:00Z", "2026-11-24T06:00:00Z"]


def test_nothing_of_a_booking_remains_when_one_device_is_taken(lab: BookingLab) -> None:
    lab.book(lab.anna, at(9), "robot-1")
    with pytest.raises(DeviceBusyError):
        lab.book(lab.bert, at(9), "meter-1", "mill-1", "robot-1")
    assert (lab.count(Booking), lab.count(BookingDevice)) == (1, 1)
    assert lab.held("mill-1") == lab.held("meter-1") == []


def test_bookings_may_touch_where_no_buffer_is_between(lab: BookingLab) -> None:
    lab.book(lab.anna, at(9), "robot-1")
    lab.book(lab.bert, at(10), "robot-1")
    lab.book(lab.bert, at(8), "robot-1")
    assert lab.held("robot-1") == [at(8), at(9), at(10)]


def test_buffers_keep_bookings_of_one_device_apart(lab: BookingLab) -> None:
    lab.book(lab.anna, at(9))
    with pytest.raises(DeviceBusyError):
        lab.book(lab.bert, at(10))
    lab.book(lab.bert, at(10.25))


@pytest.mark.parametrize(
    ("devices", "error", "rule"),
    [
        (("mill-1", "mill-7", "ghost-1"), UnknownDevicesError, "known-device"),
        (("lathe-0",), DevicesRetiredError, "device-in-service"),
        (tuple(f"mill-{number}" for number in range(1000)), RuleBrokenError, "most-devices"),
    ],
)
def test_devices_that_cannot_be_booked_are_named(
    lab: BookingLab, devices: tuple[str, ...], error: type[PilotLabError], rule: str
) -> None:
    with pytest.raises(error) as refused:
        lab.book(lab.anna, at(9), *devices)
    assert refused.value.facts["rule"] == rule
    assert refused.value.facts["field"] == "device_ids"
    assert lab.count(Booking) == 0


def test_a_rule_refuses_before_anything_is_written(lab: BookingLab) -> None:
    with pytest.raises(RuleBrokenError) as refused:
        lab.book(lab.anna, at(20))
    assert refused.value.facts["rule"] == "opening-hours"
    assert lab.count(Booking) == 0


def test_only_the_staff_books_for_another_organisation(lab: BookingLab) -> None:
    for_anna = BookingRequest(
        device_ids=["mill-1"], start=at(9).start, end=at(9).end, title="T", organisation_id=lab.anna.organisation_id
    )
    recipient = principal(Role.RECIPIENT, lab.anna.organisation_id)
    with lab.database.write() as session:
        for who in (lab.bert, recipient):
            with pytest.raises(NotYourBookingError):
                service.book_devices(session, who, for_anna, now=lab.now, rules=RULES)
        booking = service.book_devices(session, lab.engineer, for_anna, now=lab.now, rules=RULES)
        assert (booking.organisation_id, booking.booked_by) == (lab.anna.organisation_id, "acc_engineer")


def test_nobody_books_for_an_organisation_that_does_not_exist(lab: BookingLab) -> None:
    with pytest.raises(UnknownOrganisationError):
        lab.book(SYSTEM, at(9))


# Moving


def test_a_booking_moves_with_all_its_devices_and_its_history(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9), "mill-1", "meter-1")
    moved = lab.move(lab.anna, booking.id, at(9.5), version=1)  # overlaps its own old place
    assert (Span(moved.start_at, moved.end_at), moved.version) == (at(9.5), 2)
    assert lab.held("meter-1") == [at(9.5)]
    assert lab.held("mill-1") == [at(9.5).widened(before=10 * MINUTE, after=5 * MINUTE)]
    with lab.database.read() as session:
        created, change = session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id))
        assert (created.what, created.before) == ("created", None)
        assert (change.what, change.by, change.at) == ("moved", "acc_anna", lab.now)
        assert change.before is not None
        assert change.before["start"] == at(9).start.isoformat()
        assert change.after is not None
        assert change.after["start"] == at(9.5).start.isoformat()


def test_a_move_onto_a_taken_slot_changes_nothing_and_offers_alternatives(lab: BookingLab) -> None:
    lab.book(lab.bert, at(12), "meter-1")
    booking = lab.book(lab.anna, at(9), "mill-1", "meter-1")
    with pytest.raises(DeviceBusyError) as refused:
        lab.move(lab.anna, booking.id, at(12))
    assert refused.value.facts["devices"] == ["meter-1"]
    # The own old slot is free for the move, so the nearest alternatives may overlap it.
    assert refused.value.facts["alternatives"][0] == {"start": "2026-11-23T10:00:00Z", "end": "2026-11-23T11:00:00Z"}
    with lab.database.read() as session:
        same = service.get_booking(session, lab.anna, booking.id)
        assert (Span(same.start_at, same.end_at), same.version) == (at(9), 1)
    assert lab.held("mill-1") == [at(9).widened(before=10 * MINUTE, after=5 * MINUTE)]


def test_after_its_start_a_booking_does_not_move(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9))
    for after in (timedelta(0), MINUTE, HOUR, 24 * HOUR):
        with pytest.raises(BookingStartedError) as refused:
            lab.move(lab.anna, booking.id, at(10, day=30), now=booking.start_at + after)
        assert refused.value.facts["rule"] == "move-before-start"


def test_a_cancelled_booking_does_not_move(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9))
    lab.cancel(lab.anna, booking.id)
    with pytest.raises(BookingClosedError):
        lab.move(lab.anna, booking.id, at(10))


def test_a_move_obeys_the_rules(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9))
    with pytest.raises(RuleBrokenError):
        lab.move(lab.anna, booking.id, at(9, day=28))


# Cancelling


def test_cancelled_before_its_start_a_booking_frees_its_devices(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9), "mill-1", "meter-1")
    cancelled = lab.cancel(lab.anna, booking.id)
    assert (cancelled.state, cancelled.cancelled_at, cancelled.version) == ("cancelled", lab.now, 2)
    assert Span(cancelled.start_at, cancelled.end_at) == at(9)
    assert lab.held("mill-1") == lab.held("meter-1") == []
    lab.book(lab.bert, at(9), "mill-1", "meter-1")


def test_cancelled_after_its_start_a_booking_ends_now_and_stays_history(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9, length=3))
    cancelled = lab.cancel(lab.anna, booking.id, now=at(10).start)
    assert cancelled.state == "cancelled"
    assert Span(cancelled.start_at, cancelled.end_at) == at(9)
    assert lab.held() == [at(9).widened(before=10 * MINUTE, after=5 * MINUTE)]
    lab.book(lab.bert, at(10.25), now=at(10).start)  # what is left after the clean-up is free
    with pytest.raises(BookingClosedError):
        lab.cancel(lab.anna, booking.id, now=at(10.5).start)


def test_cancelled_at_the_very_start_a_booking_was_never_an_occupancy(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9))
    lab.cancel(lab.anna, booking.id, now=at(9).start)
    assert lab.held() == []


def test_what_is_over_cannot_be_cancelled(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9))
    with pytest.raises(BookingClosedError) as refused:
        lab.cancel(lab.anna, booking.id, now=at(10).start)
    assert refused.value.facts["rule"] == "cancel-while-open"


# Using


def test_a_booking_is_used_and_finished_early(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9, length=3))
    with pytest.raises(BookingNotStartedError):
        lab.start(booking.id, now=at(9).start - MINUTE)
    with pytest.raises(BookingNotStartedError):
        lab.finish(lab.anna, booking.id, now=at(9).start)
    used = lab.start(booking.id, now=at(9).start)
    assert (used.state, used.version) == ("in_use", 2)
    assert lab.start(booking.id, now=at(9.1).start).version == 2  # said again: nothing new
    done = lab.finish(lab.anna, booking.id, now=at(10).start)
    assert (done.state, done.end_at) == ("done", at(10).start)
    assert lab.held() == [at(9).widened(before=10 * MINUTE, after=5 * MINUTE)]
    assert lab.finish(lab.anna, booking.id, now=at(10.5).start).end_at == at(10).start
    with pytest.raises(BookingClosedError):
        lab.start(booking.id, now=at(10.5).start)


def test_finished_after_its_end_a_booking_keeps_its_end(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9))
    lab.start(booking.id, now=at(9).start)
    done = lab.finish(lab.engineer, booking.id, now=at(11).start)
    assert (done.state, done.end_at) == ("done", at(9).end)


# Looking, and who may


def test_another_companys_booking_does_not_exist(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9))
    for who in (lab.bert, principal(Role.RECIPIENT, lab.anna.organisation_id)):
        with lab.database.read() as session, pytest.raises(BookingUnknownError) as refused:
            service.get_booking(session, who, booking.id)
        with lab.database.read() as session, pytest.raises(BookingUnknownError) as missing:
            service.get_booking(session, who, "bkg_none")
        assert (refused.value.message, refused.value.facts) == (missing.value.message, missing.value.facts)
        with pytest.raises(BookingUnknownError):
            lab.move(who, booking.id, at(10))
        with pytest.raises(BookingUnknownError):
            lab.cancel(who, booking.id)
        with pytest.raises(BookingUnknownError):
            lab.finish(who, booking.id, now=at(9.5).start)


def test_an_id_that_no_database_could_store_is_unknown(lab: BookingLab) -> None:
    for booking_id in ("", "\x00", "bkg_\ud800", "ż", "x" * 5000):
        with lab.database.read() as session, pytest.raises(BookingUnknownError):
            service.get_booking(session, lab.engineer, booking_id)


def test_everybody_lists_what_is_theirs_and_the_staff_everything(lab: BookingLab) -> None:
    first, second = lab.book(lab.anna, at(9)), lab.book(lab.bert, at(14))
    with lab.database.read() as session:
        assert [booking.id for booking in service.list_bookings(session, lab.anna)] == [first.id]
        assert [booking.id for booking in service.list_bookings(session, lab.engineer)] == [first.id, second.id]
        assert service.list_bookings(session, principal(Role.RECIPIENT, lab.anna.organisation_id)) == []
        # a span that only touches a booking does not show it
        assert service.list_bookings(session, lab.engineer, at(10, length=4)) == []
        assert [booking.id for booking in service.list_bookings(session, lab.engineer, at(9.9))] == [first.id]


def test_a_list_takes_three_queries_however_long_it_is(lab: BookingLab) -> None:
    for hour in range(9, 15):
        lab.book(lab.anna, at(hour), "meter-1", "robot-1")
    statements: list[str] = []
    sa.event.listen(lab.database.engine, "before_cursor_execute", lambda *seen: statements.append(seen[2]))
    with lab.database.read() as session:
        found = service.list_bookings(session, lab.anna)
        assert [len(booking.devices) for booking in found] == [2] * 6
    assert len([statement for statement in statements if statement.startswith("SELECT")]) == 3


def test_a_change_decided_on_an_old_version_is_refused(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9))
    lab.move(lab.anna, booking.id, at(11), version=1)
    for change in (
        lambda: lab.move(lab.anna, booking.id, at(12), version=1),
        lambda: lab.cancel(lab.anna, booking.id, version=1),
    ):
        with pytest.raises(BookingChangedError) as refused:
            change()
        assert refused.value.facts["version"] == 2


def test_alternatives_reach_further_when_the_fortnight_is_full(lab: BookingLab) -> None:
    for day in [23, 24, 25, 26, 27, 30]:
        lab.book(lab.anna, at(8 if day == 23 else 7, day=day, length=11 if day == 23 else 12), "robot-1")
    december = at(7, day=30).start + timedelta(days=1)
    for days in (0, 1, 2, 3, 6, 7):  # Tuesday 1 to Friday 4, Monday 7, Tuesday 8 December
        start = december + timedelta(days=days)
        lab.book(lab.anna, Span(start, start + 12 * HOUR), "robot-1")
    with lab.database.read() as session:
        found = service.free_alternatives(session, ["robot-1"], at(10), now=lab.now, rules=RULES)
        assert [(span.start.month, span.start.day) for span in found] == [(12, 9)] * 3
        soon = replace(RULES, horizon=timedelta(days=15))
        assert service.free_alternatives(session, ["robot-1"], at(10), now=lab.now, rules=soon) == []
