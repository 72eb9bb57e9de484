"""Which reports somebody may read: the staff all, everybody else those on their own organisation's pilots."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from lab.people.principals import Principal
from lab.pilots.models import Pilot
from lab.reports.errors import ReportUnknownError
from lab.reports.models import Report


def list_reports(session: Session, principal: Principal, pilot_id: str | None = None) -> list[Report]:
    """Reports that this principal may read, the newest first; of one pilot, if one is named."""
    query = _readable(principal).order_by(Report.created_at.desc(), Report.version.desc())
    if pilot_id is not None:
        query = query.where(Report.pilot_id == pilot_id)
    return list(session.scalars(query))


def get_report(session: Session, principal: Principal, report_id: str) -> Report:
    """One report.

    Raises:
        ReportUnknownError: there is none, or it is another company's.
    """
    report = session.scalar(_readable(principal).where(Report.id == report_id))
    if report is None:
        raise ReportUnknownError("there is no such report", field="report_id", rule="known-report")
    return report


def _readable(principal: Principal) -> sa.Select[Report]:
    query = sa.select(Report).join(Pilot, Pilot.id == Report.pilot_id)
    if not principal.is_staff:
        query = query.where(Pilot.organisation_id == principal.organisation_id)
    return query
