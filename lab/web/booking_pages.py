"""Bookings: the list, the form, and what is offered when a slot is taken."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from bookings import life, service
from bookings.errors import DeviceBusyError
from bookings.rules import Rules, nearest_allowed
from bookings.schemas import BookingRequest
from bookings.states import OPEN, BookingState
from devices.service import list_devices
from lab.core.errors import ConflictError, InvalidError, StaleError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.settings import Settings
from lab.core.time import Span
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal
from lab.people.service import list_organisations
from lab.pilots.service import company_of_pilot, list_pilots
from lab.web.rendering import page
from lab.web.wording import field_time, opening_hours, read_field_time, sentence

router = APIRouter()

LOOK_BACK = timedelta(days=30)
LOOK_AHEAD = timedelta(days=366)
_DONE = {
    "booked": "Your slot is booked.",
    "asked": "Your request holds the slot. The lab will confirm it, or tell you why not.",
    "cancelled": "The booking is cancelled.",
}
_FAULTS = {
    "title": "Please say in a few words what the slot is for.",
    "device_ids": "Please choose at least one machine.",
    "pilot_id": "Please choose a pilot from the list.",
    "organisation_id": "Please choose a company from the list.",
}
"""What is said of a field of the form that is of a wrong form."""


@dataclass
class BookingForm:
    """What somebody has typed, as they typed it."""

    device_ids: list[str] = field(default_factory=list)
    start: str = ""
    end: str = ""
    title: str = ""
    pilot_id: str = ""
    organisation_id: str = ""
    supervised: bool = False

    def request(self, zone: str) -> BookingRequest:
        """What is meant.

        Raises:
            LabTimeError: a time that cannot be read.
            ValidationError: a field of a wrong form.
        """
        return BookingRequest(
            device_ids=self.device_ids,
            start=read_field_time(self.start, zone, field="start"),
            end=read_field_time(self.end, zone, field="end"),
            title=self.title,
            pilot_id=self.pilot_id or None,
            organisation_id=self.organisation_id or None,
            supervised=self.supervised,
        )


@router.get("/bookings")
def show_bookings(
    request: Request, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, done: str = ""
) -> Response:
    """What is booked: running and coming first, then the last month."""
    now = clock.now()
    with database.read() as session:
        found = service.list_bookings(session, principal, Span(now - LOOK_BACK, now + LOOK_AHEAD))
        coming = [booking for booking in found if booking.state in OPEN and booking.end_at > now]
        past = [booking for booking in reversed(found) if booking not in coming]
        return page(
            request,
            "bookings.html",
            title="Bookings",
            principal=principal,
            coming=coming,
            past=past,
            done=_DONE.get(done, ""),
            **names(session, principal),
        )


@router.get("/bookings/new")
def show_form(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    device: str = "",
) -> Response:
    """The form, with a first suggestion for the time."""
    service.require_may_book(principal)
    rules, zone = Rules.from_settings(settings), settings.time_zone
    with database.read() as session:
        span = _suggestion(session, device, clock.now(), rules)
        form = BookingForm([device] if device else [], field_time(span.start, zone), field_time(span.end, zone))
        return _form_page(request, session, principal, settings, form)


@router.post("/bookings/new")
def submit_form(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    device_ids: Annotated[list[str] | None, Form()] = None,
    start: Annotated[str, Form()] = "",
    end: Annotated[str, Form()] = "",
    title: Annotated[str, Form()] = "",
    pilot_id: Annotated[str, Form()] = "",
    organisation_id: Annotated[str, Form()] = "",
    supervised: Annotated[str, Form()] = "",
) -> Response:
    """Book; a refusal shows the form again with the reason, a taken slot shows free ones."""
    service.require_may_book(principal)
    offer: Mapping[str, Any] = {}
    form = BookingForm(device_ids or [], start, end, title, pilot_id, organisation_id, supervised == "yes")
    try:
        wish = form.request(settings.time_zone)
        rules = Rules.from_settings(settings)
        booking = database.transact(
            lambda session: service.book_devices(
                session, principal, wish, now=clock.now(), rules=rules, company_of_pilot=company_of_pilot
            )
        )
    except DeviceBusyError as error:
        with database.read() as session:
            return _busy_page(request, session, principal, form, error)
    except ValidationError as error:
        problem, nearest = _first_fault(error), None
    except (InvalidError, ConflictError) as error:
        problem = sentence(error.message, settings.time_zone) if form.device_ids else _FAULTS["device_ids"]
        nearest, offer = error.facts.get("nearest"), error.facts.get("instead") or {}
    else:
        asked = booking.state == BookingState.REQUESTED
        return RedirectResponse(f"/bookings?done={'asked' if asked else 'booked'}", 303)
    with database.read() as session:
        return _form_page(request, session, principal, settings, form, problem=problem, nearest=nearest, offer=offer)


@router.post("/bookings/{booking_id}/cancel")
def submit_cancel(
    request: Request,
    booking_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    version: Annotated[int | None, Form()] = None,
) -> Response:
    """Give a slot back."""
    rules = Rules.from_settings(settings)
    try:
        database.transact(
            lambda session: life.cancel_booking(
                session, principal, booking_id, version=version, now=clock.now(), rules=rules
            )
        )
    except StaleError:
        return RedirectResponse("/bookings", 303)  # the list shows what it has become
    return RedirectResponse("/bookings?done=cancelled", 303)


def names(session: Session, principal: Principal) -> dict[str, Any]:
    """What ids are called: devices and organisations that this principal may know."""
    return {
        "device_names": {device.id: device.name for device in list_devices(session)},
        "organisation_names": {found.id: found.name for found in list_organisations(session, principal)},
    }


def _form_page(
    request: Request,
    session: Session,
    principal: Principal,
    settings: Settings,
    form: BookingForm,
    *,
    problem: str = "",
    nearest: Any = None,
    offer: Mapping[str, Any] = MappingProxyType({}),
) -> Response:
    pilots = [pilot for pilot in list_pilots(session, principal) if pilot.state != "reported"]
    return page(
        request,
        "booking-form.html",
        title="Book a slot",
        principal=principal,
        status=422 if problem else 200,
        form=form,
        problem=problem,
        nearest=_as_times(nearest),
        with_engineer=bool(offer.get("supervised")),
        devices=list_devices(session),
        pilots=pilots,
        organisations=[found for found in list_organisations(session, principal) if found.kind != "lab"],
        opening_hours=opening_hours(settings.opening_hours),
    )


def _busy_page(
    request: Request, session: Session, principal: Principal, form: BookingForm, error: DeviceBusyError
) -> Response:
    return page(
        request,
        "booking-taken.html",
        title="This time is taken",
        principal=principal,
        status=409,
        form=form,
        busy=error.facts["devices"],
        conflicts=[
            {**conflict, **(_as_times(conflict) or {})} for conflict in error.facts["conflicts"] if "title" in conflict
        ],
        alternatives=[_as_times(span) for span in error.facts["alternatives"]],
        **names(session, principal),
    )


def _as_times(span: Any) -> dict[str, datetime] | None:
    if not isinstance(span, dict) or not span.get("start") or not span.get("end"):
        return None
    return {edge: datetime.fromisoformat(span[edge]) for edge in ("start", "end")}


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    where = str(fault["loc"][0]) if fault["loc"] else ""
    return _FAULTS.get(where, "Please check what you have typed.")


def _suggestion(session: Session, device: str, now: datetime, rules: Rules) -> Span:
    """The next hour that can be booked: of this device if one is named, else within the opening hours."""
    next_hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    wish = Span(next_hour, next_hour + timedelta(hours=1))
    if device:
        try:
            free = service.free_alternatives(session, [device], wish, now=now, rules=rules, count=1)
        except InvalidError:
            free = []
        if free:
            return free[0]
    return nearest_allowed(wish, now=now, rules=rules) or wish
