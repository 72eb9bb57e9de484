"""The history of an entry: lines of the audit log, written with each change, in the same transaction."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from bookings.waitlist.models import WaitlistEntry
from lab.core import audit

SUBJECT = "waitlist"


def snapshot(entry: WaitlistEntry) -> dict[str, Any]:
    """What of an entry can change, JSON-ready."""
    return {"state": entry.state, "booking_id": entry.booking_id, "offers": entry.offers, "version": entry.version}


def note_change(
    session: Session,
    entry: WaitlistEntry,
    what: str,
    *,
    by: str,
    at: datetime,
    before: dict[str, Any] | None,
    reason: str | None = None,
) -> None:
    """Write a changed (or new) entry and one line of its history.

    Args:
        session: of the change itself.
        entry: as it is now; its version is counted up unless it is new.
        what: joined, offered, accepted, claimed, declined, lapsed, expired or withdrawn.
        by: account id.
        at: when.
        before: `snapshot` from before the change; None of a new entry.
        reason: in the person's own words.
    """
    if before is not None:
        entry.version += 1
    session.flush()
    audit.note_change(
        session, SUBJECT, entry.id, what, by=by, at=at, before=before, after=snapshot(entry), reason=reason
    )
