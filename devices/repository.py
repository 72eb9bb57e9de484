"""Every query on devices."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from devices.models import Device, DeviceAddress, DeviceBirth, Signal
from lab.core.database import storable


def all_devices(session: Session, *, retired: bool = False) -> list[Device]:
    """The lab's devices with their signals, by id; retired ones only if asked for."""
    query = sa.select(Device).options(selectinload(Device.signals)).order_by(Device.id)
    if not retired:
        query = query.where(Device.retired_at.is_(None))
    return list(session.scalars(query))


def find_device(session: Session, device_id: str) -> Device | None:
    """A device with its signals, retired or not; `None` if there is none of this name."""
    if not storable(device_id):
        return None
    return session.scalar(sa.select(Device).options(selectinload(Device.signals)).where(Device.id == device_id))


def find_devices(session: Session, device_ids: Sequence[str]) -> dict[str, Device]:
    """Those of the named devices that exist, with their signals."""
    query = sa.select(Device).options(selectinload(Device.signals)).where(Device.id.in_(device_ids))
    return {device.id: device for device in session.scalars(query)}


def device_exists(session: Session, device_id: str) -> bool:
    """Whether the lab owns, or owned, a device of this name."""
    return session.scalar(sa.select(Device.id).where(Device.id == device_id)) is not None


def find_birth(session: Session, device_id: str) -> DeviceBirth | None:
    """The last birth or death of a device."""
    return session.get(DeviceBirth, device_id)


def all_births(session: Session) -> dict[str, DeviceBirth]:
    """The last birth or death of every device that ever said anything."""
    return {birth.device_id: birth for birth in session.scalars(sa.select(DeviceBirth))}


def signal_rows(session: Session) -> list[tuple[str, Signal | None]]:
    """(device id, signal) of every device in service; one row with `None` for a device without signals."""
    rows = session.execute(
        sa.select(Device.id, Signal)
        .outerjoin(Signal, Signal.device_id == Device.id)
        .where(Device.retired_at.is_(None))
        .order_by(Device.id, Signal.name)
    )
    return [(device_id, signal) for device_id, signal in rows]


def device_addresses(session: Session) -> dict[str, str]:
    """Address → device, for devices that do not speak under their own topic."""
    rows = session.execute(sa.select(DeviceAddress.address, DeviceAddress.device_id))
    return {address: device_id for address, device_id in rows}  # noqa: C416 - a row is no tuple for mypy
