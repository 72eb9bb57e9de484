"""What is said about outages over HTTP, and to the service."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bookings.models import Booking
from bookings.outages.models import Outage
from bookings.outages.rules import FURTHER_NOTICE, OutageFacts, OutageKind
from bookings.recurrence import LONGEST_RULE
from bookings.schemas import DeviceId, Instant, SpanAnswer
from bookings.states import BookingState
from lab.core.time import Span

Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")
]


class OutageRequest(BaseModel):
    """A time in which something cannot be used."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    device_id: DeviceId | None = Field(examples=["mill-1"])
    """null: the whole lab."""
    kind: OutageKind
    start: Instant = Field(examples=["2026-11-23T12:00:00+01:00"])
    end: Instant | None = Field(None, examples=["2026-11-23T13:00:00+01:00"])
    """Of the first time if it recurs; left out: until further notice."""
    rrule: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_RULE)] | None = Field(
        None, examples=["FREQ=WEEKLY;BYDAY=MO"]
    )
    """RFC 5545 recurrence by the lab's wall clock, of a planned outage; it may have no end."""
    reason: Reason
    """In words for everybody who books."""


class EndRequest(BaseModel):
    """Back in service."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    end: Instant | None = None
    """Left out: now."""
    reason: Reason | None = None
    """For the audit log."""


class WithdrawRequest(BaseModel):
    """It was a mistake, or will not happen."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    reason: Reason | None = None
    """For the audit log."""


class OutageAnswer(BaseModel):
    """A time in which something cannot be used. Times are UTC."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    device_id: str | None
    """null: the whole lab."""
    kind: OutageKind
    start: datetime
    end: datetime | None
    """Of the first time if it recurs; null: until further notice."""
    rrule: str | None
    last_end: datetime | None
    """When it does not come again; null: until further notice."""
    reason: str
    version: int
    """Counts changes; the ETag is this number in quotes."""
    declared_by: str | None
    """For the staff only, as what follows."""
    declared_at: datetime | None
    withdrawn_at: datetime | None

    @classmethod
    def of(cls, outage: Outage, *, staff: bool) -> "OutageAnswer":
        """Translate a row, as the staff or a member sees it."""
        return cls(
            id=outage.id,
            device_id=outage.device_id,
            kind=OutageKind(outage.kind),
            start=outage.start_at,
            end=outage.end_at,
            rrule=outage.rrule,
            last_end=outage.last_end_at,
            reason=outage.reason,
            version=outage.version,
            declared_by=outage.declared_by if staff else None,
            declared_at=outage.declared_at if staff else None,
            withdrawn_at=outage.withdrawn_at if staff else None,
        )


class OutSpan(BaseModel):
    """A time out of service, UTC."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    start: datetime
    end: datetime | None
    """null: until further notice."""

    @classmethod
    def of(cls, span: Span) -> "OutSpan":
        """Translate a span."""
        return cls(start=span.start, end=None if span.end == FURTHER_NOTICE else span.end)


class ListedOutage(OutageAnswer):
    """An outage, and when it is within the window that was asked for."""

    spans: list[OutSpan]

    @classmethod
    def within(cls, outage: Outage, spans: Sequence[Span], *, staff: bool) -> "ListedOutage":
        """Translate a row with its spans."""
        facts = OutageAnswer.of(outage, staff=staff).model_dump()
        return cls(**facts, spans=[OutSpan.of(span) for span in spans])


class OutageList(BaseModel):
    """Outages by their first start."""

    outages: list[ListedOutage]
    next: str | None
    """Cursor of the next page; null: this is the last."""


class HitAnswer(BaseModel):
    """A booking that an outage hits; it is not cancelled by it."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    booking_id: str
    organisation_id: str
    title: str
    state: BookingState
    start: datetime
    end: datetime
    device_ids: list[str]
    """Those of its devices that cannot be used."""
    spans: list[OutSpan]
    """When they cannot."""
    alternatives: list[SpanAnswer] | None
    """The nearest free spans as long under all rules; null: not looked for, there are too many bookings."""

    @classmethod
    def of(
        cls, booking: Booking, device_ids: Sequence[str], spans: Sequence[Span], alternatives: Sequence[Span] | None
    ) -> "HitAnswer":
        """Translate a booking that is hit."""
        return cls(
            booking_id=booking.id,
            organisation_id=booking.organisation_id,
            title=booking.title,
            state=BookingState(booking.state),
            start=booking.start_at,
            end=booking.end_at,
            device_ids=list(device_ids),
            spans=[OutSpan.of(span) for span in spans],
            alternatives=None if alternatives is None else [SpanAnswer.of(span) for span in alternatives],
        )


class DeclaredAnswer(BaseModel):
    """An outage and the bookings it hits, the soonest first."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    outage: OutageAnswer | None
    """null: this was a dry run."""
    last_end: datetime | None
    """When it does not come again; null: until further notice."""
    hits: list[HitAnswer]

    @classmethod
    def of(cls, outage: Outage | None, facts: OutageFacts, hits: Sequence[HitAnswer]) -> "DeclaredAnswer":
        """Put the parts together."""
        answer = None if outage is None else OutageAnswer.of(outage, staff=True)
        return cls(outage=answer, last_end=facts.last_end, hits=list(hits))
