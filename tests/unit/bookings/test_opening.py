"""When the lab is open, on days of 23, 24 and 25 hours."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookings.errors import OpeningHoursError
from bookings.opening import DayHours, OpeningHours
from lab.core.settings import Settings
from lab.core.time import Span

SPRING = date(2026, 3, 29)
"""02:00 becomes 03:00 in Warsaw: 23 hours."""
AUTUMN = date(2026, 10, 25)
"""03:00 becomes 02:00 in Warsaw: 25 hours."""
MINUTE = timedelta(minutes=1)


def every_day(opens: timedelta, closes: timedelta, zone: str = "Europe/Warsaw") -> OpeningHours:
    return OpeningHours(zone, ((DayHours(opens, closes),),) * 7)


def hours(text: float) -> timedelta:
    return timedelta(hours=text)


def by_watching_the_clock(day: date, since_midnight: timedelta, zone: ZoneInfo) -> datetime:
    """The first minute at which the wall clock shows this time of the day or later."""
    wall = datetime.combine(day, time()) + since_midnight
    instant = datetime.combine(day, time(), UTC) - timedelta(hours=15)
    while instant.astimezone(zone).replace(tzinfo=None) < wall:
        instant += MINUTE
    return instant


@pytest.mark.parametrize(("day", "length"), [(SPRING, 23), (date(2026, 6, 1), 24), (AUTUMN, 25)])
def test_a_lab_open_around_the_clock_is_open_as_long_as_the_day_lasts(day: date, length: int) -> None:
    (opening,) = every_day(hours(0), hours(24)).openings(day, day)
    assert opening.length == hours(length)


def test_days_that_touch_at_midnight_are_one_opening() -> None:
    (opening,) = every_day(hours(0), hours(24)).openings(SPRING - timedelta(days=1), SPRING + timedelta(days=1))
    assert opening == Span(datetime(2026, 3, 27, 23, tzinfo=UTC), datetime(2026, 3, 30, 22, tzinfo=UTC))


def test_an_opening_in_the_hour_that_does_not_exist_begins_when_the_clock_jumps() -> None:
    (opening,) = every_day(hours(2.5), hours(10)).openings(SPRING, SPRING)
    assert opening.start == datetime(2026, 3, 29, 1, tzinfo=UTC)  # 03:00, the first reading after 01:59


def test_hours_that_lie_wholly_in_the_hour_that_does_not_exist_are_no_opening() -> None:
    assert every_day(hours(2.25), hours(2.75)).openings(SPRING, SPRING) == []


def test_a_closing_in_the_hour_that_comes_twice_is_the_first_of_the_two() -> None:
    (opening,) = every_day(hours(1), hours(2.5)).openings(AUTUMN, AUTUMN)
    assert opening.end == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_the_same_wall_clock_hours_are_other_instants_in_summer_and_winter() -> None:
    seven_to_seven = every_day(hours(7), hours(19))
    (saturday, sunday) = seven_to_seven.openings(SPRING - timedelta(days=1), SPRING)
    assert (saturday.start.hour, sunday.start.hour) == (6, 5)
    assert saturday.length == sunday.length == hours(12)


@settings(deadline=None)
@given(
    day=st.sampled_from([SPRING, AUTUMN, date(2026, 4, 5), date(2026, 9, 6), date(2026, 11, 23)]),
    opens=st.integers(0, 24 * 60 - 1),
    length=st.integers(1, 24 * 60),
    zone=st.sampled_from(["Europe/Warsaw", "Australia/Lord_Howe", "America/Santiago", "UTC"]),
)
def test_openings_are_what_somebody_watching_the_wall_clock_would_say(
    day: date, opens: int, length: int, zone: str
) -> None:
    closes = min(opens + length, 24 * 60)
    found = every_day(opens * MINUTE, closes * MINUTE, zone).openings(day, day)
    watched = [by_watching_the_clock(day, minutes * MINUTE, ZoneInfo(zone)) for minutes in (opens, closes)]
    assert found == ([Span(*watched)] if watched[0] < watched[1] else [])


def test_openings_around_a_span_are_those_of_the_days_it_touches() -> None:
    weekdays = OpeningHours.from_settings(Settings())
    friday_to_monday = Span(datetime(2026, 11, 20, 12, tzinfo=UTC), datetime(2026, 11, 23, 12, tzinfo=UTC))
    assert [opening.start.day for opening in weekdays.openings_around(friday_to_monday)] == [20, 23]
    assert [opening.start.day for opening in weekdays.openings_around(friday_to_monday, days=1)] == [19, 20, 23, 24]


def test_the_default_settings_open_on_weekdays_from_seven_to_seven() -> None:
    found = OpeningHours.from_settings(Settings()).openings(date(2026, 11, 23), date(2026, 11, 29))
    assert [(opening.start.hour, opening.end.hour) for opening in found] == [(6, 18)] * 5


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"monday": "07:00-19:00"}, "'monday' is no day"),
        ({"mon": "7-19"}, "not HH:MM-HH:MM"),
        ({"mon": "25:00-26:00"}, "not HH:MM-HH:MM"),
        ({"mon": "07:00-24:01"}, "not HH:MM-HH:MM"),
        ({"mon": "19:00-07:00"}, "a night is written as 22:00-24:00 and, on the next day, 00:00-06:00"),
        ({"mon": "07:00-07:00"}, "closes before it opens"),
    ],
)
def test_opening_hours_that_make_no_sense_are_named(setting: dict[str, str], said: str) -> None:
    with pytest.raises(OpeningHoursError, match=said):
        OpeningHours.from_settings(Settings(opening_hours=setting))
