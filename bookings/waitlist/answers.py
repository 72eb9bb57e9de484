"""How those who wait answer: they take what is offered, leave it, or claim what is free now.

The order of locks is: entry, booking, organisation, devices. The caller owns the transaction.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bookings.ground import Ground, prepare
from bookings.history import note_change as note_booking
from bookings.history import snapshot as booking_snapshot
from bookings.life import give_back, rules_of
from bookings.models import Booking
from bookings.notices import Notice, announce
from bookings.pricing import grant_support
from bookings.rules import Rules, span_facts, wall
from bookings.schemas import BookingRequest
from bookings.service import CompanyOfPilot, book_devices, no_pilots
from bookings.states import BookingState
from bookings.waitlist.errors import NoOfferError, NothingFreeError, NotYourOfferError, OfferEndedError, OfferOpenError
from bookings.waitlist.fitting import fitting_spans
from bookings.waitlist.history import note_change, snapshot
from bookings.waitlist.models import WaitlistEntry
from bookings.waitlist.offers import REFUSALS, note_missed, settle_offer
from bookings.waitlist.rules import EntryState, Missed
from bookings.waitlist.service import closed_entry, lock_own_entry
from lab.core.errors import PilotLabError
from lab.core.time import Span
from lab.people.principals import Principal, Role

_TRIES = 5
"""Free spans that are tried for one claim."""


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
        raise closed_entry(entry)
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
    entry = lock_own_entry(session, principal, entry_id, version)
    colleague = principal.role is Role.MEMBER and principal.organisation_id == entry.organisation_id
    if principal.account_id != entry.account_id and not colleague:
        raise NotYourOfferError(
            "only those who wait take or decline what is free for them; the lab's staff books for a company instead",
            rule="owner-answers",
        )
    return entry
