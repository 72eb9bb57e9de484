"""When one device may be booked: all rules of time, outages, quotas and what is held, as stretches of starts; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from bookings.opening import OpeningHours
from bookings.rules import Rules, Unusable, length
from bookings.search.grids import WallSteps
from bookings.search.preferences import day_stretch
from bookings.search.reasons import Layer, Reason
from bookings.search.stretches import ALWAYS, Stretch, common, joined, microseconds, outside, without
from bookings.slots import Buffers
from lab.core.time import MICROSECOND, Span, to_microseconds

_NEVER: Stretch = (ALWAYS[0], ALWAYS[0])


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of every device.

    Attributes:
        window: in which the whole booking shall lie; begins now or later.
        size: length of the booking.
        now: the present instant.
    """

    window: Span
    size: timedelta
    now: datetime


@dataclass(frozen=True, slots=True)
class Lane:
    """One device in a search.

    Attributes:
        device_id: which.
        rules: what holds for it.
        buffers: what it needs before and after.
        gaps: when nothing is held of it, sorted: `[from, until)` in microseconds.
        outages: when it cannot be used.
        quotas: starts that the company's quotas forbid.
        alone: starts at which whoever asks may use it without an engineer.
    """

    device_id: str
    rules: Rules
    buffers: Buffers
    gaps: Sequence[tuple[int, int]]
    outages: Sequence[Unusable] = ()
    quotas: Sequence[Layer] = ()
    alone: Stretch = ALWAYS

    @property
    def steps(self) -> WallSteps | None:
        """Where starts and ends must lie; None: anywhere."""
        return WallSteps(self.rules.zone, self.rules.granularity) if self.rules.granularity else None

    def starts(self, question: Question) -> list[Stretch]:
        """Where it may be booked, engineers and steps not considered."""
        found = common(_open_starts(self.rules, question), self._gap_starts(question))
        away = [stretch for _, stretches in (*self._outage_layers(question), *self.quotas) for stretch in stretches]
        return without(found, away)

    def layers(self, question: Question) -> Iterator[Layer]:
        """Where it may not be booked and why, the gravest reason first; they may overlap."""
        rules = self.rules
        earliest, latest = _bounds(rules, question)
        ahead = f"a booking is made {length(rules.lead)} ahead at least"
        yield Reason("lead-time", ahead, general=True), [(ALWAYS[0], earliest - 1)]
        horizon = f"bookings are open for {rules.horizon.days} days ahead"
        if rules.horizon < question.window.end - question.now:
            yield Reason("horizon", horizon, general=True), [(latest + 1, ALWAYS[1])]
        closed = outside(_hours_starts(rules, question))
        for name, day in _holidays(rules.calendars[0], question.window):
            fact = f"the lab is closed on {day.isoformat()}: {name}"
            yield Reason("holiday", fact, general=True), common(closed, [day_stretch(day, rules.zone)])
        yield Reason("opening-hours", "the lab is closed, or closes before a booking of this length ends", True), closed
        yield from self._outage_layers(question)
        yield from self.quotas
        taken = f"{self.device_id} is taken, or free for too short a time"
        yield Reason("device-free", taken), outside(self._gap_starts(question))

    def _gap_starts(self, question: Question) -> list[Stretch]:
        before = self.buffers.setup // MICROSECOND
        after = (self.buffers.cleanup + question.size) // MICROSECOND
        return [(begin + before, until - after) for begin, until in self.gaps if begin + before <= until - after]

    def _outage_layers(self, question: Question) -> list[Layer]:
        before = self.buffers.setup // MICROSECOND
        after = (self.buffers.cleanup + question.size) // MICROSECOND
        found: dict[Reason, list[Stretch]] = {}
        for outage in self.outages:
            if outage.device_id in (None, self.device_id):
                begin, end = microseconds(outage.span)
                what = outage.device_id or "the whole lab"
                reason = Reason("outage", f"{what} cannot be used: {outage.reason}", general=outage.device_id is None)
                found.setdefault(reason, []).append((begin - after + 1, end + before - 1))
        return [(reason, joined(stretches)) for reason, stretches in found.items()]


def alone_until(expiry: datetime | None, size: timedelta) -> Stretch:
    """The starts of bookings that end before a training does (None: never)."""
    return ALWAYS if expiry is None else (ALWAYS[0], to_microseconds(expiry - size))


NEVER_ALONE = _NEVER
"""For devices that are used with an engineer only."""


def steps_fit(lanes: Sequence[Lane], start: int, size: int) -> bool:
    """Whether start and end lie on the steps of all these devices."""
    return all(
        steps is None or (steps.lies_on(start) and steps.lies_on(start + size))
        for steps in (lane.steps for lane in lanes)
    )


def _open_starts(rules: Rules, question: Question) -> list[Stretch]:
    bounds = _bounds(rules, question)
    return common(_hours_starts(rules, question), [bounds]) if bounds[0] <= bounds[1] else []


def _bounds(rules: Rules, question: Question) -> Stretch:
    """The first and the last start between lead time and horizon, within the window."""
    first = max(question.window.start, question.now + rules.lead)
    end = min(question.window.end, question.now + rules.horizon)
    return to_microseconds(first), to_microseconds(end) - question.size // MICROSECOND


def _hours_starts(rules: Rules, question: Question) -> list[Stretch]:
    size = question.size // MICROSECOND
    zone = ZoneInfo(rules.zone)
    first, last = (instant.astimezone(zone).date() for instant in (question.window.start, question.window.end))
    return [
        (opens, closes - size) for opens, closes in _hours(rules.calendars[0], first, last) if opens <= closes - size
    ]


@lru_cache(maxsize=64)
def _hours(calendar: OpeningHours, first: date, last: date) -> tuple[tuple[int, int], ...]:
    """Opening hours as integers: the same for all devices with one calendar, and from search to search."""
    return tuple(microseconds(opening) for opening in calendar.openings(first, last))


def _holidays(calendar: OpeningHours, window: Span) -> Iterator[tuple[str, date]]:
    zone = ZoneInfo(calendar.zone)
    day, last = (instant.astimezone(zone).date() for instant in (window.start, window.end))
    while day <= last:
        name = calendar.closed_because(day)
        if name is not None:
            yield name, day
        day += timedelta(days=1)
