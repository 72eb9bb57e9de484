"""Dead letters over HTTP; for the lab's staff only."""

from typing import Annotated

from fastapi import APIRouter, Query

from lab.core.http import ClockDep, DatabaseDep
from lab.people.endpoints import PrincipalDep
from telemetry.letters import service
from telemetry.letters.schemas import (
    DeadLetterAnswer,
    DeadLetterCountAnswer,
    DeadLettersAnswer,
    ReplayAnswer,
    ReplayWish,
    WholeLetterAnswer,
    cursor_after,
    parse_cursor,
)

router = APIRouter(prefix="/api/v1", tags=["telemetry"])

Whose = Annotated[str | None, Query(description="Only of this device, as the topic named it.")]


@router.get("/dead-letters")
def get_dead_letters(
    principal: PrincipalDep,
    database: DatabaseDep,
    device: Whose = None,
    signal: Annotated[str | None, Query(description="Only of this signal, as the message named it.")] = None,
    reason: Annotated[str | None, Query(description="Only of this reason.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
) -> DeadLettersAnswer:
    """What could not be stored and why, the newest first, with counts beyond what is kept. For the lab's staff."""
    before = None if cursor is None else parse_cursor(cursor)
    with database.read() as session:
        found = service.list_letters(
            session, principal, device=device, signal=signal, reason=reason, before=before, limit=limit + 1
        )
        counts = service.count_letters(session, principal, device=device)
    page = found[:limit]
    return DeadLettersAnswer(
        items=[DeadLetterAnswer.of(letter) for letter in page],
        next=cursor_after(page[-1]) if len(found) > limit else None,
        counts=[DeadLetterCountAnswer.of(count) for count in counts],
    )


@router.get("/dead-letters/{key:path}")
def get_dead_letter(key: str, principal: PrincipalDep, database: DatabaseDep) -> WholeLetterAnswer:
    """One dead letter with all that is kept of its message. For the lab's staff."""
    with database.read() as session:
        return WholeLetterAnswer.of(service.get_letter(session, principal, key))


@router.post("/dead-letter-replays", status_code=202)
def ask_replay(wish: ReplayWish, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> ReplayAnswer:
    """Have a device's dead letters read again after their cause was mended; the recorder does it. For the staff."""
    return database.transact(
        lambda session: ReplayAnswer.of(
            service.ask_replay(session, principal, device=wish.device, signal=wish.signal, now=clock.now())
        )
    )


@router.get("/dead-letter-replays")
def list_replays(principal: PrincipalDep, database: DatabaseDep, device: Whose = None) -> list[ReplayAnswer]:
    """What was asked to be read again, and what became of it; the newest first. For the lab's staff."""
    with database.read() as session:
        return [ReplayAnswer.of(request) for request in service.list_replays(session, principal, device=device)]
