"""An experiment as it runs: all machines of one booking, live."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from bookings.service import get_booking
from devices.repository import find_devices
from lab.access.service import may_see_live
from lab.core.http import ClockDep, DatabaseDep
from lab.people.endpoints import PrincipalDep
from lab.web.device_pages import drawn_limits
from lab.web.languages import gettext as _
from lab.web.rendering import page

router = APIRouter()


@router.get("/bookings/{booking_id}/live")
def show_experiment(
    request: Request, booking_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> Response:
    """Charts while it runs, for the staff and its company; before and after that, when it is or was."""
    now = clock.now()
    with database.read() as session:
        booking = get_booking(session, principal, booking_id)
        devices = list(find_devices(session, [row.device_id for row in booking.devices]).values())
        seen = [device for device in devices if may_see_live(session, principal, device.id, now)]
        running = booking.start_at <= now < booking.end_at
        return page(
            request,
            "experiment.html",
            title=_("Live: %(title)s", title=booking.title),
            principal=principal,
            booking=booking,
            devices=seen if running else [],
            limits={device.id: drawn_limits(session, principal, device.id) for device in seen},
            running=running,
            device_names={device.id: device.name for device in devices},
        )
