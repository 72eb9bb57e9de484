"""What managers do with the rules: set, remove, and look first. The caller owns the transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from bookings.errors import DevicesRetiredError, UnknownDevicesError
from bookings.rulebook import repository
from bookings.rulebook.book import Rulebook
from bookings.rulebook.errors import RuleChangedError, RuleTargetUnknownError, RuleUnknownError
from bookings.rulebook.impact import Affected, Known, Upcoming, affected_bookings, counts_more
from bookings.rulebook.models import RuleEntry
from bookings.rulebook.repository import SUBJECT
from bookings.rulebook.schemas import RuleSettings, read_settings
from bookings.rulebook.sense import require_other_devices, require_sense
from bookings.rulebook.service import needed_devices
from bookings.rulebook.targets import Scope, Target
from bookings.rules import Rules
from bookings.waitlist.freed import note_eased
from devices.models import Device
from lab.core.audit import note_change
from lab.core.database import storable
from lab.people.principals import Principal

ANY_VERSION = -2
"""Decided on whichever there is; no version, and not `NO_VERSION` either."""
MOST_JUDGED = 2_000
"""So many upcoming bookings, the soonest ones, are looked at before a change."""
MOST_TOLD = 50
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change of the rules would do; the bookings stay."""

    judged: int
    """How many upcoming bookings were looked at."""
    complete: bool
    """Whether those are all that it may concern."""
    affected: Sequence[Affected]
    """Those that would not be allowed any more, the soonest first."""


def set_rules(
    session: Session,
    principal: Principal,
    target: Target,
    settings: RuleSettings,
    *,
    version: int | None,
    now: datetime,
    defaults: Rules,
) -> RuleEntry:
    """Set what holds for the lab, a class or a device, instead of what was set there.

    Only this one entry is locked: who sets other rules does not wait.

    Args:
        session: of a write transaction.
        principal: a manager.
        target: for whom.
        settings: what is set; all else holds as set further out.
        version: of the entry, on which this was decided; None: there was none. `ANY_VERSION`: whichever there is.
        now: the present instant.
        defaults: `Rules.from_settings`.

    Raises:
        ForbiddenError: by anybody but managers.
        RuleTargetUnknownError: there is no such device or class.
        UnknownDevicesError, DevicesRetiredError, RuleInvalidError: under these rules nothing could be booked.
        RuleChangedError: somebody else has set other rules there meanwhile.
    """
    principal.require_manager("set rules")
    _require_target(session, target)
    _require_needs(session, target, settings)
    entry = repository.lock_entry(session, target)
    _require_version(target, entry, version)
    devices = repository.devices_in_service(session)
    before, after = _books(session, target, settings, defaults, devices)
    require_sense(devices, before, after)
    was = None if entry is None else _snapshot(entry)
    if entry is None:
        entry = RuleEntry(
            scope=target.scope.value,
            name=target.name,
            settings=settings.given(),
            version=repository.last_version(session, target) + 1,
            changed_by=principal.account_id,
            changed_at=now,
        )
        if not repository.insert_entry(session, entry):
            raise _changed(target, None)
    else:
        entry.settings, entry.version = settings.given(), entry.version + 1
        entry.changed_by, entry.changed_at = principal.account_id, now
        session.flush()
    note_change(
        session,
        SUBJECT,
        target.id,
        "set" if was is None else "changed",
        by=principal.account_id,
        at=now,
        before=was,
        after=_snapshot(entry),
    )
    _tell_waitlist(session, f"{target.id}:{entry.version}", devices, now)
    return entry


def remove_rules(
    session: Session,
    principal: Principal,
    target: Target,
    *,
    version: int | None,
    now: datetime,
    defaults: Rules,
) -> None:
    """Set nothing any more for the lab, a class or a device: what is set further out holds.

    Raises:
        ForbiddenError: by anybody but managers.
        RuleUnknownError: nothing is set there.
        RuleInvalidError: under what is set further out nothing could be booked.
        RuleChangedError: somebody else has set other rules there meanwhile.
    """
    principal.require_manager("remove rules")
    entry = repository.lock_entry(session, target)
    if entry is None:
        raise unknown_entry(target)
    _require_version(target, entry, version)
    devices = repository.devices_in_service(session)
    before, after = _books(session, target, None, defaults, devices)
    require_sense(devices, before, after)
    was = _snapshot(entry)
    session.delete(entry)
    session.flush()
    note_change(session, SUBJECT, target.id, "removed", by=principal.account_id, at=now, before=was)
    _tell_waitlist(session, f"{target.id}:{entry.version}:removed", devices, now)


def _tell_waitlist(session: Session, cause: str, devices: Sequence[Device], now: datetime) -> None:
    """What a rule has forbidden may be what somebody waits for."""
    note_eased(session, f"rule:{cause}", [device.id for device in devices], now=now)


