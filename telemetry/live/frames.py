"""What is sent to viewers: editions of a device, and frames that all viewers with the same sight share."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import msgspec

from telemetry.live.reduction import Value, reduced
from telemetry.live.rings import Point

FRAME_POINTS = 100
"""Most points of a signal in one frame."""
FIRST_FRAME_POINTS = 600
_REMEMBERED = 64
"""Frames of a device that are kept for other viewers; whoever is slow asks for one that nobody else does."""

Shown: TypeAlias = tuple[int, Value]
"""Settled time in nanoseconds, and a value."""
Newer: TypeAlias = Callable[[int, int, frozenset[str]], Mapping[str, Sequence[Point]]]
"""Gives the points of a device between two numbers, of these signals."""


class Edition(NamedTuple):
    """What is known of a device at one instant."""

    number: int
    through: int
    """Number of its last point."""
    at_ns: int
    """The lab's present."""


@dataclass(frozen=True, slots=True)
class View:
    """What somebody sees of a device; viewers with equal views are sent the same bytes."""

    signals: frozenset[str]
    """Empty: all."""
    spans: tuple[tuple[int, int], ...]
    """Of settled time, in order."""
    uncertain: bool

    def shows(self, point: Point) -> bool:
        """Whether this point may be seen: all the time at which it can have been measured lies in one granted span."""
        if point.uncertain and not self.uncertain:
            return False
        place = bisect_right(self.spans, point.time_ns, key=_start) - 1
        return place >= 0 and point.latest_ns < self.spans[place][1]


def _start(span: tuple[int, int]) -> int:
    return span[0]


class Frame(NamedTuple):
    """An event `values`."""

    body: bytes
    """As it is sent."""
    values: Mapping[str, Sequence[Shown]]


class Frames:
    """The frames of one device.

    Args:
        newer: where points come from.
    """

    def __init__(self, newer: Newer) -> None:
        self._newer = newer
        self._made: OrderedDict[tuple[View, int, int, int], Frame | None] = OrderedDict()
        self.encoded = 0
        """How many frames were made; viewers that share them do not count."""

    def frame(self, view: View, after: int, edition: Edition, *, most: int = FRAME_POINTS) -> Frame | None:
        """What is new for a view; `None`: nothing.

        Args:
            view: what may be seen.
            after: number of the last point that was read before.
            edition: up to which it is read now.
            most: points of a signal.
        """
        key = (view, after, edition.number, most)
        if key not in self._made:
            self._made[key] = self._make(view, after, edition, most)
            while len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)
        return self._made[key]

    def _make(self, view: View, after: int, edition: Edition, most: int) -> Frame | None:
        values: dict[str, Sequence[Shown]] = {}
        for signal, points in self._newer(after, edition.through, view.signals).items():
            seen = [(point.time_ns, point.value) for point in points if view.shows(point)]
            if seen:
                values[signal] = reduced(seen, most)
        if not values:
            return None
        self.encoded += 1
        return Frame(values_event(values, edition.at_ns), values)


def values_event(values: Mapping[str, Sequence[Shown]], at_ns: int) -> bytes:
    """The event `values`, as it goes to a browser."""
    in_ms = {signal: [(time_ns / 1e6, value) for time_ns, value in points] for signal, points in values.items()}
    return event("values", {"t": at_ns / 1e6, "values": in_ms})


def event(name: str, data: Mapping[str, object]) -> bytes:
    """A Server-Sent Event; JSON has no line breaks of its own."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(data))


def joined(past: Mapping[str, Sequence[Shown]], present: Mapping[str, Sequence[Shown]]) -> dict[str, Sequence[Shown]]:
    """What was stored, then what the rings hold: no value twice, none back in time."""
    found: dict[str, Sequence[Shown]] = dict(past)
    for signal, points in present.items():
        before = past.get(signal, ())
        found[signal] = [*before, *newer_than(points, before[-1][0])] if before else points
    return found


def newer_than(points: Sequence[Shown], time_ns: int) -> Sequence[Shown]:
    """The points after an instant."""
    return points if points and points[0][0] > time_ns else [point for point in points if point[0] > time_ns]
