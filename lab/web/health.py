"""For whoever watches over the installation: is the process alive, and can it do its work."""

from typing import Any

import sqlalchemy as sa
import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from telemetry.leases import recorder_health

log = structlog.get_logger(__name__)

router = APIRouter()

SILENT_SECONDS = 20.0
"""A recorder tells every 5 s how it is doing."""


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(request: Request, database: DatabaseDep, settings: SettingsDep, clock: ClockDep) -> JSONResponse:
    """Whether every part that a request needs is there; 503 if not.

    A recorder in a process of its own is told of and does not count: pages do without it.
    """
    parts = {"database": _database_answers(database)}
    recorder: Any = request.app.state.recorder
    if recorder is not None:
        health = recorder.health()
        parts["recorder"] = health.running and health.connected
    ready = all(parts.values())
    if recorder is None and parts["database"]:
        with database.read() as session:
            told = recorder_health(session, settings.lab)
        if told is not None:
            silent = (clock.now() - told[1]).total_seconds() > SILENT_SECONDS
            parts["recorder"] = bool(told[0].get("running") and told[0].get("connected")) and not silent
    words = {name: "ok" if well else "down" for name, well in parts.items()}
    return JSONResponse({"status": "ready" if ready else "not ready", "parts": words}, 200 if ready else 503)


def _database_answers(database: DatabaseDep) -> bool:
    try:
        with database.read() as session:
            session.execute(sa.text("SELECT 1"))
    except SQLAlchemyError:
        log.exception("the database does not answer")
        return False
    return True
