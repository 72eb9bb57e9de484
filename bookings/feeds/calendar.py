"""A booking as a calendar tells it: who reads what. `bookings.feeds.writing` makes text of it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

from bookings.language import say as _
from bookings.language import state_text
from bookings.models import Booking
from bookings.states import BookingState

BUSY = "busy"
"""All that a stranger reads of a booking."""

_GONE = frozenset({BookingState.CANCELLED, BookingState.NO_SHOW})


@dataclass(frozen=True, slots=True)
class Names:
    """What people call what is told by id; an id without a name stands for itself."""

    devices: Mapping[str, str] = field(default_factory=dict)
    organisations: Mapping[str, str] = field(default_factory=dict)
    accounts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """The lab, as its calendars tell of it."""

    lab: str
    """Short name; the right side of every UID."""
    name: str
    zone: str
    """IANA name."""
    page: str | None
    """Where people see their bookings."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of a calendar. Times are aware UTC."""

    uid: str
    sequence: int
    stamp: datetime
    start: datetime
    end: datetime
    summary: str
    status: str
    """TENTATIVE, CONFIRMED or CANCELLED."""
    private: bool = False
    created: datetime | None = None
    changed: datetime | None = None
    description: str | None = None
    location: str | None = None
    url: str | None = None


def uid_of(booking_id: str, lab: str) -> str:
    """The same in every calendar and mail, so that an invitation and a feed are one event."""
    return f"{booking_id}@{lab}"


def busy_uid(link_id: str, booking_id: str, lab: str) -> str:
    """Stays the same within one link; tells neither the booking nor that it is the same one as in another link."""
    return f"busy-{sha256(f'{link_id}/{booking_id}'.encode()).hexdigest()[:32]}@{lab}"


def status_of(state: str) -> str:
    """What becomes of a state in a calendar: tentative while it is a request, cancelled also when nobody came."""
    if state in _GONE:
        return "CANCELLED"
    return "TENTATIVE" if state == BookingState.REQUESTED else "CONFIRMED"


def entry_of(
    *,
    booking_id: str,
    version: int,
    start: datetime,
    end: datetime,
    state: str,
    title: str,
    company: str,
    devices: Iterable[str],
    engineers: Iterable[str],
    created: datetime,
    changed: datetime,
    place: Place,
    with_company: bool = False,
) -> Entry:
    """A booking in full, for those who may see it; devices, company and engineers by their names.

    Args:
        booking_id: its id, which becomes the UID.
        version: counts changes; becomes the sequence number.
        start: of the slot, without buffers.
        end: of the slot.
        state: a `BookingState`.
        title: in the words of whoever booked.
        company: for whom.
        devices: what is booked.
        engineers: who supervises.
        created: when it was made.
        changed: when it was last changed.
        place: the lab.
        with_company: name the company in the summary, for those who see several companies' bookings.
    """
    facts = [f"{_('Devices')}: {', '.join(devices)}", f"{_('Company')}: {company}"]
    supervisors = ", ".join(engineers)
    if supervisors:
        facts.append(f"{_('Supervised by')}: {supervisors}")
    facts.append(f"{_('State')}: {state_text(state)}")
    return Entry(
        uid=uid_of(booking_id, place.lab),
        sequence=version - 1,
        stamp=changed,
        start=start,
        end=end,
        summary=f"{title} ({company})" if with_company else title,
        status=status_of(state),
        created=created,
        changed=changed,
        description="\n".join(facts),
        location=place.name,
        url=place.page,
    )


def busy_entry(
    *,
    link_id: str,
    booking_id: str,
    version: int,
    start: datetime,
    end: datetime,
    stamp: datetime,
    place: Place,
) -> Entry:
    """What a stranger may know of a booking: that the device is taken then.

    Args:
        link_id: the calendar it is told in.
        booking_id: which; does not show.
        version: counts changes, so that a reader knows the newer of two.
        start: from when on the device is taken.
        end: when it is free again.
        stamp: an instant that tells nothing of the booking.
        place: the lab.
    """
    return Entry(
        uid=busy_uid(link_id, booking_id, place.lab),
        sequence=version - 1,
        stamp=stamp,
        start=start,
        end=end,
        summary=BUSY,
        status="CONFIRMED",
        private=True,
    )


def booking_entry(booking: Booking, *, names: Names, place: Place, with_company: bool = False) -> Entry:
    """`entry_of` for a booking whose devices and engineers are loaded."""
    return entry_of(
        booking_id=booking.id,
        version=booking.version,
        start=booking.start_at,
        end=booking.end_at,
        state=booking.state,
        title=booking.title,
        company=names.organisations.get(booking.organisation_id, booking.organisation_id),
        devices=[names.devices.get(row.device_id, row.device_id) for row in booking.devices],
        engineers=[names.accounts.get(row.account_id, row.account_id) for row in booking.engineers],
        created=booking.created_at,
        changed=booking.changed_at,
        place=place,
        with_company=with_company,
    )


def times_of(entry: Entry, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Start and end by the lab's wall clock, or both in UTC where the clock shows one of them for the second time.

    A time that a clock shows twice means the first one (RFC 5545 §3.3.5); the second one can only be told in UTC.
    """
    start, end = entry.start.astimezone(zone), entry.end.astimezone(zone)
    return (entry.start, entry.end) if start.fold or end.fold else (start, end)


def transparency_of(entry: Entry) -> str:
    """Whether the time counts as taken in the reader's own calendar."""
    return "TRANSPARENT" if entry.status == "CANCELLED" else "OPAQUE"


def years_of(entries: Iterable[Entry], now: datetime) -> tuple[int, int]:
    """The first and the last year that a calendar has to know the zone for; at least those around `now`."""
    entries = list(entries)
    first = min((entry.start.year for entry in entries), default=now.year)
    last = max((entry.end.year for entry in entries), default=now.year)
    return min(first, now.year) - 1, max(last, now.year) + 1  # a wall clock can be a year apart from UTC for some hours
