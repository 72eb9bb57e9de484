"""Which devices, and when: the first starts at which everything that is needed is free; pure.

What is asked for is a set of named devices and of requirements. A requirement is met by one device (by `count`
different ones, if it is asked for several times); different requirements may be met by one and the same. Whatever a
device needs with it is chosen too. Among the sets that are free at one start the cheapest is chosen, then the smallest,
then the first by name; as long as there are fewer than `MOST_TRIED` combinations this is exact.

Two spans that are proposed never overlap.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import combinations

from bookings.rules import MOST_DEVICES
from bookings.search.availability import Lane, steps_fit
from bookings.search.grids import FiveMinutes, Grid, WallSteps, next_point
from bookings.search.stretches import ALWAYS, Stretch, common, common_to_all, covered_by, holds

MOST_TRIED = 400
"""Combinations of devices that are compared at one start."""


@dataclass(frozen=True, slots=True)
class Option:
    """A device that meets a requirement, with everything that must be booked with it."""

    device_id: str
    closure: frozenset[str]
    """Itself included."""


@dataclass(frozen=True, slots=True)
class Group:
    """A requirement with the devices that meet it.

    Attributes:
        requirement: as one writes it.
        count: how many different devices are needed.
        options: by device id.
    """

    requirement: str
    count: int
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Party:
    """Everything that takes part in a search.

    Attributes:
        fixed: named devices with everything that must be booked with them.
        groups: the requirements.
        lanes: of every device in play.
        starts: of every device in play, where it may be booked, engineers considered.
        costs: of every device in play, market value of a booking of this length.
        supervised: whether an engineer is wanted in any case.
        supervision_cost: market value of an engineer for this length.
        size: length of the booking in microseconds.
        accept: whether these devices may be booked together as far as money is concerned.
    """

    fixed: frozenset[str]
    groups: tuple[Group, ...]
    lanes: Mapping[str, Lane]
    starts: Mapping[str, Sequence[Stretch]]
    costs: Mapping[str, int]
    supervised: bool
    supervision_cost: int
    size: int
    accept: Callable[[tuple[str, ...], bool], bool] = lambda device_ids, supervised: True
    remembered: dict[tuple[object, ...], "Choice | None"] = field(default_factory=dict)

    @property
    def device_ids(self) -> list[str]:
        """Of every device in play, sorted."""
        options = (option.closure for group in self.groups for option in group.options)
        return sorted(self.fixed.union(*options))


@dataclass(frozen=True, slots=True)
class Choice:
    """The devices of a booking.

    Attributes:
        device_ids: sorted.
        supervised: whether an engineer is booked with them.
        meeting: by requirement, the devices that meet it.
    """

    device_ids: tuple[str, ...]
    supervised: bool
    meeting: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A start with the devices, and whether it lies in the preferred hours."""

    start: int
    choice: Choice
    preferred: bool


def possible_starts(party: Party) -> list[Stretch]:
    """Where enough is free, steps not considered."""
    found = common_to_all(party.starts[device_id] for device_id in sorted(party.fixed))
    for group in party.groups:
        found = common(found, group_starts(party, group))
    return found if found != [ALWAYS] else []


def group_starts(party: Party, group: Group) -> list[Stretch]:
    """Where enough devices that meet a requirement are free, with whatever they need."""
    several = [common_to_all(party.starts[member] for member in sorted(one.closure)) for one in group.options]
    return covered_by(several, group.count)


def propose(
    party: Party, possible: Sequence[Stretch], *, count: int, preferred: Sequence[Stretch] | None
) -> list[Proposal]:
    """The first spans that can be booked, apart from each other; preferred ones come first, each kind by time.

    Args:
        party: who takes part.
        possible: where to look: from `possible_starts`, perhaps fewer.
        count: how many at most.
        preferred: starts that are better than others; None: all are alike.
    """
    found: list[Proposal] = []
    passes = [(possible, False)] if preferred is None else [(common(possible, preferred), True), (possible, False)]
    for stretches, better in passes:
        for start, choice in _walk(party, stretches, found):
            found.append(Proposal(start, choice, better))
            if len(found) == count:
                return found
    return found


