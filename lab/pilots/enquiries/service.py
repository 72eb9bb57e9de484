"""What people do with enquiries. The caller owns the transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lab.core.audit import note_change
from lab.core.catalogues import Language, language_named, writing_in
from lab.core.ids import new_id
from lab.people.principals import Principal
from lab.people.rules import check_organisation
from lab.people.service import create_organisation
from lab.pilots.enquiries import repository
from lab.pilots.enquiries.errors import (
    EnquiryDecidedError,
    EnquiryMailError,
    EnquiryUnknownError,
    PartnerUnfitError,
    TooManyEnquiriesError,
)
from lab.pilots.enquiries.models import Enquiry
from lab.pilots.enquiries.schemas import EnquiryAcceptance, EnquiryReferral, EnquiryRequest
from lab.pilots.language import say as _
from lab.pilots.service import create_pilot
from lab.post.messages import is_mail_address
from lab.post.service import queue_mail

MOST_AN_HOUR = 30
"""From people without an account; a lab reads no more."""
MOST_A_DAY_FOR_ADDRESS = 3


def ask(session: Session, principal: Principal | None, request: EnquiryRequest, *, now: datetime) -> Enquiry:
    """Bring a question to the lab; nobody needs an account for it.

    Args:
        session: a write session.
        principal: who asks; None: somebody without an account.
        request: the question.
        now: the present instant.

    Raises:
        EnquiryMailError: if no answer could reach whoever asks.
        OrganisationFactError: if sector or region have a wrong form.
        TooManyEnquiriesError: if so many came from people without an account.
    """
    if not is_mail_address(request.mail):
        raise EnquiryMailError(
            f"{request.mail[:100]!r} is no mail address; anna@example.org is one", field="mail", rule="mail-address"
        )
    check_organisation(kind="company", size_class=request.size_class, nace=request.nace, region=request.region)
    if principal is None:
        _check_rate(session, request.mail, now)
    own = principal is not None and not principal.is_staff
    enquiry = Enquiry(
        id=new_id("enq"),
        **request.model_dump(),
        organisation_id=principal.organisation_id if principal is not None and own else None,
        state="new",
        asked_by=None if principal is None else principal.account_id,
        asked_at=now,
        decided_by=None, decided_at=None, answer=None, pilot_id=None, partner_id=None,
    )  # fmt: skip
    session.add(enquiry)
    session.flush()
    return enquiry


def list_enquiries(session: Session, principal: Principal, *, state: str | None = None) -> Sequence[Enquiry]:
    """Enquiries, the newest first: the staff's all, a member's the own company's."""
    if not principal.is_staff and not principal.owns(principal.organisation_id):
        return []
    organisation_id = None if principal.is_staff else principal.organisation_id
    return repository.enquiries(session, organisation_id=organisation_id, state=state)


def accept_enquiry(
    session: Session,
    principal: Principal,
    enquiry_id: str,
    request: EnquiryAcceptance,
    *,
    language: Language,
    now: datetime,
) -> Enquiry:
    """Open a pilot for an enquiry, registering the company where it is not known yet; whoever asked is told.

    Args:
        session: a write session.
        principal: the staff.
        enquiry_id: the enquiry.
        request: the pilot's title, and what is answered.
        language: of the lab, for who asked in none that is known.
        now: the present instant.

    Raises:
        ForbiddenError: for anybody but the staff.
        EnquiryUnknownError: if there is none.
        EnquiryDecidedError: if it has been decided already.
        OrganisationNameTakenError: if another company has its name: name its id then.
        PilotUnknownError: if there is no organisation of that id.
    """
    principal.require_staff("accept enquiries")
    enquiry = _undecided(session, enquiry_id)
    organisation_id = request.organisation_id or enquiry.organisation_id
    if organisation_id is None:
        organisation_id = create_organisation(
            session,
            principal,
            name=enquiry.company,
            size_class=enquiry.size_class,
            nace=enquiry.nace,
            region=enquiry.region,
            now=now,
        ).id
    pilot = create_pilot(
        session, principal, organisation_id=organisation_id, title=request.title, question=enquiry.question, now=now
    )
    enquiry.organisation_id, enquiry.pilot_id = organisation_id, pilot.id
    with writing_in(language_named(enquiry.language) or language):
        told = request.answer or _(
            "We can help you, and have opened a pilot for it. We will be in touch about what comes next."
        )
        _decide(session, enquiry, principal, "accepted", told, now=now)
        _tell(session, enquiry, _("Your enquiry: pilot {number}", number=pilot.number), now=now)
    return enquiry


