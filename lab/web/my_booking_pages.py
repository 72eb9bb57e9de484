"""The bookings that there are: the list, moving, giving back, and a link for calendars."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from bookings import life, service
from bookings.endpoints import RulesDep
from bookings.errors import DeviceBusyError
from bookings.feeds import service as feeds
from bookings.feeds.rules import CalendarKind
from bookings.models import Booking
from bookings.series.bulk import move_many
from bookings.states import OPEN, BookingState
from bookings.waitlist import service as waitlist
from bookings.waitlist.models import WaitlistEntry
from bookings.waitlist.rules import OPEN as WAITING
from bookings.waitlist.rules import EntryState
from bookings.wall_times import clear_span
from lab.core.errors import ConflictError, InvalidError, StaleError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.paging import LARGEST_LIMIT, PageWish
from lab.core.time import Span
from lab.people.endpoints import PrincipalDep
from lab.web.booking_pages import as_times, names
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.rendering import page
from lab.web.swaps import exchange, partners_of, why_not_swapped
from lab.web.wording import field_time, read_field_time, sentence

router = APIRouter()

LOOK_BACK = timedelta(days=30)
LOOK_AHEAD = timedelta(days=366)
_DONE = {
    "booked": N_("Your slot is booked."),
    "asked": N_("Your request holds the slot. The lab will confirm it, or tell you why not."),
    "cancelled": N_("The booking is cancelled."),
    "moved": N_("The booking is moved."),
    "swapped": N_("The two bookings have changed places."),
    "closed": N_("The calendar link is closed."),
    "waiting": N_("You are in line. As soon as this becomes free, the lab holds it for you and tells you."),
    "left": N_("You do not wait for it any more."),
    "passed-on": N_("It goes to whoever is next in line. You wait on for another time."),
    "waited-out": N_("It goes to whoever is next in line. There is no other time left to wait for."),
    "ended": N_("The time to say yes is over; it goes to whoever is next in line."),
    "late": N_("Somebody was faster; this is how it stands now."),
}
Version = Annotated[int | None, Form()]


@router.get("/bookings")
def show_bookings(
    request: Request, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, done: str = ""
) -> Response:
    """What is booked: running and coming first, then the last month."""
    return _list(request, principal, database, clock, done=done)


@router.get("/bookings/{booking_id}")
def show_booking(
    request: Request, booking_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> Response:
    """One booking: what it costs, how it stands, and what can be done about it."""
    return _one(request, booking_id, principal, database, clock)


@router.post("/bookings/{booking_id}/move")
def submit_move(
    request: Request,
    booking_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    rules: RulesDep,
    version: Version = None,
    start: Annotated[str, Form()] = "",
    end: Annotated[str, Form()] = "",
) -> Response:
    """Give it another time; a refusal shows why and what is free."""
    zone = settings.time_zone
    try:
        span = clear_span(
            read_field_time(start, zone, field="start"), read_field_time(end, zone, field="end"), zone=zone
        )
        database.transact(
            lambda session: service.move_booking(
                session, principal, booking_id, span, version=version, now=clock.now(), rules=rules
            )
        )
    except StaleError:
        return RedirectResponse("/bookings?done=late", 303)
    except (InvalidError, ConflictError) as error:
        facts = error.facts.get("alternatives", []) if isinstance(error, DeviceBusyError) else []
        nearest = [*facts, *([error.facts["nearest"]] if error.facts.get("nearest") else [])]
        status = 409 if isinstance(error, ConflictError) else 422
        return _one(
            request,
            booking_id,
            principal,
            database,
            clock,
            problem=sentence(error.message, zone),
            offers=[times for span in nearest if (times := as_times(span))],
            typed=(start, end),
            status=status,
        )
    return RedirectResponse("/bookings?done=moved", 303)


@router.post("/bookings/{booking_id}/swap")
def submit_swap(
    request: Request,
    booking_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    rules: RulesDep,
    other: Annotated[str, Form(max_length=40)] = "",
    version: Version = None,
    other_version: Version = None,
) -> Response:
    """Two bookings take each other's time, both or neither."""
    with database.read() as session:
        both = [service.get_booking(session, principal, one) for one in (booking_id, other)]
    wish = exchange(both[0], both[1], (version, other_version))
    try:
        database.transact(lambda session: move_many(session, principal, wish, now=clock.now(), rules=rules))
    except StaleError:
        return RedirectResponse("/bookings?done=late", 303)
    except (InvalidError, ConflictError) as error:
        problem = why_not_swapped(error, both, settings.time_zone)
        status = 409 if isinstance(error, ConflictError) else 422
        return _one(request, booking_id, principal, database, clock, problem=problem, status=status)
    return RedirectResponse("/bookings?done=swapped", 303)


