"""A lab and two companies that talk to the calendar over HTTP, in the name of somebody of each role."""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from httpx import Response
from sqlalchemy.orm import aliased

from bookings.models import Booking, BookingDevice
from bookings.rulebook.models import RuleEntry
from bookings.rulebook.schemas import RuleSettings
from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.errors import PilotLabError
from lab.core.jobs import Job
from lab.core.settings import Settings
from lab.core.time import Span
from lab.people.principals import Principal
from tests.factories import MONDAY_MORNING, make_device
from tests.web_client import Client, Town

API = "/api/v1"


def times(span: Span) -> dict[str, str]:
    """A span as requests write it."""
    return {"start": span.start.isoformat(), "end": span.end.isoformat()}


def wish(span: Span, *device_ids: str, **fields: Any) -> dict[str, Any]:
    """A request to book devices (`mill-1` if none is named)."""
    return {"device_ids": list(device_ids or ("mill-1",)), "title": "Feed rates", **times(span), **fields}


def problem(response: Response, status: int) -> dict[str, Any]:
    """The problem of an answer, which must be one of ours."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    assert found["detail"]
    return found


def race(deeds: Sequence[Callable[[], Any]]) -> tuple[list[Any], list[PilotLabError], list[BaseException]]:
    """Do all deeds at the same moment, each in a thread: what they gave, what was refused, what else happened."""
    given: list[Any] = []
    refused: list[PilotLabError] = []
    failed: list[BaseException] = []
    gun = threading.Barrier(len(deeds))

    def run(deed: Callable[[], Any]) -> None:
        gun.wait()
        try:
            given.append(deed())
        except PilotLabError as error:
            refused.append(error)
        except BaseException as error:  # noqa: BLE001 - whatever else happens is the finding
            failed.append(error)

    threads = [threading.Thread(target=run, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return given, refused, failed


class BookingTown:
    """`mill-1` needs 10 minutes before and 5 after each use, `meter-1` and `robot-1` nothing; `lathe-0` is retired."""

    def __init__(self, database: Database, clock: LabClock) -> None:
        self.database, self.clock = database, clock
        self.town = Town(database, clock)
        with database.write() as session:
            make_device(session, "mill-1", setup_minutes=10, cleanup_minutes=5)
            make_device(session, "meter-1")
            make_device(session, "robot-1")
            make_device(session, "lathe-0", retired_at=clock.now())
        app = create_app(settings=Settings(), database=database, clock=clock, store=None, live=None)
        names = ("manager", "engineer", "founder", "joiner", "reader")
        self.people: dict[str, Client] = {name: self.town.program(app, name) for name in names}
        self.nobody = Client(app)

    def who(self, name: str) -> Principal:
        """Somebody, for calls past HTTP."""
        return self.town.principal(name)

    def get(self, who: str, path: str, **query: Any) -> Response:
        """Ask for something."""
        return self.people[who].get(API + path, params=query)

    def post(self, who: str, path: str, body: Any = None, **headers: str) -> Response:
        """Do something."""
        options: dict[str, Any] = {"headers": headers}
        if body is not None:
            options["json"] = body
        return self.people[who].post(API + path, **options)

    def book(self, who: str, span: Span, *device_ids: str, **fields: Any) -> dict[str, Any]:
        """Book what is free."""
        made = self.post(who, "/bookings", wish(span, *device_ids, **fields))
        assert made.status_code == 201, made.text
        booking: dict[str, Any] = made.json()
        return booking

    def rule(self, scope: str = "lab", name: str = "", **settings: Any) -> None:
        """Set rules, as a manager would."""
        given = RuleSettings(**settings).given()
        with self.database.write() as session:
            session.merge(
                RuleEntry(
                    scope=scope, name=name, settings=given, version=1, changed_by="test", changed_at=MONDAY_MORNING
                )
            )

    def held(self, device_id: str = "mill-1") -> list[Span]:
        """What the database holds of a device, buffers included, by start."""
        query = sa.select(BookingDevice).where(BookingDevice.device_id == device_id, BookingDevice.active)
        with self.database.read() as session:
            rows = session.scalars(query.order_by(BookingDevice.reserved_start))
            return [Span(row.reserved_start, row.reserved_end) for row in rows]

    def count(self, model: type[Any] = Booking) -> int:
        """How many rows there are."""
        with self.database.read() as session:
            return session.scalar(sa.select(sa.func.count()).select_from(model)) or 0

    def jobs(self, kind: str) -> list[Job]:
        """The jobs of a kind, as they were asked for."""
        with self.database.read() as session:
            return list(session.scalars(sa.select(Job).where(Job.kind == kind).order_by(Job.created_at, Job.key)))

    def overlaps(self) -> int:
        """How many pairs of active rows overlap, counted without the product's help; 0 or a device is held twice."""
        one, other = aliased(BookingDevice), aliased(BookingDevice)
        collide = sa.and_(
            one.device_id == other.device_id,
            one.booking_id < other.booking_id,
            one.reserved_start < other.reserved_end,
            other.reserved_start < one.reserved_end,
        )
        query = sa.select(sa.func.count()).select_from(one).join(other, collide).where(one.active, other.active)
        with self.database.read() as session:
            return session.scalar(query) or 0

    def jump_to(self, instant: datetime) -> None:
        """Time passes."""
        self.clock.jump_to(instant)
