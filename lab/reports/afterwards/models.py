"""Tables of what happens after a report."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from lab.core.database import Base, UtcDateTime


class ReportAcceptance(Base):
    """That a company has accepted an approved report."""

    __tablename__ = "report_acceptances"

    report_id: Mapped[str] = mapped_column(sa.ForeignKey("reports.id"), primary_key=True)
    accepted_by: Mapped[str] = mapped_column(sa.String(40))
    name: Mapped[str] = mapped_column(sa.String(200))
    """Of whoever accepted, as it was then."""
    accepted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    comment: Mapped[str | None] = mapped_column(sa.Text)


class FollowUp(Base):
    """The question, some months after the report, what became of it; and the answer."""

    __tablename__ = "follow_ups"

    pilot_id: Mapped[str] = mapped_column(sa.ForeignKey("pilots.id"), primary_key=True)
    months: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    reminded_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    invested: Mapped[str | None] = mapped_column(sa.String(20))
    """yes, no or not yet; None: nobody has answered."""
    amount_cents: Mapped[int | None] = mapped_column(sa.BigInteger)
    funding: Mapped[str | None] = mapped_column(sa.String(200))
    """Where the money came from."""
    source: Mapped[str | None] = mapped_column(sa.String(200))
    """How this is known."""
    comment: Mapped[str | None] = mapped_column(sa.Text)
    answered_by: Mapped[str | None] = mapped_column(sa.String(40))
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
