"""The first page: what is on now."""

from datetime import datetime, timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from bookings.models import Booking
from bookings.service import list_bookings
from bookings.states import OPEN
from bookings.waitlist.service import open_offers
from devices.models import Device
from devices.service import list_devices
from lab.core.errors import UnavailableError
from lab.core.http import ClockDep, DatabaseDep
from lab.core.time import Span
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal
from lab.pilots.service import list_pilots
from lab.web.board_pages import board_page
from lab.web.booking_pages import names
from lab.web.device_states import device_states
from lab.web.languages import gettext as _
from lab.web.latest import ShownValue, present_values
from lab.web.my_booking_pages import stands
from lab.web.rendering import page
from lab.web.report_pages import standing_reports
from telemetry.granting import GrantDep
from telemetry.grants import Grant
from telemetry.stores.interface import SampleStore

router = APIRouter()

NEXT_DAYS = timedelta(days=60)
MOST_BOOKINGS = 6
MOST_PILOTS = 8


@router.get("/")
def show_overview(
    request: Request, principal: PrincipalDep, grant: GrantDep, database: DatabaseDep, clock: ClockDep
) -> Response:
    """Machines with their state and present values, the next bookings, pilots with state and verdict."""
    now = clock.now()
    with database.read() as session:
        devices = list_devices(session)
        bookings = _next_bookings(session, principal, now)
        values, store_answers = _present_values(request.app.state.store, grant, devices, clock.now_ns())
        if principal.is_staff:
            return board_page(request, session, principal, grant, now, values, store_answers=store_answers)
        offers = open_offers(session, principal)
        return page(
            request,
            "overview.html",
            title=_("Overview"),
            principal=principal,
            devices=devices,
            states=device_states(session, devices, now),
            values=values,
            store_answers=store_answers,
            running={
                row.device_id: booking for booking in bookings if booking.start_at <= now for row in booking.devices
            },
            bookings=[booking for booking in bookings if booking.id not in offers][:MOST_BOOKINGS],
            offered=[booking for booking in bookings if stands(booking, offers, now)],
            pilots=list_pilots(session, principal)[:MOST_PILOTS],
            reports=standing_reports(session, principal),
            **names(session, principal),
        )


def _next_bookings(session: Session, principal: Principal, now: datetime) -> list[Booking]:
    found = list_bookings(session, principal, Span(now, now + NEXT_DAYS))
    return [booking for booking in found if booking.state in OPEN]


def _running(bookings: list[Booking], now: datetime) -> dict[str, Booking]:
    """By device: whose slot it is at this instant."""
    return {row.device_id: booking for booking in bookings if booking.start_at <= now for row in booking.devices}


def _present_values(
    store: SampleStore, grant: Grant, devices: list[Device], now_ns: int
) -> tuple[dict[str, list[ShownValue]], bool]:
    """What each machine says now, and whether the store of samples answers at all."""
    try:
        return {device.id: present_values(store, grant, device, now_ns) for device in devices}, True
    except UnavailableError:
        return {device.id: [] for device in devices}, False
