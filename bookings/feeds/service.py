"""Calendar links: made, listed, revoked and read. The caller owns the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy.orm import Session

from bookings.feeds import repository
from bookings.feeds.calendar import Entry, Place, busy_entry, entry_of
from bookings.feeds.errors import CalendarLinkUnknownError, CalendarUnknownError, TooManyLinksError
from bookings.feeds.models import CalendarLink
from bookings.feeds.rules import (
    MOST_LINKS,
    CalendarKind,
    Window,
    chosen_subject,
    may_read,
    unknown_subject,
    window_at,
)
from bookings.feeds.writing import calendar_bytes
from bookings.language import writing_in
from lab.core.audit import note_change
from lab.core.database import storable
from lab.core.ids import new_id
from lab.core.settings import Settings
from lab.people.passwords import hash_token, new_token
from lab.people.principals import Principal, Role
from lab.people.rules import mail_language

READS_NOTED_EVERY = timedelta(hours=1)
_LONGEST_TOKEN = 100


@dataclass(frozen=True, slots=True)
class CalendarFile:
    """What is served behind a link."""

    link_id: str
    name: str
    """Of the file, ASCII."""
    content: bytes
    tag: str
    """Entity tag of the content, without quotes."""
    note_reading: bool
    """Whether it is time to note that the link is in use."""


def place_of(settings: Settings) -> Place:
    """The lab as its calendars tell of it."""
    page = f"{settings.public_url.rstrip('/')}/bookings" if settings.public_url else None
    return Place(lab=settings.lab, name=settings.lab_name, zone=settings.time_zone, page=page)


def create_link(
    session: Session, principal: Principal, *, kind: CalendarKind, subject_id: str | None, now: datetime
) -> tuple[CalendarLink, str]:
    """Make a link; only the hash of its secret is kept.

    Returns:
        The link and its secret.

    Raises:
        NoCalendarsError, CalendarSubjectMissingError, CalendarSubjectUnknownError: not for this principal.
        TooManyLinksError: so many are in use already.
    """
    subject = chosen_subject(principal, kind, subject_id)
    if repository.name_of_subject(session, kind, subject) is None:
        raise unknown_subject(kind)
    if repository.count_links_in_use(session, principal.account_id) >= MOST_LINKS:
        raise TooManyLinksError(
            f"you have {MOST_LINKS} calendar links in use; revoke those that nobody reads",
            rule="links-in-use",
            limit=MOST_LINKS,
        )
    secret = new_token("cal")
    link = CalendarLink(
        id=new_id("clk"),
        token_hash=hash_token(secret),
        kind=kind.value,
        subject_id=subject,
        account_id=principal.account_id,
        created_at=now,
        revoked_at=None,
        last_read_at=None,
    )
    repository.add_link(session, link)
    note_change(
        session,
        "calendar-link",
        link.id,
        "created",
        by=principal.account_id,
        at=now,
        after={"kind": link.kind, "subject_id": subject},
    )
    return link, secret


def list_links(session: Session, principal: Principal) -> Sequence[CalendarLink]:
    """One's own links, the newest first, revoked ones included."""
    return repository.links_of(session, principal.account_id)


def revoke_link(session: Session, principal: Principal, link_id: str, *, now: datetime) -> CalendarLink:
    """Close one of one's own links for good. Saying it again changes nothing.

    Raises:
        CalendarLinkUnknownError: there is none, or it is another person's.
    """
    link = repository.link_of(session, principal.account_id, link_id)
    if link is None:
        raise CalendarLinkUnknownError("there is no such calendar link", field="link_id", rule="known-link")
    if link.revoked_at is None:
        link.revoked_at = now
        note_change(session, "calendar-link", link.id, "revoked", by=principal.account_id, at=now)
    return link


def read_calendar(session: Session, secret: str, *, settings: Settings, now: datetime) -> CalendarFile:
    """What a link shows now, in its owner's language: decided anew at each reading by what its owner may see.

    Raises:
        CalendarUnknownError: never given, revoked, its owner's account closed, or not allowed to see this any more.
    """
    found = None
    if len(secret) <= _LONGEST_TOKEN and storable(secret):
        found = repository.link_in_use(session, hash_token(secret))
    if found is None:
        raise _unknown_calendar()
    link, account = found
    reader = Principal(account.id, account.organisation_id, Role(account.role), account.name)
    kind = CalendarKind(link.kind)
    subject = repository.name_of_subject(session, kind, link.subject_id)
    if subject is None or not may_read(reader, kind, link.subject_id):
        raise _unknown_calendar()
    place = place_of(settings)
    with writing_in(mail_language(account, settings.language)):
        entries = _entries(session, reader, link, place, window_at(now))
    content = calendar_bytes(f"{subject} · {settings.lab_name}", entries, place=place, now=now)
    return CalendarFile(
        link_id=link.id,
        name=f"{settings.lab}-{kind.value}.ics",
        content=content,
        tag=sha256(content).hexdigest()[:32],
        note_reading=link.last_read_at is None or now - link.last_read_at >= READS_NOTED_EVERY,
    )


def note_reading(session: Session, link_id: str, *, now: datetime) -> None:
    """Note that a link is in use, so that its owner knows which ones are."""
    repository.note_read(session, link_id, now=now, at_most_every=READS_NOTED_EVERY)


def _entries(session: Session, reader: Principal, link: CalendarLink, place: Place, window: Window) -> list[Entry]:
    kind = CalendarKind(link.kind)
    only_of = None if reader.is_staff else reader.organisation_id
    entries = [
        entry_of(
            booking_id=booking.id,
            version=booking.version,
            start=booking.start,
            end=booking.end,
            state=booking.state,
            title=booking.title,
            company=booking.company,
            devices=booking.devices,
            engineers=booking.engineers,
            created=booking.created_at,
            changed=booking.changed_at,
            place=place,
            with_company=reader.is_staff,
        )
        for booking in repository.bookings_of(session, kind, link.subject_id, only_of=only_of, window=window)
    ]
    if kind is CalendarKind.DEVICE and only_of is not None:
        entries += [
            busy_entry(
                link_id=link.id,
                booking_id=span.booking_id,
                version=span.version,
                start=span.start,
                end=span.end,
                stamp=link.created_at,
                place=place,
            )
            for span in repository.busy_spans(session, link.subject_id, except_of=only_of, window=window)
        ]
    return entries


def _unknown_calendar() -> CalendarUnknownError:
    return CalendarUnknownError(
        "there is no calendar at this address, or not any more; make a new link", rule="known-calendar"
    )
