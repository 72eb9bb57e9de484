"""Device time on the wire."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.messages.times import EARLIEST_NS, LATEST_NS, TimeFormatError, format_time, parse_time

INSTANT = 1_795_419_000_125_000_000


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("2026-11-23T07:30:00.125Z", INSTANT),
        ("2026-11-23t07:30:00.125z", INSTANT),
        ("2026-11-23 07:30:00.125Z", INSTANT),
        ("2026-11-23T08:30:00.125+01:00", INSTANT),
        ("2026-11-23T01:00:00.125-06:30", INSTANT),
        ("2026-11-23T07:30:00.1250000009Z", INSTANT),
    ],
)
def test_a_time_is_read_to_the_nanosecond(text: str, nanoseconds: int) -> None:
    assert parse_time(text) == nanoseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-23",
        "2026-11-23T07:30:00",
        "2026-11-23T07:30Z",
        "2026-13-23T07:30:00Z",
        "2026-11-31T07:30:00Z",
        "2026-11-23T25:30:00Z",
        "2026-11-23T07:30:61Z",
        "2026-11-23T07:30:00+99:00",
        "2026-11-23T07:30:00+24:00",
        "2026-11-23T07:30:00.Z",
        "2026-11-23T07:30:00Z\n",
        " 2026-11-23T07:30:00Z",
        "٢٠٢٦-11-23T07:30:00Z",
        "1969-07-20T20:17:40,5Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+12:00",
        "9999-12-31T23:59:59-12:00",
        "2500-01-01T00:00:00Z",
        "1700-01-01T00:00:00Z",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(TimeFormatError):
        parse_time(text)


@pytest.mark.parametrize("value", [EARLIEST_NS - 1, LATEST_NS + 1, 10**400, -(10**400)])
def test_an_integer_that_does_not_fit_is_refused_in_a_short_sentence(value: int) -> None:
    with pytest.raises(TimeFormatError) as refusal:
        parse_time(value)
    assert len(str(refusal.value)) < 200


@settings(deadline=None)
@given(st.integers(EARLIEST_NS, LATEST_NS))
def test_what_is_written_is_read_back(nanoseconds: int) -> None:
    assert parse_time(format_time(nanoseconds)) == nanoseconds
    assert parse_time(nanoseconds) == nanoseconds


@settings(deadline=None)
@given(
    st.datetimes(
        min_value=datetime(1823, 11, 13),
        max_value=datetime(2262, 4, 10),
        timezones=st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    )
)
def test_every_zone_means_the_same_instant(instant: datetime) -> None:
    expected = (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    if EARLIEST_NS <= expected <= LATEST_NS:
        assert parse_time(instant.isoformat()) == expected


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        nanoseconds = parse_time(text)
    except TimeFormatError:
        return
    assert EARLIEST_NS <= nanoseconds <= LATEST_NS
