"""Random rules for Hypothesis: calendars with holidays and days of their own, lengths, steps, quotas."""

from datetime import date, timedelta

from hypothesis import strategies as st

from bookings.opening import DayHours, OpeningHours
from bookings.rules import Quota, Rules

MINUTE = timedelta(minutes=1)
ZONES = ("Europe/Warsaw", "Australia/Lord_Howe", "America/Santiago", "UTC")


@st.composite
def hours_of_a_day(draw: st.DrawFn) -> tuple[DayHours, ...]:
    """None, one or two stretches."""
    edges = sorted(draw(st.sets(st.integers(0, 24 * 4), max_size=4)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return tuple(DayHours(opens * 15 * MINUTE, closes * 15 * MINUTE) for opens, closes in pairs)


@st.composite
def calendars(draw: st.DrawFn, zone: str | None = None) -> OpeningHours:
    """Opening hours by weekday; often around the clock; perhaps holidays, closed and special days."""
    always = (DayHours(timedelta(0), timedelta(hours=24)),)
    day = st.just(always) | hours_of_a_day()
    days = st.dates(date(2026, 3, 15), date(2026, 12, 31))
    return OpeningHours(
        zone or draw(st.sampled_from(ZONES)),
        tuple(draw(st.lists(day, min_size=7, max_size=7))),
        holidays=draw(st.sampled_from(["", "PL", "PL-24"])),
        closed=tuple((closed, "Closed") for closed in draw(st.lists(days, max_size=3))),
        special=tuple((special, draw(hours_of_a_day())) for special in draw(st.lists(days, max_size=2))),
    )


@st.composite
def rules_of_time(draw: st.DrawFn) -> Rules:
    """Rules that two devices together may have."""
    calendar = draw(calendars())
    others = draw(st.lists(calendars(calendar.zone), max_size=1))
    shortest = draw(st.sampled_from([0, 0, 30, 45, 120]))
    return Rules(
        (calendar, *others),
        horizon=timedelta(days=draw(st.sampled_from([3, 30, 180]))),
        lead=draw(st.sampled_from([0, 0, 60, 24 * 60])) * MINUTE,
        shortest=shortest * MINUTE,
        longest=max(shortest, draw(st.sampled_from([30, 100, 480, 24 * 60, 48 * 60]))) * MINUTE,
        granularity=draw(st.sampled_from([0, 0, 1, 5, 15, 20, 30, 60, 90, 240, 420, 1440])) * MINUTE,
    )


@st.composite
def quotas(draw: st.DrawFn) -> Quota:
    """A quota that may bind."""
    scope, name = draw(st.sampled_from([("lab", ""), ("class", "cnc-mill"), ("device", "mill-1")]))
    length = st.none() | st.integers(1, 40).map(lambda hours: timedelta(hours=hours))
    count = st.none() | st.integers(1, 4)
    return Quota(scope, name, week=draw(length), pilot=draw(length), concurrent=draw(count), open=draw(count))
