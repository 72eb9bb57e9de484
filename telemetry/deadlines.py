"""One instant by which all parts of a stop have to be done, however it is shared among them."""

import time


class Deadline:
    """So many seconds from now.

    Args:
        seconds: how many.
    """

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self, *, keep: float = 0.0, share: float = 1.0) -> float:
        """Seconds that are left, never less than none.

        Args:
            keep: seconds that others need afterwards.
            share: of what remains without these.
        """
        return max(0.0, self._at - time.monotonic() - keep) * share

    @property
    def passed(self) -> bool:
        """Whether nothing is left."""
        return time.monotonic() >= self._at
