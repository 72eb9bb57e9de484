"""Every query on links to reports."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from lab.core.audit import AuditEntry
from lab.core.database import storable
from lab.pilots.models import Pilot
from lab.reports.links.models import ReportLink
from lab.reports.models import Report


def links_of(session: Session, report_id: str) -> Sequence[ReportLink]:
    """The links to a report, the newest first, ended ones included."""
    query = sa.select(ReportLink).where(ReportLink.report_id == report_id)
    return session.scalars(query.order_by(ReportLink.created_at.desc(), ReportLink.id)).all()


def count_in_use(session: Session, report_id: str, *, now: datetime) -> int:
    """How many links lead to a report now."""
    query = sa.select(sa.func.count()).select_from(ReportLink)
    return session.scalar(query.where(ReportLink.report_id == report_id, *_in_use(now))) or 0


def link(session: Session, link_id: str) -> tuple[ReportLink, Report, Pilot] | None:
    """A link with what it leads to."""
    if not storable(link_id):
        return None
    found = session.execute(_WITH_REPORT.where(ReportLink.id == link_id)).one_or_none()
    return None if found is None else (found[0], found[1], found[2])


def report_behind(session: Session, token_hash: str, *, now: datetime) -> tuple[ReportLink, Report, Pilot] | None:
    """What a link that is in use leads to."""
    found = session.execute(_WITH_REPORT.where(ReportLink.token_hash == token_hash, *_in_use(now))).one_or_none()
    return None if found is None else (found[0], found[1], found[2])


def count_opening(session: Session, link_id: str, *, now: datetime) -> None:
    """Note that something was fetched."""
    session.execute(
        sa.update(ReportLink).where(ReportLink.id == link_id).values(opened=ReportLink.opened + 1, last_opened_at=now)
    )


def was_opened(session: Session, link_id: str, what: str, *, since: datetime) -> bool:
    """Whether this was fetched by a link since then."""
    query = sa.select(AuditEntry.id).where(
        AuditEntry.subject == "report-link", AuditEntry.subject_id == link_id, AuditEntry.what == "opened",
        AuditEntry.at >= since, AuditEntry.after["what"].as_string() == what,
    )  # fmt: skip
    return session.scalar(query.limit(1)) is not None


_WITH_REPORT = (
    sa.select(ReportLink, Report, Pilot)
    .join(Report, Report.id == ReportLink.report_id)
    .join(Pilot, Pilot.id == Report.pilot_id)
)


def _in_use(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return ReportLink.revoked_at.is_(None), ReportLink.expires_at > now
