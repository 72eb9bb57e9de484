"""The row that says who records; every change names what it has seen, so that of two only one succeeds."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from telemetry.models import RecorderLease


class Held(NamedTuple):
    """The row as it is."""

    holder: str
    """Empty: given back."""
    epoch: int
    beat: int
    spool_id: str


def lease_name(lab: str) -> str:
    """The row's name."""
    return f"recorder/{lab}"


def look(session: Session, name: str) -> Held | None:
    """Who holds it; `None` if nobody ever has."""
    columns = (RecorderLease.holder, RecorderLease.epoch, RecorderLease.beat, RecorderLease.spool_id)
    row = session.execute(sa.select(*columns).where(RecorderLease.name == name)).one_or_none()
    return None if row is None else Held(*row)


def take(session: Session, name: str, holder: str, spool_id: str, *, seen: Held | None, now: datetime) -> int | None:
    """Take it, if it still is as it was seen.

    Returns:
        The new epoch; `None`: somebody else was faster.
    """
    if seen is None:
        insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
        row = {"name": name, "holder": holder, "epoch": 1, "beat": 1, "spool_id": spool_id}
        adding = insert(RecorderLease).values(**row, health={}, health_at=now).on_conflict_do_nothing()
        return 1 if _count(session, adding) else None
    taking = (
        sa.update(RecorderLease)
        .where(RecorderLease.name == name, RecorderLease.epoch == seen.epoch, RecorderLease.beat == seen.beat)
        .values(holder=holder, epoch=seen.epoch + 1, beat=seen.beat + 1, spool_id=spool_id, health={}, health_at=now)
    )
    return seen.epoch + 1 if _count(session, taking) else None


def beat(
    session: Session,
    name: str,
    holder: str,
    epoch: int,
    spool_id: str,
    *,
    health: Mapping[str, Any],
    now: datetime,
) -> bool:
    """Say that the holder lives, and how it is doing; whether it still is the holder."""
    beating = (
        sa.update(RecorderLease)
        .where(RecorderLease.name == name, RecorderLease.holder == holder, RecorderLease.epoch == epoch)
        .values(beat=RecorderLease.beat + 1, spool_id=spool_id, health=dict(health), health_at=now)
    )
    return _count(session, beating)


def give_back(session: Session, name: str, holder: str, epoch: int) -> None:
    """Let it go, unless somebody else has it already."""
    session.execute(
        sa.update(RecorderLease)
        .where(RecorderLease.name == name, RecorderLease.holder == holder, RecorderLease.epoch == epoch)
        .values(holder="", beat=RecorderLease.beat + 1)
    )


def recorder_health(session: Session, lab: str) -> tuple[dict[str, Any], datetime] | None:
    """How the recorder of a lab said that it was doing, and when; `None` if there never was one."""
    columns = (RecorderLease.health, RecorderLease.health_at)
    row = session.execute(sa.select(*columns).where(RecorderLease.name == lease_name(lab))).one_or_none()
    return None if row is None else (dict(row[0]), row[1])


def _count(session: Session, statement: Any) -> bool:
    """Whether a statement has changed a row; PostgreSQL's driver does not count what was inserted."""
    return session.connection().execute(statement.returning(RecorderLease.name)).first() is not None
