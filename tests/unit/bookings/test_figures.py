"""Figures of use: examples worked by hand, and what must hold for any calendar."""

from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookings.figures.counting import (
    Figures,
    Group,
    Grouping,
    Outcome,
    Slot,
    Week,
    count_figures,
    in_service,
    weeks_within,
)
from bookings.figures.errors import FiguresInvalidError
from bookings.figures.repository import used_within
from bookings.figures.service import read_window
from bookings.figures.sheets import plain
from lab.core.time import Span

ZONE = "Europe/Warsaw"
HOUR = timedelta(hours=1)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)).astimezone(UTC)


def span(start: str, end: str) -> Span:
    return Span(local(start), local(end))


MAY = span("2026-05-01", "2026-06-01")
LATER = local("2026-07-01")


def counted(
    *slots: Slot, by: str = "", openings: dict[str, list[Span]] | None = None, now: datetime = LATER, window: Span = MAY
) -> dict[Group, Figures]:
    return count_figures(
        slots,
        openings or {},
        window,
        by=frozenset(Grouping(one) for one in by.split()),
        weeks=weeks_within(window, ZONE),
        now=now,
    )


def hours(figures: Figures) -> dict[str, float]:
    names = ("booked", "used", "idle", "no_show", "ahead")
    return {name: getattr(figures, name) / HOUR for name in names if getattr(figures, name)}


def held(
    booking: str, when: Span, *, device: str = "mill-1", company: str = "foundry", used: Span | None = None
) -> Slot:
    return Slot(booking, device, company, when, Outcome.HELD, used=used)


def test_a_slot_that_was_used_in_part_is_idle_for_the_rest() -> None:
    slot = held("one", span("2026-05-04T09:00", "2026-05-04T12:00"), used=span("2026-05-04T09:30", "2026-05-04T11:00"))
    found = counted(slot, openings={"mill-1": [span("2026-05-04T07:00", "2026-05-04T19:00")]})
    assert hours(found[Group()]) == {"booked": 3, "used": 1.5, "idle": 1.5}
    assert (found[Group()].open, found[Group()].utilisation) == (12 * HOUR, 0.25)
    assert found[Group()].bookings == {"one"}


def test_a_no_show_is_neither_used_nor_idle_and_a_cancellation_holds_nothing() -> None:
    noon = span("2026-05-04T12:00", "2026-05-04T14:00")
    found = counted(
        Slot("absent", "mill-1", "foundry", noon, Outcome.NO_SHOW),
        Slot("gone", "mill-1", "foundry", noon, Outcome.CANCELLED, holds=False),
        Slot("left", "mill-1", "foundry", span("2026-05-05T09:00", "2026-05-05T10:00"), Outcome.CANCELLED),
    )[Group()]
    assert hours(found) == {"booked": 3, "no_show": 2, "idle": 1}
    assert (found.no_shows, found.cancelled, found.bookings) == ({"absent"}, {"gone", "left"}, {"absent", "left"})


def test_what_lies_ahead_is_not_idle_yet() -> None:
    slot = held("one", span("2026-05-04T09:00", "2026-05-04T12:00"), used=span("2026-05-04T09:00", "2026-05-04T10:00"))
    assert hours(counted(slot, now=local("2026-05-04T10:00"))[Group()]) == {"booked": 3, "used": 1, "ahead": 2}


def test_a_booking_with_two_devices_is_one_booking_and_two_devices_hours() -> None:
    when = span("2026-05-04T09:00", "2026-05-04T12:00")
    slots = held("one", when), held("one", when, device="robot-1")
    total = counted(*slots)[Group()]
    assert (total.booked, len(total.bookings)) == (6 * HOUR, 1)
    by_device = counted(*slots, by="device")
    assert {group.device_id: figures.booked for group, figures in by_device.items()} == {
        "mill-1": 3 * HOUR,
        "robot-1": 3 * HOUR,
    }


def test_a_night_from_sunday_to_monday_is_split_between_the_weeks_and_counted_in_the_first() -> None:
    slot = held("one", span("2026-05-10T22:00", "2026-05-11T03:00"))
    found = counted(slot, by="week")
    assert {group.week: (figures.booked / HOUR, len(figures.bookings)) for group, figures in found.items()} == {
        "2026-W19": (2, 1),
        "2026-W20": (3, 0),
    }


