"""Every query of the calendar."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from bookings.entitlements import HeldSlot
from bookings.models import Booking, BookingDevice, BookingEngineer
from bookings.states import BookingState
from devices.models import Device
from lab.core.database import storable, write_together
from lab.core.paging import Keyset, Page, PageWish, read_page
from lab.core.time import Span
from lab.people.models import Account, Organisation
from lab.people.principals import Role


@dataclass(frozen=True, slots=True)
class Asked:
    """Which bookings somebody wants to see."""

    span: Span | None = None
    """Only those that overlap it."""
    states: tuple[BookingState, ...] = ()
    """Only in these; none: in any."""
    device_id: str | None = None
    pilot_id: str | None = None
    series_id: str | None = None


BOOKINGS = Keyset("bookings", (Booking.start_at, Booking.id))

_WHOLE = (selectinload(Booking.devices), selectinload(Booking.engineers))
"""What belongs to a booking."""


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
    return list(session.scalars(_LOCK_DEVICES, {"device_ids": list(filter(storable, device_ids))}))


_LOCK_DEVICES = (
    sa.select(Device)
    .where(Device.id.in_(sa.bindparam("device_ids", expanding=True)))
    .order_by(Device.id)
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)
"""Made once: every booking asks it."""


def find_devices(session: Session, device_ids: Sequence[str]) -> list[Device]:
    """The known ones of these devices, sorted by id."""
    return list(
        session.scalars(sa.select(Device).where(Device.id.in_(filter(storable, device_ids))).order_by(Device.id))
    )


def device_ids(session: Session) -> list[str]:
    """All devices, retired ones included, sorted."""
    return list(session.scalars(sa.select(Device.id).order_by(Device.id)))


def find_booking(session: Session, booking_id: str) -> Booking | None:
    """A booking with its devices."""
    if not storable(booking_id):
        return None
    return session.scalar(sa.select(Booking).where(Booking.id == booking_id).options(*_WHOLE))


def lock_booking(session: Session, booking_id: str) -> Booking | None:
    """A booking with its devices as it is now, kept from other changes until this transaction ends."""
    if not storable(booking_id):
        return None
    return session.scalar(
        sa.select(Booking)
        .where(Booking.id == booking_id)
        .options(*_WHOLE)
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
    query = sa.select(Booking).options(*_WHOLE).order_by(Booking.start_at, Booking.id)
    if organisation_id is not None:
        query = query.where(Booking.organisation_id == organisation_id)
    if span is not None:
        query = query.where(Booking.start_at < span.end, Booking.end_at > span.start)
    return list(session.scalars(query))


def page_of_bookings(session: Session, page: PageWish, asked: Asked, *, organisation_id: str | None) -> Page[Booking]:
    """Part of the bookings that are asked for, by start, in three statements.

    Args:
        session: to read in.
        page: which part.
        asked: which bookings.
        organisation_id: only this one's; None: everybody's.
    """
    query = sa.select(Booking).options(*_WHOLE)
    wanted = {
        Booking.organisation_id: organisation_id,
        Booking.pilot_id: asked.pilot_id,
        Booking.series_id: asked.series_id,
    }
    for column, value in wanted.items():
        if value is not None:
            query = query.where(column == value if storable(value) else sa.false())
    if asked.span is not None:
        query = query.where(Booking.start_at < asked.span.end, Booking.end_at > asked.span.start)
    if asked.states:
        query = query.where(Booking.state.in_(asked.states))
    if asked.device_id is not None:
        held = sa.select(BookingDevice.booking_id).where(BookingDevice.device_id == asked.device_id)
        query = query.where(Booking.id.in_(held) if storable(asked.device_id) else sa.false())
    return read_page(session, query, BOOKINGS, page)


def find_conflicts(
    session: Session, wishes: Mapping[str, Span], *, except_bookings: Collection[str] = ()
) -> list[Reservation]:
    """What is held of the wished devices at the wished times.

    Args:
        session: to read in.
        wishes: by device, the span to reserve, buffers included.
        except_bookings: do not count (they are being moved).
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
    if except_bookings:
        query = query.where(BookingDevice.booking_id.not_in(except_bookings))
    return [
        Reservation(row.device_id, Span(row.reserved_start, row.reserved_end), booking)
        for row, booking in session.execute(query)
    ]


