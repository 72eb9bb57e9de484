"""What is said about bookings over HTTP, and to the service."""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from bookings.models import Booking
from bookings.states import BookingState
from lab.core.audit import AuditEntry
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


Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")
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
    supervised: bool = False
    """Whether an engineer of the lab is booked with it."""
    engineer_id: Reference | None = None
    """Who should supervise; without it, whoever is free."""
    override_reason: Reason | None = None
    """Why the staff sets rules aside; it is kept in the log."""


class MoveRequest(BaseModel):
    """Another span for a booking."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: Instant
    end: Instant
    override_reason: Reason | None = None
    """Why the staff sets rules aside; it is kept in the log."""


class ExtendRequest(BaseModel):
    """Another end for a booking."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    end: Instant
    override_reason: Reason | None = None


class ReasonRequest(BaseModel):
    """Why something is done."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Reason | None = None


class OverrideRequest(BaseModel):
    """Why the staff sets rules aside."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    override_reason: Reason | None = None


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
    changed_at: datetime
    cancelled_at: datetime | None
    ended_as: str | None
    """How a cancelled booking came to be so: cancelled, declined or lapsed."""
    supervised: bool
    engineer_ids: list[str]
    """Who supervises."""
    series_id: str | None
    lapses_at: datetime | None
    """Of a request: when it gives the slot back."""
    used_from: datetime | None
    used_until: datetime | None
    market_value_cents: int | None
    price_cents: int | None
    """What the company pays."""
    support_cents: int | None
    """Public support."""
    price_list_version: int | None
    quote: dict[str, Any] | None

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
            changed_at=booking.changed_at,
            cancelled_at=booking.cancelled_at,
            ended_as=booking.ended_as,
            supervised=booking.supervised,
            engineer_ids=[engineer.account_id for engineer in booking.engineers],
            series_id=booking.series_id,
            lapses_at=booking.lapses_at,
            used_from=booking.used_from,
            used_until=booking.used_until,
            market_value_cents=booking.market_value_cents,
            price_cents=booking.price_cents,
            support_cents=booking.support_cents,
            price_list_version=booking.price_list_version,
            quote=booking.quote,
        )


class BookingList(BaseModel):
    """Bookings by start."""

    bookings: list[BookingAnswer]
    next: str | None = None
    """Cursor of the next page; null: this is the last."""


class ChangeAnswer(BaseModel):
    """One change of a booking."""

    at: datetime
    by: str
    """Account id, or `system`."""
    what: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str | None

    @classmethod
    def of(cls, entry: AuditEntry) -> "ChangeAnswer":
        """From the log's row."""
        return cls(
            at=entry.at, by=entry.by, what=entry.what, before=entry.before, after=entry.after, reason=entry.reason
        )


class BookingHistory(BaseModel):
    """The changes of a booking, oldest first."""

    changes: list[ChangeAnswer]


class Alternatives(BaseModel):
    """Free spans under all rules, the nearest to the wish first."""

    alternatives: list[SpanAnswer]
