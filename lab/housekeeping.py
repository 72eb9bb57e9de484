"""What an installation does by itself every few seconds: time passes, machines begin to run, old things go away."""

from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy.orm import Session

from bookings import repository
from bookings.errors import BookingClosedError, BookingNotStartedError
from bookings.life import start_use
from bookings.rules import Rules
from bookings.timekeeping import keep_time
from lab.access.service import grant_for
from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.idempotency import forget_old_keys
from lab.core.settings import Settings
from lab.core.time import from_nanoseconds, to_nanoseconds
from lab.people.principals import SYSTEM
from lab.pilots.documents.service import clear_documents_away
from lab.reports.afterwards.service import plan_missing_follow_ups
from telemetry.queries import events
from telemetry.stores.interface import Flag

log = structlog.get_logger(__name__)

EVERY_SECONDS = 3.0
_KEYS_EVERY = timedelta(hours=1)
_AT_ONCE = 100
_AT_WORK = ("state", "run_started", "part_started", "part_finished")
"""Events by which a machine says that it works; a state only if it is `Executing` (OPC 40001-1)."""


class Housekeeping:
    """One round after another; several processes may do so at once.

    Args:
        database: where bookings and events are.
        clock: the lab's clock.
        settings: of the installation.
    """

    def __init__(self, database: Database, clock: Clock, settings: Settings) -> None:
        self._database = database
        self._clock = clock
        self._rules = Rules.from_settings(settings)
        self._data_dir = settings.data_dir
        self._keys_forgotten: datetime | None = None

    def round(self) -> None:
        """Do what is due."""
        now = self._clock.now()
        notice_use(self._database, now=now)
        keep_time(self._database, now=now, rules=self._rules)
        if self._keys_forgotten is None or now - self._keys_forgotten >= _KEYS_EVERY:
            self._database.transact(partial(forget_old_keys, now=now))
            clear_documents_away(self._database, self._data_dir)
            self._database.transact(partial(plan_missing_follow_ups, now=now))
            self._keys_forgotten = now


def notice_use(database: Database, *, now: datetime) -> int:
    """Check in to bookings whose machines say by themselves that they work.

    Returns:
        How many there were.
    """
    with database.read() as session:
        begun = repository.begun_unused(session, now=now, limit=_AT_ONCE)
        at_work = [(which, since) for which, start, ids in begun if (since := _at_work(session, ids, start, now))]
    for booking_id, since in at_work:
        try:
            database.transact(partial(start_use, booking_id=booking_id, now=now, since=since))
        except (BookingClosedError, BookingNotStartedError):  # it was cancelled or finished meanwhile
            continue
        log.info("a machine says that it is in use", booking=booking_id, since=since.isoformat())
    return len(at_work)


def _at_work(session: Session, device_ids: list[str], start: datetime, now: datetime) -> datetime | None:
    """When the first of these machines began to work, if any has."""
    grant = grant_for(session, SYSTEM)
    found = [
        event.settled_ns
        for device_id in device_ids
        for event in events(session, grant, device_id, to_nanoseconds(start), to_nanoseconds(now), kinds=_AT_WORK)
        if not event.flags & Flag.UNCERTAIN and (event.kind != "state" or event.fields.get("item_state") == "Executing")
    ]
    return from_nanoseconds(min(found)) if found else None
