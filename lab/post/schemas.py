"""What is said and heard over HTTP about mails and webhooks."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MailState = Literal["queued", "sending", "sent", "failed", "doubtful", "off"]
EventKind = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]+(\.[a-z0-9_-]+)*$", max_length=60)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True, use_attribute_docstrings=True)


class MailAnswer(_Answer):
    """A mail without its text, and what became of it."""

    id: str
    recipient: str
    subject: str
    about: str | None
    """Id of what it is about."""
    state: MailState
    """`doubtful`: nobody knows whether it was sent, because whoever sent it died before noting it. `off`: there was no
    mail server."""
    queued_at: datetime
    sent_at: datetime | None
    last_error: str | None


class MailList(_Answer):
    """Mails, the newest first."""

    mails: list[MailAnswer]


class NewWebhook(_Request):
    """Where to tell of what."""

    url: str = Field(min_length=1, max_length=1000)
    """`https://…`, on the public internet."""
    events: list[EventKind] = Field(default_factory=list, max_length=50)
    """Kinds of events such as `booking.moved`; empty: all."""
    organisation_id: str | None = Field(None, max_length=40)
    """Whose events; by default one's own organisation's. The lab's own webhooks are told of everything."""


class WebhookAnswer(_Answer):
    """A webhook without its secret."""

    id: str
    organisation_id: str
    url: str
    events: list[str]
    created_by: str
    created_at: datetime
    disabled_at: datetime | None


class NewWebhookAnswer(WebhookAnswer):
    """A fresh webhook."""

    secret: str
    """Shown this once; it proves that an event comes from here (Standard Webhooks, `webhook-signature`)."""


class WebhookList(_Answer):
    """Webhooks in the order in which they were made."""

    webhooks: list[WebhookAnswer]


class DeliveryAnswer(_Answer):
    """One event on its way to one webhook."""

    id: str
    """Sent along as `webhook-id`, the same at every attempt."""
    event: str
    state: Literal["queued", "delivered", "failed"]
    attempts: int
    created_at: datetime
    delivered_at: datetime | None
    last_status: int | None
    """Of the last answer; null: there was none."""
    last_error: str | None


class DeliveryList(_Answer):
    """Deliveries, the newest first."""

    deliveries: list[DeliveryAnswer]
