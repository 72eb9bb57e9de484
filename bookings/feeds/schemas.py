"""What is said about calendar links over HTTP."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from bookings.feeds.models import CalendarLink
from bookings.feeds.rules import CalendarKind
from bookings.schemas import Reference


class NewCalendarLink(BaseModel):
    """A wish for a calendar to subscribe to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: CalendarKind = Field(examples=["device"])
    subject_id: Reference | None = Field(None, examples=["mill-1"])
    """Account, device or organisation id; without it, oneself or one's own company."""


class CalendarLinkAnswer(BaseModel):
    """A link as its owner sees it, without its secret."""

    id: str
    kind: CalendarKind
    subject_id: str
    created_at: datetime
    revoked_at: datetime | None
    last_read_at: datetime | None
    """When a calendar program last read it, to the hour."""

    @classmethod
    def of(cls, link: CalendarLink) -> "CalendarLinkAnswer":
        """Translate a link."""
        return cls(
            id=link.id,
            kind=CalendarKind(link.kind),
            subject_id=link.subject_id,
            created_at=link.created_at,
            revoked_at=link.revoked_at,
            last_read_at=link.last_read_at,
        )


class NewCalendarLinkAnswer(CalendarLinkAnswer):
    """A new link, with its secret."""

    url: str
    """To subscribe to; whoever knows it reads the calendar. Shown only in this answer."""


class CalendarLinkList(BaseModel):
    """One's own links, the newest first."""

    links: list[CalendarLinkAnswer]
