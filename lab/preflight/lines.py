"""Pure: from what was measured before a booking to green and red lines with what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from lab.core.findings import Finding
from lab.watch.rules import disk_problem, recorder_problem

LOOKED_AT = timedelta(seconds=60)
"""Over which span the rate of a signal is measured."""
ENOUGH = 0.9
"""Of the expected values must have come."""
_SPOOL_NEARLY_FULL = 0.8
_LATE_S = 5.0


@dataclass(frozen=True, slots=True)
class SignalSeen:
    """How much of a signal came over the last minute."""

    label: str
    expected_interval_ms: float | None
    count: int
    planned: bool
    """Whether the analysis plan needs it."""


@dataclass(frozen=True, slots=True)
class DeviceSeen:
    """How it stands with a booked device."""

    id: str
    name: str
    online: bool | None
    """None: it has never said that it has started."""
    signals: tuple[SignalSeen, ...]
    offset_s: float | None
    """By which its times are corrected; None: nothing is known of this start yet."""
    uncertain: int
    """Values of the last minute whose time nobody can be sure of."""
    sending: bool
    """Messages came in the last minute, or it is online."""


def device_lines(device: DeviceSeen) -> list[Finding]:
    """Is it online, does everything planned arrive, is its clock right."""
    part = device.name
    if device.online is None and not device.sending:
        return [Finding("wrong", part, "has not been heard", "see that it is switched on and has its password")]
    if device.online is False:
        return [Finding("wrong", part, "is offline", "switch it on, and see that it reaches the broker")]
    return [
        _life(part, online=device.online is True),
        *_signal_lines(device),
        *_clock_lines(device),
    ]


def _life(part: str, *, online: bool) -> Finding:
    if online:
        return Finding("good", part, "is online")
    return Finding("mind", part, "sends, but has never said that it has started", "let it say so whenever it connects")


def _signal_lines(device: DeviceSeen) -> list[Finding]:
    lines, well = [], 0
    for signal in device.signals:
        if signal.expected_interval_ms is None:
            if signal.count or not signal.planned:
                well += 1
            else:
                fact = f"{signal.label} has not come for a minute; nobody has said how often it should"
                lines.append(Finding("mind", device.name, fact, "let the machine say it once, or give its interval"))
            continue
        expected = LOOKED_AT.total_seconds() * 1000 / signal.expected_interval_ms
        if signal.count >= ENOUGH * expected or (expected < 1 and signal.count):
            well += 1
            continue
        fact = f"{signal.label}: {signal.count} of {max(1, round(expected))} values in the last minute"
        todo = (
            "see that the machine runs its program and sends this signal"
            if not signal.count
            else ("see how often the machine sends it, and whether its connection is good")
        )
        lines.append(Finding("wrong" if signal.planned else "mind", device.name, fact, todo))
    if device.signals:
        total = len(device.signals)
        fact, todo = f"{well} of {total} signals arrive", "see the lines below"
        arrived = well == total
        lines.insert(0, Finding("good" if arrived else "mind", device.name, fact, "" if arrived else todo))
    return lines


def _clock_lines(device: DeviceSeen) -> list[Finding]:
    if device.uncertain:
        fact = f"{device.uncertain} values of the last minute have a time that nobody can be sure of"
        todo = "set the machine's clock and restart it; else an engineer must assign these values to a time"
        return [Finding("wrong", device.name, fact, todo)]
    if device.offset_s is None:
        return [Finding("mind", device.name, "its clock is not known yet", "wait for its first values")]
    if abs(device.offset_s) < 1e-9:
        return [Finding("good", device.name, "its clock is right within a second")]
    fact = (
        f"its clock is {abs(device.offset_s):.1f} s {'behind' if device.offset_s > 0 else 'ahead'}; that is corrected"
    )
    return [Finding("mind", device.name, fact, "set its clock when it is convenient")]


def recorder_lines(
    health: dict[str, object] | None, *, age: timedelta, low_disk_bytes: int, spool_max_bytes: int
) -> list[Finding]:
    """Does the recorder run, does it keep up, has it room.

    Args:
        health: what it last said of itself; `None`: no recorder has ever run.
        age: how long ago.
        low_disk_bytes: less free space than this is too little.
        spool_max_bytes: how large the spool may become.
    """
    if health is None:
        return [Finding("wrong", "recorder", "no recorder runs", "start `pilotlab up` or `pilotlab recorder`")]
    problem = recorder_problem(health, age=age)
    lines = [
        Finding("good", "recorder", "runs and is connected")
        if problem is None
        else Finding("wrong", "recorder", problem.partition(":")[0], problem.partition(":")[2].strip())
    ]
    lag, spool, free = (health.get(name) for name in ("lag_seconds", "spool_bytes", "disk_free_bytes"))
    if isinstance(lag, int | float) and problem is None and lag > _LATE_S:
        todo = "wait until it has caught up, or see what slows the store"
        lines.append(Finding("mind", "recorder", f"what machines say is stored {lag:.0f} s late", todo))
    if isinstance(spool, int):
        share = spool / spool_max_bytes
        fact = f"the spool holds {spool / 1024**2:.0f} MiB, {share:.0%} of what it may"
        todo = "see that the store answers: the spool is emptied into it"
        nearly_full = share > _SPOOL_NEARLY_FULL
        lines.append(Finding("mind", "spool", fact, todo) if nearly_full else Finding("good", "spool", fact))
    if isinstance(free, int):
        low = disk_problem(free, low_bytes=low_disk_bytes)
        if low is None:
            lines.append(Finding("good", "disk", f"{free / 1024**3:.1f} GiB free"))
        else:
            lines.append(Finding("wrong", "disk", low.partition(":")[0], low.partition(":")[2].strip()))
    return lines


def alarm_lines(alarms: Sequence[tuple[str, str]]) -> list[Finding]:
    """Open alarms of the machines: severity and text of each."""
    if not alarms:
        return [Finding("good", "alarms", "none is open on these machines")]
    return [
        Finding("wrong" if severity == "critical" else "mind", "alarms", text, "see the alarm, and clear its cause")
        for severity, text in alarms
    ]
