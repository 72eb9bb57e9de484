"""How often somebody may try a password: counted in the process, by name and address and by address alone."""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable

from lab.people.errors import TooManyAttemptsError

FAILURES_PER_NAME = 5
"""Failed sign-ins of one name from one address within `WINDOW_SECONDS`."""
FAILURES_PER_ADDRESS = 50
"""Failed sign-ins from one address, whatever the names: companies share addresses, so this is wider."""
WINDOW_SECONDS = 300.0
_MOST_KEYS = 10_000


class FailedAttempts:
    """Remembers failed sign-ins for `WINDOW_SECONDS`.

    By name **and** address, so that nobody can lock somebody else out from another place.

    Args:
        elapsed: seconds of a clock that only goes forward.
    """

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._failures: dict[Hashable, deque[float]] = {}

    def check(self, sign_in: str, address: str) -> None:
        """Refuse a further attempt after too many failed ones.

        Raises:
            TooManyAttemptsError: with the seconds after which it makes sense again.
        """
        now = self._elapsed()
        with self._lock:
            for key, limit in (((sign_in, address), FAILURES_PER_NAME), (address, FAILURES_PER_ADDRESS)):
                recent = self._recent(key, now)
                if len(recent) >= limit:
                    wait = max(1, round(recent[-limit] + WINDOW_SECONDS - now))
                    raise TooManyAttemptsError(
                        f"too many failed sign-ins; please wait {_in_words(wait)} and try again",
                        retry_after_seconds=wait,
                        rule="sign-in-rate",
                    )

    def note_failure(self, sign_in: str, address: str) -> None:
        """Count a failed sign-in."""
        now = self._elapsed()
        with self._lock:
            if len(self._failures) >= _MOST_KEYS:
                for key in list(self._failures):
                    self._recent(key, now)
            for key in ((sign_in, address), address):
                self._failures.setdefault(key, deque(maxlen=FAILURES_PER_ADDRESS)).append(now)

    def forget(self, sign_in: str, address: str) -> None:
        """Somebody signed in: their slips of the finger no longer count."""
        with self._lock:
            self._failures.pop((sign_in, address), None)

    def _recent(self, key: Hashable, now: float) -> deque[float]:
        failures = self._failures.get(key, deque())
        while failures and failures[0] <= now - WINDOW_SECONDS:
            failures.popleft()
        if not failures:
            self._failures.pop(key, None)
        return failures


def _in_words(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return f"{seconds} seconds" if seconds < 60 else f"{minutes} minute{'s' if minutes > 1 else ''}"
