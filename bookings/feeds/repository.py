"""Every query of calendar feeds. However many events there are, a feed takes the same few statements."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from bookings.feeds.models import CalendarLink
from bookings.feeds.rules import CalendarKind, Window
from bookings.models import Booking, BookingDevice, BookingEngineer
from bookings.states import BookingState
from devices.models import Device
from lab.core.database import storable
from lab.people.models import Account, Organisation

_GONE = (BookingState.CANCELLED.value, BookingState.NO_SHOW.value)


@dataclass(frozen=True, slots=True)
class FeedBooking:
    """A booking in full, with the names of what belongs to it."""

    id: str
    version: int
    start: datetime
    end: datetime
    state: str
    title: str
    company: str
    created_at: datetime
    changed_at: datetime
    devices: Sequence[str]
    engineers: Sequence[str]


@dataclass(frozen=True, slots=True)
class BusySpan:
    """When a device is taken by a booking of which nothing else was read."""

    booking_id: str
    version: int
    start: datetime
    end: datetime


def add_link(session: Session, link: CalendarLink) -> None:
    """Keep a new link."""
    session.add(link)
    session.flush()


def link_in_use(session: Session, token_hash: str) -> tuple[CalendarLink, Account] | None:
    """The link behind a secret and whose it is; `None` once it is revoked or its owner's account is closed."""
    row = session.execute(
        sa.select(CalendarLink, Account)
        .join(Account, CalendarLink.account_id == Account.id)
        .where(CalendarLink.token_hash == token_hash, CalendarLink.revoked_at.is_(None), Account.disabled_at.is_(None))
    ).first()
    return None if row is None else (row[0], row[1])


def link_of(session: Session, account_id: str, link_id: str) -> CalendarLink | None:
    """One of this person's links, kept from other changes until the transaction ends."""
    if not storable(link_id):
        return None
    return session.scalar(
        sa.select(CalendarLink)
        .where(CalendarLink.id == link_id, CalendarLink.account_id == account_id)
        .with_for_update()
    )


def links_of(session: Session, account_id: str) -> Sequence[CalendarLink]:
    """All links of a person, the newest first, revoked ones included."""
    return session.scalars(
        sa.select(CalendarLink)
        .where(CalendarLink.account_id == account_id)
        .order_by(CalendarLink.created_at.desc(), CalendarLink.id)
    ).all()


def count_links_in_use(session: Session, account_id: str) -> int:
    """How many links of a person still work."""
    query = (
        sa.select(sa.func.count())
        .select_from(CalendarLink)
        .where(CalendarLink.account_id == account_id, CalendarLink.revoked_at.is_(None))
    )
    return session.scalar(query) or 0


def note_read(session: Session, link_id: str, *, now: datetime, at_most_every: timedelta) -> None:
    """Note that a link was read, unless that was noted a short while ago."""
    session.execute(
        sa.update(CalendarLink)
        .where(
            CalendarLink.id == link_id,
            sa.or_(CalendarLink.last_read_at.is_(None), CalendarLink.last_read_at <= now - at_most_every),
        )
        .values(last_read_at=now)
    )


def name_of_subject(session: Session, kind: CalendarKind, subject_id: str) -> str | None:
    """What people call the person, device or company; `None`: there is none."""
    if not storable(subject_id):
        return None
    if kind is CalendarKind.DEVICE:
        return session.scalar(sa.select(Device.name).where(Device.id == subject_id))
    if kind is CalendarKind.COMPANY:
        return session.scalar(sa.select(Organisation.name).where(Organisation.id == subject_id))
    return session.scalar(sa.select(Account.name).where(Account.id == subject_id))


def bookings_of(
    session: Session, kind: CalendarKind, subject_id: str, *, only_of: str | None, window: Window
) -> list[FeedBooking]:
    """The bookings of a calendar, by start, in three statements.

    Args:
        session: to read in.
        kind: whose calendar.
        subject_id: account, device or organisation id.
        only_of: this organisation's bookings only; `None`: everybody's.
        window: what it looks back to.
    """
    chosen = [_subject_filter(kind, subject_id), *_window_filter(window)]
    if only_of is not None:
        chosen.append(Booking.organisation_id == only_of)
    devices = _names_by_booking(
        session,
        sa.select(BookingDevice.booking_id, Device.name)
        .join(Booking, BookingDevice.booking_id == Booking.id)
        .join(Device, BookingDevice.device_id == Device.id)
        .where(*chosen)
        .order_by(BookingDevice.device_id),
    )
    engineers = _names_by_booking(
        session,
        sa.select(BookingEngineer.booking_id, Account.name)
        .join(Booking, BookingEngineer.booking_id == Booking.id)
        .join(Account, BookingEngineer.account_id == Account.id)
        .where(*chosen)
        .order_by(Account.name),
    )
    rows = session.execute(
        sa.select(
            Booking.id,
            Booking.version,
            Booking.start_at,
            Booking.end_at,
            Booking.state,
            Booking.title,
            Organisation.name,
            Booking.created_at,
            Booking.changed_at,
        )
        .join(Organisation, Booking.organisation_id == Organisation.id)
        .where(*chosen)
        .order_by(Booking.start_at, Booking.id)
    )
    return [FeedBooking(*row, devices.get(row[0], ()), engineers.get(row[0], ())) for row in rows]


def busy_spans(session: Session, device_id: str, *, except_of: str, window: Window) -> list[BusySpan]:
    """When others than an organisation hold or held a device, buffers included, by start.

    Titles and companies are not even read.
    """
    rows = session.execute(
        sa.select(BookingDevice.booking_id, Booking.version, BookingDevice.reserved_start, BookingDevice.reserved_end)
        .join(Booking, BookingDevice.booking_id == Booking.id)
        .where(
            BookingDevice.device_id == device_id,
            BookingDevice.active,
            BookingDevice.reserved_end > window.since,
            Booking.organisation_id != except_of,
        )
        .order_by(BookingDevice.reserved_start, BookingDevice.booking_id)
    )
    return [BusySpan(*row) for row in rows]


def _subject_filter(kind: CalendarKind, subject_id: str) -> sa.ColumnElement[bool]:
    if kind is CalendarKind.COMPANY:
        return Booking.organisation_id == subject_id
    if kind is CalendarKind.DEVICE:
        return Booking.id.in_(sa.select(BookingDevice.booking_id).where(BookingDevice.device_id == subject_id))
    supervised = sa.select(BookingEngineer.booking_id).where(BookingEngineer.account_id == subject_id)
    return sa.or_(Booking.booked_by == subject_id, Booking.id.in_(supervised))


def _window_filter(window: Window) -> list[sa.ColumnElement[bool]]:
    return [
        Booking.end_at > window.since,
        sa.or_(Booking.state.not_in(_GONE), Booking.changed_at > window.gone_since),
    ]


def _names_by_booking(session: Session, query: sa.Select[str, str]) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for booking_id, name in session.execute(query):
        found[booking_id].append(name)
    return found
