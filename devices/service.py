"""What people and the recorder do with devices. The caller owns the transaction."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from devices import repository
from devices.catalogue import Catalogue, DeviceEntry, SignalEntry
from devices.credentials import hash_mqtt_password
from devices.errors import DeviceUnknownError, SignalChangedError
from devices.messages.native import Birth, Death
from devices.messages.times import TimeFormatError, parse_time
from devices.models import Device, DeviceAddress, DeviceBirth, Signal
from devices.rules import birth_is_news, death_is_stale
from lab.people.principals import Principal


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did, as device ids."""

    created: list[str]
    updated: list[str]
    unchanged: list[str]


@dataclass(frozen=True, slots=True)
class SignalFacts:
    """What the recorder checks a value against."""

    type: str
    """number, boolean, text or enumeration."""
    low: float | None = None
    high: float | None = None
    choices: frozenset[str] | None = None
    expected_interval_ms: float | None = None
    unit: str | None = None
    """UCUM code."""


def import_catalogue(session: Session, principal: Principal, catalogue: Catalogue, *, now: datetime) -> ImportResult:
    """Make the devices of a catalogue known, or bring them up to date; a second time it changes nothing.

    Devices and signals that the catalogue does not name stay as they are: samples may be stored under their names.

    Raises:
        ForbiddenError: for anybody but a lab manager.
        SignalChangedError: if a known signal would get another unit or type.
    """
    principal.require_manager("import a catalogue")
    known = repository.find_devices(session, [entry.id for entry in catalogue.devices])
    result = ImportResult([], [], [])
    for entry in catalogue.devices:
        device = known.get(entry.id)
        if device is None:
            session.add(new_device(entry, now=now))
            result.created.append(entry.id)
            set_addresses(session, entry)
        elif set_addresses(session, entry) | update_device(device, entry):
            result.updated.append(entry.id)
        else:
            result.unchanged.append(entry.id)
    session.flush()
    return result


def set_addresses(session: Session, entry: DeviceEntry) -> bool:
    """Note where a device is heard besides its own topics; whether that is news. Addresses left out stay."""
    session.flush()
    changed = False
    for address in dict.fromkeys(entry.addresses):
        known = session.get(DeviceAddress, address)
        if known is None:
            session.add(DeviceAddress(address=address, device_id=entry.id))
        elif known.device_id != entry.id:
            known.device_id = entry.id
        else:
            continue
        changed = True
    return changed


def list_devices(session: Session) -> list[Device]:
    """The lab's devices in service, with their signals, by id."""
    return repository.all_devices(session)


def get_device(session: Session, device_id: str) -> Device:
    """One device with its signals, in service or retired.

    Raises:
        DeviceUnknownError: if the lab owns none of this name.
    """
    device = repository.find_device(session, device_id)
    if device is None:
        raise _unknown(device_id)
    return device


def get_birth(session: Session, device_id: str) -> DeviceBirth | None:
    """What a device last said of its own life; `None`: nothing yet."""
    return repository.find_birth(session, device_id)


def list_births(session: Session) -> dict[str, DeviceBirth]:
    """What each device last said of its own life."""
    return repository.all_births(session)


def record_birth(session: Session, device_id: str, message: Birth, *, now: datetime) -> bool:
    """Note that a device has started or reconnected.

    Args:
        session: a write session.
        device_id: from the topic.
        message: the birth.
        now: when it was received.

    Returns:
        Whether it was news; a birth that the broker repeats (same boot, same time) changes nothing.

    Raises:
        DeviceUnknownError: if the lab owns none of this name.
    """
    try:
        device_ns = parse_time(message.time)
    except TimeFormatError:
        device_ns = None
    birth = repository.find_birth(session, device_id)
    if birth is None:
        if not repository.device_exists(session, device_id):
            raise _unknown(device_id)
        birth = DeviceBirth(device_id=device_id)
        session.add(birth)
    elif not birth_is_news(birth.boot, birth.device_ns, boot=message.boot, device_ns=device_ns):
        return False
    birth.boot = message.boot[:64]
    birth.firmware = message.firmware[:60] if message.firmware else None
    birth.signals = message.signals
    birth.device_ns = device_ns
    birth.born_at = now
    birth.died_at = None
    session.flush()
    return True


