"""Digital maturity over HTTP."""

from fastapi import APIRouter

from lab.core.http import ClockDep, DatabaseDep
from lab.people.endpoints import PrincipalDep
from lab.pilots.maturity import service
from lab.pilots.maturity.rules import Stage
from lab.pilots.maturity.schemas import AssessmentAnswer, MaturityAnswer, MaturityRequest

router = APIRouter(prefix="/api/v1", tags=["pilots"])


@router.get("/pilots/{pilot_id}/maturity", summary="Digital maturity of a pilot's company, and what is missing of it")
def get_maturity(pilot_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> MaturityAnswer:
    """For the company and the staff. A missing assessment is a warning; nothing waits for it."""
    with database.read() as session:
        return MaturityAnswer.of(*service.assessments(session, principal, pilot_id, now=clock.now()))


@router.put("/pilots/{pilot_id}/maturity/{stage}", summary="Write an assessment of digital maturity")
def write_maturity(
    pilot_id: str,
    stage: Stage,
    request: MaturityRequest,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
) -> AssessmentAnswer:
    """For the company and the staff. The first draft of a report takes over what is there."""
    return database.transact(
        lambda session: AssessmentAnswer.of(
            service.write_assessment(session, principal, pilot_id, stage, request, now=clock.now())
        )
    )
