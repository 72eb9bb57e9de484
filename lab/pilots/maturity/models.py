"""Table of the assessments of digital maturity."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from lab.core.database import Base, UtcDateTime


class MaturityAssessment(Base):
    """How digital a company was at one stage: 0 to 100 in each dimension of the Commission's assessment (DMA)."""

    __tablename__ = "maturity_assessments"

    pilot_id: Mapped[str] = mapped_column(sa.ForeignKey("pilots.id"), primary_key=True)
    stage: Mapped[str] = mapped_column(sa.String(2), primary_key=True)
    """T0 before the pilot, T1 after it, T2 later."""
    assessed_on: Mapped[date] = mapped_column(sa.Date)
    strategy: Mapped[float]
    readiness: Mapped[float]
    people: Mapped[float]
    data: Mapped[float]
    automation: Mapped[float]
    green: Mapped[float]
    source: Mapped[str] = mapped_column(sa.String(200))
    """Where the figures are from."""
    written_by: Mapped[str] = mapped_column(sa.String(40))
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)
