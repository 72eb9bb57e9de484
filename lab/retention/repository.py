"""The queries of retention."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from bookings.models import Booking, BookingDevice
from bookings.states import BookingState
from devices.models import Device
from lab.core.database import storable
from lab.core.time import to_nanoseconds
from lab.pilots.models import Pilot, Run
from lab.reports.models import DataSet, Report
from lab.retention.models import DataSetTerm, RetentionRule
from lab.retention.rules import PilotTime, Span
from telemetry.grants import END_NS
from telemetry.models import MachineEvent
from telemetry.stores.interface import Flag

LAB = "lab"
"""Scope of the rule of the whole lab."""


def find_rule(session: Session, scope: str) -> RetentionRule | None:
    """What is set for the lab or a pilot."""
    return session.get(RetentionRule, scope) if storable(scope) else None


def all_rules(session: Session) -> list[tuple[RetentionRule, Pilot | None]]:
    """What is set: the lab's own first, then by the pilots' numbers."""
    query = (
        sa.select(RetentionRule, Pilot)
        .outerjoin(Pilot, Pilot.id == RetentionRule.scope)
        .order_by(sa.case((RetentionRule.scope == LAB, 0), else_=1), Pilot.number)
    )
    return [(rule, pilot) for rule, pilot in session.execute(query)]


def device_ids(session: Session) -> list[str]:
    """All devices, retired ones too."""
    return list(session.scalars(sa.select(Device.id).order_by(Device.id)))


def pilot_times(session: Session, device_id: str, pilot_ids: Sequence[str]) -> list[PilotTime]:
    """The time that pilots have or had on a device, as `bookings.repository.occupancies` tells it of a company."""
    query = (
        sa.select(Booking.pilot_id, Booking.start_at, Booking.end_at)
        .join(BookingDevice, BookingDevice.booking_id == Booking.id)
        .where(
            BookingDevice.device_id == device_id,
            BookingDevice.active,
            Booking.state != BookingState.REQUESTED,
            Booking.pilot_id.in_(pilot_ids),
        )
    )
    return [
        PilotTime(pilot_id, to_nanoseconds(start), to_nanoseconds(end))
        for pilot_id, start, end in session.execute(query)
        if pilot_id is not None and start < end
    ]


def needed_spans(session: Session, device_id: str) -> list[Span]:
    """The time of runs that go on, and of runs whose pilot is not sealed yet."""
    sealed = sa.exists().where(DataSet.pilot_id == Run.pilot_id)
    query = (
        sa.select(Run.started_at, Run.ended_at)
        .join(BookingDevice, BookingDevice.booking_id == Run.booking_id)
        .where(
            BookingDevice.device_id == device_id, Run.started_at.is_not(None), sa.or_(Run.ended_at.is_(None), ~sealed)
        )
    )
    return [
        (to_nanoseconds(start), END_NS if end is None else to_nanoseconds(end))
        for start, end in session.execute(query)
        if start is not None
    ]


def delete_events(session: Session, device_id: str, spans: Sequence[Span], *, doubtful_before_ns: int) -> int:
    """Delete what a device reported in spans of settled time; of what is in doubt, only what was received before."""
    certain = MachineEvent.flags.bitwise_and(int(Flag.UNCERTAIN)) == 0
    surely = certain | (MachineEvent.received_ns < doubtful_before_ns)
    gone = 0
    for start, end in spans:
        inside = (MachineEvent.settled_ns >= start, MachineEvent.settled_ns < end)
        found = session.execute(sa.delete(MachineEvent).where(MachineEvent.device_id == device_id, surely, *inside))
        gone += found.rowcount  # type: ignore[attr-defined]
    return gone


def find_data_set(session: Session, data_set_id: str) -> tuple[DataSet, Pilot] | None:
    """A sealed data set and its pilot."""
    if not storable(data_set_id):
        return None
    query = sa.select(DataSet, Pilot).join(Pilot, Pilot.id == DataSet.pilot_id).where(DataSet.id == data_set_id)
    found = session.execute(query).one_or_none()
    return None if found is None else (found[0], found[1])


def find_term(session: Session, data_set_id: str) -> DataSetTerm | None:
    """Until when a data set is kept, where that is set."""
    return session.get(DataSetTerm, data_set_id)


def data_sets_with_terms(session: Session, pilot_id: str | None = None) -> list[tuple[DataSet, DataSetTerm | None]]:
    """Sealed data sets, the newest first, with their terms."""
    query = sa.select(DataSet, DataSetTerm).outerjoin(DataSetTerm, DataSetTerm.data_set_id == DataSet.id)
    if pilot_id is not None:
        query = query.where(DataSet.pilot_id == pilot_id if storable(pilot_id) else sa.false())
    return [(found, term) for found, term in session.execute(query.order_by(DataSet.sealed_at.desc(), DataSet.id))]


def ended_terms(session: Session, now: datetime) -> list[tuple[DataSet, DataSetTerm]]:
    """Data sets whose time is over and that are still there."""
    query = (
        sa.select(DataSet, DataSetTerm)
        .join(DataSetTerm, DataSetTerm.data_set_id == DataSet.id)
        .where(DataSetTerm.keep_until <= now, DataSetTerm.removed_at.is_(None))
        .order_by(DataSet.id)
    )
    return [(found, term) for found, term in session.execute(query)]


def report_folders(session: Session, data_set_id: str) -> list[str]:
    """Folders of the reports on a data set, relative to the data folder."""
    return list(session.scalars(sa.select(Report.folder).where(Report.data_set_id == data_set_id)))
