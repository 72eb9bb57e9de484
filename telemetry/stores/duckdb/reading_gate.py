"""Readers stay out for the instants that they would disturb, or that would disturb them.

DuckDB 2.0 lets whoever reads while rows that were moved are committed see them in both places. So a commit waits for
the questions that are being answered, and new questions wait for the commit: tens of milliseconds, and no longer than
the longest answer. While buffers are dropped, new questions wait too: they would find no memory.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ReadingGate:
    """Many read at the same time, or one commits. Safe for threads; who reads must not read again inside."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._closed = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While a question is answered."""
        with self._changed:
            self._changed.wait_for(lambda: not self._closed)
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    @contextmanager
    def closed(self, *, patience_seconds: float | None = None) -> Iterator[None]:
        """Nobody reads, and nobody begins to. One at a time: the caller holds the lock of those who write.

        Args:
            patience_seconds: how long those who read are waited for; then it goes on beside them. `None`: to their end.
        """
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._readers, patience_seconds)
        try:
            yield
        finally:
            with self._changed:
                self._closed = False
                self._changed.notify_all()
