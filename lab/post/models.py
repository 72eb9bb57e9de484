"""Tables: mails and webhook deliveries with what became of them, and where webhooks go."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from lab.core.database import Base, UtcDateTime


class Mail(Base):
    """One mail to one person."""

    __tablename__ = "mails"

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(200), unique=True)
    """Names the effect: a second mail with the same key is the first one."""
    recipient: Mapped[str] = mapped_column(sa.String(320))
    subject: Mapped[str] = mapped_column(sa.String(300))
    text: Mapped[str] = mapped_column(sa.Text)
    calendar: Mapped[str | None] = mapped_column(sa.Text)
    """An iCalendar object to attach (RFC 6047)."""
    calendar_method: Mapped[str | None] = mapped_column(sa.String(20))
    """REQUEST or CANCEL."""
    about: Mapped[str | None] = mapped_column(sa.String(100), index=True)
    """Id of what it is about."""
    state: Mapped[str] = mapped_column(sa.String(20))
    """queued, sending (the server may have taken it), sent, failed, off (there was no server), or doubtful: a worker
    died, or the connection broke, between the sending and the note of it."""
    queued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(sa.Text)


class Webhook(Base):
    """Where somebody wants to be told of events."""

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    organisation_id: Mapped[str] = mapped_column(sa.ForeignKey("organisations.id"), index=True)
    """Told of its own things only; the lab's own organisation is told of everything."""
    url: Mapped[str] = mapped_column(sa.String(1000))
    secret: Mapped[str] = mapped_column(sa.String(100))
    """Signs what is sent; shown once."""
    events: Mapped[list[str]] = mapped_column(sa.JSON)
    """Kinds of events; empty: all."""
    created_by: Mapped[str] = mapped_column(sa.String(40))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class WebhookDelivery(Base):
    """One event on its way to one webhook."""

    __tablename__ = "webhook_deliveries"

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    webhook_id: Mapped[str] = mapped_column(sa.ForeignKey("webhooks.id"), index=True)
    event: Mapped[str] = mapped_column(sa.String(60))
    payload: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    state: Mapped[str] = mapped_column(sa.String(20))
    """queued, delivered or failed."""
    attempts: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_status: Mapped[int | None]
    last_error: Mapped[str | None] = mapped_column(sa.Text)
