"""Commands to machines over HTTP; for the staff."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request, Response

from devices import commanding
from devices.command_schemas import CommandAnswer, CommandList, CommandRequest
from devices.errors import BrokerUnknownError
from lab.core.http import ClockDep, DatabaseDep, PageDep, SettingsDep, say_next
from lab.core.mqtt import BrokerAddress
from lab.people.endpoints import PrincipalDep

router = APIRouter(prefix="/api/v1", tags=["devices"])


def sender_of(request: Request, settings: SettingsDep, clock: ClockDep) -> commanding.Sender:
    """The way to the devices.

    Raises:
        BrokerUnknownError: if this program knows no broker.
    """
    address = cast(BrokerAddress | None, getattr(request.app.state, "broker_address", None))
    if address is None:
        raise BrokerUnknownError(
            "this program knows no broker, so that machines cannot be asked anything; see `pilotlab doctor`",
            rule="broker",
        )
    return commanding.Sender(address, settings.lab, clock)


SenderDep = Annotated[commanding.Sender, Depends(sender_of)]


@router.post("/devices/{device_id}/commands", summary="Ask a machine to stop, or which message it sent last")
def send_command(
    device_id: str, wanted: CommandRequest, principal: PrincipalDep, database: DatabaseDep, sender: SenderDep
) -> CommandAnswer:
    """For the staff. Answers when the machine has answered, or after 5 s.

    `stop` is no safety function: it goes over the network and may come late or not at all. In danger use the emergency
    stop of the machine.
    """
    command = commanding.command_device(database, sender, principal, device_id, wanted.command, reason=wanted.reason)
    return CommandAnswer.of(command)


@router.get("/devices/{device_id}/commands", summary="What a machine was asked to do, the newest first")
def list_commands(
    device_id: str,
    request: Request,
    response: Response,
    principal: PrincipalDep,
    database: DatabaseDep,
    page: PageDep,
) -> CommandList:
    """For the staff."""
    with database.read() as session:
        found = commanding.list_commands(session, principal, device_id, page)
        commands = [CommandAnswer.of(command) for command in found.rows]
    return CommandList(commands=commands, next=say_next(request, response, found))
