"""Slot search among 100,000 bookings, over HTTP, on PostgreSQL.

`measure_slot_search(database)` fills an empty, migrated database; `benchmarks.bookings` includes it. To look at it
alone: `python -m benchmarks.slot_search URL` with the address of such a database. The server is uvicorn in a thread of
this process, the client httpx on one kept connection; a time is from sending the request to having read the answer,
signing in by token included.
"""

import random
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import sqlalchemy as sa
import uvicorn
from sqlalchemy.orm import Session

from benchmarks.measurement import Measurement, show
from bookings.models import Booking, BookingDevice, BookingEngineer
from devices.models import Device
from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from lab.people.models import Account, Organisation
from lab.people.principals import Principal, Role
from lab.people.service import create_api_token

GOAL_MS = 50.0
_NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)
"""Monday, 08:00 in Gliwice."""
_WINDOW = timedelta(days=60)
_BACK, _AHEAD = timedelta(days=900), timedelta(days=100)
_OPEN = (timedelta(hours=6), timedelta(hours=18))
"""From 07:00 to 19:00 in Gliwice in winter, and never outside the opening hours in summer."""
_BATCH = 4000
_Rows = tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]


def measure_slot_search(database: Database, *, quick: bool = False) -> list[Measurement]:
    """p50 and p95 of searches over 60 days.

    Args:
        database: empty, with all tables, on PostgreSQL; it is filled, and left full.
        quick: a tenth of the bookings and a quarter of the searches.
    """
    bookings, searches = (10_000, 50) if quick else (100_000, 200)
    with database.write() as session:
        token = _people(session)
    found = []
    # Three devices that are booked some fifty times a day each; then a whole lab, with as many bookings again.
    for group, devices in (("busy", 3), ("lab", 12)):
        _fill(database, group, devices, bookings)
        _settle(database)
        with _served(database) as address:
            for name, query in _queries(group):
                times = _timed(address, token, query, searches)
                found += _measurements(f"slots: {name}; {bookings:,} bookings on {devices} devices", times)
    return found


def _queries(group: str) -> list[tuple[str, dict[str, Any]]]:
    named = {"device_id": [f"{group}-{number}" for number in range(3)], "supervised": True}
    able = {"capability": [f"{group}-milling(axes>=3)", f"{group}-metering"], "supervised": True}
    return [
        ("3 devices and an engineer", named),
        ("3 devices and an engineer, preferred hours, explained", {**named, "prefer": "09:00-12:00", "explain": True}),
        ("two capabilities and an engineer", able),
    ]


def _people(session: Session) -> str:
    """A company, a lab with three engineers, and a token of somebody of the company."""
    facts = {"size_class": "small", "nace": "C25.62", "region": "PL22A", "created_at": _NOW}
    session.add_all(Organisation(id=f"org_{kind}", name=kind, kind=kind, **facts) for kind in ("company", "lab"))
    session.flush()
    people = [("anna", Role.MEMBER, "company"), *((f"engineer{number}", Role.ENGINEER, "lab") for number in range(3))]
    session.add_all(
        Account(
            id=f"acc_{name}",
            organisation_id=f"org_{where}",
            sign_in=f"{name}@example.org",
            name=name,
            role=role.value,
            password_hash="!",
            created_at=_NOW,
        )
        for name, role, where in people
    )
    session.flush()
    anna = Principal("acc_anna", "org_company", Role.MEMBER, "anna")
    return create_api_token(session, anna, name="bench", scopes=("read",), now=_NOW)[1]


def _fill(database: Database, group: str, devices: int, bookings: int) -> None:
    """Devices booked nearly back to back on weekdays, from years back to months ahead; many bookings supervised."""
    rng = random.Random(group)
    with database.write() as session:
        session.add_all(_device(group, number) for number in range(devices))
    days = [_NOW.replace(hour=0) + timedelta(days=day) for day in range(-_BACK.days, _AHEAD.days)]
    days = [day for day in days if day.weekday() < 5]
    a_day = bookings / devices / len(days)
    waiting: list[_Rows] = []
    for number in range(devices):
        for day in days:
            for start, end in _booked_day(rng, day, a_day):
                # The engineers are booked by the busy devices only: nobody supervises two at once.
                engineer = f"acc_engineer{number}" if group == "busy" and rng.random() < 0.5 else None
                waiting.append(
                    _rows(f"bkg_{group}_{number}_{start:%y%m%d%H%M}", f"{group}-{number}", start, end, engineer)
                )
            if len(waiting) >= _BATCH:
                _write(database, waiting)
    if waiting:
        _write(database, waiting)


