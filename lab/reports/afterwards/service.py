"""What people do after a report: accept it, and tell what became of it. The caller owns the transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dateutil.relativedelta import relativedelta
from sqlalchemy.orm import Session

from lab.core.audit import note_change
from lab.core.errors import ForbiddenError
from lab.core.jobs import enqueue
from lab.people.models import Organisation
from lab.people.principals import Principal, Role
from lab.people.rules import mail_language
from lab.pilots.maturity.repository import assessments_of
from lab.pilots.models import Pilot
from lab.pilots.repository import lock_pilot
from lab.pilots.service import get_pilot
from lab.post.messages import is_mail_address
from lab.post.service import queue_mail
from lab.reports.afterwards import repository
from lab.reports.afterwards.errors import AcceptedError, AmountUnfitError, FollowUpUnknownError
from lab.reports.afterwards.models import FollowUp, ReportAcceptance
from lab.reports.afterwards.reminders import write_reminder
from lab.reports.afterwards.schemas import FollowUpRequest
from lab.reports.errors import ReportStateError
from lab.reports.issue import ReportIssue
from lab.reports.language import writing_in
from lab.reports.repository import lock_report
from lab.reports.service import get_report

MONTHS = (6, 12)
"""After the approval of a pilot's first report, its company is asked what became of it."""
REMIND_JOB = "follow-up"


def accept_report(
    session: Session, principal: Principal, report_id: str, *, comment: str | None, now: datetime
) -> ReportAcceptance:
    """Accept an approved report on behalf of its company.

    Args:
        session: a write session.
        principal: a member of the company.
        report_id: the report; a corrected version is accepted by itself.
        comment: in the company's own words.
        now: the present instant.

    Raises:
        ReportUnknownError: if there is no such report, or it is another company's.
        ForbiddenError: for anybody but the company's members; the lab does not accept its own report.
        ReportStateError: if it is not approved.
        AcceptedError: if it has been accepted already.
    """
    report = get_report(session, principal, report_id)
    if principal.role is not Role.MEMBER:
        raise ForbiddenError("a report is accepted by a member of the company whose it is", rule="members-only")
    lock_report(session, report.id)
    if not report.is_final:
        raise ReportStateError(
            f"report {report.number} is not approved yet; it can be accepted as soon as it is",
            field="status", rule="approved-first", now=report.status,
        )  # fmt: skip
    known = repository.acceptance(session, report.id)
    if known is not None:
        raise AcceptedError(
            f"report {report.number} was accepted by {known.name} on {known.accepted_at:%Y-%m-%d %H:%M} UTC",
            field="report_id", rule="once", at=known.accepted_at.isoformat(),
        )  # fmt: skip
    row = ReportAcceptance(
        report_id=report.id, accepted_by=principal.account_id, name=principal.name, accepted_at=now, comment=comment
    )
    session.add(row)
    session.flush()
    note_change(session, "report", report.id, "accepted", by=principal.account_id, at=now, reason=comment)
    return row


def get_acceptance(session: Session, principal: Principal, report_id: str) -> ReportAcceptance | None:
    """Who accepted a report; None: nobody yet.

    Raises:
        ReportUnknownError: if there is no such report, or it is another company's.
    """
    return repository.acceptance(session, get_report(session, principal, report_id).id)


def plan_follow_ups(session: Session, pilot_id: str, *, approved_at: datetime, now: datetime) -> None:
    """Have the company asked some months after the approval of its pilot's first report; later ones change nothing."""
    if repository.follow_ups_of(session, pilot_id):
        return
    for months in MONTHS:
        due = approved_at + relativedelta(months=months)
        session.add(FollowUp(pilot_id=pilot_id, months=months, due_at=due))
        enqueue(
            session,
            kind=REMIND_JOB,
            key=f"{REMIND_JOB}:{pilot_id}:{months}",
            payload={"pilot_id": pilot_id, "months": months},
            now=now,
            run_at=due,
        )
    session.flush()


