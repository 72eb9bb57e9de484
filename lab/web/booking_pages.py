"""Booking: the form with free times, price and rules in plain words, and what is offered when a slot is taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from bookings import service
from bookings.endpoints import PilotsDep, RulesDep
from bookings.errors import DeviceBusyError
from bookings.prices.service import QuoteView, get_quote, prices_in_force
from bookings.rules import Rules, nearest_allowed
from bookings.search.service import FoundSlot, find_slots, list_capabilities
from bookings.search.wishes import SlotWish
from bookings.states import BookingState
from devices.models import Device
from devices.service import list_devices
from lab.core.errors import ConflictError, InvalidError, PilotLabError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.settings import Settings
from lab.core.time import Span
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal
from lab.people.service import list_organisations
from lab.pilots.service import company_of_pilot, list_pilots
from lab.web.booking_forms import LENGTHS_MINUTES, MOST_WEEKS, WINDOWS, BookingForm, with_times
from lab.web.hours_words import shown_hours
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.machine_pictures import pictures_of
from lab.web.rendering import page
from lab.web.wording import capability_name, field_time, sentence

router = APIRouter()

_FAULTS = {
    "title": N_("Please say in a few words what the slot is for."),
    "device_ids": N_("Please choose at least one machine."),
    "pilot_id": N_("Please choose a pilot from the list."),
    "organisation_id": N_("Please choose a company from the list."),
}
"""What is said of a field of the form that is of a wrong form."""
_FAULT = N_("Please check what you have typed.")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a slot would cost, and whether it could be booked as it stands."""

    quote: QuoteView | None = None
    slot: FoundSlot | None = None
    """It can be booked."""
    reasons: tuple[str, ...] = ()
    """Why not."""
    taken: bool = False
    """Because somebody has it: one can wait for it."""


@router.get("/bookings/new")
def show_form(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    rules: RulesDep,
    find: str = "",
) -> Response:
    """The form; asked to find free times it proposes some, else it holds a first suggestion for the time."""
    service.require_may_book(principal)
    form, zone, now = BookingForm.from_query(request.query_params), settings.time_zone, clock.now()
    with database.read() as session:
        if not form.start:
            span = _suggestion(session, form.device_ids, now, rules)
            form = with_times(form, span.start, span.end, zone)
        proposals, nothing = _proposals(session, principal, form, now, rules) if find else ([], "")
        terms = _terms(session, principal, form, now, rules) if form.device_ids else Terms()
        return form_page(request, session, principal, settings, form, proposals=proposals, nothing=nothing, terms=terms)


@router.get("/bookings/new/terms")
def show_terms(
    request: Request, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, rules: RulesDep
) -> Response:
    """The part of the form that says what it costs and what the rules say, for what is typed now."""
    service.require_may_book(principal)
    form = BookingForm.from_query(request.query_params)
    with database.read() as session:
        terms = _terms(session, principal, form, clock.now(), rules) if form.device_ids else Terms()
        return page(
            request,
            "booking-terms.html",
            title=_("Book a slot"),
            principal=principal,
            terms=terms,
            device_names={device.id: device.name for device in list_devices(session)},
        )


