"""Every query on the documents of pilots."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from lab.core.database import storable
from lab.pilots.documents.models import PilotDocument


def documents_of(session: Session, pilot_id: str) -> Sequence[PilotDocument]:
    """The documents of a pilot, the oldest first, removed ones too."""
    query = sa.select(PilotDocument).where(PilotDocument.pilot_id == pilot_id)
    return session.scalars(query.order_by(PilotDocument.added_at, PilotDocument.id)).all()


def find_document(session: Session, pilot_id: str, document_id: str) -> PilotDocument | None:
    """A document of this pilot, as it is now."""
    if not storable(document_id):
        return None
    query = sa.select(PilotDocument).where(PilotDocument.id == document_id, PilotDocument.pilot_id == pilot_id)
    return session.scalar(query.execution_options(populate_existing=True))


def needed_files(session: Session, pilot_id: str) -> frozenset[str]:
    """SHA-256 of the files that a pilot's documents stand on."""
    query = sa.select(PilotDocument.sha256).where(
        PilotDocument.pilot_id == pilot_id, PilotDocument.removed_at.is_(None)
    )
    return frozenset(session.scalars(query))
