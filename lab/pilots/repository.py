"""Every query on pilots, plans and runs."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from bookings import repository as bookings
from bookings.models import Booking
from lab.core.database import storable
from lab.people.models import Organisation
from lab.pilots.models import Pilot, Plan, Run


def find_pilot(session: Session, pilot_id: str) -> Pilot | None:
    """A pilot by its id."""
    return session.get(Pilot, pilot_id) if storable(pilot_id) else None


def lock_pilot(session: Session, pilot_id: str) -> Pilot | None:
    """A pilot as it is now, kept from other changes until this transaction ends."""
    if not storable(pilot_id):
        return None
    return session.scalar(
        sa.select(Pilot).where(Pilot.id == pilot_id).with_for_update().execution_options(populate_existing=True)
    )


def list_pilots(session: Session, *, organisation_id: str | None) -> list[Pilot]:
    """Pilots, the newest first; only this organisation's, or everybody's."""
    query = sa.select(Pilot).order_by(Pilot.created_at.desc(), Pilot.number.desc())
    if organisation_id is not None:
        query = query.where(Pilot.organisation_id == organisation_id)
    return list(session.scalars(query))


def organisation_exists(session: Session, organisation_id: str) -> bool:
    """Whether there is such an organisation."""
    query = sa.select(Organisation.id).where(Organisation.id == organisation_id)
    return storable(organisation_id) and session.scalar(query) is not None


def number_exists(session: Session, number: str) -> bool:
    """Whether a pilot has this number."""
    return session.scalar(sa.select(Pilot.id).where(Pilot.number == number)) is not None


def numbers_like(session: Session, prefix: str) -> list[str]:
    """Numbers of pilots that begin with a prefix."""
    return list(session.scalars(sa.select(Pilot.number).where(Pilot.number.startswith(prefix, autoescape=True))))


def latest_plan(session: Session, pilot_id: str) -> Plan | None:
    """The newest version of a pilot's plan."""
    if not storable(pilot_id):
        return None
    return session.scalar(sa.select(Plan).where(Plan.pilot_id == pilot_id).order_by(Plan.version.desc()).limit(1))


def plan_versions(session: Session, pilot_id: str) -> list[Plan]:
    """Every version of a pilot's plan, the first one first."""
    return list(session.scalars(sa.select(Plan).where(Plan.pilot_id == pilot_id).order_by(Plan.version)))


def list_runs(session: Session, pilot_id: str) -> list[Run]:
    """A pilot's runs, in planned order."""
    return list(session.scalars(sa.select(Run).where(Run.pilot_id == pilot_id).order_by(Run.number)))


def lock_runs(session: Session, pilot_id: str) -> list[Run]:
    """A pilot's runs as they are now, in planned order, kept from other changes until this transaction ends."""
    return list(
        session.scalars(
            sa.select(Run)
            .where(Run.pilot_id == pilot_id)
            .order_by(Run.number)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )


def find_booking(session: Session, booking_id: str) -> Booking | None:
    """A booking with its devices."""
    return bookings.find_booking(session, booking_id)
