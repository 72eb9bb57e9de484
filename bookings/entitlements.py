"""Who may book these devices, and how much of them: pure decisions over what a company holds already."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from bookings.rules import Quota, Refusal, Rules, broken_rules, length, nearest_allowed, stepped
from lab.core.time import Span, aware_utc

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
    if rules.gone:
        fact += f"; {', '.join(sorted(rules.gone))}: no longer in service"
        return [Refusal("device_ids", "needs-device", fact, otherwise="ask the lab")]
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


@dataclass(frozen=True, slots=True)
class _Counted:
    """A quota, and what counts for it already."""

    quota: Quota
    slots: Sequence[HeldSlot]

    def in_week(self, week: Span) -> timedelta:
        """How much of the week is booked."""
        return _within(week, (slot.span for slot in self.slots))

    def for_pilot(self, pilot_id: str | None) -> timedelta:
        """How much is booked for a pilot."""
        return sum((slot.span.length for slot in self.slots if slot.pilot_id == pilot_id), timedelta())

    def ends_ahead(self, now: datetime) -> list[datetime]:
        """When the bookings that are ahead or running end, the soonest first."""
        return sorted(slot.span.end for slot in self.slots if slot.span.end > now)

    def room_ahead_from(self, now: datetime) -> datetime:
        """When so many of them are over that one more may be booked."""
        ends = self.ends_ahead(now)
        return now if self.quota.open is None or len(ends) < self.quota.open else ends[-self.quota.open]


def quota_refusals(wish: Wish, rules: Rules, held: Sequence[HeldSlot], *, now: datetime) -> list[Refusal]:
    """Quotas that this booking would exceed.

    A booking counts with its own time, once, however many of the devices it holds.

    Args:
        wish: what is to be booked.
        rules: with the quotas, and the lab's zone: weeks are ISO weeks of the lab's own calendar.
        held: what the company holds already: of the weeks the wish touches and the eight after, of its pilot, and
            everything ahead.
        now: the present instant.
    """
    counted = _counted(rules, held)
    broken = _broken(wish, rules, counted, now)
    return [_refusal(rule, fact, wish, rules, counted, now=now) for rule, fact in broken]


def broken_quotas(wish: Wish, rules: Rules, held: Sequence[HeldSlot], *, now: datetime) -> list[tuple[str, str]]:
    """(rule, fact) of each quota that this booking would exceed: `quota_refusals` without the search for proposals."""
    return _broken(wish, rules, _counted(rules, held), now)


def weeks_of(span: Span, zone: str) -> list[Span]:
    """The ISO weeks, Monday to Monday by the lab's clock, that a span touches."""
    return [week_from(day, zone) for day in _mondays(span, zone)]


def week_from(monday: date, zone: str) -> Span:
    """The week that begins on this day: 167, 168 or 169 hours."""
    ends = (datetime.combine(day, time(), ZoneInfo(zone)) for day in (monday, monday + _WEEK))
    return Span(*ends)


def _counted(rules: Rules, held: Sequence[HeldSlot]) -> list[_Counted]:
    return [
        _Counted(quota, [slot for slot in held if any(quota.counts(*device) for device in slot.devices)])
        for quota in rules.quotas
    ]


def _full_week(span: Span, one: _Counted, zone: str) -> Span | None:
    """The first week that has no room for its part of a span."""
    if one.quota.week is None:
        return None
    for week in weeks_of(span, zone):
        if one.in_week(week) + _within(week, [span]) > one.quota.week:
            return week
    return None


def _broken(wish: Wish, rules: Rules, counted: Sequence[_Counted], now: datetime) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for one in counted:
        quota = one.quota
        week = _full_week(wish.span, one, rules.zone)
        if quota.week is not None and week is not None:
            monday = week.start.astimezone(ZoneInfo(rules.zone)).date()
            fact = (
                f"a company books {length(quota.week)} a week{_of(quota)} at most; in the week from "
                f"{monday.isoformat()} {length(one.in_week(week))} are booked and this booking needs "
                f"{length(_within(week, [wish.span]))}"
            )
            found.append(("week-quota", fact))
        left = _pilot_left(wish, one)
        if quota.pilot is not None and left < wish.span.length:
            fact = f"a pilot has {length(quota.pilot)}{_of(quota)} at most; {length(left)} of them are left"
            found.append(("pilot-quota", fact))
        if _too_many_at_once(wish.span, one):
            fact = f"a company has {quota.concurrent} bookings{_of(quota)} at one time at most"
            found.append(("concurrent-bookings", fact))
        if _too_many_ahead(one, now):
            fact = (
                f"a company has {quota.open} bookings{_of(quota)} ahead at most; cancel one or wait until one is over"
            )
            found.append(("open-bookings", fact))
    return found


