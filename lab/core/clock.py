"""The one clock. Everything that needs the time is given one of these; nothing else reads the time (I7).

`SystemClock` is the real one. `LabClock` is a clock that somebody steers: tests stand it still, demonstrations
let it run faster than the world, a recording is replayed under the time at which it is meant to have happened.
"""

import json
import os
import threading
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from lab.core.time import from_nanoseconds, to_nanoseconds


class Clock(Protocol):
    """Tells what time it is in the lab."""

    def now(self) -> datetime:
        """The present instant, aware UTC."""
        ...

    def now_ns(self) -> int:
        """The present instant in nanoseconds since 1970."""
        ...


class SystemClock:
    """The computer's clock."""

    def now(self) -> datetime:
        """The present instant, aware UTC."""
        return datetime.now(UTC)  # noqa: TID251 - this is the one place

    def now_ns(self) -> int:
        """The present instant in nanoseconds since 1970."""
        return time.time_ns()  # noqa: TID251 - this is the one place


@dataclass(frozen=True, slots=True)
class ClockAnchor:
    """What another process needs to show the same lab time: at `real_ns` it was `lab_ns`, going at `rate`."""

    real_ns: int
    lab_ns: int
    rate: float

    def lab_time_at(self, real_ns: int) -> int:
        """Lab time at a real instant, both in nanoseconds since 1970."""
        if self.rate == 0:
            return self.lab_ns
        return self.lab_ns + max(0, int((real_ns - self.real_ns) * self.rate))

    def write_to(self, path: Path) -> None:
        """Hand the setting to every `FollowedClock` on this file, in one step."""
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self)))
        fresh.replace(path)


class FollowedClock:
    """A lab clock that another process steers through a file; demonstrations and training only.

    Args:
        path: written by `ClockAnchor.write_to`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._system = SystemClock()
        self._seen = (-1, -1)
        self._anchor = ClockAnchor(0, 0, 1.0)
        self.now_ns()

    def now_ns(self) -> int:
        """The present lab instant in nanoseconds since 1970."""
        status = os.stat(self._path)
        if (status.st_mtime_ns, status.st_ino) != self._seen:
            self._anchor = ClockAnchor(**json.loads(self._path.read_text()))
            self._seen = (status.st_mtime_ns, status.st_ino)
        return self._anchor.lab_time_at(self._system.now_ns())

    def now(self) -> datetime:
        """The present lab instant, aware UTC."""
        return from_nanoseconds(self.now_ns())


class LabClock:
    """A clock that is set by hand and goes at any rate; rate 0 stands still. Never goes back.

    Args:
        start: the instant it shows at first.
        rate: seconds of lab time per second of real time.
    """

    def __init__(self, start: datetime, *, rate: float = 0.0) -> None:
        self._lock = threading.Lock()
        self._system = SystemClock()
        self._anchor = ClockAnchor(self._system.now_ns(), to_nanoseconds(start), rate)

    def now_ns(self) -> int:
        """The present lab instant in nanoseconds since 1970."""
        return self._anchor.lab_time_at(self._system.now_ns())

    def now(self) -> datetime:
        """The present lab instant, aware UTC."""
        return from_nanoseconds(self.now_ns())

    @property
    def anchor(self) -> ClockAnchor:
        """The present setting, for another process."""
        return self._anchor

    def set_rate(self, rate: float) -> ClockAnchor:
        """Go on from the present instant at another rate.

        Raises:
            ValueError: if the clock would go back.
        """
        if rate < 0:
            raise ValueError(f"the lab clock cannot go back: rate {rate}")
        with self._lock:
            self._anchor = ClockAnchor(self._system.now_ns(), self.now_ns(), rate)
            return self._anchor

    def jump_to(self, instant: datetime) -> ClockAnchor:
        """Show `instant` from now on, at the same rate.

        Raises:
            ValueError: if that is in the past of this clock.
        """
        with self._lock:
            target = to_nanoseconds(instant)
            if target < self.now_ns():
                raise ValueError(f"the lab clock cannot go back to {instant.isoformat()}")
            self._anchor = ClockAnchor(self._system.now_ns(), target, self._anchor.rate)
            return self._anchor

    def advance(self, step: timedelta) -> ClockAnchor:
        """Jump forward by `step`."""
        return self.jump_to(self.now() + step)
