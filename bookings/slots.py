"""Free spans, found by one sweep over what is reserved: pure, and as fast as a sort.

A booking may start where no device's reserved span, widened by the wished length and the buffers, lies in the way, and
where the whole of it fits into one opening of the lab.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lab.core.time import EPOCH, Span

GRID = timedelta(minutes=5)
"""Starts are proposed on full five minutes where one fits."""


@dataclass(frozen=True, slots=True)
class Buffers:
    """Time that a device needs before and after each use."""

    setup: timedelta = timedelta(0)
    cleanup: timedelta = timedelta(0)

    def around(self, span: Span) -> Span:
        """What is reserved on the device for a booking of `span`."""
        return span.widened(before=self.setup, after=self.cleanup)


@dataclass(frozen=True, slots=True)
class Starts:
    """Instants at which a booking may start, from `first` to `last`, both included."""

    first: datetime
    last: datetime


def free_starts(
    length: timedelta, *, reserved: Iterable[tuple[Span, Buffers]], openings: Sequence[Span]
) -> list[Starts]:
    """Where a booking of this length may start.

    Args:
        length: of the booking, > 0.
        reserved: what is held on any of the wished devices, each with the buffers *this* booking needs on that device.
        openings: spans into one of which the booking must fit, sorted, not overlapping.

    Returns:
        Sorted; not overlapping.
    """
    # A start strictly between these bounds collides; at a bound the two touch, which is allowed.
    blocked = sorted((span.start - length - buffers.cleanup, span.end + buffers.setup) for span, buffers in reserved)
    found: list[Starts] = []
    position = 0
    for opening in openings:
        first, last = opening.start, opening.end - length
        while first <= last:
            while position < len(blocked) and blocked[position][1] <= first:
                position += 1
            free_until = min((block[0] for block in blocked[position : position + 1]), default=last)
            if free_until >= last:
                found.append(Starts(first, last))
                break
            if free_until >= first:
                found.append(Starts(first, free_until))
            first = blocked[position][1]
    return found


@dataclass(frozen=True, slots=True)
class Steps:
    """Where starts may lie."""

    up: Callable[[datetime], datetime]
    """The first step at or after an instant."""
    down: Callable[[datetime], datetime]
    """The last step at or before an instant."""
    strict: bool = True
    """Whether starts lie on steps only; else they do where one fits."""


def nearest_spans(
    wish: Span,
    starts: Sequence[Starts],
    *,
    count: int,
    steps: Steps | None = None,
    accept: Callable[[Span], bool] = lambda span: True,
) -> list[Span]:
    """Up to `count` spans as long as the wish that do not overlap each other, the nearest to the wish first.

    Args:
        wish: what somebody wanted.
        starts: from `free_starts` with the same length; if it is not empty, at least one span is found (unless strict
            steps or `accept` rule it out).
        count: how many at most.
        steps: where starts may lie; default: full five minutes where one fits.
        accept: whether a span is allowed by what this sweep does not know; asked for the nearest ones only.
    """
    steps = steps or FIVE_MINUTES
    candidates = _forward(wish, starts, count, steps, accept) + _backward(wish, starts, count, steps, accept)
    candidates.sort(key=lambda start: (abs(start - wish.start), start))
    chosen: list[datetime] = []
    for start in candidates:
        if len(chosen) < count and all(abs(start - other) >= wish.length for other in chosen):
            chosen.append(start)
    return [Span(start, start + wish.length) for start in chosen]


def common_starts(one: Sequence[Starts], other: Sequence[Starts]) -> list[Starts]:
    """Where both allow a start; both sorted, without overlaps."""
    found: list[Starts] = []
    position = 0
    for free in one:
        while position < len(other) and other[position].last < free.first:
            position += 1
        for against in other[position:]:
            if against.first > free.last:
                break
            found.append(Starts(max(free.first, against.first), min(free.last, against.last)))
    return found


def either_starts(several: Iterable[Sequence[Starts]]) -> list[Starts]:
    """Where at least one allows a start."""
    found: list[Starts] = []
    for free in sorted((free for one in several for free in one), key=lambda free: free.first):
        if found and free.first <= found[-1].last:
            last = found.pop()
            free = Starts(last.first, max(last.last, free.last))
        found.append(free)
    return found


def common_spans(one: Sequence[Span], other: Sequence[Span]) -> list[Span]:
    """What two lists of spans have in common; both sorted, without overlaps."""
    found: list[Span] = []
    position = 0
    for span in one:
        while position < len(other) and other[position].end <= span.start:
            position += 1
        for against in other[position:]:
            if against.start >= span.end:
                break
            found.append(Span(max(span.start, against.start), min(span.end, against.end)))
    return found


def without(spans: Sequence[Span], taken: Iterable[Span]) -> list[Span]:
    """What is left of sorted spans when others, in any order, are taken away; one sweep."""
    away = _merged(taken)
    found: list[Span] = []
    position = 0
    for span in spans:
        while position < len(away) and away[position].end <= span.start:
            position += 1
        free_from, here = span.start, position
        while here < len(away) and away[here].start < span.end:
            if free_from < away[here].start:
                found.append(Span(free_from, away[here].start))
            free_from = away[here].end
            here += 1
        if free_from < span.end:
            found.append(Span(free_from, span.end))
    return found


def _merged(spans: Iterable[Span]) -> list[Span]:
    """What any of these covers; spans that touch are one."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.start <= found[-1].end:
            last = found.pop()
            span = Span(last.start, max(last.end, span.end))
        found.append(span)
    return found


def on_grid(earliest: datetime) -> datetime:
    """The first full five minutes at or after an instant."""
    return earliest + (EPOCH - earliest) % GRID


def before_grid(latest: datetime) -> datetime:
    """The last full five minutes at or before an instant."""
    return latest - (latest - EPOCH) % GRID


FIVE_MINUTES = Steps(on_grid, before_grid, strict=False)
_MOST_TRIES = 200
"""So many refused candidates in one direction, and nothing more is looked for there."""


def _forward(
    wish: Span, starts: Sequence[Starts], count: int, steps: Steps, accept: Callable[[Span], bool]
) -> list[datetime]:
    found: list[datetime] = []
    earliest, tries = wish.start, 0
    for free in starts:
        while len(found) < count and tries < _MOST_TRIES and max(free.first, earliest) <= free.last:
            start = max(free.first, earliest)
            if start != wish.start and steps.up(start) <= free.last:
                start = steps.up(start)
            earliest, tries = start + wish.length, tries + 1
            if _suits(start, wish, steps, accept):
                found.append(start)
    return found


def _backward(
    wish: Span, starts: Sequence[Starts], count: int, steps: Steps, accept: Callable[[Span], bool]
) -> list[datetime]:
    found: list[datetime] = []
    latest, tries = wish.start, 0
    for free in reversed(starts):
        while len(found) < count and tries < _MOST_TRIES and min(free.last, latest) >= free.first:
            start = min(free.last, latest)
            if start != wish.start and steps.down(start) >= free.first:
                start = steps.down(start)
            latest, tries = start - wish.length, tries + 1
            if _suits(start, wish, steps, accept):
                found.append(start)
    return found


def _suits(start: datetime, wish: Span, steps: Steps, accept: Callable[[Span], bool]) -> bool:
    if steps.strict and steps.up(start) != start:
        return False
    return accept(Span(start, start + wish.length))
