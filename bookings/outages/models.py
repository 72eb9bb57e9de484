"""Table of outages."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from lab.core.database import Base, UtcDateTime


class Outage(Base):
    """A time in which a device, or the whole lab, cannot be used."""

    __tablename__ = "outages"
    __table_args__ = (sa.CheckConstraint("end_at > start_at", name="end_after_start"),)

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    device_id: Mapped[str | None] = mapped_column(sa.ForeignKey("devices.id"), index=True)
    """None: the whole lab."""
    kind: Mapped[str] = mapped_column(sa.String(20))
    """planned or unplanned."""
    start_at: Mapped[datetime] = mapped_column(UtcDateTime)
    end_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """None: until further notice (not for recurring ones)."""
    rrule: Mapped[str | None] = mapped_column(sa.String(500))
    """RFC 5545 recurrence of the first occurrence `[start_at, end_at)`, by the lab's wall clock."""
    last_end_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the last occurrence ends; None: until further notice."""
    reason: Mapped[str] = mapped_column(sa.String(500))
    declared_by: Mapped[str] = mapped_column(sa.String(40))
    declared_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """It was a mistake, or will not happen."""
    version: Mapped[int]