def preview_rules(
    session: Session,
    principal: Principal,
    target: Target,
    settings: RuleSettings | None,
    *,
    now: datetime,
    defaults: Rules,
) -> Effect:
    """What setting these rules (None: removing them) would do, without doing it.

    Raises:
        ForbiddenError, RuleTargetUnknownError, RuleUnknownError, UnknownDevicesError, DevicesRetiredError,
        RuleInvalidError: it would be refused.
    """
    principal.require_manager("set rules")
    if settings is None:
        if repository.find_entry(session, target) is None:
            raise unknown_entry(target)
    else:
        _require_target(session, target)
        _require_needs(session, target, settings)
    devices = repository.devices_in_service(session)
    before, after = _books(session, target, settings, defaults, devices)
    require_sense(devices, before, after)
    concerned = {
        Scope.LAB: None,
        Scope.CLASS: [device.id for device in devices if device.kind == target.name],
        Scope.DEVICE: [target.name],
    }[target.scope]
    upcoming = repository.upcoming_bookings(session, concerned, now=now, limit=MOST_JUDGED + 1)
    judged = upcoming[:MOST_JUDGED]
    known = _known(session, judged, before, after, now)
    affected = list(affected_bookings(judged, before, after, known, now=now))
    return Effect(len(judged), len(upcoming) <= MOST_JUDGED, affected)


def unknown_entry(target: Target) -> RuleUnknownError:
    """Nothing is set there."""
    return RuleUnknownError(f"nothing is set for {target}; the rules further out hold", rule="known-rules")


def _require_target(session: Session, target: Target) -> None:
    if target.scope is Scope.DEVICE:
        if not repository.devices_by_id(session, [target.name] if storable(target.name) else []):
            raise RuleTargetUnknownError("there is no such device", field="device_id", rule="known-device")
    elif target.scope is Scope.CLASS:
        kinds = repository.all_kinds(session)
        if target.name not in kinds:
            raise RuleTargetUnknownError(
                f"no device is of such a class; there are {', '.join(sorted(kinds)) or 'none'}",
                field="kind",
                rule="known-class",
            )


def _require_needs(session: Session, target: Target, settings: RuleSettings) -> None:
    needs = sorted(set(settings.needs_devices or ()))
    if not needs:
        return
    if target.scope is Scope.DEVICE:
        require_other_devices(needs, target.name)
    known = repository.devices_by_id(session, needs)
    unknown = [device_id for device_id in needs if device_id not in known]
    if unknown:
        raise UnknownDevicesError(
            f"there is no device {', '.join(unknown)}", field="needs_devices", rule="known-device", devices=unknown
        )
    retired = [device_id for device_id in needs if known[device_id].retired_at is not None]
    if retired:
        raise DevicesRetiredError(
            f"{', '.join(retired)}: no longer in service",
            field="needs_devices",
            rule="device-in-service",
            devices=retired,
        )


def _require_version(target: Target, entry: RuleEntry | None, version: int | None) -> None:
    """What is changed is what was seen.

    Raises:
        RuleChangedError: it is not, or nobody has said so.
    """
    if entry is None:
        if version is not None:
            raise _changed(target, None)
    elif version is None:
        raise RuleChangedError(
            f"there are rules for {target} already; look at them, and send their ETag as If-Match to change them",
            field="If-Match",
            rule="if-match-needed",
            version=entry.version,
        )
    elif version not in (entry.version, ANY_VERSION):
        raise _changed(target, entry.version)


def _changed(target: Target, version: int | None) -> RuleChangedError:
    return RuleChangedError(
        f"the rules for {target} were changed meanwhile; look at them again before you change them",
        field="If-Match",
        rule="present-version",
        version=version,
    )


def _books(
    session: Session, target: Target, settings: RuleSettings | None, defaults: Rules, devices: Sequence[Device]
) -> tuple[Rulebook, Rulebook]:
    """The rulebook as it is, and as it would be."""
    before = {(entry.scope, entry.name): read_settings(entry.settings) for entry in repository.rule_entries(session)}
    after = {key: entry for key, entry in before.items() if key != (target.scope.value, target.name)}
    if settings is not None:
        after[target.scope.value, target.name] = settings
    return _book(defaults, before, devices), _book(defaults, after, devices)


def _book(defaults: Rules, entries: Mapping[tuple[str, str], RuleSettings], devices: Sequence[Device]) -> Rulebook:
    needed = needed_devices(entries)
    return Rulebook(defaults, entries, {device.id: device.kind for device in devices if device.id in needed})


def _known(session: Session, bookings: Sequence[Upcoming], before: Rulebook, after: Rulebook, now: datetime) -> Known:
    """What the judgement needs, in a constant number of statements."""
    devices = repository.devices_by_id(session, {held for booking in bookings for held in booking.device_ids})
    trainings = repository.trainings_of_all(session, {booking.booked_by for booking in bookings})
    if not counts_more(bookings, before, after, devices):
        return Known(devices, trainings)
    companies = {booking.organisation_id for booking in bookings}
    pilots = {booking.pilot_id for booking in bookings if booking.pilot_id is not None}
    held = repository.held_for_quotas(session, companies, pilots, since=now - _WEEK)
    return Known(devices, trainings, held)


def _snapshot(entry: RuleEntry) -> dict[str, Any]:
    return {"settings": dict(entry.settings), "version": entry.version}
