"""Being asked to stop, safely from a signal handler."""

import contextlib
from queue import Empty, SimpleQueue


class StopAsked:
    """What a signal handler sets and the main thread waits for.

    A `threading.Event` is not for this: a handler runs in the main thread, and if that is just inside `Event.wait`,
    with its lock held, `Event.set` waits for the same lock for ever. A `SimpleQueue` may be entered again.
    """

    def __init__(self) -> None:
        self._told: SimpleQueue[None] = SimpleQueue()
        self._asked = False

    def ask(self, *_: object) -> None:
        """Stop; may be the handler of a signal."""
        self._asked = True
        self._told.put(None)

    @property
    def asked(self) -> bool:
        """Whether it was."""
        return self._asked

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is asked, at most so many seconds; whether it was. For one thread."""
        if not self._asked:
            with contextlib.suppress(Empty):
                self._told.get(timeout=timeout)
        return self._asked
