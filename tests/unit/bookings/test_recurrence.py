"""Recurring spans by the lab's wall clock, over the days on which the clocks change."""

import contextlib
import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bookings.recurrence import Occurrence, RecurrenceError, occurrences
from lab.core.time import Span

ZONE = "Europe/Warsaw"
WARSAW = ZoneInfo(ZONE)
SPRING = date(2026, 3, 29)
"""02:00 becomes 03:00: 23 hours."""
AUTUMN = date(2026, 10, 25)
"""03:00 becomes 02:00: 25 hours."""
DAY = timedelta(days=1)


def wall(text: str, *, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=WARSAW, fold=fold)


def slot(start: str, end: str) -> Span:
    return Span(wall(start), wall(end))


MORNING = slot("2026-11-23T09:00", "2026-11-23T12:00")
"""A Monday."""


def days(found: list[Occurrence]) -> list[str]:
    return [f"{occurrence.start:%m-%d}" for occurrence in found]


def of(rule: str, first: Span = MORNING, *, most: int = 60, **bounds: datetime) -> list[Occurrence]:
    return occurrences(rule, first, zone=ZONE, most=most, **bounds)


def refusal(rule: str, first: Span = MORNING, *, most: int = 60) -> RecurrenceError:
    with pytest.raises(RecurrenceError) as refused:
        of(rule, first, most=most)
    assert refused.value.facts["field"]
    return refused.value


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=DAILY;COUNT=3", ["11-23", "11-24", "11-25"]),
        ("FREQ=WEEKLY;BYDAY=MO,WE;COUNT=4", ["11-23", "11-25", "11-30", "12-02"]),
        ("freq=weekly;interval=2;count=2;", ["11-23", "12-07"]),
        ("FREQ=MONTHLY;COUNT=2", ["11-23", "12-23"]),
        ("FREQ=MONTHLY;BYDAY=4MO;COUNT=3", ["11-23", "12-28", "01-25"]),
        ("FREQ=DAILY;UNTIL=20261125", ["11-23", "11-24", "11-25"]),  # a date means its whole day
        ("FREQ=DAILY;UNTIL=20261125T090000", ["11-23", "11-24", "11-25"]),  # by the lab's clock
        ("FREQ=DAILY;UNTIL=20261125T080000Z", ["11-23", "11-24", "11-25"]),  # the same instant
        ("FREQ=DAILY;UNTIL=20261125T075959Z", ["11-23", "11-24"]),
    ],
)
def test_a_rule_gives_its_days(rule: str, expected: list[str]) -> None:
    assert days(of(rule)) == expected


@pytest.mark.parametrize("change", [SPRING, AUTUMN])
def test_a_morning_slot_stays_a_morning_slot_when_the_clocks_change(change: date) -> None:
    friday = change - 2 * DAY
    found = of("FREQ=DAILY;COUNT=4", slot(f"{friday}T09:00", f"{friday}T12:00"))
    local = [occurrence.span.start.astimezone(WARSAW) for occurrence in found if occurrence.span]
    assert [f"{at:%H:%M}" for at in local] == ["09:00"] * 4
    assert {occurrence.span.length for occurrence in found if occurrence.span} == {timedelta(hours=3)}
    utc = [at.astimezone(UTC).hour for at in local]
    assert utc == ([8, 8, 7, 7] if change == SPRING else [7, 7, 8, 8])


@pytest.mark.parametrize(("change", "hours"), [(SPRING, [8, 7, 8]), (AUTUMN, [8, 9, 8])])
def test_a_night_slot_is_as_long_as_its_night(change: date, hours: list[int]) -> None:
    eve = change - 2 * DAY
    found = of("FREQ=DAILY;COUNT=3", slot(f"{eve}T22:00", f"{eve + DAY}T06:00"))
    assert [occurrence.span.length for occurrence in found if occurrence.span] == [timedelta(hours=n) for n in hours]


@pytest.mark.parametrize(
    ("change", "reason", "widest"),
    [
        (SPRING, "time-does-not-exist", ("2026-03-29T00:30", "2026-03-29T03:00")),
        (AUTUMN, "time-exists-twice", ("2026-10-25T00:30", "2026-10-25T04:00")),
    ],
)
def test_half_past_two_is_refused_where_the_clock_skips_or_repeats_it(
    change: date, reason: str, widest: tuple[str, str]
) -> None:
    eve = change - DAY
    before, on_the_day, after = of("FREQ=DAILY;COUNT=3", slot(f"{eve}T02:30", f"{eve}T05:00"))
    assert before.refused is None
    assert after.refused is None
    assert (on_the_day.span, on_the_day.refused, on_the_day.field) == (None, reason, "start")
    assert on_the_day.fact is not None
    assert on_the_day.fact.startswith(f"02:30 on {change}")
    start, end = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in widest)
    assert on_the_day.widest == Span(start, end)


