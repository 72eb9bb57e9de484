"""What unknown devices and signals say: kinds, range, rate and examples. Bounded; no database, no clock of its own."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from devices.messages.native import Data
from devices.messages.times import TimeFormatError, parse_time
from telemetry.validation import is_storable_text

MOST_DEVICES = 200
MOST_NAMES = 500
"""Of one device."""
MOST_EXAMPLES = 5
MOST_STEPS = 31
LONGEST_NAME = 200
LONGEST_EXAMPLE = 80
LONGEST_UNIT = 40
MESSAGES_A_SECOND = 50
"""Read of devices that the lab does not own; a flood of them costs no more."""
VALUES_A_MESSAGE = 200


@dataclass(slots=True)
class Heard:
    """What is new of one name since it was last stored."""

    device: str
    name: str
    origin: str
    count: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None
    examples: list[str] = field(default_factory=list)
    unit_said: str | None = None
    first_ns: int = 0
    last_ns: int = 0
    steps: list[int] = field(default_factory=list)
    last_device_ns: int | None = None

    @property
    def interval_ms(self) -> float | None:
        """Typical time between two values; `None`: too few."""
        return statistics.median(self.steps) / 1e6 if self.steps else None

    def add(self, device_ns: int | None, value: Any, *, received_ns: int) -> None:
        """One more value."""
        self.count += 1
        self.first_ns = self.first_ns or received_ns
        self.last_ns = received_ns
        kind = kind_of(value)
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if kind == "number":
            number = float(value)
            self.low = number if self.low is None else min(self.low, number)
            self.high = number if self.high is None else max(self.high, number)
        self._add_example(value)
        if device_ns is not None:
            if self.last_device_ns is not None and device_ns > self.last_device_ns and len(self.steps) < MOST_STEPS:
                self.steps.append(device_ns - self.last_device_ns)
            self.last_device_ns = device_ns

    def _add_example(self, value: Any) -> None:
        if len(self.examples) < MOST_EXAMPLES:
            text = str(value)[:LONGEST_EXAMPLE]
            if text not in self.examples and is_storable_text(text):
                self.examples.append(text)


def kind_of(value: Any) -> str:
    """number, boolean, text or other."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        try:
            return "number" if math.isfinite(float(value)) else "other"
        except OverflowError:
            return "other"
    return "text" if isinstance(value, str) else "other"


class Hearing:
    """Collects what is heard until it is taken."""

    def __init__(self) -> None:
        self._heard: dict[str, dict[str, Heard]] = {}
        self._second = 0
        self._read_in_second = 0

    def has_time_for(self, received_ns: int) -> bool:
        """Whether one more message of an unknown device may be read, by the time of its receipt."""
        second = received_ns // 1_000_000_000
        if second != self._second:
            self._second, self._read_in_second = second, 0
        self._read_in_second += 1
        return self._read_in_second <= MESSAGES_A_SECOND

    def note(self, device: str, names: Iterable[str] | None, data: Data, *, origin: str, received_ns: int) -> None:
        """Note what a message says.

        Args:
            device: as the topic names it.
            names: the unknown ones; `None`: all.
            data: the message.
            origin: its format: json, cbor, senml or sparkplug.
            received_ns: when it was received.
        """
        if not (0 < len(device) <= LONGEST_NAME and is_storable_text(device)):
            return
        if device not in self._heard and len(self._heard) >= MOST_DEVICES:
            return
        known = self._heard.setdefault(device, {})
        units = data.units or {}
        for name in _names_in(data) if names is None else names:
            if name not in known and (
                len(known) >= MOST_NAMES or not 0 < len(name) <= LONGEST_NAME or not is_storable_text(name)
            ):
                continue
            heard = known.setdefault(name, Heard(device, name, origin))
            unit = units.get(name)
            if unit is not None and is_storable_text(unit):
                heard.unit_said = unit[:LONGEST_UNIT]
            for device_ns, value in _values_of(data, name):
                heard.add(device_ns, value, received_ns=received_ns)

    def take(self) -> list[Heard]:
        """What is new since the last call."""
        found = [heard for names in self._heard.values() for heard in names.values() if heard.count]
        self._heard = {}
        return found


def _names_in(data: Data) -> list[str]:
    return list(data.values or data.waves or data.samples or ())


def _values_of(data: Data, name: str) -> list[tuple[int | None, Any]]:
    if data.values is not None:
        return [(_instant(data.time), data.values[name])] if name in data.values else []
    if data.waves is not None:
        start_ns, step_ns = _instant(data.start), 1e9 / (data.rate_hz or 1.0)
        values = list(data.waves.get(name, ()))[:VALUES_A_MESSAGE]
        return [(None if start_ns is None else start_ns + round(n * step_ns), value) for n, value in enumerate(values)]
    return [(_instant(time), value) for time, value in (data.samples or {}).get(name, [])[:VALUES_A_MESSAGE]]


def _instant(time: str | int | None) -> int | None:
    if time is None:
        return None
    try:
        return parse_time(time)
    except TimeFormatError:
        return None
