"""Whether a connection is dead: by silence, counted only while we listen.

A broker that is not listened to has nothing to say, so a full disk must not look like a dead network. While we listen,
something comes every second (the echo), or the answer to a ping; a longer silence means that nobody is there, and that
is to be known within one and a half times the keep-alive (MQTT 5, section 3.1.2.10).
"""

PING_SHARE = 0.5
"""Of the keep-alive: after so long a silence, or so long without listening, a ping is sent."""
DEAD_SHARE = 1.25
"""Of the keep-alive: after so long a silence the connection is dead; the rest is for noticing it."""


class Silence:
    """How long nothing has come.

    Args:
        keep_alive_s: as agreed with the broker.
        now: seconds of a clock that never jumps.
    """

    def __init__(self, keep_alive_s: float, *, now: float) -> None:
        self._keep_alive_s = keep_alive_s
        self._looked_at = now
        self._pinged_at = now
        self.seconds = 0.0
        """Silence so far, without the time in which nobody listened."""

    def look(self, *, now: float, listening: bool, heard: bool) -> None:
        """Time has passed.

        Args:
            now: as in the constructor.
            listening: whether what comes is read.
            heard: whether something has come since the last look.
        """
        if heard:
            self.seconds = 0.0
        elif listening:
            self.seconds += now - self._looked_at
        self._looked_at = now

    def ping_is_due(self, *, now: float, listening: bool) -> bool:
        """Whether to send a ping now; it counts as sent."""
        every = self._keep_alive_s * PING_SHARE
        if now - self._pinged_at < every or (listening and self.seconds < every):
            return False
        self._pinged_at = now
        return True

    @property
    def dead(self) -> bool:
        """Whether nobody can be there any more."""
        return self.seconds >= self._keep_alive_s * DEAD_SHARE
