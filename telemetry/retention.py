"""How long the spool keeps what is stored: a day, because a store can turn out damaged after it said "stored"."""

import time

from lab.core.clock import Clock
from telemetry.settling import DAY_NS
from telemetry.spool import Spool
from telemetry.stores.interface import SampleStore

EVERY_SECONDS = 60.0
MOST_BYTES = 4 * 1024**3
"""A larger spool forgets its older half early (only what is stored): a full disk would stop the recording itself."""


class Retention:
    """Forgets spool rows that are stored and old.

    Args:
        spool: whose rows.
        store: asked for its watermark: what lies above is never forgotten.
        clock: tells what is old.
    """

    def __init__(self, spool: Spool, store: SampleStore, clock: Clock) -> None:
        self._spool = spool
        self._store = store
        self._clock = clock
        self._due = time.monotonic() + EVERY_SECONDS

    def apply(self, drained: int) -> None:
        """Forget, if it is time.

        Args:
            drained: the last row that is drained, conflicts told.
        """
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + EVERY_SECONDS
        safe = min(drained, self._store.watermark())
        self._spool.delete_through(safe, received_before_ns=self._clock.now_ns() - DAY_NS)
        if self._spool.size_bytes > MOST_BYTES:
            self._spool.delete_through(self._spool.oldest + (safe - self._spool.oldest) // 2)
