"""A machine that says more than the catalogue knows: taking a signal, another name or a device into it."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from devices.catalogue import DeviceEntry, SignalEntry
from devices.errors import DeviceKnownError, SignalKnownError, SignalUnknownError
from devices.models import Device, Signal, SignalAlias
from devices.repository import device_exists
from devices.service import get_device, new_device, new_signal, set_addresses
from lab.core.audit import note_change
from lab.people.principals import Principal


def known_aliases(session: Session) -> dict[str, dict[str, str]]:
    """Device → name on the wire → name in the catalogue."""
    found: dict[str, dict[str, str]] = {}
    for row in session.scalars(sa.select(SignalAlias)):
        found.setdefault(row.device_id, {})[row.heard] = row.signal
    return found


def add_signal(
    session: Session, principal: Principal, device_id: str, entry: SignalEntry, *, heard: str, now: datetime
) -> Signal:
    """Add a signal to a device, and an alias if the machine calls it otherwise.

    Raises:
        ForbiddenError: for anybody but the lab's staff.
        DeviceUnknownError: if the lab owns none of this name.
        SignalKnownError: if the device has a signal of this name already.
    """
    principal.require_staff("adopt signals")
    device = get_device(session, device_id)
    if any(signal.name == entry.name for signal in device.signals):
        raise SignalKnownError(
            f"{device_id} has a signal {entry.name} already; make '{heard[:60]}' another name of it instead",
            field="signal.name",
            rule="signal-new",
        )
    signal = new_signal(entry)
    device.signals.append(signal)
    session.flush()
    if heard != entry.name:
        add_alias(session, principal, device_id, heard=heard, signal=entry.name, now=now)
    _note(session, device, "signal-adopted", principal, now, {"heard": heard, "signal": entry.model_dump(mode="json")})
    return signal


def add_alias(
    session: Session, principal: Principal, device_id: str, *, heard: str, signal: str, now: datetime
) -> SignalAlias:
    """Say that a device calls one of its signals by another name.

    Raises:
        ForbiddenError: for anybody but the lab's staff.
        DeviceUnknownError: if the lab owns none of this name.
        SignalUnknownError: if the device has no such signal.
        SignalKnownError: if what was heard is a signal or an alias already.
    """
    principal.require_staff("adopt signals")
    device = get_device(session, device_id)
    names = {known.name for known in device.signals}
    if signal not in names:
        raise SignalUnknownError(
            f"{device_id} has no signal '{signal[:60]}'",
            field="signal",
            rule="known-signal",
            nearest=sorted(names)[:20],
        )
    if heard in names or session.get(SignalAlias, (device_id, heard)) is not None:
        raise SignalKnownError(f"'{heard[:60]}' is known of {device_id} already", field="heard", rule="heard-new")
    alias = SignalAlias(device_id=device_id, heard=heard, signal=signal)
    session.add(alias)
    session.flush()
    _note(session, device, "alias-adopted", principal, now, {"heard": heard, "signal": signal})
    return alias


def add_device(session: Session, principal: Principal, entry: DeviceEntry, *, now: datetime) -> Device:
    """Take a device into the catalogue.

    Raises:
        ForbiddenError: for anybody but the lab's staff.
        DeviceKnownError: if the lab owns, or owned, one of this name.
    """
    principal.require_staff("adopt devices")
    if device_exists(session, entry.id):
        raise DeviceKnownError(f"there is a device {entry.id} already", field="device.id", rule="device-new")
    device = new_device(entry, now=now)
    session.add(device)
    set_addresses(session, entry)
    session.flush()
    _note(session, device, "adopted", principal, now, {"device": entry.model_dump(mode="json")})
    return device


def _note(
    session: Session, device: Device, what: str, principal: Principal, now: datetime, after: dict[str, object]
) -> None:
    note_change(session, "device", device.id, what, by=principal.account_id, at=now, after=after)
