"""Devices over HTTP."""

from fastapi import APIRouter

from devices import service
from devices.catalogue import Catalogue
from devices.schemas import DeviceAnswer, ImportAnswer
from lab.core.http import ClockDep, DatabaseDep
from lab.people.endpoints import PrincipalDep

router = APIRouter(prefix="/api/v1", tags=["devices"])


@router.get("/devices")
def list_devices(principal: PrincipalDep, database: DatabaseDep) -> list[DeviceAnswer]:
    """The lab's devices in service, with their signals."""
    with database.read() as session:
        births = service.list_births(session)
        return [DeviceAnswer.of(device, births.get(device.id)) for device in service.list_devices(session)]


@router.get("/devices/{device_id}")
def get_device(device_id: str, principal: PrincipalDep, database: DatabaseDep) -> DeviceAnswer:
    """One device."""
    with database.read() as session:
        return DeviceAnswer.of(service.get_device(session, device_id), service.get_birth(session, device_id))


@router.post("/devices/import")
def import_catalogue(
    catalogue: Catalogue, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> ImportAnswer:
    """Bring the devices up to date with a catalogue (as JSON); for lab managers. A second time it changes nothing."""
    result = database.transact(lambda session: service.import_catalogue(session, principal, catalogue, now=clock.now()))
    return ImportAnswer.of(result)
