"""The life of a booking: requests, approval, extension, early ends, and what time itself changes."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from bookings import life, service
from bookings.errors import (
    BookingClosedError,
    BookingNotStartedError,
    BookingUnknownError,
    DeviceBusyError,
    NoRequestError,
    RuleBrokenError,
)
from bookings.models import Booking
from bookings.repository import occupancies
from bookings.timekeeping import keep_time
from lab.core.audit import AuditEntry
from lab.core.database import Database
from lab.core.errors import ForbiddenError
from lab.core.time import Span
from tests.booking_lab import RULES, BookingLab, at, make_booking_lab

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
AT_NOON = at(12)


@pytest.fixture
def lab(each_database: Database) -> BookingLab:
    return make_booking_lab(each_database)


def request(lab: BookingLab, span: Span = AT_NOON, device: str = "robot-1") -> Booking:
    """Anna's wish for a device that needs approval."""
    lab.rule("device", device, approval=True, approval_lapses_minutes=120)
    return lab.book(lab.anna, span, device)


def passes(lab: BookingLab, now: datetime) -> int:
    return keep_time(lab.database, now=now, rules=RULES)


def whats(lab: BookingLab, booking_id: str) -> list[str]:
    with lab.database.read() as session:
        query = sa.select(AuditEntry.what).where(AuditEntry.subject_id == booking_id).order_by(AuditEntry.id)
        return list(session.scalars(query))


# Requests


def test_a_request_holds_its_slot_until_it_lapses_and_then_somebody_else_gets_it(lab: BookingLab) -> None:
    asked = request(lab)
    assert (asked.state, asked.lapses_at) == ("requested", lab.now + 2 * HOUR)
    with pytest.raises(DeviceBusyError):
        lab.book(lab.bert, at(12), "robot-1")
    later = lab.now + 2 * HOUR
    got = lab.book(lab.bert, at(12), "robot-1", now=later)  # nobody has looked at the clock in between
    assert got.state == "requested"
    assert lab.state(asked.id) == "cancelled"
    assert whats(lab, asked.id) == ["requested", "lapsed"]
    assert lab.held("robot-1") == [at(12)]


def test_a_request_lapses_at_its_start_at_the_latest(lab: BookingLab) -> None:
    assert request(lab, at(9)).lapses_at == at(9).start


def test_an_approved_request_is_a_booking_and_does_not_lapse(lab: BookingLab) -> None:
    asked = request(lab)
    approved = lab.transact(life.approve_booking, lab.engineer, asked.id, version=1)
    assert (approved.state, approved.version, approved.lapses_at) == ("confirmed", 2, None)
    assert passes(lab, lab.now + 3 * HOUR) == 0
    assert lab.held("robot-1") == [at(12)]


def test_the_staff_books_without_asking_itself(lab: BookingLab) -> None:
    lab.rule("lab", "", approval=True)
    assert lab.book(lab.engineer, at(9), "robot-1").state == "confirmed"


def test_a_company_approves_nothing_and_learns_nothing_of_others(lab: BookingLab) -> None:
    asked = request(lab)
    with pytest.raises(ForbiddenError):
        lab.transact(life.approve_booking, lab.anna, asked.id, version=None)
    with pytest.raises(BookingUnknownError):
        lab.transact(life.approve_booking, lab.bert, asked.id, version=None)
    assert lab.state(asked.id) == "requested"


def test_what_has_lapsed_is_not_approved_but_reinstated_if_it_is_still_free(lab: BookingLab) -> None:
    asked = request(lab)
    later = lab.now + 3 * HOUR
    with pytest.raises(NoRequestError) as refused:
        lab.transact(life.approve_booking, lab.engineer, asked.id, version=None, now=later)
    assert refused.value.facts["rule"] == "request-in-time"
    assert asked.lapses_at is not None
    assert f"lapsed at {asked.lapses_at:%Y-%m-%d %H:%M}" in refused.value.message
    back = lab.transact(life.reinstate_booking, lab.engineer, asked.id, version=None, now=later, rules=RULES)
    assert (back.state, back.lapses_at) == ("confirmed", None)
    assert lab.held("robot-1") == [at(12)]
    with lab.database.read() as session:
        line = service.history_of_booking(session, lab.engineer, asked.id)[-1]
        assert line.before is not None
        assert (line.what, line.before["state"]) == ("reinstated", "requested")


