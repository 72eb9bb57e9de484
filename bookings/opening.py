"""When the lab is open: wall-clock hours in the lab's zone, turned into instants day by day.

A day has 23, 24 or 25 hours; what counts is what the clock on the lab's wall shows. The lab opens at the first instant
at which that clock shows the opening time or later, and closes by the same reading: an opening at 02:30 on the day when
02:30 does not exist happens when the clock jumps to 03:00; a closing at 02:30 on the day when 02:30 comes twice is the
first of the two.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Protocol
from zoneinfo import ZoneInfo

from bookings.errors import OpeningHoursError
from lab.core.time import Span

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_COUNTRY = re.compile(r"[A-Z]{2}(?:-.+)?")
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
        """By weekday (mon … sun): `HH:MM-HH:MM`, several separated by commas."""

    @property
    def holidays(self) -> str:
        """Country and perhaps region whose public holidays are kept, such as `PL` or `PL-24`; empty: none."""


@dataclass(frozen=True, slots=True)
class DayHours:
    """Opening and closing on the wall clock, as time since a midnight that the clock may not even show."""

    opens: timedelta
    closes: timedelta
    """At most 24 h: midnight at the end of the day."""


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """The lab's opening hours, or a device's own.

    Attributes:
        zone: IANA zone of the wall clock.
        days: by weekday, from Monday, the hours in order; none: closed.
        holidays: country and perhaps region whose public holidays are kept, such as `PL-24`; empty: none.
        closed: the lab's own closed days, each with its name.
        special: days with hours of their own, even if they are holidays.
    """

    zone: str
    days: tuple[tuple[DayHours, ...], ...]
    holidays: str = ""
    closed: tuple[tuple[date, str], ...] = ()
    special: tuple[tuple[date, tuple[DayHours, ...]], ...] = ()
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Each day's openings are remembered by calendar, so a calendar is hashed for every day that is looked at.
        object.__setattr__(self, "_hash", hash((self.zone, self.days, self.holidays, self.closed, self.special)))

    def __hash__(self) -> int:
        return self._hash

    @classmethod
    def from_settings(cls, settings: HoursSettings) -> "OpeningHours":
        """Read the settings `time_zone`, `opening_hours` and `holidays`; the same settings give the same object.

        Raises:
            OpeningHoursError: naming the day and what is wrong with it.
        """
        return _from_settings(settings.time_zone, tuple(settings.opening_hours.items()), settings.holidays)

    def hours_of(self, day: date) -> tuple[DayHours, ...]:
        """The hours of one day of the lab's own calendar."""
        for special, hours in self.special:
            if special == day:
                return hours
        return () if self.closed_because(day) else self.days[day.weekday()]

    def closed_because(self, day: date) -> str | None:
        """The holiday or closed day that this is; None: an ordinary day, or one with hours of its own."""
        if any(special == day for special, _ in self.special):
            return None
        for closed, name in self.closed:
            if closed == day:
                return name
        return _holidays_of(self.holidays, day.year).get(day) if self.holidays else None

    def openings(self, first: date, last: date) -> list[Span]:
        """The spans in which the lab is open on the days `first … last` of its own calendar.

        Those that touch, as when a day closes at 24:00 and the next opens at 00:00, are one.
        """
        found: list[Span] = []
        day = first
        while day <= last:
            for opening in _openings_of(self, day):
                joined = found and found[-1].end >= opening.start
                found.append(Span(found.pop().start, opening.end) if joined else opening)
            day += _DAY
        return found

    def openings_around(self, span: Span, *, days: int = 0) -> list[Span]:
        """The openings on the days that `span` touches, and on as many `days` before and after."""
        zone, margin = ZoneInfo(self.zone), timedelta(days=days)
        return self.openings(span.start.astimezone(zone).date() - margin, span.end.astimezone(zone).date() + margin)


@lru_cache(maxsize=64)
def _from_settings(zone: str, days: tuple[tuple[str, str], ...], holidays: str) -> OpeningHours:
    return OpeningHours(zone, read_week(dict(days)), read_holidays(holidays))


def read_week(days: Mapping[str, str], *, field: str = "opening_hours") -> tuple[tuple[DayHours, ...], ...]:
    """Opening hours by weekday, from Monday.

    Args:
        days: by weekday (mon … sun): `HH:MM-HH:MM`, several separated by commas; a day left out is closed.
        field: what the messages call it.

    Raises:
        OpeningHoursError: naming the day and what is wrong with it.
    """
    for name in days:
        if name not in WEEKDAYS:
            raise OpeningHoursError(f"setting {field}: '{name}' is no day; use {', '.join(WEEKDAYS)}", field=field)
    return tuple(read_hours(days[name], field=f"{field}.{name}") if name in days else () for name in WEEKDAYS)


def read_hours(text: str, *, field: str) -> tuple[DayHours, ...]:
    """The hours of one day, such as `07:00-12:00,13:00-19:00`.

    Raises:
        OpeningHoursError: naming the field and what is wrong with it.
    """
    found = tuple(_read_stretch(part, text, field) for part in text.split(","))
    for before, after in pairwise(found):
        if after.opens <= before.closes:
            raise OpeningHoursError(
                f"setting {field}: '{text}' opens again before it has closed; write the hours in order", field=field
            )
    return found


def read_holidays(code: str, *, field: str = "holidays") -> str:
    """Check a country and region such as `PL`, `PL-24` or empty.

    Raises:
        OpeningHoursError: if their holidays are not known.
    """
    if not code:
        return code
    try:
        if not _COUNTRY.fullmatch(code):  # the library knows other words too, and not all of them are countries
            raise ValueError
        _holidays_of(code, 2026)
    except (NotImplementedError, ValueError) as error:
        raise OpeningHoursError(
            f"setting {field}: the holidays of '{code}' are not known; write a country and perhaps a region, such as "
            "PL or PL-24, or leave it empty",
            field=field,
        ) from error
    return code


def _read_stretch(part: str, text: str, field: str) -> DayHours:
    match = _HOURS.fullmatch(part.strip())
    if match is None:
        raise OpeningHoursError(f"setting {field}: '{text}' is not HH:MM-HH:MM, such as 07:00-19:00", field=field)
    opens_hour, opens_minute, *closing = (int(found) for found in match.groups() if found is not None)
    hours = DayHours(timedelta(hours=opens_hour, minutes=opens_minute), timedelta(hours=closing[0], minutes=closing[1]))
    if hours.closes <= hours.opens:
        raise OpeningHoursError(
            f"setting {field}: '{text}' closes before it opens; a night is written as 22:00-24:00 and, on the next "
            "day, 00:00-06:00; leave a day out if it is closed",
            field=field,
        )
    return hours


@lru_cache(maxsize=256)
def _holidays_of(code: str, year: int) -> Mapping[date, str]:
    """Names of the public holidays of a country or region, in English.

    Raises:
        NotImplementedError: if the country or the region is not known.
    """
    from holidays import country_holidays  # a large library

    country, _, region = code.partition("-")
    found = country_holidays(country, subdiv=region or None, years=year, expand=False)
    if "en_US" in found.supported_languages:
        found = country_holidays(country, subdiv=region or None, years=year, expand=False, language="en_US")
    return dict(found.items())


@lru_cache(maxsize=8192)
def _openings_of(hours: OpeningHours, day: date) -> tuple[Span, ...]:
    zone = ZoneInfo(hours.zone)
    ends = ((_instant(day, one.opens, zone), _instant(day, one.closes, zone)) for one in hours.hours_of(day))
    return tuple(Span(opens, closes) for opens, closes in ends if opens < closes)


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
