"""The waitlist over HTTP: wait, answer an offer, take what is free, give up."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from bookings.endpoints import PilotsDep, RulesDep
from bookings.schemas import ReasonRequest
from bookings.waitlist import answers, service
from bookings.waitlist.models import WaitlistEntry
from bookings.waitlist.rules import EntryState
from bookings.waitlist.schemas import WaitlistAnswer, WaitlistAnswers, WaitRequest
from lab.core.database import Database
from lab.core.etags import IfMatch, entity_tag, version_of
from lab.core.http import ClockDep, DatabaseDep, PageDep, say_next
from lab.core.idempotency import IdempotencyDep, once
from lab.people.endpoints import PrincipalDep

router = APIRouter(prefix="/api/v1", tags=["waitlist"])


@router.post("/waitlist", status_code=201, response_model=WaitlistAnswer, summary="Wait for a slot")
def join_waitlist(
    request: WaitRequest,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    pilots: PilotsDep,
    request_key: IdempotencyDep,
) -> Response:
    """When something that fits is given back, it is offered in the order of the line: a slot held for some hours."""
    return once(
        request_key,
        database,
        principal,
        clock,
        lambda session: service.join_waitlist(
            session, principal, request, now=clock.now(), rules=rules, company_of_pilot=pilots
        ),
        answer=lambda entry: WaitlistAnswer.of(entry, None),
        headers=lambda entry: {"Location": f"/api/v1/waitlist/{entry.id}", "ETag": entity_tag(entry.version)},
    )


@router.get("/waitlist", summary="Entries of the waitlist one may see, the oldest first")
def list_entries(
    request: Request,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    page: PageDep,
    state: Annotated[list[EntryState] | None, Query(description="only in these states; repeat it for several")] = None,
) -> WaitlistAnswers:
    """The staff sees all, a member those of the own company; page by page."""
    with database.read() as session:
        found, bookings = service.page_of_entries(session, principal, tuple(state or ()), page)
        entries = [WaitlistAnswer.of(entry, bookings.get(entry.booking_id or "")) for entry in found.rows]
        return WaitlistAnswers(entries=entries, next=say_next(request, response, found))


@router.get("/waitlist/{entry_id}", summary="One entry of the waitlist")
def get_entry(entry_id: str, response: Response, principal: PrincipalDep, database: DatabaseDep) -> WaitlistAnswer:
    """Another company's entry does not exist: 404."""
    with database.read() as session:
        entry, booking = service.get_entry(session, principal, entry_id)
        response.headers["ETag"] = entity_tag(entry.version)
        return WaitlistAnswer.of(entry, booking)


@router.post("/waitlist/{entry_id}/withdraw", summary="Wait no more")
def withdraw_entry(
    entry_id: str,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    if_match: IfMatch = None,
) -> WaitlistAnswer:
    """An offer that stands is given back; saying it again changes nothing."""
    version = version_of(if_match)
    return _changed(
        database,
        response,
        lambda session: service.withdraw_entry(session, principal, entry_id, version=version, now=clock.now()),
    )


@router.post("/waitlist/{entry_id}/accept", summary="Take the slot that is offered")
def accept_offer(
    entry_id: str,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    if_match: IfMatch = None,
) -> WaitlistAnswer:
    """It is confirmed, or stays a request where the devices need approval; saying it again changes nothing."""
    version = version_of(if_match)
    return _changed(
        database,
        response,
        lambda session: answers.accept_offer(
            session, principal, entry_id, version=version, now=clock.now(), rules=rules
        ),
    )


@router.post("/waitlist/{entry_id}/decline", summary="Leave the slot that is offered to the next in line")
def decline_offer(
    entry_id: str,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    request: ReasonRequest | None = None,
    if_match: IfMatch = None,
) -> WaitlistAnswer:
    """The entry waits on at the end of the line; the same time is not offered to it again."""
    version, reason = version_of(if_match), request.reason if request else None
    return _changed(
        database,
        response,
        lambda session: answers.decline_offer(
            session, principal, entry_id, version=version, now=clock.now(), reason=reason
        ),
    )


@router.post("/waitlist/{entry_id}/claim", summary="Book what is free now, without waiting for an offer")
def claim_slot(
    entry_id: str,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    pilots: PilotsDep,
    if_match: IfMatch = None,
) -> WaitlistAnswer:
    """The first span in the window; 409 with alternatives if nothing fits. Saying it again changes nothing."""
    version = version_of(if_match)
    return _changed(
        database,
        response,
        lambda session: answers.claim_slot(
            session, principal, entry_id, version=version, now=clock.now(), rules=rules, company_of_pilot=pilots
        ),
    )


def _changed(database: Database, response: Response, work: Callable[[Session], WaitlistEntry]) -> WaitlistAnswer:
    def done(session: Session) -> WaitlistAnswer:
        entry = work(session)
        return WaitlistAnswer.of(entry, service.with_booking(session, entry))

    answer = database.transact(done)
    response.headers["ETag"] = entity_tag(answer.version)
    return answer
