"""Who may book, and how much: trainings, supervision, devices that need others, quotas."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookings.entitlements import (
    HeldSlot,
    Wish,
    broken_quotas,
    missing_devices,
    missing_qualifications,
    missing_supervision,
    quota_refusals,
    weeks_of,
)
from bookings.opening import DayHours, OpeningHours
from bookings.rules import Quota, Rules, broken_rules, require_none
from lab.core.errors import PilotLabError
from lab.core.time import Span
from tests.random_rules import MINUTE, quotas, rules_of_time

WARSAW = ZoneInfo("Europe/Warsaw")
NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)  # Monday, 08:00 in Gliwice
HOUR = timedelta(hours=1)
ALWAYS = Rules((OpeningHours("Europe/Warsaw", ((DayHours(timedelta(0), 24 * HOUR),),) * 7),))
MILL, METER = ("mill-1", "cnc-mill"), ("meter-1", "meter")


def wall(month: int, day: int, hour: float = 0, *, length: float = 1) -> Span:
    """A span by the clock on the wall in Gliwice."""
    start = (datetime(2026, month, day) + hour * HOUR).replace(tzinfo=WARSAW).astimezone(UTC)
    return Span(start, start + length * HOUR)


def wish(span: Span, *devices: tuple[str, str], pilot: str | None = None, supervised: bool = False) -> Wish:
    return Wish(span, devices or (MILL,), "org_company", pilot, supervised)


def slot(span: Span, *devices: tuple[str, str], pilot: str | None = None) -> HeldSlot:
    return HeldSlot(f"bkg_{span.start.isoformat()}", span, pilot, devices or (MILL,))


def lab(**limits: object) -> Rules:
    return replace(ALWAYS, quotas=(Quota("lab", "", **limits),))  # type: ignore[arg-type]


def refused(
    span: Span, rules: Rules, held: Sequence[HeldSlot], *devices: tuple[str, str], pilot: str | None = None
) -> list[str]:
    found = quota_refusals(wish(span, *devices, pilot=pilot), rules, held, now=NOW)
    assert [(one.rule, one.fact) for one in found] == broken_quotas(
        wish(span, *devices, pilot=pilot), rules, held, now=NOW
    )
    return [one.rule for one in found]


# Needs, supervision, trainings


def test_a_device_that_needs_another_names_all_that_are_missing() -> None:
    rules = replace(ALWAYS, needs=frozenset({"meter-1", "mill-1", "arm-1"}))
    (refusal,) = missing_devices(wish(wall(11, 24)), rules)
    assert (refusal.field, refusal.rule) == ("device_ids", "needs-device")
    assert refusal.fact == "mill-1: can only be booked together with arm-1, meter-1"
    assert refusal.instead == {"device_ids": ["arm-1", "meter-1", "mill-1"]}
    assert missing_devices(wish(wall(11, 24), MILL, METER, ("arm-1", "robot")), rules) == []


def test_a_device_whose_needed_device_has_left_the_lab_says_so_and_proposes_nothing() -> None:
    rules = replace(ALWAYS, needs=frozenset({"meter-1"}), gone=frozenset({"meter-1"}))
    found = missing_devices(wish(wall(11, 24)), rules)
    assert found[0].instead is None
    with pytest.raises(PilotLabError, match="meter-1: no longer in service; ask the lab"):
        require_none(found, "Europe/Warsaw")


def test_supervision_is_needed_unless_an_engineer_is_booked_with_it() -> None:
    rules = replace(ALWAYS, supervision=True)
    (refusal,) = missing_supervision(wish(wall(11, 24)), rules)
    assert (refusal.field, refusal.rule, refusal.instead) == ("supervised", "supervision", {"supervised": True})
    assert missing_supervision(wish(wall(11, 24), supervised=True), rules) == []
    assert missing_supervision(wish(wall(11, 24)), ALWAYS) == []


def test_a_training_counts_until_its_last_instant() -> None:
    rules, span = replace(ALWAYS, qualifications=frozenset({"milling"})), wall(11, 24, 9)

    def lacking(held: dict[str, datetime | None], now: datetime = NOW) -> str | None:
        found = missing_qualifications(wish(span), rules, held, now=now)
        return found[0].fact if found else None

    assert lacking({"milling": None}) is None
    assert lacking({"milling": span.end}) is None
    within = lacking({"milling": span.end - timedelta.resolution})
    assert within is not None
    assert "expires before this booking ends" in within
    over = lacking({"milling": NOW})
    assert over is not None
    assert "has expired" in over
    without = lacking({"welding": None})
    assert without is not None
    assert "you have no training 'milling'" in without


def test_every_training_that_is_missing_is_told_and_an_engineer_stands_in_for_all() -> None:
    rules = replace(ALWAYS, qualifications=frozenset({"milling", "laser", "welding"}))
    found = missing_qualifications(wish(wall(11, 24)), rules, {"laser": None}, now=NOW)
    assert [(one.rule, one.instead) for one in found] == [("qualification", {"supervised": True})] * 2
    assert missing_qualifications(wish(wall(11, 24), supervised=True), rules, {}, now=NOW) == []


# Quotas


def test_a_week_is_full_when_the_next_minute_would_be_too_much() -> None:
    rules, held = lab(week=4 * HOUR), [slot(wall(11, 24, 8, length=3))]
    assert refused(wall(11, 27, 9), rules, held) == []
    assert refused(wall(11, 27, 9, length=1 + 1 / 60), rules, held) == ["week-quota"]
    assert refused(wall(11, 30, 9, length=4), rules, held) == []  # next Monday


def test_a_booking_over_the_end_of_a_week_counts_in_both_by_its_parts() -> None:
    rules, sunday_night = lab(week=4 * HOUR), wall(11, 29, 22, length=5)  # two hours on Sunday, three on Monday
    assert refused(sunday_night, rules, []) == []
    assert refused(sunday_night, rules, [slot(wall(11, 24, 8, length=2))]) == []
    assert refused(sunday_night, rules, [slot(wall(11, 24, 8, length=3))]) == ["week-quota"]
    assert refused(sunday_night, rules, [slot(wall(12, 2, 8, length=1))]) == []
    assert refused(sunday_night, rules, [slot(wall(12, 2, 8, length=1.5))]) == ["week-quota"]
    held = [slot(sunday_night)]
    assert refused(wall(11, 28, 8, length=2), rules, held) == []
    assert refused(wall(11, 28, 8, length=2.5), rules, held) == ["week-quota"]
    assert refused(wall(12, 1, 8, length=1.5), rules, held) == ["week-quota"]


def test_weeks_begin_on_monday_by_the_clock_on_the_wall_also_when_that_changes() -> None:
    hours = {
        week.start.astimezone(WARSAW).date().isoformat(): week.length / HOUR
        for month, day in ((3, 27), (10, 23), (11, 24))
        for week in weeks_of(wall(month, day), "Europe/Warsaw")
    }
    assert hours == {"2026-03-23": 167, "2026-10-19": 169, "2026-11-23": 168}
    # Sunday 23:30 in Gliwice, which is 22:30 in UTC, is still this week; half past midnight is the next one.
    assert refused(wall(11, 29, 23.5, length=0.5), lab(week=4 * HOUR), [slot(wall(11, 24, length=4))]) == ["week-quota"]
    assert refused(wall(11, 30, 0.5, length=0.5), lab(week=4 * HOUR), [slot(wall(11, 24, length=4))]) == []


@pytest.mark.parametrize(("month", "day", "hours"), [(3, 28, 23), (10, 24, 25)])
def test_on_the_day_when_the_clocks_change_the_hours_that_really_pass_are_counted(
    month: int, day: int, hours: int
) -> None:
    midnight, following = wall(month, day + 1).start, wall(month, day + 2).start
    assert (following - midnight) / HOUR == hours
    rules = replace(lab(week=hours * HOUR), longest=30 * HOUR)
    now = midnight - timedelta(days=2)
    assert quota_refusals(wish(Span(midnight, following)), rules, [], now=now) == []
    too_much = [slot(Span(midnight - timedelta(days=1), midnight - timedelta(days=1) + MINUTE))]
    (refusal,) = quota_refusals(wish(Span(midnight, following)), rules, too_much, now=now)
    # The same wall-clock start a week later, as long as the wish.
    assert refusal.nearest is not None
    assert refusal.nearest.start.astimezone(WARSAW).replace(tzinfo=None) == datetime(2026, month, day + 1) + timedelta(
        days=7
    )
    assert refusal.nearest.length == hours * HOUR


def test_a_full_week_proposes_the_same_time_in_the_first_week_with_room_else_as_much_as_there_is_room_for() -> None:
    rules = lab(week=4 * HOUR)
    held = [slot(wall(11, 24, 8, length=3)), slot(wall(12, 1, 8, length=3))]
    (refusal,) = quota_refusals(wish(wall(11, 26, 9, length=2)), rules, held, now=NOW)
    assert refusal.nearest == wall(12, 10, 9, length=2)
    (refusal,) = quota_refusals(wish(wall(11, 26, 9, length=5)), rules, held, now=NOW)
    assert refusal.nearest == wall(11, 26, 9, length=1)
    (refusal,) = quota_refusals(wish(wall(11, 29, 22, length=9)), rules, held, now=NOW)
    assert refusal.nearest == wall(11, 29, 22, length=1)  # one hour is left of this week
    full = [slot(wall(11, 24, 8, length=4))]
    with pytest.raises(PilotLabError, match="choose a later week, or cancel another booking") as error:
        require_none(quota_refusals(wish(wall(11, 26, 9, length=5)), rules, full, now=NOW), "Europe/Warsaw")
    assert error.value.facts["nearest"] is None


def test_a_booking_of_several_devices_counts_once_with_its_own_time() -> None:
    rules = replace(ALWAYS, quotas=(Quota("lab", "", week=4 * HOUR), Quota("class", "cnc-mill", week=3 * HOUR)))
    held = [slot(wall(11, 24, 8, length=2), MILL, METER)]
    assert refused(wall(11, 25, 9), rules, held, MILL, METER) == []
    assert refused(wall(11, 25, 9, length=2), rules, held, MILL, METER) == ["week-quota"]


def test_quotas_of_lab_class_and_device_add_up_each_counting_its_own_devices() -> None:
    rules = replace(
        ALWAYS,
        quotas=(
            Quota("lab", "", week=10 * HOUR),
            Quota("class", "cnc-mill", week=5 * HOUR),
            Quota("device", "mill-1", week=3 * HOUR),
        ),
    )
    other_mill, day = ("mill-2", "cnc-mill"), wall(11, 25, 9)
    assert refused(day, rules, [slot(wall(11, 24, length=6), METER)]) == []
    assert refused(day, rules, [slot(wall(11, 24, length=10), METER)]) == ["week-quota"]
    assert refused(day, rules, [slot(wall(11, 24, length=3), other_mill)]) == []
    assert refused(day, rules, [slot(wall(11, 24, length=5), other_mill)]) == ["week-quota"]
    assert refused(day, rules, [slot(wall(11, 24, length=3))]) == ["week-quota"]
    assert refused(day, rules, [slot(wall(11, 24, length=10))]) == ["week-quota"] * 3


def test_a_pilot_has_its_own_hours_whenever_they_are() -> None:
    rules = lab(pilot=4 * HOUR)
    held = [slot(wall(3, 3, 8, length=3), pilot="plt_1"), slot(wall(11, 24, 8, length=20), pilot="plt_2")]
    assert refused(wall(11, 25, 9), rules, held, pilot="plt_1") == []
    assert refused(wall(11, 25, 9, length=30), rules, held) == []  # for no pilot
    (refusal,) = quota_refusals(wish(wall(11, 25, 9, length=2), pilot="plt_1"), rules, held, now=NOW)
    assert (refusal.rule, refusal.field, refusal.nearest) == ("pilot-quota", "end", wall(11, 25, 9))
    assert "1 h of them are left" in refusal.fact
    (refusal,) = quota_refusals(wish(wall(11, 25, 9), pilot="plt_2"), rules, held, now=NOW)
    assert (refusal.nearest, refusal.otherwise) == (
        None,
        "cancel another booking of this pilot, or ask the lab for more",
    )


def test_bookings_at_one_time_are_counted_where_they_really_overlap() -> None:
    rules = lab(concurrent=2)
    one_after_the_other = [slot(wall(11, 24, 9)), slot(wall(11, 24, 10)), slot(wall(11, 24, 11))]
    assert refused(wall(11, 24, 9, length=3), rules, one_after_the_other) == []
    two_at_once = [slot(wall(11, 24, 9, length=2)), slot(wall(11, 24, 10, length=2), METER)]
    assert refused(wall(11, 24, 9), rules, two_at_once) == []
    assert refused(wall(11, 24, 11), rules, two_at_once) == []
    (refusal,) = quota_refusals(wish(wall(11, 24, 9.5)), rules, two_at_once, now=NOW)
    assert (refusal.rule, refusal.nearest) == ("concurrent-bookings", wall(11, 24, 9))


def test_bookings_ahead_are_counted_until_they_are_over() -> None:
    rules = lab(open=2)
    over, running = slot(Span(NOW - 2 * HOUR, NOW)), slot(Span(NOW - HOUR, NOW + HOUR))
    assert refused(wall(11, 25, 9), rules, [over, running]) == []
    (refusal,) = quota_refusals(wish(wall(11, 25, 9)), rules, [over, running, slot(wall(11, 24, 9))], now=NOW)
    assert (refusal.rule, refusal.instead) == ("open-bookings", {"book_from": (NOW + HOUR).isoformat()})


SLOTS = st.lists(
    st.tuples(
        st.integers(-14 * 24 * 4, 60 * 24 * 4),
        st.integers(1, 12 * 4),
        st.sampled_from([None, "plt_1"]),
        st.sampled_from([(MILL,), (METER,), (MILL, METER), (("mill-2", "cnc-mill"),)]),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=300)
@given(
    rules=rules_of_time(),
    limits=st.lists(quotas(), min_size=1, max_size=3),
    held=SLOTS,
    start=st.integers(0, 40 * 24 * 4),
    length=st.integers(1, 16 * 4),
    pilot=st.sampled_from([None, "plt_1"]),
)
def test_what_a_quota_proposes_no_quota_of_that_kind_refuses(
    rules: Rules,
    limits: list[Quota],
    held: list[tuple[int, int, str | None, tuple[tuple[str, str], ...]]],
    start: int,
    length: int,
    pilot: str | None,
) -> None:
    quarter = 15 * MINUTE
    rules = replace(rules, quotas=tuple(dict.fromkeys(limits)))
    slots = [
        slot(Span(NOW + at * quarter, NOW + (at + long) * quarter), *devices, pilot=of)
        for at, long, of, devices in held
    ]
    asked = wish(Span(NOW + start * quarter, NOW + (start + length) * quarter), MILL, pilot=pilot)
    found = quota_refusals(asked, rules, slots, now=NOW)
    assert [(one.rule, one.fact) for one in found] == broken_quotas(asked, rules, slots, now=NOW)
    for refusal in found:
        if refusal.instead is not None:
            later = datetime.fromisoformat(refusal.instead["book_from"])
            assert "open-bookings" not in dict(broken_quotas(asked, rules, slots, now=later))
        elif refusal.nearest is not None:
            taken = replace(asked, span=refusal.nearest)
            assert refusal.rule not in dict(broken_quotas(taken, rules, slots, now=NOW))
            assert broken_rules(taken.span, now=NOW, rules=rules) == []
