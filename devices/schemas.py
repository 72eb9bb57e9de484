"""Devices as HTTP tells them."""

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel

from devices.models import Device, DeviceBirth, Signal
from devices.service import ImportResult
from devices.units import unit_symbol


class SignalAnswer(BaseModel):
    """One quantity that a device measures."""

    name: str
    label: str
    type: str
    unit: str | None
    """UCUM code."""
    symbol: str
    """The unit as people write it."""
    low: float | None
    high: float | None
    choices: list[str] | None
    expected_interval_ms: float | None
    sensor: str | None
    uncertainty: float | None
    calibration_due: date | None

    @classmethod
    def of(cls, signal: Signal) -> "SignalAnswer":
        """From the table's row."""
        return cls(
            name=signal.name,
            label=signal.label,
            type=signal.type,
            unit=signal.unit,
            symbol=unit_symbol(signal.unit),
            low=signal.low,
            high=signal.high,
            choices=signal.choices,
            expected_interval_ms=signal.expected_interval_ms,
            sensor=signal.sensor,
            uncertainty=signal.uncertainty,
            calibration_due=signal.calibration_due,
        )


class LifeAnswer(BaseModel):
    """What a device last said of its own life."""

    online: bool
    boot: str
    firmware: str | None
    born_at: datetime
    died_at: datetime | None

    @classmethod
    def of(cls, birth: DeviceBirth) -> "LifeAnswer":
        """From the table's row."""
        return cls(
            online=birth.died_at is None,
            boot=birth.boot,
            firmware=birth.firmware,
            born_at=birth.born_at,
            died_at=birth.died_at,
        )


class DeviceAnswer(BaseModel):
    """A machine or instrument that the lab owns."""

    id: str
    name: str
    kind: str
    description: str
    location: str
    capabilities: list[dict[str, Any]]
    price_cents_per_hour: int
    setup_minutes: int
    cleanup_minutes: int
    software_version: str | None
    retired_at: datetime | None
    life: LifeAnswer | None
    signals: list[SignalAnswer]

    @classmethod
    def of(cls, device: Device, birth: DeviceBirth | None) -> "DeviceAnswer":
        """From the tables' rows; never with the device's credentials."""
        return cls(
            id=device.id,
            name=device.name,
            kind=device.kind,
            description=device.description,
            location=device.location,
            capabilities=device.capabilities,
            price_cents_per_hour=device.price_cents_per_hour,
            setup_minutes=device.setup_minutes,
            cleanup_minutes=device.cleanup_minutes,
            software_version=device.software_version,
            retired_at=device.retired_at,
            life=LifeAnswer.of(birth) if birth is not None else None,
            signals=[SignalAnswer.of(signal) for signal in device.signals],
        )


class ImportAnswer(BaseModel):
    """What an import did, as device ids."""

    created: list[str]
    updated: list[str]
    unchanged: list[str]

    @classmethod
    def of(cls, result: ImportResult) -> "ImportAnswer":
        """From the service's result."""
        return cls(created=result.created, updated=result.updated, unchanged=result.unchanged)
