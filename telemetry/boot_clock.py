"""The clock of a device from one start to the next: what its messages show of it, one after another.

What can be known. A message was measured before it was received: device time after that proves a clock that is ahead.
The recorder sends an echo through its own queue, and what comes after the echo cannot have entered the broker before it
was sent: while the echo is *fresh*, a message that seems old comes from a clock that is behind, or has waited in the
device. Which of the two, only time shows: a device that catches up gets less and less old, a clock that is behind stays
so. Hence what is believed of a clock changes in two ways:

* at once, to *doubt* (an uncertain change point): device time went back, or on by more than the messages between
  allow, or is not to be explained by waiting. So is a start that nobody could watch, and what a device has recorded
  while it was away;
* after `STEADY` tolerances of even delay with a fresh echo, or `AS_BEFORE` where it is the delay of the clock that was
  believed until then, to *belief* (a certain one). What happened since the doubt began, in a stretch of device time
  without a break, then gets its time by an `Assignment`. So does a doubt between two beliefs that agree, unless device
  time went back in it.

A message numbered s knows only what messages numbered up to s have shown, and a message that is no news (an earlier or
the same number) teaches nothing. That, and `last`, kept across starts, make a replay settle to the same times. Not to
be seen is a clock's error that a wait makes up for exactly, in the first message of a boot.
"""

from bisect import insort
from collections.abc import Iterable
from typing import NamedTuple

from telemetry.settling import (
    DAY_NS,
    EARLIEST_SANE_NS,
    LATE_NS,
    SECOND_NS,
    TOLERANCE_NS,
    Arrival,
    Assignment,
    ChangePoint,
)

ROUNDING_NS = SECOND_NS // 10
FRESH = 3
"""Tolerances within which an echo tells when messages enter the broker, and a delay is no reason for doubt."""
STEADY = 5
"""Tolerances of even delay after which an offset is believed."""
AS_BEFORE = 2
"""Tolerances of very even delay after which a clock that was believed before is believed again."""
EVEN = 60
"""So many times as long as the delays differ must they be watched: who catches up by more than a sixtieth of the time
that passes does not look like another clock."""
LONGEST_ASSUMED_NS = 12 * 3600 * SECOND_NS
"""How far back a belief reaches: a quartz that drifts by 20 ppm is wrong by 0.9 s after that."""
DRIFT = 20e-6
MOST_POINTS = 2000
"""Change points of a boot; a clock that needs more is believed nothing any more."""
_NEVER = 2**63
_NO_TIME = -(2**63)


class _Run(NamedTuple):
    """Messages of even delay, one after the other."""

    started_ns: int
    device_ns: int
    last_seq: int
    least: int
    most: int


_UNDOING = frozenset({"gap", "delayed", "buffered", "older"})
"""Doubts that end well when the clock is afterwards as it was before."""


