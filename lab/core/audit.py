"""The audit log: who changed what, when, from what, to what, and why. Written in the change's own transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from lab.core.database import Base, UtcDateTime
from lab.core.paging import Keyset, Page, PageWish, read_page


class AuditEntry(Base):
    """One change of one thing. Never changed, never deleted."""

    __tablename__ = "audit_entries"
    __table_args__ = (sa.Index("ix_audit_entries_subject", "subject", "subject_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    by: Mapped[str] = mapped_column(sa.String(40))
    """Account id, or `system`."""
    subject: Mapped[str] = mapped_column(sa.String(40))
    """What kind of thing: booking, rule, outage, qualification, price-list, programme, …"""
    subject_id: Mapped[str] = mapped_column(sa.String(100))
    what: Mapped[str] = mapped_column(sa.String(40))
    """created, moved, cancelled, …"""
    before: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
    after: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
    reason: Mapped[str | None] = mapped_column(sa.Text)
    """In the person's own words."""


def note_change(
    session: Session,
    subject: str,
    subject_id: str,
    what: str,
    *,
    by: str,
    at: datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    """Add one line to the log.

    Args:
        session: of the change itself.
        subject: what kind of thing was changed.
        subject_id: which one.
        what: what was done, a past participle.
        by: account id.
        at: when.
        before: what it was, JSON-ready; None of a new thing.
        after: what it is now, JSON-ready.
        reason: in the person's own words.
    """
    table, values = line_of_change(subject, subject_id, what, by=by, at=at, before=before, after=after, reason=reason)
    session.execute(sa.insert(table), values)


def line_of_change(
    subject: str,
    subject_id: str,
    what: str,
    *,
    by: str,
    at: datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> tuple[sa.Table, dict[str, Any]]:
    """A line of the log as a row, to be written together with the change (`lab.core.database.write_together`)."""
    return _ENTRIES, {
        "at": at,
        "by": by,
        "subject": subject,
        "subject_id": subject_id,
        "what": what,
        "before": dict(before) if before is not None else None,
        "after": dict(after) if after is not None else None,
        "reason": reason,
    }


_ENTRIES = cast(sa.Table, AuditEntry.__table__)


NEWEST_FIRST = Keyset("audit", (AuditEntry.at, AuditEntry.id), descending=True)


def changes_of(session: Session, subject: str, subject_id: str) -> Sequence[AuditEntry]:
    """The history of one thing, oldest first."""
    ours = (AuditEntry.subject == subject, AuditEntry.subject_id == subject_id)
    return session.scalars(sa.select(AuditEntry).where(*ours).order_by(AuditEntry.at, AuditEntry.id)).all()


def find_changes(
    session: Session,
    page: PageWish,
    *,
    subject: str | None = None,
    subject_id: str | None = None,
    by: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Page[AuditEntry]:
    """Changes of everything, newest first; each filter that is given must fit.

    Args:
        session: to read in.
        page: which part.
        subject: what kind of thing.
        subject_id: which one.
        by: account id, or `system`.
        since: not before this instant.
        until: before this instant.

    Raises:
        CursorInvalidError: a cursor that this list never gave.
    """
    query = sa.select(AuditEntry)
    for column, wanted in ((AuditEntry.subject, subject), (AuditEntry.subject_id, subject_id), (AuditEntry.by, by)):
        if wanted is not None:
            query = query.where(column == wanted)
    if since is not None:
        query = query.where(AuditEntry.at >= since)
    if until is not None:
        query = query.where(AuditEntry.at < until)
    return read_page(session, query, NEWEST_FIRST, page)