def _booked_day(rng: random.Random, day: datetime, count: float) -> Iterator[tuple[datetime, datetime]]:
    """About so many bookings; one day in ten has an afternoon without any."""
    start, close = day + _OPEN[0], day + _OPEN[1]
    if rng.random() < 0.1:
        close -= timedelta(hours=5)
    average = (_OPEN[1] - _OPEN[0]) / count / timedelta(minutes=5) * 0.93
    while start < close:
        length = max(1, round(average * rng.uniform(0.5, 1.3))) * timedelta(minutes=5)
        end = min(start + length, close)
        yield start, end
        start = end + rng.choice([0, 0, 0, 0, 1]) * timedelta(minutes=5)


def _rows(booking_id: str, device_id: str, start: datetime, end: datetime, engineer: str | None) -> _Rows:
    booking = {
        "id": booking_id,
        "organisation_id": "org_company",
        "booked_by": "acc_anna",
        "title": "Feed rates",
        "start_at": start,
        "end_at": end,
        "state": "done" if end < _NOW else "confirmed",
        "version": 1,
        "created_at": _NOW,
        "changed_at": _NOW,
        "supervised": engineer is not None,
    }
    held = {"booking_id": booking_id, "reserved_start": start, "reserved_end": end, "active": True}
    return booking, {**held, "device_id": device_id}, {**held, "account_id": engineer} if engineer else None


def _write(database: Database, waiting: list[_Rows]) -> None:
    with database.write() as session:
        session.execute(sa.insert(Booking), [booking for booking, _, _ in waiting])
        session.execute(sa.insert(BookingDevice), [device for _, device, _ in waiting])
        supervised = [engineer for _, _, engineer in waiting if engineer is not None]
        if supervised:
            session.execute(sa.insert(BookingEngineer), supervised)
    waiting.clear()


def _device(group: str, number: int) -> Device:
    abilities = [{"name": f"{group}-milling", "axes": 3 + number % 3}, {"name": f"{group}-metering"}]
    return Device(
        id=f"{group}-{number}",
        name=f"Device {number}",
        kind=group,
        description="",
        location="Hall A",
        capabilities=[abilities[number % 2]],
        price_cents_per_hour=5000 + number,
        setup_minutes=0,
        cleanup_minutes=0,
        created_at=_NOW,
        signals=[],
    )


def _settle(database: Database) -> None:
    """What PostgreSQL does by itself on a server that has been running for a while."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


@contextmanager
def _served(database: Database) -> Iterator[str]:
    app = create_app(settings=Settings(), database=database, clock=LabClock(_NOW), store=None, live=None)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def _timed(address: str, token: str, query: dict[str, Any], searches: int) -> list[float]:
    """Milliseconds of each search; windows and lengths differ."""
    rng, found = random.Random(7), []
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        for number in range(-5, searches):  # the first few are not counted
            begin = _NOW + timedelta(minutes=5 * rng.randrange(4000))
            window = {"from": begin.isoformat(), "to": (begin + _WINDOW).isoformat()}
            asked = {
                **query,
                **window,
                "duration_minutes": rng.choice([30, 60, 120, 240]),
                "count": rng.choice([1, 3, 10]),
            }
            started = time.perf_counter()
            answer = client.get("/api/v1/slots", params=asked)
            took = (time.perf_counter() - started) * 1000
            answer.raise_for_status()
            if number >= 0:
                found.append(took)
    return found


def _measurements(name: str, times: Sequence[float]) -> list[Measurement]:
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    p50, p95 = cuts[49], cuts[94]
    return [
        Measurement(f"{name}, p50", p50, "ms", GOAL_MS, p50 / GOAL_MS, "", met=p50 <= GOAL_MS),
        Measurement(f"{name}, p95", p95, "ms", GOAL_MS, p95 / GOAL_MS, f"≤ {GOAL_MS:.0f} ms", met=p95 <= GOAL_MS),
    ]


if __name__ == "__main__":
    show(measure_slot_search(Database(sys.argv[1]), quick="--quick" in sys.argv))