@router.post("/bookings/{booking_id}/cancel")
def submit_cancel(
    booking_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    rules: RulesDep,
    version: Version = None,
) -> Response:
    """Give a slot back."""
    try:
        database.transact(
            lambda session: life.cancel_booking(
                session, principal, booking_id, version=version, now=clock.now(), rules=rules
            )
        )
    except StaleError:
        return RedirectResponse("/bookings", 303)  # the list shows what it has become
    return RedirectResponse("/bookings?done=cancelled", 303)


@router.post("/calendar-links")
def submit_calendar_link(
    request: Request, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, settings: SettingsDep
) -> Response:
    """A secret address for a calendar program; shown on this answer only."""
    kind = CalendarKind.PERSON if principal.is_staff else CalendarKind.COMPANY
    _link, secret = database.transact(
        lambda session: feeds.create_link(session, principal, kind=kind, subject_id=None, now=clock.now())
    )
    address = f"{(settings.public_url or str(request.base_url)).rstrip('/')}/calendars/{secret}.ics"
    return _list(request, principal, database, clock, calendar_address=address)


@router.post("/calendar-links/{link_id}/revoke")
def submit_closing(link_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> Response:
    """The link leads nowhere any more."""
    database.transact(lambda session: feeds.revoke_link(session, principal, link_id, now=clock.now()))
    return RedirectResponse("/bookings?done=closed", 303)


def _list(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    *,
    done: str = "",
    calendar_address: str = "",
) -> Response:
    now = clock.now()
    with database.read() as session:
        listed = service.list_bookings(session, principal, Span(now - LOOK_BACK, now + LOOK_AHEAD))
        offers = waitlist.open_offers(session, principal)
        entries = waitlist.page_of_entries(session, principal, tuple(WAITING), PageWish(LARGEST_LIMIT))[0].rows
        found = [booking for booking in listed if booking.id not in offers]
        coming = [booking for booking in found if booking.state in OPEN and booking.end_at > now]
        past = [booking for booking in reversed(found) if booking not in coming]
        return page(
            request,
            "bookings.html",
            title=_("Bookings"),
            principal=principal,
            coming=coming,
            offers=[(offers[booking.id], booking) for booking in listed if stands(booking, offers, now)],
            waiting=[entry for entry in entries if entry.state == EntryState.WAITING and entry.latest > now],
            in_line=waitlist.places_in_line(session, entries),
            past=past,
            done=_(_DONE[done]) if done in _DONE else "",
            links=[link for link in feeds.list_links(session, principal) if link.revoked_at is None],
            calendar_address=calendar_address,
            here="/bookings",
            **names(session, principal),
        )


def _one(
    request: Request,
    booking_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    *,
    problem: str = "",
    offers: list[dict[str, datetime]] | None = None,
    typed: tuple[str, str] | None = None,
    status: int = 200,
) -> Response:
    now = clock.now()
    zone = request.app.state.settings.time_zone
    with database.read() as session:
        booking = service.get_booking(session, principal, booking_id)
        return page(
            request,
            "booking.html",
            title=booking.title,
            principal=principal,
            status=status,
            booking=booking,
            offer=waitlist.open_offers(session, principal).get(booking.id),
            movable=_movable(booking, now),
            partners=partners_of(session, principal, booking, Span(now, now + LOOK_AHEAD))
            if _movable(booking, now)
            else [],
            open=booking.state in OPEN and booking.end_at > now,
            changes=service.history_of_booking(session, principal, booking_id),
            problem=problem,
            offers=offers or [],
            typed=typed or (field_time(booking.start_at, zone), field_time(booking.end_at, zone)),
            here=f"/bookings/{booking_id}",
            **names(session, principal),
        )


def stands(booking: Booking, offers: Mapping[str, WaitlistEntry], now: datetime) -> bool:
    """Whether a booking is an offer that can still be taken."""
    held = booking.state == BookingState.REQUESTED and booking.lapses_at is not None and booking.lapses_at > now
    return held and booking.id in offers


def _movable(booking: Booking, now: datetime) -> bool:
    return booking.state in {BookingState.REQUESTED, BookingState.CONFIRMED} and booking.start_at > now
