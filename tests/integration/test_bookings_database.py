"""The database has the last word: what goes past the service is refused all the same (I1)."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from bookings import constraints
from bookings.errors import DeviceBusyError
from bookings.models import Booking, BookingDevice
from lab.core.database import Database
from lab.core.time import Span
from tests.booking_lab import BookingLab, at, make_booking_lab
from tests.lock_waiting import wait_for_a_lock

MICROSECOND = timedelta(microseconds=1)
TAKEN_AWAY = {
    "postgresql": [f"ALTER TABLE booking_devices DROP CONSTRAINT {constraints.DEVICES.constraint}"],
    "sqlite": ["DROP TRIGGER booking_devices_free_on_update", "DROP TRIGGER booking_devices_free_on_insert"],
}
"""What a careless administrator might do."""


@pytest.fixture
def lab(each_database: Database) -> BookingLab:
    return make_booking_lab(each_database)


def insert_past_the_service(lab: BookingLab, booking_id: str, span: Span, device_id: str = "robot-1") -> None:
    """Rows as a careless program would write them: no rules, no locks, no look at what is there."""
    with lab.database.write() as session:
        connection = session.connection()
        connection.execute(sa.insert(Booking), row_of_booking(lab, booking_id, span))
        connection.execute(sa.insert(BookingDevice), row_of_device(booking_id, span, device_id))


def row_of_booking(lab: BookingLab, booking_id: str, span: Span) -> dict[str, Any]:
    return {
        "id": booking_id,
        "organisation_id": lab.bert.organisation_id,
        "booked_by": "careless",
        "title": "Careless",
        "start_at": span.start,
        "end_at": span.end,
        "state": "confirmed",
        "version": 1,
        "created_at": lab.now,
    }


def row_of_device(booking_id: str, span: Span, device_id: str, **facts: Any) -> dict[str, Any]:
    row = {
        "booking_id": booking_id,
        "device_id": device_id,
        "reserved_start": span.start,
        "reserved_end": span.end,
        "active": True,
    }
    return {**row, **facts}


def test_an_insert_that_overlaps_is_refused(lab: BookingLab) -> None:
    lab.book(lab.anna, at(9), "robot-1")
    for span in (
        at(9),
        at(9.25, length=0.5),
        at(8, length=3),
        at(8.5),
        at(9.5),
        Span(at(10).start - MICROSECOND, at(11).start),
        Span(at(8).start, at(9).start + MICROSECOND),
        at(1, day=1, length=24 * 40),
    ):
        with pytest.raises(IntegrityError) as refused:
            insert_past_the_service(lab, "bkg_careless", span)
        assert constraints.is_device_busy(refused.value), span
    assert lab.held("robot-1") == [at(9)]
    assert lab.count(Booking) == 1


def test_an_insert_beside_many_others_is_taken_only_where_it_fits(lab: BookingLab) -> None:
    for hour in (8, 10, 12, 14, 16):
        lab.book(lab.anna, at(hour), "robot-1")
    for hour in (9, 11, 13, 15):
        with pytest.raises(IntegrityError):
            insert_past_the_service(lab, f"bkg_{hour}", at(hour, length=1.01))
        insert_past_the_service(lab, f"bkg_{hour}", at(hour))
    assert lab.held("robot-1") == [at(hour) for hour in range(8, 17)]


def test_an_update_that_overlaps_is_refused(lab: BookingLab) -> None:
    """One update for each column by which a row could come to stand in another's place."""
    held, beside = lab.book(lab.anna, at(9), "robot-1"), lab.book(lab.bert, at(11), "robot-1")
    other = lab.book(lab.bert, at(9, length=2), "meter-1")
    with lab.database.write() as session:
        inactive = row_of_device(other.id, at(9), "mill-1", active=False)
        session.execute(sa.insert(BookingDevice), inactive)
    row = sa.update(BookingDevice).where(BookingDevice.device_id == "robot-1")
    statements = {
        "reserved_start": row.where(BookingDevice.booking_id == beside.id).values(reserved_start=at(9.5).start),
        "reserved_end": row.where(BookingDevice.booking_id == held.id).values(reserved_end=at(11.5).start),
        "device_id": sa.update(BookingDevice).where(BookingDevice.device_id == "meter-1").values(device_id="robot-1"),
        "active": sa.update(BookingDevice)
        .where(BookingDevice.device_id == "mill-1")
        .values(active=True, device_id="robot-1"),
        "booking_id": row.where(BookingDevice.booking_id == beside.id).values(
            booking_id=other.id, reserved_start=at(9).start
        ),
    }
    for column, statement in statements.items():
        with pytest.raises(IntegrityError) as refused, lab.database.write() as session:
            session.execute(statement)
        assert constraints.is_device_busy(refused.value), column
    assert lab.held("robot-1") == [at(9), at(11)]


def test_a_row_may_move_within_its_own_place_and_back_to_life_where_it_is_free(lab: BookingLab) -> None:
    booking = lab.book(lab.anna, at(9), "robot-1")
    lab.cancel(lab.anna, booking.id)
    with lab.database.write() as session:
        session.execute(sa.update(BookingDevice).values(active=True))
        session.execute(sa.update(BookingDevice).values(reserved_start=at(9.5).start, reserved_end=at(11).start))
    assert lab.held("robot-1") == [at(9.5, length=1.5)]


