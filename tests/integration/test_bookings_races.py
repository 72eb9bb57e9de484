"""Many users at the same moment: one wins, and the database shows it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pytest
import sqlalchemy as sa

from bookings.errors import DeviceBusyError
from bookings.models import Booking, BookingDevice
from lab.core.database import Database
from lab.core.errors import PilotLabError
from tests.booking_lab import BookingLab, at, make_booking_lab

ROUNDS = 20


@dataclass
class Outcome:
    """What became of one round."""

    won: list[str] = field(default_factory=list)
    refused: list[PilotLabError] = field(default_factory=list)
    failed: list[BaseException] = field(default_factory=list)


def race(deeds: list[Callable[[], Booking]]) -> Outcome:
    """Do all deeds at the same moment, each in a thread of its own."""
    outcome, gun = Outcome(), threading.Barrier(len(deeds))

    def run(deed: Callable[[], Booking]) -> None:
        gun.wait()
        try:
            outcome.won.append(deed().id)
        except PilotLabError as error:
            outcome.refused.append(error)
        except BaseException as error:  # noqa: BLE001 - whatever else happens is the finding
            outcome.failed.append(error)

    threads = [threading.Thread(target=run, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return outcome


def overlapping_pairs(database: Database) -> int:
    """How many pairs of active rows overlap, counted by the database without the service's help."""
    one, other = sa.orm.aliased(BookingDevice), sa.orm.aliased(BookingDevice)
    query = (
        sa.select(sa.func.count())
        .select_from(one)
        .join(
            other,
            sa.and_(
                one.device_id == other.device_id,
                one.booking_id < other.booking_id,
                one.reserved_start < other.reserved_end,
                other.reserved_start < one.reserved_end,
            ),
        )
        .where(one.active, other.active)
    )
    with database.read() as session:
        return session.scalar(query) or 0


def partial_bookings(database: Database, devices: int) -> list[str]:
    """Bookings that do not hold all their devices."""
    query = (
        sa.select(Booking.id)
        .outerjoin(BookingDevice)
        .group_by(Booking.id)
        .having(sa.func.count(BookingDevice.device_id) != devices)
    )
    with database.read() as session:
        return list(session.scalars(query))


def require_one_winner(outcome: Outcome) -> None:
    """One wins; the others are told that the device is busy and where else it is free."""
    assert outcome.failed == []
    assert len(outcome.won) == 1
    for error in outcome.refused:
        assert isinstance(error, DeviceBusyError)
        assert len(error.facts["alternatives"]) == 3


@pytest.fixture
def lab(each_database: Database) -> BookingLab:
    return make_booking_lab(each_database)


def day_and_hour(round_number: int) -> tuple[int, int]:
    """Another slot for every round: from Tuesday on, four a day."""
    return 24 + round_number // 4 + (2 if round_number >= 16 else 0), 8 + 2 * (round_number % 4)


@pytest.mark.parametrize("users", [2, 10])
def test_one_of_many_gets_the_slot(lab: BookingLab, users: int) -> None:
    for number in range(ROUNDS):
        day, hour = day_and_hour(number)
        who = [lab.anna, lab.bert] * (users // 2)
        outcome = race([partial(lab.book, one, at(hour, day=day)) for one in who])
        require_one_winner(outcome)
        assert len(outcome.refused) == users - 1
    assert lab.count(Booking) == ROUNDS
    assert overlapping_pairs(lab.database) == 0


@pytest.mark.parametrize("users", [2, 10])
def test_one_of_many_gets_three_devices_at_once_and_nobody_gets_a_part(lab: BookingLab, users: int) -> None:
    orders = [("mill-1", "meter-1", "robot-1"), ("robot-1", "mill-1", "meter-1"), ("meter-1", "robot-1", "mill-1")]
    for number in range(ROUNDS):
        day, hour = day_and_hour(number)
        outcome = race([partial(lab.book, lab.anna, at(hour, day=day), *orders[user % 3]) for user in range(users)])
        require_one_winner(outcome)
    assert (lab.count(Booking), lab.count(BookingDevice)) == (ROUNDS, 3 * ROUNDS)
    assert partial_bookings(lab.database, 3) == []
    assert overlapping_pairs(lab.database) == 0


@pytest.mark.parametrize("users", [2, 10])
def test_wishes_that_share_only_some_devices_never_hold_one_twice(lab: BookingLab, users: int) -> None:
    pairs = [("mill-1", "meter-1"), ("meter-1", "robot-1"), ("robot-1", "mill-1")]
    for number in range(ROUNDS):
        day, hour = day_and_hour(number)
        outcome = race([partial(lab.book, lab.bert, at(hour, day=day), *pairs[user % 3]) for user in range(users)])
        require_one_winner(outcome)  # any two of the three pairs share a device
    assert partial_bookings(lab.database, 2) == []
    assert overlapping_pairs(lab.database) == 0


@pytest.mark.parametrize("users", [2, 10])
def test_one_of_many_moves_onto_the_free_slot(lab: BookingLab, users: int) -> None:
    places = [at(7 + hour, day=30) for hour in range(users)]
    bookings = [lab.book(lab.anna, place, "robot-1", "meter-1") for place in places]
    for number in range(ROUNDS):
        day, hour = 24 + number % 4, 8 + number // 4
        target = at(hour, day=day)
        outcome = race([partial(lab.move, lab.anna, one.id, target) for one in bookings])
        require_one_winner(outcome)
        assert overlapping_pairs(lab.database) == 0
        assert lab.held("meter-1").count(target) == 1
        home = places[[booking.id for booking in bookings].index(outcome.won[0])]
        lab.move(lab.anna, outcome.won[0], home)
    assert sorted(lab.held("robot-1")) == places
    assert partial_bookings(lab.database, 2) == []


def test_a_booking_and_a_move_onto_the_same_slot_have_one_winner(lab: BookingLab) -> None:
    for number in range(ROUNDS):
        day, hour = day_and_hour(number)
        target = at(hour, day=day)
        mover = lab.book(lab.anna, at(17, day=day))
        outcome = race([partial(lab.move, lab.anna, mover.id, target), partial(lab.book, lab.bert, target)])
        require_one_winner(outcome)
        assert overlapping_pairs(lab.database) == 0
        lab.cancel(lab.anna, mover.id)
    assert lab.count(Booking) >= ROUNDS


@pytest.mark.parametrize("users", [2, 10])
def test_careless_programs_that_write_past_the_service_have_one_winner_too(lab: BookingLab, users: int) -> None:
    """No locks, no look at what is there: the constraint alone decides."""

    def write(booking_id: str, span_start: float, day: int) -> Booking:
        span = at(span_start, day=day)

        def work(session: sa.orm.Session) -> Booking:
            booking = Booking(
                id=booking_id,
                organisation_id=lab.anna.organisation_id,
                booked_by="careless",
                title="Careless",
                start_at=span.start,
                end_at=span.end,
                state="confirmed",
                version=1,
                created_at=lab.now,
                devices=[
                    BookingDevice(device_id="robot-1", reserved_start=span.start, reserved_end=span.end, active=True)
                ],
            )
            session.add(booking)
            return booking

        return lab.database.transact(work)

    for number in range(4):
        day, hour = day_and_hour(number)
        outcome = race([partial(write, f"bkg_{number}_{user}", hour, day) for user in range(users)])
        assert len(outcome.won) == 1
        assert {type(error) for error in outcome.failed} == {sa.exc.IntegrityError}
    assert overlapping_pairs(lab.database) == 0
    assert lab.count(Booking) == 4
