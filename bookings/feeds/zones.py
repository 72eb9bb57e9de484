"""A time zone as a VTIMEZONE, so that a calendar is right even for a reader who has no zones of its own.

`icalendar` can make one too, but tells the change to summer time in the new wall clock instead of the old one
(RFC 5545 §3.6.5 wants the old), which puts it an hour late. So changes are looked up in the zone itself.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from icalendar import Timezone, TimezoneDaylight, TimezoneStandard
from icalendar.prop import vRecur

_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, order=True, slots=True)
class Regime:
    """What holds between two changes of the clocks, and what held before."""

    before: timedelta
    """Offset from UTC."""
    offset: timedelta
    name: str
    daylight: bool


@lru_cache(maxsize=8)
def zone_of(zone: str, first_year: int, last_year: int) -> Timezone:
    """The component for everything that happens within these years, both included; not to be changed.

    A kind of change that comes in each of these years by one rule is told as this rule, others by their dates.
    """
    tz = ZoneInfo(zone)
    # A year earlier, so that whatever happens in the first year comes after a change.
    changes = changes_within(
        zone, datetime(first_year - 1, 1, 1, tzinfo=UTC), datetime(last_year + 1, 1, 1, tzinfo=UTC)
    )
    onsets: dict[Regime, list[datetime]] = defaultdict(list)
    for instant, regime in changes:
        onsets[regime].append((instant + regime.before).replace(tzinfo=None))
    told = Timezone()
    told.add("TZID", zone)
    if not changes or changes[0][0] >= datetime(first_year, 1, 1, tzinfo=UTC):
        start = datetime(first_year - 1, 1, 1, tzinfo=UTC).astimezone(tz)
        told.add_component(_component(_regime(start, start), [start.replace(tzinfo=None)], None))
    for regime, starts in sorted(onsets.items(), key=lambda item: item[1]):
        told.add_component(_component(regime, starts, yearly_rule(starts, first_year - 1, last_year)))
    return told


def changes_within(zone: str, start: datetime, end: datetime) -> list[tuple[datetime, Regime]]:
    """When the clocks of a zone change in `[start, end)`, exact to the second, and what holds from then on."""
    tz, found = ZoneInfo(zone), []
    steps = range(int((end - start) / timedelta(days=1)) + 1)
    days = [(start + timedelta(days=step)).astimezone(tz) for step in steps]
    for early, late in pairwise(days):
        if _signature(early) != _signature(late):
            low, high = early.astimezone(UTC), late.astimezone(UTC)
            while high - low > _SECOND:
                middle = low + (high - low) // 2
                middle -= timedelta(microseconds=middle.microsecond)
                same = _signature(middle.astimezone(tz)) == _signature(early)
                low, high = (middle, high) if same else (low, middle)
            found.append((high, _regime(early, late)))
    return found


def _signature(wall: datetime) -> tuple[timedelta | None, str | None]:
    return wall.utcoffset(), wall.tzname()


def _regime(early: datetime, late: datetime) -> Regime:
    before, offset = early.utcoffset(), late.utcoffset()
    assert before is not None
    assert offset is not None
    # Not `dst()`: it is negative in Ireland's winter and absent from Morocco's summer.
    return Regime(before, offset, late.tzname() or "", offset > before)


def _component(regime: Regime, starts: Sequence[datetime], rule: vRecur | None) -> TimezoneStandard | TimezoneDaylight:
    told = TimezoneDaylight() if regime.daylight else TimezoneStandard()
    told.add("DTSTART", starts[0])
    told.add("TZOFFSETFROM", regime.before)
    told.add("TZOFFSETTO", regime.offset)
    told.add("TZNAME", regime.name)
    if rule is not None:
        told.add("RRULE", rule)
    elif len(starts) > 1:
        told.add("RDATE", list(starts[1:]))
    return told


def yearly_rule(starts: Sequence[datetime], first_year: int, last_year: int) -> vRecur | None:
    """The rule behind dates in all these years, such as the last Sunday of March at two; `None`: there is none."""
    if len(starts) < 3 or [start.year for start in starts] != list(range(first_year, last_year + 1)):
        return None
    first = starts[0]
    if len({(start.month, start.weekday(), start.time()) for start in starts}) > 1:
        return None
    if all((start + timedelta(days=7)).month != start.month for start in starts):
        place = -1
    elif len({(start.day - 1) // 7 for start in starts}) == 1:
        place = (first.day - 1) // 7 + 1
    else:
        return None
    return vRecur({"FREQ": "YEARLY", "BYMONTH": first.month, "BYDAY": f"{place}{_WEEKDAYS[first.weekday()]}"})