def test_a_reservation_without_length_is_refused(lab: BookingLab) -> None:
    """To PostgreSQL an empty range overlaps nothing, so it must not come in at all."""
    booking = lab.book(lab.anna, at(9), "robot-1")
    for end in (at(9).start, at(8).start):
        row = row_of_device(booking.id, at(9), "meter-1", reserved_end=end)
        with pytest.raises((IntegrityError, sa.exc.DataError)), lab.database.write() as session:
            session.execute(sa.insert(BookingDevice), row)
    assert lab.held("meter-1") == []


def test_sqlite_refuses_what_it_could_store_but_not_compare(database: Database) -> None:
    lab = make_booking_lab(database)
    booking = lab.book(lab.anna, at(9), "robot-1")
    values = ["'2026-11-23T09:00:00Z'", "1.5", "x'00'"]
    times = [f"{column} = {value}" for column in ("reserved_start", "reserved_end") for value in values]
    for change in (*times, "active = 2", "active = 'yes'"):
        with pytest.raises(IntegrityError) as refused, database.write() as session:
            session.execute(sa.text(f"UPDATE booking_devices SET {change} WHERE booking_id = '{booking.id}'"))
        assert constraints.WRONG_FORM in str(refused.value)


@pytest.mark.parametrize("conflict", ["OR REPLACE", "OR IGNORE", "OR FAIL", "OR ROLLBACK"])
def test_sqlite_refuses_however_the_insert_is_put(database: Database, conflict: str) -> None:
    lab = make_booking_lab(database)
    held = lab.book(lab.anna, at(9), "robot-1")
    other = lab.book(lab.anna, at(9), "meter-1")
    statement = (
        f"INSERT {conflict} INTO booking_devices SELECT '{other.id}', device_id, reserved_start, reserved_end, active "
        f"FROM booking_devices WHERE booking_id = '{held.id}'"
    )
    connection = database.engine.raw_connection()
    try:
        with pytest.raises(Exception, match=constraints.DEVICES.busy):
            connection.cursor().execute(statement)
    finally:
        connection.close()
    assert lab.held("robot-1") == [at(9)]


def test_the_statements_take_the_guard_away_and_put_it_back(lab: BookingLab) -> None:
    dialect = lab.database.engine.dialect.name
    lab.book(lab.anna, at(9), "robot-1")

    def execute(statements: list[str]) -> None:
        with lab.database.write() as session:
            for statement in statements:
                session.execute(sa.text(statement))

    execute(TAKEN_AWAY[dialect])
    insert_past_the_service(lab, "bkg_careless", at(9))
    with lab.database.write() as session:
        session.execute(sa.delete(BookingDevice).where(BookingDevice.booking_id == "bkg_careless"))
    execute(constraints.DEVICES.statements()[dialect])
    with pytest.raises(IntegrityError):
        insert_past_the_service(lab, "bkg_careless_2", at(9))


def test_two_bookings_swap_within_one_transaction_on_postgresql(postgres_database: Database) -> None:
    lab = make_booking_lab(postgres_database)
    first, second = lab.book(lab.anna, at(9), "robot-1"), lab.book(lab.bert, at(11), "robot-1")
    with lab.database.write() as session:
        for booking_id, span in ((first.id, at(11)), (second.id, at(9))):
            session.execute(
                sa.update(BookingDevice)
                .where(BookingDevice.booking_id == booking_id)
                .values(reserved_start=span.start, reserved_end=span.end)
            )
    assert lab.held("robot-1") == [at(9), at(11)]


def test_a_collision_that_only_the_constraint_sees_is_told_like_any_other(postgres_database: Database) -> None:
    """A careless program has written but not committed: the service cannot see it, waits, and is refused at its end."""
    lab = make_booking_lab(postgres_database)
    refusals: list[DeviceBusyError] = []

    def book() -> None:
        try:
            lab.book(lab.anna, at(9), "meter-1", "robot-1")
        except DeviceBusyError as error:
            refusals.append(error)

    with lab.database.write() as careless:
        careless.execute(sa.insert(Booking), row_of_booking(lab, "bkg_careless", at(9)))
        careless.execute(sa.insert(BookingDevice), row_of_device("bkg_careless", at(9), "robot-1"))
        careless.flush()
        waiting = threading.Thread(target=book)
        waiting.start()
        wait_for_a_lock(lab.database)
    waiting.join(10)
    (refusal,) = refusals
    assert refusal.facts["conflicts"] == [{"device_id": "robot-1", "what": "taken"}]
    assert len(refusal.facts["alternatives"]) == 3
    assert lab.held("meter-1") == []
    assert lab.count(Booking) == 1


def test_the_checks_find_their_rows_by_index(lab: BookingLab) -> None:
    """What a trigger or a conflict looks for must not cost more with every year of history."""
    dialect = lab.database.engine.dialect.name
    query = (
        "SELECT reserved_start FROM booking_devices WHERE device_id = 'mill-1' AND {active} AND reserved_end > {start} "
        "ORDER BY reserved_end LIMIT 1"
    )
    plans: dict[str, Callable[[sa.Connection], str]] = {
        "sqlite": lambda connection: str(
            connection.exec_driver_sql("EXPLAIN QUERY PLAN " + query.format(active="active = 1", start="5")).all()
        ),
        "postgresql": lambda connection: str(
            connection.exec_driver_sql("EXPLAIN " + query.format(active="active", start="now()")).all()
        ),
    }
    with lab.database.engine.connect() as connection:
        if dialect == "postgresql":
            connection.exec_driver_sql("SET enable_seqscan = off")
        assert "ix_booking_devices_reserved" in plans[dialect](connection)
