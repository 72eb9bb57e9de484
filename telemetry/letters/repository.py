"""Every query on dead letters and their counts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from telemetry.letters.box import STRANGE_REASONS, STRANGERS, Count, Kept, Kind
from telemetry.models import DeadLetter, DeadLetterCount

_LONGEST_DEVICE = 200


def kept_of(session: Session, device: str) -> dict[Kind, Kept]:
    """What is kept of a device's letters; of `STRANGERS`, of all devices that the lab does not own."""
    strange = DeadLetter.reason.in_(STRANGE_REASONS)
    whose = strange | DeadLetter.device_id.is_(None)
    if device != STRANGERS:
        whose = (DeadLetter.device_id == device) & ~strange
    rows = session.execute(
        sa.select(
            DeadLetter.signal,
            DeadLetter.reason,
            sa.func.count(),
            sa.func.sum(sa.func.length(DeadLetter.payload)),
        )
        .where(whose, DeadLetter.replayed_at.is_(None))
        .group_by(DeadLetter.signal, DeadLetter.reason)
    )
    kept: dict[Kind, Kept] = {}
    for signal, reason, letters, size in rows:
        kind = ("" if device == STRANGERS else signal or "", reason)
        known = kept.get(kind, Kept(0, 0))
        kept[kind] = Kept(known.letters + letters, known.size + int(size or 0))
    return kept


def add_counts(session: Session, counts: Sequence[Count]) -> None:
    """Add to what is counted. After a crash, the letters of the batch it happened in may be counted twice."""
    if not counts:
        return
    rows = [
        {
            "device_id": count.device[:_LONGEST_DEVICE],
            "signal": count.signal,
            "reason": count.reason,
            "kept": count.kept,
            "beyond": count.beyond,
            "first_at": count.first_at,
            "last_at": count.last_at,
        }
        for count in counts
    ]
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    statement = insert(cast(sa.Table, DeadLetterCount.__table__))
    news = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=["device_id", "signal", "reason"],
        set_={
            "kept": DeadLetterCount.kept + news.kept,
            "beyond": DeadLetterCount.beyond + news.beyond,
            "last_at": news.last_at,
        },
    )
    session.connection().execute(statement, rows)


def list_letters(
    session: Session,
    *,
    device: str | None,
    signal: str | None,
    reason: str | None,
    before: tuple[datetime, str] | None,
    limit: int,
) -> list[DeadLetter]:
    """Letters, the newest first; each filter that is given must fit.

    Args:
        session: to read with.
        device: as the topic named it.
        signal: as the message named it.
        reason: only these.
        before: only those after this one in the answer's order: `received_at` and `key` of the last one seen.
        limit: most letters.
    """
    query = sa.select(DeadLetter).order_by(DeadLetter.received_at.desc(), DeadLetter.key.desc()).limit(limit)
    wanted = ((DeadLetter.device_id, device), (DeadLetter.signal, signal), (DeadLetter.reason, reason))
    for column, value in wanted:
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        instant, key = before
        earlier = DeadLetter.received_at < instant
        query = query.where(earlier | ((DeadLetter.received_at == instant) & (DeadLetter.key < key)))
    return list(session.scalars(query))


def find_letter(session: Session, key: str) -> DeadLetter | None:
    """One letter."""
    return session.get(DeadLetter, key)


def list_counts(session: Session, *, device: str | None, limit: int) -> list[DeadLetterCount]:
    """How often what was wrong, the latest first."""
    query = sa.select(DeadLetterCount).order_by(DeadLetterCount.last_at.desc(), DeadLetterCount.device_id)
    if device is not None:
        query = query.where(DeadLetterCount.device_id == device)
    return list(session.scalars(query.limit(limit)))


def unread_letters(
    session: Session, device: str, signal: str | None, *, after: tuple[datetime, str] | None, limit: int
) -> list[DeadLetter]:
    """Letters of a device that have not been stored by a replay, the oldest first."""
    query = sa.select(DeadLetter).where(DeadLetter.device_id == device, DeadLetter.replayed_at.is_(None))
    if signal is not None:
        query = query.where(DeadLetter.signal == signal)
    if after is not None:
        instant, key = after
        later = DeadLetter.received_at > instant
        query = query.where(later | ((DeadLetter.received_at == instant) & (DeadLetter.key > key)))
    return list(session.scalars(query.order_by(DeadLetter.received_at, DeadLetter.key).limit(limit)))


def letters_of_messages(session: Session, spool_id: str, numbers: Sequence[int]) -> list[DeadLetter]:
    """Every letter of some messages of a spool."""
    query = sa.select(DeadLetter).where(DeadLetter.spool_id == spool_id, DeadLetter.number.in_(numbers))
    return list(session.scalars(query))


def note_replayed(session: Session, keys: Sequence[str], *, now: datetime) -> None:
    """These have been stored, and count as dead no more."""
    if not keys:
        return
    gone = session.execute(
        sa.select(DeadLetter.device_id, DeadLetter.signal, DeadLetter.reason, sa.func.count())
        .where(DeadLetter.key.in_(keys), DeadLetter.replayed_at.is_(None))
        .group_by(DeadLetter.device_id, DeadLetter.signal, DeadLetter.reason)
    ).all()
    for device, signal, reason, letters in gone:
        whose: tuple[Any, ...] = (STRANGERS, "") if reason in STRANGE_REASONS else (device or "", signal or "")
        counts = (DeadLetterCount.device_id == whose[0], DeadLetterCount.signal == whose[1])
        session.execute(
            sa.update(DeadLetterCount)
            .where(*counts, DeadLetterCount.reason == reason)
            .values(kept=sa.case((DeadLetterCount.kept > letters, DeadLetterCount.kept - letters), else_=0))
        )
    session.execute(sa.update(DeadLetter).where(DeadLetter.key.in_(keys)).values(replayed_at=now))
