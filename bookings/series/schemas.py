"""What is said about many bookings at once over HTTP, and to the service."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from bookings.models import Booking, BookingSeries
from bookings.schemas import BookingAnswer, BookingRequest, Instant, Reason, Reference
from bookings.series.outcomes import Mode, Outcome, refusal_facts
from bookings.states import BookingState
from lab.core.time import Span

MOST_AT_ONCE = 100


class SeriesRequest(BookingRequest):
    """A wish for slots that recur; `start` and `end` are those of the first one."""

    rrule: str = Field(examples=["FREQ=WEEKLY;BYDAY=MO;COUNT=10"])
    """RFC 5545 recurrence by the lab's wall clock, with an end: COUNT or UNTIL, 100 occurrences at most."""
    mode: Mode = Mode.ALL
    """What happens when some are refused: none is booked (`all`), or the others are (`possible`)."""

    def at(self, span: Span) -> "SeriesRequest":
        """The wish for one of the slots."""
        return self.model_copy(update={"start": span.start, "end": span.end})


class BulkRequest(BaseModel):
    """Several wishes, in the order in which they are judged."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bookings: Annotated[list[BookingRequest], Field(min_length=1, max_length=MOST_AT_ONCE)]
    mode: Mode = Mode.ALL
    """What happens when some are refused: none is booked (`all`), or the others are (`possible`)."""


class OneMove(BaseModel):
    """Another span for one booking."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    booking_id: Reference
    start: Instant
    end: Instant
    version: int | None = None
    """The version that the decision was made on; without it, whichever there is."""


class MovesRequest(BaseModel):
    """Other spans for several bookings, all or none; two may change places."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    moves: Annotated[list[OneMove], Field(min_length=1, max_length=MOST_AT_ONCE)]
    override_reason: Reason | None = None
    """Why the staff sets rules aside; it is kept in the log."""


class RefusalAnswer(BaseModel):
    """Why one of several wishes was refused; with the same facts as if it had come alone."""

    model_config = ConfigDict(extra="allow")

    kind: str
    """invalid, conflict, forbidden, …"""
    detail: str
    """One sentence: the fact and, where there is one, the way out."""
    field: str | None = None
    rule: str | None = None


class ResultAnswer(BaseModel):
    """What became of one wish: a booking or a refusal."""

    number: int
    """Counted from 1."""
    start: datetime | None
    end: datetime | None
    """Null if the wished times make no span."""
    booking: BookingAnswer | None
    refusal: RefusalAnswer | None

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """Translate."""
        facts: dict[str, Any] = {"start": None, "end": None, **outcome.facts}
        return cls(
            number=outcome.number,
            booking=BookingAnswer.of(outcome.booking) if outcome.booking is not None else None,
            refusal=RefusalAnswer(**refusal_facts(outcome.refusal)) if outcome.refusal is not None else None,
            **facts,
        )


class OccurrenceAnswer(ResultAnswer):
    """What became of one occurrence. Where the clocks change it may have no instants: `start` and `end` are null."""

    local_start: str
    """By the clock on the lab's wall."""
    local_end: str


class BulkAnswer(BaseModel):
    """What became of each wish, in the order of the request."""

    booked: int
    refused: int
    results: list[ResultAnswer]

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> "BulkAnswer":
        """Translate."""
        return cls(**_counts(outcomes), results=[ResultAnswer.of(outcome) for outcome in outcomes])


class OccurrencePreview(BaseModel):
    """What would become of one occurrence."""

    number: int
    """Counted from 1."""
    start: datetime | None
    end: datetime | None
    local_start: str
    """By the clock on the lab's wall."""
    local_end: str
    state: BookingState | None
    """What the booking would be, confirmed or requested; null: it would be refused."""
    price_cents: int | None
    """What the company would pay."""
    support_cents: int | None
    """Public support in it."""
    refusal: RefusalAnswer | None

    @classmethod
    def of(cls, outcome: Outcome) -> "OccurrencePreview":
        """Translate."""
        booking, refusal = outcome.booking, outcome.refusal
        facts: dict[str, Any] = {"start": None, "end": None, **outcome.facts}
        return cls(
            number=outcome.number,
            state=BookingState(booking.state) if booking is not None else None,
            price_cents=booking.price_cents if booking is not None else None,
            support_cents=booking.support_cents if booking is not None else None,
            refusal=RefusalAnswer(**refusal_facts(refusal)) if refusal is not None else None,
            **facts,
        )


class SeriesPreview(BaseModel):
    """What would become of a series that is sent now; nothing of it is booked."""

    possible: int
    refused: int
    price_cents: int
    """What the company would pay for all that is possible."""
    support_cents: int
    results: list[OccurrencePreview]

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> "SeriesPreview":
        """Translate."""
        results = [OccurrencePreview.of(outcome) for outcome in outcomes]
        refused = sum(result.refusal is not None for result in results)
        return cls(
            possible=len(results) - refused,
            refused=refused,
            price_cents=sum(result.price_cents or 0 for result in results),
            support_cents=sum(result.support_cents or 0 for result in results),
            results=results,
        )


class SeriesFacts(BaseModel):
    """A series."""

    id: str
    organisation_id: str
    rrule: str
    created_by: str
    created_at: datetime


class SeriesBooked(SeriesFacts):
    """A new series, and what became of each occurrence."""

    booked: int
    refused: int
    results: list[OccurrenceAnswer]

    @classmethod
    def of(cls, series: BookingSeries, outcomes: Sequence[Outcome]) -> "SeriesBooked":
        """Translate."""
        return cls(
            **_facts(series), **_counts(outcomes), results=[OccurrenceAnswer.of(outcome) for outcome in outcomes]
        )


class SeriesAnswer(SeriesFacts):
    """A series with its bookings by start, cancelled ones included."""

    bookings: list[BookingAnswer]

    @classmethod
    def of(cls, series: BookingSeries, bookings: Sequence[Booking]) -> "SeriesAnswer":
        """Translate."""
        return cls(**_facts(series), bookings=[BookingAnswer.of(booking) for booking in bookings])


class CancelResult(BaseModel):
    """What became of one booking that was to be cancelled."""

    booking: BookingAnswer
    """As it is now."""
    refusal: RefusalAnswer | None


class SeriesCancelled(SeriesFacts):
    """A series whose rest was given back."""

    cancelled: int
    refused: int
    results: list[CancelResult]
    """Of what was ahead, by start."""

    @classmethod
    def of(cls, series: BookingSeries, outcomes: Sequence[Outcome]) -> "SeriesCancelled":
        """Translate."""
        refused = sum(outcome.refusal is not None for outcome in outcomes)
        results = [
            CancelResult(
                booking=BookingAnswer.of(outcome.booking),
                refusal=RefusalAnswer(**refusal_facts(outcome.refusal)) if outcome.refusal is not None else None,
            )
            for outcome in outcomes
            if outcome.booking is not None
        ]
        return cls(**_facts(series), cancelled=len(results) - refused, refused=refused, results=results)


class MovesAnswer(BaseModel):
    """The bookings where they are now, in the order of the request."""

    bookings: list[BookingAnswer]


def _facts(series: BookingSeries) -> dict[str, Any]:
    return {name: getattr(series, name) for name in SeriesFacts.model_fields}


def _counts(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    refused = sum(outcome.refusal is not None for outcome in outcomes)
    return {"booked": len(outcomes) - refused, "refused": refused}
