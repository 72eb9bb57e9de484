"""The history of a booking: written with each change, in the same transaction, never changed."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from bookings.models import Booking, BookingChange


def snapshot(booking: Booking) -> dict[str, Any]:
    """What of a booking can change, JSON-ready."""
    return {
        "start": booking.start_at.isoformat(),
        "end": booking.end_at.isoformat(),
        "state": booking.state,
        "device_ids": [row.device_id for row in booking.devices],
        "version": booking.version,
    }


def note_change(
    session: Session,
    booking: Booking,
    what: str,
    *,
    by: str,
    at: datetime,
    before: dict[str, Any] | None,
    reason: str | None = None,
) -> None:
    """Add one line to the history; the present state of `booking` is what it changed to.

    Args:
        session: of the change itself.
        booking: as it is now.
        what: created, moved, cancelled, started or finished.
        by: account id.
        at: when.
        before: `snapshot` from before the change; None of a new booking.
        reason: in the person's own words.
    """
    session.add(
        BookingChange(
            booking_id=booking.id, at=at, by=by, what=what, before=before, after=snapshot(booking), reason=reason
        )
    )
