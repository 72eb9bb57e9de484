"""Table of the secret links to calendars."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from lab.core.database import Base, UtcDateTime


class CalendarLink(Base):
    """Whoever knows the link reads the calendar; only its hash is kept."""

    __tablename__ = "calendar_links"

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    kind: Mapped[str] = mapped_column(sa.String(20))
    """person, device or company."""
    subject_id: Mapped[str] = mapped_column(sa.String(40))
    """Account, device or organisation id."""
    account_id: Mapped[str] = mapped_column(sa.ForeignKey("accounts.id"), index=True)
    """Who made it; the feed shows what this person may see, as long as the account is in use."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_read_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