class BootClock:
    """The clock of one device from one start to the next.

    Args:
        points: the change points stored for it, in any order.
        assignments: of uncertain spans, the later ones override the earlier.
        last: number and device time of the newest message that taught something; `None`: there was none.
        tolerance_ns: within this the clock counts as right.
    """

    __slots__ = (
        "_away_ns",
        "_catching_up",
        "_confirmed", "_last_device_ns", "_last_seq", "_level", "_right_seq", "_run", "_since", "_sure", "assignments",
        "points", "tolerance_ns",
    )  # fmt: skip

    def __init__(
        self,
        points: Iterable[ChangePoint] = (),
        assignments: Iterable[Assignment] = (),
        *,
        last: tuple[int, int] | None = None,
        tolerance_ns: int = TOLERANCE_NS,
    ) -> None:
        self.points = sorted(points, key=_learned)
        self.assignments = list(assignments)
        self.tolerance_ns = tolerance_ns
        if last is None:  # a boot of before this was kept: what is stored is at least that old
            last = (self.points[-1].from_seq, self.points[-1].from_device_ns) if self.points else (-1, _NO_TIME)
        self._last_seq, self._last_device_ns = last
        self._level = next((point for point in reversed(self.points) if _is_dated(point.from_device_ns)), None)
        """What is believed of the present."""
        self._since = _since(self._level, last)
        """Where the present belief began; tells how often messages come."""
        self._sure: tuple[int, int] | None = None
        """Number and device time from which on a doubted clock has run without a break."""
        self._run: _Run | None = None
        away = self._level is not None and self._level.reason == "buffered"
        self._away_ns = self._level.from_device_ns if self._level is not None and away else None
        """The newest time that the device has recorded since the last message that vouched."""
        self._confirmed: list[Assignment] = []
        self._right_seq = _NEVER
        self._catching_up = False
        """Whether messages that have waited in the broker are coming."""
        self._hold()

    @property
    def last(self) -> tuple[int, int]:
        """Number and device time of the newest message that taught something; to be stored with the change points."""
        return self._last_seq, self._last_device_ns

    def is_right(self, device_ns: int, received_ns: int, seq: int) -> bool:
        """The usual case, at a tenth of the cost: whether a vouching message fits a certain, uncorrected clock.

        If so, it has been observed: it settles to its device time (never later than received) and has no flags.
        """
        if seq >= self._right_seq and abs(received_ns - device_ns) <= self.tolerance_ns:
            if seq > self._last_seq:
                self._last_seq, self._last_device_ns = seq, device_ns
            return True
        return False

    def point_for(self, device_ns: int, seq: int, *, buffered: bool) -> ChangePoint:
        """What holds for a sample of message `seq`.

        Args:
            device_ns: when the device says that it was taken.
            seq: number of its message.
            buffered: recorded earlier than sent: its device time, not its message's number, says what held then.
        """
        point = self._recorded_at(device_ns, seq) if buffered else self._sent_at(device_ns, seq)
        if point.uncertain:
            for assigned in reversed(self.assignments):
                inside = assigned.from_seq <= seq <= assigned.to_seq
                if inside and assigned.from_device_ns <= device_ns < assigned.to_device_ns:
                    return ChangePoint(assigned.from_device_ns, assigned.offset_ns, False, assigned.from_seq)
        return point

    def offset_at(self, device_ns: int) -> ChangePoint | None:
        """What holds for a device time as far as is known now, for live views; `None`: nothing is known."""
        if self._level is not None and device_ns >= self._level.from_device_ns:
            return self._level
        return self._recorded_at(device_ns, _NEVER) if self.points else None

    def observe(self, device_ns: int, arrival: Arrival, *, seq: int) -> ChangePoint | None:
        """Learn from a message's own time, before its samples are settled.

        Args:
            device_ns: its time; of something recorded earlier, the newest time in it.
            arrival: how it came.
            seq: its number; -1: a birth.

        Returns:
            A new change point, to be stored first; `None` when what is known holds.
        """
        if not self._is_news(device_ns, seq):
            return None
        if not arrival.vouches:
            return self._recorded_while_away(device_ns, arrival, seq)
        if not _is_dated(device_ns):
            found = self._without_date(device_ns, arrival, seq)
        elif self._level is None:
            found = self._first(device_ns, arrival, seq)
        elif self._level.uncertain:
            found = self._doubted(device_ns, arrival, seq, self._level)
        else:
            found = self._believed(device_ns, arrival, seq, self._level)
        self._last_seq, self._last_device_ns = max(seq, self._last_seq), device_ns
        self._away_ns = None
        return self._keep(found) if found is not None else None

    def take_confirmed(self) -> list[Assignment]:
        """What the messages observed since the last call have shown to be the time of earlier, uncertain samples."""
        found, self._confirmed = self._confirmed, []
        return found

    def _is_news(self, device_ns: int, seq: int) -> bool:
        if seq >= 0:
            return seq > self._last_seq
        return self._last_seq < 0 and device_ns > self._last_device_ns

    def _first(self, device_ns: int, arrival: Arrival, seq: int) -> ChangePoint:
        behind = arrival.received_ns - device_ns
        if abs(behind) <= self.tolerance_ns:
            return ChangePoint(device_ns, 0, False, seq, "first")
        fresh = self._is_fresh(arrival)
        if seq < 0 and self._entered_now(arrival) and abs(behind) <= DAY_NS:  # a birth is written when it is sent
            return ChangePoint(device_ns, _rounded_down(behind), False, seq, "first")
        self._begin_stretch(device_ns, arrival, seq)
        waited = behind > 0 and not fresh
        return ChangePoint(
            device_ns, 0 if waited else _rounded_down(behind), True, seq, "first" if fresh else "offline-boot"
        )

    def _believed(self, device_ns: int, arrival: Arrival, seq: int, level: ChangePoint) -> ChangePoint | None:
        behind = arrival.received_ns - device_ns
        late = behind - level.offset_ns
        fresh = self._is_fresh(arrival)
        if device_ns < self._last_device_ns - self.tolerance_ns:
            return self._doubt(device_ns, arrival, seq, self._nearest(behind), "jump-back")
        goes_on = self._goes_on(device_ns, seq)
        if abs(late) <= self.tolerance_ns:
            if self._catching_up and not goes_on and not self._entered_now(arrival):
                # a jump that the wait makes up for, just now
                return self._doubt(device_ns, arrival, seq, level.offset_ns, "gap")
            self._run = None
            self._hold()
            return None
        if late < 0:  # it would have been measured after it was received
            if fresh and goes_on and -late <= 2 * self.tolerance_ns:
                return ChangePoint(device_ns, _rounded_down(behind), False, seq, "drift")
            right = abs(behind) <= self.tolerance_ns
            return self._doubt(device_ns, arrival, seq, self._nearest(behind), "set-right" if right else "jump")
        if not goes_on:
            return self._doubt(device_ns, arrival, seq, level.offset_ns, "gap")
        if not fresh and device_ns + level.offset_ns >= arrival.entered_after_ns - self.tolerance_ns:
            self._catching_up, self._right_seq = True, _NEVER
            return None  # it may have waited in the broker
        if late > FRESH * self.tolerance_ns:
            return self._doubt(device_ns, arrival, seq, level.offset_ns, "delayed")
        offset_ns = self._steady_offset(device_ns, arrival, seq)
        return None if offset_ns is None else ChangePoint(device_ns, offset_ns, False, seq, "drift")

    def _doubted(self, device_ns: int, arrival: Arrival, seq: int, level: ChangePoint) -> ChangePoint | None:
        if device_ns < self._last_device_ns - self.tolerance_ns:
            return self._doubt(device_ns, arrival, seq, self._nearest(arrival.received_ns - device_ns), "jump-back")
        if self._sure is None or not (self._is_even(device_ns, arrival) or self._goes_on(device_ns, seq)):
            before, unknown = self.last, self._since[0] == self._last_seq
            self._begin_stretch(device_ns, arrival, seq)
            if unknown and device_ns - before[1] <= LATE_NS:
                self._since = before  # the next steps are held against this one
            return None
        offset_ns = self._steady_offset(device_ns, arrival, seq)
        if offset_ns is None or len(self.points) >= MOST_POINTS:
            return None
        offset_ns = self._confirm(device_ns, arrival, seq, offset_ns)
        return ChangePoint(device_ns, offset_ns, False, seq, "steady")

    def _confirm(self, device_ns: int, arrival: Arrival, seq: int, offset_ns: int) -> int:
        """Assign the time of what was doubted until now; returns the offset that is believed from now on."""
        assert self._sure is not None
        assert self._run is not None
        before = self._belief_before_doubt()
        if before is not None and self._fits(before[0], self._run.least, self._run.most):
            belief, doubt = before
            doubts = [point for point in self.points if point.uncertain and point.from_seq >= doubt.from_seq]
            start_ns = max(min(point.from_device_ns for point in doubts), belief.from_device_ns)
            self._confirmed.append(Assignment(start_ns, device_ns, doubt.from_seq, seq - 1, belief.offset_ns))
            self.assignments.append(self._confirmed[-1])
            return belief.offset_ns
        first_seq, start_ns = self._sure
        start_ns = max(start_ns, device_ns - LONGEST_ASSUMED_NS)
        drifted_ns = int((device_ns - start_ns) * DRIFT)
        exact = offset_ns
        if offset_ns == 0 and max(abs(self._run.least), abs(self._run.most)) + drifted_ns > self.tolerance_ns:
            exact = _rounded_down(self._run.least)
        if start_ns < device_ns:
            self._confirmed.append(Assignment(start_ns, device_ns, first_seq, seq - 1, exact))
            self.assignments.append(self._confirmed[-1])
        return offset_ns

    def _is_long_enough(self, lasted: int, least: int, most: int) -> bool:
        """Whether delays between these have been watched for long enough to believe them."""
        steady = lasted >= STEADY * self.tolerance_ns
        if self._is_as_before(least, most):
            return steady or lasted >= AS_BEFORE * max(self.tolerance_ns, 10 * (most - least))
        return steady and lasted >= EVEN * (most - least)

    def _is_as_before(self, least: int, most: int) -> bool:
        """Whether such delays are those of the clock that was believed before a doubt that may end well."""
        before = self._belief_before_doubt()
        return before is not None and self._fits(before[0], least, most)

    def _fits(self, belief: ChangePoint, least: int, most: int) -> bool:
        return least >= belief.offset_ns - self.tolerance_ns and most <= belief.offset_ns + self.tolerance_ns

    def _belief_before_doubt(self) -> tuple[ChangePoint, ChangePoint] | None:
        """What was believed last and the doubt that ended it, if the doubt is one that may end well."""
        doubt: ChangePoint | None = None
        for point in reversed(self.points):
            if not _is_dated(point.from_device_ns):
                continue
            if not point.uncertain:
                return (point, doubt) if doubt is not None else None
            if point.reason not in _UNDOING:
                return None
            doubt = point
        return None

    def _steady_offset(self, device_ns: int, arrival: Arrival, seq: int) -> int | None:
        """The offset to believe after long enough an even delay; `None`: not yet."""
        behind = arrival.received_ns - device_ns
        if not self._is_fresh(arrival) or abs(behind) > DAY_NS:
            self._run = None
            return None
        run = self._run
        if run is None or not self._is_even(device_ns, arrival):
            self._run = _Run(arrival.received_ns, device_ns, seq, behind, behind)
            return None
        least, most = min(run.least, behind), max(run.most, behind)
        self._run = run._replace(last_seq=seq, least=least, most=most)
        lasted = min(arrival.received_ns - run.started_ns, device_ns - run.device_ns + self.tolerance_ns)
        if not self._is_long_enough(lasted, least, most):
            return None
        return 0 if max(abs(least), abs(most)) <= self.tolerance_ns else _rounded_down(least)

    def _is_even(self, device_ns: int, arrival: Arrival) -> bool:
        """Whether the delay is that of the messages just before."""
        run = self._run
        if run is None or run.last_seq != self._last_seq or not self._is_fresh(arrival):
            return False
        behind = arrival.received_ns - device_ns
        return max(run.most, behind) - min(run.least, behind) <= self.tolerance_ns

    def _recorded_while_away(self, device_ns: int, arrival: Arrival, seq: int) -> ChangePoint | None:
        """What is newer than all that vouched was taken while nobody could watch the clock.

        So was, perhaps, what seems older, if it comes before the device has been heard again: the clock may have been
        set back meanwhile.
        """
        if seq < 0:
            return None
        self._last_seq = seq
        level = self._level
        if level is None or not _is_dated(device_ns):
            return None
        if self.tolerance_ns > LATE_NS and not level.uncertain:
            return None  # where so much counts as right, nobody looks for jumps either
        away_ns = self._away_ns
        if device_ns <= (self._last_device_ns if away_ns is None else away_ns - self.tolerance_ns):
            silent_ns = arrival.received_ns - self._last_device_ns - level.offset_ns
            heard_again = away_ns is None and silent_ns <= FRESH * self.tolerance_ns
            if heard_again or level.reason == "older":
                return None
            self._run, self._sure = None, None
            return self._keep(ChangePoint(EARLIEST_SANE_NS, level.offset_ns, True, seq, "older"))
        self._away_ns = device_ns if away_ns is None else max(device_ns, away_ns)
        if level.uncertain:
            return None
        self._run, self._sure = None, None
        return self._keep(ChangePoint(self._last_device_ns + 1, level.offset_ns, True, seq, "buffered"))

    def _without_date(self, device_ns: int, arrival: Arrival, seq: int) -> ChangePoint | None:
        behind = arrival.received_ns - device_ns
        known = next((point for point in reversed(self.points) if not _is_dated(point.from_device_ns)), None)
        if known is not None and -self.tolerance_ns <= behind - known.offset_ns <= LATE_NS:
            return None
        return ChangePoint(device_ns, behind, True, seq, "no-date")

    def _doubt(self, device_ns: int, arrival: Arrival, seq: int, offset_ns: int, reason: str) -> ChangePoint:
        start_ns = self._start_of(device_ns)
        self._begin_stretch(device_ns, arrival, seq)
        return ChangePoint(start_ns, offset_ns, True, seq, reason)

    def _start_of(self, device_ns: int) -> int:
        """From where on a message may have samples: a wave, or a pack of samples, begins before the message's time."""
        return max(self._last_device_ns + 1, device_ns - LATE_NS) if device_ns > self._last_device_ns else device_ns

    def _begin_stretch(self, device_ns: int, arrival: Arrival, seq: int) -> None:
        behind = arrival.received_ns - device_ns
        self._sure = (seq, self._start_of(device_ns))
        self._since = (seq, device_ns)
        self._run = _Run(arrival.received_ns, device_ns, seq, behind, behind) if self._is_fresh(arrival) else None

    def _goes_on(self, device_ns: int, seq: int) -> bool:
        """Whether device time has gone on no further than the messages since allow: neither a pause nor a jump."""
        step_ns = device_ns - self._last_device_ns
        if step_ns <= self.tolerance_ns:
            return True
        since_seq, since_ns = self._since
        messages = self._last_seq - since_seq
        if messages > 0 and since_ns > _NO_TIME:
            return step_ns <= self.tolerance_ns + (self._last_device_ns - since_ns) * (seq - self._last_seq) // messages
        return False

    def _is_fresh(self, arrival: Arrival) -> bool:
        return arrival.received_ns - arrival.entered_after_ns <= FRESH * self.tolerance_ns

    def _entered_now(self, arrival: Arrival) -> bool:
        """Whether it can have waited in the broker for hardly longer than a clock may be wrong."""
        return 2 * (arrival.received_ns - arrival.entered_after_ns) <= FRESH * self.tolerance_ns

    def _nearest(self, behind: int) -> int:
        return 0 if abs(behind) <= self.tolerance_ns else _rounded_down(behind)

    def _keep(self, found: ChangePoint) -> ChangePoint | None:
        """Add a change point, unless there are too many or one has its key: a stored one is never rewritten."""
        if len(self.points) >= MOST_POINTS:
            if self._level is None or self._level.uncertain:
                return None
            found = found._replace(uncertain=True, reason="too-many")
        key = _learned(found)
        if any(_learned(point) == key for point in self.points[-3:]):
            return None
        insort(self.points, found, key=_learned)
        if _is_dated(found.from_device_ns):
            self._level = found
            self._since = (found.from_seq, max(found.from_device_ns, self._last_device_ns))
            if not found.uncertain:
                self._run, self._sure = None, None
            self._hold()
        return found

    def _hold(self) -> None:
        self._catching_up = False
        level = self._level
        certain = level is not None and not level.uncertain and level.offset_ns == 0
        self._right_seq = level.from_seq if level is not None and certain else _NEVER

    def _sent_at(self, device_ns: int, seq: int) -> ChangePoint:
        """Of the points that a message knows, the last one; before all of them, the first if it is certain and near."""
        dated = _is_dated(device_ns)
        for point in reversed(self.points):
            if point.from_seq <= seq and _is_dated(point.from_device_ns) == dated:
                return point
        first = next((point for point in self.points if _is_dated(point.from_device_ns) == dated), None)
        if first is not None and not first.uncertain and 0 <= first.from_device_ns - device_ns <= LATE_NS:
            return first
        return ChangePoint(device_ns, 0, True)

    def _recorded_at(self, device_ns: int, seq: int) -> ChangePoint:
        """Of the points that a message knows, the last one before a device time."""
        dated = _is_dated(device_ns)
        known = [p for p in self.points if p.from_seq <= seq and _is_dated(p.from_device_ns) == dated]
        passed_twice = any(p.reason == "jump-back" and p.from_device_ns <= device_ns for p in known)
        believed: ChangePoint | None = None
        for place in range(len(known) - 1, -1, -1):
            point = known[place]
            if point.reason == "older" and believed is not None:
                before = next((p for p in reversed(known[:place]) if not p.uncertain), None)
                passed_twice |= before is None or abs(before.offset_ns - believed.offset_ns) > self.tolerance_ns
            elif point.from_device_ns <= device_ns:
                return point._replace(uncertain=True) if passed_twice else point
            if not point.uncertain:
                believed = point
        return ChangePoint(device_ns, known[0].offset_ns if known else 0, True)


def _since(level: ChangePoint | None, last: tuple[int, int]) -> tuple[int, int]:
    """What a start of the recorder finds of the pace of a boot: as little as nothing, or all since the last change."""
    if level is None or level.uncertain or level.from_seq >= last[0]:
        return last
    return level.from_seq, level.from_device_ns


def _is_dated(device_ns: int) -> bool:
    return device_ns >= EARLIEST_SANE_NS


def _rounded_down(behind_ns: int) -> int:
    """An offset that leaves room for messages that travel faster than this one did."""
    return behind_ns // ROUNDING_NS * ROUNDING_NS


def _learned(point: ChangePoint) -> tuple[int, int]:
    return point.from_seq, point.from_device_ns
