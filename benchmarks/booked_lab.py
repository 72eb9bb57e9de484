"""A lab whose calendar is full already, on a PostgreSQL of its own that keeps its word (fsync on).

A hundred machines with set-up times, rules of the lab and of a class, a price list for every machine, weekly and single
outages, forty companies with a member each who has an API token. Bookings that are there are written in bulk, with
devices, log and done jobs, as creates leave them behind.
"""

import itertools
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.orm import Session

from bookings.models import Booking, BookingDevice
from bookings.notices import JOB_KIND
from bookings.opening import OpeningHours
from bookings.outages.models import Outage
from bookings.prices.models import PriceList
from bookings.rulebook.models import RuleEntry
from devices.models import Device
from lab.core.audit import AuditEntry
from lab.core.clock import SystemClock
from lab.core.database import Database
from lab.core.ids import new_id
from lab.core.jobs import Job
from lab.core.migration import migrate
from lab.core.settings import Settings
from lab.core.time import Span
from lab.people.models import Account, ApiToken, Organisation
from lab.people.passwords import hash_token, new_token
from tests.services import PostgresCluster, start_postgres

MACHINES = 100
COMPANIES = 40
LENGTH = timedelta(minutes=15)
SETUP = CLEANUP = timedelta(minutes=5)
PITCH = timedelta(minutes=30)
"""From the start of one booking of a machine to that of its next one."""


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of a company who books by program."""

    organisation_id: str
    account_id: str
    token: str


@dataclass(slots=True)
class BookedLab:
    """The lab, and what of its calendar is still free."""

    url: str
    database: Database
    now: datetime
    members: list[Member]
    manager_token: str
    machines: list[str]
    week: Span
    """The one that is full."""
    existing: int
    cluster: PostgresCluster

    def starts(self) -> Iterator[datetime]:
        """Allowed starts after the full week, up to the horizon, in order."""
        calendar = OpeningHours.from_settings(Settings())
        later = Span(self.week.end, self.now + timedelta(days=170))
        for opening in calendar.openings_around(later):
            start = opening.start + SETUP
            while start >= later.start and start + LENGTH + CLEANUP <= opening.end:
                yield start
                start += PITCH


@contextmanager
def postgres(folder: Path) -> Iterator[PostgresCluster]:
    """A server that keeps what it has said it keeps."""
    cluster = start_postgres(folder / "postgres", durable=True)
    try:
        yield cluster
    finally:
        cluster.remove()


@contextmanager
def booked_lab(existing: int) -> Iterator[BookedLab]:
    """A fresh lab with so many bookings in one week."""
    folder = Path(tempfile.mkdtemp(prefix="pilotlab-bench-"))
    folder.chmod(0o755)  # the server may run as another user
    try:
        with postgres(folder) as cluster:
            yield from _opened(cluster, existing)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _opened(cluster: PostgresCluster, existing: int) -> Iterator[BookedLab]:
    url = cluster.create_database()
    database = Database(url)
    try:
        lab = _filled(cluster, database, url, existing)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")  # as autovacuum leaves a database that was not filled a moment ago
        yield lab
    finally:
        database.close()


def _filled(cluster: PostgresCluster, database: Database, url: str, existing: int) -> BookedLab:
    migrate(database)
    now = SystemClock().now()
    machines = [f"mill-{number:03}" for number in range(1, MACHINES + 1)]
    with database.write() as session:
        members = [_member(session, number, now) for number in range(COMPANIES)]
        manager = _member(session, COMPANIES, now, kind="lab", role="manager")
        _write_machines(session, machines, manager.account_id, now)
        _write_outages(session, machines, now)
    monday = (now + timedelta(days=7 - now.weekday() + 7)).replace(hour=0, minute=0, second=0, microsecond=0)
    week = Span(monday, monday + timedelta(days=7))
    lab = BookedLab(url, database, now, members, manager.token, machines, week, existing, cluster)
    with database.write() as session:
        _write_bookings(session, lab)
    return lab


def _member(session: Session, number: int, now: datetime, *, kind: str = "company", role: str = "member") -> Member:
    member = Member(new_id("org"), new_id("acc"), new_token("plt"))
    session.execute(
        sa.insert(Organisation).values(id=member.organisation_id, name=f"{kind} {number}", kind=kind, created_at=now)
    )
    session.execute(
        sa.insert(Account).values(
            id=member.account_id,
            organisation_id=member.organisation_id,
            sign_in=f"{role}-{number}@example.org",
            name=f"{role.title()} {number}",
            role=role,
            password_hash="!",
            created_at=now,
        )
    )
    session.execute(
        sa.insert(ApiToken).values(
            id=new_id("tok"),
            account_id=member.account_id,
            name="booking by program",
            token_hash=hash_token(member.token),
            scopes=["read", "write"],
            created_at=now,
        )
    )
    return member


def _write_machines(session: Session, machines: Sequence[str], by: str, now: datetime) -> None:
    facts = {
        "kind": "cnc-mill",
        "description": "",
        "location": "Hall A",
        "capabilities": [{"name": "milling", "axes": 3}],
        "price_cents_per_hour": 12_000,
        "setup_minutes": SETUP // timedelta(minutes=1),
        "cleanup_minutes": 0,
        "created_at": now,
    }
    session.execute(sa.insert(Device), [{**facts, "id": one, "name": one.capitalize()} for one in machines])
    rules: dict[tuple[str, str], dict[str, Any]] = {
        ("lab", ""): {"granularity_minutes": 5, "cancel_deadline_minutes": 60},
        ("class", "cnc-mill"): {"longest_minutes": 480, "cleanup_minutes": CLEANUP // timedelta(minutes=1)},
    }
    for (scope, name), settings in rules.items():
        session.execute(
            sa.insert(RuleEntry).values(
                scope=scope, name=name, settings=settings, version=1, changed_by=by, changed_at=now
            )
        )
    prices = {one: {"hour_cents": 11_900, "setup_cents": 500} for one in machines}
    session.execute(
        sa.insert(PriceList).values(
            version=1,
            name="this year",
            valid_from=now - timedelta(days=30),
            devices=prices,
            supervision_hour_cents=6_000,
            created_by=by,
            created_at=now,
        )
    )


def _write_outages(session: Session, machines: Sequence[str], now: datetime) -> None:
    """Maintenance on Sunday mornings, when nobody books anyway, and ten single repairs in the past."""
    sunday = (now + timedelta(days=6 - now.weekday())).replace(hour=8, minute=0, second=0, microsecond=0)
    past = now - timedelta(days=20)
    outages = [(None, sunday, "FREQ=WEEKLY"), *((one, past, None) for one in machines[:10])]
    for device_id, start, rrule in outages:
        end = start + timedelta(hours=2)
        session.execute(
            sa.insert(Outage).values(
                id=new_id("out"),
                device_id=device_id,
                kind="maintenance",
                start_at=start,
                end_at=end,
                rrule=rrule,
                last_end_at=None if rrule else end,
                reason="maintenance",
                declared_by="system",
                declared_at=now,
                version=1,
            )
        )


def _write_bookings(session: Session, lab: BookedLab) -> None:
    calendar, found = OpeningHours.from_settings(Settings()), []
    for opening in calendar.openings_around(lab.week):
        start = opening.start + SETUP
        while start + LENGTH + CLEANUP <= opening.end:
            found.append(start)
            start += PITCH
    places = itertools.islice(itertools.product(found, lab.machines), lab.existing)
    rows: list[tuple[str, Member, str, datetime]] = [
        (new_id("bkg"), lab.members[number % COMPANIES], machine, start)
        for number, (start, machine) in enumerate(places)
    ]
    if len(rows) < lab.existing:
        raise ValueError(f"a week has room for {len(rows)} bookings only")
    session.execute(sa.insert(Booking), [_booking(*row, lab.now) for row in rows])
    session.execute(sa.insert(BookingDevice), [_held(*row) for row in rows])
    session.execute(sa.insert(AuditEntry), [_line(*row, lab.now) for row in rows])
    session.execute(sa.insert(Job), [_job(row[0], lab.now) for row in rows])


def rows_of_booking(lab: BookedLab, member: Member, machine: str, start: datetime) -> list[tuple[str, dict[str, Any]]]:
    """What a create leaves behind: table and values by column."""
    booking_id = new_id("bkg")
    row = booking_id, member, machine, start
    return [
        ("bookings", _booking(*row, lab.now)),
        ("booking_devices", _held(*row)),
        ("audit_entries", _line(*row, lab.now)),
        ("jobs", _job(booking_id, lab.now)),
    ]


def _booking(booking_id: str, member: Member, machine: str, start: datetime, now: datetime) -> dict[str, Any]:
    return {
        "id": booking_id,
        "organisation_id": member.organisation_id,
        "booked_by": member.account_id,
        "title": f"Trial on {machine}",
        "start_at": start,
        "end_at": start + LENGTH,
        "state": "confirmed",
        "version": 1,
        "created_at": now,
        "changed_at": now,
        "price_cents": 3_475,
        "market_value_cents": 3_475,
        "supervised": False,
        "support_cents": 0,
        "quote": {"lines": []},
    }


def _held(booking_id: str, _member: Member, machine: str, start: datetime) -> dict[str, Any]:
    return {
        "booking_id": booking_id,
        "device_id": machine,
        "reserved_start": start - SETUP,
        "reserved_end": start + LENGTH + CLEANUP,
        "active": True,
    }


def _line(booking_id: str, member: Member, machine: str, start: datetime, now: datetime) -> dict[str, Any]:
    after = {"start": start.isoformat(), "end": (start + LENGTH).isoformat(), "device_ids": [machine], "version": 1}
    return {
        "at": now,
        "by": member.account_id,
        "subject": "booking",
        "subject_id": booking_id,
        "what": "created",
        "after": after,
    }


def _job(booking_id: str, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id("job"),
        "kind": JOB_KIND,
        "key": f"{JOB_KIND}:{booking_id}:1:created",
        "payload": {"booking_id": booking_id, "what": "created", "version": 1, "cause": None},
        "state": "done",
        "attempts": 1,
        "max_attempts": 8,
        "run_at": now,
        "created_at": now,
        "finished_at": now,
    }
