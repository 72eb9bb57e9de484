"""Settled time: when a sample was really taken, as far as anybody can know (design.md §5).

Settled time = device time + an offset that is constant between recorded change points of one boot. Pure decisions: the
caller stores a new change point before the first sample that uses it, so that a replay settles to the same times.

What a delay means is known from when a message *entered* the broker: the recorder sends an echo through its own
queue, and what comes after the echo cannot have entered before it was sent. Device time before that means a clock that
is behind; device time after it means a message that waited, perhaps for hours, because the recorder was away.
"""

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from typing import NamedTuple

from devices.messages.times import LATEST_NS
from telemetry.stores.interface import Flag

SECOND_NS = 1_000_000_000
TOLERANCE_NS = SECOND_NS
"""Within this a device's clock counts as right."""
ROUNDING_NS = SECOND_NS // 10
LATE_NS = 60 * SECOND_NS
DAY_NS = 86_400 * SECOND_NS
EARLIEST_SANE_NS = 946_684_800 * SECOND_NS
"""2000-01-01: earlier, the device does not know the date."""


class ChangePoint(NamedTuple):
    """From this device time on this offset holds; a row of `ClockOffset`."""

    from_device_ns: int
    offset_ns: int
    uncertain: bool


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is known about a message besides its content."""

    received_ns: int
    entered_after_ns: int
    """It entered the broker at or after this instant."""
    vouches: bool
    """Sent when it was measured and delivered as it came: its delay says something about the device's clock. Neither
    announced as buffered nor repeated by the broker as retained."""


@dataclass(slots=True)
class BootClock:
    """The clock of one device from one start to the next.

    Args:
        points: the change points stored for it, in any order.
        tolerance_ns: within this the clock counts as right.
    """

    points: list[ChangePoint] = field(default_factory=list)
    tolerance_ns: int = TOLERANCE_NS
    _right_from: int = 0
    _right_to: int = 0
    """Device times `[from, to)` at which the clock is known to be right, as of the last look."""
    _last_seq: int = -1
    _last_device_ns: int = -(2**63)

    def __post_init__(self) -> None:
        self.points.sort()

    def offset_at(self, device_ns: int) -> ChangePoint | None:
        """The change point that holds at a device time: the last one at or before it, else the first one after it.

        Times before and after the year 2000 never share one: a clock that lost the date says nothing about later.
        """
        sane = device_ns >= EARLIEST_SANE_NS
        place = bisect_right(self.points, device_ns, key=_start)
        if place and (self.points[place - 1].from_device_ns >= EARLIEST_SANE_NS) == sane:
            return self.points[place - 1]
        if place < len(self.points) and (self.points[place].from_device_ns >= EARLIEST_SANE_NS) == sane:
            return self.points[place]
        return None

    def is_right(self, device_ns: int, received_ns: int, seq: int) -> bool:
        """The usual case, at a tenth of the cost: whether a vouching message fits a certain, uncorrected clock.

        If so, it has been observed: it settles to its device time (never later than received) and has no flags.
        """
        if self._right_from <= device_ns < self._right_to and abs(received_ns - device_ns) <= self.tolerance_ns:
            if seq > self._last_seq:
                self._last_seq, self._last_device_ns = seq, device_ns
            return True
        return False

    def _hold(self, known: ChangePoint) -> None:
        """Make `is_right` quick from this change point to the next, if it is a certain one without offset."""
        if known.offset_ns or known.uncertain or known.from_device_ns < EARLIEST_SANE_NS:
            return
        following = bisect_right(self.points, known.from_device_ns, key=_start)
        self._right_from = known.from_device_ns
        self._right_to = self.points[following].from_device_ns if following < len(self.points) else LATEST_NS

    def observe(self, device_ns: int, arrival: Arrival, *, seq: int) -> ChangePoint | None:
        """Learn from a message's own time, before its samples are settled.

        Returns:
            A new change point, to be stored first; `None` when what is known holds.
        """
        known = self.offset_at(device_ns)
        if device_ns < EARLIEST_SANE_NS:
            found = self._without_date(device_ns, arrival, known)
        elif not arrival.vouches:
            found = None if known else ChangePoint(device_ns, 0, uncertain=True)
        elif known is None or self._nobody_vouched_for(known):
            found = self._first(device_ns, arrival)
        else:
            found = self._later(device_ns, arrival, known, seq)
        if arrival.vouches and seq > self._last_seq:
            self._last_seq, self._last_device_ns = seq, device_ns
        if found is None or (known is not None and found.from_device_ns == known.from_device_ns):
            if known is not None:
                self._hold(known)
            return None  # a stored change point is never rewritten
        insort(self.points, found)
        self._right_to = self._right_from  # the span may have been cut in two
        return found

    def _nobody_vouched_for(self, known: ChangePoint) -> bool:
        """Whether all that was known of this boot came from buffered or repeated messages."""
        first_sane = bisect_left(self.points, EARLIEST_SANE_NS, key=_start)
        return known.uncertain and known.offset_ns == 0 and self.points[first_sane] == known

    def _without_date(self, device_ns: int, arrival: Arrival, known: ChangePoint | None) -> ChangePoint | None:
        if known is not None and -self.tolerance_ns <= arrival.received_ns - device_ns - known.offset_ns <= LATE_NS:
            return None
        return ChangePoint(device_ns, arrival.received_ns - device_ns, uncertain=True)

    def _first(self, device_ns: int, arrival: Arrival) -> ChangePoint:
        behind = arrival.received_ns - device_ns
        may_have_waited = device_ns >= arrival.entered_after_ns - self.tolerance_ns
        if -self.tolerance_ns <= behind and (behind <= self.tolerance_ns or may_have_waited):
            return ChangePoint(device_ns, 0, uncertain=False)
        waited_unknown = arrival.received_ns - arrival.entered_after_ns > LATE_NS
        return ChangePoint(device_ns, _rounded_down(behind), uncertain=waited_unknown or abs(behind) > DAY_NS)

    def _later(self, device_ns: int, arrival: Arrival, known: ChangePoint, seq: int) -> ChangePoint | None:
        behind = arrival.received_ns - device_ns
        residual = behind - known.offset_ns
        right_now = abs(behind) <= self.tolerance_ns
        agreed = right_now and (known.offset_ns != 0 or known.uncertain)
        if residual < -self.tolerance_ns:  # it would have been measured after it was received
            if agreed:
                return ChangePoint(device_ns, 0, uncertain=False)
            if known.offset_ns > 0 and behind > 0:  # taken for a slow clock, but the messages had been waiting
                return ChangePoint(device_ns, 0, uncertain=True)
            drifted = -residual <= 2 * self.tolerance_ns
            return ChangePoint(device_ns, _rounded_down(behind), uncertain=known.uncertain if drifted else True)
        if residual > self.tolerance_ns:
            if agreed:
                return ChangePoint(device_ns, 0, uncertain=False)
            went_back = seq > self._last_seq and device_ns < self._last_device_ns - self.tolerance_ns
            return ChangePoint(device_ns, _rounded_down(behind), uncertain=True) if went_back else None
        return ChangePoint(device_ns, 0, uncertain=False) if agreed and known.uncertain else None


def _rounded_down(behind_ns: int) -> int:
    """An offset that leaves room for messages that travel faster than this one did."""
    return behind_ns // ROUNDING_NS * ROUNDING_NS


def _start(point: ChangePoint) -> int:
    return point.from_device_ns


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
