"""Playing a run: several devices side by side, their messages in the order of their stamps."""

import heapq
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from simulators.activities import Activity, Burst, Occurrence, Value
from simulators.device import MILLISECOND_NS, Device
from simulators.lab_time import LabTime


@dataclass(frozen=True, slots=True)
class Part:
    """What one device does in a run."""

    device: Device
    values: Callable[[float], dict[str, Value]]
    interval_s: float
    occurrences: list[Occurrence]
    burst: Callable[[float], Burst | None] | None = None
    burst_interval_s: float | None = None
    opening: dict[str, Any] | None = None
    """Fields of `run_started`; `None` for a device that only measures."""


def within_run(activity: Activity, rest: Activity) -> Callable[[float], dict[str, Value]]:
    """The sensors of a machine whose work may be over before the run is."""
    return lambda t: activity.values(t) if t <= activity.duration_s else rest.values(t)


def play_run(
    parts: list[Part],
    *,
    start_ns: int,
    duration_s: float,
    lab_time: LabTime,
    as_fast_as_possible: bool,
    ended: threading.Event,
) -> int:
    """Publish everything that the devices say during a run.

    Each sample carries the lab time at which it is due; unless told to be as fast as possible, it is published then.

    A machine of the run that is told to stop ends the run for all of them: `part_abandoned`, and no longer Executing.

    Returns:
        The end of the run, nanoseconds: a millisecond after the last sample, so that `[start, end)` holds them all.

    Raises:
        BrokerError: if the broker stops confirming.
        StoppedError: if `ended` is set meanwhile.
        RefusedLineError: if the lab's clock stands still.
    """
    duration_ns = _in_ns(duration_s)
    steps = [_steps(part, rank, start_ns, duration_ns) for rank, part in enumerate(parts)]

    def stopped() -> bool:
        return any(part.device.stop_asked.is_set() for part in parts)

    for offset_ns, _, _, send in heapq.merge(*steps, key=lambda step: step[:3]):
        if not as_fast_as_possible:
            lab_time.wait_until(start_ns + offset_ns, ended=ended, cut_short=stopped)
        if stopped():
            return _abandon(parts, start_ns)
        send()
    for part in parts:
        part.device.stop_asked.clear()  # a stop that came when all was done has stopped nothing
    return start_ns + duration_ns + MILLISECOND_NS


def _abandon(parts: list[Part], start_ns: int) -> int:
    """Say that the part is not finished and that nothing runs any more; gives the end of the run."""
    end_ns = start_ns
    for part in parts:
        stamp_ns = part.device.next_stamp(part.device.last_ns)
        if part.opening is not None:
            t = (stamp_ns - start_ns) / 1e9
            fields = {"run": part.opening.get("run"), "result": "abandoned", "reason": "stopped by the lab"}
            part.device.send_event("part_abandoned", fields, stamp_ns=stamp_ns, t=t)
            part.device.send_state("NotExecuting", "None", stamp_ns=stamp_ns, t=t)
        end_ns = max(end_ns, stamp_ns + MILLISECOND_NS)
    return end_ns


_Step = tuple[int, int, int, Callable[[], None]]


def _steps(part: Part, rank: int, start_ns: int, duration_ns: int) -> Iterator[_Step]:
    """(offset, order within the instant, device, send) by offset."""
    device = part.device
    if part.opening is not None:
        fields = part.opening
        program = f"feed {fields['feed_mm_s']:g} mm/s" if "feed_mm_s" in fields else None
        yield 0, 0, rank, lambda: device.send_state("Executing", "Processing", stamp_ns=start_ns, t=0, program=program)
        yield 0, 1, rank, lambda: device.send_event("run_started", fields, stamp_ns=start_ns, t=0)
    samples = _grid(_in_ns(part.interval_s), duration_ns)
    streams: list[Iterator[_Step]] = [((at, 2, rank, _sample(part, start_ns, at)) for at in samples)]
    if part.burst_interval_s is not None:
        bursts = range(_in_ns(part.burst_interval_s), duration_ns, _in_ns(part.burst_interval_s))
        streams.append((at, 3, rank, _burst(part, start_ns, at)) for at in bursts)
    happening = [one for one in part.occurrences if _in_ns(one.at_s) <= duration_ns]
    streams.append((_in_ns(one.at_s), 4, rank, _occurrence(part, start_ns, one)) for one in happening)
    yield from heapq.merge(*streams, key=lambda step: step[:3])
    if part.opening is not None:
        stamp_ns, t = start_ns + duration_ns, duration_ns / 1e9
        yield duration_ns, 5, rank, lambda: device.send_state("NotExecuting", "None", stamp_ns=stamp_ns, t=t)


def _grid(interval_ns: int, duration_ns: int) -> Iterator[int]:
    yield from range(0, duration_ns, interval_ns)
    yield duration_ns


def _sample(part: Part, start_ns: int, at: int) -> Callable[[], None]:
    return lambda: part.device.send_values(part.values(at / 1e9), stamp_ns=start_ns + at, t=at / 1e9)


def _burst(part: Part, start_ns: int, at: int) -> Callable[[], None]:
    def send() -> None:
        burst = part.burst(at / 1e9) if part.burst is not None else None
        if burst is not None:
            part.device.send_burst(burst, stamp_ns=start_ns + at, t=at / 1e9)

    return send


def _occurrence(part: Part, start_ns: int, one: Occurrence) -> Callable[[], None]:
    stamp_ns = start_ns + _in_ns(one.at_s)
    return lambda: part.device.send_event(one.name, one.fields, stamp_ns=stamp_ns, t=one.at_s)


def _in_ns(seconds: float) -> int:
    """Whole milliseconds, in nanoseconds: what the stamps resolve."""
    return math.floor(seconds * 1000 + 0.5) * MILLISECOND_NS
