"""Waiting for a slot that somebody else has: into the line, what is offered, out of it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from bookings import service as bookings
from bookings.endpoints import PilotsDep, RulesDep
from bookings.waitlist import answers, service
from bookings.waitlist.errors import OfferEndedError
from bookings.waitlist.rules import EntryState
from bookings.waitlist.schemas import WaitRequest
from lab.core.database import Database
from lab.core.errors import ConflictError, InvalidError, StaleError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.time import in_zone
from lab.people.endpoints import PrincipalDep
from lab.web.booking_forms import BookingForm
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.rendering import page
from lab.web.wording import one_line, sentence

router = APIRouter(prefix="/waitlist")

_DAY = timedelta(days=1)
_UNFIT = N_("Please choose machines and a time, and say in a few words what the slot is for.")
Text = Annotated[str, Form()]
Version = Annotated[int | None, Form()]


@router.post("")
def submit_wish(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    rules: RulesDep,
    pilots: PilotsDep,
    device_ids: Annotated[list[str] | None, Form()] = None,
    start: Text = "",
    end: Text = "",
    title: Text = "",
    pilot_id: Text = "",
    supervised: Text = "",
    window: Text = "exact",
) -> Response:
    """Wait for machines that are taken; a refusal says why nothing can ever come of it."""
    bookings.require_may_book(principal)
    zone = settings.time_zone
    form = BookingForm(
        device_ids=device_ids or [],
        start=start,
        end=end,
        title=one_line(title),
        pilot_id=pilot_id,
        supervised=supervised == "yes",
    )
    try:
        wish = _wish(form, window, zone)
        database.transact(
            lambda session: service.join_waitlist(
                session, principal, wish, now=clock.now(), rules=rules, company_of_pilot=pilots
            )
        )
    except ValidationError:
        problem = _(_UNFIT)
    except (InvalidError, ConflictError, OverflowError) as error:
        problem = sentence(error.message, zone) if not isinstance(error, OverflowError) else _(_UNFIT)
    else:
        return RedirectResponse("/bookings?done=waiting#waiting", 303)
    return page(
        request,
        "waitlist-refused.html",
        title=_("You cannot wait for this"),
        principal=principal,
        status=422,
        form=form,
        problem=problem,
        here=form.address(),
    )


@router.post("/{entry_id}/accept")
def submit_yes(
    entry_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    version: Version = None,
) -> Response:
    """Take what is offered."""

    def accept(session: Session) -> str:
        entry = answers.accept_offer(session, principal, entry_id, version=version, now=clock.now(), rules=rules)
        booking = service.with_booking(session, entry)
        return "asked" if booking is not None and booking.state == "requested" else "booked"

    return _answered(database, accept)


@router.post("/{entry_id}/decline")
def submit_no(
    entry_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, version: Version = None
) -> Response:
    """Leave what is offered to the next in line, and wait on."""

    def decline(session: Session) -> str:
        entry = answers.decline_offer(session, principal, entry_id, version=version, now=clock.now())
        return "passed-on" if entry.state == EntryState.WAITING else "waited-out"

    return _answered(database, decline)


@router.post("/{entry_id}/leave")
def submit_leaving(
    entry_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, version: Version = None
) -> Response:
    """Wait no more."""

    def leave(session: Session) -> str:
        service.withdraw_entry(session, principal, entry_id, version=version, now=clock.now())
        return "left"

    return _answered(database, leave)


def _wish(form: BookingForm, window: str, zone: str) -> WaitRequest:
    """What is waited for: a slot as long as the one that was wanted, within the chosen window.

    Raises:
        LabTimeError, InvalidError, ValidationError: what was typed makes no such wish.
    """
    span = form.span(zone)
    midnight = in_zone(span.start, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    earliest = midnight if window == "day" else span.start
    latest = {"day": midnight + _DAY, "week": span.start + 7 * _DAY}.get(window, span.end)
    return WaitRequest(
        device_ids=form.device_ids,
        earliest=earliest,
        latest=max(latest, span.end),
        minutes=int(span.length / timedelta(minutes=1)),
        title=form.title,
        pilot_id=form.pilot_id or None,
        supervised=form.supervised,
    )


def _answered(database: Database, answer: Callable[[Session], str]) -> Response:
    """Do it; what came too late changes nothing, and the list shows how it stands now."""
    try:
        done = database.transact(answer)
    except OfferEndedError:
        done = "ended"
    except (ConflictError, StaleError):
        done = "late"
    return RedirectResponse(f"/bookings?done={done}", 303)
