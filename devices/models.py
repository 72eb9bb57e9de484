"""Tables: devices and their signals, and what each device last said of itself."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lab.core.database import Base, UtcDateTime


class Device(Base):
    """A machine or instrument that the lab owns."""

    __tablename__ = "devices"

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    """Short name such as `mill-1`: level 3 of its topics and its sign-in name at the broker."""
    name: Mapped[str] = mapped_column(sa.String(200))
    kind: Mapped[str] = mapped_column(sa.String(60))
    description: Mapped[str] = mapped_column(sa.Text)
    location: Mapped[str] = mapped_column(sa.String(200))
    capabilities: Mapped[list[dict[str, Any]]] = mapped_column(sa.JSON)
    """[{"name": "milling", "axes": 3, "travel_mm": 500}, …]"""
    price_cents_per_hour: Mapped[int]
    setup_minutes: Mapped[int]
    cleanup_minutes: Mapped[int]
    software_version: Mapped[str | None] = mapped_column(sa.String(60))
    mqtt_password_hash: Mapped[str | None] = mapped_column(sa.String(300))
    """In Mosquitto's password file format; `None`: the device cannot sign in at the broker."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    retired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    signals: Mapped[list["Signal"]] = relationship(
        back_populates="device", order_by="Signal.name", cascade="all, delete-orphan"
    )


class Signal(Base):
    """One quantity that a device measures."""

    __tablename__ = "signals"
    __table_args__ = (sa.UniqueConstraint("device_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    device_id: Mapped[str] = mapped_column(sa.ForeignKey("devices.id"))
    name: Mapped[str] = mapped_column(sa.String(100))
    label: Mapped[str] = mapped_column(sa.String(200))
    type: Mapped[str] = mapped_column(sa.String(20))
    """number, boolean, text or enumeration."""
    unit: Mapped[str | None] = mapped_column(sa.String(40))
    """UCUM code, e.g. `kW`, `mm/s`, `Cel`; `1` for a bare number; `None` for what is no number."""
    low: Mapped[float | None]
    """Smallest plausible value; below: stored and flagged."""
    high: Mapped[float | None]
    choices: Mapped[list[str] | None] = mapped_column(sa.JSON)
    """Of an enumeration."""
    expected_interval_ms: Mapped[float | None]
    sensor: Mapped[str | None] = mapped_column(sa.String(200))
    uncertainty: Mapped[float | None]
    """Expanded uncertainty (k = 2), in the signal's unit."""
    calibration_due: Mapped[date | None]

    device: Mapped[Device] = relationship(back_populates="signals")


class DevicePhoto(Base):
    """What a device looks like, as managers show it; made small by `devices.photos`, so that it fits into a row."""

    __tablename__ = "device_photos"

    device_id: Mapped[str] = mapped_column(sa.ForeignKey("devices.id"), primary_key=True)
    sha256: Mapped[str] = mapped_column(sa.String(64))
    """Of `large`."""
    alt_text: Mapped[str] = mapped_column(sa.Text)
    """What is to be seen, for who cannot see it."""
    large: Mapped[bytes] = mapped_column(sa.LargeBinary)
    """JPEG, for the page of the device."""
    small: Mapped[bytes] = mapped_column(sa.LargeBinary)
    """JPEG, square, for lists."""
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class DeviceBirth(Base):
    """The last birth or death of a device."""

    __tablename__ = "device_births"

    device_id: Mapped[str] = mapped_column(sa.ForeignKey("devices.id"), primary_key=True)
    boot: Mapped[str] = mapped_column(sa.String(64))
    firmware: Mapped[str | None] = mapped_column(sa.String(60))
    signals: Mapped[list[str]] = mapped_column(sa.JSON)
    device_ns: Mapped[int | None] = mapped_column(sa.BigInteger)
    """The device's own time of its birth; tells a reconnection from a repetition by the broker."""
    born_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When the birth was received."""
    died_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When a death of the same boot was received; `None`: online."""


class SignalAlias(Base):
    """A machine calls a signal by another name than the catalogue."""

    __tablename__ = "signal_aliases"

    device_id: Mapped[str] = mapped_column(sa.ForeignKey("devices.id"), primary_key=True)
    heard: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    """As the machine says it."""
    signal: Mapped[str] = mapped_column(sa.String(100))
    """As the catalogue names it."""


class DeviceAddress(Base):
    """Where a device is found that does not speak under its own topic."""

    __tablename__ = "device_addresses"

    address: Mapped[str] = mapped_column(sa.String(300), primary_key=True)
    """Such as `sparkplug:group/node/device`."""
    device_id: Mapped[str] = mapped_column(sa.ForeignKey("devices.id"))


class DeviceCommand(Base):
    """A command that a device was sent, and what it answered."""

    __tablename__ = "device_commands"
    __table_args__ = (sa.Index("ix_device_commands_device", "device_id", "asked_at"),)

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    device_id: Mapped[str] = mapped_column(sa.ForeignKey("devices.id"))
    command: Mapped[str] = mapped_column(sa.String(60))
    reason: Mapped[str] = mapped_column(sa.Text)
    asked_by: Mapped[str] = mapped_column(sa.String(40))
    alarm_id: Mapped[str | None] = mapped_column(sa.String(40))
    run_id: Mapped[str | None] = mapped_column(sa.String(40))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Afterwards the device must not do it any more."""
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    result: Mapped[str | None] = mapped_column(sa.String(20))
    """done, refused or no-answer."""
    detail: Mapped[str | None] = mapped_column(sa.Text)
