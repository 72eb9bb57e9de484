"""Pure: when something that is seen every few seconds has held long enough to be an alarm."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

RELEASE = timedelta(seconds=60)
"""How long a cause must be gone before its alarm clears, so that it does not come and go."""


@dataclass(slots=True)
class Held:
    """One condition over time."""

    raised: bool = False
    since: datetime | None = None
    """Since when it is other than `raised` says."""

    def see(
        self, holds: bool, *, now: datetime, after: timedelta, release: timedelta = RELEASE
    ) -> Literal["raised", "cleared"] | None:
        """Look at it once more.

        Args:
            holds: whether the cause is there.
            now: the present instant.
            after: how long it must be there for an alarm.
            release: how long it must be gone for the alarm to clear.

        Returns:
            What becomes of the alarm, if anything.
        """
        if holds == self.raised:
            self.since = None
            return None
        if self.since is None or self.since > now:
            self.since = now
        if now - self.since < (release if self.raised else after):
            return None
        self.raised, self.since = holds, None
        return "raised" if holds else "cleared"


def disk_problem(free_bytes: int | None, *, low_bytes: int) -> str | None:
    """What is wrong with the space on a disk."""
    if free_bytes is None or free_bytes >= low_bytes:
        return None
    left = f"{free_bytes / 1024**3:.1f} GiB" if free_bytes >= 1024**3 else f"{free_bytes // 1024**2} MiB"
    return f"The disk has only {left} left: make room; recording stops, without loss, when it is full"


def recorder_problem(health: dict[str, object], *, age: timedelta) -> str | None:
    """What is wrong with a recorder, by what it last said of itself.

    Args:
        health: `connected`, `problem`, `lag_seconds` as the recorder writes them.
        age: how long ago it said so.
    """
    if age > timedelta(seconds=60):
        return f"The recorder has said nothing for {int(age.total_seconds())} s: see that it runs"
    problem = health.get("problem")
    if problem:
        return f"The recorder has a problem: {str(problem)[:300]}"
    if health.get("connected") is False:
        return "The recorder is not connected to the broker: see that the broker runs"
    lag = health.get("lag_seconds")
    if isinstance(lag, int | float) and lag > 60:
        return f"What machines say is stored {lag:.0f} s late: see whether the store keeps up"
    return None
