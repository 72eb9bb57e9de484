"""Who is told of what becomes of a booking: mails with the invitation attached, and events for webhooks.

Nothing is sent, nor even written out, inside the request: a change only leaves a job behind.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from bookings.models import Booking
from lab.core.jobs import enqueue

JOB_KIND = "booking-notice"


class Notice(StrEnum):
    """What became of a booking."""

    CREATED = "created"
    REQUESTED = "requested"
    APPROVED = "approved"
    DECLINED = "declined"
    LAPSED = "lapsed"
    MOVED = "moved"
    EXTENDED = "extended"
    CANCELLED = "cancelled"
    STARTED = "started"
    FINISHED = "finished"
    NO_SHOW = "no-show"
    OFFERED = "offered"
    OUTAGE_HIT = "outage-hit"
    REINSTATED = "reinstated"


def announce(
    session: Session, booking: Booking, what: Notice | str, *, now: datetime, cause: str | None = None
) -> None:
    """Have everybody told whom it concerns, if and only if the change itself is kept.

    Args:
        session: of the change itself.
        booking: as it is now, its version counted up.
        what: one of `Notice`.
        now: the present instant.
        cause: id of what did it, where a booking can be hit twice without changing itself (an outage).

    Raises:
        ValueError: for a word that is none of `Notice`.
    """
    kind = Notice(what)
    key = f"{JOB_KIND}:{booking.id}:{booking.version}:{kind}" + (f":{cause}" if cause else "")
    payload = {"booking_id": booking.id, "what": kind.value, "version": booking.version, "cause": cause}
    enqueue(session, kind=JOB_KIND, key=key, payload=payload, now=now)
