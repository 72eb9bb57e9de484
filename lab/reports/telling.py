"""Who is told of a report: its company, by mail and by webhook, once it is approved."""

from datetime import datetime

from sqlalchemy.orm import Session

from lab.people.rules import mail_language
from lab.post.messages import is_mail_address
from lab.post.service import queue_event, queue_mail
from lab.reports import repository
from lab.reports.issue import ReportIssue
from lab.reports.language import say as _
from lab.reports.language import writing_in
from lab.reports.models import Report
from lab.reports.results import Verdict
from lab.reports.writing import write_verdict


def tell_of_approval(session: Session, report: Report, *, now: datetime) -> None:
    """Queue the mails and the event of an approved report; once, however often it is called.

    Each in the language of its reader, or else in that of the report.

    Args:
        session: of the transaction that makes the report final.
        report: the report.
        now: the present instant.
    """
    written_in = ReportIssue.model_validate(report.issue).statement.language
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
            with writing_in(mail_language(account, written_in)):
                queue_mail(
                    session,
                    key=f"{key}:{account.id}",
                    recipient=account.sign_in,
                    subject=_("Your report {number} is ready", number=report.number),
                    text=_text(account.name, report, pilot.title),
                    now=now,
                    about=report.id,
                )


def _text(name: str, report: Report, title: str) -> str:
    answer = write_verdict(Verdict(report.verdict))
    where = _(
        "You find it under Reports, as page, as PDF and as data package, from which every number can be computed again."
    )
    number = _("Report {number}, SHA-256 of the PDF {hash}", number=report.number, hash=report.pdf_sha256)
    return "\n\n".join(
        [
            _("Dear {name},", name=name),
            _("the report on “{title}” is approved. Its answer: {answer}.", title=title, answer=answer),
            f"{where}\n{number}\n",
        ]
    )
