"""The commit thread: takes what has arrived, puts it on disk, and only then has it acknowledged (I2).

No timer: it commits what is there, so that a small window of the broker still flows and a large one makes large
commits. When the disk refuses, nothing is acknowledged and nothing is given up: it tries again until space returns.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

import structlog

from telemetry.errors import SpoolUnavailableError
from telemetry.intake import Arrived, Connection
from telemetry.spool import Spool, SpooledMessage

log = structlog.get_logger(__name__)

MOST_MESSAGES_WAITING = 20_000
MOST_BYTES_WAITING = 8 * 1024 * 1024
MOST_MESSAGES_A_COMMIT = 5_000
MOST_BYTES_A_COMMIT = 4 * 1024 * 1024
FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 3.0
IDLE_NOTE_SECONDS = 5.0


class Committer:
    """A bounded queue and the thread that empties it into the spool.

    Args:
        spool: where messages become safe.
        acknowledge: called with a connection and message ids when they are.
        committed: called with the number of the newest safe message.
        entered_after_ns: what is known of the broker's queue; remembered now and then for the next start.
        refused: told why when the spool takes nothing any more, and `None` when it does again.
    """

    def __init__(
        self,
        spool: Spool,
        acknowledge: Callable[[Connection, list[int]], None],
        committed: Callable[[int], None],
        entered_after_ns: Callable[[], int],
        refused: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        self._spool = spool
        self._acknowledge = acknowledge
        self._committed = committed
        self._entered_after_ns = entered_after_ns
        self._refused = refused
        self._waiting: deque[Arrived] = deque()
        self._messages_waiting = 0
        self._bytes_waiting = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._held: list[Arrived] = []
        self._thread: threading.Thread | None = None
        self.problem: str | None = None
        """Why nothing can be made safe just now."""
        self.commits = 0
        self.spooled = 0
        """Messages made safe since the start."""

    def start(self) -> None:
        """Start the thread, also again after it has died: it goes on with what it held."""
        self._thread = threading.Thread(target=self._run, name="recorder-commit", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether its thread lives."""
        return self._thread is not None and self._thread.is_alive()

    def put(self, arrived: Arrived) -> None:
        """Take messages; never blocks."""
        with self._changed:
            self._waiting.append(arrived)
            self._messages_waiting += len(arrived.messages)
            self._bytes_waiting += arrived.bytes
            self._changed.notify()

    def has_room(self) -> bool:
        """Whether more may be put: else messages wait in the broker, not in our memory."""
        return self._messages_waiting < MOST_MESSAGES_WAITING and self._bytes_waiting < MOST_BYTES_WAITING

    def stop(self, *, timeout: float) -> None:
        """Empty the queue and stop; what the disk does not take by then stays unacknowledged with the broker."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        delay = FIRST_DELAY_SECONDS
        while self._held or not self._stopping or self._waiting:
            try:
                self._held = self._held or self._take()
                if self._held:
                    self._commit(self._held)
                    self._held = []
                else:
                    self._spool.remember("entered_after_ns", self._entered_after_ns())
                delay = FIRST_DELAY_SECONDS
                if self.problem is not None:
                    self.problem = None
                    self._refused(None)
            except SpoolUnavailableError as error:
                if self.problem is None:
                    log.warning("messages cannot be made safe and are not acknowledged", problem=error.message)
                    self._refused(error.message)
                self.problem = error.message
                if self._wait(delay):
                    return
                delay = min(delay * 2, LONGEST_DELAY_SECONDS)
            except Exception as error:
                log.exception("the commit thread stumbled")
                self.problem = f"{type(error).__name__}: {error}"
                if self._wait(delay):
                    return
                delay = min(delay * 2, LONGEST_DELAY_SECONDS)

    def _wait(self, delay: float) -> bool:
        """Wait before another attempt; whether the recorder stops meanwhile."""
        until = time.monotonic() + delay
        while not self._stopping and time.monotonic() < until:
            time.sleep(0.05)
        return self._stopping

    def _take(self) -> list[Arrived]:
        """What is waiting, at most about what a commit takes; nothing after `IDLE_NOTE_SECONDS` of silence."""
        with self._changed:
            if not self._waiting and not self._stopping:
                self._changed.wait(IDLE_NOTE_SECONDS)
            taken: list[Arrived] = []
            count = size = 0
            while self._waiting and count < MOST_MESSAGES_A_COMMIT and size < MOST_BYTES_A_COMMIT:
                arrived = self._waiting.popleft()
                taken.append(arrived)
                count += len(arrived.messages)
                size += arrived.bytes
        return taken

    def _commit(self, held: list[Arrived]) -> None:
        if len(held) == 1:
            messages = held[0].messages
        else:
            messages = []
            for arrived in held:
                messages.extend(arrived.messages)
        last = self._spool.append(messages)
        self.commits += 1
        self.spooled += len(messages)
        for arrived in held:
            self._acknowledge(arrived.connection, arrived.ids)
        with self._changed:
            self._messages_waiting -= len(messages)
            self._bytes_waiting -= sum(arrived.bytes for arrived in held)
        self._committed(last)


def known_entry(spool: Spool) -> int:
    """What was known of the broker's queue when the last recorder on this spool ended, however it ended."""
    newest: list[tuple[int, SpooledMessage]] = spool.read(spool.head - 1, 1) if spool.head else []
    return max(spool.note("entered_after_ns"), *(message.entered_after_ns for _, message in newest), 0)
