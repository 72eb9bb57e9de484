"""Table of the notes on pilots."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from lab.core.database import Base, UtcDateTime


class PilotNote(Base):
    """What somebody has written down about a pilot. Never changed."""

    __tablename__ = "pilot_notes"

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    pilot_id: Mapped[str] = mapped_column(sa.ForeignKey("pilots.id"), index=True)
    text: Mapped[str] = mapped_column(sa.Text)
    staff_only: Mapped[bool]
    in_report: Mapped[bool]
    """Whether the next sealed data set takes it along, and the report prints it; never one for the staff alone."""
    written_by: Mapped[str] = mapped_column(sa.String(40))
    name: Mapped[str] = mapped_column(sa.String(200))
    """Of whoever wrote it, as it was then."""
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)
