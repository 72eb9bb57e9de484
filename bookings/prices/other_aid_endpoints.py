"""De minimis aid of other grantors over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from bookings.prices import other_aid
from bookings.prices.endpoints import Whose
from bookings.prices.other_aid_schemas import CounterRequest, OtherAidAnswer, OtherAidList, OtherAidRequest
from lab.core.http import ClockDep, DatabaseDep, PageDep, say_next
from lab.core.idempotency import IdempotencyDep, once
from lab.people.endpoints import PrincipalDep

router = APIRouter(prefix="/api/v1", tags=["prices"])


@router.post(
    "/support/other-aid",
    status_code=201,
    response_model=OtherAidAnswer,
    summary="Write down de minimis aid that a company had from somebody else (managers)",
)
def record_other_aid(
    request: OtherAidRequest, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, key: IdempotencyDep
) -> Response:
    """It uses up the ceiling of its single undertaking like support of the lab's; bookings that are there stay."""
    return once(
        key,
        database,
        principal,
        clock,
        lambda session: other_aid.record_other_aid(session, principal, **request.model_dump(), now=clock.now()),
        answer=OtherAidAnswer.of,
    )


@router.get("/support/other-aid", summary="De minimis aid of other grantors, the newest entry first")
def list_other_aid(
    request: Request,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    wish: PageDep,
    organisation_id: Whose = None,
) -> OtherAidList:
    """The staff sees everybody's, or one company's; a member the own company's: another's does not exist (404)."""
    with database.read() as session:
        view = other_aid.list_other_aid(session, principal, organisation_id, wish, now=clock.now())
    say_next(request, response, view.page)
    return OtherAidList.of(view)


@router.post(
    "/support/other-aid/{aid_id}/counter",
    status_code=201,
    response_model=OtherAidAnswer,
    summary="Take an entry back that was wrong (managers)",
)
def counter_other_aid(
    aid_id: Annotated[int, Path()],
    request: CounterRequest,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    key: IdempotencyDep,
) -> Response:
    """The entry stays, and a second one with the opposite amount stands beside it."""
    return once(
        key,
        database,
        principal,
        clock,
        lambda session: other_aid.counter_other_aid(session, principal, aid_id, reason=request.reason, now=clock.now()),
        answer=OtherAidAnswer.of,
    )
