"""Where something is free: the sweep against trying every minute."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from bookings.slots import (
    Buffers,
    Starts,
    common_spans,
    common_starts,
    either_starts,
    free_starts,
    nearest_spans,
    on_grid,
    without,
)
from lab.core.time import Span

DAY = datetime(2026, 11, 23, tzinfo=UTC)


def minute(number: int) -> datetime:
    return DAY + timedelta(minutes=number)


def span(start: int, end: int) -> Span:
    return Span(minute(start), minute(end))


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


NO_BUFFERS = Buffers()

spans = st.builds(lambda start, length: span(start, start + length), st.integers(0, 110), st.integers(1, 30))
buffers = st.builds(
    lambda setup, cleanup: Buffers(minutes(setup), minutes(cleanup)), st.integers(0, 8), st.integers(0, 8)
)


@st.composite
def openings(draw: st.DrawFn) -> list[Span]:
    bounds = sorted(draw(st.sets(st.integers(0, 120), min_size=2, max_size=6)))
    return [span(start, end) for start, end in zip(bounds[::2], bounds[1::2], strict=False)]


def test_a_gap_that_fits_exactly_is_found() -> None:
    reserved = [(span(0, 60), NO_BUFFERS), (span(90, 200), NO_BUFFERS)]
    found = free_starts(minutes(30), reserved=reserved, openings=[span(0, 200)])
    assert found == [Starts(minute(60), minute(60))]


def test_buffers_of_the_new_booking_keep_their_distance_from_what_is_reserved() -> None:
    tidy = Buffers(setup=minutes(10), cleanup=minutes(5))
    found = free_starts(minutes(30), reserved=[(span(60, 90), tidy)], openings=[span(0, 200)])
    assert found == [Starts(minute(0), minute(25)), Starts(minute(100), minute(170))]


@settings(deadline=None)
@given(
    length=st.integers(1, 40),
    reserved=st.lists(st.tuples(spans, buffers), max_size=6),
    opened=openings(),
)
def test_free_starts_are_those_minutes_at_which_everything_fits(
    length: int, reserved: list[tuple[Span, Buffers]], opened: list[Span]
) -> None:
    def fits(start: int) -> bool:
        wish = span(start, start + length)
        return any(opening.start <= wish.start and wish.end <= opening.end for opening in opened) and not any(
            around.around(wish).overlaps(taken) for taken, around in reserved
        )

    found = free_starts(minutes(length), reserved=reserved, openings=opened)
    swept = {start for start in range(130) if any(free.first <= minute(start) <= free.last for free in found)}
    assert swept == {start for start in range(130) if fits(start)}
    assert found == sorted(found, key=lambda free: free.first)


@settings(deadline=None)
@given(
    wish=spans,
    reserved=st.lists(st.tuples(spans, buffers), max_size=6),
    opened=openings(),
    count=st.integers(1, 5),
)
def test_alternatives_are_free_and_apart_and_the_nearest_comes_first(
    wish: Span, reserved: list[tuple[Span, Buffers]], opened: list[Span], count: int
) -> None:
    starts = free_starts(wish.length, reserved=reserved, openings=opened)
    found = nearest_spans(wish, starts, count=count)
    assert bool(found) == bool(starts)
    assert len(found) <= count
    for one in found:
        assert one.length == wish.length
        assert any(free.first <= one.start <= free.last for free in starts)
    assert not any(one.overlaps(other) for number, one in enumerate(found) for other in found[:number])
    distances = [abs(one.start - wish.start) for one in found]
    assert distances == sorted(distances)


def test_alternatives_lie_on_full_five_minutes_where_one_fits() -> None:
    reserved = [(span(0, 61), NO_BUFFERS)]
    starts = free_starts(minutes(30), reserved=reserved, openings=[span(0, 300)])
    assert nearest_spans(span(10, 40), starts, count=2) == [span(65, 95), span(95, 125)]
    tight = free_starts(minutes(30), reserved=reserved, openings=[span(0, 92)])
    assert nearest_spans(span(10, 40), tight, count=2) == [span(61, 91)]


def test_a_wish_that_is_free_is_its_own_first_alternative() -> None:
    starts = free_starts(minutes(30), reserved=[], openings=[span(0, 300)])
    assert nearest_spans(span(101, 131), starts, count=3)[0] == span(101, 131)


def test_the_grid_is_full_five_minutes() -> None:
    assert on_grid(minute(5)) == minute(5)
    assert on_grid(minute(5) + timedelta(microseconds=1)) == minute(10)


def covered(found: list[Span]) -> set[int]:
    return {number for number in range(160) if any(one.contains(minute(number)) for one in found)}


@settings(deadline=None)
@given(openings(), openings(), st.lists(spans, max_size=6))
def test_what_is_common_and_what_is_left_are_those_of_sets(
    one: list[Span], other: list[Span], taken: list[Span]
) -> None:
    assert covered(common_spans(one, other)) == covered(one) & covered(other)
    left = without(one, taken)
    assert covered(left) == covered(one) - covered(taken)
    assert left == sorted(left)
    assert not any(before.overlaps(after) for before, after in pairwise(left))


def as_starts(found: list[Span]) -> list[Starts]:
    return [Starts(one.start, one.end) for one in found]


def startable(found: list[Starts]) -> set[int]:
    return {number for number in range(160) if any(free.first <= minute(number) <= free.last for free in found)}


@settings(deadline=None)
@given(openings(), openings(), openings())
def test_starts_that_all_or_any_allow_are_those_of_sets(one: list[Span], other: list[Span], third: list[Span]) -> None:
    several = [as_starts(found) for found in (one, other, third)]
    assert startable(common_starts(*several[:2])) == startable(several[0]) & startable(several[1])
    either = either_starts(several)
    assert startable(either) == set().union(*(startable(found) for found in several))
    assert all(before.last < after.first for before, after in pairwise(either))
