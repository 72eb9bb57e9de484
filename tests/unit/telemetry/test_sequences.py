"""Which messages arrived: ranges, gaps, and that noting a number twice changes nothing."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.core.database import Database
from telemetry.repository import sequence_ranges
from telemetry.sequences import completeness, gaps, merge, note_received, ranges_of

numbers = st.sets(st.integers(0, 60))


@given(numbers)
def test_ranges_hold_exactly_the_numbers(received: set[int]) -> None:
    ranges = ranges_of(received)

    assert {number for first, last in ranges for number in range(first, last + 1)} == received
    assert all(earlier[1] + 1 < later[0] for earlier, later in pairwise(ranges))


@given(numbers, numbers)
def test_merging_ranges_is_the_union(some: set[int], others: set[int]) -> None:
    assert merge([*ranges_of(some), *ranges_of(others)]) == ranges_of(some | others)


@given(numbers, st.integers(0, 60), st.integers(0, 60))
def test_gaps_are_what_is_missing(received: set[int], first: int, last: int) -> None:
    assert gaps(ranges_of(received), first, last) == ranges_of(set(range(first, last + 1)) - received)


def test_a_gap_shows_until_it_is_filled(each_database: Database) -> None:
    with each_database.write() as session:
        note_received(session, "mill-1", "b1", [0, 1, 2, 5, 6, 9])
        note_received(session, "mill-1", "b2", [3])
    with each_database.read() as session:
        found = completeness(session, "mill-1", "b1", 0, 9)
    assert (found.expected, found.received, found.missing) == (10, 6, [(3, 4), (7, 8)])

    with each_database.write() as session:
        note_received(session, "mill-1", "b1", [8, 3, 4, 7, 7, 6])
    with each_database.read() as session:
        assert completeness(session, "mill-1", "b1", 0, 9).complete
        assert sequence_ranges(session, "mill-1", "b1", 0, 100) == [(0, 9)]
        assert completeness(session, "mill-1", "b1", 8, 12).missing == [(10, 12)]


def test_noting_in_any_order_and_again_gives_the_same(database: Database) -> None:
    batches = [[5, 3], [1], [2], [3, 4, 5], [9, 8], [0], [7, 6]]
    for batch in batches * 2:
        with database.write() as session:
            note_received(session, "mill-1", "b1", batch)
    with database.read() as session:
        assert sequence_ranges(session, "mill-1", "b1", 0, 100) == [(0, 9)]


@pytest.mark.parametrize(("first", "last"), [(5, 4), (0, -1)])
def test_an_empty_span_of_numbers_is_complete(first: int, last: int, database: Database) -> None:
    with database.read() as session:
        assert completeness(session, "mill-1", "b1", first, last).complete
