"""What was given back is offered to those who wait for it, one after the other in the order of the line.

Several processes may do so at once: an entry is locked, then its devices, and the gate decides. An offer is a booking
in state requested that lapses; whether it was accepted, has lapsed or was cancelled is then read off the booking.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy.orm import Session

from bookings import repository as calendar
from bookings.gate import Passed, pass_gate
from bookings.ground import Ground, prepare, require_bookable
from bookings.history import note_change as note_booking
from bookings.life import give_back
from bookings.models import Booking
from bookings.notices import Notice, announce
from bookings.pricing import price_booking
from bookings.rulebook.book import Rulebook
from bookings.rulebook.service import load_rulebook
from bookings.rules import Rules
from bookings.service import reserve
from bookings.states import BookingState
from bookings.waitlist import repository
from bookings.waitlist.fitting import fitting_spans
from bookings.waitlist.history import note_change, snapshot
from bookings.waitlist.models import WaitlistEntry
from bookings.waitlist.rules import (
    NOTICE,
    EntryState,
    Missed,
    is_over,
    missed_fact,
    missed_spans,
    offer_ends,
    state_after_missed,
)
from lab.core.database import Database
from lab.core.errors import ConflictError, ForbiddenError, InvalidError
from lab.core.ids import new_id
from lab.core.time import Span
from lab.people import repository as people
from lab.people.principals import SYSTEM, Principal, Role

log = structlog.get_logger(__name__)

REFUSALS = (InvalidError, ConflictError, ForbiddenError)
"""What says no to a span, or to whoever waits."""

_TRIES = 5
"""Free spans that are tried for one entry; the gate may know a reason against one that the search does not."""


def offer_freed_slots(database: Database, device_ids: Collection[str], *, now: datetime, rules: Rules) -> int:
    """Look through the line for these devices: offer what is free, and let go whose window is over.

    Args:
        database: where bookings and entries are.
        device_ids: of which something was given back.
        now: the present instant.
        rules: `Rules.from_settings`.

    Returns:
        How many offers were made.
    """
    with database.read() as session:
        ended = repository.ended_offers(session, now=now)
    for entry_id in ended:
        database.transact(partial(_look_after, entry_id=entry_id, now=now))
    with database.read() as session:  # most entries are told apart here, without keeping any writer waiting
        look = _Look(session, load_rulebook(session, rules), now)
        hopeful = [entry.id for entry in repository.line_for(session, device_ids) if look.may_be_offered(entry)]
    # Several workers wait for each other at each entry: who went past the one in hand would serve the next before it.
    made = sum(database.transact(partial(_offer, entry_id=entry_id, now=now, rules=rules)) for entry_id in hopeful)
    if made:
        log.info("freed slots were offered", count=made)
    return made


def settle_offer(session: Session, entry: WaitlistEntry, *, now: datetime) -> Booking | None:
    """Bring an entry in line with what became of its offer.

    Args:
        session: of a write transaction that holds the entry and nothing else.
        entry: locked.
        now: the present instant.

    Returns:
        The offered booking, locked, if the offer still stands.
    """
    if entry.state != EntryState.OFFERED or entry.booking_id is None:
        return None
    booking = calendar.lock_booking(session, entry.booking_id)
    assert booking is not None  # bookings are never deleted
    if booking.state == BookingState.REQUESTED and booking.lapses_at is not None:
        if booking.lapses_at > now:
            return booking
        give_back(session, booking, Notice.LAPSED, by=SYSTEM, now=now)
    if booking.state == BookingState.CANCELLED:
        lapsed = booking.ended_as == Notice.LAPSED
        note_missed(session, entry, booking, Missed.LAPSED if lapsed else Missed.DECLINED, by=SYSTEM, now=now)
    else:  # the staff has given the slot for good, such as by reinstating it
        before = snapshot(entry)
        entry.state = EntryState.TAKEN.value
        note_change(session, entry, "taken", by=SYSTEM.account_id, at=now, before=before)
    return None


def note_missed(
    session: Session,
    entry: WaitlistEntry,
    booking: Booking,
    how: Missed,
    *,
    by: Principal,
    now: datetime,
    reason: str | None = None,
) -> None:
    """Put an entry whose offer was not taken at the end of the line, or out of it."""
    before = snapshot(entry)
    entry.missed = [*entry.missed, missed_fact(Span(booking.start_at, booking.end_at), how)]
    entry.booking_id, entry.queued_at = None, now
    entry.state = state_after_missed(entry.missed, latest=entry.latest, minutes=entry.minutes, now=now)
    note_change(session, entry, how.value, by=by.account_id, at=now, before=before, reason=reason)


def _look_after(session: Session, entry_id: str, *, now: datetime) -> None:
    entry = repository.lock_entry(session, entry_id)
    if entry is not None:
        settle_offer(session, entry, now=now)


class _Look:
    """A look at the whole line without locks, which tells the few entries apart that are worth a lock."""

    def __init__(self, session: Session, book: Rulebook, now: datetime) -> None:
        self._session, self._book, self._now = session, book, now
        self._grounds: dict[tuple[str, ...], Ground | None] = {}

    def may_be_offered(self, entry: WaitlistEntry) -> bool:
        """Whether something fits as far as one can see, or the entry is to expire."""
        if is_over(entry.latest, entry.minutes, self._now):
            return True
        if _who_waits(self._session, entry) is None:
            return False
        wanted = tuple(entry.device_ids)
        if wanted not in self._grounds:
            self._grounds[wanted] = self._ground(wanted)
        ground = self._grounds[wanted]
        return ground is not None and bool(_free_for(self._session, ground, entry, now=self._now, count=1))

    def _ground(self, device_ids: tuple[str, ...]) -> Ground | None:
        """The devices and their rules; None: they cannot be booked any more."""
        try:
            devices = require_bookable(calendar.find_devices(self._session, device_ids), device_ids)
        except REFUSALS:
            return None
        return Ground(tuple(devices), self._book, self._book.joint(devices))


def _offer(session: Session, entry_id: str, *, now: datetime, rules: Rules) -> bool:
    """Offer the first span that fits; whether there was one."""
    entry = repository.lock_entry(session, entry_id)
    if entry is None or entry.state != EntryState.WAITING:
        return False
    if is_over(entry.latest, entry.minutes, now):
        _expire(session, entry, now=now)
        return False
    who = _who_waits(session, entry)
    if who is None:
        return False
    try:
        ground = prepare(session, entry.device_ids, rules, organisation_id=entry.organisation_id, agreed_at=now)
    except REFUSALS:
        return False
    for span in _free_for(session, ground, entry, now=now, count=_TRIES):
        wish = ground.wish(span, entry.organisation_id, pilot_id=entry.pilot_id, supervised=entry.supervised)
        try:
            passed = pass_gate(session, who, ground, wish, now=now)
            _make_offer(session, entry, span, ground, passed, now=now)
        except REFUSALS:
            continue
        return True
    return False


def _free_for(session: Session, ground: Ground, entry: WaitlistEntry, *, now: datetime, count: int) -> list[Span]:
    start, wanted = max(entry.earliest, now + NOTICE), timedelta(minutes=entry.minutes)
    if start + wanted > entry.latest:
        return []
    first = Span(start, start + wanted)
    wish = ground.wish(first, entry.organisation_id, pilot_id=entry.pilot_id, supervised=entry.supervised)
    return fitting_spans(
        session,
        ground,
        wish,
        Span(start, entry.latest),
        now=now,
        count=count,
        avoid=missed_spans(entry.missed),
    )


def _make_offer(
    session: Session, entry: WaitlistEntry, span: Span, ground: Ground, passed: Passed, *, now: datetime
) -> None:
    booking = Booking(
        id=new_id("bkg"),
        organisation_id=entry.organisation_id,
        pilot_id=entry.pilot_id,
        booked_by=entry.account_id,
        title=entry.title,
        start_at=span.start,
        end_at=span.end,
        state=BookingState.REQUESTED.value,
        version=1,
        created_at=now,
        changed_at=now,
        supervised=entry.supervised,
        lapses_at=offer_ends(now, span.start, ground.rules),
    )
    reserve(booking, passed)
    price_booking(session, booking, ground.devices, ground.agreed, now=now)
    calendar.insert_booking(session, booking)
    note_booking(session, booking, Notice.OFFERED.value, by=SYSTEM.account_id, at=now, before=None)
    announce(session, booking, Notice.OFFERED, now=now)
    before = snapshot(entry)
    entry.state, entry.booking_id = EntryState.OFFERED.value, booking.id
    entry.offers += 1
    note_change(session, entry, "offered", by=SYSTEM.account_id, at=now, before=before)


def _expire(session: Session, entry: WaitlistEntry, *, now: datetime) -> None:
    before = snapshot(entry)
    entry.state = EntryState.EXPIRED.value
    note_change(session, entry, "expired", by=SYSTEM.account_id, at=now, before=before)


def _who_waits(session: Session, entry: WaitlistEntry) -> Principal | None:
    """Whoever waits, as somebody who may book; None: the account is closed, or books for this company no more."""
    account = people.account(session, entry.account_id)
    if account is None or account.disabled_at is not None:
        return None
    who = Principal(account.id, account.organisation_id, Role(account.role), account.name)
    return who if who.owns(entry.organisation_id) else None
