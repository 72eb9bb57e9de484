"""Which devices, and when: the choice against trying every set at every start."""

from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise, product

from hypothesis import given, settings
from hypothesis import strategies as st

from bookings.opening import OpeningHours, read_week
from bookings.rules import Rules
from bookings.search.availability import Lane, Question
from bookings.search.choosing import Choice, Group, Option, Party, choose, possible_starts, propose
from bookings.search.explaining import explain
from bookings.search.stretches import ALWAYS, Stretch, holds, joined
from bookings.slots import Buffers
from lab.core.time import Span, to_microseconds

DAY = datetime(2026, 11, 23, tzinfo=UTC)
BEGIN = to_microseconds(DAY)
FIVE = 5 * 60_000_000
SIZE = 3 * FIVE
STEPS = 40
DEVICES = ["a", "b", "c", "d"]


def lane(device_id: str, granularity: int = 0, alone: Stretch = ALWAYS) -> Lane:
    calendar = OpeningHours("UTC", read_week(dict.fromkeys(("mon", "tue"), "00:00-24:00")))
    rules = Rules((calendar,), granularity=timedelta(minutes=granularity))
    return Lane(device_id, rules, Buffers(), [], alone=alone)


def at(step: int) -> int:
    return BEGIN + step * FIVE


def whole(device_id: str) -> Option:
    return Option(device_id, frozenset({device_id}))


free_times = st.lists(st.tuples(st.integers(0, STEPS), st.integers(0, 10)), max_size=4).map(
    lambda several: joined((at(first), at(min(first + length, STEPS))) for first, length in several)
)


@st.composite
def parties(draw: st.DrawFn) -> Party:
    needs = draw(st.dictionaries(st.sampled_from(DEVICES), st.sampled_from(DEVICES), max_size=2))

    def option(device_id: str) -> Option:
        closure = {device_id}
        while not {needs[one] for one in closure if one in needs} <= closure:
            closure |= {needs[one] for one in closure if one in needs}
        return Option(device_id, frozenset(closure))

    fixed = draw(st.sets(st.sampled_from(DEVICES), max_size=2))
    groups = []
    for number in range(draw(st.integers(0 if fixed else 1, 2))):
        members = draw(st.sets(st.sampled_from(DEVICES), min_size=1))
        count = draw(st.integers(1, min(2, len(members))))
        groups.append(Group(f"requirement-{number}", count, tuple(option(one) for one in sorted(members))))
    lanes = {
        one: lane(one, draw(st.sampled_from([0, 0, 10, 15])), draw(st.sampled_from([ALWAYS, (ALWAYS[0], at(20))])))
        for one in DEVICES
    }
    return Party(
        fixed=frozenset().union(*(option(one).closure for one in fixed)),
        groups=tuple(groups),
        lanes=lanes,
        starts={one: draw(free_times) for one in DEVICES},
        costs={one: draw(st.integers(0, 3)) for one in DEVICES},
        supervised=False,
        supervision_cost=draw(st.integers(0, 4)),
        size=SIZE,
    )


def sets_at(party: Party, start: int) -> list[tuple[int, int]]:
    """(cost, size) of every set of devices that can be booked at a start."""
    per_group = [combinations(group.options, group.count) for group in party.groups]
    found = []
    for chosen in product(*per_group):
        devices = set(party.fixed).union(*(option.closure for options in chosen for option in options))
        if all(holds(party.starts[one], start) and _on_step(party.lanes[one], start) for one in devices):
            supervised = any(start > party.lanes[one].alone[1] for one in devices)
            cost = sum(party.costs[one] for one in devices) + (party.supervision_cost if supervised else 0)
            found.append((cost, len(devices)))
    return found


def _on_step(one: Lane, start: int) -> bool:
    step = one.rules.granularity // timedelta(microseconds=1)
    return not step or ((start - BEGIN) % step == 0 and SIZE % step == 0)


def measured(party: Party, choice: Choice) -> tuple[int, int]:
    cost = sum(party.costs[one] for one in choice.device_ids)
    return cost + (party.supervision_cost if choice.supervised else 0), len(choice.device_ids)


@settings(deadline=None)
@given(parties())
def test_at_every_start_the_cheapest_set_is_chosen_and_then_the_smallest(party: Party) -> None:
    for step in range(STEPS + 1):
        sets, choice = sets_at(party, at(step)), choose(party, at(step))
        assert (choice is None) == (not sets)
        if choice is not None:
            assert measured(party, choice) == min(sets)
            for group, (_, devices) in zip(party.groups, choice.meeting, strict=True):
                assert len(set(devices)) == group.count
                assert set(devices) <= set(choice.device_ids) & {option.device_id for option in group.options}


@settings(deadline=None)
@given(parties(), st.integers(1, 5), st.none() | free_times)
def test_the_first_spans_are_found_apart_from_each_other_and_preferred_ones_first(
    party: Party, count: int, preferred: list[Stretch] | None
) -> None:
    expected: list[tuple[int, bool]] = []
    for better in (True, False) if preferred is not None else (False,):
        for step in range(STEPS + 1):
            apart = all(abs(at(step) - start) >= SIZE for start, _ in expected)
            liked = not better or holds(preferred or [], at(step))
            if len(expected) < count and apart and liked and sets_at(party, at(step)):
                expected.append((at(step), better))
    found = propose(party, possible_starts(party), count=count, preferred=preferred)
    assert [(one.start, one.preferred) for one in found] == expected


@settings(deadline=None)
@given(parties())
def test_every_refused_start_is_explained_and_no_possible_one(party: Party) -> None:
    """The lanes know of no gap at all here, so each start that is refused has at least that reason."""
    question = Question(Span(DAY, DAY + timedelta(hours=4)), timedelta(minutes=15), DAY)
    possible = possible_starts(party)
    refused, left_off = explain(party, question, possible, until=at(STEPS), engineers=[ALWAYS], days=[ALWAYS])
    assert not left_off
    for step in range(STEPS):
        explained = any(one.start <= at(step) < one.end for one in refused)
        assert explained == (not holds(possible, at(step)))
    assert all(before.end <= after.start for before, after in pairwise(refused))


def test_a_gap_off_the_five_minutes_is_proposed_where_it_begins() -> None:
    odd = BEGIN + 3 * 60_000_000
    party = Party(
        fixed=frozenset({"a"}),
        groups=(),
        lanes={"a": lane("a")},
        starts={"a": [(odd, odd), (at(10), at(11))]},
        costs={"a": 1},
        supervised=False,
        supervision_cost=0,
        size=SIZE,
    )
    assert [one.start for one in propose(party, possible_starts(party), count=2, preferred=None)] == [odd, at(10)]


def test_many_devices_that_meet_many_requirements_are_chosen_quickly() -> None:
    ids = [f"device-{number:02}" for number in range(40)]
    group = tuple(whole(one) for one in ids)
    party = Party(
        fixed=frozenset(),
        groups=tuple(Group(f"requirement-{number}", 2, group) for number in range(10)),
        lanes={one: lane(one) for one in ids},
        starts={one: [(at(0), at(200))] for one in ids},
        costs={one: number for number, one in enumerate(ids)},
        supervised=False,
        supervision_cost=0,
        size=SIZE,
    )
    (found,) = propose(party, possible_starts(party), count=1, preferred=None)
    assert found.choice.device_ids == ("device-00", "device-01")  # they meet all ten, and are the cheapest
    assert len(party.remembered) == 1
