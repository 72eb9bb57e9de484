"""Every query of the slot search.

What is read of the calendar are the gaps, not what lies between them: a device that is booked thirty times a day has
few gaps that are long enough, and the database finds them in the order of its index. Active rows of one device (or
engineer) never overlap (I1), so a gap lies between each row and the next.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from bookings.models import Booking, BookingDevice, BookingEngineer
from bookings.states import BookingState
from devices.models import Device
from lab.core.database import UtcDateTime, storable
from lab.core.time import MICROSECOND, Span, to_microseconds

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
    # In the order of the index, so that nothing is sorted.
    order = (held.reserved_end, held.reserved_start)
    query = sa.select(
        holder.label("holder"),
        sa.func.lag(held.reserved_end, type_=UtcDateTime).over(partition_by=holder, order_by=order).label("before"),
        held.reserved_start.label("first"),
        held.reserved_end.label("last"),
        sa.func.lead(held.reserved_start, type_=UtcDateTime).over(partition_by=holder, order_by=order).label("after"),
    ).where(held.active, holder.in_(names), held.reserved_end > window.start, held.reserved_start < window.end)
    if except_bookings:
        query = query.where(held.booking_id.not_in(except_bookings))
    rows = query.subquery()
    at_edge = sa.or_(rows.c.before.is_(None), rows.c.after.is_(None))
    found = session.execute(
        sa.select(rows.c.holder, rows.c.before, rows.c.first, rows.c.last, rows.c.after)
        .where(sa.or_(at_edge, _at_least(session, rows.c.first, rows.c.before, least)))
        .order_by(rows.c.holder, rows.c.last)
    )
    begin, end = to_microseconds(window.start), to_microseconds(window.end)
    gaps: Gaps = {name: [] for name in names}
    free_after = dict.fromkeys(names, begin)
    for name, earlier, first, last, later in found:
        gaps[name].append((begin if earlier is None else to_microseconds(earlier), to_microseconds(first)))
        if later is None:
            free_after[name] = to_microseconds(last)
    for name, free_from in free_after.items():
        gaps[name].append((free_from, end))
    return {name: [(start, stop) for start, stop in listed if start < stop] for name, listed in gaps.items()}


def _at_least(session: Session, later: Any, earlier: Any, least: timedelta) -> sa.ColumnElement[bool]:
    """Whether two instants are so far apart, in the dialect's own arithmetic."""
    if session.get_bind().dialect.name == "sqlite":
        microseconds = sa.type_coerce(later, sa.BigInteger) - sa.type_coerce(earlier, sa.BigInteger)
        return microseconds >= least // MICROSECOND
    apart = sa.type_coerce(later, sa.DateTime(timezone=True)) - sa.type_coerce(earlier, sa.DateTime(timezone=True))
    return apart >= sa.literal(least, sa.Interval())
