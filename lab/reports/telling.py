"""Who is told of a report: its company, by mail and by webhook, once it is approved."""

from datetime import datetime

from sqlalchemy.orm import Session

from lab.post.messages import is_mail_address
from lab.post.service import queue_event, queue_mail
from lab.reports import repository
from lab.reports.models import Report


def tell_of_approval(session: Session, report: Report, *, now: datetime) -> None:
    """Queue the mails and the event of an approved report; once, however often it is called.

    Args:
        session: of the transaction that makes the report final.
        report: the report.
        now: the present instant.
    """
    pilot, members = repository.company_of(session, report.pilot_id)
    key = f"report:{report.id}:approved"
    facts = {
        "report": report.id,
        "number": report.number,
        "version": report.version,
        "pilot": pilot.id,
        "verdict": report.verdict,
        "pdf_sha256": report.pdf_sha256,
        "package_sha256": report.package_sha256,
    }
    queue_event(
        session, key=key, organisation_id=pilot.organisation_id, event="report.approved", payload=facts, now=now
    )
    for account in members:
        if is_mail_address(account.sign_in):
            queue_mail(
                session,
                key=f"{key}:{account.id}",
                recipient=account.sign_in,
                subject=f"Your report {report.number} is ready",
                text=_text(account.name, report, pilot.title),
                now=now,
                about=report.id,
            )


def _text(name: str, report: Report, title: str) -> str:
    return (
        f"Dear {name},\n\n"
        f"the report on “{title}” is approved. Its answer: {report.verdict}.\n\n"
        "You find it under Reports, as page, as PDF and as data package, from which every number can be computed "
        "again.\n"
        f"Report {report.number}, SHA-256 of the PDF {report.pdf_sha256}\n"
    )
