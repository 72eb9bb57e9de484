"""Stretches of starts, steps, quotas and preferences: each against trying every instant."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookings.entitlements import HeldSlot, Wish, quota_refusals
from bookings.opening import OpeningHours, read_week
from bookings.rules import Quota, Rules, stepped
from bookings.search.errors import PreferenceUnreadableError
from bookings.search.grids import FiveMinutes, WallSteps, next_point
from bookings.search.preferences import preferred_starts, read_preference, starts_on
from bookings.search.quotas import quota_layers
from bookings.search.stretches import (
    ALWAYS,
    Stretch,
    common,
    common_to_all,
    covered_by,
    holds,
    joined,
    outside,
    without,
)
from lab.core.time import Span, from_microseconds, to_microseconds

ZONE = "Europe/Warsaw"
MINUTE = 60_000_000

raw_stretches = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda ends: (min(ends), max(ends))))
stretches = raw_stretches.map(joined)


def points(found: list[Stretch]) -> set[int]:
    return {point for point in range(-1, 32) if any(first <= point <= last for first, last in found)}


def is_tidy(found: list[Stretch]) -> bool:
    return all(first <= last for first, last in found) and all(one[1] + 1 < other[0] for one, other in pairwise(found))


@given(raw_stretches)
def test_joined_stretches_cover_the_same_and_do_not_touch(raw: list[Stretch]) -> None:
    assert points(joined(raw)) == points(raw)
    assert is_tidy(joined(raw))


@given(stretches, stretches)
def test_common_outside_and_without_are_those_of_sets(one: list[Stretch], other: list[Stretch]) -> None:
    assert points(common(one, other)) == points(one) & points(other)
    assert points(outside(one)) == set(range(-1, 32)) - points(one)
    assert points(without(one, reversed(other))) == points(one) - points(other)
    assert common(one, outside(one)) == []
    assert all(holds(one, point) == (point in points(one)) for point in range(-1, 32))


@given(st.lists(stretches, max_size=4), st.integers(1, 4))
def test_what_enough_lists_cover_is_counted_point_by_point(several: list[list[Stretch]], count: int) -> None:
    found = covered_by(several, count)
    expected = {point for point in range(-1, 32) if sum(point in points(one) for one in several) >= count}
    assert points(found) == expected
    assert is_tidy(found)


def test_what_all_of_nothing_cover_is_everything() -> None:
    assert common_to_all([]) == [ALWAYS]


# Steps


@pytest.mark.parametrize("zone", [ZONE, "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu"])
@pytest.mark.parametrize("step", [1, 7, 15, 60, 90, 120, 1440])
@pytest.mark.parametrize("start", ["2026-10-24T20:00", "2026-03-28T20:00", "2026-04-04T10:00", "2018-11-03T22:00"])
def test_steps_are_the_instants_that_the_rule_allows_across_changes_of_the_clock(
    zone: str, step: int, start: str
) -> None:
    begin = to_microseconds(datetime.fromisoformat(start).replace(tzinfo=UTC))
    rules = Rules((OpeningHours(zone, read_week({})),), granularity=timedelta(minutes=step))
    steps = WallSteps(zone, timedelta(minutes=step))
    minutes = range(begin, begin + 36 * 60 * MINUTE, MINUTE)
    allowed = [at for at in minutes if stepped(from_microseconds(at), rules) == from_microseconds(at)]
    assert allowed == [at for at in minutes if steps.lies_on(at)]
    found, at = [], begin
    while (at := steps.up(at)) < minutes.stop:
        found.append(at)
        at += 1
    assert found == allowed


def test_the_next_point_is_the_nearest_of_several_grids() -> None:
    grids = [FiveMinutes(), WallSteps(ZONE, timedelta(minutes=7))]
    for minute, expected in ((1, 2), (3, 5)):  # 10:02 in Gliwice is 86 steps of seven minutes after midnight
        found = next_point(grids, to_microseconds(datetime(2026, 11, 23, 9, minute, tzinfo=UTC)))
        assert found == to_microseconds(datetime(2026, 11, 23, 9, expected, tzinfo=UTC))


# Preferences


@pytest.mark.parametrize(
    ("text", "hours"),
    [("09:00-12:00", (9, 12)), (" 9:00 – 12:00 ", (9, 12)), ("20:00-24:00", (20, 24)), ("22:00-06:00", (22, 30))],
)
def test_preferred_hours_are_read(text: str, hours: tuple[int, int]) -> None:
    found = read_preference(text)
    assert (found.begin, found.end) == tuple(timedelta(hours=hour) for hour in hours)


@pytest.mark.parametrize(
    "text", ["", "morning", "9-12", "09:00-09:00", "25:00-26:00", "09:00", "24:00-25:00", "09:60-10:00", "x" * 10_000]
)
def test_rubbish_is_no_preferred_hours(text: str) -> None:
    with pytest.raises(PreferenceUnreadableError) as error:
        read_preference(text)
    assert error.value.facts["field"] == "prefer"
    assert len(error.value.message) < 200


def test_a_preferred_span_lies_wholly_in_the_hours_on_the_day_of_the_change_of_the_clock_too() -> None:
    window = Span(datetime(2026, 10, 24, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC))
    found = preferred_starts([read_preference("09:00-12:00")], 2 * 60 * MINUTE, window, ZONE)
    walls = [[from_microseconds(edge).astimezone(ZoneInfo(ZONE)).strftime("%a %H:%M") for edge in one] for one in found]
    assert walls == [[f"{day} 09:00", f"{day} 10:00"] for day in ("Fri", "Sat", "Sun", "Mon")]


def test_a_booking_longer_than_all_preferred_hours_need_only_start_in_them() -> None:
    window = Span(datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 11, 23, 12, tzinfo=UTC))
    found = preferred_starts([read_preference("09:00-12:00")], 8 * 60 * MINUTE, window, ZONE)
    assert holds(found, to_microseconds(datetime(2026, 11, 23, 8, tzinfo=UTC)))
    assert not holds(found, to_microseconds(datetime(2026, 11, 23, 11, tzinfo=UTC)))


def test_wished_weekdays_are_those_of_the_labs_calendar() -> None:
    window = Span(datetime(2026, 10, 23, tzinfo=UTC), datetime(2026, 10, 27, tzinfo=UTC))
    ((first, last),) = starts_on(["sun"], window, ZONE)
    assert (last + 1 - first) == 25 * 60 * MINUTE  # the clocks go back
    assert from_microseconds(first).astimezone(ZoneInfo(ZONE)).date() == date(2026, 10, 25)


# Quotas

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
DEVICES = (("mill-1", "cnc-mill"), ("meter-1", "meter"))


def hours(count: int) -> timedelta:
    return timedelta(hours=count)


held_slots = st.lists(
    st.builds(
        lambda number, start, length, device, pilot: HeldSlot(
            str(number), Span(MONDAY + hours(start), MONDAY + hours(start + length)), pilot, (device,)
        ),
        st.integers(),
        st.integers(-30, 400),
        st.integers(1, 60),
        st.sampled_from(DEVICES),
        st.sampled_from([None, "pilot"]),
    ),
    max_size=6,
)
quotas = st.builds(
    Quota,
    st.just("lab"),
    st.just(""),
    week=st.none() | st.integers(1, 80).map(hours),
    pilot=st.none() | st.integers(1, 80).map(hours),
    concurrent=st.none() | st.integers(1, 3),
    open=st.none() | st.integers(1, 5),
) | st.builds(
    Quota,
    st.just("device"),
    st.just("mill-1"),
    week=st.none() | st.integers(1, 80).map(hours),
    concurrent=st.none() | st.integers(1, 2),
)


@settings(deadline=None)
@given(quotas, held_slots, st.integers(1, 30), st.sampled_from([None, "pilot"]))
def test_quotas_forbid_the_same_starts_as_they_do_at_the_gate(
    quota: Quota, held: list[HeldSlot], length: int, pilot: str | None
) -> None:
    now = MONDAY - hours(3)
    rules = Rules((OpeningHours(ZONE, read_week({})),), quotas=(quota,))
    window = Span(MONDAY, MONDAY + timedelta(days=15))
    layers = list(quota_layers(quota, held, hours(length), window=window, zone=ZONE, pilot_id=pilot, now=now))
    for start in range(0, 15 * 24 - length, 1):
        span = Span(MONDAY + hours(start), MONDAY + hours(start + length))
        refusals = quota_refusals(Wish(span, DEVICES[:1], "org", pilot, False), rules, held, now=now)
        forbidden = {reason.rule for reason, found in layers if holds(found, to_microseconds(span.start))}
        assert forbidden == {refusal.rule for refusal in refusals}, span
