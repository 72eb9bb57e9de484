"""Enquiries over HTTP. Asking needs no account."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.people.endpoints import PrincipalDep
from lab.pilots.enquiries import service
from lab.pilots.enquiries.schemas import (
    EnquiryAcceptance,
    EnquiryAnswer,
    EnquiryReceipt,
    EnquiryReferral,
    EnquiryRequest,
)

router = APIRouter(prefix="/api/v1", tags=["pilots"])
State = Annotated[Literal["new", "accepted", "referred"] | None, Query(description="Only those in this state.")]


@router.post("/enquiries", status_code=201, summary="Bring a question to the lab, without an account")
def ask(request: EnquiryRequest, database: DatabaseDep, clock: ClockDep) -> EnquiryReceipt:
    """The answer goes to the mail address that is given."""
    enquiry = database.transact(lambda session: service.ask(session, None, request, now=clock.now()))
    return EnquiryReceipt(id=enquiry.id, asked_at=enquiry.asked_at)


@router.post("/enquiries/own", status_code=201, summary="Bring a question to the lab, signed in")
def ask_signed_in(
    request: EnquiryRequest, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> EnquiryAnswer:
    """A member for the own company; the staff for somebody who phoned."""
    return database.transact(
        lambda session: EnquiryAnswer.of(service.ask(session, principal, request, now=clock.now()))
    )


@router.get("/enquiries", summary="Enquiries and what became of them")
def list_enquiries(principal: PrincipalDep, database: DatabaseDep, state: State = None) -> list[EnquiryAnswer]:
    """The own company's, the newest first; for the staff, all."""
    with database.read() as session:
        return [EnquiryAnswer.of(one) for one in service.list_enquiries(session, principal, state=state)]


@router.post("/enquiries/{enquiry_id}/accept", summary="Staff: open a pilot for an enquiry")
def accept_enquiry(
    enquiry_id: str,
    request: EnquiryAcceptance,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
) -> EnquiryAnswer:
    """Registers the company where it is not known yet, and tells whoever asked."""
    return database.transact(
        lambda session: EnquiryAnswer.of(
            service.accept_enquiry(session, principal, enquiry_id, request, language=settings.language, now=clock.now())
        )
    )


@router.post("/enquiries/{enquiry_id}/refer", summary="Staff: send whoever asked to a partner")
def refer_enquiry(
    enquiry_id: str,
    request: EnquiryReferral,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
) -> EnquiryAnswer:
    """For what others can do better."""
    return database.transact(
        lambda session: EnquiryAnswer.of(
            service.refer_enquiry(session, principal, enquiry_id, request, language=settings.language, now=clock.now())
        )
    )
