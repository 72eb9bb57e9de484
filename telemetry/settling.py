"""Settled time: when a sample was really taken, as far as anybody can know (design.md §5).

Settled time = device time + an offset that is constant between recorded change points of one boot. Pure decisions: the
caller stores a new change point before the first sample that uses it, so that a replay settles to the same times.

How change points are found is told in `telemetry.boot_clock`.
"""

from typing import NamedTuple

from telemetry.stores.interface import Flag

SECOND_NS = 1_000_000_000
TOLERANCE_NS = SECOND_NS
"""Within this a device's clock counts as right."""
LATE_NS = 60 * SECOND_NS
DAY_NS = 86_400 * SECOND_NS
EARLIEST_SANE_NS = 946_684_800 * SECOND_NS
"""2000-01-01: earlier, the device does not know the date."""


class ChangePoint(NamedTuple):
    """From this device time on this offset holds; a row of `ClockOffset`."""

    from_device_ns: int
    offset_ns: int
    uncertain: bool
    from_seq: int = -1
    """Number of the message that showed it; earlier ones do not know it. -1: a birth did."""
    reason: str = "first"
    """first, offline-boot, steady, drift, jump, jump-back, set-right, gap, delayed, buffered, older,
    no-date or too-many."""


class Assignment(NamedTuple):
    """Uncertain samples of a boot that have got their time: device time `[from, to)`, message numbers both included."""

    from_device_ns: int
    to_device_ns: int
    from_seq: int
    to_seq: int
    offset_ns: int


class Arrival(NamedTuple):
    """What is known about a message besides its content."""

    received_ns: int
    entered_after_ns: int
    """It entered the broker at or after this instant."""
    vouches: bool
    """Sent when it was measured and delivered as it came: its delay says something about the device's clock. Not so
    what is announced as buffered."""


class KnownClock(NamedTuple):
    """What is stored of a boot."""

    points: list[ChangePoint]
    assignments: list[Assignment]
    last: tuple[int, int] | None


class Settled(NamedTuple):
    """A settled time and what is known against it."""

    settled_ns: int
    flags: int


def flags_of(point: ChangePoint, *, buffered: bool) -> int:
    """What a change point and the way of sending say against a sample."""
    flags = 0
    if point.offset_ns:
        flags |= Flag.SKEWED.value
    if point.uncertain:
        flags |= Flag.UNCERTAIN.value
    if buffered:
        flags |= Flag.BUFFERED.value
    return flags


def settle(device_ns: int, point: ChangePoint, received_ns: int, *, buffered: bool) -> Settled:
    """The settled time of one sample: never later than it was received."""
    settled_ns = min(device_ns + point.offset_ns, received_ns)
    flags = flags_of(point, buffered=buffered)
    if not buffered and received_ns - settled_ns > LATE_NS:
        flags |= Flag.LATE.value
    return Settled(settled_ns, flags)


def is_impossible(device_ns: int, received_ns: int) -> bool:
    """Whether a device time lies so far in the future (more than a day) that nothing can be made of it."""
    return device_ns > received_ns + DAY_NS
