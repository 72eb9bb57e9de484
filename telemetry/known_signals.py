"""What is known of the lab's devices and their signals while messages are read."""

import threading
import time
from collections.abc import Mapping

from devices.adopting import known_aliases
from devices.service import SignalFacts, known_signals
from lab.core.database import Database

CATALOGUE_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 1.0

Signals = Mapping[str, Mapping[str, SignalFacts]]
"""Device → signal → what is known of it."""


class Catalogue:
    """What is known of devices and signals, read again now and then.

    Args:
        database: where it is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: Signals = {}
        self._aliases: dict[str, dict[str, str]] = {}
        self._read_at: float | None = None
        self._lock = threading.Lock()

    def signals(self, look_again: bool) -> Signals:
        """Device → signal → facts.

        Args:
            look_again: something is unknown: read again unless that was done within a second (a flood of unknown
                devices must not become a flood of queries).
        """
        with self._lock:
            age = CATALOGUE_SECONDS if self._read_at is None else time.monotonic() - self._read_at
            if age >= (LOOK_AGAIN_SECONDS if look_again else CATALOGUE_SECONDS):
                with self._database.read() as session:
                    self._known, self._aliases = known_signals(session), known_aliases(session)
                self._read_at = time.monotonic()
            return self._known

    def forget(self) -> None:
        """Read it again at the next look."""
        with self._lock:
            self._read_at = None

    def aliases(self) -> dict[str, dict[str, str]]:
        """Device → name on the wire → name in the catalogue, as of the last look."""
        return self._aliases