def test_an_end_that_comes_twice_is_refused_as_the_end() -> None:
    eve = AUTUMN - DAY
    _, on_the_day = of("FREQ=DAILY;COUNT=2", slot(f"{eve}T00:00", f"{eve}T02:30"))
    assert (on_the_day.field, on_the_day.refused) == ("end", "time-exists-twice")
    assert on_the_day.widest.end == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)  # the second of the two


def test_the_first_slot_was_given_as_instants_and_is_taken_as_it_is() -> None:
    second = Span(wall(f"{AUTUMN}T02:30", fold=1), wall(f"{AUTUMN}T04:00"))
    found = of("FREQ=DAILY;COUNT=2", second)
    assert found[0].span == second
    assert found[1].refused is None


def test_a_first_slot_during_which_the_clock_goes_back_past_its_start_is_refused() -> None:
    first = Span(wall(f"{AUTUMN}T02:30"), wall(f"{AUTUMN}T02:10", fold=1))
    assert refusal("FREQ=DAILY;COUNT=2", first).facts["rule"] == "time-exists-twice"


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ("", "recurrence-parts"),
        ("every monday", "recurrence-parts"),
        ("COUNT=3", "recurrence-parts"),
        ("FREQ=DAILY", "recurrence-ends"),
        ("FREQ=DAILY;COUNT=0", "recurrence-parts"),
        ("FREQ=DAILY;COUNT=-1", "recurrence-parts"),
        ("FREQ=DAILY;INTERVAL=0;COUNT=2", "recurrence-parts"),
        ("FREQ=DAILY;COUNT=3;COUNT=3", "recurrence-parts"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20261231", "recurrence-parts"),
        ("FREQ=DAILY;COUNT=61", "most-occurrences"),
        ("FREQ=DAILY;COUNT=999999", "most-occurrences"),
        ("FREQ=DAILY;UNTIL=20270630", "most-occurrences"),
        ("FREQ=DAILY;UNTIL=99991231", "most-occurrences"),
        ("FREQ=DAILY;UNTIL=20261301", "recurrence-parts"),
        ("FREQ=DAILY;UNTIL=00000101", "recurrence-parts"),
        ("FREQ=DAILY;UNTIL=20260101", "recurrence-ends-after-start"),
        ("FREQ=HOURLY;COUNT=3", "recurrence-frequency"),
        ("FREQ=MINUTELY;COUNT=3", "recurrence-frequency"),
        ("FREQ=SECONDLY;COUNT=3", "recurrence-frequency"),
        ("FREQ=DAILY;COUNT=3;BYHOUR=3", "recurrence-parts"),
        ("FREQ=DAILY;COUNT=3;BYEASTER=0", "recurrence-parts"),
        ("FREQ=DAILY;COUNT=3;X-OWN=1", "recurrence-parts"),
        ("FREQ=WEEKLY;BYDAY=1MO;COUNT=3", "recurrence-parts"),
        ("FREQ=WEEKLY;BYMONTHDAY=1;COUNT=3", "recurrence-parts"),
        ("FREQ=MONTHLY;BYMONTHDAY=32;COUNT=3", "recurrence-parts"),
        ("FREQ=MONTHLY;BYSETPOS=1;COUNT=3", "recurrence-parts"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=367;COUNT=3", "recurrence-parts"),
        ("RRULE:FREQ=DAILY;COUNT=3", "recurrence-parts"),
        ("DTSTART:20200101T000000\nRRULE:FREQ=DAILY;COUNT=3", "recurrence-parts"),
        ("FREQ=DAILY;COUNT=3\nEXDATE:20261124T090000", "recurrence-parts"),
        ("FREQ=DAILY;COUNT=٣", "recurrence-parts"),
        ("FREQ=DAILY;COUNT=3;" + "BYDAY=" + "MO," * 400 + "MO", "recurrence-length"),
        ("FREQ=DAILY;COUNT=3;BYDAY=TU", "first-follows-recurrence"),
    ],
)
def test_a_rule_that_no_slot_can_follow_is_refused_by_name(rule: str, named: str) -> None:
    assert refusal(rule).facts["rule"] == named


