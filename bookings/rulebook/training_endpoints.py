"""Trainings over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from bookings.rulebook import trainings
from bookings.rulebook.answers import QualificationAnswer, QualificationList
from bookings.rulebook.schemas import QualificationRequest
from lab.core.http import ClockDep, DatabaseDep, PageDep, say_next
from lab.core.idempotency import IdempotencyDep, once
from lab.people.endpoints import PrincipalDep

router = APIRouter(prefix="/api/v1", tags=["rules"])


@router.post(
    "/qualifications",
    status_code=201,
    response_model=QualificationAnswer,
    summary="Staff: note that somebody was trained",
)
def grant_qualification(
    request: QualificationRequest,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    request_key: IdempotencyDep,
) -> Response:
    """A training that is renewed is granted again; the last expiry counts."""
    return once(
        request_key,
        database,
        principal,
        clock,
        lambda session: trainings.grant_qualification(
            session,
            principal,
            account_id=request.account_id,
            name=request.name,
            expires_at=request.expires_at,
            now=clock.now(),
        ),
        answer=QualificationAnswer.of,
    )


@router.get("/qualifications", summary="Trainings, by when they were granted")
def list_qualifications(
    request: Request,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    page: PageDep,
    account_id: Annotated[str | None, Query(description="only this person's")] = None,
) -> QualificationList:
    """The staff sees everybody's, anybody else the own; expired and revoked ones too."""
    with database.read() as session:
        found = trainings.page_of_qualifications(session, principal, page, account_id=account_id)
    answers = [QualificationAnswer.of(training) for training in found.rows]
    return QualificationList(qualifications=answers, next=say_next(request, response, found))


@router.post("/qualifications/{qualification_id}/revoke", summary="Staff: end a training now")
def revoke_qualification(
    qualification_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> QualificationAnswer:
    """What was booked with it stays booked; again changes nothing."""
    return QualificationAnswer.of(
        database.transact(
            lambda session: trainings.revoke_qualification(session, principal, qualification_id, now=clock.now())
        )
    )
