"""The calendar as simply as it can be told: what each booking holds, and what may be done to it. No database."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from lab.core.time import Span

MINUTE = timedelta(minutes=1)
QUARTER = 15 * MINUTE
DEVICES = {"mill-1": (10, 5), "meter-1": (0, 0), "robot-1": (0, 0)}
"""By device: minutes before and after each use."""
BY_REQUEST = "robot-1"
"""A company's booking of it is a request, which lapses after"""
LAPSES = 120 * MINUTE
CHECKED_IN = "meter-1"
"""Whoever has not begun to use it"""
CHECK_IN = 30 * MINUTE
"""after the start has not shown up."""

OPEN = {"requested", "confirmed", "in_use"}
FREE, TAKEN, FORBIDDEN = "free", "taken", "forbidden"


@dataclass(frozen=True)
class Held:
    """A booking."""

    owner: str
    device_ids: tuple[str, ...]
    span: Span
    state: str = "confirmed"
    lapses: datetime | None = None
    holds: bool = True
    """Whether it holds its devices, or held them."""

    def reserved(self, device_id: str) -> Span:
        before, after = DEVICES[device_id]
        return self.span.widened(before=before * MINUTE, after=after * MINUTE)


@dataclass
class CalendarModel:
    """One day, open until `closes`."""

    now: datetime
    closes: datetime
    held: dict[str, Held] = field(default_factory=dict)
    outages: list[tuple[str | None, Span]] = field(default_factory=list)
    """(device, when); None: the whole lab."""

    # What is in the way

    def verdict(self, device_ids: tuple[str, ...], span: Span, *, but: str = "", running: bool = False) -> str:
        """What becomes of a wish: rules and outages forbid it, somebody has it, or it is free."""
        if (span.start < self.now and not running) or span.end > self.closes:
            return FORBIDDEN
        wish = Held("", device_ids, span)
        for device_id in device_ids:
            if any(
                where in (None, device_id) and wish.reserved(device_id).overlaps(out) for where, out in self.outages
            ):
                return FORBIDDEN
        return TAKEN if any(not self.lapsed(booking_id) for booking_id in self.in_the_way(wish, but)) else FREE

    def in_the_way(self, wish: Held, but: str) -> Iterator[str]:
        for booking_id, other in self.held.items():
            shared = set(wish.device_ids) & set(other.device_ids)
            overlaps = any(wish.reserved(device).overlaps(other.reserved(device)) for device in shared)
            if overlaps and other.holds and booking_id != but:
                yield booking_id

    def lapsed(self, booking_id: str) -> bool:
        """Whether it is a request whose time is over."""
        one = self.held[booking_id]
        return one.state == "requested" and one.lapses is not None and one.lapses <= self.now

    # What is done

    def book(self, booking_id: str, owner: str, device_ids: tuple[str, ...], span: Span) -> None:
        lapses = min(self.now + LAPSES, span.start) if BY_REQUEST in device_ids else None
        self.place(booking_id, Held(owner, device_ids, span, "requested" if lapses else "confirmed", lapses))

    def place(self, booking_id: str, held: Held) -> None:
        """It is where it is now; requests whose time was over have given way."""
        for other in list(self.in_the_way(held, booking_id)):
            self.give_back(other)
        if held.lapses is not None:
            held = replace(held, lapses=min(held.lapses, held.span.start))
        self.held[booking_id] = held

    def give_back(self, booking_id: str) -> None:
        """Cancelled: after its start a confirmed one ends now, and is still known to have held its devices."""
        one = self.held[booking_id]
        if one.state != "requested" and one.span.start < self.now:
            self.end(booking_id, "cancelled")
        else:
            self.change(booking_id, state="cancelled", holds=False, lapses=None)

    def end(self, booking_id: str, state: str) -> None:
        one = self.held[booking_id]
        self.change(booking_id, state=state, span=Span(one.span.start, min(one.span.end, self.now)), lapses=None)

    def change(self, booking_id: str, **facts: object) -> None:
        self.held[booking_id] = replace(self.held[booking_id], **facts)  # type: ignore[arg-type]

    def keep_time(self) -> None:
        """What time itself changes."""
        for booking_id, one in self.held.items():
            waits = CHECK_IN if CHECKED_IN in one.device_ids else None
            if self.lapsed(booking_id):
                self.give_back(booking_id)
            elif one.state == "confirmed" and waits and min(one.span.start + waits, one.span.end) <= self.now:
                self.end(booking_id, "no_show")
            elif one.state in {"confirmed", "in_use"} and one.span.end <= self.now:
                self.end(booking_id, "done")
