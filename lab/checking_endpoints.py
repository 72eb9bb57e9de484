"""The check of one device over HTTP: what `pilotlab devices check` says, also of its samples while Pilot Lab runs."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from lab.checking import SECONDS, examine_device
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.people.endpoints import PrincipalDep
from lab.preflight.schemas import LineAnswer
from telemetry.endpoints import StoreDep

router = APIRouter(prefix="/api/v1", tags=["devices"])


class DeviceCheckAnswer(BaseModel):
    """How a device is connected, line by line."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    device: str
    good: bool
    """Whether no line is red."""
    lines: list[LineAnswer]


@router.get("/devices/{device_id}/check", summary="Staff: whether a machine is connected as it should be")
def check_device(
    device_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    store: StoreDep,
    seconds: Annotated[float, Query(ge=0.1, le=20, description="How long its messages are watched.")] = SECONDS,
) -> DeviceCheckAnswer:
    """Credentials, birth, messages, gaps, clock, dead letters, and every signal at its rate; with what to do."""
    principal.require_staff("check how devices are connected")
    lines = examine_device(settings, database, clock, device_id, store=store, seconds=seconds)
    return DeviceCheckAnswer(
        device=device_id,
        good=not any(line.level == "wrong" for line in lines),
        lines=[LineAnswer(level=one.level, part=one.part, fact=one.fact, what_to_do=one.what_to_do) for one in lines],
    )
