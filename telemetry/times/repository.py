"""Every query on clocks and assigned times."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from telemetry.models import Boot, ClockOffset, MachineEvent, TimeAssignment
from telemetry.stores.interface import Flag

_AT_ONCE = 20


def boots_of(session: Session, device: str, *, limit: int) -> Sequence[Boot]:
    """The boots of a device, the one heard last first."""
    query = sa.select(Boot).where(Boot.device_id == device)
    return session.scalars(query.order_by(Boot.last_received_at.desc(), Boot.boot).limit(limit)).all()


def assignments_of(session: Session, device: str, boots: Sequence[str]) -> Sequence[TimeAssignment]:
    """What was assigned, the oldest first."""
    query = sa.select(TimeAssignment).where(TimeAssignment.device_id == device, TimeAssignment.boot.in_(boots))
    return session.scalars(query.order_by(TimeAssignment.assigned_at, TimeAssignment.id)).all()


def boot_heard_since(session: Session, device: str, since: datetime) -> str | None:
    """The boot of the newest message of a device, if that was received since then."""
    query = sa.select(Boot.boot).where(Boot.device_id == device, Boot.last_received_at >= since)
    return session.scalar(query.order_by(Boot.last_received_at.desc(), Boot.boot).limit(1))


def last_heard(session: Session) -> dict[str, datetime]:
    """Device → when the newest message of any of its boots was received."""
    query = sa.select(Boot.device_id, sa.func.max(Boot.last_received_at)).group_by(Boot.device_id)
    return {row.device_id: row[1] for row in session.execute(query)}


def offsets_of(session: Session, device: str, boots: Sequence[str]) -> Sequence[ClockOffset]:
    """Change points, in the order in which they were learned."""
    query = sa.select(ClockOffset).where(ClockOffset.device_id == device, ClockOffset.boot.in_(boots))
    return session.scalars(query.order_by(ClockOffset.from_seq, ClockOffset.from_device_ns)).all()


def waiting_assignments(session: Session) -> Sequence[TimeAssignment]:
    """Those that the recorder has still to apply, the oldest first; not all at once."""
    query = sa.select(TimeAssignment).where(TimeAssignment.applied_at.is_(None))
    return session.scalars(query.order_by(TimeAssignment.assigned_at, TimeAssignment.id).limit(_AT_ONCE)).all()


def note_applied(session: Session, assignment_id: str, *, now: datetime) -> None:
    """Samples and events have their new time."""
    session.execute(sa.update(TimeAssignment).where(TimeAssignment.id == assignment_id).values(applied_at=now))


def events_in(session: Session, assignment: TimeAssignment, *, uncertain_only: bool) -> Sequence[MachineEvent]:
    """The events that an assignment is about."""
    query = sa.select(MachineEvent).where(
        MachineEvent.device_id == assignment.device_id,
        MachineEvent.boot == assignment.boot,
        MachineEvent.device_ns >= assignment.from_device_ns,
        MachineEvent.device_ns < assignment.to_device_ns,
    )
    if assignment.from_seq is not None:
        query = query.where(MachineEvent.seq >= assignment.from_seq)
    if assignment.to_seq is not None:
        query = query.where(MachineEvent.seq <= assignment.to_seq)
    if uncertain_only:
        query = query.where(MachineEvent.flags.bitwise_and(int(Flag.UNCERTAIN)) != 0)
    return session.scalars(query).all()
