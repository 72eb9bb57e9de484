"""The rules of an installation: what managers have set over the defaults of the settings; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Protocol

from bookings.opening import OpeningHours, read_hours, read_week
from bookings.rulebook.schemas import RuleSettings
from bookings.rules import Quota, Rules, joined
from bookings.slots import Buffers

_QUOTAS = ("week_quota_minutes", "pilot_quota_minutes", "most_concurrent", "most_open")
_LENGTHS = {
    "lead_minutes": "lead",
    "shortest_minutes": "shortest",
    "longest_minutes": "longest",
    "granularity_minutes": "granularity",
    "setup_minutes": "setup",
    "cleanup_minutes": "cleanup",
    "approval_lapses_minutes": "approval_lapses",
    "cancel_deadline_minutes": "cancel_deadline",
    "check_in_minutes": "check_in",
}
"""Setting → field of `Rules`."""
_NOBODY: Mapping[str, str] = MappingProxyType({})


class Booked(Protocol):
    """The part of `devices.models.Device` that rules look at."""

    id: str
    kind: str
    setup_minutes: int
    cleanup_minutes: int


@dataclass(frozen=True, slots=True)
class Rulebook:
    """What holds for whom: the lab's settings, then its class's, then the device's own; the narrower wins."""

    defaults: Rules
    entries: Mapping[tuple[str, str], RuleSettings]
    """By (scope, name): ("lab", ""), ("class", kind), ("device", id)."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Of the devices in service that others need: device id → kind."""
    _known: dict[tuple[str, str], Rules] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def has_quotas(self) -> bool:
        """Whether what a company holds already counts anywhere."""
        return any(getattr(entry, quota) is not None for entry in self.entries.values() for quota in _QUOTAS)

    @property
    def has_check_ins(self) -> bool:
        """Whether anywhere somebody is expected to check in."""
        return self.defaults.check_in is not None or any(
            entry.check_in_minutes is not None for entry in self.entries.values()
        )

    def rules_of(self, device_id: str, kind: str) -> Rules:
        """What holds for one device."""
        if not self.entries:
            return self.defaults
        # Devices of one class without rules of their own have the same rules, and these are the same object.
        key = (device_id if ("device", device_id) in self.entries else "", kind)
        known = self._known.get(key)
        if known is None:
            known = self.defaults
            for scope, name in (("lab", ""), ("class", kind), ("device", device_id)):
                entry = self.entries.get((scope, name))
                if entry is not None:
                    known = _applied(known, entry, scope, name)
            self._known[key] = known
        return known

    def without(self, scope: str, name: str) -> "Rulebook":
        """The rules as they would be if nothing was set there."""
        return replace(self, entries={key: entry for key, entry in self.entries.items() if key != (scope, name)})

    def joint(self, devices: Sequence[Booked]) -> Rules:
        """What holds for these devices in one booking: also which others they need, and what those need in turn."""
        if not self.entries:
            return self.defaults
        rules = joined([self.rules_of(device.id, device.kind) for device in devices])
        return self._with_all_needs(rules, {device.id for device in devices}) if rules.needs else rules

    def buffers(self, device: Booked) -> Buffers:
        """Set-up and clean-up time of a device: as ruled, else as the catalogue says."""
        rules = self.rules_of(device.id, device.kind)
        return Buffers(
            timedelta(minutes=device.setup_minutes) if rules.setup is None else rules.setup,
            timedelta(minutes=device.cleanup_minutes) if rules.cleanup is None else rules.cleanup,
        )

    def _with_all_needs(self, rules: Rules, booked: set[str]) -> Rules:
        needs, waiting = set(rules.needs), rules.needs - booked
        while waiting:
            further = frozenset[str]().union(
                *(self.rules_of(device_id, self.kinds[device_id]).needs for device_id in waiting & self.kinds.keys())
            )
            waiting = further - needs - booked
            needs |= further
        gone = needs - booked - self.kinds.keys()
        return replace(rules, needs=frozenset(needs), gone=frozenset(gone))


def _applied(rules: Rules, entry: RuleSettings, scope: str, name: str) -> Rules:
    changes: dict[str, Any] = {
        rule: timedelta(minutes=minutes)
        for setting, rule in _LENGTHS.items()
        if (minutes := getattr(entry, setting)) is not None
    }
    if entry.horizon_days is not None:
        changes["horizon"] = timedelta(days=entry.horizon_days)
    if entry.approval is not None:
        changes["approval"] = entry.approval
    if entry.supervision is not None:
        changes["supervision"] = entry.supervision
    if entry.qualifications is not None:
        changes["qualifications"] = frozenset(entry.qualifications)
    if entry.needs_devices is not None:
        changes["needs"] = frozenset(entry.needs_devices)
    if any(getattr(entry, quota) is not None for quota in _QUOTAS):
        changes["quotas"] = (*rules.quotas, _quota(entry, scope, name))
    return replace(rules, calendars=(_calendar(rules.calendars[0], entry),), **changes)


def _calendar(calendar: OpeningHours, entry: RuleSettings) -> OpeningHours:
    changes: dict[str, Any] = {}
    if entry.opening_hours is not None:
        changes["days"] = read_week(entry.opening_hours)
    if entry.holidays is not None:
        changes["holidays"] = entry.holidays
    if entry.closed_days is not None:
        changes["closed"] = tuple((closed.day, closed.name) for closed in entry.closed_days)
    if entry.special_days is not None:
        special = sorted(entry.special_days.items())
        changes["special"] = tuple((day, read_hours(text, field="special_days")) for day, text in special)
    return replace(calendar, **changes) if changes else calendar


def _quota(entry: RuleSettings, scope: str, name: str) -> Quota:
    def length(value: int | None) -> timedelta | None:
        return None if value is None else timedelta(minutes=value)

    return Quota(
        scope,
        name,
        week=length(entry.week_quota_minutes),
        pilot=length(entry.pilot_quota_minutes),
        concurrent=entry.most_concurrent,
        open=entry.most_open,
    )
