"""Every query on series, and the locks that many bookings at once need."""

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from bookings.models import Booking, BookingSeries
from lab.core.database import storable
from lab.people.models import Organisation

_WHOLE = (selectinload(Booking.devices), selectinload(Booking.engineers))


def find_series(session: Session, series_id: str) -> BookingSeries | None:
    """A series."""
    return session.get(BookingSeries, series_id) if storable(series_id) else None


def bookings_of_series(session: Session, series_id: str) -> list[Booking]:
    """The bookings of a series, by start."""
    query = sa.select(Booking).where(Booking.series_id == series_id).order_by(Booking.start_at, Booking.id)
    return list(session.scalars(query.options(*_WHOLE)))


def lock_bookings_of_series(session: Session, series_id: str) -> list[Booking]:
    """The same by id, as they are now, kept from other changes until the transaction ends."""
    query = (
        sa.select(Booking)
        .where(Booking.series_id == series_id)
        .order_by(Booking.id)
        .options(*_WHOLE)
        .with_for_update(key_share=True, of=Booking)
        .execution_options(populate_existing=True)
    )
    return list(session.scalars(query))


def lock_organisations(session: Session, organisation_ids: Collection[str]) -> None:
    """Keep these organisations, and those that are one undertaking with them, until the transaction ends.

    In one statement and by id, as everybody locks them; whoever books for several at once needs them all beforehand.
    """
    known = list(filter(storable, organisation_ids))
    undertakings = sa.select(Organisation.undertaking).where(Organisation.id.in_(known))
    session.scalars(
        sa.select(Organisation.id)
        .where(sa.or_(Organisation.id.in_(known), Organisation.undertaking.in_(undertakings)))
        .order_by(Organisation.id)
        .with_for_update(key_share=True)
    ).all()