@pytest.mark.parametrize("frequency", ["DAILY", "MONTHLY", "YEARLY"])
def test_a_rule_that_never_comes_is_refused_soon(frequency: str) -> None:
    begun = time.perf_counter()
    assert refusal(f"FREQ={frequency};BYMONTH=2;BYMONTHDAY=31;COUNT=3").facts["rule"] == "recurrence-matches"
    assert time.perf_counter() - begun < 1.5  # looked for up to the year 9999, it takes twenty times as long


def test_a_first_slot_off_the_rule_is_told_the_first_day_on_it() -> None:
    assert refusal("FREQ=WEEKLY;BYDAY=WE;COUNT=3").facts["nearest"] == "2026-11-25"


@pytest.mark.parametrize("year", [1, 1900, 9600, 9998])
def test_a_first_slot_at_the_edges_of_time_is_refused(year: int) -> None:
    first = Span(datetime(year, 6, 1, tzinfo=UTC), datetime(year, 6, 2, tzinfo=UTC))
    assert refusal("FREQ=DAILY;COUNT=3", first).facts["rule"] == "time-in-range"


def test_an_endless_rule_is_seen_through_a_window() -> None:
    window = {"since": wall("2030-05-06T12:00"), "until": wall("2030-05-08T09:00")}
    found = of("FREQ=DAILY", **window)
    assert days(found) == ["05-07"]  # that of the 6th ends as the window begins, that of the 8th begins as it ends
    assert len(of("FREQ=DAILY", most=1, **window)) == 1


RULES = st.tuples(
    st.sampled_from(
        [
            "FREQ=DAILY",
            "FREQ=DAILY;BYDAY=MO,TU,FR;BYMONTH=1,3,10",
            "FREQ=WEEKLY",
            "FREQ=WEEKLY;BYDAY=MO,TH,SU",
            "FREQ=WEEKLY;BYDAY=SU,MO;WKST=SU",
            "FREQ=MONTHLY",
            "FREQ=MONTHLY;BYDAY=-1FR",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            "FREQ=MONTHLY;BYMONTHDAY=-1",
            "FREQ=YEARLY",
            "FREQ=YEARLY;BYMONTH=2,10;BYDAY=SU",
        ]
    ),
    st.integers(1, 5),
).map(lambda made: f"{made[0]};INTERVAL={made[1]}")


@settings(deadline=None)
@given(
    RULES,
    st.dates(date(2020, 1, 1), date(2030, 12, 31)),
    st.integers(0, 24 * 60 - 1),
    st.integers(1, 3 * 24 * 60),
    st.integers(0, 2000),
    st.integers(1, 200),
)
def test_a_window_shows_what_a_walk_from_the_first_one_gives(
    rule: str, begin: date, minute: int, length: int, later: int, width: int
) -> None:
    midnight = datetime(begin.year, begin.month, begin.day)
    day = rrulestr(rule, dtstart=midnight)[0]  # the rule's own first day
    start = (day + timedelta(minutes=minute)).replace(tzinfo=WARSAW).astimezone(UTC)
    first = Span(start, start + timedelta(minutes=length))
    wall_day = first.start.astimezone(WARSAW).date()
    assume(wall_day == day.date())  # not moved over midnight by a clock change
    try:
        everything = of(rule, first, most=5000, until=first.start + timedelta(days=later + width))
    except RecurrenceError:  # the clocks change around the first one
        assume(False)
    by_library = rrulestr(rule, dtstart=datetime.combine(wall_day, datetime.min.time()))
    assert [found.start.date() for found in everything] == [
        expected.date() for expected, _ in zip(by_library, everything, strict=False)
    ]
    since = first.start + timedelta(days=later)
    seen = of(rule, first, most=5000, since=since, until=first.start + timedelta(days=later + width))
    assert seen == [found for found in everything if found.widest.end > since]
    for found in everything:
        if found.span is not None:
            local = found.span.start.astimezone(WARSAW).replace(tzinfo=None)
            assert local == found.start


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY", "FREQ=MONTHLY", "FREQ=YEARLY", "COUNT=5", "UNTIL=20261230"]),
            st.from_regex(r"(BYDAY|BYMONTHDAY|BYSETPOS|BYMONTH|INTERVAL|WKST|UNTIL)=[-+0-9A-Z,]{1,9}", fullmatch=True),
            st.text(max_size=12),
        ),
        min_size=1,
        max_size=5,
    ).map(";".join)
)
def test_any_text_is_a_recurrence_or_refused_by_name(text: str) -> None:
    with contextlib.suppress(RecurrenceError):
        assert 1 <= len(of(text)) <= 60
