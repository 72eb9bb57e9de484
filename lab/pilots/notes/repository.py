"""Every query on the notes on pilots."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from lab.pilots.notes.models import PilotNote


def notes_on(session: Session, pilot_id: str, *, staff: bool) -> Sequence[PilotNote]:
    """The notes on a pilot, the newest first; those for the staff alone only where wanted."""
    query = sa.select(PilotNote).where(PilotNote.pilot_id == pilot_id)
    if not staff:
        query = query.where(PilotNote.staff_only.is_(False))
    return session.scalars(query.order_by(PilotNote.written_at.desc(), PilotNote.id.desc())).all()


def notes_for_report(session: Session, pilot_id: str) -> Sequence[PilotNote]:
    """The notes that the report prints, the oldest first; none for the staff alone, whatever else a row says."""
    query = sa.select(PilotNote).where(
        PilotNote.pilot_id == pilot_id, PilotNote.in_report.is_(True), PilotNote.staff_only.is_(False)
    )
    return session.scalars(query.order_by(PilotNote.written_at, PilotNote.id)).all()
