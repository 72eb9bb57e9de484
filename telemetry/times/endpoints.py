"""Clocks of devices over HTTP; for the lab's staff only."""

from fastapi import APIRouter

from lab.core.http import ClockDep, DatabaseDep
from lab.core.time import EmptySpanError
from lab.people.endpoints import PrincipalDep
from telemetry.schemas import instant_ns
from telemetry.times import service
from telemetry.times.rules import BEGINNING_NS, END_NS, Span
from telemetry.times.schemas import BootAnswer, ClocksAnswer, TimeAssignmentAnswer, TimeAssignmentRequest

router = APIRouter(prefix="/api/v1", tags=["telemetry"])


@router.get("/devices/{device}/clocks")
def get_clocks(device: str, principal: PrincipalDep, database: DatabaseDep) -> ClocksAnswer:
    """How the device's clock stood, start by start, where nobody knows, and what was assigned. For the lab's staff."""
    with database.read() as session:
        found = service.clocks_of(session, principal, device)
        return ClocksAnswer(device=device, boots=[BootAnswer.of(boot) for boot in found])


@router.post("/devices/{device}/time-assignments", status_code=201)
def assign_time(
    device: str, request: TimeAssignmentRequest, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> TimeAssignmentAnswer:
    """Say when uncertain samples were really taken. The recorder then settles them; the companies concerned see them.

    For the lab's staff.
    """
    span = _span_of(request)
    return database.transact(
        lambda session: TimeAssignmentAnswer.of(
            service.assign_time(
                session,
                principal,
                device=device,
                boot=request.boot,
                span=span,
                seqs=(request.from_seq, request.to_seq),
                offset_ns=None if request.offset_ms is None else round(request.offset_ms * 1_000_000),
                reason=request.reason,
                now=clock.now(),
            )
        )
    )


def _span_of(request: TimeAssignmentRequest) -> Span:
    start, end = request.from_device_time, request.to_device_time
    start_ns = BEGINNING_NS if start is None else instant_ns(start, field="from_device_time")
    end_ns = END_NS if end is None else instant_ns(end, field="to_device_time")
    if end_ns <= start_ns:
        raise EmptySpanError(
            "to_device_time is not after from_device_time", field="to_device_time", rule="end-after-start"
        )
    return start_ns, end_ns
