"""What a refusal proposes is allowed, whatever the rules are; steps go by the clock on the wall."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookings.opening import DayHours, OpeningHours
from bookings.rules import Rules, broken_rules, outage_refusals, refusals, stepped
from bookings.slots import Buffers, on_grid
from lab.core.settings import Settings
from lab.core.time import Span
from tests.random_rules import MINUTE, calendars, rules_of_time

NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
WEEKDAYS = Rules.from_settings(Settings())
ALWAYS = replace(WEEKDAYS, calendars=(OpeningHours("Europe/Warsaw", ((DayHours(timedelta(0), 24 * HOUR),),) * 7),))


def stepping(minutes: int, zone: str = "Europe/Warsaw") -> Rules:
    always = OpeningHours(zone, ((DayHours(timedelta(0), 24 * HOUR),),) * 7)
    return Rules((always,), granularity=minutes * MINUTE)


# The nearest choice


@settings(deadline=None, max_examples=300)
@given(
    rules=rules_of_time(),
    now=st.datetimes(datetime(2026, 3, 20), datetime(2026, 11, 30), timezones=st.just(UTC)),
    start=st.integers(-10 * 24 * 60, 100 * 24 * 60),
    length=st.integers(1, 40 * 60),
)
def test_what_a_refusal_proposes_is_allowed_under_any_rules(
    rules: Rules, now: datetime, start: int, length: int
) -> None:
    wish = Span(now + start * MINUTE, now + (start + length) * MINUTE)
    found = refusals(wish, now=now, rules=rules)
    assert [(one.field, one.rule, one.fact) for one in found] == broken_rules(wish, now=now, rules=rules)
    for refusal in found:
        assert refusal.fact
        if refusal.nearest is not None:
            assert refusals(refusal.nearest, now=now, rules=rules) == []


@settings(deadline=None, max_examples=400)
@given(
    rules=rules_of_time(),
    now=st.datetimes(datetime(2026, 3, 20), datetime(2026, 11, 30), timezones=st.just(UTC)),
    start=st.integers(0, 20 * 24 * 60),
    length=st.integers(1, 12 * 60),
)
def test_where_anything_at_all_is_allowed_near_a_wish_something_is_proposed(
    rules: Rules, now: datetime, start: int, length: int
) -> None:
    """Looked for by trying every step within three days of the wish, from the shortest to the longest booking."""
    wish = Span(now + start * MINUTE, now + (start + length) * MINUTE)
    found = refusals(wish, now=now, rules=rules)
    if not found or found[0].nearest is not None:
        return  # about one in ten is left
    step = max(rules.granularity, 15 * MINUTE)
    at = stepped(max(wish.start - 72 * HOUR, on_grid(now + rules.lead)), rules)
    while at < wish.start + 72 * HOUR:
        for end in (stepped(at + max(rules.shortest, MINUTE), rules), stepped(at + rules.longest, rules, down=True)):
            assert at >= end or broken_rules(Span(at, end), now=now, rules=rules) != []
        at = stepped(at + step, rules)


@settings(deadline=None)
@given(
    rules=rules_of_time(),
    now=st.datetimes(datetime(2026, 3, 20), datetime(2026, 11, 30), timezones=st.just(UTC)),
    begun=st.integers(0, 10 * 60),
    length=st.integers(1, 40 * 60),
)
def test_of_a_running_booking_only_the_end_is_proposed_and_that_is_ahead(
    rules: Rules, now: datetime, begun: int, length: int
) -> None:
    start = now - begun * MINUTE
    wish = Span(start, start + length * MINUTE)
    for refusal in refusals(wish, now=now, rules=rules, running=True):
        if refusal.nearest is not None:
            assert refusal.nearest.start == start
            assert refusal.nearest.end > now
            assert refusals(refusal.nearest, now=now, rules=rules, running=True) == []


def test_a_running_booking_is_offered_the_end_of_the_opening() -> None:
    rules = replace(WEEKDAYS, longest=10 * HOUR)
    start = datetime(2026, 11, 23, 12, tzinfo=UTC)  # 13:00
    (refusal,) = refusals(Span(start, start + 8 * HOUR), now=start + HOUR, rules=rules, running=True)
    assert (refusal.rule, refusal.nearest) == ("opening-hours", Span(start, start + 6 * HOUR))
    (refusal,) = refusals(Span(start, start + 11 * HOUR), now=start + HOUR, rules=rules, running=True)
    assert (refusal.rule, refusal.nearest) == ("longest-booking", Span(start, start + 6 * HOUR))


@pytest.mark.parametrize(
    ("rules", "wish", "rule", "nearest"),
    [
        (replace(WEEKDAYS, lead=3 * HOUR), (8, 1), "lead-time", (11, 1)),
        (replace(WEEKDAYS, shortest=2 * HOUR), (9, 1), "shortest-booking", (9, 2)),
        (replace(WEEKDAYS, longest=2 * HOUR), (9, 3), "longest-booking", (9, 2)),
        (replace(WEEKDAYS, granularity=30 * MINUTE), (9.25, 1), "granularity", (9, 1)),
        (replace(WEEKDAYS, granularity=30 * MINUTE), (9, 0.75), "granularity", (9, 1)),
        (replace(WEEKDAYS, granularity=30 * MINUTE, longest=HOUR), (9, 1.25), "longest-booking", (9, 1)),
    ],
)
def test_the_nearest_choice_is_as_long_as_the_wish_and_then_as_near_as_can_be(
    rules: Rules, wish: tuple[float, float], rule: str, nearest: tuple[float, float]
) -> None:
    def span(hour: float, length: float) -> Span:
        start = datetime(2026, 11, 23, tzinfo=UTC) + (hour - 1) * HOUR
        return Span(start, start + length * HOUR)

    found = refusals(span(*wish), now=NOW, rules=rules)
    assert (found[0].rule, found[0].nearest) == (rule, span(*nearest))


def test_the_last_choice_before_the_horizon_begins_at_full_five_minutes_like_any_other() -> None:
    now = NOW + timedelta(seconds=37.6)
    wish = Span(now + timedelta(days=4000), now + timedelta(days=4000) + 2 * HOUR)
    (refusal,) = refusals(wish, now=now, rules=ALWAYS)
    last = NOW + ALWAYS.horizon
    assert (refusal.rule, refusal.nearest) == ("horizon", Span(last - 2 * HOUR, last))


def test_the_edges_of_each_rule_are_allowed_and_what_lies_beyond_is_not() -> None:
    rules = replace(ALWAYS, lead=3 * HOUR, shortest=HOUR, longest=4 * HOUR, horizon=timedelta(days=10))
    tick = timedelta.resolution
    from_lead, to_horizon = NOW + 3 * HOUR, NOW + timedelta(days=10)

    def broken(start: datetime, end: datetime) -> list[str]:
        return [rule for _, rule, _ in broken_rules(Span(start, end), now=NOW, rules=rules)]

    assert broken(from_lead, from_lead + HOUR) == []
    assert broken(from_lead - tick, from_lead + HOUR) == ["lead-time"]
    assert broken(to_horizon - HOUR, to_horizon) == []
    assert broken(to_horizon - HOUR, to_horizon + tick) == ["horizon"]
    assert broken(from_lead, from_lead + HOUR - tick) == ["shortest-booking"]
    assert broken(from_lead, from_lead + 4 * HOUR) == []
    assert broken(from_lead, from_lead + 4 * HOUR + tick) == ["longest-booking"]


def test_a_shortest_booking_of_another_device_that_is_longer_than_the_longest_leaves_nothing_to_propose() -> None:
    (refusal, *_) = refusals(Span(NOW, NOW + HOUR), now=NOW, rules=replace(ALWAYS, shortest=3 * HOUR, longest=2 * HOUR))
    assert refusal.nearest is None


# Holidays, closed days, special days


def open_on(calendar: OpeningHours, day: date) -> list[tuple[str, str]]:
    zone = ZoneInfo(calendar.zone)
    return [
        (f"{span.start.astimezone(zone):%H:%M}", f"{span.end.astimezone(zone):%H:%M}")
        for span in calendar.openings(day, day)
    ]


def test_holidays_of_the_country_closed_days_and_special_days_are_told_by_name() -> None:
    christmas_eve, third_may = date(2026, 12, 24), date(2027, 5, 3)
    calendar = replace(
        WEEKDAYS.calendars[0],
        holidays="PL-24",
        closed=((date(2026, 12, 28), "Stock-taking"),),
        special=((third_may, (DayHours(9 * HOUR, 12 * HOUR),)),),
    )
    rules = Rules((calendar,), horizon=timedelta(days=400))
    assert calendar.closed_because(date(2026, 12, 25)) == "Christmas Day"
    assert calendar.closed_because(christmas_eve) is not None  # a public holiday in Poland since 2025
    assert calendar.closed_because(date(2026, 12, 28)) == "Stock-taking"
    assert open_on(calendar, date(2026, 12, 28)) == []
    assert calendar.closed_because(third_may) is None
    assert open_on(calendar, third_may) == [("09:00", "12:00")]

    start = datetime(2026, 12, 25, 9, tzinfo=UTC)
    (refusal,) = refusals(Span(start, start + HOUR), now=NOW, rules=rules)
    assert (refusal.rule, refusal.field) == ("holiday", "start")
    assert refusal.fact == "the lab is closed on 2026-12-25: Christmas Day"
    assert refusal.nearest == Span(datetime(2026, 12, 23, 17, tzinfo=UTC), datetime(2026, 12, 23, 18, tzinfo=UTC))


def test_a_region_has_holidays_that_the_rest_of_its_country_has_not() -> None:
    corpus_christi = date(2026, 6, 4)
    assert replace(WEEKDAYS.calendars[0], holidays="DE-BY").closed_because(corpus_christi) is not None
    assert replace(WEEKDAYS.calendars[0], holidays="DE-BE").closed_because(corpus_christi) is None
    assert replace(WEEKDAYS.calendars[0], holidays="PL-24").closed_because(corpus_christi) is not None


def test_a_booking_into_a_holiday_ends_when_the_lab_closes() -> None:
    rules = replace(ALWAYS, calendars=(replace(ALWAYS.calendars[0], holidays="PL"),))
    start = datetime(2026, 12, 24, 20, tzinfo=UTC) - timedelta(days=1)  # 21:00 on the 23rd
    (refusal,) = refusals(Span(start, start + 5 * HOUR), now=NOW, rules=rules)
    assert (refusal.rule, refusal.field) == ("opening-hours", "end")
    assert refusal.fact == "the lab closes at 2026-12-24 00:00+01:00, before this booking ends"


def test_between_two_stretches_of_a_day_the_lab_is_closed() -> None:
    hours = (DayHours(7 * HOUR, 12 * HOUR), DayHours(13 * HOUR, 19 * HOUR))
    rules = Rules((OpeningHours("Europe/Warsaw", (hours,) * 7),))
    noon = datetime(2026, 11, 24, 11, tzinfo=UTC)  # 12:00
    (refusal,) = refusals(Span(noon, noon + HOUR / 2), now=NOW, rules=rules)
    assert refusal.nearest == Span(noon - HOUR / 2, noon)
    (refusal,) = refusals(Span(noon - HOUR / 2, noon + 2.5 * HOUR), now=NOW, rules=rules)
    assert (refusal.field, refusal.nearest) == ("end", Span(noon + HOUR, noon + 4 * HOUR))


# Steps


def by_watching_the_clock(instant: datetime, step: timedelta, zone: ZoneInfo, tick: timedelta) -> datetime:
    """The first minute from `instant` on, in ticks, at which the wall clock shows a step."""
    while True:
        wall = instant.astimezone(zone)
        if timedelta(hours=wall.hour, minutes=wall.minute, seconds=wall.second) % step == timedelta(0):
            return instant
        instant += tick


CHANGES = [datetime(2026, 3, 28, 20), datetime(2026, 10, 24, 20), datetime(2026, 4, 4, 20), datetime(2026, 9, 5, 20)]


@settings(deadline=None, max_examples=200)
@given(
    night=st.sampled_from(CHANGES),
    minutes=st.integers(0, 36 * 60),
    step=st.sampled_from([1, 7, 15, 30, 45, 60, 90, 120, 7 * 60, 8 * 60, 1439, 1440]),
    zone=st.sampled_from(["Europe/Warsaw", "Australia/Lord_Howe", "America/Santiago", "UTC"]),
)
def test_steps_are_what_somebody_watching_the_wall_clock_would_say(
    night: datetime, minutes: int, step: int, zone: str
) -> None:
    instant = night.replace(tzinfo=UTC) + minutes * MINUTE
    rules = stepping(step, zone)
    watched = partial(by_watching_the_clock, instant, step * MINUTE, ZoneInfo(zone))
    assert stepped(instant, rules) == watched(MINUTE)
    assert stepped(instant, rules, down=True) == watched(-MINUTE)


def test_on_the_days_when_the_clocks_change_steps_of_two_hours_are_one_and_three_hours_apart() -> None:
    rules = stepping(120)
    spring, autumn = datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 10, 24, 22, tzinfo=UTC)  # midnights
    assert stepped(spring + MINUTE, rules) - spring == 3 * HOUR  # 02:00 is skipped; 04:00
    assert stepped(autumn + MINUTE, rules) - autumn == 2 * HOUR  # 02:00 for the first time
    assert stepped(autumn + 2 * HOUR + MINUTE, rules) - autumn == 3 * HOUR  # and again


@given(st.sampled_from(CHANGES), st.integers(0, 36 * 60), st.sampled_from([7, 15, 90, 420]))
@settings(deadline=None)
def test_a_moment_within_a_step_is_rounded_to_it_as_well(night: datetime, minutes: int, step: int) -> None:
    instant = night.replace(tzinfo=UTC) + minutes * MINUTE + timedelta(seconds=17, microseconds=3)
    rules = stepping(step)
    up, down = stepped(instant, rules), stepped(instant, rules, down=True)
    assert down < instant < up
    assert stepped(up, rules) == up
    assert stepped(down, rules, down=True) == down


# Outages


class Outage:
    def __init__(self, device_id: str | None, span: Span) -> None:
        self.device_id, self.span, self.reason = device_id, span, "Spindle service"
        self.until_further_notice = False


@settings(deadline=None)
@given(
    calendar=calendars(),
    start=st.integers(0, 5 * 24 * 60),
    length=st.integers(1, 8 * 60),
    outage=st.tuples(st.integers(-600, 5 * 24 * 60), st.integers(1, 3 * 24 * 60)),
    setup=st.integers(0, 60),
    cleanup=st.integers(0, 60),
)
def test_what_is_proposed_instead_of_an_outage_keeps_clear_of_it_with_its_buffers(
    calendar: OpeningHours, start: int, length: int, outage: tuple[int, int], setup: int, cleanup: int
) -> None:
    rules, buffers = Rules((calendar,)), Buffers(setup * MINUTE, cleanup * MINUTE)
    out = Outage("mill-1", Span(NOW + outage[0] * MINUTE, NOW + sum(outage) * MINUTE))
    wish = Span(NOW + start * MINUTE, NOW + (start + length) * MINUTE)
    found = outage_refusals({"mill-1": buffers.around(wish)}, wish, [out], now=NOW, rules=rules)
    assert bool(found) == out.span.overlaps(buffers.around(wish))
    for refusal in found:
        assert (refusal.rule, "Spindle service" in refusal.fact) == ("outage", True)
        if refusal.nearest is not None:
            assert not out.span.overlaps(buffers.around(refusal.nearest))
            assert broken_rules(refusal.nearest, now=NOW, rules=rules) == []
