"""Table of the waitlist."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from lab.core.database import Base, UtcDateTime


class WaitlistEntry(Base):
    """A wish for devices, for so long, within a window; served in the order in which they came into the line."""

    __tablename__ = "waitlist_entries"
    __table_args__ = (sa.Index("ix_waitlist_entries_state", "state", "queued_at"),)

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    organisation_id: Mapped[str] = mapped_column(sa.ForeignKey("organisations.id"), index=True)
    account_id: Mapped[str] = mapped_column(sa.String(40))
    """Who waits."""
    pilot_id: Mapped[str | None] = mapped_column(sa.String(40))
    title: Mapped[str] = mapped_column(sa.String(200))
    device_ids: Mapped[list[str]] = mapped_column(sa.JSON)
    supervised: Mapped[bool]
    earliest: Mapped[datetime] = mapped_column(UtcDateTime)
    """The window: not before."""
    latest: Mapped[datetime] = mapped_column(UtcDateTime)
    """The window: ended by then."""
    minutes: Mapped[int]
    state: Mapped[str] = mapped_column(sa.String(20))
    """waiting, offered, taken, expired (the window is over) or withdrawn."""
    booking_id: Mapped[str | None] = mapped_column(sa.ForeignKey("bookings.id"), index=True)
    """The booking that holds the offered slot, or that was made of it."""
    offers: Mapped[int]
    """How many were made so far."""
    missed: Mapped[list[dict[str, Any]]] = mapped_column(sa.JSON)
    """Offers that were not taken: start, end, and how they ended; the same time is not offered again."""
    queued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Since when it stands where it stands in the line: since it was made, or since the last missed offer."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[int]
