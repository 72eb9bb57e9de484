"""The recorder's queries. Every write adds what is absent and leaves what is there."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from telemetry.models import ClockOffset, DeadLetter, MachineEvent, SequenceRange
from telemetry.settling import ChangePoint

_ROWS_A_STATEMENT = 500


def change_points(session: Session, device_id: str, boot: str) -> list[ChangePoint]:
    """The stored change points of one boot, in order of device time."""
    rows = session.execute(
        sa.select(ClockOffset.from_device_ns, ClockOffset.offset_ns, ClockOffset.uncertain)
        .where(ClockOffset.device_id == device_id, ClockOffset.boot == boot)
        .order_by(ClockOffset.from_device_ns)
    )
    return [ChangePoint(start, offset, uncertain) for start, offset, uncertain in rows]


def add_change_points(session: Session, points: Sequence[tuple[str, str, ChangePoint]], *, now: datetime) -> None:
    """Store change points (device, boot, point)."""
    _add_absent(
        session,
        ClockOffset,
        [
            {
                "device_id": device,
                "boot": boot,
                "from_device_ns": point.from_device_ns,
                "offset_ns": point.offset_ns,
                "uncertain": point.uncertain,
                "noted_at": now,
            }
            for device, boot, point in points
        ],
    )


def add_events(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Store events and states."""
    _add_absent(session, MachineEvent, rows)


def add_dead_letters(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Store dead letters."""
    _add_absent(session, DeadLetter, rows)


def sequence_ranges(session: Session, device_id: str, boot: str, first: int, last: int) -> list[tuple[int, int]]:
    """The ranges of one boot that share a number with `first … last`, in order."""
    rows = session.execute(
        sa.select(SequenceRange.first, SequenceRange.last)
        .where(
            SequenceRange.device_id == device_id,
            SequenceRange.boot == boot,
            SequenceRange.first <= last,
            SequenceRange.last >= first,
        )
        .order_by(SequenceRange.first)
    )
    return [(row.first, row.last) for row in rows]


def replace_sequence_ranges(
    session: Session, device_id: str, boot: str, old: Sequence[tuple[int, int]], new: tuple[int, int]
) -> None:
    """Put one range in the place of those that it covers."""
    same_boot = (SequenceRange.device_id == device_id, SequenceRange.boot == boot)
    gone = [first for first, _ in old if first != new[0]]
    for start in range(0, len(gone), _ROWS_A_STATEMENT):
        part = gone[start : start + _ROWS_A_STATEMENT]
        session.execute(sa.delete(SequenceRange).where(*same_boot, SequenceRange.first.in_(part)))
    if any(first == new[0] for first, _ in old):
        session.execute(sa.update(SequenceRange).where(*same_boot, SequenceRange.first == new[0]).values(last=new[1]))
    else:
        session.execute(
            sa.insert(SequenceRange), [{"device_id": device_id, "boot": boot, "first": new[0], "last": new[1]}]
        )


def _add_absent(session: Session, table: type[Any], rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    session.connection().execute(insert(table.__table__).on_conflict_do_nothing(), list(rows))
