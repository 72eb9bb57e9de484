"""When a demonstration plays: on the last working day that is over, so that nothing it stores lies in the future."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bookings.opening import OpeningHours
from lab.core.settings import Settings
from lab.core.time import Span, aware_utc


def last_working_day(settings: Settings, now: datetime) -> date:
    """The latest day before today on which the lab is open for at least eight hours."""
    hours = OpeningHours.from_settings(settings)
    zone = ZoneInfo(settings.time_zone)
    day = now.astimezone(zone).date()
    for _ in range(366):
        day -= timedelta(days=1)
        if any(span.length >= timedelta(hours=8) for span in hours.openings(day, day)):
            return day
    return day


def at(settings: Settings, day: date, hour: int, minute: int = 0) -> datetime:
    """An instant of the lab's wall clock, in UTC."""
    return aware_utc(datetime.combine(day, time(hour, minute), ZoneInfo(settings.time_zone)))


def slot(settings: Settings, day: date, *, length: timedelta) -> Span:
    """The demonstration's slot: from nine o'clock."""
    start = at(settings, day, 9)
    return Span(start, start + length)
