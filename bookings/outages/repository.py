"""Every query on outages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from bookings.models import Booking, BookingDevice, BookingEngineer
from bookings.outages.models import Outage
from bookings.outages.rules import Held, OutageFacts
from bookings.states import OPEN
from devices.models import Device
from lab.core.database import storable
from lab.core.paging import Keyset, Page, PageWish, read_page
from lab.core.time import Span

BY_START = Keyset("outages", (Outage.start_at, Outage.id))

FACTS = (
    Outage.id,
    Outage.device_id,
    Outage.kind,
    Outage.start_at,
    Outage.end_at,
    Outage.rrule,
    Outage.last_end_at,
    Outage.reason,
)
"""The columns of `OutageFacts`, in its order."""


def facts_of(outage: Outage) -> OutageFacts:
    """A row as the rules see it."""
    return OutageFacts(
        outage.id,
        outage.device_id,
        outage.kind,
        outage.start_at,
        outage.end_at,
        outage.rrule,
        outage.last_end_at,
        outage.reason,
    )


def outages_near(session: Session, device_ids: Sequence[str] | None, window: Span) -> list[OutageFacts]:
    """The outages of these devices (None: of all) and of the whole lab that may have spans within a window."""
    query = sa.select(*FACTS).where(*near(window.start, window.end)).order_by(Outage.start_at, Outage.id)
    if device_ids is not None:
        query = query.where(sa.or_(Outage.device_id.is_(None), Outage.device_id.in_(filter(storable, device_ids))))
    return [OutageFacts(*row) for row in session.execute(query)]


def page_of_outages(session: Session, device_id: str | None, window: Span, wish: PageWish) -> Page[Outage]:
    """The outages that may have spans within a window, by start.

    Args:
        session: to read in.
        device_id: only those of this device and of the whole lab; None: all.
        window: which time.
        wish: which page.

    Raises:
        CursorInvalidError: a cursor that this list never gave.
    """
    query = sa.select(Outage).where(*near(window.start, window.end))
    if device_id is not None:
        named = Outage.device_id == device_id if storable(device_id) else sa.false()
        query = query.where(sa.or_(Outage.device_id.is_(None), named))
    return read_page(session, query, BY_START, wish)


def near(start: Any, end: Any) -> tuple[sa.ColumnElement[bool], ...]:
    """What of an outage says that it may have spans within `[start, end)`: instants, or parameters of a statement."""
    return (
        Outage.withdrawn_at.is_(None),
        Outage.start_at < end,
        sa.or_(Outage.last_end_at.is_(None), Outage.last_end_at > start),
    )


def find_outage(session: Session, outage_id: str) -> Outage | None:
    """One outage."""
    return session.get(Outage, outage_id) if storable(outage_id) else None


def lock_outage(session: Session, outage_id: str) -> Outage | None:
    """One outage as it is now, kept from other changes until this transaction ends."""
    if not storable(outage_id):
        return None
    return session.get(Outage, outage_id, with_for_update=True, populate_existing=True)


def lock_every_device(session: Session) -> None:
    """Keep all devices from bookings until this transaction ends, in the order of their ids."""
    session.execute(sa.select(Device.id).order_by(Device.id).with_for_update(key_share=True)).all()


def held_after(session: Session, device_id: str | None, window: Span, *, now: datetime) -> list[Held]:
    """What bookings that are ahead or running hold within a window, by start, buffers included."""
    query = (
        sa.select(
            BookingDevice.booking_id,
            BookingDevice.device_id,
            BookingDevice.reserved_start,
            BookingDevice.reserved_end,
        )
        .join(Booking)
        .where(
            BookingDevice.active,
            BookingDevice.reserved_start < window.end,
            BookingDevice.reserved_end > window.start,
            Booking.state.in_(OPEN),
            Booking.end_at > now,
        )
        .order_by(Booking.start_at, Booking.id, BookingDevice.device_id)
    )
    if device_id is not None:
        query = query.where(BookingDevice.device_id == device_id)
    return [Held(booking, device, Span(start, end)) for booking, device, start, end in session.execute(query)]


def bookings_by_id(session: Session, booking_ids: Sequence[str]) -> dict[str, Booking]:
    """These bookings with their devices and engineers, in one statement."""
    query = (
        sa.select(Booking)
        .where(Booking.id.in_(booking_ids))
        .options(joinedload(Booking.devices), joinedload(Booking.engineers))
    )
    return {booking.id: booking for booking in session.scalars(query).unique()} if booking_ids else {}


def engineers_reserved(session: Session, account_ids: Sequence[str], window: Span) -> list[tuple[str, str, Span]]:
    """What these engineers supervise within a window: (account, booking, span)."""
    query = sa.select(
        BookingEngineer.account_id,
        BookingEngineer.booking_id,
        BookingEngineer.reserved_start,
        BookingEngineer.reserved_end,
    ).where(
        BookingEngineer.active,
        BookingEngineer.account_id.in_(account_ids),
        BookingEngineer.reserved_end > window.start,
        BookingEngineer.reserved_start < window.end,
    )
    return [(account, booking, Span(start, end)) for account, booking, start, end in session.execute(query)]


def devices_reserved(session: Session, device_ids: Sequence[str], window: Span) -> list[Held]:
    """What is held of these devices within a window, whoever holds it."""
    query = sa.select(
        BookingDevice.booking_id, BookingDevice.device_id, BookingDevice.reserved_start, BookingDevice.reserved_end
    ).where(
        BookingDevice.active,
        BookingDevice.device_id.in_(device_ids),
        BookingDevice.reserved_end > window.start,
        BookingDevice.reserved_start < window.end,
    )
    return [Held(booking, device, Span(start, end)) for booking, device, start, end in session.execute(query)]
