"""The last values of the signals of one watched device, and how many of them a screen can show. No network, no clock.

A ring takes the messages of a device as they come and keeps for each signal its last `RING_LENGTH` points. Readers
remember how far they have read, so any number of them share a ring, and one who is slow only misses points.
"""

import sys
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from devices.messages.native import Data
from devices.messages.times import TimeFormatError, parse_time
from telemetry.settling import BootClock

RING_LENGTH = 600
"""Points kept of a signal."""
MESSAGE_POINTS = 40
"""Points taken from one message of a signal; more are reduced."""
TEXT_LENGTH = 200
"""Characters of a text shown."""
TOLERANCE_NS = 2_000_000_000
"""How far a stamp may lie from the present when nothing is known of the clock, and ahead of it at any time."""

Value: TypeAlias = float | bool | str


@dataclass(frozen=True, slots=True)
class Point:
    """A value at its settled time."""

    number: int
    """Counts the points of a device, so that a reader knows where it stopped."""
    time_ns: int
    value: Value
    uncertain: bool
    """The settled time cannot be trusted: staff-only."""


class DeviceRings:
    """The rings of one device. Not for several threads at once; `telemetry.live` holds a lock."""

    def __init__(self) -> None:
        self._rings: dict[str, deque[Point]] = {}
        self._count = 0
        self.known: Collection[str] = ()
        """Names of the device's signals; others are ignored."""
        self.clocks: Mapping[str, BootClock] = {}
        """What the recorder has found out about the device's clock, by boot."""

    def take(self, message: Data, *, now_ns: int) -> None:
        """Add what a message says, as far as it is newer than what is there.

        Left out: unknown signals, values that are no finite number, boolean or text, stamps in the future, and, while
        nothing is known of the clock of this boot, stamps that are not of the present.
        """
        for signal, points in _stamped(message):
            if signal not in self.known:
                continue
            settled = sorted(self._settled(message.boot, points, now_ns), key=lambda point: point[0])
            self._append(signal, reduced(settled, MESSAGE_POINTS))

    def newer_than(self, number: int, signals: Collection[str] = ()) -> dict[str, list[Point]]:
        """Points with greater numbers, of these signals (none named: all), in order of time."""
        found = {}
        for signal, ring in self._rings.items():
            if (not signals or signal in signals) and ring and ring[-1].number > number:
                fresh = []
                for point in reversed(ring):
                    if point.number <= number:
                        break
                    fresh.append(point)
                found[signal] = fresh[::-1]
        return found

    @property
    def last_number(self) -> int:
        """Number of the newest point; 0: there is none."""
        return self._count

    def _settled(
        self, boot: str, points: Sequence[tuple[int, Value]], now_ns: int
    ) -> Iterator[tuple[int, Value, bool]]:
        clock = self.clocks.get(boot)
        for time_ns, value in points:
            point = clock.offset_at(time_ns) if clock is not None else None
            settled_ns = time_ns + (point.offset_ns if point is not None else 0)
            is_present = abs(settled_ns - now_ns) <= TOLERANCE_NS
            if is_present or (point is not None and settled_ns < now_ns):
                yield settled_ns, value, point is not None and point.uncertain

    def _append(self, signal: str, points: Sequence[tuple[int, Value, bool]]) -> None:
        ring = self._rings.get(signal)
        if ring is None:
            ring = self._rings[signal] = deque(maxlen=RING_LENGTH)
        for time_ns, value, uncertain in points:
            if not ring or time_ns > ring[-1].time_ns:  # a live value never goes back in time
                self._count += 1
                ring.append(Point(self._count, time_ns, value, uncertain))


def reduced(points: Sequence[tuple[int, Value, bool]], most: int) -> Sequence[tuple[int, Value, bool]]:
    """At most so many points of a signal, in order of time: numbers keep their extremes, the last point stays.

    Args:
        points: time, value and doubt, in order of time.
        most: at least 3.
    """
    if len(points) <= most:
        return points
    if any(isinstance(value, bool | str) for _, value, _ in points):
        return points[-most:]
    count = (most - 1) // 2
    edges = [round(index * (len(points) - 1) / count) for index in range(count + 1)]
    kept = []
    for start, end in pairwise(edges):
        part = range(start, end)
        kept += sorted({min(part, key=lambda i: points[i][1]), max(part, key=lambda i: points[i][1])})
    return [points[index] for index in [*kept, len(points) - 1]]


def _stamped(message: Data) -> Iterator[tuple[str, list[tuple[int, Value]]]]:
    try:
        if message.values is not None and message.time is not None:
            time_ns = parse_time(message.time)
            for signal, value in message.values.items():
                yield signal, _shown([(time_ns, value)])
        elif message.waves is not None and message.start is not None and message.rate_hz:
            start_ns, step_ns = parse_time(message.start), 1e9 / message.rate_hz
            for signal, values in message.waves.items():
                yield signal, _shown([(start_ns + round(index * step_ns), value) for index, value in enumerate(values)])
        elif message.samples is not None:
            for signal, pairs in message.samples.items():
                yield signal, _shown([(parse_time(time), value) for time, value in pairs])
    except TimeFormatError:
        return  # the recorder notes it as a dead letter


def _shown(points: list[tuple[int, object]]) -> list[tuple[int, Value]]:
    shown: list[tuple[int, Value]] = []
    for time_ns, value in points:
        if isinstance(value, str):
            shown.append((time_ns, value[:TEXT_LENGTH]))
        elif isinstance(value, bool):
            shown.append((time_ns, value))
        elif isinstance(value, int | float) and abs(value) <= sys.float_info.max:  # neither NaN nor too large to show
            shown.append((time_ns, float(value)))
    return shown
