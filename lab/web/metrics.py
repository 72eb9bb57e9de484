"""The recorder's figures for Prometheus, where the pages are: for the lab's staff only."""

from typing import Any

from fastapi import APIRouter, Request, Response

from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.people.endpoints import PrincipalDep
from telemetry.leases import recorder_health
from telemetry.metrics import CONTENT_TYPE, exposition

router = APIRouter()


@router.get("/metrics", include_in_schema=False)
def metrics(
    request: Request, principal: PrincipalDep, database: DatabaseDep, settings: SettingsDep, clock: ClockDep
) -> Response:
    """What the recorder has told of itself, in this process or through the database."""
    principal.require_staff("read the figures of the installation")
    recorder: Any = request.app.state.recorder
    if recorder is not None:
        return Response(exposition(recorder.told_health()), media_type=CONTENT_TYPE)
    with database.read() as session:
        found = recorder_health(session, settings.lab)
    if found is None:
        return Response(exposition(None), media_type=CONTENT_TYPE)
    told, at = found
    return Response(exposition(told, age_seconds=(clock.now() - at).total_seconds()), media_type=CONTENT_TYPE)
