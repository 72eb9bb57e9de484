"""What the lab's staff does with dead letters. The caller owns the transaction."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from lab.core.audit import note_change
from lab.core.database import storable
from lab.core.errors import NotFoundError
from lab.core.ids import new_id
from lab.people.principals import Principal
from telemetry.letters import repository
from telemetry.models import DeadLetter, DeadLetterCount, ReplayRequest

MOST_COUNTS = 500
MOST_REPLAYS = 100


class LetterUnknownError(NotFoundError):
    """There is no such dead letter. Facts: `field`, `rule`."""


def list_letters(
    session: Session,
    principal: Principal,
    *,
    device: str | None = None,
    signal: str | None = None,
    reason: str | None = None,
    before: tuple[datetime, str] | None = None,
    limit: int = 100,
) -> list[DeadLetter]:
    """What could not be stored, the newest first.

    Raises:
        ForbiddenError: for anybody but the lab's staff.
    """
    principal.require_staff("read dead letters")
    return repository.list_letters(session, device=device, signal=signal, reason=reason, before=before, limit=limit)


def count_letters(session: Session, principal: Principal, *, device: str | None = None) -> list[DeadLetterCount]:
    """How often what was wrong, those included of which no letter is kept; the latest first.

    Raises:
        ForbiddenError: for anybody but the lab's staff.
    """
    principal.require_staff("read dead letters")
    return repository.list_counts(session, device=device, limit=MOST_COUNTS)


def get_letter(session: Session, principal: Principal, key: str) -> DeadLetter:
    """One letter, whole.

    Raises:
        ForbiddenError: for anybody but the lab's staff.
        LetterUnknownError: if there is none.
    """
    principal.require_staff("read dead letters")
    letter = repository.find_letter(session, key) if storable(key) else None
    if letter is None:
        raise LetterUnknownError("there is no such dead letter", field="key", rule="known-letter")
    return letter


def ask_replay(
    session: Session, principal: Principal, *, device: str, signal: str | None, now: datetime
) -> ReplayRequest:
    """Ask the recorder to read a device's dead letters again, after their cause was mended.

    Args:
        session: a write session.
        principal: the lab's staff.
        device: as the topic names it.
        signal: only letters of this one; `None`: all.
        now: the present instant.

    Raises:
        ForbiddenError: for anybody but the lab's staff.
    """
    principal.require_staff("have dead letters read again")
    request = ReplayRequest(
        id=new_id("rpl"),
        device_id=device,
        signal=signal,
        asked_by=principal.account_id,
        asked_at=now,
        finished_at=None,
        outcome=None,
    )
    session.add(request)
    note_change(
        session,
        "dead-letters",
        device[:100],
        "replay-asked",
        by=principal.account_id,
        at=now,
        after={"request": request.id, "signal": signal},
    )
    session.flush()
    return request


def list_replays(session: Session, principal: Principal, *, device: str | None = None) -> Sequence[ReplayRequest]:
    """What was asked to be read again, and what became of it; the newest first.

    Raises:
        ForbiddenError: for anybody but the lab's staff.
    """
    principal.require_staff("read dead letters")
    query = sa.select(ReplayRequest).order_by(ReplayRequest.asked_at.desc(), ReplayRequest.id).limit(MOST_REPLAYS)
    if device is not None:
        query = query.where(ReplayRequest.device_id == device)
    return session.scalars(query).all()
