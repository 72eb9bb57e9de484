"""Since when there is no connection to the broker, told once it has lasted, and told again when it is over."""

from collections.abc import Callable

AWAY_SECONDS = 30.0
"""A broker that is restarted is back within this."""


class Absence:
    """Whether the broker is away.

    Args:
        tell: called with the instant since when, and `None` or, when it is over, the instant until when.
        told_since_ns: it was away, and that was told, before; 0: it was not.
    """

    def __init__(self, tell: Callable[[int, int | None], None], told_since_ns: int = 0) -> None:
        self._tell = tell
        self._since_ns = told_since_ns
        self.told_since_ns = told_since_ns
        """Since when it is away, if that was told; else 0."""

    def look(self, now_ns: int) -> None:
        """There is no connection now."""
        self._since_ns = self._since_ns or now_ns
        if not self.told_since_ns and now_ns - self._since_ns >= AWAY_SECONDS * 1e9:
            self.told_since_ns = self._since_ns
            self._tell(self._since_ns, None)

    def end(self, now_ns: int) -> None:
        """There is a connection now."""
        if self.told_since_ns:
            self._tell(self.told_since_ns, now_ns)
        self._since_ns = self.told_since_ns = 0
