"""When a device is out of service, and which bookings that hits: pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from bookings.outages.errors import OutageInvalidError
from bookings.recurrence import occurrences, read_recurrence
from lab.core.time import EPOCH, Span
from lab.people.principals import Principal

FURTHER_NOTICE = datetime(9000, 1, 1, tzinfo=UTC)
"""The end of what ends on further notice: later than anything, with room for buffers."""

LONGEST_OUTAGE = timedelta(days=2 * 366)
LONGEST_OCCURRENCE = timedelta(days=31)
"""Of a recurring outage."""
MOST_OCCURRENCES = 2000
"""Of a recurring outage that ends; an endless one has no such limit."""
_BLOCK = timedelta(days=64)
_DAY = timedelta(days=1)
FURTHEST_BACK = timedelta(days=366)
FURTHEST_AHEAD = timedelta(days=2 * 366)


class OutageKind(StrEnum):
    """How an outage comes about."""

    PLANNED = "planned"
    UNPLANNED = "unplanned"


@dataclass(frozen=True, slots=True)
class OutageFacts:
    """An outage as it is decided on."""

    id: str
    device_id: str | None
    """None: the whole lab."""
    kind: str
    start: datetime
    end: datetime | None
    """Of the first occurrence; None: until further notice."""
    rrule: str | None
    last_end: datetime | None
    """When the last occurrence ends; None: until further notice."""
    reason: str


@dataclass(frozen=True, slots=True)
class OutageSpan:
    """A time in which a device cannot be used."""

    device_id: str | None
    """None: the whole lab."""
    span: Span
    """Up to `FURTHER_NOTICE` if nobody knows its end."""
    kind: str
    reason: str
    outage_id: str

    @property
    def until_further_notice(self) -> bool:
        """Whether nobody knows when it ends."""
        return self.span.end == FURTHER_NOTICE


@dataclass(frozen=True, slots=True)
class Held:
    """A device that a booking holds, buffers included."""

    booking_id: str
    device_id: str
    span: Span


@dataclass(frozen=True, slots=True)
class Hit:
    """A booking in the way of an outage.

    Attributes:
        booking_id: which.
        device_ids: its devices that cannot be used then.
        spans: the times in which they cannot.
    """

    booking_id: str
    device_ids: tuple[str, ...]
    spans: tuple[Span, ...]


def require_may_change(principal: Principal, device_id: str | None, verb: str) -> None:
    """The staff changes outages; those of the whole lab, a manager.

    Args:
        principal: who.
        device_id: what is out of service; None: the whole lab.
        verb: declare, end or withdraw.

    Raises:
        ForbiddenError: not by this principal.
    """
    principal.require_staff(f"{verb} outages")
    if device_id is None:
        principal.require_manager(f"{verb} an outage of the whole lab")


def require_times(start: datetime, end: datetime | None, *, now: datetime) -> None:
    """Refuse times that no outage has.

    Raises:
        NaiveTimeError, EmptySpanError: the times make no span.
        OutageInvalidError: too long, or too far from now.
    """
    first = Span(start, FURTHER_NOTICE if end is None else end)
    if first.start < now - FURTHEST_BACK or first.start > now + FURTHEST_AHEAD:
        raise OutageInvalidError(
            f"an outage begins within {FURTHEST_BACK.days} days before and {FURTHEST_AHEAD.days} days after today",
            field="start",
            rule="outage-horizon",
        )
    if end is not None and first.length > LONGEST_OUTAGE:
        raise OutageInvalidError(
            f"an outage lasts {LONGEST_OUTAGE.days} days at most; leave the end out if nobody knows it",
            field="end",
            rule="longest-outage",
        )


def last_end_of(
    kind: OutageKind, start: datetime, end: datetime | None, rrule: str | None, zone: str
) -> datetime | None:
    """When the last occurrence ends; None: on further notice.

    Raises:
        OutageInvalidError, RecurrenceError: it cannot recur like this.
    """
    if rrule is None:
        return end
    if kind is not OutageKind.PLANNED:
        raise OutageInvalidError(
            "only a planned outage recurs; leave rrule out", field="rrule", rule="recurring-is-planned"
        )
    if end is None:
        raise OutageInvalidError(
            "a recurring outage needs the end of its first time", field="end", rule="recurring-has-end"
        )
    first = Span(start, end)
    if first.length > LONGEST_OCCURRENCE:
        raise OutageInvalidError(
            f"each time of a recurring outage lasts {LONGEST_OCCURRENCE.days} days at most",
            field="end",
            rule="longest-outage",
        )
    endless = read_recurrence(rrule, most=MOST_OCCURRENCES).is_endless
    # Of an endless one, the first is enough to know that it follows the rule.
    until = first.start + timedelta.resolution if endless else None
    found = occurrences(rrule, first, zone=zone, most=MOST_OCCURRENCES, until=until)
    return None if endless else max(occurrence.widest.end for occurrence in found)


def spans_of(outage: OutageFacts, window: Span, *, zone: str) -> list[Span]:
    """The spans of an outage that overlap a window, by start.

    Where the clocks change at the start or the end of an occurrence, the earlier reading of the start and the later one
    of the end count: nothing is left open.
    """
    if outage.rrule is None or outage.end is None:
        span = Span(outage.start, outage.end or FURTHER_NOTICE)
        return [span] if span.overlaps(window) else []
    last = outage.last_end or FURTHER_NOTICE
    first, until = Span(outage.start, outage.end), min(window.end, last)
    earliest = max(window.start, outage.start) - LONGEST_OCCURRENCE - 2 * _DAY  # clocks change by less than two days
    if earliest >= until:
        return []
    found = (
        span
        for block in range((earliest - EPOCH) // _BLOCK, (until - EPOCH) // _BLOCK + 1)
        for span in _recurring(outage.rrule, first, zone, block)
        if span.start < until and min(span.end, last) > window.start
    )
    return [span if span.end <= last else Span(span.start, last) for span in found]


@lru_cache(maxsize=4096)
def _recurring(rrule: str, first: Span, zone: str, block: int) -> tuple[Span, ...]:
    """What begins within one block of time; remembered, because the gate asks for the same days again and again."""
    within = Span(EPOCH + block * _BLOCK, EPOCH + (block + 1) * _BLOCK)
    most = MOST_OCCURRENCES + _BLOCK.days
    found = occurrences(rrule, first, zone=zone, most=most, since=within.start, until=within.end)
    return tuple(one.widest for one in found if within.contains(one.widest.start))


def outage_spans(outages: Iterable[OutageFacts], window: Span, *, zone: str) -> list[OutageSpan]:
    """The times within a window in which something cannot be used, by start."""
    found = [
        OutageSpan(outage.device_id, span, outage.kind, outage.reason, outage.id)
        for outage in outages
        for span in spans_of(outage, window, zone=zone)
    ]
    return sorted(found, key=lambda one: (one.span.start, one.outage_id))


def hits_of(device_id: str | None, spans: Sequence[Span], held: Iterable[Held]) -> list[Hit]:
    """The bookings that a new outage hits, in the order of `held`.

    Args:
        device_id: what is out of service; None: everything.
        spans: when, sorted by start and by end.
        held: what is reserved, buffers included.
    """
    starts, ends = [span.start for span in spans], [span.end for span in spans]
    devices: dict[str, list[str]] = {}
    times: dict[str, dict[Span, None]] = {}
    for one in held:
        if device_id not in (None, one.device_id):
            continue
        hit = spans[bisect_right(ends, one.span.start) : bisect_left(starts, one.span.end)]
        if hit:
            devices.setdefault(one.booking_id, []).append(one.device_id)
            times.setdefault(one.booking_id, {}).update(dict.fromkeys(hit))
    return [
        Hit(booking_id, tuple(sorted(named)), tuple(sorted(times[booking_id]))) for booking_id, named in devices.items()
    ]
