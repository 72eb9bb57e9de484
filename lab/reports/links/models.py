"""Table of the links to reports."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from lab.core.database import Base, UtcDateTime


class ReportLink(Base):
    """A secret address of one approved report."""

    __tablename__ = "report_links"

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    """Of the secret, which is shown once and kept nowhere."""
    report_id: Mapped[str] = mapped_column(sa.ForeignKey("reports.id"), index=True)
    label: Mapped[str] = mapped_column(sa.String(200))
    """For whom it is."""
    created_by: Mapped[str] = mapped_column(sa.String(40))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    opened: Mapped[int]
    """How often something was fetched by it; each time stands in the log of changes."""
    last_opened_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
