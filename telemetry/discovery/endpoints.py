"""Connecting a machine over HTTP: what was heard, and its adoption; for the lab's staff only."""

from typing import Annotated

from fastapi import APIRouter, Query

from lab.core.http import ClockDep, DatabaseDep
from lab.people.endpoints import PrincipalDep
from telemetry.discovery import service
from telemetry.discovery.schemas import AliasAdoption, DeviceAdoption, HeardSignalAnswer, SignalAdoption
from telemetry.letters.schemas import ReplayAnswer

router = APIRouter(prefix="/api/v1", tags=["telemetry"])


@router.get("/heard-signals")
def list_heard_signals(
    principal: PrincipalDep,
    database: DatabaseDep,
    device: Annotated[str | None, Query(description="Only of this device, as the topic names it.")] = None,
) -> list[HeardSignalAnswer]:
    """What unknown devices and signals say, with rate, kinds, range and examples. For the lab's staff."""
    with database.read() as session:
        return [HeardSignalAnswer.of(row) for row in service.list_heard(session, principal, device=device)]


@router.post("/heard-signals/adopt", status_code=201)
def adopt_signal(wish: SignalAdoption, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> ReplayAnswer:
    """Take a signal of a known device into the catalogue; its dead letters are read again. For the lab's staff."""
    return database.transact(
        lambda session: ReplayAnswer.of(
            service.adopt_signal(
                session, principal, device=wish.device, heard=wish.heard, entry=wish.signal, now=clock.now()
            )
        )
    )


@router.post("/heard-signals/alias", status_code=201)
def adopt_alias(wish: AliasAdoption, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> ReplayAnswer:
    """Say that a device calls a signal by another name; its dead letters are read again. For the lab's staff."""
    return database.transact(
        lambda session: ReplayAnswer.of(
            service.adopt_alias(
                session, principal, device=wish.device, heard=wish.heard, signal=wish.signal, now=clock.now()
            )
        )
    )


@router.post("/heard-devices/adopt", status_code=201)
def adopt_device(wish: DeviceAdoption, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> ReplayAnswer:
    """Take a heard device into the catalogue; its dead letters are read again. For the lab's staff."""
    return database.transact(
        lambda session: ReplayAnswer.of(service.adopt_device(session, principal, wish.device, now=clock.now()))
    )
