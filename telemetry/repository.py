"""The recorder's queries. Every write adds what is absent and leaves what is there."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from lab.core.ids import new_id
from lab.people.principals import SYSTEM
from telemetry.models import (
    Boot,
    ClockOffset,
    DeadLetter,
    MachineEvent,
    RecordingIncident,
    SequenceRange,
    TimeAssignment,
)
from telemetry.settling import Assignment, ChangePoint, KnownClock

_ROWS_A_STATEMENT = 500
_LARGEST = 2**63 - 1
SYSTEM_ID = SYSTEM.account_id


def known_clock(session: Session, device_id: str, boot: str) -> KnownClock | None:
    """What is stored of the clock of one boot; `None`: the boot was never heard of."""
    points = session.execute(
        sa.select(
            ClockOffset.from_device_ns,
            ClockOffset.offset_ns,
            ClockOffset.uncertain,
            ClockOffset.from_seq,
            ClockOffset.reason,
        ).where(ClockOffset.device_id == device_id, ClockOffset.boot == boot)
    )
    assignments = session.scalars(
        sa.select(TimeAssignment)
        .where(TimeAssignment.device_id == device_id, TimeAssignment.boot == boot)
        .order_by(TimeAssignment.assigned_at, TimeAssignment.id)
    )
    last = session.execute(
        sa.select(Boot.last_seq, Boot.last_device_ns).where(Boot.device_id == device_id, Boot.boot == boot)
    ).first()
    known = KnownClock(
        [ChangePoint(*row) for row in points],
        [assignment_of(row) for row in assignments],
        None if last is None else (last.last_seq, last.last_device_ns),
    )
    return known if known.points or known.last is not None else None


def assignment_of(row: TimeAssignment) -> Assignment:
    """The pure form of a stored assignment."""
    return Assignment(
        row.from_device_ns,
        row.to_device_ns,
        -1 if row.from_seq is None else row.from_seq,
        _LARGEST if row.to_seq is None else row.to_seq,
        row.offset_ns,
    )


def add_change_points(session: Session, points: Sequence[tuple[str, str, ChangePoint]], *, now: datetime) -> None:
    """Store change points (device, boot, point)."""
    rows = [{"device_id": device, "boot": boot, **point._asdict(), "noted_at": now} for device, boot, point in points]
    _add_absent(session, ClockOffset, rows)


def add_assignments(session: Session, assignments: Sequence[tuple[str, str, Assignment]], *, now: datetime) -> None:
    """Store what later messages have shown of the time of earlier ones (device, boot, assignment)."""
    _add_absent(
        session,
        TimeAssignment,
        [
            {
                "id": new_id("tim"),
                "device_id": device,
                "boot": boot,
                **assignment._asdict(),
                "assigned_by": SYSTEM_ID,
                "assigned_at": now,
                "reason": "later messages of the same start have shown the clock",
                "applied_at": None,
            }
            for device, boot, assignment in assignments
        ],
    )


def note_boots(session: Session, lasts: Mapping[tuple[str, str], tuple[int, int]], *, now: datetime) -> None:
    """Remember number and device time of the newest message of each (device, boot) that taught something."""
    if not lasts:
        return
    rows = [
        {
            "device_id": device,
            "boot": boot,
            "first_received_at": now,
            "last_received_at": now,
            "last_seq": last_seq,
            "last_device_ns": last_device_ns,
        }
        for (device, boot), (last_seq, last_device_ns) in lasts.items()
    ]
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    statement = insert(cast(sa.Table, Boot.__table__))
    news = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=["device_id", "boot"],
        set_={
            "last_received_at": news.last_received_at,
            "last_seq": news.last_seq,
            "last_device_ns": news.last_device_ns,
        },
        where=news.last_seq >= Boot.last_seq,
    )
    session.connection().execute(statement, rows)


def add_events(session: Session, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Store events and states; returns those whose identity (device, boot, seq) is another event's."""
    known: dict[tuple[str, str, int], tuple[str, int, Any]] = {}
    wanted: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        wanted.setdefault((row["device_id"], row["boot"]), []).append(row["seq"])
    for (device, boot), numbers in wanted.items():
        for start in range(0, len(numbers), _ROWS_A_STATEMENT):
            found = session.execute(
                sa.select(MachineEvent.seq, MachineEvent.kind, MachineEvent.device_ns, MachineEvent.fields).where(
                    MachineEvent.device_id == device,
                    MachineEvent.boot == boot,
                    MachineEvent.seq.in_(numbers[start : start + _ROWS_A_STATEMENT]),
                )
            )
            known.update({(device, boot, seq): (kind, device_ns, fields) for seq, kind, device_ns, fields in found})
    absent, conflicts = [], []
    for row in rows:
        identity, content = (row["device_id"], row["boot"], row["seq"]), (row["kind"], row["device_ns"], row["fields"])
        if identity not in known:
            known[identity] = content
            absent.append(row)
        elif known[identity] != content:
            conflicts.append(row)
    _add_absent(session, MachineEvent, absent)
    return conflicts


def add_dead_letters(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Store dead letters."""
    _add_absent(session, DeadLetter, rows)


def add_incidents(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Store recording incidents."""
    _add_absent(session, RecordingIncident, rows)


def sequence_ranges(
    session: Session, device_id: str, boot: str, first: int, last: int, *, limit: int | None = None
) -> list[tuple[int, int]]:
    """The ranges of one boot that share a number with `first … last`, in order; at most the first so many."""
    rows = session.execute(
        sa.select(SequenceRange.first, SequenceRange.last)
        .where(
            SequenceRange.device_id == device_id,
            SequenceRange.boot == boot,
            SequenceRange.first <= last,
            SequenceRange.last >= first,
        )
        .order_by(SequenceRange.first)
        .limit(limit)
    )
    return [(row.first, row.last) for row in rows]


def highest_number(session: Session, device_id: str, boot: str) -> int | None:
    """The highest number received of a boot; `None`: none was."""
    ours = (SequenceRange.device_id == device_id, SequenceRange.boot == boot)
    return session.scalar(sa.select(sa.func.max(SequenceRange.last)).where(*ours))


def boot_heard_last(session: Session, device_id: str) -> str | None:
    """The boot of a device that was heard last; `None`: none ever was."""
    ours = sa.select(Boot.boot).where(Boot.device_id == device_id)
    return session.scalar(ours.order_by(Boot.last_received_at.desc(), Boot.boot).limit(1))


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
