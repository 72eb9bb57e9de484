"""How long an offer stands, what a missed one costs, and for what nobody can wait."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookings.rules import Rules
from bookings.waitlist.rules import (
    MOST_LAPSED,
    OFFER_STANDS,
    EntryState,
    Missed,
    is_over,
    missed_fact,
    missed_spans,
    offer_ends,
    openings_within,
    state_after_missed,
    window_refusals,
)
from lab.core.settings import Settings
from lab.core.time import Span
from tests.booking_lab import RULES, at
from tests.factories import MONDAY_MORNING

FAR = at(9, day=30).start


@pytest.mark.parametrize(
    ("now", "start", "ends"),
    [
        (at(8).start, FAR, at(10).start),
        (at(8).start, at(9).start, at(9).start),
        (at(18.5).start, FAR, at(8.5, day=24).start),  # half an hour today, the rest tomorrow
        (at(23).start, FAR, at(9, day=24).start),
        (at(18, day=27).start, FAR, at(8, day=30).start),  # over the weekend
        (at(17).start, FAR, at(19).start),
        (at(20).start, at(7, day=24).start, at(7, day=24).start),
    ],
)
def test_an_offer_stands_for_two_open_hours_and_never_beyond_its_start(
    now: datetime, start: datetime, ends: datetime
) -> None:
    assert offer_ends(now, start, RULES) == ends


def test_where_the_lab_never_opens_an_offer_still_ends() -> None:
    closed = Rules.from_settings(Settings(opening_hours={}))
    assert offer_ends(MONDAY_MORNING, FAR + timedelta(90), closed) == MONDAY_MORNING + timedelta(14)


@given(
    st.datetimes(datetime(2026, 3, 20), datetime(2026, 11, 5)),
    st.timedeltas(timedelta(minutes=1), timedelta(days=60)),
)
def test_an_offer_ends_after_now_by_its_start_and_gives_at_most_two_open_hours(
    naive: datetime, ahead: timedelta
) -> None:
    now = naive.replace(tzinfo=MONDAY_MORNING.tzinfo)
    ends = offer_ends(now, now + ahead, RULES)
    assert now < ends <= now + ahead
    stands = Span(now, ends)
    seen = sum(
        (min(one.end, ends) - max(one.start, now) for one in RULES.openings(stands) if one.overlaps(stands)),
        timedelta(),
    )
    assert seen <= OFFER_STANDS
    assert seen == OFFER_STANDS or ends in {now + ahead, now + timedelta(14)}


def test_unanswered_offers_end_the_waiting_and_declined_ones_do_not() -> None:
    span = at(9, day=24)
    lapsed, declined = missed_fact(span, Missed.LAPSED), missed_fact(span, Missed.DECLINED)
    facts = {"latest": at(12, day=24).start, "minutes": 60, "now": MONDAY_MORNING}
    assert state_after_missed([declined] * 9 + [lapsed] * (MOST_LAPSED - 1), **facts) == EntryState.WAITING
    assert state_after_missed([declined] + [lapsed] * MOST_LAPSED, **facts) == EntryState.EXPIRED
    over = {**facts, "now": at(11.5, day=24).start}
    assert state_after_missed([declined], **over) == EntryState.EXPIRED
    assert missed_spans([lapsed, declined]) == [span, span]


def test_a_window_is_over_when_nothing_can_end_in_it_any_more() -> None:
    assert not is_over(at(12).start, 60, at(11).start)
    assert is_over(at(12).start, 60, at(11).start + timedelta.resolution)


def test_a_window_without_an_hour_of_opening_is_hopeless_and_names_when_there_is_one() -> None:
    weekend = Span(at(9, day=28).start, at(22, day=29).start)
    (refusal,) = window_refusals(weekend, 60, now=MONDAY_MORNING, rules=RULES)
    assert (refusal.field, refusal.rule) == ("earliest", "opening-hours")
    assert refusal.nearest in {at(18, day=27), at(7, day=30)}
    assert window_refusals(Span(weekend.start, at(8, day=30).start), 60, now=MONDAY_MORNING, rules=RULES) == []
    assert window_refusals(Span(weekend.start, at(8, day=30).start), 61, now=MONDAY_MORNING, rules=RULES) != []


def test_what_can_be_booked_of_a_window_begins_now_and_ends_at_the_horizon() -> None:
    always = openings_within(Span(at(0, day=1).start, FAR + timedelta(999)), now=MONDAY_MORNING, rules=RULES)
    assert always[0].start == MONDAY_MORNING
    assert always[-1].end <= MONDAY_MORNING + RULES.horizon
    assert openings_within(Span(at(0, day=1).start, at(0, day=2).start), now=MONDAY_MORNING, rules=RULES) == []
