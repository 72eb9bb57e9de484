"""Whether all that machines say is kept: how the recorder is doing, and what is missing in the record."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from lab.core.errors import InvalidError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.paging import PageWish
from lab.core.time import from_nanoseconds
from lab.people.endpoints import PrincipalDep
from lab.web.health import SILENT_SECONDS
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.rendering import page
from lab.web.wording import number, sentence
from telemetry.incidents.service import list_incidents
from telemetry.leases import recorder_health
from telemetry.models import RecordingIncident

router = APIRouter(prefix="/manage/recording")

_MOST = 50
_KINDS = {
    "broker-away": N_("No connection to the broker"),
    "session-lost": N_("The broker had forgotten the recorder"),
    "disk-full": N_("The disk was full"),
    "spool-full": N_("The spool is full"),
    "spool-damaged": N_("Messages could not be read back"),
    "store-damaged": N_("The sample store was damaged"),
    "store-restored": N_("The sample store was restored from a backup"),
}


@router.get("")
def show_recording(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    cursor: Annotated[str, Query(max_length=1000)] = "",
) -> Response:
    """How the recorder is doing now, and each thing that is missing or was repaired."""
    principal.require_staff("look after the recording")
    problem = ""
    with database.read() as session:
        try:
            found = list_incidents(session, principal, PageWish(_MOST, cursor or None))
        except InvalidError as error:
            problem = sentence(error.message, settings.time_zone)
            found = list_incidents(session, principal, PageWish(_MOST))
        return page(
            request,
            "recording.html",
            title=_("Recording"),
            principal=principal,
            status=422 if problem else 200,
            problem=problem,
            recorder=_recorder(session, settings.lab, clock.now()),
            incidents=[_shown(row) for row in found.rows],
            next=found.next,
        )


def _recorder(session: Session, lab: str, now: datetime) -> dict[str, Any] | None:
    """What the recorder said last; `silent` if that is too long ago to believe."""
    told = recorder_health(session, lab)
    if told is None:
        return None
    health, at = told
    waits = {name: number(health.get(name, 0)) for name in ("behind", "spool_rows")}
    return {
        "at": at,
        "silent": (now - at).total_seconds() > SILENT_SECONDS,
        "connected": health.get("connected", False),
        "problem": health.get("problem"),
        "lag": number(health.get("lag_seconds", 0)),
        "megabytes": number(health.get("spool_bytes", 0) / 1e6),
        "free_gigabytes": number(health.get("disk_free_bytes", 0) / 1e9, decimals=1),
        **waits,
    }


def _shown(incident: RecordingIncident) -> dict[str, Any]:
    return {
        "what": _(_KINDS[incident.kind]) if incident.kind in _KINDS else incident.kind,
        "from": incident.noted_at if incident.from_ns is None else from_nanoseconds(incident.from_ns),
        "to": incident.ended_at if incident.to_ns is None else from_nanoseconds(incident.to_ns),
        "lasts": incident.ended_at is None,
        "device": incident.device_id,
        "messages": incident.messages and number(incident.messages),
        "detail": incident.detail,
    }
