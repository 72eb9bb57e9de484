"""Stretches of instants at which a booking may start, as plain integers: pure, and as fast as a merge.

A stretch is `(first, last)`, both included, in microseconds since 1970. Lists of stretches are sorted, do not overlap
and do not touch, unless an argument says otherwise.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from lab.core.time import Span, to_microseconds

Stretch: TypeAlias = tuple[int, int]

ALWAYS: Stretch = (-(2**62), 2**62)


def microseconds(span: Span) -> tuple[int, int]:
    """Start and end of a span."""
    return to_microseconds(span.start), to_microseconds(span.end)


def joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """What any of these covers; in any order, may overlap."""
    found: list[Stretch] = []
    for first, last in sorted(stretches):
        if found and first <= found[-1][1] + 1:
            if last > found[-1][1]:
                found[-1] = (found[-1][0], last)
        elif first <= last:
            found.append((first, last))
    return found


def common(one: Sequence[Stretch], other: Sequence[Stretch]) -> list[Stretch]:
    """What both cover."""
    found: list[Stretch] = []
    here = there = 0
    while here < len(one) and there < len(other):
        first, last = one[here]
        others_first, others_last = other[there]
        if last < others_last:
            here += 1
        else:
            there += 1
            last = others_last
        first = max(first, others_first)
        if first <= last:
            found.append((first, last))
    return found


def common_to_all(several: Iterable[Sequence[Stretch]]) -> list[Stretch]:
    """What all cover; of none, everything."""
    found: Sequence[Stretch] = [ALWAYS]
    for stretches in several:
        found = common(found, stretches)
    return list(found)


def outside(stretches: Sequence[Stretch]) -> list[Stretch]:
    """What these do not cover."""
    found: list[Stretch] = []
    free_from = ALWAYS[0]
    for first, last in stretches:
        if first > free_from:
            found.append((free_from, first - 1))
        free_from = last + 1
    if free_from <= ALWAYS[1]:
        found.append((free_from, ALWAYS[1]))
    return found


def without(stretches: Sequence[Stretch], away: Iterable[Stretch]) -> list[Stretch]:
    """What is left when others, in any order, are taken away."""
    taken = joined(away)
    return common(stretches, outside(taken)) if taken else list(stretches)


def covered_by(several: Sequence[Sequence[Stretch]], count: int) -> list[Stretch]:
    """What at least `count` (≥ 1) of several lists cover."""
    if len(several) < count:
        return []
    if len(several) == 1:
        return list(several[0])
    edges = [(first, 1) for stretches in several for first, _ in stretches]
    edges += [(last + 1, -1) for stretches in several for _, last in stretches]
    edges.sort(key=lambda edge: edge[0])
    found: list[Stretch] = []
    depth, first, position = 0, 0, 0
    while position < len(edges):
        instant, before = edges[position][0], depth
        while position < len(edges) and edges[position][0] == instant:
            depth += edges[position][1]
            position += 1
        if before < count <= depth:
            first = instant
        elif depth < count <= before:
            found.append((first, instant - 1))
    return found


def holds(stretches: Sequence[Stretch], instant: int) -> bool:
    """Whether an instant is covered."""
    position = bisect_right(stretches, (instant, ALWAYS[1])) - 1
    return position >= 0 and stretches[position][1] >= instant
