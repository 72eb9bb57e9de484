"""What an installation does by itself: machines check in, time passes, old keys are forgotten."""

from datetime import datetime, timedelta

import pytest

from bookings.models import Booking
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from lab.core.time import to_nanoseconds
from lab.housekeeping import Housekeeping, notice_use
from telemetry.models import MachineEvent
from telemetry.stores.interface import Flag
from tests.booking_lab import BookingLab, at, make_booking_lab

MINUTE = timedelta(minutes=1)


@pytest.fixture
def lab(each_database: Database) -> BookingLab:
    return make_booking_lab(each_database)


def says(lab: BookingLab, kind: str, when: datetime, *, device: str = "robot-1", flags: int = 0, **fields: str) -> None:
    """A machine reports something."""
    with lab.database.write() as session:
        instant = to_nanoseconds(when)
        session.add(
            MachineEvent(
                device_id=device,
                boot="7f3a",
                seq=instant // 1000 % 2**31,
                kind=kind,
                device_ns=instant,
                settled_ns=instant,
                received_ns=instant,
                flags=flags,
                fields=fields,
            )
        )


def find(lab: BookingLab, booking_id: str) -> Booking:
    with lab.database.read() as session:
        return session.get_one(Booking, booking_id)


def test_a_machine_that_begins_to_execute_checks_in_for_its_company(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9), "robot-1")
    says(lab, "state", at(9).start + 2 * MINUTE, item_state="NotExecuting")
    assert notice_use(lab.database, now=at(9).start + 3 * MINUTE) == 0
    says(lab, "state", at(9).start + 4 * MINUTE, item_state="Executing")
    assert notice_use(lab.database, now=at(9).start + 10 * MINUTE) == 1
    found = find(lab, booking.id)
    assert (found.state, found.used_from) == ("in_use", at(9).start + 4 * MINUTE)
    assert notice_use(lab.database, now=at(9).start + 11 * MINUTE) == 0


def test_what_a_machine_said_before_or_at_a_doubtful_time_checks_nobody_in(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9), "robot-1")
    says(lab, "run_started", at(9).start - MINUTE)
    says(lab, "run_started", at(9).start + MINUTE, flags=int(Flag.UNCERTAIN))
    says(lab, "run_started", at(9).start + MINUTE, device="meter-1")
    assert notice_use(lab.database, now=at(9.5).start) == 0
    assert find(lab, booking.id).state == "confirmed"


def test_a_request_is_not_begun_by_its_machine(lab: BookingLab) -> None:
    lab.rule("lab", "", approval=True)
    lab.book(lab.anna, at(9), "robot-1")
    says(lab, "run_started", at(9).start + MINUTE)
    assert notice_use(lab.database, now=at(9).start + 2 * MINUTE) == 0


def test_a_round_checks_in_before_it_takes_somebody_for_absent(lab: BookingLab) -> None:
    lab.rule("device", "robot-1", check_in_minutes=10)
    came, absent = lab.book(lab.anna, at(9), "robot-1"), lab.book(lab.bert, at(14), "robot-1")
    says(lab, "part_finished", at(9).start + 5 * MINUTE)
    clock = LabClock(at(9.5).start)
    housekeeping = Housekeeping(lab.database, clock, Settings())
    housekeeping.round()
    assert [find(lab, one.id).state for one in (came, absent)] == ["in_use", "confirmed"]
    clock.jump_to(at(14.5).start)
    housekeeping.round()
    assert [find(lab, one.id).state for one in (came, absent)] == ["done", "no_show"]
