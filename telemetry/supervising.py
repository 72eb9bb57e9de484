"""The recorder's threads are watched from outside: one that dies is started again, one that keeps dying is told."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)

EVERY_SECONDS = 1.0
MOST_RESTARTS = 5
WITHIN_SECONDS = 60.0


class Part(Protocol):
    """Something with a thread of its own."""

    @property
    def running(self) -> bool:
        """Whether its thread lives."""
        ...

    def start(self) -> None:
        """Start the thread, also again after it has died."""
        ...


class Supervisor:
    """Looks after parts until it is stopped.

    Args:
        parts: name → part, started already.
        give_up: called once, when more than `MOST_RESTARTS` within `WITHIN_SECONDS` did not help.
    """

    def __init__(self, parts: Mapping[str, Part], give_up: Callable[[], None]) -> None:
        self._parts = dict(parts)
        self._give_up = give_up
        self._restarts: deque[float] = deque()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder-watch", daemon=True)
        self.restarts = 0

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self, *, timeout: float) -> None:
        """Watch no more; whoever ends now ends because it is asked to."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_SECONDS):
            try:
                if not self._look(time.monotonic()):
                    return
            except Exception:
                log.exception("a part of the recorder could not be started again")

    def _look(self, now: float) -> bool:
        """Start again what has died; whether to go on watching."""
        for name, part in self._parts.items():
            if part.running:
                continue
            while self._restarts and now - self._restarts[0] > WITHIN_SECONDS:
                self._restarts.popleft()
            if len(self._restarts) >= MOST_RESTARTS:
                log.critical("a part of the recorder keeps dying; the process has to be started anew", part=name)
                self._give_up()
                return False
            self._restarts.append(now)
            self.restarts += 1
            log.error("a part of the recorder has died and is started again", part=name)
            part.start()
        return True
