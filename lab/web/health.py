"""For whoever watches over the installation: is the process alive, and can it do its work."""

from typing import Any

import sqlalchemy as sa
import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

from lab.core.http import DatabaseDep

log = structlog.get_logger(__name__)

router = APIRouter()


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(request: Request, database: DatabaseDep) -> JSONResponse:
    """Whether every part that a request needs is there; 503 if not."""
    parts = {"database": _database_answers(database)}
    recorder: Any = request.app.state.recorder
    if recorder is not None:
        health = recorder.health()
        parts["recorder"] = health.running and health.connected
    ready = all(parts.values())
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
