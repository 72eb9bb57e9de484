"""Instants are aware UTC, spans half-open and never empty."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core.errors import InvalidError
from lab.core.time import (
    EmptySpanError,
    NaiveTimeError,
    Span,
    TimeOutOfRangeError,
    aware_utc,
    from_microseconds,
    from_nanoseconds,
    in_zone,
    to_microseconds,
    to_nanoseconds,
)

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
instants = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
zoned = st.datetimes(datetime(1900, 1, 2), datetime(2200, 1, 1), timezones=st.timezones())


def test_time_without_zone_is_refused_and_named() -> None:
    with pytest.raises(NaiveTimeError, match="start 2026-11-23T08:00:00 has no time zone") as refused:
        aware_utc(datetime(2026, 11, 23, 8), field="start")
    assert refused.value.facts == {"field": "start", "rule": "aware-time"}


@pytest.mark.parametrize(
    "instant",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12))),
    ],
)
def test_time_that_utc_has_no_year_for_is_refused(instant: datetime) -> None:
    with pytest.raises(TimeOutOfRangeError, match="outside the years"):
        aware_utc(instant)


@given(zoned)
def test_zone_is_told_in_utc_without_moving_the_instant(instant: datetime) -> None:
    told = aware_utc(instant)
    assert told.tzinfo is UTC
    assert told.timestamp() == instant.timestamp()


@given(instants)
def test_integers_hold_an_instant_exactly(instant: datetime) -> None:
    assert from_microseconds(to_microseconds(instant)) == instant
    assert from_nanoseconds(to_nanoseconds(instant)) == instant


@given(instants, instants)
def test_integers_keep_the_order_of_instants(one: datetime, other: datetime) -> None:
    assert (one < other) == (to_microseconds(one) < to_microseconds(other))


@given(st.integers(-(2**62), 2**62))
def test_nanoseconds_are_cut_to_the_microsecond_below(nanoseconds: int) -> None:
    assert 0 <= nanoseconds - to_nanoseconds(from_nanoseconds(nanoseconds)) < 1000


def test_wall_clock_follows_the_zone_over_its_change() -> None:
    before, after = datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert in_zone(before, "Europe/Warsaw").hour == 1
    assert in_zone(after, "Europe/Warsaw").hour == 3


def test_day_of_the_autumn_change_is_25_hours_long() -> None:
    zone = ZoneInfo("Europe/Warsaw")
    assert Span(datetime(2026, 10, 25, tzinfo=zone), datetime(2026, 10, 26, tzinfo=zone)).length == 25 * HOUR


@pytest.mark.parametrize("end", [START, START - HOUR])
def test_span_that_holds_no_time_is_refused(end: datetime) -> None:
    with pytest.raises(EmptySpanError, match="is not after the start") as refused:
        Span(START, end)
    assert refused.value.facts["field"] == "end"
    assert isinstance(refused.value, InvalidError)


@pytest.mark.parametrize(("start", "end", "field"), [(None, START, "start"), (START, None, "end")])
def test_span_says_which_of_its_ends_has_no_zone(start: datetime | None, end: datetime | None, field: str) -> None:
    naive = datetime(2026, 11, 23, 9)
    with pytest.raises(NaiveTimeError) as refused:
        Span(start or naive, end or naive)
    assert refused.value.facts["field"] == field


def test_spans_that_touch_do_not_overlap() -> None:
    first, second = Span(START, START + HOUR), Span(START + HOUR, START + 2 * HOUR)
    assert not first.overlaps(second)
    assert not second.overlaps(first)
    assert first.contains(START)
    assert not first.contains(START + HOUR)


def test_buffers_widen_a_span_at_both_ends() -> None:
    assert Span(START, START + HOUR).widened(before=HOUR, after=2 * HOUR) == Span(START - HOUR, START + 3 * HOUR)


spans = st.builds(
    lambda start, length: Span(start, start + length),
    instants,
    st.timedeltas(timedelta(microseconds=1), timedelta(days=40)),
)


@given(spans, spans)
def test_spans_overlap_when_one_contains_the_start_of_the_other(one: Span, other: Span) -> None:
    assert one.overlaps(other) == other.overlaps(one) == (one.contains(other.start) or other.contains(one.start))