def _refusal(rule: str, fact: str, wish: Wish, rules: Rules, counted: Sequence[_Counted], *, now: datetime) -> Refusal:
    """With the nearest choice that exceeds no quota of that kind."""
    if rule == "week-quota":
        nearest = _later_week(wish, rules, counted, now=now) or _shorter_in_week(wish, rules, counted, now=now)
        return Refusal("start", rule, fact, nearest, otherwise="choose a later week, or cancel another booking")
    if rule == "pilot-quota":
        left = min(_pilot_left(wish, one) for one in counted)
        nearest = _until(wish.span.start + left, wish, rules, now=now)
        otherwise = "cancel another booking of this pilot, or ask the lab for more"
        return Refusal("end", rule, fact, nearest, otherwise=otherwise)
    if rule == "concurrent-bookings":
        crowded = [span for one in counted for span in _crowded(one)]
        return Refusal("start", rule, fact, nearest_allowed(wish.span, now=now, rules=rules, closed=crowded))
    room_from = max(one.room_ahead_from(now) for one in counted)
    return Refusal("start", rule, fact, instead={"book_from": room_from.isoformat()})


def _later_week(wish: Wish, rules: Rules, counted: Sequence[_Counted], *, now: datetime) -> Span | None:
    """The same time of the week in the first week with room."""
    zone = ZoneInfo(rules.zone)
    if wish.span.start > now + rules.horizon:  # no calendar reaches there
        return None
    for weeks in range(1, _WEEKS_AHEAD + 1):
        wall = wish.span.start.astimezone(zone).replace(tzinfo=None) + weeks * _WEEK
        start = aware_utc(wall.replace(tzinfo=zone))
        later = Span(start, start + wish.span.length)
        if not any(_full_week(later, one, rules.zone) for one in counted) and not broken_rules(
            later, now=now, rules=rules
        ):
            return later
    return None


def _shorter_in_week(wish: Wish, rules: Rules, counted: Sequence[_Counted], *, now: datetime) -> Span | None:
    """As much of the wish, from its start, as its weeks have room for."""
    end = wish.span.end
    for week in reversed(weeks_of(wish.span, rules.zone)):
        left = [one.quota.week - one.in_week(week) for one in counted if one.quota.week is not None]
        room_until = max(wish.span.start, week.start) + max(min(left), timedelta())
        if room_until < min(end, week.end):
            end = room_until
    return _until(end, wish, rules, now=now)


def _until(end: datetime, wish: Wish, rules: Rules, *, now: datetime) -> Span | None:
    """The wish with an earlier end, if that is allowed."""
    end = stepped(end, rules, down=True)
    if end <= wish.span.start:
        return None
    shorter = Span(wish.span.start, end)
    return None if broken_rules(shorter, now=now, rules=rules) else shorter


def _pilot_left(wish: Wish, one: _Counted) -> timedelta:
    """How much a pilot has left."""
    if one.quota.pilot is None or wish.pilot_id is None:
        return timedelta.max
    return max(one.quota.pilot - one.for_pilot(wish.pilot_id), timedelta())


def _too_many_at_once(span: Span, one: _Counted) -> bool:
    most = one.quota.concurrent
    return most is not None and _most_at_once(span, [slot.span for slot in one.slots]) >= most


def _crowded(one: _Counted) -> list[Span]:
    """When a company has as many bookings as it may have at one time."""
    if one.quota.concurrent is None:
        return []
    changes = sorted(
        change for slot in one.slots for change in ((slot.span.start, 1), (slot.span.end, -1))
    )  # at one instant, what ends goes before what begins
    found: list[Span] = []
    at_once = 0
    for (instant, change), (following, _) in pairwise(changes):
        at_once += change
        if at_once >= one.quota.concurrent and instant < following:
            found.append(Span(instant, following))
    return found


def _too_many_ahead(one: _Counted, now: datetime) -> bool:
    return one.quota.open is not None and len(one.ends_ahead(now)) >= one.quota.open


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
