"""Tables of retention: how long what is kept."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from lab.core.database import Base, UtcDateTime


class RetentionRule(Base):
    """For how long samples are kept, of the lab or of one pilot."""

    __tablename__ = "retention_rules"

    scope: Mapped[str] = mapped_column(sa.String(60), primary_key=True)
    """`lab`, or the pilot's id."""
    days: Mapped[int]
    version: Mapped[int]
    changed_by: Mapped[str] = mapped_column(sa.String(40))
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class DataSetTerm(Base):
    """Until when a sealed data set is kept; the set itself cannot change (I5)."""

    __tablename__ = "data_set_terms"

    data_set_id: Mapped[str] = mapped_column(sa.ForeignKey("data_sets.id"), primary_key=True)
    keep_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """None: for ever."""
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    set_by: Mapped[str] = mapped_column(sa.String(40))
    set_at: Mapped[datetime] = mapped_column(UtcDateTime)
