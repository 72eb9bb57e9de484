"""What may be booked, and what is said when not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookings.errors import RuleBrokenError
from bookings.opening import OpeningHours
from bookings.rules import MOST_DEVICES, Rules, refusals, require_allowed, require_device_ids
from lab.core.settings import Settings
from lab.core.time import Span

NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)  # a Monday, 08:00 in Gliwice
RULES = Rules.from_settings(Settings())  # weekdays from 07:00 to 19:00
HOUR = timedelta(hours=1)


def at(hour: float, *, day: int = 23, length: float = 1) -> Span:
    """A span on a day of November 2026, by the wall clock in Gliwice (UTC+1)."""
    start = datetime(2026, 11, day, tzinfo=UTC) + timedelta(hours=hour - 1)
    return Span(start, start + timedelta(hours=length))


def broken(span: Span, rules: Rules = RULES) -> list[tuple[str, str]]:
    return [(refusal.rule, refusal.field) for refusal in refusals(span, now=NOW, rules=rules)]


@pytest.mark.parametrize("span", [at(8), at(7, day=24), at(18), at(7, day=24, length=12)])
def test_a_span_inside_the_opening_hours_is_allowed(span: Span) -> None:
    assert broken(span) == []


def test_a_booking_may_begin_at_this_very_instant() -> None:
    assert broken(Span(NOW, NOW + HOUR)) == []
    assert broken(Span(NOW - timedelta(microseconds=1), NOW + HOUR)) == [("not-in-the-past", "start")]


@pytest.mark.parametrize(
    ("span", "field", "nearest"),
    [
        (at(18.5), "end", at(18)),
        (at(6.5, day=24), "start", at(7, day=24)),
        (at(22), "start", at(18)),
        (at(3, day=24), "start", at(7, day=24)),
        (at(9, day=28), "start", at(18, day=27)),  # Saturday
        (at(10, day=29), "start", at(7, day=30)),  # Sunday
        (at(12, day=24, length=13), "end", at(7, day=24, length=12)),  # longer than any day is open
    ],
)
def test_outside_the_opening_hours_the_nearest_time_inside_is_proposed(span: Span, field: str, nearest: Span) -> None:
    (refusal,) = refusals(span, now=NOW, rules=RULES)
    assert (refusal.rule, refusal.field, refusal.nearest) == ("opening-hours", field, nearest)


def test_a_span_over_night_does_not_fit_although_both_ends_do() -> None:
    assert broken(at(18, length=14)) == [("opening-hours", "end")]


def test_a_lab_open_around_the_clock_takes_a_booking_over_midnight() -> None:
    always = Rules.from_settings(
        Settings(opening_hours=dict.fromkeys(["mon", "tue", "wed", "thu", "fri"], "00:00-24:00"))
    )
    assert broken(at(20, length=10), always) == []
    assert broken(at(20, day=27, length=10), always) == [("opening-hours", "end")]  # Friday into Saturday


def test_on_the_longest_day_of_the_year_a_day_and_an_hour_is_open() -> None:
    sunday = Rules.from_settings(Settings(opening_hours={"sun": "00:00-24:00"}))
    rules = replace(sunday, longest=timedelta(hours=30))
    midnight = datetime(2026, 10, 24, 22, tzinfo=UTC)
    now = datetime(2026, 10, 20, tzinfo=UTC)
    assert refusals(Span(midnight, midnight + 25 * HOUR), now=now, rules=rules) == []
    assert refusals(Span(midnight, midnight + 26 * HOUR), now=now, rules=rules) != []


def test_yesterday_is_over_and_today_is_proposed() -> None:
    (refusal,) = refusals(at(10, day=20), now=NOW, rules=RULES)
    assert (refusal.rule, refusal.field, refusal.nearest) == ("not-in-the-past", "start", Span(NOW, NOW + HOUR))


def test_a_booking_of_ten_years_is_too_long_and_too_far() -> None:
    span = Span(NOW + HOUR, NOW + timedelta(days=3650))
    assert broken(span) == [("longest-booking", "end"), ("horizon", "end")]


def test_beyond_the_horizon_the_last_bookable_time_is_proposed() -> None:
    next_year = NOW + timedelta(days=365)
    (refusal,) = refusals(Span(next_year, next_year + HOUR), now=NOW, rules=RULES)
    assert refusal.rule == "horizon"
    assert refusal.nearest is not None
    assert NOW + timedelta(days=177) < refusal.nearest.end <= NOW + timedelta(days=180)


@pytest.mark.parametrize(
    ("start", "rule"),
    [(datetime(1, 1, 1, tzinfo=UTC), "not-in-the-past"), (datetime(9999, 12, 31, 22, tzinfo=UTC), "horizon")],
)
@pytest.mark.parametrize("zone", ["Europe/Warsaw", "America/New_York"])
def test_the_ends_of_the_calendar_are_refused_like_any_other_day(start: datetime, rule: str, zone: str) -> None:
    rules = Rules.from_settings(Settings(time_zone=zone))
    (refusal,) = refusals(Span(start, start + HOUR), now=NOW, rules=rules)
    assert refusal.rule == rule
    assert refusal.nearest is not None


def test_a_lab_that_never_opens_proposes_nothing() -> None:
    with pytest.raises(RuleBrokenError, match="no other time") as refused:
        require_allowed(at(10), now=NOW, rules=Rules((OpeningHours("Europe/Warsaw", ((),) * 7),)))
    assert refused.value.facts["nearest"] is None


def test_a_refusal_says_rule_field_fact_and_way_out_by_the_clock_on_the_wall() -> None:
    with pytest.raises(RuleBrokenError) as refused:
        require_allowed(at(18.5), now=NOW, rules=RULES)
    assert refused.value.message == (
        "the lab closes at 2026-11-23 19:00+01:00, before this booking ends; "
        "the nearest choice is 2026-11-23 18:00+01:00 to 2026-11-23 19:00+01:00"
    )
    assert refused.value.facts == {
        "field": "end",
        "rule": "opening-hours",
        "nearest": {"start": "2026-11-23T17:00:00Z", "end": "2026-11-23T18:00:00Z"},
        "rules": ["opening-hours"],
    }


@settings(deadline=None)
@given(
    now=st.datetimes(datetime(2026, 3, 20), datetime(2026, 11, 30), timezones=st.just(UTC)),
    start=st.integers(-10 * 24 * 60, 200 * 24 * 60),
    length=st.integers(1, 40 * 60),
)
def test_what_a_refusal_proposes_is_allowed(now: datetime, start: int, length: int) -> None:
    wish = Span(now + timedelta(minutes=start), now + timedelta(minutes=start + length))
    for refusal in refusals(wish, now=now, rules=RULES):
        assert refusal.nearest is not None
        assert refusals(refusal.nearest, now=now, rules=RULES) == []
        assert refusal.nearest.length <= wish.length


@pytest.mark.parametrize(
    ("device_ids", "rule"),
    [
        ([], "at-least-one-device"),
        (["mill-1", "meter-1", "mill-1"], "each-device-once"),
        ([f"mill-{number}" for number in range(1000)], "most-devices"),
        (["mill-1"] * 1000, "most-devices"),
    ],
)
def test_a_list_of_devices_that_makes_no_sense_is_refused(device_ids: list[str], rule: str) -> None:
    with pytest.raises(RuleBrokenError) as refused:
        require_device_ids(device_ids)
    assert (refused.value.facts["field"], refused.value.facts["rule"]) == ("device_ids", rule)


def test_devices_come_in_the_order_of_their_ids() -> None:
    assert require_device_ids(["robot-1", "meter-1", "mill-1"]) == ["meter-1", "mill-1", "robot-1"]
    assert len(require_device_ids([f"mill-{number}" for number in range(MOST_DEVICES)])) == MOST_DEVICES
