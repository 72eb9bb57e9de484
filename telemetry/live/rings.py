"""The last values of the signals of one watched device. No network, no clock, no lock.

What a message says is stamped first, which costs time and touches no ring; then it is put into the rings, which is
quick. Readers remember how far they have read, so any number of them share a ring, and one who is slow only misses
points.
"""

import sys
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from devices.messages.native import Data
from devices.messages.times import TimeFormatError, parse_time
from devices.service import SignalFacts
from telemetry.boot_clock import BootClock
from telemetry.live.reduction import Value, kept, reduced
from telemetry.settling import TOLERANCE_NS
from telemetry.validation import Fault, check_value

RING_LENGTH = 600
"""Points kept of a signal."""
MESSAGE_POINTS = 40
"""Points taken from one message of a signal; more are reduced."""
TEXT_LENGTH = 200
"""Characters of a text shown."""
MOST_BOOTS = 32
"""Boots of a device whose clocks are looked up because they were heard."""


class Stamp(NamedTuple):
    """A value at its settled time."""

    time_ns: int
    value: Value
    uncertain: bool
    """The settled time cannot be trusted: staff-only."""
    latest_ns: int
    """When it was measured at the latest: its settled time, or when it came if nothing is known of the clock."""


class Point(NamedTuple):
    """A stamped value in a ring."""

    number: int
    """Counts the points of a device, so that a reader knows where it stopped."""
    time_ns: int
    value: Value
    uncertain: bool
    latest_ns: int


Stamped: TypeAlias = Mapping[str, Sequence[Stamp]]
"""Signal → what is new of it, in order of time."""


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What is known of a device beside its messages; replaced as a whole when it is read anew."""

    signals: Collection[str] = frozenset()
    """Names of the device's signals; others are ignored."""
    clocks: Mapping[str, BootClock] = field(default_factory=dict)
    """What the recorder has found out about the device's clock, by boot."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """What the machine calls a signal → its name."""
    units: Mapping[str, str | None] = field(default_factory=dict)
    """Unit of a signal, if it is a number."""
    known: Mapping[str, SignalFacts] = field(default_factory=dict)
    """What a value of a signal must be; what the recorder refuses is not shown either."""


def stamp(message: Data, facts: DeviceFacts, *, now_ns: int) -> Stamped:
    """What a message says of known signals, at settled times.

    Left out: unknown signals, values that are no finite number, boolean or text, values of another type, choice or
    unit than the catalogue's, stamps in the future, and, while nothing is known of the clock of this boot, stamps that
    are not of the present.

    Args:
        message: as it came.
        facts: of its device.
        now_ns: when it came.
    """
    found: dict[str, Sequence[Stamp]] = {}
    clock = facts.clocks.get(message.boot)
    for heard, points in _timed(message):
        signal = facts.aliases.get(heard, heard)
        if signal in facts.signals and not _in_other_unit(message, heard, facts.units.get(signal)):
            settled = sorted(_settled(clock, _usable(points, facts.known.get(signal)), now_ns), key=_time)
            if settled:
                found[signal] = reduced(settled, MESSAGE_POINTS)
    return found


class DeviceRings:
    """The rings of one device. Not for several threads at once; `telemetry.live.hub` holds a lock."""

    def __init__(self) -> None:
        self._rings: dict[str, deque[Point]] = {}
        self._count = 0

    def put(self, stamped: Stamped) -> None:
        """Add what is newer than what is there: a live value never goes back in time."""
        for signal, stamps in stamped.items():
            ring = self._rings.get(signal)
            if ring is None:
                ring = self._rings[signal] = deque(maxlen=RING_LENGTH)
            for found in stamps:
                if not ring or found.time_ns > ring[-1].time_ns:
                    self._count += 1
                    ring.append(Point(self._count, *found))

    def between(self, after: int, through: int, signals: Collection[str] = ()) -> dict[str, list[Point]]:
        """Points numbered `after + 1 … through`, of these signals (none named: all), in order of time."""
        found = {}
        for signal, ring in self._rings.items():
            if (not signals or signal in signals) and ring and ring[-1].number > after:
                fresh = []
                for point in reversed(ring):
                    if point.number <= after:
                        break
                    if point.number <= through:
                        fresh.append(point)
                if fresh:
                    found[signal] = fresh[::-1]
        return found

    @property
    def last_number(self) -> int:
        """Number of the newest point; 0: there is none."""
        return self._count


def _settled(clock: BootClock | None, points: Sequence[tuple[int, Value]], now_ns: int) -> Iterator[Stamp]:
    for device_ns, value in points:
        known = clock.offset_at(device_ns) if clock is not None else None
        if known is None:
            if abs(device_ns - now_ns) <= TOLERANCE_NS:
                yield Stamp(min(device_ns, now_ns), value, False, now_ns)
            continue
        settled_ns = device_ns + known.offset_ns
        if settled_ns <= now_ns + TOLERANCE_NS:  # nothing is measured after it was received
            settled_ns = min(settled_ns, now_ns)
            yield Stamp(settled_ns, value, known.uncertain, settled_ns)


def _usable(points: list[tuple[int, Value]], signal: SignalFacts | None) -> list[tuple[int, Value]]:
    if signal is None:
        return points
    return [point for point in points if not isinstance(check_value(point[1], signal), Fault)]


def _in_other_unit(message: Data, heard: str, unit: str | None) -> bool:
    said = message.units.get(heard) if message.units else None
    return said is not None and unit is not None and said != unit


def _time(found: Stamp) -> int:
    return found.time_ns


def _timed(message: Data) -> Iterator[tuple[str, list[tuple[int, Value]]]]:
    try:
        if message.values is not None and message.time is not None:
            time_ns = parse_time(message.time)
            for signal, value in message.values.items():
                yield signal, _shown([(time_ns, value)])
        elif message.waves is not None and message.start is not None and message.rate_hz:
            start_ns, step_ns = parse_time(message.start), 1e9 / message.rate_hz
            for signal, values in message.waves.items():
                yield signal, _wave(start_ns, step_ns, values)
        elif message.samples is not None:
            for signal, pairs in message.samples.items():
                yield signal, _shown([(parse_time(time), value) for time, value in pairs])
    except TimeFormatError:
        return  # the recorder notes it as a dead letter


def _wave(start_ns: int, step_ns: float, values: list[Any] | NDArray[np.float64]) -> list[tuple[int, Value]]:
    """Points of an evenly spaced series of numbers, at most `MESSAGE_POINTS`; of anything else none."""
    if not isinstance(values, np.ndarray) and not set(map(type, values)) <= {int, float}:
        return []  # the recorder notes it as a dead letter
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except OverflowError:
        return []
    times = start_ns + np.rint(np.arange(len(numbers)) * step_ns).astype(np.int64)
    finite = np.isfinite(numbers)
    times, numbers = times[finite], numbers[finite]
    places = kept(numbers, MESSAGE_POINTS)
    return list(zip(times[places].tolist(), numbers[places].tolist(), strict=True))


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
