"""Who may book these devices, and how much of them: pure decisions over what a company holds already."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bookings.rules import Quota, Refusal, Rules, length, refusals
from lab.core.time import Span

_WEEK = timedelta(days=7)
_WEEKS_AHEAD = 8
"""How many weeks ahead room in a weekly quota is looked for."""


@dataclass(frozen=True, slots=True)
class HeldSlot:
    """A booking that a company holds: requested, confirmed, in use, done, or ended early."""

    booking_id: str
    span: Span
    pilot_id: str | None
    devices: tuple[tuple[str, str], ...]
    """(device id, kind) of each."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be booked, and by whom."""

    span: Span
    devices: tuple[tuple[str, str], ...]
    """(device id, kind) of each, by id."""
    organisation_id: str
    pilot_id: str | None
    supervised: bool


def missing_devices(wish: Wish, rules: Rules) -> list[Refusal]:
    """Devices that need another one which is not booked with them."""
    wished = [device_id for device_id, _ in wish.devices]
    missing = sorted(rules.needs.difference(wished))
    if not missing:
        return []
    fact = f"{', '.join(wished)}: can only be booked together with {', '.join(missing)}"
    return [Refusal("device_ids", "needs-device", fact, instead={"device_ids": sorted({*wished, *missing})})]


def missing_supervision(wish: Wish, rules: Rules) -> list[Refusal]:
    """Devices that are used only with an engineer of the lab."""
    if not rules.supervision or wish.supervised:
        return []
    fact = "these devices are used with an engineer of the lab only; book with supervised: true"
    return [Refusal("supervised", "supervision", fact, instead={"supervised": True})]


def missing_qualifications(
    wish: Wish, rules: Rules, held: Mapping[str, datetime | None], *, now: datetime
) -> list[Refusal]:
    """Trainings that whoever books lacks, unless an engineer is booked with it.

    Args:
        wish: what is to be booked.
        rules: what holds.
        held: the trainings of whoever books, each with its expiry (None: never).
        now: the present instant.
    """
    if wish.supervised:
        return []
    found = []
    for name in sorted(rules.qualifications):
        if name not in held:
            fact = f"you have no training '{name}', which these devices need"
        elif (expires := held[name]) is not None and expires < wish.span.end:
            when = "has expired" if expires <= now else "expires before this booking ends"
            fact = f"your training '{name}' {when}"
        else:
            continue
        fact += "; book with an engineer (supervised: true) or ask the lab for the training"
        found.append(Refusal("device_ids", "qualification", fact, instead={"supervised": True}))
    return found


def quota_refusals(wish: Wish, rules: Rules, held: Sequence[HeldSlot], *, now: datetime) -> list[Refusal]:
    """Quotas that this booking would exceed.

    Args:
        wish: what is to be booked.
        rules: with the quotas, and the lab's zone: weeks are ISO weeks of the lab's own calendar.
        held: what the company holds already: of the weeks the wish touches and the eight after, of its pilot, and
            everything ahead.
        now: the present instant.
    """
    found: list[Refusal] = []
    for quota in rules.quotas:
        counted = [slot for slot in held if any(quota.counts(*device) for device in slot.devices)]
        found += _week_refusals(wish, rules, quota, counted, now=now)
        found += _other_refusals(wish, quota, counted, now=now)
    return found


def weeks_of(span: Span, zone: str) -> list[Span]:
    """The ISO weeks, Monday to Monday by the lab's clock, that a span touches."""
    return [week_from(day, zone) for day in _mondays(span, zone)]


def week_from(monday: date, zone: str) -> Span:
    """The week that begins on this day: 167, 168 or 169 hours."""
    ends = (datetime.combine(day, time(), ZoneInfo(zone)) for day in (monday, monday + _WEEK))
    return Span(*ends)


