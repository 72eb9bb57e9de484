"""Tables: the rules that managers set, and qualifications of people."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from lab.core.database import Base, UtcDateTime


class RuleEntry(Base):
    """What was set for the lab, a device class or a device; the narrower wins, field by field."""

    __tablename__ = "booking_rules"

    scope: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    """lab, class or device."""
    name: Mapped[str] = mapped_column(sa.String(60), primary_key=True)
    """Empty for the lab, the device's `kind`, or its id."""
    settings: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    """The fields that are set here (`bookings.rulebook.schemas.RuleSettings`)."""
    version: Mapped[int]
    changed_by: Mapped[str] = mapped_column(sa.String(40))
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Qualification(Base):
    """A person's training, until it expires."""

    __tablename__ = "qualifications"

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(sa.ForeignKey("accounts.id"), index=True)
    name: Mapped[str] = mapped_column(sa.String(60))
    """Of the training, as rules name it."""
    granted_by: Mapped[str] = mapped_column(sa.String(40))
    granted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
