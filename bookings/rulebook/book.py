"""The rules of an installation: what managers have set over the defaults of the settings; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from bookings.opening import OpeningHours, read_hours, read_week
from bookings.rulebook.schemas import RuleSettings
from bookings.rules import Quota, Rules, joined
from bookings.slots import Buffers

_QUOTAS = ("week_quota_minutes", "pilot_quota_minutes", "most_concurrent", "most_open")


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

    @property
    def has_quotas(self) -> bool:
        """Whether what a company holds already counts anywhere."""
        return any(getattr(entry, field) is not None for entry in self.entries.values() for field in _QUOTAS)

    @property
    def has_check_ins(self) -> bool:
        """Whether anywhere somebody is expected to check in."""
        return self.defaults.check_in is not None or any(
            entry.check_in_minutes is not None for entry in self.entries.values()
        )

    def rules_of(self, device_id: str, kind: str) -> Rules:
        """What holds for one device."""
        rules = self.defaults
        for scope, name in (("lab", ""), ("class", kind), ("device", device_id)):
            entry = self.entries.get((scope, name))
            if entry is not None:
                rules = _applied(rules, entry, scope, name)
        return rules

    def joint(self, devices: Sequence[Booked]) -> Rules:
        """What holds for these devices in one booking."""
        return joined([self.rules_of(device.id, device.kind) for device in devices])

    def buffers(self, device: Booked) -> Buffers:
        """Set-up and clean-up time of a device: as ruled, else as the catalogue says."""
        rules = self.rules_of(device.id, device.kind) if self.entries else self.defaults
        return Buffers(
            timedelta(minutes=device.setup_minutes) if rules.setup is None else rules.setup,
            timedelta(minutes=device.cleanup_minutes) if rules.cleanup is None else rules.cleanup,
        )


def _applied(rules: Rules, entry: RuleSettings, scope: str, name: str) -> Rules:
    def length(value: int | None, otherwise: timedelta) -> timedelta:
        return otherwise if value is None else timedelta(minutes=value)

    changed = replace(
        rules,
        calendars=(_calendar(rules.calendars[0], entry),),
        horizon=rules.horizon if entry.horizon_days is None else timedelta(days=entry.horizon_days),
        lead=length(entry.lead_minutes, rules.lead),
        shortest=length(entry.shortest_minutes, rules.shortest),
        longest=length(entry.longest_minutes, rules.longest),
        granularity=length(entry.granularity_minutes, rules.granularity),
        setup=rules.setup if entry.setup_minutes is None else timedelta(minutes=entry.setup_minutes),
        cleanup=rules.cleanup if entry.cleanup_minutes is None else timedelta(minutes=entry.cleanup_minutes),
        approval=rules.approval if entry.approval is None else entry.approval,
        approval_lapses=length(entry.approval_lapses_minutes, rules.approval_lapses),
        supervision=rules.supervision if entry.supervision is None else entry.supervision,
        cancel_deadline=length(entry.cancel_deadline_minutes, rules.cancel_deadline),
        check_in=rules.check_in if entry.check_in_minutes is None else timedelta(minutes=entry.check_in_minutes),
    )
    if entry.qualifications is not None:
        changed = replace(changed, qualifications=frozenset(entry.qualifications))
    if entry.needs_devices is not None:
        changed = replace(changed, needs=frozenset(entry.needs_devices))
    if any(getattr(entry, field) is not None for field in _QUOTAS):
        changed = replace(changed, quotas=(*rules.quotas, _quota(entry, scope, name)))
    return changed


def _calendar(calendar: OpeningHours, entry: RuleSettings) -> OpeningHours:
    if entry.opening_hours is not None:
        calendar = replace(calendar, days=read_week(entry.opening_hours))
    if entry.holidays is not None:
        calendar = replace(calendar, holidays=entry.holidays)
    if entry.closed_days is not None:
        calendar = replace(calendar, closed=tuple((closed.day, closed.name) for closed in entry.closed_days))
    if entry.special_days is not None:
        special = sorted(entry.special_days.items())
        calendar = replace(
            calendar, special=tuple((day, read_hours(text, field="special_days")) for day, text in special)
        )
    return calendar


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
