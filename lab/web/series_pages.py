"""Bookings of every week: each date looked at before anything is booked, and the series that came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session
from starlette.datastructures import QueryParams

from bookings import service as bookings
from bookings.endpoints import PilotsDep, RulesDep
from bookings.errors import DeviceBusyError
from bookings.models import Booking
from bookings.series import service
from bookings.series.errors import NothingBookedError
from bookings.series.outcomes import Outcome
from bookings.series.schemas import SeriesRequest
from bookings.states import OPEN, BookingState
from devices.service import list_devices
from lab.core.errors import ConflictError, InvalidError, PilotLabError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.time import Span
from lab.people.endpoints import PrincipalDep
from lab.web.booking_forms import MOST_WEEKS, BookingForm
from lab.web.booking_pages import as_times, first_fault, form_page, names
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.rendering import page
from lab.web.wording import field_time, lab_span, read_field_time, sentence

router = APIRouter(prefix="/bookings/series")

_OTHERS = 3
_CHANGED = N_("Nothing is booked yet: something has changed meanwhile. Please look at the dates again.")
_ALL_LEFT_OUT = N_("Nothing is booked: every date is left out. Please choose at least one.")
_DONE = {
    "booked": N_("The series is booked."),
    "asked": N_("Your requests hold these dates. The lab will confirm them, or tell you why not."),
    "moved": N_("The series is moved."),
    "cancelled": N_("What was ahead is cancelled."),
    "some": N_("Some could not be cancelled any more; this is how it stands now."),
}


@dataclass(frozen=True, slots=True)
class PlannedDate:
    """One date of a series that is not booked yet."""

    number: int
    """Counted from 1."""
    when: str
    """As people read it."""
    state: str = ""
    """What the booking would be; empty: it cannot be booked."""
    price_cents: int = 0
    reason: str = ""
    """Why it cannot be booked."""
    others: tuple[Span, ...] = ()
    """What is free in its place."""


async def _sent(request: Request) -> QueryParams:
    return QueryParams([(key, text) for key, text in (await request.form()).multi_items() if isinstance(text, str)])


Sent = Annotated[QueryParams, Depends(_sent)]


@router.get("/new")
def show_dates(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    rules: RulesDep,
    pilots: PilotsDep,
) -> Response:
    """Each date that a series would have, whether it is free and what it costs; nothing is booked."""
    bookings.require_may_book(principal)
    form = BookingForm.from_query(request.query_params)
    return _dates_page(request, principal, database, clock, settings, rules, pilots, form)


@router.post("")
def submit_series(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    rules: RulesDep,
    pilots: PilotsDep,
    sent: Sent,
) -> Response:
    """Book the dates as they were seen, all or none; if something has changed, they are shown again."""
    bookings.require_may_book(principal)
    form, problem = BookingForm.from_query(sent), _(_CHANGED)
    try:
        wish = _wish(form, settings.time_zone)
        instead = _instead(sent, form.weeks() or 0)
        booked = database.transact(
            lambda session: _booked(
                service.book_series(
                    session,
                    principal,
                    wish,
                    now=clock.now(),
                    rules=rules,
                    company_of_pilot=pilots,
                    instead=instead,
                )
            )
        )
    except NothingBookedError:
        problem = _(_ALL_LEFT_OUT)
    except (ValidationError, InvalidError, ConflictError):
        pass  # the dates are looked at again, which says what is wrong with each
    else:
        series_id, asked = booked
        return RedirectResponse(f"/bookings/series/{series_id}?done={'asked' if asked else 'booked'}", 303)
    return _dates_page(request, principal, database, clock, settings, rules, pilots, form, problem=problem)


@router.get("/{series_id}")
def show_series(
    request: Request, series_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, done: str = ""
) -> Response:
    """The dates of a series, with what can be done about all that are ahead."""
    return _series_page(request, series_id, principal, database, clock, done=done)


@router.post("/{series_id}/move")
def submit_move(
    request: Request,
    series_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    rules: RulesDep,
    start: Annotated[str, Form()] = "",
) -> Response:
    """Give all that are ahead another day or time, all or none."""
    zone = settings.time_zone
    try:
        first = read_field_time(start, zone, field="start")
        database.transact(
            lambda session: service.move_series(session, principal, series_id, first, now=clock.now(), rules=rules)
        )
    except (InvalidError, ConflictError, OverflowError) as error:
        with database.read() as session:
            problem = _why_not_moved(session, principal, error, series_id, zone)
        return _series_page(request, series_id, principal, database, clock, problem=problem, typed=start)
    return RedirectResponse(f"/bookings/series/{series_id}?done=moved", 303)


@router.post("/{series_id}/cancel")
def submit_cancel(
    series_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, rules: RulesDep
) -> Response:
    """Give back all that are ahead."""
    outcomes = database.transact(
        lambda session: service.cancel_series(session, principal, series_id, now=clock.now(), rules=rules)
    )[1]
    some = any(one.refusal is not None for one in outcomes)
    return RedirectResponse(f"/bookings/series/{series_id}?done={'some' if some else 'cancelled'}", 303)


def _wish(form: BookingForm, zone: str) -> SeriesRequest:
    """What is meant.

    Raises:
        ValidationError, InvalidError: nothing that can be a series.
    """
    if form.weeks() is None:
        raise InvalidError(_("Please say how many weeks, from 1 to %(most)s.", most=MOST_WEEKS), field="times")
    return form.series(zone)


def _booked(made: service.BookedSeries) -> tuple[str, bool]:
    states = {outcome.booking.state for outcome in made.outcomes if outcome.booking is not None}
    return made.series.id, BookingState.REQUESTED in states


def _instead(sent: QueryParams, weeks: int) -> dict[int, Span | None]:
    """What somebody has chosen for the dates that could not be booked.

    Raises:
        InvalidError: a choice that was not offered.
    """
    chosen: dict[int, Span | None] = {}
    for number in range(1, weeks + 1):
        choice = sent.get(f"instead_{number}")
        if choice is None:
            continue
        try:
            edges = [datetime.fromisoformat(edge) for edge in choice.split("/")] if choice else []
            chosen[number] = Span(*edges) if edges else None
        except (ValueError, TypeError) as error:
            raise InvalidError("please choose one of the times that are offered", field=f"instead_{number}") from error
    return chosen


def _dates_page(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    rules: RulesDep,
    pilots: PilotsDep,
    form: BookingForm,
    *,
    problem: str = "",
) -> Response:
    with database.read() as session:
        called = names(session, principal)
    try:
        wish = _wish(form, settings.time_zone)
        dates = database.rehearse(
            lambda session: [
                _planned(outcome, called["device_names"], settings.time_zone)
                for outcome in service.preview_series(
                    session, principal, wish, now=clock.now(), rules=rules, company_of_pilot=pilots
                )
            ]
        )
    except (ValidationError, InvalidError, ConflictError) as error:
        said = first_fault(error) if isinstance(error, ValidationError) else sentence(error.message, settings.time_zone)
        with database.read() as session:
            return form_page(request, session, principal, settings, form, problem=said)
    return page(
        request,
        "series-new.html",
        title=_("Every week"),
        principal=principal,
        status=409 if problem else 200,
        here=form.address(place="/bookings/series/new"),
        form=form,
        dates=dates,
        free=[date for date in dates if date.state],
        problem=problem,
        **called,
    )


def _planned(outcome: Outcome, called: dict[str, str], zone: str) -> PlannedDate:
    booking, refusal = outcome.booking, outcome.refusal
    if booking is not None:
        when = lab_span(booking.start_at, booking.end_at, zone)
        return PlannedDate(outcome.number, when, booking.state, booking.price_cents or 0)
    assert refusal is not None
    times = as_times(outcome.facts)
    nearest = refusal.facts.get("nearest")
    offered = [*refusal.facts.get("alternatives", []), *([nearest] if nearest else [])]
    return PlannedDate(
        outcome.number,
        lab_span(times["start"], times["end"], zone) if times else outcome.facts["local_start"].replace("T", " "),
        reason=_reason(refusal, called, zone),
        others=tuple(Span(**found) for span in offered[:_OTHERS] if (found := as_times(span))),
    )


def _reason(refusal: PilotLabError, called: dict[str, str], zone: str) -> str:
    if isinstance(refusal, DeviceBusyError):
        busy = ", ".join(called.get(one, one) for one in refusal.facts["devices"])
        return _("Taken: %(machines)s.", machines=busy)
    return sentence(refusal.message, zone)


def _why_not_moved(session: Session, principal: PrincipalDep, error: Exception, series_id: str, zone: str) -> str:
    if not isinstance(error, PilotLabError):
        return _("Please choose a date and a time.")
    refused: Sequence[dict[str, Any]] = error.facts.get("refusals", ())
    if not refused:
        return sentence(error.message, zone)
    known = {one.id: one for one in service.get_series(session, principal, series_id)[1]}
    booking, refusal = known.get(refused[0].get("booking_id", "")), refused[0]["refusal"]
    if refusal.get("rule") == "device-free":
        called = {device.id: device.name for device in list_devices(session)}
        reason = _("Taken: %(machines)s.", machines=", ".join(called.get(one, one) for one in refusal["devices"]))
    else:
        reason = sentence(refusal["detail"], zone)
    if booking is None:
        return reason
    date = lab_span(booking.start_at, booking.end_at, zone)
    return _("Nothing is moved, because of the date that is now %(date)s. %(reason)s", date=date, reason=reason)


def _series_page(
    request: Request,
    series_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    *,
    done: str = "",
    problem: str = "",
    typed: str = "",
) -> Response:
    now, zone = clock.now(), request.app.state.settings.time_zone
    with database.read() as session:
        series, found = service.get_series(session, principal, series_id)
        movable = service.movable_ahead(found, now)
        return page(
            request,
            "series.html",
            title=_title(found),
            principal=principal,
            status=409 if problem else 200,
            here=f"/bookings/series/{series_id}",
            series=series,
            bookings=found,
            ahead=[one for one in found if one.state in OPEN and one.start_at > now],
            movable=movable,
            typed=typed or (field_time(movable[0].start_at, zone) if movable else ""),
            problem=problem,
            done=_(_DONE[done]) if done in _DONE else "",
            **names(session, principal),
        )


def _title(found: Sequence[Booking]) -> str:
    return found[0].title if found else _("Series")
