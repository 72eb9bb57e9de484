"""Every query on what happens after a report."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from lab.people.models import Account, Organisation
from lab.people.principals import Role
from lab.pilots.models import Pilot
from lab.reports.afterwards.models import FollowUp, ReportAcceptance
from lab.reports.issue import ReportIssue
from lab.reports.language import Language
from lab.reports.models import Report


def acceptance(session: Session, report_id: str) -> ReportAcceptance | None:
    """By whom a report was accepted."""
    return session.get(ReportAcceptance, report_id)


def follow_ups_of(session: Session, pilot_id: str) -> Sequence[FollowUp]:
    """The follow-ups of a pilot, the first one first."""
    return session.scalars(
        sa.select(FollowUp).where(FollowUp.pilot_id == pilot_id).order_by(FollowUp.months)
    ).all()  # fmt: skip


def lock_follow_up(session: Session, pilot_id: str, months: int) -> FollowUp | None:
    """A follow-up as it is now, kept from other changes until this transaction ends."""
    query = sa.select(FollowUp).where(FollowUp.pilot_id == pilot_id, FollowUp.months == months).with_for_update()
    return session.scalar(query.execution_options(populate_existing=True))


def all_follow_ups(session: Session, *, unanswered_at: datetime | None) -> list[tuple[FollowUp, Pilot, Organisation]]:
    """Follow-ups with their pilots and companies, by when they are due; only those due then and unanswered."""
    query = (
        sa.select(FollowUp, Pilot, Organisation)
        .join(Pilot, Pilot.id == FollowUp.pilot_id)
        .join(Organisation, Organisation.id == Pilot.organisation_id)
    )
    if unanswered_at is not None:
        query = query.where(FollowUp.due_at <= unanswered_at, FollowUp.answered_at.is_(None))
    rows = session.execute(query.order_by(FollowUp.due_at, Pilot.number, FollowUp.months))
    return [(row, pilot, organisation) for row, pilot, organisation in rows]


def members_of(session: Session, organisation_id: str) -> Sequence[Account]:
    """The members of a company whose accounts are open."""
    query = sa.select(Account).where(
        Account.organisation_id == organisation_id, Account.role == Role.MEMBER, Account.disabled_at.is_(None)
    )
    return session.scalars(query.order_by(Account.id)).all()


def approved_without_follow_ups(session: Session) -> Sequence[Report]:
    """The approved reports of pilots that have no follow-up, the oldest first."""
    planned = sa.select(FollowUp.pilot_id).where(FollowUp.pilot_id == Report.pilot_id)
    written = Report.written_revision == Report.revision
    query = sa.select(Report).where(Report.status == "approved", written, ~planned.exists())
    return session.scalars(query.order_by(Report.pilot_id, Report.version)).all()


def language_of_pilot(session: Session, pilot_id: str) -> Language:
    """The language that the newest report of a pilot is written in."""
    query = sa.select(Report.issue).where(Report.pilot_id == pilot_id).order_by(Report.version.desc()).limit(1)
    issue = session.scalar(query)
    return ReportIssue.model_validate(issue or {}).statement.language
