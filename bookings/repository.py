"""Every query of the calendar."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from bookings.models import Booking, BookingDevice
from bookings.states import BookingState
from devices.models import Device
from lab.core.database import storable
from lab.core.time import Span
from lab.people.models import Organisation


@dataclass(frozen=True, slots=True)
class Occupancy:
    """An organisation's own time on a device, `[start, end)` without buffers."""

    device_id: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Reservation:
    """A span of a device that a booking holds, buffers included."""

    device_id: str
    span: Span
    booking: Booking


def lock_devices(session: Session, device_ids: Sequence[str]) -> list[Device]:
    """The known ones of these devices, sorted by id, kept from other bookings until this transaction ends.

    With the lock, two wishes for one device are judged one after the other, so that the later one sees the earlier and
    neither waits for the other in a circle. (On SQLite there is one writer at a time anyway.)
    """
    return list(
        session.scalars(
            sa.select(Device)
            .where(Device.id.in_(filter(storable, device_ids)))
            .order_by(Device.id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    )


def find_devices(session: Session, device_ids: Sequence[str]) -> list[Device]:
    """The known ones of these devices, sorted by id."""
    return list(
        session.scalars(sa.select(Device).where(Device.id.in_(filter(storable, device_ids))).order_by(Device.id))
    )


def device_ids(session: Session) -> list[str]:
    """All devices, retired ones included, sorted."""
    return list(session.scalars(sa.select(Device.id).order_by(Device.id)))


def organisation_exists(session: Session, organisation_id: str) -> bool:
    """Whether there is such an organisation."""
    return session.scalar(sa.select(Organisation.id).where(Organisation.id == organisation_id)) is not None


def find_booking(session: Session, booking_id: str) -> Booking | None:
    """A booking with its devices."""
    if not storable(booking_id):
        return None
    return session.scalar(sa.select(Booking).where(Booking.id == booking_id).options(selectinload(Booking.devices)))


def lock_booking(session: Session, booking_id: str) -> Booking | None:
    """A booking with its devices as it is now, kept from other changes until this transaction ends."""
    if not storable(booking_id):
        return None
    return session.scalar(
        sa.select(Booking)
        .where(Booking.id == booking_id)
        .options(selectinload(Booking.devices))
        .with_for_update(key_share=True, of=Booking)
        .execution_options(populate_existing=True)
    )


def find_bookings(session: Session, *, organisation_id: str | None, span: Span | None) -> list[Booking]:
    """Bookings by start, with their devices, in two queries.

    Args:
        session: to read in.
        organisation_id: only this one's; None: everybody's.
        span: only those that overlap it.
    """
    query = sa.select(Booking).options(selectinload(Booking.devices)).order_by(Booking.start_at, Booking.id)
    if organisation_id is not None:
        query = query.where(Booking.organisation_id == organisation_id)
    if span is not None:
        query = query.where(Booking.start_at < span.end, Booking.end_at > span.start)
    return list(session.scalars(query))


def find_conflicts(
    session: Session, wishes: Mapping[str, Span], *, except_booking: str | None = None
) -> list[Reservation]:
    """What is held of the wished devices at the wished times.

    Args:
        session: to read in.
        wishes: by device, the span to reserve, buffers included.
        except_booking: does not count (it is being moved).
    """
    collides = (
        sa.and_(
            BookingDevice.device_id == device_id,
            BookingDevice.reserved_end > span.start,
            BookingDevice.reserved_start < span.end,
        )
        for device_id, span in wishes.items()
    )
    query = (
        sa.select(BookingDevice, Booking)
        .join(Booking)
        .where(BookingDevice.active, sa.or_(*collides))
        .order_by(BookingDevice.device_id, BookingDevice.reserved_start)
    )
    if except_booking is not None:
        query = query.where(BookingDevice.booking_id != except_booking)
    return [
        Reservation(row.device_id, Span(row.reserved_start, row.reserved_end), booking)
        for row, booking in session.execute(query)
    ]


def reserved_spans(
    session: Session, device_ids: Sequence[str], window: Span, *, except_booking: str | None = None
) -> list[tuple[str, Span]]:
    """What is held of these devices within a window, buffers included: (device, span), in no order."""
    query = sa.select(BookingDevice.device_id, BookingDevice.reserved_start, BookingDevice.reserved_end).where(
        BookingDevice.active,
        BookingDevice.device_id.in_(device_ids),
        BookingDevice.reserved_end > window.start,
        BookingDevice.reserved_start < window.end,
    )
    if except_booking is not None:
        query = query.where(BookingDevice.booking_id != except_booking)
    return [(device_id, Span(start, end)) for device_id, start, end in session.execute(query)]


def occupancies(
    session: Session,
    organisation_id: str,
    *,
    device_id: str | None = None,
    at: datetime | None = None,
) -> list[Occupancy]:
    """The time an organisation has, had or will have on devices, by device and start.

    That is every booking which holds or held its devices, approved or begun; one that was cancelled after its start
    counts up to its early end. The span is cut to what is reserved, so that it cannot overlap another organisation's
    as long as the database keeps reservations apart (I1).

    Args:
        session: to read in.
        organisation_id: whose.
        device_id: only of this device.
        at: only what contains this instant.
    """
    query = (
        sa.select(
            BookingDevice.device_id,
            Booking.start_at,
            Booking.end_at,
            BookingDevice.reserved_start,
            BookingDevice.reserved_end,
        )
        .join(Booking)
        .where(
            Booking.organisation_id == organisation_id,
            BookingDevice.active,
            Booking.state.not_in([BookingState.REQUESTED, BookingState.NO_SHOW]),
        )
        .order_by(BookingDevice.device_id, Booking.start_at)
    )
    if device_id is not None:
        query = query.where(BookingDevice.device_id == device_id)
    if at is not None:
        query = query.where(Booking.start_at <= at, Booking.end_at > at)
        query = query.where(BookingDevice.reserved_start <= at, BookingDevice.reserved_end > at)
    cut = (
        Occupancy(device, max(start, reserved_start), min(end, reserved_end))
        for device, start, end, reserved_start, reserved_end in session.execute(query)
    )
    return [occupancy for occupancy in cut if occupancy.start < occupancy.end]
