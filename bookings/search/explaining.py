"""Why earlier starts were refused: stretches with reasons, merged and bounded; pure."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bookings.search.availability import Lane, Question
from bookings.search.choosing import Party, group_starts
from bookings.search.grids import FiveMinutes
from bookings.search.reasons import Layer, Reason
from bookings.search.stretches import ALWAYS, Stretch, common, covered_by, holds, joined, outside, without
from lab.core.time import to_microseconds

MOST_STRETCHES = 100
MOST_REASONS = 12
"""Of one stretch."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something is refused, and of which device; None: of all."""

    device_id: str | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class Refused:
    """No booking can start in `[start, end)`, told in full five minutes."""

    start: int
    end: int
    causes: tuple[Cause, ...]


Labels = tuple[list[int], list[tuple[int, int, Reason]]]
"""Refused starts of one device with the gravest reason of each, and their first instants."""


def explain(
    party: Party,
    question: Question,
    possible: Sequence[Stretch],
    *,
    until: int,
    engineers: Sequence[Stretch],
    days: Sequence[Stretch],
) -> tuple[list[Refused], bool]:
    """Why no booking could start at the times before an instant.

    Args:
        party: who takes part.
        question: what was asked of each device.
        possible: where something could start.
        until: the instant; what is refused after it is not told.
        engineers: starts at which an engineer is free.
        days: the wished days of the week.

    Returns:
        By time, at most `MOST_STRETCHES`; and whether there are more.
    """
    first = to_microseconds(question.window.start)
    refused = common(outside(possible), [(first, until - 1)]) if first < until else []
    labels = {
        device_id: _labels(_layers(party, party.lanes[device_id], question, engineers, days), refused)
        for device_id in party.device_ids
    }
    groups = [outside(group_starts(party, group)) for group in party.groups]
    found: list[Refused] = []
    for stretch in _elementary(refused, labels):
        one = _on_grid(stretch, _causes(party, labels, groups, stretch[0]))
        if one is None:
            continue
        if found and found[-1].causes == one.causes and found[-1].end == one.start:
            found[-1] = Refused(found[-1].start, one.end, one.causes)
        elif len(found) == MOST_STRETCHES:
            return found, True
        else:
            found.append(one)
    return found, False


def _layers(
    party: Party, lane: Lane, question: Question, engineers: Sequence[Stretch], days: Sequence[Stretch]
) -> Iterator[Layer]:
    yield Reason("weekday", "not on a wished day of the week", general=True), outside(days)
    yield from lane.layers(question)
    alone = [] if party.supervised else [lane.alone]
    fact = "no engineer is free to supervise"
    yield Reason("engineer-free", fact, general=True), outside(covered_by([alone, engineers], 1))


def _labels(layers: Iterable[Layer], within: Sequence[Stretch]) -> Labels:
    """Which reason each start is refused for: the first layer that has it."""
    left = list(within)
    found: list[tuple[int, int, Reason]] = []
    for reason, stretches in layers:
        found += [(first, last, reason) for first, last in common(left, joined(stretches))]
        left = without(left, stretches)
    found.sort(key=lambda label: label[0])
    return [first for first, _, _ in found], found


def _elementary(refused: Sequence[Stretch], labels: Mapping[str, Labels]) -> Iterator[Stretch]:
    """The refused stretches, cut wherever a reason changes."""
    edges = sorted({edge for _, found in labels.values() for first, last, _ in found for edge in (first, last + 1)})
    for first, last in refused:
        cuts = edges[bisect_right(edges, first) : bisect_right(edges, last)]
        for begin, after in zip([first, *cuts], [*cuts, last + 1], strict=True):
            yield begin, after - 1


def _causes(
    party: Party, labels: Mapping[str, Labels], groups: Sequence[Sequence[Stretch]], start: int
) -> tuple[Cause, ...]:
    """Why nothing can start: the named devices' reasons, else those of whoever could meet a requirement."""
    found = [Cause(one, reason) for one in sorted(party.fixed) if (reason := _reason(labels[one], start)) is not None]
    if found:
        return _condensed(found, len(party.fixed))
    for group, refused in zip(party.groups, groups, strict=True):
        if holds(refused, start):
            members = sorted({member for option in group.options for member in option.closure})
            found = [Cause(one, reason) for one in members if (reason := _reason(labels[one], start)) is not None]
            return _condensed(found, len(members))
    return ()


def _condensed(found: Sequence[Cause], asked: int) -> tuple[Cause, ...]:
    """What is true of all is said once."""
    reasons = dict.fromkeys(cause.reason for cause in found)
    if len(found) == asked and all(reason.general for reason in reasons):
        return tuple(Cause(None, reason) for reason in reasons)[:MOST_REASONS]
    return tuple(found[:MOST_REASONS])


def _reason(labels: Labels, start: int) -> Reason | None:
    firsts, found = labels
    position = bisect_right(firsts, start) - 1
    if position < 0 or found[position][1] < start:
        return None
    return found[position][2]


def _on_grid(stretch: Stretch, causes: tuple[Cause, ...]) -> Refused | None:
    """As people tell it: from the first full five minutes to the first that is not refused."""
    start, end = FiveMinutes().up(stretch[0]), FiveMinutes().up(min(stretch[1] + 1, ALWAYS[1]))
    return Refused(start, end, causes) if start < end and causes else None
