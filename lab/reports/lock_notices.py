"""What a company gets by mail when its plan is locked: the hash, so that nobody can change the plan unseen."""

from datetime import datetime

from sqlalchemy.orm import Session

from lab.people.rules import mail_language
from lab.pilots.models import Pilot, Plan
from lab.post.messages import is_mail_address
from lab.post.service import queue_mail
from lab.reports.afterwards.repository import members_of
from lab.reports.language import Language, writing_in
from lab.reports.language import say as _
from lab.reports.repository import account_name
from lab.reports.writing import write_time


def tell_of_lock(session: Session, plan_id: str, *, time_zone: str, language: Language, now: datetime) -> None:
    """Queue a mail to each member of the company whose plan was locked; once, however often it is called.

    Each in the language of its reader.

    Args:
        session: a write session.
        plan_id: the locked plan.
        time_zone: IANA zone of the lab.
        language: of the lab, for who has chosen none.
        now: the present instant.
    """
    plan = session.get_one(Plan, plan_id)
    pilot = session.get_one(Pilot, plan.pilot_id)
    by = account_name(session, plan.locked_by or "") or plan.locked_by or ""
    for account in members_of(session, pilot.organisation_id):
        if is_mail_address(account.sign_in):
            with writing_in(mail_language(account, language)):
                subject, text = _write(account.name, pilot, plan, by=by, zone=time_zone)
            queue_mail(
                session,
                key=f"plan:{plan.id}:locked:{account.id}",
                recipient=account.sign_in,
                subject=subject,
                text=text,
                now=now,
                about=pilot.id,
            )


def _write(name: str, pilot: Pilot, plan: Plan, *, by: str, zone: str) -> tuple[str, str]:
    """Subject and text, in the present language."""
    when = write_time(plan.locked_at, zone)
    paragraphs = [
        _("Dear {name},", name=name),
        _(
            "the analysis plan of the pilot “{title}” was locked: {time}, by {who}.",
            title=pilot.title,
            time=when,
            who=by,
        ),
        _("SHA-256 of the plan: {hash}", hash=plan.sha256),
        _(
            "Please keep this mail. The report prints this hash beside the criteria; if it is the same, nothing was "
            "changed after the lock."
        ),
        _(
            "From now on neither you nor the lab can change the question, the criteria, the design, the number of runs "
            "or their order. Slots can still be moved, and runs can be left out for a reason. Runs made in another "
            "order or left out are printed in the report as deviations."
        ),
    ]
    return _("The plan of pilot {number} is locked", number=pilot.number), "\n\n".join(paragraphs) + "\n"
