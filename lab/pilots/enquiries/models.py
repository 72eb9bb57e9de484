"""Table of the enquiries."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from lab.core.database import Base, UtcDateTime


class Enquiry(Base):
    """A question that somebody brings to the lab."""

    __tablename__ = "enquiries"

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    company: Mapped[str] = mapped_column(sa.String(200))
    contact: Mapped[str] = mapped_column(sa.String(200))
    """A person's name."""
    mail: Mapped[str] = mapped_column(sa.String(320))
    question: Mapped[str] = mapped_column(sa.Text)
    size_class: Mapped[str | None] = mapped_column(sa.String(20))
    nace: Mapped[str | None] = mapped_column(sa.String(10))
    region: Mapped[str | None] = mapped_column(sa.String(5))
    language: Mapped[str | None] = mapped_column(sa.String(10))
    """Of the answer; None: the lab's."""
    organisation_id: Mapped[str | None] = mapped_column(sa.ForeignKey("organisations.id"), index=True)
    """The company, once it is registered."""
    state: Mapped[str] = mapped_column(sa.String(20), index=True)
    """new, accepted or referred."""
    asked_by: Mapped[str | None] = mapped_column(sa.String(40))
    """Account; None: somebody without one."""
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    decided_by: Mapped[str | None] = mapped_column(sa.String(40))
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answer: Mapped[str | None] = mapped_column(sa.Text)
    """What the company was told."""
    pilot_id: Mapped[str | None] = mapped_column(sa.ForeignKey("pilots.id"))
    partner_id: Mapped[str | None] = mapped_column(sa.ForeignKey("organisations.id"))
    """Who can help better."""
