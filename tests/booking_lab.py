"""A small lab for tests of the calendar: devices with buffers, two companies, an engineer, short ways to book."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bookings import life, service
from bookings.models import Booking, BookingDevice
from bookings.rulebook.models import RuleEntry
from bookings.rulebook.schemas import RuleSettings
from bookings.rules import Rules
from bookings.schemas import BookingRequest
from lab.core.database import Database
from lab.core.jobs import Job
from lab.core.settings import Settings
from lab.core.time import Span
from lab.people.principals import Principal, Role
from tests.factories import MONDAY_MORNING, make_device, make_organisation, principal

RULES = Rules.from_settings(Settings())
"""Weekdays from 07:00 to 19:00 in Gliwice."""


def at(hour: float, *, day: int = 23, length: float = 1) -> Span:
    """A span on a day of November 2026 (23: Monday, today), by the wall clock in Gliwice (UTC+1)."""
    start = datetime(2026, 11, day, tzinfo=MONDAY_MORNING.tzinfo) + timedelta(hours=hour - 1)
    return Span(start, start + timedelta(hours=length))


@dataclass
class BookingLab:
    """`mill-1` needs 10 minutes before and 5 after each use, `meter-1` and `robot-1` nothing; `lathe-0` is retired."""

    database: Database
    anna: Principal
    """Member of a company."""
    bert: Principal
    """Member of another company."""
    engineer: Principal
    now: datetime = MONDAY_MORNING

    def book(self, who: Principal, span: Span, *device_ids: str, now: datetime | None = None) -> Booking:
        """Book devices (`mill-1` if none is named)."""
        request = BookingRequest(
            device_ids=list(device_ids or ("mill-1",)), start=span.start, end=span.end, title=f"Trial of {who.name}"
        )
        return self.database.transact(
            lambda session: service.book_devices(session, who, request, now=now or self.now, rules=RULES)
        )

    def move(
        self, who: Principal, booking_id: str, span: Span, *, version: int | None = None, now: datetime | None = None
    ) -> Booking:
        """Move a booking."""
        return self.database.transact(
            lambda session: service.move_booking(
                session, who, booking_id, span, version=version, now=now or self.now, rules=RULES
            )
        )

    def cancel(
        self, who: Principal, booking_id: str, *, version: int | None = None, now: datetime | None = None
    ) -> Booking:
        """Cancel a booking."""
        return self.database.transact(
            lambda session: life.cancel_booking(
                session, who, booking_id, version=version, now=now or self.now, rules=RULES
            )
        )

    def start(self, booking_id: str, *, now: datetime) -> Booking:
        """Begin to use."""
        return self.database.transact(lambda session: life.start_use(session, booking_id, now=now))

    def finish(self, who: Principal, booking_id: str, *, now: datetime) -> Booking:
        """Finish using."""
        return self.database.transact(lambda session: life.finish_use(session, who, booking_id, now=now))

    def transact(self, deed: Callable[..., Booking], *given: Any, **facts: Any) -> Booking:
        """Do a deed of `bookings.life` or `bookings.service` in a transaction of its own: `deed(session, …)`."""
        return self.database.transact(lambda session: deed(session, *given, **{"now": self.now, **facts}))

    def rule(self, scope: str, name: str, **settings: Any) -> None:
        """Set rules for the lab, a device class or a device."""
        RuleSettings.model_validate(settings)
        with self.database.write() as session:
            entry = RuleEntry(
                scope=scope, name=name, settings=settings, version=1, changed_by="acc_manager", changed_at=self.now
            )
            session.merge(entry)

    def state(self, booking_id: str) -> str:
        """The state of a booking."""
        with self.database.read() as session:
            return session.get_one(Booking, booking_id).state

    def jobs(self, kind: str) -> list[str]:
        """Keys of the jobs of a kind, sorted."""
        with self.database.read() as session:
            return sorted(session.scalars(sa.select(Job.key).where(Job.kind == kind)))

    def held(self, device_id: str = "mill-1") -> list[Span]:
        """What the database holds of a device, buffers included, by start."""
        with self.database.read() as session:
            rows = session.scalars(
                sa.select(BookingDevice)
                .where(BookingDevice.device_id == device_id, BookingDevice.active)
                .order_by(BookingDevice.reserved_start)
            )
            return [Span(row.reserved_start, row.reserved_end) for row in rows]

    def count(self, model: type[Booking] | type[BookingDevice]) -> int:
        """How many rows there are."""
        with self.database.read() as session:
            return session.scalar(sa.select(sa.func.count()).select_from(model)) or 0


def make_booking_lab(database: Database) -> BookingLab:
    """Fill an empty database with the lab above."""
    with database.write() as session:
        make_device(session, "mill-1", setup_minutes=10, cleanup_minutes=5)
        make_device(session, "meter-1")
        make_device(session, "robot-1")
        make_device(session, "lathe-0", retired_at=MONDAY_MORNING)
        company, other, lab = (make_organisation(session).id for _ in range(3))
    return BookingLab(
        database,
        anna=principal(Role.MEMBER, company, account_id="acc_anna", name="Anna"),
        bert=principal(Role.MEMBER, other, account_id="acc_bert", name="Bert"),
        engineer=principal(Role.ENGINEER, lab, account_id="acc_engineer", name="Ewa"),
    )
