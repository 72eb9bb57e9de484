"""What is said about the waitlist over HTTP, and to the service."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from bookings.models import Booking
from bookings.schemas import BookingAnswer, DeviceId, Instant, Reference, Title
from bookings.waitlist.models import WaitlistEntry
from bookings.waitlist.rules import EntryState, Missed


class WaitRequest(BaseModel):
    """A wish for a slot that is not free yet."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device_ids: list[DeviceId] = Field(examples=[["mill-1", "meter-1"]])
    """All needed at once."""
    earliest: Instant = Field(examples=["2026-11-23T08:00:00+01:00"])
    """Not before."""
    latest: Instant = Field(examples=["2026-11-27T18:00:00+01:00"])
    """Ended by then."""
    minutes: int = Field(ge=1, le=31 * 24 * 60)
    """How long the slot is to be."""
    title: Title
    pilot_id: Reference | None = None
    supervised: bool = False
    """Whether an engineer of the lab is booked with it."""


class MissedOffer(BaseModel):
    """An offer that was not taken; the same time is not offered again."""

    start: datetime
    end: datetime
    how: Missed


class WaitlistAnswer(BaseModel):
    """An entry as its company and the staff see it. Times are UTC."""

    id: str
    organisation_id: str
    account_id: str
    """Who waits."""
    pilot_id: str | None
    title: str
    device_ids: list[str]
    supervised: bool
    earliest: datetime
    latest: datetime
    minutes: int
    state: EntryState
    offers: int
    """How many were made so far."""
    missed: list[MissedOffer]
    booking: BookingAnswer | None
    """The slot that is offered, until its `lapses_at`, or that was taken."""
    created_at: datetime
    version: int
    """Counts changes; the ETag is this number in quotes."""

    @classmethod
    def of(cls, entry: WaitlistEntry, booking: Booking | None) -> "WaitlistAnswer":
        """Translate an entry; `booking` is the one that it refers to."""
        return cls(
            id=entry.id,
            organisation_id=entry.organisation_id,
            account_id=entry.account_id,
            pilot_id=entry.pilot_id,
            title=entry.title,
            device_ids=entry.device_ids,
            supervised=entry.supervised,
            earliest=entry.earliest,
            latest=entry.latest,
            minutes=entry.minutes,
            state=EntryState(entry.state),
            offers=entry.offers,
            missed=[MissedOffer.model_validate(one) for one in entry.missed],
            booking=BookingAnswer.of(booking) if booking is not None else None,
            created_at=entry.created_at,
            version=entry.version,
        )


class WaitlistAnswers(BaseModel):
    """Entries, the oldest first."""

    entries: list[WaitlistAnswer]
    next: str | None = None
    """Cursor of the next page; null: this is the last."""
