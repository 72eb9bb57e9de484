"""Whether a connection is dead: by silence, counted only while we listen.

A broker that is not listened to has nothing to say, so a full disk must not look like a dead network. While we listen,
something comes every second (the echo), or the answer to a ping; a longer silence means that nobody is there, and that
is to be known within one and a half times the keep-alive (MQTT 5, section 3.1.2.10).

What comes says nothing of what we send: where only our half of the connection is dead, messages go on coming until the
broker's window is full. So a ping is sent whether something comes or not, and it must be answered.
"""

PING_SHARE = 0.5
"""Of the keep-alive: after so long a ping is sent."""
DEAD_SHARE = 1.25
"""Of the keep-alive: after so long a silence the connection is dead; the rest is for noticing it."""
UNANSWERED_SHARE = DEAD_SHARE - PING_SHARE
"""Of the keep-alive: so long may a ping stay without an answer. At most a window of messages comes before that."""


class Silence:
    """How long nothing has come, and how long a ping has not been answered.

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
        self.unanswered_seconds = 0.0
        """How long an answer has been due, without the time in which nobody listened."""

    def look(self, *, now: float, listening: bool, heard: bool, answered: bool = True) -> None:
        """Time has passed.

        Args:
            now: as in the constructor.
            listening: whether what comes is read.
            heard: whether something has come since the last look.
            answered: whether no ping waits for its answer.
        """
        passed = now - self._looked_at if listening else 0.0
        self.seconds = 0.0 if heard else self.seconds + passed
        self.unanswered_seconds = 0.0 if answered else self.unanswered_seconds + passed
        self._looked_at = now

    def ping_is_due(self, *, now: float) -> bool:
        """Whether to send a ping now; it counts as sent."""
        if now - self._pinged_at < self._keep_alive_s * PING_SHARE:
            return False
        self._pinged_at = now
        return True

    @property
    def dead(self) -> bool:
        """Whether nobody can be there any more."""
        return (
            self.seconds >= self._keep_alive_s * DEAD_SHARE
            or self.unanswered_seconds >= self._keep_alive_s * UNANSWERED_SHARE
        )
