"""Changing what the catalogue says of a device or signal, one at a time; what is stored keeps its meaning."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from devices.catalogue import DeviceEntry
from devices.errors import SignalUnknownError
from devices.models import Device, Signal
from devices.service import get_device, update_device
from lab.core.audit import note_change
from lab.people.principals import Principal

DEVICE_FACTS = (
    "name",
    "kind",
    "description",
    "location",
    "capabilities",
    "price_eur_per_hour",
    "setup_minutes",
    "cleanup_minutes",
    "software_version",
)
"""What may be changed of a device; its id is part of every sample."""
SIGNAL_FACTS = ("label", "range", "expected_interval_ms", "sensor", "uncertainty", "calibration_due")
"""What may be changed of a signal; another type or unit would falsify what is stored."""


def edit_device(
    session: Session, principal: Principal, device_id: str, changes: Mapping[str, Any], *, now: datetime
) -> bool:
    """Change facts of a device.

    Args:
        session: a write session.
        principal: who changes it.
        device_id: which one.
        changes: some of `DEVICE_FACTS`, as a catalogue writes them.
        now: for the log of changes.

    Returns:
        Whether anything is different now.

    Raises:
        ForbiddenError: for anybody but a lab manager.
        DeviceUnknownError: if the lab owns none of this name.
        ValidationError: naming the fact that cannot be so.
    """
    principal.require_manager("change devices")
    device = get_device(session, device_id)
    written = described(device)
    return _update(session, principal, device, {**written, **_only(changes, DEVICE_FACTS)}, now)


def edit_signal(
    session: Session, principal: Principal, device_id: str, name: str, changes: Mapping[str, Any], *, now: datetime
) -> bool:
    """Change facts of a signal.

    Args:
        session: a write session.
        principal: who changes it.
        device_id: of which device.
        name: as the catalogue names it.
        changes: some of `SIGNAL_FACTS`, as a catalogue writes them.
        now: for the log of changes.

    Returns:
        Whether anything is different now.

    Raises:
        ForbiddenError: for anybody but a lab manager.
        DeviceUnknownError: if the lab owns none of this name.
        SignalUnknownError: if the device has no such signal.
        ValidationError: naming the fact that cannot be so.
    """
    principal.require_manager("change signals")
    device = get_device(session, device_id)
    written = described(device)
    signals = {signal["name"]: signal for signal in written["signals"]}
    if name not in signals:
        raise SignalUnknownError(f"{device.id} has no signal '{name[:60]}'", field="signal", rule="known-signal")
    signals[name] |= _only(changes, SIGNAL_FACTS)
    return _update(session, principal, device, written, now)


def described(device: Device) -> dict[str, Any]:
    """A device with its signals as a catalogue writes it."""
    return {
        "id": device.id,
        **{name: getattr(device, name) for name in DEVICE_FACTS if name != "price_eur_per_hour"},
        "price_eur_per_hour": Decimal(device.price_cents_per_hour) / 100,
        "signals": [_described(signal) for signal in device.signals],
    }


def _described(signal: Signal) -> dict[str, Any]:
    span = None if signal.low is None or signal.high is None else (signal.low, signal.high)
    facts = ("name", "label", "type", "unit", "choices", "expected_interval_ms", "sensor", "uncertainty")
    return {
        **{name: getattr(signal, name) for name in facts},
        "range": span,
        "calibration_due": signal.calibration_due,
    }


def _update(session: Session, principal: Principal, device: Device, written: dict[str, Any], now: datetime) -> bool:
    before = DeviceEntry.model_validate(described(device)).model_dump(mode="json")
    entry = DeviceEntry.model_validate(written)
    if not update_device(device, entry):
        return False
    session.flush()
    after = entry.model_dump(mode="json")
    note_change(
        session, "device", device.id, "changed", by=principal.account_id, at=now,
        before=_differing(before, after), after=_differing(after, before),
    )  # fmt: skip
    return True


def _differing(these: dict[str, Any], those: dict[str, Any]) -> dict[str, Any]:
    """What these say otherwise than those; of signals only those that differ."""
    found = {name: value for name, value in these.items() if value != those[name]}
    if "signals" in found:
        found["signals"] = [signal for signal in these["signals"] if signal not in those["signals"]]
    return found


def _only(changes: Mapping[str, Any], allowed: tuple[str, ...]) -> dict[str, Any]:
    unknown = set(changes) - set(allowed)
    if unknown:
        raise ValueError(f"cannot be changed: {', '.join(sorted(unknown))}")
    return dict(changes)