def record_death(session: Session, device_id: str, message: Death, *, now: datetime) -> bool:
    """Note that a device has gone.

    Returns:
        Whether it was news; a stale death (of another boot than the last birth) and a repeated one change nothing.

    Raises:
        DeviceUnknownError: if the lab owns none of this name.
    """
    birth = repository.find_birth(session, device_id)
    if birth is None and not repository.device_exists(session, device_id):
        raise _unknown(device_id)
    if birth is None or death_is_stale(birth.boot, boot=message.boot[:64]) or birth.died_at is not None:
        return False
    birth.died_at = now
    session.flush()
    return True


def issue_credentials(session: Session, principal: Principal, device_id: str, *, password: str) -> None:
    """Set the password with which a device signs in at the broker; only its hash is kept.

    Raises:
        ForbiddenError: for anybody but a lab manager.
        DeviceUnknownError: if the lab owns none of this name.
        WeakPasswordError: if the password is too short.
    """
    principal.require_manager("issue a device's credentials")
    get_device(session, device_id).mqtt_password_hash = hash_mqtt_password(password)
    session.flush()


def broker_passwords(session: Session) -> dict[str, str]:
    """Sign-in name → hash, for the broker's password file; devices without credentials are left out."""
    return {
        device.id: device.mqtt_password_hash
        for device in repository.all_devices(session)
        if device.mqtt_password_hash is not None
    }


def known_signals(session: Session) -> dict[str, dict[str, SignalFacts]]:
    """Device → signal → what to check its values against, for every device in service."""
    known: dict[str, dict[str, SignalFacts]] = {}
    for device_id, signal in repository.signal_rows(session):
        signals = known.setdefault(device_id, {})
        if signal is not None:
            signals[signal.name] = SignalFacts(
                type=signal.type,
                low=signal.low,
                high=signal.high,
                choices=frozenset(signal.choices) if signal.choices is not None else None,
                expected_interval_ms=signal.expected_interval_ms,
                unit=signal.unit,
            )
    return known


def _unknown(device_id: str) -> DeviceUnknownError:
    short = device_id[:40]
    return DeviceUnknownError(
        f"there is no device '{short}' in this lab", field="device", rule="known-device", device=short
    )


def new_device(entry: DeviceEntry, *, now: datetime) -> Device:
    """A device as the catalogue describes it; not in a session yet."""
    return Device(
        id=entry.id,
        **_device_fields(entry),
        created_at=now,
        signals=[new_signal(signal) for signal in entry.signals],
    )


def new_signal(entry: SignalEntry) -> Signal:
    """A signal as the catalogue describes it; not in a session yet."""
    return Signal(**_signal_fields(entry))


def update_device(device: Device, entry: DeviceEntry) -> bool:
    """Bring a device up to date with an entry of the same id; whether anything is different now.

    Raises:
        SignalChangedError: if a known signal would get another unit or type.
    """
    changed = _assign(device, _device_fields(entry))
    signals = {signal.name: signal for signal in device.signals}
    for wanted in entry.signals:
        signal = signals.get(wanted.name)
        if signal is None:
            device.signals.append(new_signal(wanted))
            changed = True
            continue
        if (signal.type, signal.unit) != (wanted.type, wanted.unit):
            raise SignalChangedError(
                f"{device.id}/{signal.name} is stored as {signal.type} in {signal.unit}; {wanted.type} in "
                f"{wanted.unit} would falsify what is stored: give the new quantity a new name",
                device=device.id,
                signal=signal.name,
            )
        changed = _assign(signal, _signal_fields(wanted)) or changed
    return changed


def _assign(row: Device | Signal, fields: dict[str, object]) -> bool:
    changed = False
    for name, value in fields.items():
        if getattr(row, name) != value:
            setattr(row, name, value)
            changed = True
    return changed


def _device_fields(entry: DeviceEntry) -> dict[str, object]:
    return {
        "name": entry.name,
        "kind": entry.kind,
        "description": entry.description,
        "location": entry.location,
        "capabilities": [capability.model_dump() for capability in entry.capabilities],
        "price_cents_per_hour": entry.price_cents_per_hour,
        "setup_minutes": entry.setup_minutes,
        "cleanup_minutes": entry.cleanup_minutes,
        "software_version": entry.software_version,
    }


def _signal_fields(entry: SignalEntry) -> dict[str, object]:
    low, high = entry.range or (None, None)
    return {
        "name": entry.name,
        "label": entry.label,
        "type": entry.type,
        "unit": entry.unit,
        "low": low,
        "high": high,
        "choices": entry.choices,
        "expected_interval_ms": entry.expected_interval_ms,
        "sensor": entry.sensor,
        "uncertainty": entry.uncertainty,
        "calibration_due": entry.calibration_due,
    }
