"""When devices are out of service, and which bookings that hits."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookings.outages.errors import OutageInvalidError
from bookings.outages.rules import (
    FURTHER_NOTICE,
    Held,
    OutageFacts,
    OutageKind,
    hits_of,
    last_end_of,
    outage_spans,
    require_may_change,
    require_times,
    spans_of,
)
from bookings.recurrence import RecurrenceError, occurrences
from lab.core.errors import ForbiddenError
from lab.core.time import Span
from lab.people.principals import Role
from tests.factories import principal

ZONE = "Europe/Warsaw"
NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)).astimezone(UTC)


def outage(start: str, end: str | None, rrule: str | None = None) -> OutageFacts:
    begins, ends = local(start), local(end) if end else None
    last = last_end_of(OutageKind.PLANNED, begins, ends, rrule, ZONE)
    return OutageFacts("out_1", "mill-1", "planned", begins, ends, rrule, last, "Cleaning")


NOON = outage("2026-03-02T12:00", "2026-03-02T13:00", "FREQ=DAILY")
"""Every day from 12:00 to 13:00, for ever."""


def test_a_daily_outage_is_at_noon_by_the_wall_clock_before_and_after_the_clocks_change() -> None:
    window = Span(local("2026-03-28T00:00"), local("2026-03-31T00:00"))
    spans = spans_of(NOON, window, zone=ZONE)
    assert [f"{span.start:%d %H:%M}" for span in spans] == ["28 11:00", "29 10:00", "30 10:00"]


def test_an_endless_outage_years_later_is_told_for_the_window_only() -> None:
    window = Span(local("2030-06-03T12:30"), local("2030-06-04T12:00"))
    assert spans_of(NOON, window, zone=ZONE) == [Span(local("2030-06-03T12:00"), local("2030-06-03T13:00"))]


@pytest.mark.parametrize(
    ("day", "hours"),
    [("2026-03-29", 2.5), ("2026-10-25", 3.5)],  # from 00:30 UTC, the earlier of the two that 02:30 may mean
)
def test_nothing_is_left_open_where_the_clocks_change_at_the_edge_of_an_outage(day: str, hours: float) -> None:
    eve = (datetime.fromisoformat(day) - DAY).date()
    nightly = outage(f"{eve}T02:30", f"{eve}T05:00", "FREQ=DAILY")
    (span,) = spans_of(nightly, Span(local(f"{day}T00:00"), local(f"{day}T12:00")), zone=ZONE)
    assert span == Span(datetime.fromisoformat(f"{day}T00:30+00:00"), local(f"{day}T05:00"))
    assert span.length == hours * HOUR


def test_an_outage_until_further_notice_has_no_end_that_matters() -> None:
    broken = outage("2026-03-02T12:00", None)
    (found,) = outage_spans([broken], Span(NOW + 100 * DAY, NOW + 101 * DAY), zone=ZONE)
    assert found.until_further_notice
    assert found.span == Span(local("2026-03-02T12:00"), FURTHER_NOTICE)
    assert found.span.widened(before=DAY, after=DAY).overlaps(Span(NOW + 3000 * DAY, NOW + 3001 * DAY))


def test_an_outage_that_touches_the_window_is_not_in_it() -> None:
    single = outage("2026-03-02T12:00", "2026-03-02T13:00")
    assert spans_of(single, Span(local("2026-03-02T13:00"), local("2026-03-02T14:00")), zone=ZONE) == []
    assert spans_of(single, Span(local("2026-03-02T11:00"), local("2026-03-02T12:00")), zone=ZONE) == []


def test_a_recurring_outage_that_was_ended_is_cut_there_and_does_not_come_again() -> None:
    ended = replace(NOON, last_end=local("2026-03-04T12:20"))
    spans = spans_of(ended, Span(NOW, NOW + 30 * DAY), zone=ZONE)
    assert [span.length for span in spans] == [HOUR, HOUR, timedelta(minutes=20)]


def test_the_last_end_is_that_of_the_last_occurrence() -> None:
    assert NOON.last_end is None
    weekly = outage("2026-03-02T12:00", "2026-03-02T13:00", "FREQ=WEEKLY;COUNT=5")
    assert weekly.last_end == local("2026-03-30T13:00")


@pytest.mark.parametrize(
    ("kind", "end", "rrule", "rule"),
    [
        (OutageKind.UNPLANNED, NOW + HOUR, "FREQ=DAILY", "recurring-is-planned"),
        (OutageKind.PLANNED, None, "FREQ=DAILY", "recurring-has-end"),
        (OutageKind.PLANNED, NOW + 32 * DAY, "FREQ=MONTHLY", "longest-outage"),
    ],
)
def test_an_outage_that_cannot_recur_is_refused(kind: OutageKind, end: datetime | None, rrule: str, rule: str) -> None:
    with pytest.raises(OutageInvalidError) as refused:
        last_end_of(kind, NOW, end, rrule, ZONE)
    assert refused.value.facts["rule"] == rule


@pytest.mark.parametrize(
    "rrule", ["FREQ=DAILY;COUNT=2001", "FREQ=DAILY;UNTIL=20990101", "FREQ=WEEKLY;BYDAY=SU", "FREQ=HOURLY", "x"]
)
def test_a_recurrence_that_no_outage_follows_is_refused(rrule: str) -> None:
    with pytest.raises(RecurrenceError):
        last_end_of(OutageKind.PLANNED, NOW, NOW + HOUR, rrule, ZONE)


@pytest.mark.parametrize(
    ("start", "end", "rule"),
    [
        (NOW, NOW, "end-after-start"),
        (NOW, NOW - HOUR, "end-after-start"),
        (NOW.replace(tzinfo=None), None, "aware-time"),
        (NOW - 367 * DAY, NOW, "outage-horizon"),
        (NOW + 733 * DAY, None, "outage-horizon"),
        (NOW, NOW + 733 * DAY, "longest-outage"),
        (datetime(1, 1, 1, tzinfo=UTC), None, "outage-horizon"),
        (datetime(9999, 1, 1, tzinfo=UTC), None, "end-after-start"),
    ],
)
def test_times_that_no_outage_has_are_refused(start: datetime, end: datetime | None, rule: str) -> None:
    with pytest.raises(Exception) as refused:
        require_times(start, end, now=NOW)
    assert getattr(refused.value, "facts")["rule"] == rule  # noqa: B009


@pytest.mark.parametrize(
    ("role", "device_id"),
    [(Role.MEMBER, "mill-1"), (Role.RECIPIENT, "mill-1"), (Role.MEMBER, None), (Role.ENGINEER, None)],
)
def test_companies_declare_nothing_and_only_managers_close_the_lab(role: Role, device_id: str | None) -> None:
    with pytest.raises(ForbiddenError):
        require_may_change(principal(role), device_id, "declare")
    require_may_change(principal(Role.ENGINEER), "mill-1", "declare")
    require_may_change(principal(Role.MANAGER), None, "declare")


def span(start: float, end: float) -> Span:
    return Span(NOW + start * HOUR, NOW + end * HOUR)


def test_a_booking_is_hit_by_each_of_its_devices_and_times() -> None:
    held = [
        Held("one", "mill-1", span(0, 10)),
        Held("one", "robot-1", span(0, 10)),
        Held("two", "mill-1", span(10, 11)),
    ]
    (hit,) = hits_of(None, [span(1, 2), span(4, 5), span(11, 12)], held)
    assert (hit.booking_id, hit.device_ids, hit.spans) == ("one", ("mill-1", "robot-1"), (span(1, 2), span(4, 5)))
    assert hits_of("meter-1", [span(1, 2)], held) == []


WHEN = st.tuples(st.integers(0, 60), st.integers(1, 8)).map(lambda made: span(made[0], sum(made)))


@given(st.lists(st.integers(0, 60), max_size=8, unique=True), st.integers(1, 8), st.lists(WHEN, max_size=20))
def test_exactly_the_bookings_that_overlap_are_hit(starts: list[int], length: int, wishes: list[Span]) -> None:
    spans = [span(start, start + length) for start in sorted(starts)]
    held = [Held(str(number), "mill-1", wish) for number, wish in enumerate(wishes)]
    expected = {
        one.booking_id: tuple(each for each in spans if each.overlaps(one.span))
        for one in held
        if any(each.overlaps(one.span) for each in spans)
    }
    assert {hit.booking_id: hit.spans for hit in hits_of("mill-1", spans, held)} == expected


@settings(deadline=None)
@given(
    st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,TH", "FREQ=MONTHLY;INTERVAL=2", "FREQ=DAILY;COUNT=90"]),
    st.integers(1, 31 * 24),
    st.integers(-100, 400),
    st.integers(1, 100 * 24),
    st.one_of(st.none(), st.integers(1, 300 * 24)),
)
def test_whatever_the_window_it_shows_what_a_walk_from_the_first_one_gives(
    rrule: str, length: int, later: int, width: int, ended: int | None
) -> None:
    first = span(0, length)  # a Monday
    last = None if ended is None else NOW + ended * HOUR
    facts = OutageFacts("out_1", "mill-1", "planned", first.start, first.end, rrule, last, "Cleaning")
    window = Span(NOW + later * DAY, NOW + later * DAY + width * HOUR)
    walked = occurrences(rrule, first, zone=ZONE, most=2000, until=NOW + 600 * DAY)
    cut = [one.widest for one in walked]
    if last is not None:
        cut = [Span(one.start, min(one.end, last)) for one in cut if one.start < last]
    assert spans_of(facts, window, zone=ZONE) == [one for one in cut if one.overlaps(window)]
