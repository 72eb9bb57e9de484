"""What happens after a report, over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from lab.core.http import ClockDep, DatabaseDep
from lab.people.endpoints import PrincipalDep
from lab.pilots.maturity.repository import all_assessments
from lab.pilots.maturity.schemas import overall
from lab.reports.afterwards import service
from lab.reports.afterwards.schemas import (
    AcceptanceAnswer,
    AcceptanceRequest,
    FollowUpAnswer,
    FollowUpLine,
    FollowUpRequest,
)
from lab.reports.afterwards.sheets import write_follow_ups

router = APIRouter(prefix="/api/v1", tags=["reports"])

_CSV = "text/csv"
Months = Annotated[int, Path(ge=1, le=120, description="6 or 12")]


@router.post("/reports/{report_id}/acceptance", status_code=201, summary="Accept an approved report")
def accept_report(
    report_id: str, request: AcceptanceRequest, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> AcceptanceAnswer:
    """For a member of the company whose report it is; once for each version."""
    return database.transact(
        lambda session: AcceptanceAnswer.of(
            service.accept_report(session, principal, report_id, comment=request.comment, now=clock.now())
        )
    )


@router.get("/reports/{report_id}/acceptance", summary="Who accepted a report; null: nobody yet")
def get_acceptance(report_id: str, principal: PrincipalDep, database: DatabaseDep) -> AcceptanceAnswer | None:
    """For everybody who may read the report."""
    with database.read() as session:
        row = service.get_acceptance(session, principal, report_id)
        return None if row is None else AcceptanceAnswer.of(row)


@router.get("/pilots/{pilot_id}/follow-ups", summary="What became of a pilot after 6 and 12 months")
def list_follow_ups(pilot_id: str, principal: PrincipalDep, database: DatabaseDep) -> list[FollowUpAnswer]:
    """For the company and the staff; empty before the report is approved."""
    with database.read() as session:
        return [FollowUpAnswer.of(row) for row in service.follow_ups(session, principal, pilot_id)]


@router.put("/pilots/{pilot_id}/follow-ups/{months}", summary="Tell what became of a pilot")
def answer_follow_up(
    pilot_id: str,
    months: Months,
    request: FollowUpRequest,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
) -> FollowUpAnswer:
    """For the company, or for the staff who asked it. It can be told again; the log keeps what was told before."""
    return database.transact(
        lambda session: FollowUpAnswer.of(
            service.answer_follow_up(session, principal, pilot_id, months, request, now=clock.now())
        )
    )


@router.get("/follow-ups", summary="Staff: the follow-ups of all pilots")
def list_all_follow_ups(
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    due: Annotated[bool, Query(description="Only those that are due and not answered.")] = False,
) -> list[FollowUpLine]:
    """By when they are due."""
    with database.read() as session:
        rows = service.list_follow_ups(session, principal, unanswered_at=clock.now() if due else None)
        return [
            FollowUpLine(**FollowUpAnswer.of(row).model_dump(), pilot=pilot.number, company=company.name)
            for row, pilot, company in rows
        ]


@router.get(
    "/follow-ups.csv",
    response_class=Response,
    responses={200: {"content": {_CSV: {"schema": {"type": "string"}}}}},
    summary="Staff: figures for the programme",
)
def get_follow_ups_sheet(principal: PrincipalDep, database: DatabaseDep) -> Response:
    """One line for each follow-up: company, sector, region, investment, digital maturity before and after."""
    with database.read() as session:
        rows = service.list_follow_ups(session, principal)
        maturity = {(row.pilot_id, row.stage): overall(row) for row in all_assessments(session)}
        text = write_follow_ups(rows, maturity)
    headers = {"Content-Disposition": 'attachment; filename="follow-ups.csv"'}
    return Response(text, media_type=_CSV, headers=headers)
