"""Pilots, plans and runs over HTTP."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request

from devices.commanding import Sender
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.mqtt import BrokerAddress
from lab.people.endpoints import PrincipalDep
from lab.pilots import amending, service
from lab.pilots.closing import claims_at_end, claims_at_start
from lab.pilots.plans import AnalysisPlan
from lab.pilots.schemas import (
    PilotAnswer,
    PilotRequest,
    PlanAmendment,
    PlanAnswer,
    RunAnswer,
    RunExclusion,
    RunStart,
    RunStop,
)

router = APIRouter(prefix="/api/v1", tags=["pilots"])


def devices_of(request: Request, settings: SettingsDep, clock: ClockDep) -> Sender | None:
    """The way to the devices; `None`: this program knows no broker."""
    address = cast(BrokerAddress | None, request.app.state.broker_address)
    return None if address is None else Sender(address, settings.lab, clock)


DevicesDep = Annotated[Sender | None, Depends(devices_of)]


@router.get("/pilots")
def list_pilots(principal: PrincipalDep, database: DatabaseDep) -> list[PilotAnswer]:
    """The pilots of the own company; for the staff, of all."""
    with database.read() as session:
        return [PilotAnswer.of(pilot) for pilot in service.list_pilots(session, principal)]


@router.post("/pilots", status_code=201)
def create_pilot(request: PilotRequest, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> PilotAnswer:
    """Open a pilot."""
    return database.transact(
        lambda session: PilotAnswer.of(
            service.create_pilot(
                session,
                principal,
                organisation_id=request.organisation_id or principal.organisation_id,
                title=request.title,
                question=request.question,
                now=clock.now(),
            )
        )
    )


@router.get("/pilots/{pilot_id}")
def get_pilot(pilot_id: str, principal: PrincipalDep, database: DatabaseDep) -> PilotAnswer:
    """One pilot."""
    with database.read() as session:
        return PilotAnswer.of(service.get_pilot(session, principal, pilot_id))


@router.get("/pilots/{pilot_id}/plan")
def get_plan(pilot_id: str, principal: PrincipalDep, database: DatabaseDep) -> PlanAnswer:
    """The analysis plan."""
    with database.read() as session:
        return PlanAnswer.of(service.get_plan(session, principal, pilot_id))


@router.put("/pilots/{pilot_id}/plan")
def write_plan(
    pilot_id: str, plan: AnalysisPlan, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> PlanAnswer:
    """Write the analysis plan, or write it again before it is locked."""
    return database.transact(
        lambda session: PlanAnswer.of(service.write_plan(session, principal, pilot_id, plan, now=clock.now()))
    )


@router.post("/pilots/{pilot_id}/plan/lock")
def lock_plan(pilot_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> PlanAnswer:
    """Lock the plan for good and lay out its runs in their randomised order."""
    return database.transact(
        lambda session: PlanAnswer.of(service.lock_plan(session, principal, pilot_id, now=clock.now()))
    )


@router.post("/pilots/{pilot_id}/plan/amend")
def amend_plan(
    pilot_id: str, request: PlanAmendment, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> PlanAnswer:
    """Put a new version in the place of a locked plan; for the staff.

    It names the version before, which is kept, and the report prints what was changed as a deviation.
    """
    return database.transact(
        lambda session: PlanAnswer.of(
            amending.amend_plan(session, principal, pilot_id, request.plan, reason=request.reason, now=clock.now())
        )
    )


@router.get("/pilots/{pilot_id}/plan/versions")
def list_plan_versions(pilot_id: str, principal: PrincipalDep, database: DatabaseDep) -> list[PlanAnswer]:
    """Every version of the analysis plan, the first one first."""
    with database.read() as session:
        return [PlanAnswer.of(plan) for plan in service.plan_versions(session, principal, pilot_id)]


@router.get("/pilots/{pilot_id}/runs")
def list_runs(pilot_id: str, principal: PrincipalDep, database: DatabaseDep) -> list[RunAnswer]:
    """The runs, in planned order."""
    with database.read() as session:
        service.get_pilot(session, principal, pilot_id)
        return [RunAnswer.of(run) for run in service.planned_runs(session, pilot_id)]


@router.post("/pilots/{pilot_id}/runs/{number}/start")
def start_run(
    pilot_id: str, number: int, request: RunStart, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> RunAnswer:
    """Start a run; for the staff."""
    return database.transact(
        lambda session: RunAnswer.of(
            service.start_run(
                session,
                principal,
                pilot_id,
                number,
                request.booking_id,
                numbers=claims_at_start(session, pilot_id),
                now=clock.now(),
            )
        )
    )


@router.post("/pilots/{pilot_id}/runs/{number}/stop")
def stop_run(
    pilot_id: str,
    number: int,
    request: RunStop,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    devices: DevicesDep,
) -> RunAnswer:
    """Stop a run and note what was found out about the part; for the staff.

    Devices of which the request says nothing are asked for the number of their last message.
    """
    claims = {device: claim.model_dump() for device, claim in request.completeness.items()}
    said = claims_at_end(database, devices, principal, pilot_id, number, claims)
    return database.transact(
        lambda session: RunAnswer.of(
            service.stop_run(
                session,
                principal,
                pilot_id,
                number,
                result=request.result,
                completeness=said,
                now=clock.now(),
            )
        )
    )


@router.post("/pilots/{pilot_id}/runs/{number}/exclude")
def exclude_run(
    pilot_id: str, number: int, request: RunExclusion, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> RunAnswer:
    """Leave a run out of the comparison, with a reason; for the staff."""
    return database.transact(
        lambda session: RunAnswer.of(
            service.exclude_run(session, principal, pilot_id, number, reason=request.reason, now=clock.now())
        )
    )
