"""Every query on the waitlist. Entries are locked before anything else: before bookings, organisations and devices."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from bookings.models import Booking
from bookings.states import BookingState
from bookings.waitlist.models import WaitlistEntry
from bookings.waitlist.rules import OPEN, EntryState
from lab.core.database import storable
from lab.core.paging import Keyset, Page, PageWish, read_page

ENTRIES = Keyset("waitlist", (WaitlistEntry.created_at, WaitlistEntry.id))


def find_entry(session: Session, entry_id: str) -> WaitlistEntry | None:
    """An entry."""
    return session.get(WaitlistEntry, entry_id) if storable(entry_id) else None


def lock_entry(session: Session, entry_id: str) -> WaitlistEntry | None:
    """An entry as it is now, kept from others until the transaction ends, which holds nothing else yet."""
    if not storable(entry_id):
        return None
    return session.scalar(
        sa.select(WaitlistEntry)
        .where(WaitlistEntry.id == entry_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def page_of_entries(
    session: Session, page: PageWish, states: Collection[EntryState], *, organisation_id: str | None
) -> Page[WaitlistEntry]:
    """Part of the entries, the oldest first.

    Args:
        session: to read in.
        page: which part.
        states: only in these; none: in any.
        organisation_id: only this one's; None: everybody's.
    """
    query = sa.select(WaitlistEntry)
    if organisation_id is not None:
        query = query.where(WaitlistEntry.organisation_id == organisation_id)
    if states:
        query = query.where(WaitlistEntry.state.in_(states))
    return read_page(session, query, ENTRIES, page)


def bookings_of(session: Session, entries: Collection[WaitlistEntry]) -> dict[str, Booking]:
    """The bookings that these entries refer to, by id, in three statements at most."""
    wanted = {entry.booking_id for entry in entries if entry.booking_id is not None}
    if not wanted:
        return {}
    whole = (selectinload(Booking.devices), selectinload(Booking.engineers))
    found = session.scalars(sa.select(Booking).where(Booking.id.in_(wanted)).options(*whole))
    return {booking.id: booking for booking in found}


def count_open(session: Session, organisation_id: str) -> int:
    """How many entries of a company wait or have an offer."""
    query = sa.select(sa.func.count()).where(
        WaitlistEntry.organisation_id == organisation_id, WaitlistEntry.state.in_(OPEN)
    )
    return session.scalar(query) or 0


def line_for(session: Session, device_ids: Collection[str]) -> list[WaitlistEntry]:
    """Who waits for any of these devices, the first in line first."""
    query = (
        sa.select(WaitlistEntry)
        .where(WaitlistEntry.state == EntryState.WAITING)
        .order_by(WaitlistEntry.queued_at, WaitlistEntry.id)
    )
    wanted = set(device_ids)
    return [entry for entry in session.scalars(query) if wanted.intersection(entry.device_ids)]


def ended_offers(session: Session, *, now: datetime) -> list[str]:
    """The entries whose offer is over, by whatever end."""
    stands = sa.and_(Booking.state == BookingState.REQUESTED, Booking.lapses_at > now)
    query = (
        sa.select(WaitlistEntry.id)
        .join(Booking, Booking.id == WaitlistEntry.booking_id)
        .where(WaitlistEntry.state == EntryState.OFFERED, sa.not_(sa.func.coalesce(stands, sa.false())))
        .order_by(WaitlistEntry.id)
    )
    return list(session.scalars(query))


def is_offer(session: Session, booking_id: str) -> bool:
    """Whether a booking is an offer that somebody has not answered yet."""
    query = sa.select(WaitlistEntry.id).where(
        WaitlistEntry.booking_id == booking_id, WaitlistEntry.state == EntryState.OFFERED
    )
    return session.scalar(query) is not None


def open_offers(session: Session) -> dict[str, WaitlistEntry]:
    """Entries whose offer waits for an answer, by the booking that holds the slot."""
    query = sa.select(WaitlistEntry).where(WaitlistEntry.state == EntryState.OFFERED)
    return {entry.booking_id: entry for entry in session.scalars(query) if entry.booking_id is not None}
