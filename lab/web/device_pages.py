"""One machine: what it is, what it says, and its live chart."""

from datetime import datetime, timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from bookings.models import Booking
from bookings.prices.service import prices_in_force
from bookings.service import list_bookings
from bookings.states import OPEN
from devices.service import get_birth, get_device
from lab.access.service import may_see_live
from lab.core.errors import UnavailableError
from lab.core.http import ClockDep, DatabaseDep
from lab.core.paging import PageWish
from lab.core.time import Span, from_nanoseconds, to_nanoseconds
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal, Role
from lab.web.device_states import device_states
from lab.web.latest import latest_values
from lab.web.machine_care import care_of
from lab.web.machine_pictures import pictures_of
from lab.web.rendering import page
from telemetry.alarms.models import Alarm
from telemetry.alarms.service import list_alarms, list_rules
from telemetry.granting import GrantDep
from telemetry.grants import Grant

router = APIRouter()

NEXT_DAYS = timedelta(days=60)
MOST_OWN_SPANS = 20
_MOST_RULES = 100


@router.get("/devices/{device_id}")
def show_device(
    request: Request,
    device_id: str,
    principal: PrincipalDep,
    grant: GrantDep,
    database: DatabaseDep,
    clock: ClockDep,
) -> Response:
    """The machine; the live chart only for who may see it now, everybody else is told why not."""
    now = clock.now()
    with database.read() as session:
        device, birth = get_device(session, device_id), get_birth(session, device_id)
        live = may_see_live(session, principal, device_id, now)
        try:
            values = latest_values(request.app.state.store, grant, device, clock.now_ns())
            store_answers = True
        except UnavailableError:
            values, store_answers = [], False
        return page(
            request,
            "device.html",
            title=device.name,
            principal=principal,
            device=device,
            picture=pictures_of(session, [device])[device.id],
            birth=birth,
            state=device_states(session, [device], now)[device.id],
            price=prices_in_force(session, principal, [device], now=now).get(device.id),
            live=live,
            limits=drawn_limits(session, principal, device_id),
            care=care_of(session, principal, device_id, now, request.app.state.settings.time_zone),
            alarms=_open_alarms(session, principal, grant, device_id),
            values=values,
            store_answers=store_answers,
            visible=grant.names(device.id),
            own_spans=[] if principal.is_staff else _own_spans(grant, device.id, now),
            next_booking=None if principal.is_staff else _next_booking(session, principal, device_id, now),
            may_book=principal.is_staff or principal.role is Role.MEMBER,
        )


def drawn_limits(session: Session, principal: Principal, device_id: str) -> dict[str, list[float]]:
    """By signal, the limits at which alarms are raised, for the staff's charts."""
    if not principal.is_staff:
        return {}
    found: dict[str, list[float]] = {}
    for rule in list_rules(session, principal, PageWish(_MOST_RULES), device_id=device_id).rows:
        if rule.kind == "limit" and rule.signal:
            edges = [rule.settings.get(edge) for edge in ("low", "high")]
            found.setdefault(rule.signal, []).extend(float(edge) for edge in edges if edge is not None)
    return found


def _open_alarms(session: Session, principal: Principal, grant: Grant, device_id: str) -> list[Alarm]:
    if principal.role is Role.RECIPIENT:
        return []
    found = list_alarms(session, principal, grant, PageWish(_MOST_RULES), only_open=True).rows
    return [alarm for alarm in found if alarm.device_id == device_id]


def _own_spans(grant: Grant, device_id: str, now: datetime) -> list[Span]:
    """The newest of the company's own slots that have begun, as far as they are over."""
    spans = grant.spans_of(device_id, end_ns=to_nanoseconds(now))
    return [Span(from_nanoseconds(start), from_nanoseconds(end)) for start, end in spans[-MOST_OWN_SPANS:][::-1]]


def _next_booking(session: Session, principal: Principal, device_id: str, now: datetime) -> Booking | None:
    for booking in list_bookings(session, principal, Span(now, now + NEXT_DAYS)):
        if booking.state in OPEN and any(row.device_id == device_id for row in booking.devices):
            return booking
    return None
