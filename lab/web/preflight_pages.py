"""Before a booking: what has to be right, and the button that stops its machines."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from bookings.models import Booking
from bookings.service import get_booking
from devices.command_endpoints import SenderDep
from devices.commanding import list_commands, stop_device
from devices.errors import DeviceUnknownError
from devices.models import DeviceCommand
from devices.repository import find_devices
from lab.core.http import ClockDep, DatabaseDep
from lab.core.paging import PageWish
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal
from lab.preflight.endpoints import PartsDep
from lab.preflight.service import preflight
from lab.web.languages import gettext as _
from lab.web.rendering import page
from lab.web.wording import plain_words

router = APIRouter()

_COMMANDS_SHOWN = 5


@router.get("/bookings/{booking_id}/preflight")
def show_preflight(
    request: Request, booking_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, parts: PartsDep
) -> Response:
    """Green and red lines with what to do; for the staff."""
    with database.read() as session:
        booking, lines = preflight(session, principal, booking_id, parts=parts, now=clock.now())
        devices = find_devices(session, [row.device_id for row in booking.devices])
        commands = _last_commands(session, principal, booking)
    red = sum(1 for line in lines if line.level == "wrong")
    return page(
        request,
        "preflight.html",
        title=_("Ready? %(title)s", title=booking.title),
        principal=principal,
        booking=booking,
        devices=list(devices.values()),
        lines=lines,
        red=red,
        commands=commands,
        device_names={device.id: device.name for device in devices.values()},
    )


@router.post("/bookings/{booking_id}/stop")
def submit_stop(
    booking_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    sender: SenderDep,
    device: Annotated[str, Form(max_length=40)],
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Ask one of the booking's machines to stop; the page then shows what it answered."""
    principal.require_staff("stop machines")
    with database.read() as session:
        booking = get_booking(session, principal, booking_id)
        if device not in {row.device_id for row in booking.devices}:
            raise DeviceUnknownError("this booking has no such machine", field="device", rule="booked-device")
    stop_device(database, sender, principal, device, reason=plain_words(reason) or "stopped by hand")
    return RedirectResponse(f"/bookings/{booking_id}/preflight#stop", 303)


def _last_commands(session: Session, principal: Principal, booking: Booking) -> list[DeviceCommand]:
    found = [
        command
        for row in booking.devices
        for command in list_commands(session, principal, row.device_id, PageWish(_COMMANDS_SHOWN)).rows
        if command.command == "stop"
    ]
    return sorted(found, key=lambda command: command.asked_at, reverse=True)[:_COMMANDS_SHOWN]
