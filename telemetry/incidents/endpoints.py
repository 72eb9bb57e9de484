"""Incidents of recording over HTTP; for the lab's staff only."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from lab.core.http import DatabaseDep
from lab.core.paging import DEFAULT_LIMIT, LARGEST_LIMIT, PageWish
from lab.core.time import from_nanoseconds
from lab.people.endpoints import PrincipalDep
from telemetry.incidents.service import list_incidents
from telemetry.models import RecordingIncident

router = APIRouter(prefix="/api/v1", tags=["telemetry"])


class IncidentAnswer(BaseModel):
    """Something is missing in the record, or was repaired."""

    id: str
    kind: str
    device: str | None
    """Null: it may be of any."""
    received_from: datetime | None
    received_to: datetime | None
    """What is missing was, or would have been, received in this span; null: nobody can know, or it lasts."""
    first_number: int | None
    last_number: int | None
    """Of the recorder's spool."""
    messages: int | None
    """How many are missing; null: nobody can know."""
    detail: str
    noted_at: datetime
    ended_at: datetime | None
    """Null: it lasts."""

    @classmethod
    def of(cls, incident: RecordingIncident) -> "IncidentAnswer":
        """From the table's row."""
        return cls(
            id=incident.id,
            kind=incident.kind,
            device=incident.device_id,
            received_from=None if incident.from_ns is None else from_nanoseconds(incident.from_ns),
            received_to=None if incident.to_ns is None else from_nanoseconds(incident.to_ns),
            first_number=incident.from_number,
            last_number=incident.to_number,
            messages=incident.messages,
            detail=incident.detail,
            noted_at=incident.noted_at,
            ended_at=incident.ended_at,
        )


class IncidentsAnswer(BaseModel):
    """A page of them, the newest first."""

    items: list[IncidentAnswer]
    next: str | None


@router.get("/recording-incidents")
def get_incidents(
    principal: PrincipalDep,
    database: DatabaseDep,
    lasting: Annotated[bool, Query(description="Only what is not over.")] = False,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT)] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
) -> IncidentsAnswer:
    """What is missing in the record, or was repaired, and exactly since when; for the lab's staff."""
    with database.read() as session:
        found = list_incidents(session, principal, PageWish(limit, cursor), lasting=lasting)
        return IncidentsAnswer(items=[IncidentAnswer.of(row) for row in found.rows], next=found.next)
