"""What is said about bookings over HTTP, and to the service."""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from bookings.models import Booking
from bookings.states import BookingState
from lab.core.time import Span

_DATE_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")


def _require_written_time(value: Any) -> Any:
    """Refuse numbers, which could be seconds or milliseconds, and dates without a time of day."""
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE_AND_TIME.match(value)):
        return value
    raise ValueError("write the time as RFC 3339, such as 2026-11-23T09:00:00+01:00")


Instant = Annotated[datetime, BeforeValidator(_require_written_time)]
"""RFC 3339 date and time; one without zone is refused by `lab.core.time`, which names the field and the rule."""

DeviceId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")]
Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
Title = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
]


class BookingRequest(BaseModel):
    """A wish for a slot."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device_ids: list[DeviceId] = Field(examples=[["mill-1", "meter-1"]])
    """Held all together or not at all."""
    start: Instant = Field(examples=["2026-11-23T09:00:00+01:00"])
    end: Instant = Field(examples=["2026-11-23T12:00:00+01:00"])
    """The first instant that is free again."""
    title: Title
    pilot_id: Reference | None = None
    organisation_id: Reference | None = None
    """For whom; without it, one's own organisation. Only the lab's staff book for others."""


class MoveRequest(BaseModel):
    """Another span for a booking."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: Instant
    end: Instant


class SpanAnswer(BaseModel):
    """A span `[start, end)`, UTC."""

    start: datetime
    end: datetime

    @classmethod
    def of(cls, span: Span) -> "SpanAnswer":
        """Translate a span."""
        return cls(start=span.start, end=span.end)


class BookingAnswer(BaseModel):
    """A booking as its owner and the staff see it. Times are UTC."""

    id: str
    organisation_id: str
    pilot_id: str | None
    booked_by: str
    title: str
    device_ids: list[str]
    start: datetime
    end: datetime
    state: BookingState
    version: int
    """Counts changes; the ETag is this number in quotes."""
    created_at: datetime
    cancelled_at: datetime | None

    @classmethod
    def of(cls, booking: Booking) -> "BookingAnswer":
        """Translate a booking whose devices are loaded."""
        return cls(
            id=booking.id,
            organisation_id=booking.organisation_id,
            pilot_id=booking.pilot_id,
            booked_by=booking.booked_by,
            title=booking.title,
            device_ids=[device.device_id for device in booking.devices],
            start=booking.start_at,
            end=booking.end_at,
            state=BookingState(booking.state),
            version=booking.version,
            created_at=booking.created_at,
            cancelled_at=booking.cancelled_at,
        )


class BookingList(BaseModel):
    """Bookings by start."""

    bookings: list[BookingAnswer]


class Alternatives(BaseModel):
    """Free spans under all rules, the nearest to the wish first."""

    alternatives: list[SpanAnswer]