def test_what_sticks_out_of_the_window_is_cut_and_what_begins_before_it_not_counted() -> None:
    found = counted(held("one", span("2026-04-30T22:00", "2026-05-01T02:00")))[Group()]
    assert (found.booked, found.bookings) == (2 * HOUR, set())


@pytest.mark.parametrize(
    ("monday", "name", "length"),
    [("2026-03-23", "2026-W13", 167), ("2026-10-19", "2026-W43", 169), ("2027-01-04", "2027-W01", 168)],
)
def test_a_week_in_which_the_clocks_change_has_an_hour_less_or_more(monday: str, name: str, length: int) -> None:
    begins = date.fromisoformat(monday)
    window = read_window(begins, begins + timedelta(days=7), ZONE)
    (week,) = weeks_within(window, ZONE)
    assert week == Week(name, window)
    open_all_week = counted(by="week", window=window, openings={"mill-1": [window]})
    assert open_all_week[Group(week=name)].open == length * HOUR


def test_the_first_days_of_a_year_may_belong_to_the_last_week_of_the_one_before() -> None:
    assert [week.name for week in weeks_within(span("2027-01-01", "2027-01-05"), ZONE)] == ["2026-W53", "2027-W01"]


def test_every_device_and_week_has_its_figures_and_only_companies_that_booked() -> None:
    openings = {"mill-1": [span("2026-05-04T07:00", "2026-05-04T19:00")], "robot-1": []}
    window = span("2026-05-04", "2026-05-18")
    slot = held("one", span("2026-05-04T09:00", "2026-05-04T12:00"))
    by_both = counted(slot, by="device week", openings=openings, window=window)
    assert {(group.device_id, group.week) for group in by_both} == {
        ("mill-1", "2026-W19"),
        ("robot-1", "2026-W19"),
        ("mill-1", "2026-W20"),
        ("robot-1", "2026-W20"),
    }
    assert by_both[Group("robot-1", None, "2026-W20")].utilisation is None
    by_company = counted(slot, by="company", openings=openings, window=window)
    assert list(by_company) == [Group(None, "foundry", None)]
    assert by_company[Group(None, "foundry", None)].open == 12 * HOUR


def test_outages_are_taken_from_the_open_hours_once_even_where_they_overlap() -> None:
    openings = [span("2026-05-04T07:00", "2026-05-04T19:00"), span("2026-05-05T07:00", "2026-05-05T19:00")]
    outages = [span("2026-05-04T10:00", "2026-05-04T12:00"), span("2026-05-04T11:00", "2026-05-04T13:00")]
    left = in_service(
        openings, [*outages, span("2026-05-05T18:00", "9000-01-01")], span("2026-05-04T08:00", "2026-06-01")
    )
    assert left == [
        span("2026-05-04T08:00", "2026-05-04T10:00"),
        span("2026-05-04T13:00", "2026-05-04T19:00"),
        span("2026-05-05T07:00", "2026-05-05T18:00"),
    ]


def test_use_counts_within_the_slot_and_up_to_now() -> None:
    start, end, now = local("2026-05-04T09:00"), local("2026-05-04T12:00"), local("2026-05-04T11:00")
    assert used_within(start, end, None, None, now=now) is None
    assert used_within(start, end, start - HOUR, None, now=now) == Span(start, now)
    assert used_within(start, end, start, end + HOUR, now=now + 9 * HOUR) == Span(start, end)
    assert used_within(start, end, end, end + HOUR, now=now + 9 * HOUR) is None


@pytest.mark.parametrize(
    ("start", "end", "field", "rule"),
    [
        (date(2026, 5, 2), date(2026, 5, 2), "to", "end-after-start"),
        (date(2026, 5, 2), date(2026, 5, 1), "to", "end-after-start"),
        (date(2026, 5, 1), date(2028, 5, 4), "to", "longest-window"),
        (date(1, 1, 1), date(2026, 5, 1), "from", "time-in-range"),
        (date(2026, 5, 1), date(9999, 12, 31), "to", "time-in-range"),
    ],
)
def test_a_window_that_cannot_be_counted_is_refused(start: date, end: date, field: str, rule: str) -> None:
    with pytest.raises(FiguresInvalidError) as refused:
        read_window(start, end, ZONE)
    assert (refused.value.facts["field"], refused.value.facts["rule"]) == (field, rule)


def test_days_of_the_window_begin_at_midnight_by_the_labs_clock() -> None:
    assert read_window(date(2026, 10, 25), date(2026, 10, 26), ZONE).length == 25 * HOUR


