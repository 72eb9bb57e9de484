"""What people do with the waitlist: wait, look, give up. The caller owns the transaction."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bookings import repository as calendar
from bookings.entitlements import missing_devices, missing_qualifications, missing_supervision
from bookings.errors import PilotUnfitError
from bookings.ground import Ground, require_bookable
from bookings.life import give_back
from bookings.models import Booking
from bookings.notices import Notice
from bookings.rulebook.repository import trainings_of
from bookings.rulebook.service import load_rulebook
from bookings.rules import Refusal, Rules, require_device_ids, require_none
from bookings.service import CompanyOfPilot, no_pilots, require_may_book
from bookings.states import BookingState
from bookings.waitlist import repository
from bookings.waitlist.errors import (
    WaitlistClosedError,
    WaitlistEntryChangedError,
    WaitlistEntryUnknownError,
    WaitlistFullError,
)
from bookings.waitlist.freed import note_joined
from bookings.waitlist.history import note_change, snapshot
from bookings.waitlist.models import WaitlistEntry
from bookings.waitlist.offers import settle_offer
from bookings.waitlist.rules import MOST_WAITING, OPEN, EntryState, window_refusals
from bookings.waitlist.schemas import WaitRequest
from lab.core.ids import new_id
from lab.core.paging import Page, PageWish
from lab.core.time import EmptySpanError, Span, aware_utc
from lab.people.principals import Principal, Role


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
    entry = lock_own_entry(session, principal, entry_id, version)
    if entry.state == EntryState.WITHDRAWN:
        return entry
    booking = settle_offer(session, entry, now=now)
    if entry.state not in OPEN:
        raise closed_entry(entry)
    if booking is not None:
        give_back(session, booking, Notice.CANCELLED, by=principal, now=now)
    before = snapshot(entry)
    entry.state, entry.booking_id = EntryState.WITHDRAWN.value, None
    note_change(session, entry, "withdrawn", by=principal.account_id, at=now, before=before)
    return entry


def places_in_line(session: Session, entries: Collection[WaitlistEntry]) -> dict[str, int]:
    """At which place these entries wait, by id, counted from 1; those that wait no more are left out.

    Before one stand those that came into the line earlier and want one of the same devices in the same window; who
    they are is not told.
    """
    line = repository.line_for(session, {device for entry in entries for device in entry.device_ids})
    return {
        entry.id: 1 + sum(_is_before(other, entry) for other in line)
        for entry in entries
        if entry.state == EntryState.WAITING
    }


def open_offers(session: Session, principal: Principal) -> dict[str, WaitlistEntry]:
    """Entries one may see whose offer waits for an answer, by the booking that holds the slot."""
    found = repository.open_offers(session)
    return {booking: entry for booking, entry in found.items() if principal.owns(entry.organisation_id)}


def requests_for_the_staff(session: Session, principal: Principal, bookings: Sequence[Booking]) -> list[Booking]:
    """Those of these bookings that wait for a decision of the staff, not for an answer of those who waited."""
    offers = open_offers(session, principal)
    return [one for one in bookings if one.state == BookingState.REQUESTED and one.id not in offers]


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


def lock_own_entry(session: Session, principal: Principal, entry_id: str, version: int | None) -> WaitlistEntry:
    """An entry of one's own, kept from other changes until the transaction ends.

    Raises:
        WaitlistEntryUnknownError: there is none, or it is another company's.
        WaitlistEntryChangedError: it is not at this version any more.
    """
    entry = _require_own(principal, repository.lock_entry(session, entry_id))
    if version is not None and entry.version != version:
        raise WaitlistEntryChangedError(
            "this entry was changed meanwhile; look at it again before you change it",
            field="If-Match",
            rule="present-version",
            version=entry.version,
        )
    return entry


def _is_before(other: WaitlistEntry, entry: WaitlistEntry) -> bool:
    earlier = (other.queued_at, other.id) < (entry.queued_at, entry.id)
    meets = other.earliest < entry.latest and entry.earliest < other.latest
    return earlier and meets and not set(entry.device_ids).isdisjoint(other.device_ids)


def _require_own(principal: Principal, entry: WaitlistEntry | None) -> WaitlistEntry:
    if entry is None or not principal.owns(entry.organisation_id):
        raise WaitlistEntryUnknownError("there is no such entry on the waitlist", field="entry_id", rule="known-entry")
    return entry


def closed_entry(entry: WaitlistEntry) -> WaitlistClosedError:
    """An entry that is taken, expired or withdrawn."""
    return WaitlistClosedError(
        f"this entry is {entry.state}; make a new one to wait again", rule="still-waiting", state=entry.state
    )
