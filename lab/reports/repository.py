"""Every query on data sets and reports."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from bookings.models import Booking, BookingDevice
from bookings.prices.models import Programme
from bookings.states import BookingState
from lab.core.audit import AuditEntry
from lab.core.database import storable
from lab.people.models import Account, Organisation
from lab.pilots.models import Pilot
from lab.reports.models import DataSet, Report


def find_data_set(session: Session, data_set_id: str) -> DataSet | None:
    """A data set by its id."""
    return session.get(DataSet, data_set_id)


def latest_data_set(session: Session, pilot_id: str) -> DataSet | None:
    """The newest version of a pilot's sealed data."""
    return session.scalar(
        sa.select(DataSet).where(DataSet.pilot_id == pilot_id).order_by(DataSet.version.desc()).limit(1)
    )


def data_sets(session: Session, pilot_id: str) -> list[DataSet]:
    """Every version of a pilot's sealed data, the newest first."""
    return list(
        session.scalars(sa.select(DataSet).where(DataSet.pilot_id == pilot_id).order_by(DataSet.version.desc()))
    )


def report_of(session: Session, data_set_id: str) -> Report | None:
    """The newest report on a data set."""
    query = sa.select(Report).where(Report.data_set_id == data_set_id)
    return session.scalar(query.order_by(Report.version.desc()).limit(1))


def report(session: Session, report_id: str) -> Report | None:
    """A report by its id."""
    return session.get(Report, report_id) if storable(report_id) else None


def lock_report(session: Session, report_id: str) -> Report | None:
    """A report as it is now, kept from other changes until this transaction ends."""
    if not storable(report_id):
        return None
    query = sa.select(Report).where(Report.id == report_id).with_for_update()
    return session.scalar(query.execution_options(populate_existing=True))


def newest_report(session: Session, pilot_id: str) -> Report | None:
    """The newest version of a pilot's report."""
    return session.scalar(sa.select(Report).where(Report.pilot_id == pilot_id).order_by(Report.version.desc()).limit(1))


def last_actor(session: Session, report_id: str, what: str) -> str | None:
    """The account that did something to a report last, by the log of changes."""
    return session.scalar(
        sa.select(AuditEntry.by)
        .where(AuditEntry.subject == "report", AuditEntry.subject_id == report_id, AuditEntry.what == what)
        .order_by(AuditEntry.id.desc())
        .limit(1)
    )


def company_of(session: Session, pilot_id: str) -> tuple[Pilot, list[Account]]:
    """A pilot and the people of its company whose accounts are open."""
    pilot = session.get_one(Pilot, pilot_id)
    members = sa.select(Account).where(Account.organisation_id == pilot.organisation_id, Account.disabled_at.is_(None))
    return pilot, list(session.scalars(members.order_by(Account.id)))


def find_report(session: Session, report_id: str) -> tuple[Report, Pilot] | None:
    """A report with its pilot."""
    if not storable(report_id):
        return None
    query = sa.select(Report, Pilot).join(Pilot, Pilot.id == Report.pilot_id).where(Report.id == report_id)
    found = session.execute(query).one_or_none()
    return None if found is None else (found[0], found[1])


def list_reports(session: Session, *, organisation_id: str | None, pilot_id: str | None) -> list[Report]:
    """Reports, the newest first; only one organisation's and one pilot's, where named."""
    query = sa.select(Report).join(Pilot, Pilot.id == Report.pilot_id)
    if organisation_id is not None:
        query = query.where(Pilot.organisation_id == organisation_id)
    if pilot_id is not None:
        query = query.where(Report.pilot_id == pilot_id if storable(pilot_id) else sa.false())
    return list(session.scalars(query.order_by(Report.created_at.desc(), Report.number.desc())))


def organisation_name(session: Session, organisation_id: str) -> str | None:
    """Name of an organisation."""
    return session.scalar(sa.select(Organisation.name).where(Organisation.id == organisation_id))


def lab_name(session: Session) -> str | None:
    """Name of the lab itself."""
    query = sa.select(Organisation.name).where(Organisation.kind == "lab")
    return session.scalar(query.order_by(Organisation.created_at, Organisation.id).limit(1))


def account_name(session: Session, account_id: str) -> str | None:
    """Name of a person."""
    return session.scalar(sa.select(Account.name).where(Account.id == account_id))


def last_end(session: Session, booking_ids: set[str]) -> datetime | None:
    """When the last of these bookings ends."""
    return session.scalar(sa.select(sa.func.max(Booking.end_at)).where(Booking.id.in_(booking_ids)))


def booked_devices(session: Session, booking_ids: set[str]) -> dict[str, list[str]]:
    """Booking → its devices, sorted."""
    rows = session.execute(
        sa.select(BookingDevice.booking_id, BookingDevice.device_id)
        .where(BookingDevice.booking_id.in_(booking_ids))
        .order_by(BookingDevice.booking_id, BookingDevice.device_id)
    )
    found: dict[str, list[str]] = {}
    for booking_id, device_id in rows:
        found.setdefault(booking_id, []).append(device_id)
    return found


def priced_bookings(
    session: Session, pilot_id: str, *, used: Collection[str]
) -> list[tuple[Booking, str | None, int | None]]:
    """Bookings of a pilot that have a price, with name and state share (per mille) of their programme, by start.

    Args:
        session: to read with.
        pilot_id: the pilot.
        used: bookings that runs were made in; they count whatever has become of them, others unless cancelled.
    """
    kept = sa.or_(
        Booking.id.in_(used), sa.and_(Booking.pilot_id == pilot_id, Booking.state != BookingState.CANCELLED.value)
    )
    rows = session.execute(
        sa.select(Booking, Programme.name, Programme.state_share_per_mille)
        .outerjoin(Programme, Programme.id == Booking.programme_id)
        .where(kept, Booking.market_value_cents.is_not(None))
        .order_by(Booking.start_at, Booking.id)
    )
    return [(booking, name, share) for booking, name, share in rows]