def test_what_began_in_the_past_is_not_reinstated(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9), "robot-1")
    lab.cancel(lab.anna, booking.id)
    with pytest.raises(RuleBrokenError) as refused:
        lab.transact(
            life.reinstate_booking, lab.engineer, booking.id, version=None, now=at(9.5).start, rules=RULES, override="x"
        )
    assert refused.value.facts["rule"] == "not-in-the-past"


def test_what_has_lapsed_is_neither_moved_nor_extended_although_nobody_has_noted_it_yet(lab: BookingLab) -> None:
    asked = request(lab)
    later = lab.now + 3 * HOUR
    with pytest.raises(BookingClosedError):
        lab.move(lab.anna, asked.id, at(15), now=later)
    with pytest.raises(BookingClosedError):
        lab.transact(life.extend_booking, lab.anna, asked.id, at(14).start, version=None, now=later, rules=RULES)


def test_a_declined_request_frees_its_slot_and_comes_back_only_if_nobody_took_it(lab: BookingLab) -> None:
    asked = request(lab)
    declined = lab.transact(life.decline_booking, lab.engineer, asked.id, version=None, reason="No coolant")
    assert (declined.state, declined.ended_as) == ("cancelled", "declined")
    lab.book(lab.bert, at(12), "robot-1")
    with pytest.raises(DeviceBusyError) as refused:
        lab.transact(life.reinstate_booking, lab.engineer, asked.id, version=None, rules=RULES)
    assert len(refused.value.facts["alternatives"]) == 3
    assert lab.state(asked.id) == "cancelled"
    assert lab.held("robot-1") == [at(12)]


@pytest.mark.parametrize("deed", [life.approve_booking, life.decline_booking])
def test_what_is_no_request_is_neither_approved_nor_declined(lab: BookingLab, deed: object) -> None:
    booking = lab.book(lab.anna, at(9), "robot-1")
    with pytest.raises(NoRequestError):
        lab.transact(deed, lab.engineer, booking.id, version=None)  # type: ignore[arg-type]
    with pytest.raises(NoRequestError):
        lab.transact(life.reinstate_booking, lab.engineer, booking.id, version=None, rules=RULES)


# Extension


def test_a_running_booking_is_extended_if_the_time_after_it_is_free(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9))
    lab.start(booking.id, now=at(9).start)
    longer = lab.transact(
        life.extend_booking, lab.anna, booking.id, at(11).start, version=None, now=at(9.5).start, rules=RULES
    )
    assert (longer.state, longer.end_at) == ("in_use", at(11).start)
    assert lab.held() == [Span(at(9).start - 10 * MINUTE, at(11).start + 5 * MINUTE)]


def test_a_running_booking_is_not_extended_into_the_next_one_or_the_night(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9))
    lab.book(lab.bert, at(11))
    now = at(9.5).start
    with pytest.raises(DeviceBusyError) as refused:
        lab.transact(life.extend_booking, lab.anna, booking.id, at(11).start, version=None, now=now, rules=RULES)
    assert refused.value.facts["conflicts"] == [{"device_id": "mill-1", "what": "taken"}]
    with pytest.raises(RuleBrokenError) as closed:
        lab.transact(life.extend_booking, lab.anna, booking.id, at(20).start, version=None, now=now, rules=RULES)
    assert closed.value.facts["rule"] == "opening-hours"
    assert lab.held()[0].end == at(10).start + 5 * MINUTE


def test_an_end_that_is_over_is_refused_and_a_nearer_one_frees_the_rest(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9, length=3))
    now = at(10).start
    with pytest.raises(RuleBrokenError) as over:
        lab.transact(life.extend_booking, lab.anna, booking.id, at(9.5).start, version=None, now=now, rules=RULES)
    assert over.value.facts["rule"] == "end-ahead"
    lab.transact(life.extend_booking, lab.anna, booking.id, at(10.5).start, version=None, now=now, rules=RULES)
    lab.book(lab.bert, at(11), now=now)
    with pytest.raises(BookingClosedError):
        lab.transact(
            life.extend_booking, lab.anna, booking.id, at(12).start, version=None, now=at(11).start, rules=RULES
        )


# Cancelling in time


def test_after_the_deadline_only_the_staff_cancels(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(14), "robot-1")
    lab.rule("class", "cnc-mill", cancel_deadline_minutes=240)
    with pytest.raises(RuleBrokenError) as refused:
        lab.cancel(lab.anna, booking.id, now=at(11).start)
    assert refused.value.facts["rule"] == "cancel-deadline"
    assert refused.value.facts["deadline"] == at(10).start.isoformat()
    lab.cancel(lab.engineer, booking.id, now=at(11).start)
    assert lab.held("robot-1") == []