def _walk(party: Party, stretches: Sequence[Stretch], found: Sequence[Proposal]) -> Iterator[tuple[int, Choice]]:
    """Starts by time that do not overlap what is found, which grows meanwhile."""
    grids = _grids(party)
    for first, last in stretches:
        start = next_point(grids, first)
        if start > last:
            start = first  # too short for any step: then where it begins, if that will do
        while start <= last:
            ends = [one.start + party.size for one in found if abs(one.start - start) < party.size]
            if ends:
                start = next_point(grids, max(ends))
                continue
            choice = choose(party, start)
            if choice is not None:
                yield start, choice
            start = next_point(grids, start + 1)


def choose(party: Party, start: int) -> Choice | None:
    """The best devices at a start; None: there are none."""
    fit = frozenset(
        device_id
        for device_id in party.device_ids
        if holds(party.starts[device_id], start) and steps_fit([party.lanes[device_id]], start, party.size)
    )
    if not party.fixed <= fit:
        return None
    alone = frozenset(device_id for device_id in fit if _is_alone(party, device_id, start))
    remembered = (fit, alone)
    if remembered not in party.remembered:
        party.remembered[remembered] = _Comparison(party, fit, alone).best()
    return party.remembered[remembered]


class _Comparison:
    """Compares combinations of devices that are free at one start, the most promising first."""

    def __init__(self, party: Party, fit: Collection[str], alone: Collection[str]) -> None:
        self._party, self._alone = party, alone
        self._options = [[option for option in group.options if option.closure <= set(fit)] for group in party.groups]
        self._best: tuple[int, int, Choice] | None = None
        self._tried = 0

    def best(self) -> Choice | None:
        """The cheapest set."""
        if all(len(options) >= group.count for options, group in zip(self._options, self._party.groups, strict=True)):
            self._descend(0, self._party.fixed, ())
        return self._best[2] if self._best is not None else None

    def _descend(self, level: int, chosen: frozenset[str], meeting: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
        self._tried += 1
        cost = self._cost(chosen)
        worse = self._best is not None and (cost, len(chosen)) >= self._best[:2]
        if worse or len(chosen) > MOST_DEVICES:
            return
        if level == len(self._options):
            choice = Choice(tuple(sorted(chosen)), self._is_supervised(chosen), meeting)
            if self._party.accept(choice.device_ids, choice.supervised):
                self._best = cost, len(chosen), choice
            return
        group = self._party.groups[level]
        cheapest = sorted(
            self._options[level],
            key=lambda one: (self._cost(chosen | one.closure), len(chosen | one.closure), one.device_id),
        )
        for options in combinations(cheapest, group.count):
            names = tuple(sorted(option.device_id for option in options))
            more = chosen.union(*(option.closure for option in options))
            self._descend(level + 1, more, (*meeting, (group.requirement, names)))
            if self._tried > MOST_TRIED:
                return

    def _cost(self, chosen: frozenset[str]) -> int:
        engineer = self._party.supervision_cost if self._is_supervised(chosen) else 0
        return sum(self._party.costs[device_id] for device_id in chosen) + engineer

    def _is_supervised(self, chosen: frozenset[str]) -> bool:
        return self._party.supervised or not chosen <= set(self._alone)


def _is_alone(party: Party, device_id: str, start: int) -> bool:
    first, last = party.lanes[device_id].alone
    return first < start <= last


def _grids(party: Party) -> list[Grid]:
    """Where starts are looked for: full five minutes and the steps of all devices, as far as they can matter."""
    lanes = party.lanes
    zone = next(iter(lanes.values())).rules.zone
    steps = [[_step_of([lanes[one] for one in party.fixed])]] if party.fixed else []
    steps += [[_step_of([lanes[one] for one in option.closure]) for option in group.options] for group in party.groups]
    # Where every choice has steps of its own, nothing can start off them: the longest such steps are enough.
    binding = [sizes for sizes in steps if sizes and all(sizes)]
    if binding:
        return [WallSteps(zone, size) for size in sorted(set(max(binding, key=min)))]
    finer = {size for sizes in steps for size in sizes if size}
    return [FiveMinutes(), *(WallSteps(zone, size) for size in sorted(finer))]


def _step_of(lanes: Sequence[Lane]) -> timedelta:
    """The joint steps of devices that are booked together; 0: anywhere."""
    minute = timedelta(minutes=1)
    sizes = [lane.rules.granularity // minute for lane in lanes if lane.rules.granularity]
    return minute * math.lcm(*sizes) if sizes else timedelta()
