"""Table of the documents of pilots."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from lab.core.database import Base, UtcDateTime


class PilotDocument(Base):
    """A document or photo of a pilot; its content is a file under its SHA-256 (`lab.pilots.documents.store`)."""

    __tablename__ = "pilot_documents"

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    pilot_id: Mapped[str] = mapped_column(sa.ForeignKey("pilots.id"), index=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    """What it is called when somebody fetches it."""
    kind: Mapped[str] = mapped_column(sa.String(10))
    """pdf, png, jpeg, csv or text, as its content says."""
    bytes: Mapped[int] = mapped_column(sa.BigInteger)
    sha256: Mapped[str] = mapped_column(sa.String(64))
    caption: Mapped[str] = mapped_column(sa.Text)
    """What it shows."""
    alt_text: Mapped[str | None] = mapped_column(sa.Text)
    """Of a photo: what is to be seen, for who cannot see it."""
    in_report: Mapped[bool]
    """Whether the next sealed data set takes it along, and the report shows it."""
    added_by: Mapped[str] = mapped_column(sa.String(40))
    added_by_name: Mapped[str] = mapped_column(sa.String(200))
    """As it was then."""
    added_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sealed_version: Mapped[int | None]
    """The first data set that holds it; from then on it is not removed."""
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    removed_by: Mapped[str | None] = mapped_column(sa.String(40))
    removed_by_name: Mapped[str | None] = mapped_column(sa.String(200))
    removal_reason: Mapped[str | None] = mapped_column(sa.Text)