def test_before_the_deadline_a_company_cancels_and_the_waitlist_is_looked_through(lab: BookingLab) -> None:
    lab.rule("lab", "", cancel_deadline_minutes=60)
    booking = lab.book(lab.anna, at(14), "robot-1")
    assert lab.jobs("waitlist-offer") == []
    lab.cancel(lab.anna, booking.id, now=at(12).start)
    assert lab.jobs("waitlist-offer") == [f"waitlist-offer:{booking.id}:2"]


# What time changes


def test_nobody_came_so_the_rest_of_the_slot_is_free_and_the_time_until_then_is_history(lab: BookingLab) -> None:
    lab.rule("device", "robot-1", check_in_minutes=15)
    booking = lab.book(lab.anna, at(9, length=2), "robot-1")
    assert passes(lab, at(9).start + 14 * MINUTE) == 0
    now = at(9).start + 15 * MINUTE
    assert passes(lab, now) == 1
    assert lab.state(booking.id) == "no_show"
    lab.book(lab.bert, at(9.5), "robot-1", now=now)
    with lab.database.read() as session:
        (held,) = occupancies(session, lab.anna.organisation_id)
        assert (held.start, held.end) == (at(9).start, now)
    assert passes(lab, now) == 0


def test_who_has_checked_in_is_not_taken_for_absent(lab: BookingLab) -> None:
    lab.rule("device", "robot-1", check_in_minutes=15)
    booking = lab.book(lab.anna, at(9), "robot-1")
    lab.start(booking.id, now=at(9).start + MINUTE)
    assert passes(lab, at(9.5).start) == 0
    assert passes(lab, at(10).start) == 1
    with lab.database.read() as session:
        done = session.get_one(Booking, booking.id)
        assert (done.state, done.used_from, done.used_until) == ("done", at(9).start + MINUTE, at(10).start)


def test_where_nobody_checks_in_a_slot_that_is_over_is_done(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9), "robot-1")
    assert passes(lab, at(9.5).start) == 0
    assert passes(lab, at(10).start) == 1
    with lab.database.read() as session:
        done = session.get_one(Booking, booking.id)
        assert (done.state, done.used_from) == ("done", None)
    assert lab.held("robot-1") == [at(9)]


def test_the_staff_says_that_nobody_came_but_not_before_the_start(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9, length=2), "robot-1")
    with pytest.raises(BookingNotStartedError):
        lab.transact(life.mark_no_show, lab.engineer, booking.id, version=None)
    with pytest.raises(ForbiddenError):
        lab.transact(life.mark_no_show, lab.anna, booking.id, version=None, now=at(10).start)
    lab.transact(life.mark_no_show, lab.engineer, booking.id, version=None, now=at(10).start)
    assert lab.held("robot-1") == [at(9)]


def test_after_the_start_nothing_but_a_future_end_changes(lab: BookingLab) -> None:
    """I4: who held a device when is history."""
    booking = lab.book(lab.anna, at(9), "robot-1")
    now = at(9.5).start
    with pytest.raises(Exception, match="stays where it is"):
        lab.move(lab.anna, booking.id, at(14), now=now)
    lab.cancel(lab.engineer, booking.id, now=now)
    with pytest.raises(NoRequestError):  # it was held until now; giving it back would rewrite that
        lab.transact(life.reinstate_booking, lab.engineer, booking.id, version=None, now=now, rules=RULES)
    with lab.database.read() as session:
        (held,) = occupancies(session, lab.anna.organisation_id)
        assert (held.start, held.end) == (at(9).start, now)


# History and notices


def test_every_change_leaves_a_line_and_a_notice(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9), "robot-1")
    lab.move(lab.anna, booking.id, at(11))
    lab.start(booking.id, now=at(11).start)
    lab.finish(lab.anna, booking.id, now=at(11.5).start)
    with lab.database.read() as session:
        changes = service.history_of_booking(session, lab.anna, booking.id)
        assert [(change.what, change.by) for change in changes] == [
            ("created", "acc_anna"),
            ("moved", "acc_anna"),
            ("started", "system"),
            ("finished", "acc_anna"),
        ]
        moved = changes[1]
        assert moved.before is not None
        assert moved.after is not None
        assert (moved.before["start"], moved.after["start"]) == (at(9).start.isoformat(), at(11).start.isoformat())
        with pytest.raises(BookingUnknownError):
            service.history_of_booking(session, lab.bert, booking.id)
    notices = [key.split(":", 2)[2] for key in lab.jobs("booking-notice")]
    assert notices == ["1:created", "2:moved", "3:started", "4:finished"]