@router.post("/bookings/new")
def submit_form(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    rules: RulesDep,
    pilots: PilotsDep,
    device_ids: Annotated[list[str] | None, Form()] = None,
    start: Annotated[str, Form()] = "",
    end: Annotated[str, Form()] = "",
    title: Annotated[str, Form()] = "",
    pilot_id: Annotated[str, Form()] = "",
    organisation_id: Annotated[str, Form()] = "",
    supervised: Annotated[str, Form()] = "",
    times: Annotated[str, Form()] = "1",
) -> Response:
    """Book; a refusal shows the form again with the reason, a taken slot what else is free, a series its dates."""
    service.require_may_book(principal)
    offer: Mapping[str, Any] = {}
    form = BookingForm(
        device_ids=device_ids or [],
        start=start,
        end=end,
        title=title,
        pilot_id=pilot_id,
        organisation_id=organisation_id,
        supervised=supervised == "yes",
        times=times,
    )
    if form.weeks() != 1:
        return RedirectResponse(form.address(place="/bookings/series/new"), 303)
    try:
        wish = form.request(settings.time_zone)
        booking = database.transact(
            lambda session: service.book_devices(
                session, principal, wish, now=clock.now(), rules=rules, company_of_pilot=pilots
            )
        )
    except DeviceBusyError as error:
        with database.read() as session:
            return _busy_page(request, session, principal, form, error, rules=rules, now=clock.now())
    except ValidationError as error:
        problem, nearest = first_fault(error), None
    except (InvalidError, ConflictError) as error:
        problem = sentence(error.message, settings.time_zone) if form.device_ids else _(_FAULTS["device_ids"])
        nearest, offer = error.facts.get("nearest"), error.facts.get("instead") or {}
    else:
        asked = booking.state == BookingState.REQUESTED
        return RedirectResponse(f"/bookings?done={'asked' if asked else 'booked'}", 303)
    with database.read() as session:
        return form_page(request, session, principal, settings, form, problem=problem, nearest=nearest, offer=offer)


def names(session: Session, principal: Principal) -> dict[str, Any]:
    """What ids are called: devices and organisations that this principal may know."""
    return {
        "device_names": {device.id: device.name for device in list_devices(session)},
        "organisation_names": {found.id: found.name for found in list_organisations(session, principal)},
    }


def as_times(span: Any) -> dict[str, datetime] | None:
    """A span that an error names, as instants; `None`: it names none."""
    if not isinstance(span, dict) or not span.get("start") or not span.get("end"):
        return None
    return {edge: datetime.fromisoformat(span[edge]) for edge in ("start", "end")}


def form_page(
    request: Request,
    session: Session,
    principal: Principal,
    settings: Settings,
    form: BookingForm,
    *,
    problem: str = "",
    nearest: Any = None,
    offer: Mapping[str, Any] = MappingProxyType({}),
    proposals: list[FoundSlot] | None = None,
    nothing: str = "",
    terms: Terms | None = None,
) -> Response:
    """The form with what was typed; with a problem, what could be done about it."""
    pilots = [pilot for pilot in list_pilots(session, principal) if pilot.state != "reported"]
    devices = list_devices(session)
    capabilities = sorted((capability_name(one.name), one.name) for one in list_capabilities(session))
    return page(
        request,
        "booking-form.html",
        title=_("Book a slot"),
        principal=principal,
        status=422 if problem else 200,
        form=form,
        problem=problem,
        nearest=as_times(nearest),
        with_engineer=bool(offer.get("supervised")),
        proposals=proposals or [],
        drawn=[_drawn(slot, form, settings.time_zone) for slot in proposals or []],
        nothing=nothing,
        terms=terms or Terms(),
        devices=devices,
        prices=prices_in_force(session, principal, devices, now=request.app.state.clock.now()),
        pictures=pictures_of(session, devices),
        device_names={device.id: device.name for device in devices},
        capabilities=capabilities,
        lengths=LENGTHS_MINUTES,
        most_weeks=MOST_WEEKS,
        pilots=pilots,
        organisations=[found for found in list_organisations(session, principal) if found.kind != "lab"],
        hours=shown_hours(session, devices, Rules.from_settings(settings)),
    )


def _drawn(slot: FoundSlot, form: BookingForm, zone: str) -> dict[str, Any]:
    """A proposal as the calendar draws it: a press on it chooses it."""
    return {
        "start": field_time(slot.span.start, zone),
        "end": field_time(slot.span.end, zone),
        "devices": [device.id for device in slot.devices],
        "address": f"{form.taking(slot, zone)}#terms",
    }


def _proposals(
    session: Session, principal: Principal, form: BookingForm, now: datetime, rules: Rules
) -> tuple[list[FoundSlot], str]:
    """Free times, or why there are none."""
    if not form.device_ids and not form.capabilities:
        return [], _("Please choose machines, or what should be possible, first.")
    try:
        wish = form.search(rules.zone)
        found = find_slots(session, principal, wish, now=now, rules=rules, company_of_pilot=company_of_pilot)
    except (PilotLabError, OverflowError) as error:
        return [], sentence(error.message, rules.zone) if isinstance(error, PilotLabError) else ""
    return list(found.slots), "" if found.slots else _("Nothing is free in the time for which bookings are open.")


