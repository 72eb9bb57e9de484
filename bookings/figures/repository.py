"""Every query for the figures."""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from bookings.figures.counting import Outcome, Slot
from bookings.models import Booking, BookingDevice
from bookings.states import BookingState
from devices.models import Device
from lab.core.time import Span
from lab.people.models import Organisation

_OUTCOMES = {BookingState.NO_SHOW: Outcome.NO_SHOW, BookingState.CANCELLED: Outcome.CANCELLED}
_DECLINED = ("declined", "lapsed")
"""Requests that ended so never were bookings."""


def every_device(session: Session) -> list[Device]:
    """All devices, retired ones included, by id."""
    return list(session.scalars(sa.select(Device).order_by(Device.id)))


def slots_within(session: Session, window: Span, *, now: datetime) -> list[Slot]:
    """What was or is booked, and what was cancelled, within a window; requests are not booked yet."""
    query = (
        sa.select(
            Booking.id,
            BookingDevice.device_id,
            Booking.organisation_id,
            Booking.start_at,
            Booking.end_at,
            Booking.state,
            BookingDevice.active,
            Booking.used_from,
            Booking.used_until,
        )
        .join(BookingDevice)
        .where(
            Booking.start_at < window.end,
            Booking.end_at > window.start,
            Booking.state != BookingState.REQUESTED,
            sa.or_(Booking.ended_as.is_(None), Booking.ended_as.not_in(_DECLINED)),
        )
    )
    return [
        Slot(
            booking_id,
            device_id,
            organisation_id,
            Span(start, end),
            _OUTCOMES.get(BookingState(state), Outcome.HELD),
            active,
            used_within(start, end, used_from, used_until, now=now),
        )
        for booking_id, device_id, organisation_id, start, end, state, active, used_from, used_until in session.execute(
            query
        )
    ]


def used_within(
    start: datetime, end: datetime, used_from: datetime | None, used_until: datetime | None, *, now: datetime
) -> Span | None:
    """The part of a slot in which it was used, up to now; None: nobody has said so."""
    if used_from is None:
        return None
    begun, ended = max(start, used_from), min(end, now, used_until or now)
    return Span(begun, ended) if begun < ended else None


def names_of(session: Session, organisation_ids: Iterable[str]) -> dict[str, str]:
    """Names of organisations."""
    query = sa.select(Organisation.id, Organisation.name).where(Organisation.id.in_(sorted(organisation_ids)))
    return {row.id: row.name for row in session.execute(query)}