@pytest.mark.parametrize("text", ["=1+1", "+48 32", "-x", "@sum", " =1", "\t=1", "\rx"])
def test_no_spreadsheet_takes_a_name_for_a_formula(text: str) -> None:
    assert plain(text) == f"'{text}"


@pytest.mark.parametrize("text", ["Foundry", "a=b", "3-axis", "", "Łódź"])
def test_ordinary_names_stay_as_they_are(text: str) -> None:
    assert plain(text) == text


BEGIN = local("2026-03-20")
WINDOW = Span(BEGIN, BEGIN + timedelta(days=24))
"""With a change of the clocks inside."""


@st.composite
def slots(draw: st.DrawFn) -> tuple[list[Slot], datetime]:
    now = BEGIN + draw(st.integers(-100, 700)) * HOUR
    found = []
    for number in range(draw(st.integers(0, 8))):
        start = BEGIN + draw(st.integers(-50, 600)) * HOUR
        when = Span(start, start + draw(st.integers(1, 200)) * HOUR / 4)
        used = None
        if draw(st.booleans()):
            first, length = draw(st.integers(0, 50)), draw(st.integers(1, 50))
            used = used_within(when.start, when.end, start + first * HOUR, start + (first + length) * HOUR, now=now)
        outcome = draw(st.sampled_from(Outcome))
        holds = outcome is not Outcome.CANCELLED or draw(st.booleans())
        company = draw(st.sampled_from(["foundry", "joinery"]))
        devices = draw(st.sets(st.sampled_from(["mill-1", "robot-1", "meter-1"]), min_size=1))
        found += [Slot(f"bkg_{number}", device, company, when, outcome, holds, used) for device in sorted(devices)]
    return found, now


OPENINGS = {
    "mill-1": [Span(BEGIN + day * timedelta(days=1), BEGIN + day * timedelta(days=1) + 9 * HOUR) for day in range(24)],
    "robot-1": [WINDOW],
}
SUMS = ("booked", "used", "idle", "no_show", "ahead")


@given(slots())
def test_however_figures_are_told_apart_they_add_up_to_the_whole(made: tuple[list[Slot], datetime]) -> None:
    given_slots, now = made
    total = counted(*given_slots, openings=OPENINGS, now=now, window=WINDOW)[Group()]
    inside = [
        min(slot.span.end, WINDOW.end) - max(slot.span.start, WINDOW.start)
        for slot in given_slots
        if slot.holds and slot.span.overlaps(WINDOW)
    ]
    assert total.booked == sum(inside, timedelta())
    assert total.open == 24 * 9 * HOUR + WINDOW.length
    for count in (1, 2, 3):
        for by in combinations(Grouping, count):
            parts = counted(*given_slots, by=" ".join(by), openings=OPENINGS, now=now, window=WINDOW)
            for name in SUMS:
                assert sum((getattr(part, name) for part in parts.values()), timedelta()) == getattr(total, name)
            for name in ("bookings", "no_shows", "cancelled"):
                assert set().union(*(getattr(part, name) for part in parts.values())) == getattr(total, name)
            if Grouping.COMPANY not in by:
                opened = [part.open for group, part in parts.items()]
                assert sum(opened, timedelta()) == total.open
            for part in parts.values():
                assert part.booked == part.used + part.idle + part.no_show + part.ahead
                assert min(getattr(part, name) for name in SUMS) >= timedelta()


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(1, 30)), max_size=8),
    st.lists(st.tuples(st.integers(0, 8), st.integers(1, 3)), max_size=5),
)
def test_each_hour_is_in_service_if_open_and_not_out(away: list[tuple[int, int]], gaps: list[tuple[int, int]]) -> None:
    at, openings = 0, []
    for gap, length in gaps:
        openings.append(Span(BEGIN + (at + gap) * HOUR, BEGIN + (at + gap + 5 * length) * HOUR))
        at += gap + 5 * length + 1
    outages = [Span(BEGIN + start * HOUR, BEGIN + (start + length) * HOUR) for start, length in away]
    window = Span(BEGIN + 3 * HOUR, BEGIN + 90 * HOUR)
    left = in_service(openings, outages, window)
    for hour in range(120):
        moment = BEGIN + hour * HOUR
        expected = (
            window.contains(moment)
            and any(one.contains(moment) for one in openings)
            and not any(one.contains(moment) for one in outages)
        )
        assert any(one.contains(moment) for one in left) == expected
