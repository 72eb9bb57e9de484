"""Time zones in calendars, as a reader without zones of its own understands them (`dateutil`, not `icalendar`)."""

import io
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.tz import resolve_imaginary, tzical
from hypothesis import given
from hypothesis import strategies as st

from bookings.feeds.zones import changes_within, zone_of

ZONES = [
    "Europe/Warsaw",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour of summer time, in the south
    "Africa/Casablanca",  # by the moon: no yearly rule
    "Europe/Dublin",  # winter time is the "daylight saving" one
    "Asia/Kathmandu",  # no change, an odd offset
    "America/Sao_Paulo",  # changes that ended in 2019
    "UTC",
]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("first_year", [2018, 2026])
def test_every_time_of_three_years_is_the_one_meant(zone: str, first_year: int) -> None:
    component = zone_of(zone, first_year, first_year + 2).to_ical().decode()
    told = tzical(io.StringIO(component.replace("\r\n", "\n"))).get(zone)
    meant = ZoneInfo(zone)
    start, end = datetime(first_year, 1, 1, 12, tzinfo=UTC), datetime(first_year + 2, 12, 31, tzinfo=UTC)
    looks = {start + timedelta(days=days) for days in range(0, (end - start).days, 3)}
    for change, _ in changes_within(zone, start, end):
        looks |= {change + timedelta(minutes=10 * step) for step in range(-30, 31)}
    for instant in looks:
        shown = instant.astimezone(meant)
        if shown.fold == 0:  # what a clock shows for the second time is told in UTC
            wall = shown.replace(tzinfo=None)
            assert wall.replace(tzinfo=told).utcoffset() == shown.utcoffset(), wall


def test_warsaw_is_told_by_its_rule() -> None:
    lines = zone_of("Europe/Warsaw", 2026, 2027).to_ical().decode().split("\r\n")
    assert "DTSTART:20250330T020000" in lines  # by the clock that is put forward
    assert "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3" in lines
    assert "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10" in lines


@given(zone=st.sampled_from(ZONES), year=st.integers(1990, 2035))
def test_changes_are_exact_to_the_second(zone: str, year: int) -> None:
    tz = ZoneInfo(zone)
    for instant, regime in changes_within(zone, datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)):
        before = (instant - timedelta(seconds=1)).astimezone(tz)
        after = instant.astimezone(tz)
        assert (before.utcoffset(), after.utcoffset()) == (regime.before, regime.offset)
        assert (before.utcoffset(), before.tzname()) != (after.utcoffset(), after.tzname())
        assert resolve_imaginary(after) == after
