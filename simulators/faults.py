"""Faults on demand: what goes wrong with real devices, at a chosen time, on purpose."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulators.activities import Value
from simulators.errors import RefusedLineError
from simulators.lines import number

KINDS = ("dropout", "clock_skew", "duplicates", "stuck_sensor")


@dataclass(slots=True)
class Fault:
    """One fault of one device. Times are seconds since the start of each run (or of a rest)."""

    kind: str
    after_s: float = 0.0
    for_s: float = math.inf
    offset_s: float = 0.0
    """Of clock_skew: how far the device's clock is ahead."""
    every: int = 1
    """Of duplicates: each so manieth message is sent twice."""
    signal: str = ""
    """Of stuck_sensor: the one that shows the same value again and again."""
    _stuck_at: Value | None = None

    def holds(self, t: float) -> bool:
        """Whether the fault is there at `t`."""
        inside = self.after_s <= t < self.after_s + self.for_s
        if not inside:
            self._stuck_at = None
        return inside

    def stick(self, values: dict[str, Value]) -> None:
        """Replace the signal's value by the first one of the fault."""
        if self.signal in values:
            if self._stuck_at is None:
                self._stuck_at = values[self.signal]
            values[self.signal] = self._stuck_at


def read_fault(line: Mapping[str, Any], *, signals: tuple[str, ...]) -> Fault:
    """The fault that an operator's line asks for.

    Raises:
        RefusedLineError: naming what is wrong in it.
    """
    kind = line.get("kind")
    if kind not in KINDS:
        raise RefusedLineError(f"there is no fault {kind!r}; there are {', '.join(KINDS)}, and clear")
    fault = Fault(kind, after_s=number(line, "after_s", 0.0, low=0.0), for_s=number(line, "for_s", math.inf, low=0.0))
    if kind == "clock_skew":
        fault.offset_s = number(line, "offset_s", 3600.0, low=-1e10)
    if kind == "duplicates":
        fault.every = int(number(line, "every", 1, low=1))
    if kind == "stuck_sensor":
        fault.signal = str(line.get("signal", signals[0] if signals else ""))
        if fault.signal not in signals:
            raise RefusedLineError(f"the device has no signal {fault.signal!r}; it has {', '.join(signals)}")
    return fault
