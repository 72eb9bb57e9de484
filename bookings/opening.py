"""When the lab is open: wall-clock hours in the lab's zone, turned into instants day by day.

A day has 23, 24 or 25 hours; what counts is what the clock on the lab's wall shows. The lab opens at the first instant
at which that clock shows the opening time or later, and closes by the same reading: an opening at 02:30 on the day when
02:30 does not exist happens when the clock jumps to 03:00; a closing at 02:30 on the day when 02:30 comes twice is the
first of the two.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from bookings.errors import OpeningHoursError
from lab.core.time import Span

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|(24):(00))")
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


class HoursSettings(Protocol):
    """The part of `lab.core.settings.Settings` that says when the lab is open."""

    @property
    def time_zone(self) -> str:
        """IANA zone of the lab."""

    @property
    def opening_hours(self) -> dict[str, str]:
        """By weekday (mon … sun): `HH:MM-HH:MM`."""


@dataclass(frozen=True, slots=True)
class DayHours:
    """Opening and closing on the wall clock, as time since a midnight that the clock may not even show."""

    opens: timedelta
    closes: timedelta
    """At most 24 h: midnight at the end of the day."""


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """The lab's opening hours.

    Attributes:
        zone: IANA zone of the wall clock.
        days: by weekday, 0 = Monday; a day left out is closed.
    """

    zone: str
    days: Mapping[int, DayHours]

    @classmethod
    def from_settings(cls, settings: HoursSettings) -> "OpeningHours":
        """Read the settings `time_zone` and `opening_hours`.

        Raises:
            OpeningHoursError: naming the day and what is wrong with it.
        """
        days: dict[int, DayHours] = {}
        for name, text in settings.opening_hours.items():
            if name not in WEEKDAYS:
                raise OpeningHoursError(
                    f"setting opening_hours: '{name}' is no day; use {', '.join(WEEKDAYS)}", field="opening_hours"
                )
            days[WEEKDAYS.index(name)] = _read_hours(name, text)
        return cls(settings.time_zone, days)

    def openings(self, first: date, last: date) -> list[Span]:
        """The spans in which the lab is open on the days `first … last` of its own calendar.

        Those that touch, as when a day closes at 24:00 and the next opens at 00:00, are one.
        """
        zone = ZoneInfo(self.zone)
        found: list[Span] = []
        day = first
        while day <= last:
            hours = self.days.get(day.weekday())
            if hours is not None:
                opens, closes = _instant(day, hours.opens, zone), _instant(day, hours.closes, zone)
                if found and found[-1].end >= opens:
                    opens = found.pop().start
                if opens < closes:
                    found.append(Span(opens, closes))
            day += _DAY
        return found

    def openings_around(self, span: Span, *, days: int = 0) -> list[Span]:
        """The openings on the days that `span` touches, and on as many `days` before and after."""
        zone, margin = ZoneInfo(self.zone), timedelta(days=days)
        return self.openings(span.start.astimezone(zone).date() - margin, span.end.astimezone(zone).date() + margin)


def _read_hours(day: str, text: str) -> DayHours:
    match = _HOURS.fullmatch(text.strip())
    if match is None:
        raise OpeningHoursError(
            f"setting opening_hours.{day}: '{text}' is not HH:MM-HH:MM, such as 07:00-19:00",
            field=f"opening_hours.{day}",
        )
    opens_hour, opens_minute, *closing = (int(part) for part in match.groups() if part is not None)
    hours = DayHours(timedelta(hours=opens_hour, minutes=opens_minute), timedelta(hours=closing[0], minutes=closing[1]))
    if hours.closes <= hours.opens:
        raise OpeningHoursError(
            f"setting opening_hours.{day}: '{text}' closes before it opens; leave the day out if it is closed",
            field=f"opening_hours.{day}",
        )
    return hours


def _instant(day: date, since_midnight: timedelta, zone: ZoneInfo) -> datetime:
    """The first instant at which the wall clock shows this time of this day or later."""
    wall = datetime.combine(day, time()) + since_midnight
    first = wall.replace(tzinfo=zone).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    # The clock jumps over it: find the jump, which lies between the readings with the offset after and before it.
    before, after = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), first
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        if middle.astimezone(zone).replace(tzinfo=None) < wall:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
