"""What people do with the waitlist: wait, answer an offer, take what is free, give up.

The order of locks is: entry, booking, organisation, devices. The caller owns the transaction.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bookings import repository as calendar
from bookings.entitlements import missing_devices, missing_qualifications, missing_supervision
from bookings.errors import PilotUnfitError
from bookings.gate import Ground, prepare, require_bookable
from bookings.history import note_change as note_booking
from bookings.history import snapshot as booking_snapshot
from bookings.life import give_back, rules_of
from bookings.models import Booking
from bookings.notices import Notice, announce
from bookings.pricing import grant_support
from bookings.rulebook.repository import trainings_of
from bookings.rulebook.service import load_rulebook
from bookings.rules import Refusal, Rules, require_device_ids, require_none, span_facts, wall
from bookings.schemas import BookingRequest
from bookings.service import CompanyOfPilot, book_devices, no_pilots, require_may_book
from bookings.states import BookingState
from bookings.waitlist import repository
from bookings.waitlist.errors import (
    NoOfferError,
    NothingFreeError,
    NotYourOfferError,
    OfferEndedError,
    OfferOpenError,
    WaitlistClosedError,
    WaitlistEntryChangedError,
    WaitlistEntryUnknownError,
    WaitlistFullError,
)
from bookings.waitlist.fitting import fitting_spans
from bookings.waitlist.freed import note_joined
from bookings.waitlist.history import note_change, snapshot
from bookings.waitlist.models import WaitlistEntry
from bookings.waitlist.offers import REFUSALS, note_missed, settle_offer
from bookings.waitlist.rules import MOST_WAITING, OPEN, EntryState, Missed, window_refusals
from bookings.waitlist.schemas import WaitRequest
from lab.core.errors import PilotLabError
from lab.core.ids import new_id
from lab.core.paging import Page, PageWish
from lab.core.time import EmptySpanError, Span, aware_utc
from lab.people.principals import Principal, Role

_TRIES = 5


def join_waitlist(
    session: Session,
    principal: Principal,
    request: WaitRequest,
    *,
    now: datetime,
    rules: Rules,
    company_of_pilot: CompanyOfPilot = no_pilots,
) -> WaitlistEntry:
    """Wait for devices, for so long, within a window.

    Args:
        session: of a write transaction.
        principal: who waits, for the own company.
        request: for what.
        now: the present instant.
        rules: `Rules.from_settings`.
        company_of_pilot: knows whose a pilot is.

    Raises:
        NotYourBookingError: by a recipient of reports.
        NaiveTimeError, EmptySpanError: the window is none.
        UnknownDevicesError, DevicesRetiredError, PilotUnfitError: nobody could book that.
        RuleBrokenError: however much is given back, the rules would never allow it.
        WaitlistFullError: the company waits for as much as it may.
    """
    require_may_book(principal)
    window = _window(request)
    device_ids = require_device_ids(request.device_ids)
    devices = require_bookable(calendar.find_devices(session, device_ids), device_ids)
    company = principal.organisation_id
    if request.pilot_id is not None and company_of_pilot(session, request.pilot_id) != company:
        raise PilotUnfitError(
            "your company has no such pilot; choose one of its own or leave pilot_id out",
            field="pilot_id",
            rule="own-pilot",
        )
    book = load_rulebook(session, rules)
    ground = Ground(tuple(devices), book, book.joint(devices))
    require_none(_hopeless(session, principal, ground, request, window, now), ground.rules.zone)
    if repository.count_open(session, company) >= MOST_WAITING:
        raise WaitlistFullError(
            f"a company waits for {MOST_WAITING} slots at most; withdraw an entry first",
            field="device_ids",
            rule="most-waiting",
            limit=MOST_WAITING,
        )
    entry = WaitlistEntry(
        id=new_id("wtl"),
        organisation_id=company,
        account_id=principal.account_id,
        pilot_id=request.pilot_id,
        title=request.title,
        device_ids=device_ids,
        supervised=request.supervised,
        earliest=window.start,
        latest=window.end,
        minutes=request.minutes,
        state=EntryState.WAITING.value,
        booking_id=None,
        offers=0,
        missed=[],
        queued_at=now,
        created_at=now,
        version=1,
    )
    session.add(entry)
    note_change(session, entry, "joined", by=principal.account_id, at=now, before=None)
    note_joined(session, entry.id, device_ids, over=window.end - timedelta(minutes=entry.minutes), now=now)
    return entry


def get_entry(session: Session, principal: Principal, entry_id: str) -> tuple[WaitlistEntry, Booking | None]:
    """An entry, with the booking that it led to.

    Raises:
        WaitlistEntryUnknownError: there is none, or it is another company's.
    """
    entry = _require_own(principal, repository.find_entry(session, entry_id))
    return entry, with_booking(session, entry)


def page_of_entries(
    session: Session, principal: Principal, states: Collection[EntryState], page: PageWish
) -> tuple[Page[WaitlistEntry], dict[str, Booking]]:
    """Part of the entries one may see, the oldest first, and their bookings by id.

    Raises:
        CursorInvalidError: a cursor that this list never gave.
    """
    if not principal.is_staff and principal.role is not Role.MEMBER:
        return Page([], None), {}
    company = None if principal.is_staff else principal.organisation_id
    found = repository.page_of_entries(session, page, states, organisation_id=company)
    return found, repository.bookings_of(session, found.rows)


def withdraw_entry(
    session: Session, principal: Principal, entry_id: str, *, version: int | None, now: datetime
) -> WaitlistEntry:
    """Wait no more; an offer that stands is given back. Again changes nothing.

    Raises:
        WaitlistEntryUnknownError, WaitlistEntryChangedError: not there, or changed meanwhile.
        WaitlistClosedError: it is taken or expired.
    """
    entry = _lock_own(session, principal, entry_id, version)
    if entry.state == EntryState.WITHDRAWN:
        return entry
    booking = settle_offer(session, entry, now=now)
    if entry.state not in OPEN:
        raise _closed(entry)
    if booking is not None:
        give_back(session, booking, Notice.CANCELLED, by=principal, now=now)
    before = snapshot(entry)
    entry.state, entry.booking_id = EntryState.WITHDRAWN.value, None
    note_change(session, entry, "withdrawn", by=principal.account_id, at=now, before=before)
    return entry


def accept_offer(
    session: Session, principal: Principal, entry_id: str, *, version: int | None, now: datetime, rules: Rules
) -> WaitlistEntry:
    """Take what is offered; where the devices need approval, it becomes a request. Again changes nothing.

    Raises:
        WaitlistEntryUnknownError, WaitlistEntryChangedError: not there, or changed meanwhile.
        NotYourOfferError: by the staff.
        NoOfferError, OfferEndedError: there is nothing to take, or not any more.
    """
    entry = _lock_to_answer(session, principal, entry_id, version)
    if entry.state == EntryState.TAKEN:
        return entry
    booking = _standing_offer(session, entry, now)
    before = booking_snapshot(booking)
    own = rules_of(session, booking, rules)
    if own.approval and not principal.is_staff:
        booking.lapses_at = min(now + own.approval_lapses, booking.start_at)
    else:
        booking.state, booking.lapses_at = BookingState.CONFIRMED.value, None
    booking.version += 1
    booking.changed_at = now
    session.flush()
    grant_support(session, booking, now=now, by=principal.account_id)
    note_booking(session, booking, "accepted", by=principal.account_id, at=now, before=before)
    asked = booking.state == BookingState.REQUESTED
    announce(session, booking, Notice.REQUESTED if asked else Notice.CREATED, now=now)
    _take(session, entry, booking, "accepted", by=principal, now=now)
    return entry


def decline_offer(
    session: Session,
    principal: Principal,
    entry_id: str,
    *,
    version: int | None,
    now: datetime,
    reason: str | None = None,
) -> WaitlistEntry:
    """Leave what is offered to the next in line, and wait on at its end.

    Raises:
        WaitlistEntryUnknownError, WaitlistEntryChangedError: not there, or changed meanwhile.
        NotYourOfferError: by the staff.
        NoOfferError, OfferEndedError: there is nothing to decline, or not any more.
    """
    entry = _lock_to_answer(session, principal, entry_id, version)
    booking = _standing_offer(session, entry, now)
    give_back(session, booking, Notice.CANCELLED, by=principal, now=now, reason=reason)
    note_missed(session, entry, booking, Missed.DECLINED, by=principal, now=now, reason=reason)
    return entry


def claim_slot(
    session: Session,
    principal: Principal,
    entry_id: str,
    *,
    version: int | None,
    now: datetime,
    rules: Rules,
    company_of_pilot: CompanyOfPilot = no_pilots,
) -> WaitlistEntry:
    """Book the first span in the window that is free now, without waiting for an offer. Again changes nothing.

    Raises:
        WaitlistEntryUnknownError, WaitlistEntryChangedError: not there, or changed meanwhile.
        NotYourOfferError: by the staff.
        OfferOpenError: an offer is to be answered first.
        WaitlistClosedError: it waits no more.
        NothingFreeError: nothing fits; with alternatives outside the window.
        PilotLabError: what `book_devices` raises, if it refuses everything that is free.
    """
    entry = _lock_to_answer(session, principal, entry_id, version)
    if entry.state == EntryState.TAKEN:
        return entry
    if settle_offer(session, entry, now=now) is not None:
        raise OfferOpenError(
            "a slot is offered to you; accept or decline it first", rule="answer-first", booking_id=entry.booking_id
        )
    if entry.state != EntryState.WAITING:
        raise _closed(entry)
    ground = prepare(session, entry.device_ids, rules, organisation_id=entry.organisation_id, agreed_at=now)
    spans = _free_now(session, ground, entry, now)
    refusal: PilotLabError | None = None
    for span in spans:
        request = BookingRequest(
            device_ids=entry.device_ids,
            start=span.start,
            end=span.end,
            title=entry.title,
            pilot_id=entry.pilot_id,
            organisation_id=entry.organisation_id,
            supervised=entry.supervised,
        )
        try:
            booking = book_devices(session, principal, request, now=now, rules=rules, company_of_pilot=company_of_pilot)
        except REFUSALS as error:
            refusal = refusal or error
            continue
        _take(session, entry, booking, "claimed", by=principal, now=now)
        return entry
    raise refusal or _nothing_free(session, ground, entry, now)


def with_booking(session: Session, entry: WaitlistEntry) -> Booking | None:
    """The booking that an entry led to, or that holds its offer."""
    return repository.bookings_of(session, [entry]).get(entry.booking_id or "")


def _window(request: WaitRequest) -> Span:
    earliest, latest = aware_utc(request.earliest, field="earliest"), aware_utc(request.latest, field="latest")
    if latest <= earliest:
        raise EmptySpanError(
            "the window ends (latest) before it begins (earliest)", field="latest", rule="end-after-start"
        )
    return Span(earliest, latest)


def _hopeless(
    session: Session, principal: Principal, ground: Ground, request: WaitRequest, window: Span, now: datetime
) -> list[Refusal]:
    """Why nothing can ever be offered."""
    found = window_refusals(window, request.minutes, now=now, rules=ground.rules)
    if found:
        return found
    first = Span(window.start, window.start + timedelta(minutes=request.minutes))
    company = principal.organisation_id
    wish = ground.wish(first, company, pilot_id=request.pilot_id, supervised=request.supervised)
    found = missing_devices(wish, ground.rules)
    if not principal.is_staff:
        found += missing_supervision(wish, ground.rules)
        if ground.rules.qualifications:
            trainings = trainings_of(session, principal.account_id)
            found += missing_qualifications(wish, ground.rules, trainings, now=now)
    return found


def _free_now(session: Session, ground: Ground, entry: WaitlistEntry, now: datetime) -> list[Span]:
    start, wanted = max(entry.earliest, now), timedelta(minutes=entry.minutes)
    if start + wanted > entry.latest:
        return []
    wish = ground.wish(
        Span(start, start + wanted), entry.organisation_id, pilot_id=entry.pilot_id, supervised=entry.supervised
    )
    return fitting_spans(session, ground, wish, Span(start, entry.latest), now=now, count=_TRIES)


def _nothing_free(session: Session, ground: Ground, entry: WaitlistEntry, now: datetime) -> NothingFreeError:
    start = max(entry.earliest, now)
    near = Span(start, start + timedelta(minutes=entry.minutes))
    wish = ground.wish(near, entry.organisation_id, pilot_id=entry.pilot_id, supervised=entry.supervised)
    zone = ground.rules.zone
    whenever = Span(now, now + ground.rules.horizon)
    found = fitting_spans(session, ground, replace(wish, span=near), whenever, now=now, count=3)
    advice = "see alternatives for free times outside it" if found else "no other time is free up to the horizon"
    return NothingFreeError(
        f"nothing that fits is free between {wall(entry.earliest, zone)} and {wall(entry.latest, zone)}; you wait on, "
        f"{advice}",
        rule="something-free",
        alternatives=[span_facts(span) for span in found],
    )


def _standing_offer(session: Session, entry: WaitlistEntry, now: datetime) -> Booking:
    if entry.state != EntryState.OFFERED:
        raise NoOfferError(f"there is no offer; this entry is {entry.state}", rule="offer-open", state=entry.state)
    offered = entry.booking_id
    booking = settle_offer(session, entry, now=now)
    if booking is None:
        raise OfferEndedError(
            "this offer has ended, and the slot is free for others again; look at the entry to see whether it waits on",
            rule="offer-stands",
            booking_id=offered,
        )
    return booking


def _take(session: Session, entry: WaitlistEntry, booking: Booking, what: str, *, by: Principal, now: datetime) -> None:
    before = snapshot(entry)
    entry.state, entry.booking_id = EntryState.TAKEN.value, booking.id
    note_change(session, entry, what, by=by.account_id, at=now, before=before)


def _lock_to_answer(session: Session, principal: Principal, entry_id: str, version: int | None) -> WaitlistEntry:
    entry = _lock_own(session, principal, entry_id, version)
    colleague = principal.role is Role.MEMBER and principal.organisation_id == entry.organisation_id
    if principal.account_id != entry.account_id and not colleague:
        raise NotYourOfferError(
            "only those who wait take or decline what is free for them; the lab's staff books for a company instead",
            rule="owner-answers",
        )
    return entry


def _lock_own(session: Session, principal: Principal, entry_id: str, version: int | None) -> WaitlistEntry:
    entry = _require_own(principal, repository.lock_entry(session, entry_id))
    if version is not None and entry.version != version:
        raise WaitlistEntryChangedError(
            "this entry was changed meanwhile; look at it again before you change it",
            field="If-Match",
            rule="present-version",
            version=entry.version,
        )
    return entry


def _require_own(principal: Principal, entry: WaitlistEntry | None) -> WaitlistEntry:
    if entry is None or not principal.owns(entry.organisation_id):
        raise WaitlistEntryUnknownError("there is no such entry on the waitlist", field="entry_id", rule="known-entry")
    return entry


def _closed(entry: WaitlistEntry) -> WaitlistClosedError:
    return WaitlistClosedError(
        f"this entry is {entry.state}; make a new one to wait again", rule="still-waiting", state=entry.state
    )
