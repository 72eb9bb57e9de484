"""How long the spool keeps what is stored: until a day after the store has proved that it has it.

A store can turn out damaged after it said "stored". So messages go only when a checkpoint, at which their samples were
read back from where they stay, is itself old enough. Only a spool beyond its size goes below that, and only with what a
checkpoint has verified; that is an incident, because what protects against a damaged store is thinner then.
"""

import time
from dataclasses import dataclass

import structlog

from lab.core.clock import Clock
from telemetry.incidents.noting import IncidentBox, incident
from telemetry.spool import Spool
from telemetry.stores.interface import SampleStore

log = structlog.get_logger(__name__)

HOUR_NS = 3_600 * 10**9


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """How long and how much a spool keeps."""

    keep_hours: float = 24.0
    """After a verified checkpoint."""
    most_bytes: int = 8 * 1024**3
    """A larger spool forgets the older half of what is verified early: a full disk would stop the recording itself."""
    checkpoint_every_s: float = 60.0


class SpoolRetention:
    """Has the store prove what it has, and forgets spool rows that are proved and old.

    Args:
        spool: whose rows.
        store: asked for checkpoints.
        clock: tells what is old.
        limits: how long and how much is kept.
        incidents: told when the size bites.
    """

    def __init__(
        self, spool: Spool, store: SampleStore, clock: Clock, limits: SpoolLimits, incidents: IncidentBox
    ) -> None:
        self._spool = spool
        self._store = store
        self._clock = clock
        self._limits = limits
        self._incidents = incidents
        self._due = time.monotonic() + limits.checkpoint_every_s
        self._verified = 0
        self.problem: str | None = None
        """Why the spool grows beyond its size."""

    def apply(self, drained: int) -> None:
        """Take a checkpoint and forget, if it is time.

        Args:
            drained: the last row that is drained, conflicts told.

        Raises:
            StoreDamagedError: the store has not what it said; nothing is forgotten.
            StoreUnavailableError: it does not answer.
        """
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + self._limits.checkpoint_every_s
        self.apply_now(drained)

    def apply_now(self, drained: int) -> None:
        """As `apply`, at once."""
        now_ns = self._clock.now_ns()
        through = min(self._store.checkpoint(self._spool.id).through, drained)
        if through > self._verified:
            self._spool.note_checkpoint(through, now_ns)
            self._verified = through
        old = self._spool.checkpoint_before(now_ns - int(self._limits.keep_hours * HOUR_NS))
        if old:
            self._spool.delete_through(old)
            self._spool.forget_checkpoints(old)
        self._stay_in_size()

    def _stay_in_size(self) -> None:
        size, most = self._spool.size_bytes, self._limits.most_bytes
        self.problem = None
        if size <= most:
            return
        oldest = self._spool.oldest
        verified = max(self._verified, self._spool.checkpoint_before(2**63 - 1))
        through = oldest + (verified - oldest) // 2
        span = (self._spool.received_after(oldest - 1), self._spool.received_after(through))
        forgotten = self._spool.delete_through(through) if through > oldest else 0
        if not forgotten:
            self.problem = f"{size:,} bytes, more than {most:,}, and nothing of it is verified in the store yet"
            return
        log.warning("the spool was too large and has forgotten messages before their time", forgotten=forgotten)
        now = self._clock.now()
        self._incidents.put(
            incident(
                "spool-full",
                f"the spool had {size:,} bytes, more than {most:,}: {forgotten} messages were forgotten before their "
                "time. The store has them; should it turn out damaged, only a backup does",
                now=now,
                key=f"{self._spool.id}/{oldest}",
                span_ns=span,
                numbers=(oldest, through),
                messages=forgotten,
                ended_at=now,
            )
        )