def _terms(session: Session, principal: Principal, form: BookingForm, now: datetime, rules: Rules) -> Terms:
    """Price and rules for exactly this slot."""
    try:
        span = form.span(rules.zone)
        quote = get_quote(
            session,
            principal,
            device_ids=form.device_ids,
            span=span,
            supervised=form.supervised,
            organisation_id=form.organisation_id or None,
            now=now,
        )
    except PilotLabError as error:
        return Terms(reasons=(sentence(error.message, rules.zone),))
    wish = form.search(rules.zone, size=span.length, start=span.start, end=span.end, count=1, explain=True)
    try:
        found = find_slots(session, principal, wish, now=now, rules=rules, company_of_pilot=company_of_pilot)
    except PilotLabError as error:
        return Terms(quote, reasons=(sentence(error.message, rules.zone),))
    if found.slots:
        return Terms(quote, found.slots[0])
    called = {device.id: device.name for device in list_devices(session)}
    causes = [cause for refused in found.refused or () for cause in refused.causes]
    facts = [
        cause.reason.fact.replace(cause.device_id, called.get(cause.device_id, cause.device_id))
        if cause.device_id
        else cause.reason.fact
        for cause in causes
    ]
    return Terms(
        quote,
        reasons=tuple(sentence(fact, rules.zone) for fact in dict.fromkeys(facts)),
        taken=bool(causes) and all(cause.reason.rule == "device-free" for cause in causes),
    )


def _busy_page(
    request: Request,
    session: Session,
    principal: Principal,
    form: BookingForm,
    error: DeviceBusyError,
    *,
    rules: Rules,
    now: datetime,
) -> Response:
    return page(
        request,
        "booking-taken.html",
        title=_("This time is taken"),
        principal=principal,
        status=409,
        form=form,
        busy=error.facts["devices"],
        conflicts=[
            {**conflict, **(as_times(conflict) or {})} for conflict in error.facts["conflicts"] if "title" in conflict
        ],
        alternatives=[as_times(span) for span in error.facts["alternatives"]],
        others=_others(session, principal, form, rules, now),
        windows=WINDOWS,
        **names(session, principal),
    )


def _others(
    session: Session, principal: Principal, form: BookingForm, rules: Rules, now: datetime
) -> tuple[Device, ...]:
    """Machines that can do the same and are free at the very time; none if there are none."""
    chosen = [device for device in list_devices(session) if device.id in form.device_ids]
    firsts = tuple(str(device.capabilities[0]["name"]) for device in chosen if device.capabilities)
    if len(firsts) < len(form.device_ids):
        return ()
    try:
        span = form.span(rules.zone)
        wish = SlotWish(
            size=span.length,
            capabilities=firsts,
            start=span.start,
            end=span.end,
            supervised=form.supervised,
            count=1,
            organisation_id=form.organisation_id or None,
            pilot_id=form.pilot_id or None,
        )
        found = find_slots(session, principal, wish, now=now, rules=rules, company_of_pilot=company_of_pilot)
    except PilotLabError:
        return ()
    return found.slots[0].devices if found.slots else ()


def first_fault(error: ValidationError) -> str:
    """What is said of the first field that is of a wrong form."""
    fault = error.errors()[0]
    where = str(fault["loc"][0]) if fault["loc"] else ""
    return _(_FAULTS.get(where, _FAULT))


def _suggestion(session: Session, device_ids: Sequence[str], now: datetime, rules: Rules) -> Span:
    """The next hour that can be booked: of these devices if some are named, else within the opening hours."""
    next_hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    wish = Span(next_hour, next_hour + timedelta(hours=1))
    if device_ids:
        try:
            free = service.free_alternatives(session, device_ids, wish, now=now, rules=rules, count=1)
        except InvalidError:
            free = []
        if free:
            return free[0]
    return nearest_allowed(wish, now=now, rules=rules) or wish
