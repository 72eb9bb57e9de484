"""What people do with notes on a pilot. The caller owns the transaction."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from lab.core.audit import note_change
from lab.core.ids import new_id
from lab.people.principals import Principal
from lab.pilots.notes import repository
from lab.pilots.notes.models import PilotNote
from lab.pilots.notes.schemas import NoteRequest
from lab.pilots.service import get_pilot


def write_note(
    session: Session, principal: Principal, pilot_id: str, request: NoteRequest, *, now: datetime
) -> PilotNote:
    """Write something down about a pilot.

    Args:
        session: a write session.
        principal: a member of the pilot's company, or the staff.
        pilot_id: the pilot.
        request: the note.
        now: the present instant.

    Raises:
        PilotUnknownError: if there is no such pilot, or it is another company's.
        ForbiddenError: if somebody else than the staff writes for the staff alone, or for the report.
    """
    pilot = get_pilot(session, principal, pilot_id)
    if request.staff_only:
        principal.require_staff("write notes for the staff alone")
    if request.in_report:
        principal.require_staff("write notes for the report")
    row = PilotNote(
        id=new_id("not"), pilot_id=pilot.id, text=request.text, staff_only=request.staff_only,
        in_report=request.in_report, written_by=principal.account_id, name=principal.name, written_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    after = {"note_id": row.id, "staff_only": row.staff_only, "in_report": row.in_report}
    note_change(session, "pilot", pilot.id, "note written", by=principal.account_id, at=now, after=after)
    return row


def list_notes(session: Session, principal: Principal, pilot_id: str) -> Sequence[PilotNote]:
    """The notes on a pilot, the newest first; the company does not see those for the staff alone.

    Raises:
        PilotUnknownError: if there is no such pilot, or it is another company's.
    """
    pilot = get_pilot(session, principal, pilot_id)
    return repository.notes_on(session, pilot.id, staff=principal.is_staff)