def _week_refusals(
    wish: Wish, rules: Rules, quota: Quota, counted: Sequence[HeldSlot], *, now: datetime
) -> list[Refusal]:
    if quota.week is None:
        return []
    for week in weeks_of(wish.span, rules.zone):
        used, more = _within(week, (slot.span for slot in counted)), _within(week, [wish.span])
        if used + more > quota.week:
            monday = week.start.astimezone(ZoneInfo(rules.zone)).date()
            fact = (
                f"a company books {length(quota.week)} a week{_of(quota)} at most; in the week from "
                f"{monday.isoformat()} {length(used)} are booked and this booking needs {length(more)}"
            )
            return [Refusal("start", "week-quota", fact, _later_week(wish, rules, quota, counted, now=now))]
    return []


def _later_week(wish: Wish, rules: Rules, quota: Quota, counted: Sequence[HeldSlot], *, now: datetime) -> Span | None:
    """The same time of the week in the first week with room."""
    assert quota.week is not None
    zone = ZoneInfo(rules.zone)
    for weeks in range(1, _WEEKS_AHEAD + 1):
        start = (wish.span.start.astimezone(zone).replace(tzinfo=None) + weeks * _WEEK).replace(tzinfo=zone)
        later = Span(start, Span(start, start + timedelta(1)).start + wish.span.length)
        room = all(
            _within(week, (slot.span for slot in counted)) + _within(week, [later]) <= quota.week
            for week in weeks_of(later, rules.zone)
        )
        if room and not refusals(later, now=now, rules=rules):
            return later
    return None


def _other_refusals(wish: Wish, quota: Quota, counted: Sequence[HeldSlot], *, now: datetime) -> list[Refusal]:
    found: list[Refusal] = []
    if quota.pilot is not None and wish.pilot_id is not None:
        used = sum((slot.span.length for slot in counted if slot.pilot_id == wish.pilot_id), timedelta())
        if used + wish.span.length > quota.pilot:
            left = max(quota.pilot - used, timedelta())
            fact = f"a pilot has {length(quota.pilot)}{_of(quota)} at most; {length(left)} of them are left"
            found.append(Refusal("end", "pilot-quota", fact, instead=_minutes(left)))
    if quota.concurrent is not None:
        most = _most_at_once(wish.span, [slot.span for slot in counted])
        if most + 1 > quota.concurrent:
            fact = f"a company has {quota.concurrent} bookings{_of(quota)} at one time at most"
            found.append(Refusal("start", "concurrent-bookings", fact, instead={"concurrent": quota.concurrent}))
    if quota.open is not None:
        ahead = sum(1 for slot in counted if slot.span.end > now)
        if ahead + 1 > quota.open:
            fact = (
                f"a company has {quota.open} bookings{_of(quota)} ahead at most; cancel one or wait until one is over"
            )
            found.append(Refusal("start", "open-bookings", fact, instead={"open": quota.open}))
    return found


def _minutes(left: timedelta) -> dict[str, Any]:
    return {"longest_minutes": int(left / timedelta(minutes=1))}


def _of(quota: Quota) -> str:
    return {"lab": "", "class": f" of the class {quota.name}", "device": f" of {quota.name}"}[quota.scope]


def _within(window: Span, spans: Iterable[Span]) -> timedelta:
    cut = (min(span.end, window.end) - max(span.start, window.start) for span in spans if span.overlaps(window))
    return sum(cut, timedelta())


def _most_at_once(window: Span, spans: Sequence[Span]) -> int:
    """How many of these overlap at any one instant within the window."""
    inside = [span for span in spans if span.overlaps(window)]
    instants = [max(span.start, window.start) for span in inside]
    return max((sum(1 for span in inside if span.contains(instant)) for instant in instants), default=0)


def _mondays(span: Span, zone: str) -> list[date]:
    first, last = (
        instant.astimezone(ZoneInfo(zone)).date() for instant in (span.start, span.end - timedelta.resolution)
    )
    day = first - timedelta(days=first.weekday())
    found = []
    while day <= last:
        found.append(day)
        day += _WEEK
    return found
