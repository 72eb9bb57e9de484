"""Which upcoming bookings a change of the rules would not allow any more: pure.

They stay: a rule holds for what is booked after it. Each booking is judged as of the moment when it was made, and only
what the new rules refuse and the present ones do not is told. Set-up and clean-up times and approval are not judged:
a booking keeps those it was made with.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bookings.entitlements import (
    HeldSlot,
    Wish,
    broken_quotas,
    missing_devices,
    missing_qualifications,
    missing_supervision,
)
from bookings.rulebook.book import Booked, Rulebook
from bookings.rules import Rules, broken_rules
from bookings.states import BookingState
from lab.core.time import Span


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A booking that has not begun."""

    id: str
    organisation_id: str
    title: str
    state: BookingState
    span: Span
    pilot_id: str | None
    supervised: bool
    created_at: datetime
    device_ids: tuple[str, ...]
    """Sorted."""
    booked_by: str
    by_staff: bool
    for_lab: bool
    """Whether the staff booked it for the lab itself."""


@dataclass(frozen=True, slots=True)
class Held:
    """What counts for quotas."""

    organisation_id: str
    created_at: datetime
    slot: HeldSlot


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside the bookings themselves."""

    devices: Mapping[str, Booked]
    trainings: Mapping[str, Mapping[str, datetime | None]]
    """By account: name → expiry (None: never)."""
    held: Sequence[Held] = ()
    """Of the companies whose quotas are judged, by `created_at`."""


@dataclass(frozen=True, slots=True)
class Affected:
    """A booking that would be refused, and why: (rule, fact)."""

    booking: Upcoming
    reasons: tuple[tuple[str, str], ...]


def affected_bookings(
    bookings: Sequence[Upcoming], before: Rulebook, after: Rulebook, known: Known, *, now: datetime
) -> Iterator[Affected]:
    """Those of these bookings that the rules after a change refuse and the present ones do not, in their order."""
    rules = _RulesByDevices(before, after, known.devices)
    for booking in bookings:
        old, new = rules.of(booking.device_ids)
        if old == new:
            continue
        refused_before = {rule for rule, _ in _reasons(booking, old, known, now)}
        reasons = [reason for reason in _reasons(booking, new, known, now) if reason[0] not in refused_before]
        if reasons:
            yield Affected(booking, tuple(reasons))


def counts_more(bookings: Sequence[Upcoming], before: Rulebook, after: Rulebook, devices: Mapping[str, Booked]) -> bool:
    """Whether the change is about quotas of any of these bookings."""
    rules = _RulesByDevices(before, after, devices)
    return any(old.quotas != new.quotas for old, new in (rules.of(booking.device_ids) for booking in bookings))


class _RulesByDevices:
    """The rules before and after a change, worked out once for each set of devices."""

    def __init__(self, before: Rulebook, after: Rulebook, devices: Mapping[str, Booked]) -> None:
        self._before, self._after, self._devices = before, after, devices
        self._found: dict[tuple[str, ...], tuple[Rules, Rules]] = {}

    def of(self, device_ids: tuple[str, ...]) -> tuple[Rules, Rules]:
        if device_ids not in self._found:
            devices = [self._devices[device_id] for device_id in device_ids]
            self._found[device_ids] = (self._before.joint(devices), self._after.joint(devices))
        return self._found[device_ids]


def _reasons(booking: Upcoming, rules: Rules, known: Known, now: datetime) -> list[tuple[str, str]]:
    kinds = tuple((device_id, known.devices[device_id].kind) for device_id in booking.device_ids)
    wish = Wish(booking.span, kinds, booking.organisation_id, booking.pilot_id, booking.supervised)
    found = [(rule, fact) for _, rule, fact in broken_rules(booking.span, now=booking.created_at, rules=rules)]
    found += [(refusal.rule, refusal.fact) for refusal in missing_devices(wish, rules)]
    if not booking.for_lab:
        found += [(refusal.rule, refusal.fact) for refusal in missing_supervision(wish, rules)]
    if not booking.by_staff:
        trainings = known.trainings.get(booking.booked_by, {})
        if missing_qualifications(wish, rules, trainings, now=now):
            names = ", ".join(sorted(rules.qualifications))
            found.append(("qualification", f"whoever booked it has not all of these trainings until its end: {names}"))
    return found + _quota_reasons(booking, wish, rules, known, now)


def _quota_reasons(booking: Upcoming, wish: Wish, rules: Rules, known: Known, now: datetime) -> list[tuple[str, str]]:
    """Of what is too much, the bookings that were made last are told."""
    if not (rules.quotas and known.held):
        return []
    held = [
        one.slot
        for one in known.held
        if one.organisation_id == booking.organisation_id
        and (one.created_at, one.slot.span.start, one.slot.booking_id)
        < (booking.created_at, booking.span.start, booking.id)
    ]
    return broken_quotas(wish, rules, held, now=now)
