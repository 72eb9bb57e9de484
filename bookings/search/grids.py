"""The instants at which starts are looked for: full five minutes, or the steps that a rule asks for; pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from bookings.slots import GRID
from lab.core.time import MICROSECOND, from_microseconds

_FIVE_MINUTES = GRID // MICROSECOND
_DAY = timedelta(days=1) // MICROSECOND


class Grid(Protocol):
    """Instants, each with a next one."""

    def up(self, instant: int) -> int:
        """The first one at or after an instant (microseconds since 1970)."""


@dataclass(frozen=True, slots=True)
class FiveMinutes:
    """Full five minutes."""

    def up(self, instant: int) -> int:
        """The first at or after an instant."""
        return instant + -instant % _FIVE_MINUTES


@dataclass(frozen=True, slots=True)
class WallSteps:
    """Multiples of a step after midnight by the lab's clock: what `Rules.granularity` allows.

    Attributes:
        zone: IANA zone of the lab.
        step: > 0, at most a day.
    """

    zone: str
    step: timedelta

    def lies_on(self, instant: int) -> bool:
        """Whether an instant is one of them."""
        return (instant + self._ahead(instant)) % _DAY % (self.step // MICROSECOND) == 0

    def up(self, instant: int) -> int:
        """The first at or after an instant."""
        step, ahead = self.step // MICROSECOND, self._ahead(instant)
        since_midnight = (instant + ahead) % _DAY
        found = instant + min(since_midnight + -since_midnight % step, _DAY) - since_midnight
        if self._ahead(found) == ahead:
            return found
        # The clock changes before that: up to the change there is no step, after it the wall shows another time.
        return self.up(self._change(instant, found))

    def _ahead(self, instant: int) -> int:
        """How far the wall clock is ahead of UTC."""
        offset = from_microseconds(instant).astimezone(ZoneInfo(self.zone)).utcoffset() or timedelta()
        return offset // MICROSECOND

    def _change(self, before: int, after: int) -> int:
        """The first instant at which the clock is as far ahead as at `after`."""
        new = self._ahead(after)
        while after - before > 1:
            middle = (before + after) // 2
            if self._ahead(middle) == new:
                after = middle
            else:
                before = middle
        return after


def next_point(grids: Iterable[Grid], instant: int) -> int:
    """The first instant at or after this one that lies on any of these grids."""
    return min(grid.up(instant) for grid in grids)
