"""Which device an edge node, or a device of one, is in the catalogue."""

import threading
import time
from collections.abc import Mapping

from devices.repository import device_addresses
from lab.core.database import Database

KEPT_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 1.0


class Addresses:
    """Address → device, read again now and then.

    Args:
        database: where it is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: Mapping[str, str] = {}
        self._read_at: float | None = None
        self._lock = threading.Lock()

    def device_at(self, address: str) -> str | None:
        """The device at `sparkplug:group/node[/device]`; `None`: nobody has said which one that is.

        An unknown address is looked for again, but a flood of them is no flood of queries.
        """
        with self._lock:
            known = self._known.get(address)
            age = KEPT_SECONDS if self._read_at is None else time.monotonic() - self._read_at
            if age >= (LOOK_AGAIN_SECONDS if known is None else KEPT_SECONDS):
                with self._database.read() as session:
                    self._known = device_addresses(session)
                self._read_at = time.monotonic()
                known = self._known.get(address)
            return known
