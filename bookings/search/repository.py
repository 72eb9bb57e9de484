"""Every query of the slot search.

What is read of the calendar are the gaps, not what lies between them: a device that is booked thirty times a day has
few gaps that are long enough. On PostgreSQL `range_agg` finds them, seven times as fast as reading every row or asking
each for the one before; on SQLite the rows are at hand as integers anyway.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from bookings.models import Booking, BookingDevice, BookingEngineer
from bookings.states import BookingState
from devices.models import Device
from lab.core.database import storable
from lab.core.time import Span, to_microseconds

Gaps = dict[str, list[tuple[int, int]]]
"""By device or engineer, when nothing is held: `[from, until)` in microseconds, sorted."""


def devices_in_service(session: Session) -> list[Device]:
    """All devices that can be booked, by id."""
    return list(session.scalars(sa.select(Device).where(Device.retired_at.is_(None)).order_by(Device.id)))


def find_devices(session: Session, device_ids: Collection[str]) -> list[Device]:
    """The known ones of these devices, by id, retired or not."""
    known = list(filter(storable, device_ids))
    return list(session.scalars(sa.select(Device).where(Device.id.in_(known)).order_by(Device.id)))


def capabilities_in_service(session: Session) -> dict[str, list[dict[str, Any]]]:
    """By device in service, what it can do, as the catalogue says."""
    query = sa.select(Device.id, Device.capabilities).where(Device.retired_at.is_(None)).order_by(Device.id)
    return {row.id: row.capabilities for row in session.execute(query)}


def lapsed_requests(session: Session, *, now: datetime) -> list[str]:
    """Requests whose time is over although nobody has taken their slots back yet: the gate lets others have them."""
    return list(
        session.scalars(sa.select(Booking.id).where(Booking.state == BookingState.REQUESTED, Booking.lapses_at <= now))
    )


def device_gaps(
    session: Session,
    device_ids: Sequence[str],
    window: Span,
    *,
    least: timedelta,
    except_bookings: Collection[str] = (),
) -> Gaps:
    """When nothing is held of these devices within a window, buffers included.

    Args:
        session: to read in.
        device_ids: which.
        window: gaps are cut to it.
        least: shorter gaps than this may be left out.
        except_bookings: do not count as held.
    """
    return _gaps(session, BookingDevice, BookingDevice.device_id, device_ids, window, least, except_bookings)


def engineer_gaps(session: Session, account_ids: Sequence[str], window: Span, *, least: timedelta) -> Gaps:
    """When these engineers supervise nothing; arguments as of `device_gaps`."""
    return _gaps(session, BookingEngineer, BookingEngineer.account_id, account_ids, window, least, ())


def _gaps(
    session: Session,
    held: type[BookingDevice] | type[BookingEngineer],
    holder: InstrumentedAttribute[str],
    names: Sequence[str],
    window: Span,
    least: timedelta,
    except_bookings: Collection[str],
) -> Gaps:
    which = [held.active, holder.in_(names), held.reserved_end > window.start, held.reserved_start < window.end]
    if except_bookings:
        which.append(held.booking_id.not_in(except_bookings))
    read = _integers if session.get_bind().dialect.name == "sqlite" else _islands
    taken: Gaps = {name: [] for name in names}
    for name, start, end in read(session, held, holder, which, least - timedelta.resolution):
        taken[name].append((start, end))
    begin, end = to_microseconds(window.start), to_microseconds(window.end)
    return {name: _between(begin, end, sorted(stretches)) for name, stretches in taken.items()}


def _between(begin: int, end: int, taken: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    found, free_from = [], begin
    for start, stop in taken:
        if start > free_from:
            found.append((free_from, start))
        free_from = max(free_from, stop)
    if free_from < end:
        found.append((free_from, end))
    return found


def _islands(
    session: Session,
    held: type[BookingDevice] | type[BookingEngineer],
    holder: InstrumentedAttribute[str],
    which: Sequence[sa.SQLColumnExpression[bool]],
    bridged: timedelta,
) -> Iterator[tuple[str, int, int]]:
    """What is held, one row for everything that no longer gap divides than the one bridged."""
    reserved = sa.func.tstzrange(held.reserved_start, held.reserved_end + sa.literal(bridged, sa.Interval()))
    island = sa.func.unnest(sa.func.range_agg(reserved)).label("island")
    islands = sa.select(holder.label("holder"), island).where(*which).group_by(holder).subquery()
    first = sa.func.lower(islands.c.island, type_=sa.DateTime(timezone=True))
    last = sa.func.upper(islands.c.island, type_=sa.DateTime(timezone=True))
    for name, start, end in session.execute(sa.select(islands.c.holder, first, last)):
        yield name, to_microseconds(start), to_microseconds(end - bridged)


def _integers(
    session: Session,
    held: type[BookingDevice] | type[BookingEngineer],
    holder: InstrumentedAttribute[str],
    which: Sequence[sa.SQLColumnExpression[bool]],
    bridged: timedelta,
) -> Iterator[tuple[str, int, int]]:
    """What is held, row by row, as SQLite stores it."""
    start, end = (sa.type_coerce(edge, sa.BigInteger) for edge in (held.reserved_start, held.reserved_end))
    for row in session.execute(sa.select(holder, start, end).where(*which)):
        yield row[0], row[1], row[2]
