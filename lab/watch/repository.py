"""What the lab's own watch asks: which machines work, and who has booked them."""

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from bookings.models import Booking, BookingDevice
from bookings.states import BookingState
from lab.people.models import Account
from lab.people.principals import Role
from lab.pilots.models import Run
from telemetry.models import MachineEvent
from telemetry.stores.interface import Flag

_HOLDING = (BookingState.CONFIRMED.value, BookingState.IN_USE.value, BookingState.DONE.value)
_PRESENT = (BookingState.CONFIRMED.value, BookingState.IN_USE.value)


class Reserved(NamedTuple):
    """A booking that holds a device now, buffers included."""

    booking_id: str
    inside: bool
    """Whether it is the company's own time, not a buffer, and the booking is confirmed or in use."""


def reserved_now(session: Session, now: datetime) -> dict[str, Reserved]:
    """Device → the booking that holds it."""
    rows = session.execute(
        sa.select(BookingDevice.device_id, Booking.id, Booking.start_at, Booking.end_at, Booking.state)
        .join(Booking, Booking.id == BookingDevice.booking_id)
        .where(BookingDevice.active, BookingDevice.reserved_start <= now, BookingDevice.reserved_end > now)
    )
    return {
        device: Reserved(booking, start <= now < end and state in _PRESENT)
        for device, booking, start, end, state in rows
    }


def booking_at(session: Session, device_id: str, at: datetime) -> Booking | None:
    """The booking in whose own time, without buffers, an instant of a device lies."""
    return session.scalar(
        sa.select(Booking)
        .join(BookingDevice, BookingDevice.booking_id == Booking.id)
        .where(
            BookingDevice.device_id == device_id,
            BookingDevice.active,
            Booking.start_at <= at,
            Booking.end_at > at,
            Booking.state.in_(_HOLDING),
        )
        .options(selectinload(Booking.devices), selectinload(Booking.engineers))
    )


def run_at(session: Session, booking_id: str, at: datetime) -> str | None:
    """The run that was going in a booking at an instant."""
    return session.scalar(
        sa.select(Run.id).where(
            Run.booking_id == booking_id,
            Run.started_at <= at,
            sa.or_(Run.ended_at.is_(None), Run.ended_at > at),
        )
    )


def find_run(session: Session, run_id: str) -> Run | None:
    """A run."""
    return session.get(Run, run_id)


def last_item_state(session: Session, device_id: str, before_ns: int) -> str | None:
    """What a machine last said of its state, by settled time that can be trusted."""
    fields = session.scalar(
        sa.select(MachineEvent.fields)
        .where(
            MachineEvent.device_id == device_id,
            MachineEvent.kind == "state",
            MachineEvent.settled_ns <= before_ns,
            MachineEvent.flags.bitwise_and(int(Flag.UNCERTAIN)) == 0,
        )
        .order_by(MachineEvent.settled_ns.desc(), MachineEvent.seq.desc())
        .limit(1)
    )
    return None if fields is None else str(fields.get("item_state"))


def engineers(session: Session) -> list[Account]:
    """Engineers in service; where there are none, the managers."""
    for role in (Role.ENGINEER, Role.MANAGER):
        found = session.scalars(
            sa.select(Account).where(Account.role == role.value, Account.disabled_at.is_(None)).order_by(Account.id)
        ).all()
        if found:
            return list(found)
    return []
