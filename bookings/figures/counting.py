"""How much of its open time each device was booked, used, idle or waited for nobody: pure.

Times count where they fall: a booking over midnight or the end of a week is split there. Numbers count where the
booking begins. Buffers do not count.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from bookings.entitlements import weeks_of
from bookings.slots import common_spans
from lab.core.time import Span

_NOTHING = timedelta(0)


class Grouping(StrEnum):
    """By what figures are told apart."""

    DEVICE = "device"
    COMPANY = "company"
    WEEK = "week"


class Outcome(StrEnum):
    """What became of a slot."""

    HELD = "held"
    """Confirmed, in use, or done."""
    NO_SHOW = "no-show"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Slot:
    """One device of a booking.

    Attributes:
        booking_id: of which booking; one with several devices has several slots.
        device_id: which device.
        organisation_id: whose.
        span: when, without buffers; of what ended early, until then.
        outcome: what became of it.
        holds: whether it holds, or held, the device.
        used: within `span` and not after now; None: nobody has said that it was used.
    """

    booking_id: str
    device_id: str
    organisation_id: str
    span: Span
    outcome: Outcome
    holds: bool = True
    used: Span | None = None


@dataclass(frozen=True, slots=True)
class Week:
    """An ISO week by the lab's clock: 167, 168 or 169 hours.

    Attributes:
        name: such as `2026-W48`.
        span: from Monday to Monday.
    """

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Group:
    """What figures are of; None: not told apart by this."""

    device_id: str | None = None
    organisation_id: str | None = None
    week: str | None = None


@dataclass(slots=True)
class Figures:
    """Sums over a group.

    `booked` is the sum of `used`, `idle`, `no_show` and `ahead`. `open` is that of the group's devices and weeks: it is
    the same for every company.
    """

    open: timedelta = _NOTHING
    """The lab is open and the device in service."""
    booked: timedelta = _NOTHING
    used: timedelta = _NOTHING
    idle: timedelta = _NOTHING
    """Held, over, and not used, although not a no-show."""
    no_show: timedelta = _NOTHING
    """Held for somebody who did not come."""
    ahead: timedelta = _NOTHING
    """Booked and not over yet."""
    bookings: set[str] = field(default_factory=set)
    """Those that begin in the window and hold or held a device."""
    no_shows: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    """Also those that were cancelled after their start, which are among `bookings`, too."""

    @property
    def utilisation(self) -> float | None:
        """Booked per open time; above 1 where the staff has let somebody in outside the hours; None: never open."""
        return self.booked / self.open if self.open else None


def weeks_within(window: Span, zone: str) -> list[Week]:
    """The ISO weeks that a window touches."""
    found = []
    for span in weeks_of(window, zone):
        year, number, _ = span.start.astimezone(ZoneInfo(zone)).isocalendar()
        found.append(Week(f"{year}-W{number:02}", span))
    return found


def in_service(openings: Sequence[Span], outages: Iterable[Span], window: Span) -> list[Span]:
    """What is left of sorted openings within a window when outages, in any order, are taken away."""
    free_from, left = window.start, []
    for outage in sorted(outages):
        if free_from < min(outage.start, window.end):
            left.append(Span(free_from, min(outage.start, window.end)))
        free_from = max(free_from, outage.end)
    if free_from < window.end:
        left.append(Span(free_from, window.end))
    return common_spans(openings, left)


def count_figures(
    slots: Iterable[Slot],
    openings: Mapping[str, Sequence[Span]],
    window: Span,
    *,
    by: frozenset[Grouping],
    weeks: Sequence[Week],
    now: datetime,
) -> dict[Group, Figures]:
    """Figures by group.

    Args:
        slots: all that overlap the window.
        openings: by device, when it can be used within the window; sorted.
        window: what is counted.
        by: what to tell apart; nothing: one group.
        weeks: all that the window touches, in order.
        now: the present instant; what lies after it is ahead.

    Returns:
        Without companies, every device and week has its group, also if nothing was booked; by company, those that have
        booked something.
    """
    starts = [week.span.start for week in weeks]
    split = Grouping.WEEK in by

    def pieces(span: Span) -> Iterator[tuple[Span, str | None]]:
        """A span cut to the window and, if asked for, to weeks."""
        start, end = max(span.start, window.start), min(span.end, window.end)
        if start >= end:
            return
        if not split:
            yield Span(start, end), None
            return
        for week in weeks[bisect_right(starts, start) - 1 : bisect_left(starts, end)]:
            yield Span(max(start, week.span.start), min(end, week.span.end)), week.name

    opened: dict[Group, timedelta] = {}
    for device_id, spans in openings.items():
        device = device_id if Grouping.DEVICE in by else None
        for name in [week.name for week in weeks] if split else [None]:
            opened.setdefault(Group(device, None, name), _NOTHING)
        for span in spans:
            for piece, name in pieces(span):
                opened[Group(device, None, name)] += piece.length

    by_company = Grouping.COMPANY in by
    found: dict[Group, Figures] = {} if by_company else {group: Figures() for group in opened}
    for slot in slots:
        device = slot.device_id if Grouping.DEVICE in by else None
        company = slot.organisation_id if by_company else None
        for piece, name in pieces(slot.span):
            figures = found.setdefault(Group(device, company, name), Figures())
            if piece.contains(slot.span.start):
                _count(slot, figures)
            if slot.holds:
                _add(slot, piece, figures, now)
    for group, figures in found.items():
        figures.open = opened.get(Group(group.device_id, None, group.week), _NOTHING)
    return found


def _count(slot: Slot, figures: Figures) -> None:
    if slot.holds:
        figures.bookings.add(slot.booking_id)
    if slot.outcome is Outcome.NO_SHOW:
        figures.no_shows.add(slot.booking_id)
    elif slot.outcome is Outcome.CANCELLED:
        figures.cancelled.add(slot.booking_id)


def _add(slot: Slot, piece: Span, figures: Figures, now: datetime) -> None:
    over = max(_NOTHING, min(piece.end, now) - piece.start)
    figures.booked += piece.length
    figures.ahead += piece.length - over
    if slot.outcome is Outcome.NO_SHOW:
        figures.no_show += over
        return
    used = _NOTHING
    if slot.used is not None:
        used = max(_NOTHING, min(piece.end, slot.used.end) - max(piece.start, slot.used.start))
    figures.used += used
    figures.idle += over - used
