"""What a company gets by mail when its plan is locked, and at every change of it: the hash, so that all is seen."""

from datetime import datetime

from sqlalchemy.orm import Session

from lab.people.rules import mail_language
from lab.pilots.models import Pilot, Plan
from lab.pilots.plans import AmendedPlan, Amendment, read_plan
from lab.post.messages import is_mail_address
from lab.post.service import queue_mail
from lab.reports.afterwards.repository import members_of
from lab.reports.language import Language, writing_in
from lab.reports.language import say as _
from lab.reports.repository import account_name
from lab.reports.writing import write_time_of_zone


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
    when = write_time_of_zone(plan.locked_at, zone)
    document = read_plan(plan.document)
    if isinstance(document, AmendedPlan):
        return _write_change(name, pilot, plan, document.amends, by=by, when=when)
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
            "Please keep this mail. The report prints this hash beside the criteria; if it is the only one there, "
            "nothing was changed after the lock."
        ),
        _(
            "From now on neither you nor the lab can change the design, the number of runs or their order, and nothing "
            "else unseen: if the lab must correct the plan, you get the new hash and the reason by mail. Slots can "
            "still be moved, and runs can be left out for a reason. Corrections, runs made in another order and runs "
            "left out are printed in the report as deviations."
        ),
    ]
    return _("The plan of pilot {number} is locked", number=pilot.number), "\n\n".join(paragraphs) + "\n"


def _write_change(name: str, pilot: Pilot, plan: Plan, amends: Amendment, *, by: str, when: str) -> tuple[str, str]:
    paragraphs = [
        _("Dear {name},", name=name),
        _(
            "the locked analysis plan of the pilot “{title}” was changed: {time}, by {who}. Version {version} is in "
            "force now.",
            title=pilot.title,
            time=when,
            who=by,
            version=plan.version,
        ),
        _("Reason: {reason}", reason=amends.reason),
        _("SHA-256 of version {version}, as you know it: {hash}", version=amends.version, hash=amends.sha256),
        _("SHA-256 of version {version}, from now on: {hash}", version=plan.version, hash=plan.sha256),
        _(
            "Please keep this mail. The runs keep their order. The report prints both hashes, and every change as a "
            "deviation: what it was, what it is, when, by whom, why and after how many runs."
        ),
        _("Do you not agree? Please tell the lab before the data are sealed."),
    ]
    return _("The plan of pilot {number} was changed", number=pilot.number), "\n\n".join(paragraphs) + "\n"