def reserved_spans(
    session: Session, device_ids: Sequence[str], window: Span, *, except_bookings: Collection[str] = ()
) -> list[tuple[str, Span]]:
    """What is held of these devices within a window, buffers included: (device, span), in no order."""
    query = sa.select(BookingDevice.device_id, BookingDevice.reserved_start, BookingDevice.reserved_end).where(
        BookingDevice.active,
        BookingDevice.device_id.in_(device_ids),
        BookingDevice.reserved_end > window.start,
        BookingDevice.reserved_start < window.end,
    )
    if except_bookings:
        query = query.where(BookingDevice.booking_id.not_in(except_bookings))
    return [(device_id, Span(start, end)) for device_id, start, end in session.execute(query)]


def occupancies(
    session: Session,
    organisation_id: str,
    *,
    device_id: str | None = None,
    at: datetime | None = None,
) -> list[Occupancy]:
    """The time an organisation has, had or will have on devices, by device and start.

    That is every booking which holds or held its devices, approved or begun; one that was cancelled after its start, or
    to which nobody came, counts up to its early end. The span is cut to what is reserved, so that it cannot overlap
    another organisation's
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
            Booking.state != BookingState.REQUESTED,
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


def insert_booking(session: Session, booking: Booking, *beside: tuple[sa.Table, Mapping[str, Any]]) -> None:
    """Write a new booking with what it holds, past the unit of work, which costs more.

    `booking` stays a plain value: to change it, read it again.

    Args:
        session: of a write transaction.
        booking: not attached to it.
        beside: further rows that are written with it: its line in the log, the job that tells of it.
    """
    held: list[BookingDevice | BookingEngineer] = [*booking.devices, *booking.engineers]
    rows = [(_TABLES[type(row)], {**_columns(row), "booking_id": booking.id}) for row in held]
    write_together(session, [(_TABLES[Booking], _columns(booking)), *rows, *beside])


_TABLES: dict[type[Any], sa.Table] = {
    one: cast(sa.Table, one.__table__) for one in (Booking, BookingDevice, BookingEngineer)
}
_NAMES = {one: tuple(column.name for column in table.columns) for one, table in _TABLES.items()}


def _columns(row: Booking | BookingDevice | BookingEngineer) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _NAMES[type(row)]}


def hold_organisation(session: Session, organisation_id: str, *, alone: bool) -> bool:
    """See that there is such an organisation, and keep it.

    Args:
        session: of a write transaction.
        organisation_id: for whom is booked.
        alone: keep its other bookings out until the transaction ends, so that they cannot exceed a quota together.
    """
    query = sa.select(Organisation.id).where(Organisation.id == organisation_id)
    if alone:
        query = query.with_for_update(key_share=True)
    return storable(organisation_id) and session.scalar(query) is not None


def held_slots(
    session: Session,
    organisation_id: str,
    *,
    window: Span,
    pilot_id: str | None,
    now: datetime,
    except_bookings: Collection[str] = (),
) -> list[HeldSlot]:
    """What a company holds, for its quotas.

    Args:
        session: to read in.
        organisation_id: whose.
        window: everything that overlaps it,
        pilot_id: and everything for this pilot,
        now: and everything that ends after this instant.
        except_bookings: do not count.
    """
    counts = [sa.and_(Booking.start_at < window.end, Booking.end_at > window.start), Booking.end_at > now]
    if pilot_id is not None:
        counts.append(Booking.pilot_id == pilot_id)
    query = (
        sa.select(Booking.id, Booking.start_at, Booking.end_at, Booking.pilot_id, Device.id, Device.kind)
        .join(BookingDevice, BookingDevice.booking_id == Booking.id)
        .join(Device, Device.id == BookingDevice.device_id)
        .where(Booking.organisation_id == organisation_id, BookingDevice.active, sa.or_(*counts))
    )
    if except_bookings:
        query = query.where(Booking.id.not_in(except_bookings))
    found: dict[str, tuple[Span, str | None, list[tuple[str, str]]]] = {}
    for booking_id, start, end, pilot, device_id, kind in session.execute(query):
        found.setdefault(booking_id, (Span(start, end), pilot, []))[2].append((device_id, kind))
    return [HeldSlot(booking_id, span, pilot, tuple(devices)) for booking_id, (span, pilot, devices) in found.items()]


def lock_engineers(session: Session) -> list[str]:
    """The lab's engineers that are in service, by id, kept from other bookings until the transaction ends."""
    return list(session.scalars(_engineers().with_for_update(key_share=True)))


