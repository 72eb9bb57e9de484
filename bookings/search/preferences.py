"""What hours and days somebody prefers, by the clock on the lab's wall; pure."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bookings.opening import WEEKDAYS
from bookings.search.errors import PreferenceUnreadableError
from bookings.search.stretches import Stretch, joined
from lab.core.time import Span, from_microseconds, to_microseconds

MOST_PREFERENCES = 10
_HOURS = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*[-–]\s*(?:([01]?\d|2[0-3]):([0-5]\d)|(24):(00))")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PreferredHours:
    """Hours of any day, as time since midnight; they may run past midnight."""

    begin: timedelta
    end: timedelta
    """After `begin`, up to a day later."""

    def on(self, day: date, zone: ZoneInfo) -> Span | None:
        """These hours of one day; None: the clock jumps over them."""
        wall = datetime.combine(day, time())
        begin, end = ((wall + edge).replace(tzinfo=zone).astimezone(UTC) for edge in (self.begin, self.end))
        return Span(begin, end) if begin < end else None


def read_preference(text: str) -> PreferredHours:
    """Hours such as `09:00-12:00`, or `22:00-06:00` over night.

    Raises:
        PreferenceUnreadableError: it is something else.
    """
    match = _HOURS.fullmatch(text.strip())
    if match is None:
        raise PreferenceUnreadableError(
            f"prefer '{text[:40]}' is not HH:MM-HH:MM by the lab's clock, such as 09:00-12:00",
            field="prefer",
            rule="readable-hours",
        )
    hour, minute, *closing = (int(found) for found in match.groups() if found is not None)
    begin, end = timedelta(hours=hour, minutes=minute), timedelta(hours=closing[0], minutes=closing[1])
    if begin == end:
        raise PreferenceUnreadableError(
            f"prefer '{text[:40]}' begins when it ends; leave it out if any time of the day will do",
            field="prefer",
            rule="hours-not-empty",
        )
    return PreferredHours(begin, end if end > begin else end + _DAY)


def preferred_starts(preferred: Sequence[PreferredHours], length: int, window: Span, zone: str) -> list[Stretch]:
    """Where a booking of this length (microseconds) may start so that the whole of it lies in preferred hours.

    A booking longer than all the preferred hours need only start in them.
    """
    place = ZoneInfo(zone)
    hours = [
        (to_microseconds(span.start), to_microseconds(span.end))
        for day in _days(window, place)
        for one in preferred
        if (span := one.on(day, place)) is not None
    ]
    # Hours that touch, such as 09:00-12:00 and 12:00-14:00, are one.
    hours = joined((begin, end - 1) for begin, end in hours)
    whole = [(begin, end + 1 - length) for begin, end in hours if begin <= end + 1 - length]
    return whole or hours


def starts_on(weekdays: Collection[str], window: Span, zone: str) -> list[Stretch]:
    """The instants of these days of the week (mon … sun) by the lab's clock."""
    place = ZoneInfo(zone)
    wanted = {WEEKDAYS.index(name) for name in weekdays}
    return joined(day_stretch(day, zone) for day in _days(window, place) if day.weekday() in wanted)


def day_stretch(day: date, zone: str) -> Stretch:
    """All instants of a day of the lab's own calendar."""
    midnight, next_midnight = (
        to_microseconds(datetime.combine(one, time(), ZoneInfo(zone)).astimezone(UTC)) for one in (day, day + _DAY)
    )
    return midnight, next_midnight - 1


def day_of(instant: int, zone: str) -> date:
    """The day of the lab's own calendar."""
    return from_microseconds(instant).astimezone(ZoneInfo(zone)).date()


def _days(window: Span, zone: ZoneInfo) -> Iterator[date]:
    """The days that a window touches, and the one before, whose hours may run past midnight."""
    day = window.start.astimezone(zone).date() - _DAY
    last = window.end.astimezone(zone).date()
    while day <= last:
        yield day
        day += _DAY
