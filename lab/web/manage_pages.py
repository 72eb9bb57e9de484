"""What the staff decides and looks after: requests, enquiries, and the log of changes."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from bookings import life, service
from bookings.waitlist.service import requests_for_the_staff
from lab.core.audit import find_changes
from lab.core.errors import ConflictError, InvalidError, NotFoundError, StaleError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.paging import PageWish
from lab.core.time import Span
from lab.people.endpoints import PrincipalDep
from lab.people.errors import OrganisationNameTakenError
from lab.people.repository import names_of_accounts
from lab.people.service import list_organisations
from lab.pilots.enquiries import service as enquiries
from lab.pilots.enquiries.schemas import EnquiryAcceptance, EnquiryReferral
from lab.web.audit_subjects import subjects_of
from lab.web.audit_words import SUBJECTS, deed_in_words, differences, facts_in_words
from lab.web.booking_pages import names
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.rendering import page
from lab.web.wording import plain_words, sentence
from telemetry.discovery.service import list_heard

router = APIRouter(prefix="/manage")

_AHEAD = timedelta(days=366)
_CHANGES = 100
_DONE = {
    "approved": N_("The request is approved."),
    "declined": N_("The request is declined."),
    "accepted": N_("A pilot is open for this question. Whoever asked is told."),
    "referred": N_("Whoever asked is told whom to turn to."),
    "taken": N_("A company of this name is registered already. Choose it from the list, then open the pilot."),
    "late": N_("Somebody was faster; this is how it stands now."),
    "typed": N_("Please check what you have typed."),
}
Version = Annotated[int | None, Form()]
Said = Annotated[str, Form(max_length=2000)]
Line = Annotated[str, Form(max_length=200)]


@router.get("")
def show_hub(request: Request, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> Response:
    """Where everything is that the staff looks after."""
    principal.require_staff("manage the lab")
    now = clock.now()
    with database.read() as session:
        found = service.list_bookings(session, principal, Span(now, now + _AHEAD))
        counts = {
            "approvals": len(requests_for_the_staff(session, principal, found)),
            "enquiries": len(enquiries.list_enquiries(session, principal, state="new")),
            "heard": len(list_heard(session, principal)),
        }
    return page(request, "manage.html", title=_("Manage"), principal=principal, counts=counts)


@router.get("/approvals")
def show_approvals(
    request: Request, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, done: str = ""
) -> Response:
    """Requests of companies that hold a slot until somebody decides."""
    principal.require_staff("decide on requests")
    now = clock.now()
    with database.read() as session:
        found = service.list_bookings(session, principal, Span(now, now + _AHEAD))
        return page(
            request,
            "approvals.html",
            title=_("Requests"),
            principal=principal,
            waiting=requests_for_the_staff(session, principal, found),
            done=_(_DONE[done]) if done in _DONE else "",
            **names(session, principal),
        )


@router.post("/approvals/{booking_id}/approve")
def submit_approval(
    booking_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, version: Version = None
) -> Response:
    """Confirm a request."""
    try:
        database.transact(
            lambda session: life.approve_booking(session, principal, booking_id, version=version, now=clock.now())
        )
    except (ConflictError, StaleError):
        return RedirectResponse("/manage/approvals?done=late", 303)
    return RedirectResponse("/manage/approvals?done=approved", 303)


@router.post("/approvals/{booking_id}/decline")
def submit_refusal(
    booking_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    version: Version = None,
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Refuse a request, and say why."""
    said = plain_words(reason) or None
    try:
        database.transact(
            lambda session: life.decline_booking(
                session, principal, booking_id, version=version, now=clock.now(), reason=said
            )
        )
    except (ConflictError, StaleError):
        return RedirectResponse("/manage/approvals?done=late", 303)
    return RedirectResponse("/manage/approvals?done=declined", 303)


@router.get("/enquiries")
def show_enquiries(request: Request, principal: PrincipalDep, database: DatabaseDep, done: str = "") -> Response:
    """Questions of companies, the newest first, with what became of them."""
    principal.require_staff("decide on enquiries")
    with database.read() as session:
        organisations = list_organisations(session, principal)
        return page(
            request,
            "enquiries.html",
            title=_("Enquiries"),
            principal=principal,
            enquiries=enquiries.list_enquiries(session, principal),
            companies=[one for one in organisations if one.kind == "company"],
            partners=[one for one in organisations if one.kind == "partner"],
            done=_(_DONE[done]) if done in _DONE else "",
        )


@router.post("/enquiries/{enquiry_id}/accept")
def submit_acceptance(
    enquiry_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    title: Line = "",
    organisation_id: Line = "",
    answer: Said = "",
) -> Response:
    """Open a pilot for the question."""
    try:
        wish = EnquiryAcceptance(
            title=plain_words(title), organisation_id=organisation_id or None, answer=plain_words(answer) or None
        )
        database.transact(
            lambda session: enquiries.accept_enquiry(
                session, principal, enquiry_id, wish, language=settings.language, now=clock.now()
            )
        )
    except (ValidationError, InvalidError):
        return RedirectResponse("/manage/enquiries?done=typed", 303)
    except OrganisationNameTakenError:
        return RedirectResponse("/manage/enquiries?done=taken", 303)
    except (ConflictError, NotFoundError):
        return RedirectResponse("/manage/enquiries?done=late", 303)
    return RedirectResponse("/manage/enquiries?done=accepted", 303)


@router.post("/enquiries/{enquiry_id}/refer")
def submit_referral(
    enquiry_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    partner_id: Line = "",
    answer: Said = "",
) -> Response:
    """Send whoever asked to a partner who can help better."""
    try:
        wish = EnquiryReferral(partner_id=partner_id, answer=plain_words(answer))
        database.transact(
            lambda session: enquiries.refer_enquiry(
                session, principal, enquiry_id, wish, language=settings.language, now=clock.now()
            )
        )
    except (ValidationError, InvalidError):
        return RedirectResponse("/manage/enquiries?done=typed", 303)
    except (ConflictError, NotFoundError):
        return RedirectResponse("/manage/enquiries?done=late", 303)
    return RedirectResponse("/manage/enquiries?done=referred", 303)


@router.get("/audit")
def show_log(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    settings: SettingsDep,
    subject: Annotated[str, Query(max_length=40)] = "",
    cursor: Annotated[str, Query(max_length=400)] = "",
) -> Response:
    """Who changed what, when and why; for managers."""
    principal.require_manager("read the log of changes")
    problem = ""
    with database.read() as session:
        try:
            found = find_changes(session, PageWish(_CHANGES, cursor or None), subject=subject or None)
        except InvalidError as error:
            problem = sentence(error.message, settings.time_zone)
            found = find_changes(session, PageWish(_CHANGES))
        organisations = {one.id: one.name for one in list_organisations(session, principal)}
        named = {**names_of_accounts(session, {change.by for change in found.rows}), **organisations}
        return page(
            request,
            "audit.html",
            title=_("Log of changes"),
            principal=principal,
            changes=found.rows,
            next=found.next,
            subject=subject,
            subjects=SUBJECTS,
            deeds={change.id: deed_in_words(change) for change in found.rows},
            facts={change.id: facts_in_words(change, organisations) for change in found.rows},
            details={change.id: differences(change, settings.time_zone) for change in found.rows},
            about=subjects_of(session, found.rows),
            people={**named, "system": "Pilot Lab", "link": _("someone with the link")},
            problem=problem,
        )
