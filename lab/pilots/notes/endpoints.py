"""Notes on a pilot over HTTP."""

from fastapi import APIRouter

from lab.core.http import ClockDep, DatabaseDep
from lab.people.endpoints import PrincipalDep
from lab.pilots.notes import service
from lab.pilots.notes.schemas import NoteAnswer, NoteRequest

router = APIRouter(prefix="/api/v1", tags=["pilots"])


@router.get("/pilots/{pilot_id}/notes", summary="Notes on a pilot")
def list_notes(pilot_id: str, principal: PrincipalDep, database: DatabaseDep) -> list[NoteAnswer]:
    """For the pilot's own company and the staff, the newest first; those for the staff alone only for the staff."""
    with database.read() as session:
        return [NoteAnswer.of(row) for row in service.list_notes(session, principal, pilot_id)]


@router.post("/pilots/{pilot_id}/notes", status_code=201, summary="Write a note on a pilot")
def write_note(
    pilot_id: str, request: NoteRequest, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> NoteAnswer:
    """For the pilot's own company and the staff; it is not changed afterwards."""
    return database.transact(
        lambda session: NoteAnswer.of(service.write_note(session, principal, pilot_id, request, now=clock.now()))
    )
