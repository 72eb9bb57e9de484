"""The history of a booking: lines of the audit log, written with each change, in the same transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from bookings.models import Booking
from lab.core import audit

SUBJECT = "booking"


def snapshot(booking: Booking) -> dict[str, Any]:
    """What of a booking can change, JSON-ready."""
    return {
        "start": booking.start_at.isoformat(),
        "end": booking.end_at.isoformat(),
        "state": booking.state,
        "device_ids": [row.device_id for row in booking.devices],
        "engineer_ids": [row.account_id for row in booking.engineers],
        "price_cents": booking.price_cents,
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
    overridden: Sequence[str] = (),
) -> None:
    """Add one line to the history; the present state of `booking` is what it changed to.

    Args:
        session: of the change itself.
        booking: as it is now.
        what: created, moved, cancelled, started, finished, …
        by: account id.
        at: when.
        before: `snapshot` from before the change; None of a new booking.
        reason: in the person's own words.
        overridden: rules that were set aside for it.
    """
    after = _present(booking, overridden)
    audit.note_change(session, SUBJECT, booking.id, what, by=by, at=at, before=before, after=after, reason=reason)


def first_line(
    booking: Booking, what: str, *, by: str, at: datetime, reason: str | None = None, overridden: Sequence[str] = ()
) -> tuple[sa.Table, dict[str, Any]]:
    """The beginning of a new booking's history as a row; see `note_change`."""
    after = _present(booking, overridden)
    return audit.line_of_change(SUBJECT, booking.id, what, by=by, at=at, after=after, reason=reason)


def _present(booking: Booking, overridden: Sequence[str]) -> dict[str, Any]:
    after = snapshot(booking)
    return {**after, "overridden": list(overridden)} if overridden else after
