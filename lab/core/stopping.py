"""Being asked to stop: by which signals, and safely from a handler."""

import contextlib
import signal
import time
from queue import Empty, SimpleQueue

_LOOK_SECONDS = 0.5


class StopAsked:
    """What a signal handler sets and the main thread waits for.

    A `threading.Event` is not for this: a handler runs in the main thread, and if that is just inside `Event.wait`,
    with its lock held, `Event.set` waits for the same lock for ever. A `SimpleQueue` may be entered again.

    The wait ends now and then by itself: a process that has just been continued (SIGCONT, an unpaused container) can
    get its signal in another thread, which wakes nobody, and Python runs the handler when the main thread next does.
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
        ends = None if timeout is None else time.monotonic() + timeout
        while not self._asked:
            left = _LOOK_SECONDS if ends is None else min(_LOOK_SECONDS, ends - time.monotonic())
            if left <= 0:
                break
            with contextlib.suppress(Empty):
                self._told.get(timeout=left)
        return self._asked


def stop_signals() -> list[signal.Signals]:
    """What asks a program to end: Ctrl-C, SIGTERM, and a closed terminal unless it is to be ignored (`nohup`)."""
    found = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # Windows has none
        found.append(signal.SIGHUP)
    return found
