"""A slot was given back: whoever waits for it is offered it, outside the transaction that freed it."""

from datetime import datetime

from sqlalchemy.orm import Session

from bookings.models import Booking
from lab.core.jobs import enqueue

JOB_KIND = "waitlist-offer"


def note_freed(session: Session, booking: Booking, *, now: datetime) -> None:
    """Have the waitlist looked through for what this booking has just given back.

    Args:
        session: of the change itself.
        booking: as it is now, its version counted up.
        now: the present instant.
    """
    enqueue(
        session,
        kind=JOB_KIND,
        key=f"{JOB_KIND}:{booking.id}:{booking.version}",
        payload={"device_ids": [row.device_id for row in booking.devices]},
        now=now,
    )
