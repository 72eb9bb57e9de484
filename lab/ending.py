"""The end of a process: asked for once, heard by all parts at once, and over by one instant (10 s, faults.md row 2)."""

import logging
import os
import sys
import threading
from collections.abc import Callable

from telemetry.deadlines import Deadline

SECONDS = 7.0
"""For all parts together; closing the store and the databases comes after."""
_LAST_WORDS_SECONDS = 0.5


class Ending:
    """Tells the parts of a process that they should end, and how much time they have left.

    Attributes:
        asked: set when the end has begun.
    """

    def __init__(self) -> None:
        self.asked = threading.Event()
        self._actions: list[Callable[[], None]] = []
        self._deadline: Deadline | None = None
        self._lock = threading.Lock()

    def at_once(self, action: Callable[[], None], *, name: str) -> Callable[[], None]:
        """Have something done as soon as the end begins, beside all else; at once, if it has.

        Args:
            action: what to do.
            name: of its thread.

        Returns:
            Waits until it is done, or the time is over.
        """
        thread = threading.Thread(target=action, name=name, daemon=True)
        with self._lock:
            if self._deadline is None:
                self._actions.append(thread.start)
            else:
                thread.start()

        def wait() -> None:
            left = self.left()
            thread.join(left + _LAST_WORDS_SECONDS)

        return wait

    def begin(self) -> None:
        """The end begins, if it has not yet."""
        with self._lock:
            if self._deadline is not None:
                return
            self._deadline = Deadline(SECONDS)
            self.asked.set()
            for action in self._actions:
                action()

    def left(self) -> float:
        """Seconds that are left to end in; whoever asks before it has begun begins it."""
        self.begin()
        assert self._deadline is not None
        return self._deadline.left()


def leave(code: int = 0) -> None:
    """End this process as it is, all parts having ended: taking Python apart costs a second of processor time.

    On a busy computer that second was five, after everything had been stored and closed.

    Args:
        code: of the exit.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