def refer_enquiry(
    session: Session,
    principal: Principal,
    enquiry_id: str,
    request: EnquiryReferral,
    *,
    language: Language,
    now: datetime,
) -> Enquiry:
    """Send whoever asked to a partner who can help better; `language` as in `accept_enquiry`.

    Raises:
        ForbiddenError: for anybody but the staff.
        EnquiryUnknownError: if there is none.
        EnquiryDecidedError: if it has been decided already.
        PartnerUnfitError: if there is no such partner.
    """
    principal.require_staff("refer enquiries")
    enquiry = _undecided(session, enquiry_id)
    partner = repository.organisation(session, request.partner_id)
    if partner is None or partner.kind != "partner":
        raise PartnerUnfitError(
            "an enquiry is referred to a registered partner; register it first", field="partner_id", rule="partner"
        )
    enquiry.partner_id = partner.id
    with writing_in(language_named(enquiry.language) or language):
        told = f"{request.answer}\n\n{_('Please ask: {partner}', partner=partner.name)}"
        _decide(session, enquiry, principal, "referred", told, now=now)
        _tell(session, enquiry, _("Your enquiry: {partner} can help you", partner=partner.name), now=now)
    return enquiry


def _check_rate(session: Session, mail: str, now: datetime) -> None:
    hour, day = timedelta(hours=1), timedelta(days=1)
    for most, within, address in ((MOST_AN_HOUR, hour, None), (MOST_A_DAY_FOR_ADDRESS, day, mail)):
        if repository.count_since(session, now - within, mail=address) >= most:
            raise TooManyEnquiriesError(
                "many enquiries have come in; please try again later, or phone the lab",
                rule="enquiry-rate",
                retry_after_seconds=round(within / timedelta(seconds=1)),
            )


def _undecided(session: Session, enquiry_id: str) -> Enquiry:
    enquiry = repository.lock_enquiry(session, enquiry_id)
    if enquiry is None:
        raise EnquiryUnknownError("there is no such enquiry", field="enquiry_id", rule="known-enquiry")
    if enquiry.state != "new":
        raise EnquiryDecidedError(f"this enquiry has been {enquiry.state} already", rule="once", now=enquiry.state)
    return enquiry


def _decide(session: Session, enquiry: Enquiry, who: Principal, state: str, answer: str, *, now: datetime) -> None:
    enquiry.state, enquiry.answer = state, answer
    enquiry.decided_by, enquiry.decided_at = who.account_id, now
    after = {"state": state, "pilot_id": enquiry.pilot_id, "partner_id": enquiry.partner_id}
    note_change(session, "enquiry", enquiry.id, state, by=who.account_id, at=now, before={"state": "new"}, after=after)
    session.flush()


def _tell(session: Session, enquiry: Enquiry, subject: str, *, now: datetime) -> None:
    greeting, question = _("Dear {name},", name=enquiry.contact), _("You asked: {question}", question=enquiry.question)
    text = f"{greeting}\n\n{question}\n\n{enquiry.answer}\n"
    queue_mail(
        session,
        key=f"enquiry:{enquiry.id}:{enquiry.state}",
        recipient=enquiry.mail,
        subject=subject,
        text=text,
        now=now,
        about=enquiry.id,
    )