def engineer_ids(session: Session) -> list[str]:
    """The lab's engineers that are in service, by id."""
    return list(session.scalars(_engineers()))


def _engineers() -> sa.Select[str]:
    return (
        sa.select(Account.id)
        .where(Account.role == Role.ENGINEER.value, Account.disabled_at.is_(None))
        .order_by(Account.id)
    )


def engineers_reserved(
    session: Session, window: Span, *, except_bookings: Collection[str] = ()
) -> list[tuple[str, Span]]:
    """When engineers supervise within a window: (account, span), in no order."""
    query = sa.select(BookingEngineer.account_id, BookingEngineer.reserved_start, BookingEngineer.reserved_end).where(
        BookingEngineer.active,
        BookingEngineer.reserved_end > window.start,
        BookingEngineer.reserved_start < window.end,
    )
    if except_bookings:
        query = query.where(BookingEngineer.booking_id.not_in(except_bookings))
    return [(account_id, Span(start, end)) for account_id, start, end in session.execute(query)]


def lock_lapsed(session: Session, booking_ids: Collection[str], *, now: datetime) -> list[Booking]:
    """Those of these requests whose time is over, kept from others; one that somebody decides just now is left out."""
    query = (
        sa.select(Booking)
        .where(Booking.id.in_(booking_ids), Booking.state == BookingState.REQUESTED, Booking.lapses_at <= now)
        .order_by(Booking.id)
        .options(*_WHOLE)
        .with_for_update(key_share=True, of=Booking, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    return list(session.scalars(query))


def begun_unused(session: Session, *, now: datetime, limit: int) -> list[tuple[str, datetime, list[str]]]:
    """Confirmed bookings whose time has begun and that nobody has checked in to: (id, start, devices)."""
    query = (
        sa.select(Booking)
        .options(selectinload(Booking.devices))
        .where(Booking.state == BookingState.CONFIRMED, Booking.start_at <= now, Booking.end_at > now)
        .order_by(Booking.start_at, Booking.id)
        .limit(limit)
    )
    return [(one.id, one.start_at, [row.device_id for row in one.devices]) for one in session.scalars(query)]


def due_bookings(session: Session, *, now: datetime, begun: bool, limit: int) -> list[str]:
    """Bookings that time itself changes now: requests that lapse, slots that are over.

    Args:
        session: to read in.
        now: the present instant.
        begun: also confirmed ones that have begun: somebody may not have come.
        limit: how many at most, those that end first.
    """
    due = [
        sa.and_(Booking.state == BookingState.REQUESTED, Booking.lapses_at <= now),
        sa.and_(Booking.state.in_([BookingState.CONFIRMED, BookingState.IN_USE]), Booking.end_at <= now),
    ]
    if begun:
        due.append(sa.and_(Booking.state == BookingState.CONFIRMED, Booking.start_at <= now))
    query = sa.select(Booking.id).where(sa.or_(*due)).order_by(Booking.end_at, Booking.id).limit(limit)
    return list(session.scalars(query))