def plan_missing_follow_ups(session: Session, *, now: datetime) -> int:
    """Plan those of pilots whose report was approved by a release that knew of none; gives how many pilots."""
    found = repository.approved_without_follow_ups(session)
    for report in found:
        lock_pilot(session, report.pilot_id)  # another process may be doing the same
        approved = ReportIssue.model_validate(report.issue).approved
        plan_follow_ups(session, report.pilot_id, approved_at=approved.at if approved else report.created_at, now=now)
    return len({report.pilot_id for report in found})


def remind(session: Session, pilot_id: str, months: int, *, now: datetime) -> None:
    """Ask a company's members by mail for what nobody has told yet; once.

    In the language that they read, else that of the report.

    What became of the pilot; after a year also their digital maturity, T2. Of several questions whose day has come, as
    when they were planned late, only the last one is asked.
    """
    row = repository.lock_follow_up(session, pilot_id, months)
    pilot = session.get(Pilot, pilot_id)
    if row is None or pilot is None or row.reminded_at is not None:
        return
    wanted = [*(["invested"] if row.answered_at is None else []), *(["T2"] if _misses_t2(session, row) else [])]
    later = [one for one in repository.follow_ups_of(session, pilot_id) if one.months > months and one.due_at <= now]
    if later or not wanted:
        return
    row.reminded_at = now
    written_in = repository.language_of_pilot(session, pilot_id)
    for account in repository.members_of(session, pilot.organisation_id):
        if is_mail_address(account.sign_in):
            with writing_in(mail_language(account, written_in)):
                subject, text = write_reminder(account.name, pilot, months, wanted)
                queue_mail(
                    session,
                    key=f"{REMIND_JOB}:{pilot_id}:{months}:{account.id}",
                    recipient=account.sign_in,
                    subject=subject,
                    text=text,
                    now=now,
                    about=pilot.id,
                )


def _misses_t2(session: Session, row: FollowUp) -> bool:
    return row.months == MONTHS[-1] and all(one.stage != "T2" for one in assessments_of(session, row.pilot_id))


def answer_follow_up(
    session: Session, principal: Principal, pilot_id: str, months: int, request: FollowUpRequest, *, now: datetime
) -> FollowUp:
    """Tell what became of a pilot, or tell it again; what was told before stands in the log.

    Raises:
        PilotUnknownError: if there is no such pilot, or it is another company's.
        FollowUpUnknownError: if the pilot has no follow-up after so many months.
        AmountUnfitError: if an amount or its funding is given of an investment that was not made.
    """
    pilot = get_pilot(session, principal, pilot_id)
    row = repository.lock_follow_up(session, pilot.id, months)
    if row is None:
        raise FollowUpUnknownError(
            f"{pilot.number} has no follow-up after {months} months; those after {' and '.join(map(str, MONTHS))} "
            "months are planned when its report is approved",
            field="months", rule="planned",
        )  # fmt: skip
    if request.invested != "yes" and (request.amount_cents is not None or request.funding is not None):
        raise AmountUnfitError(
            "an amount and its funding belong to an investment that was made", field="amount_cents", rule="invested"
        )
    before = _facts(row) if row.answered_at is not None else None
    for name, value in request.model_dump().items():
        setattr(row, name, value)
    row.answered_by, row.answered_at = principal.account_id, now
    session.flush()
    what = "followed up"
    note_change(session, "pilot", pilot.id, what, by=principal.account_id, at=now, before=before, after=_facts(row))
    return row


def follow_ups(session: Session, principal: Principal, pilot_id: str) -> Sequence[FollowUp]:
    """The follow-ups of one pilot; none before its report is approved.

    Raises:
        PilotUnknownError: if there is no such pilot, or it is another company's.
    """
    return repository.follow_ups_of(session, get_pilot(session, principal, pilot_id).id)


def list_follow_ups(
    session: Session, principal: Principal, *, unanswered_at: datetime | None = None
) -> list[tuple[FollowUp, Pilot, Organisation]]:
    """All follow-ups, or those that were due then and nobody has answered; for the staff.

    Raises:
        ForbiddenError: for anybody but the staff.
    """
    principal.require_staff("see all follow-ups")
    return repository.all_follow_ups(session, unanswered_at=unanswered_at)


def _facts(row: FollowUp) -> dict[str, Any]:
    return {"months": row.months, **{name: getattr(row, name) for name in FollowUpRequest.model_fields}}
