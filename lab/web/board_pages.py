"""The staff's first page: every machine now and next, open alarms, and whether today's bookings are ready."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from bookings.models import Booking
from bookings.service import list_bookings
from bookings.states import OPEN
from bookings.waitlist.service import requests_for_the_staff
from devices.models import Device
from devices.service import list_devices
from lab.core.http import ClockDep, DatabaseDep
from lab.core.paging import PageWish
from lab.core.time import Span
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal
from lab.people.service import list_organisations
from lab.pilots.enquiries.service import list_enquiries
from lab.pilots.service import list_pilots
from lab.preflight.endpoints import PartsDep
from lab.preflight.service import preflight
from lab.web.device_states import device_states
from lab.web.languages import gettext as _
from lab.web.latest import ShownValue
from lab.web.rendering import page
from lab.web.report_pages import standing_reports
from telemetry.alarms.models import Alarm
from telemetry.alarms.service import list_alarms
from telemetry.grants import Grant

router = APIRouter()

AHEAD = timedelta(days=14)
_WALL_ALARMS = {"silence", "stop", "unbooked", "idle"}
"""Kinds of alarms whose words a visitor may read: they tell nothing that a machine measured."""
_MOST_ALARMS = 100
_MOST_PILOTS = 8


@dataclass(frozen=True, slots=True)
class MachineNow:
    """One machine on the board.

    Attributes:
        device: the machine.
        state: key and words of its connection.
        present: the booking that runs; None: none.
        following: the next one within two weeks.
        values: what it says now.
        alarms: open ones.
    """

    device: Device
    state: tuple[str, str]
    present: Booking | None
    following: Booking | None
    values: Sequence[ShownValue]
    alarms: Sequence[Alarm]

    @property
    def is_critical(self) -> bool:
        """Whether somebody has to act now."""
        return any(alarm.severity == "critical" for alarm in self.alarms)


def board_page(
    request: Request,
    session: Session,
    principal: Principal,
    grant: Grant,
    now: datetime,
    values: Mapping[str, Sequence[ShownValue]],
    *,
    store_answers: bool,
) -> Response:
    """The board, or with `?wall=yes` its form for a screen on the wall, which looks again by itself."""
    devices = list_devices(session)
    states = device_states(session, devices, now)
    bookings = [one for one in list_bookings(session, principal, Span(now, now + AHEAD)) if one.state in OPEN]
    alarms = list_alarms(session, principal, grant, PageWish(_MOST_ALARMS), only_open=True).rows
    machines = [
        MachineNow(
            device=device,
            state=states[device.id],
            present=_of(bookings, device.id, lambda booking: booking.start_at <= now),
            following=_of(bookings, device.id, lambda booking: booking.start_at > now),
            values=values.get(device.id, ()),
            alarms=[alarm for alarm in alarms if alarm.device_id == device.id],
        )
        for device in devices
    ]
    day_end = now + timedelta(hours=24)
    return page(
        request,
        "board.html",
        title=_("Today"),
        principal=principal,
        wall=request.query_params.get("wall") == "yes",
        machines=machines,
        alarms=alarms,
        wall_alarms=_WALL_ALARMS,
        today=[booking for booking in bookings if booking.start_at < day_end],
        waiting=len(requests_for_the_staff(session, principal, bookings)),
        enquiries=len(list_enquiries(session, principal, state="new")),
        store_answers=store_answers,
        pilots=list_pilots(session, principal)[:_MOST_PILOTS],
        reports=standing_reports(session, principal),
        device_names={machine.device.id: machine.device.name for machine in machines},
        organisation_names={found.id: found.name for found in list_organisations(session, principal)},
    )


@router.get("/bookings/{booking_id}/light")
def show_light(
    request: Request,
    booking_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    parts: PartsDep,
    wall: str = "",
) -> Response:
    """One booking's light on the board: the gravest line of its check; on the wall without the booking's title."""
    with database.read() as session:
        booking, lines = preflight(session, principal, booking_id, parts=parts, now=clock.now())
    levels = {line.level for line in lines}
    level = "wrong" if "wrong" in levels else "mind" if "mind" in levels else "good"
    return page(
        request,
        "light.html",
        title=booking.title,
        principal=principal,
        level=level,
        booking=booking,
        wall=wall == "yes",
    )


def _of(bookings: Sequence[Booking], device_id: str, fits: Callable[[Booking], bool]) -> Booking | None:
    for booking in bookings:
        if fits(booking) and any(row.device_id == device_id for row in booking.devices):
            return booking
    return None
