"""What is assigned is applied by the recorder, which alone writes samples: between two batches, and at the same times.

Doing it again changes nothing, so a crash in between is harmless.
"""

import time
from collections.abc import Callable

import structlog
from sqlalchemy.orm import Session

from lab.core.clock import Clock
from lab.core.database import Database
from telemetry.models import TimeAssignment
from telemetry.repository import SYSTEM_ID, known_clock
from telemetry.settling import ChangePoint, settle
from telemetry.stores.interface import Flag, SampleStore
from telemetry.times import repository
from telemetry.times.rules import was_set_back

log = structlog.get_logger(__name__)

EVERY_SECONDS = 1.0


class Applier:
    """Gives stored samples and events the time that was assigned to them.

    Args:
        database: where assignments and events are.
        store: where samples are.
        clock: the lab's clock.
        forget: called with (device, boot) before anything more of it is read: its clock has changed.
    """

    def __init__(
        self, database: Database, store: SampleStore, clock: Clock, forget: Callable[[str, str], None]
    ) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._forget = forget
        self._looked_at: float | None = None
        self.applied = 0

    def __call__(self, *, at_once: bool = False) -> None:
        """Apply what waits, looking at most once a second.

        Raises:
            UnavailableError: if the store does not answer; what is left is applied later.
        """
        now = time.monotonic()
        if not at_once and self._looked_at is not None and now - self._looked_at < EVERY_SECONDS:
            return
        with self._database.read() as session:
            waiting = repository.waiting_assignments(session)
            for row in waiting:
                session.expunge(row)
        for row in waiting:
            self._apply(row)
        self._looked_at = None if waiting else now

    def _apply(self, row: TimeAssignment) -> None:
        if row.assigned_by != SYSTEM_ID:
            self._forget(row.device_id, row.boot)
        with self._database.read() as session:
            uncertain_only = not _corrects(session, row)
        limits = self._store.limits
        span = (max(row.from_device_ns, limits.earliest_ns), min(row.to_device_ns, limits.latest_ns))
        samples = self._store.resettle(
            row.device_id, row.boot, span, offset_ns=row.offset_ns, uncertain_only=uncertain_only
        )
        self._database.transact(lambda session: self._apply_to_events(session, row, uncertain_only=uncertain_only))
        self.applied += 1
        log.info("samples have got their time", device=row.device_id, boot=row.boot, samples=samples)

    def _apply_to_events(self, session: Session, row: TimeAssignment, *, uncertain_only: bool) -> None:
        point = ChangePoint(row.from_device_ns, row.offset_ns, uncertain=False)
        for event in repository.events_in(session, row, uncertain_only=uncertain_only):
            buffered = bool(event.flags & Flag.BUFFERED)
            event.settled_ns, event.flags = settle(event.device_ns, point, event.received_ns, buffered=buffered)
        repository.note_applied(session, row.id, now=self._clock.now())


def _corrects(session: Session, row: TimeAssignment) -> bool:
    """Whether a person corrects what was assigned to this span before, so that it is not uncertain any more."""
    earlier = [
        other
        for other in repository.assignments_of(session, row.device_id, [row.boot])
        if other.applied_at is not None
        and other.from_device_ns < row.to_device_ns
        and row.from_device_ns < other.to_device_ns
    ]
    if not earlier or row.assigned_by == SYSTEM_ID:
        return False
    known = known_clock(session, row.device_id, row.boot)
    return known is not None and not was_set_back(known.points)
