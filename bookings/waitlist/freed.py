"""A slot was given back: whoever waits for it is offered it, outside the transaction that freed it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

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
    _look_through(session, f"{booking.id}:{booking.version}", [row.device_id for row in booking.devices], now=now)


def note_eased(session: Session, cause: str, device_ids: Sequence[str], *, now: datetime) -> None:
    """Have the waitlist looked through because an outage is over, or a rule has changed.

    Args:
        session: of the change itself.
        cause: names the change: id and version of the outage or the rule.
        device_ids: of which devices.
        now: the present instant.
    """
    _look_through(session, cause, device_ids, now=now)


def note_joined(session: Session, entry_id: str, device_ids: Sequence[str], *, over: datetime, now: datetime) -> None:
    """Have the waitlist looked through for a new entry, and once more when nothing fits into its window any more.

    What was given back after the newcomer saw it taken, and before it stood in the line, is found so.

    Args:
        session: of the change itself.
        entry_id: the new entry.
        device_ids: what it waits for.
        over: the last instant at which something could begin and fit.
        now: the present instant.
    """
    _look_through(session, entry_id, device_ids, now=now)
    _look_through(session, f"{entry_id}:over", device_ids, now=now, at=over + timedelta.resolution)


def _look_through(
    session: Session, cause: str, device_ids: Sequence[str], *, now: datetime, at: datetime | None = None
) -> None:
    payload = {"device_ids": list(device_ids)}
    enqueue(session, kind=JOB_KIND, key=f"{JOB_KIND}:{cause}", payload=payload, now=now, run_at=at)
