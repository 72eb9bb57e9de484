"""What is known of a change of a booking when it is told: names instead of ids, before and after, who and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from bookings.feeds.calendar import Names
from bookings.history import SUBJECT
from bookings.models import Booking
from bookings.notice_texts import News, Notice, OutageNews, Reader
from bookings.outages.alternatives import other_times
from bookings.outages.service import outages_within
from bookings.rules import Rules
from bookings.states import UPCOMING
from devices.models import Device
from lab.core.audit import AuditEntry
from lab.core.time import Span
from lab.people.models import Account, Organisation
from lab.people.principals import Principal, Role


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a booking's history, read again."""

    by: str
    reason: str | None
    at: datetime
    before: Mapping[str, Any]
    after: Mapping[str, Any]


def booking_with_parts(session: Session, booking_id: str) -> Booking | None:
    """A booking with devices and engineers."""
    return session.scalar(
        sa.select(Booking)
        .where(Booking.id == booking_id)
        .options(selectinload(Booking.devices), selectinload(Booking.engineers))
    )


def change_of(session: Session, booking_id: str, version: int) -> Change | None:
    """What the log says of the change that made this version."""
    entries = session.scalars(
        sa.select(AuditEntry)
        .where(AuditEntry.subject == SUBJECT, AuditEntry.subject_id == booking_id)
        .order_by(AuditEntry.id.desc())
    )
    for entry in entries:
        if (entry.after or {}).get("version") == version:
            return Change(entry.by, entry.reason, entry.at, entry.before or {}, entry.after or {})
    return None


def readers_of(session: Session, booking: Booking, what: Notice, change: Change | None) -> dict[str, Reader]:
    """Whom it concerns, by account id."""
    readers: dict[str, Reader] = {}
    if what is Notice.REQUESTED:
        managers = sa.select(Account.id).where(Account.role == Role.MANAGER.value).order_by(Account.id)
        readers = dict.fromkeys(session.scalars(managers), Reader.MANAGER)
    present = [row.account_id for row in booking.engineers]
    former = list(change.before.get("engineer_ids", [])) if change is not None else []
    readers.update(dict.fromkeys([one for one in former if one not in present], Reader.RELIEVED))
    readers.update(dict.fromkeys(present, Reader.ENGINEER))
    readers[booking.booked_by] = Reader.BOOKER
    return readers


def accounts_in_use(session: Session, account_ids: list[str], booking: Booking) -> list[Account]:
    """Those of these people who may see the booking now."""
    found = session.scalars(
        sa.select(Account).where(Account.id.in_(account_ids), Account.disabled_at.is_(None)).order_by(Account.id)
    )
    return [
        account
        for account in found
        if Principal(account.id, account.organisation_id, Role(account.role), account.name).owns(
            booking.organisation_id
        )
    ]


def names_around(session: Session, booking: Booking, change: Change | None) -> Names:
    """What people call the devices, the company and whoever has to do with the booking."""
    people = {booking.booked_by, *(row.account_id for row in booking.engineers), *([change.by] if change else [])}
    devices = [row.device_id for row in booking.devices]
    named = sa.select(Organisation.id, Organisation.name).where(Organisation.id == booking.organisation_id)
    return Names(
        devices=_pairs(session, sa.select(Device.id, Device.name).where(Device.id.in_(devices))),
        organisations=_pairs(session, named),
        accounts=_pairs(session, sa.select(Account.id, Account.name).where(Account.id.in_(people))),
    )


def news_of(
    session: Session,
    booking: Booking,
    what: Notice,
    version: int,
    *,
    change: Change | None,
    names: Names,
    cause: str | None,
    now: datetime,
    defaults: Rules,
) -> News | None:
    """What is to be told; None: it is not so any more, so that there is nothing to tell."""
    superseded = booking.version > version
    if superseded and what in {Notice.REQUESTED, Notice.OFFERED}:
        return None  # decided on, or moved, which is told by itself
    present = Span(booking.start_at, booking.end_at)
    outage, proposals = None, []
    stands = (booking.ended_as or booking.state, present) if superseded and what is not Notice.OUTAGE_HIT else None
    if what is Notice.OUTAGE_HIT:
        outage = _outage(session, booking, names, cause, zone=defaults.zone)
        if outage is None or booking.end_at <= now:
            return None
        if booking.state in UPCOMING and booking.start_at > now:
            proposals = other_times(session, [booking], [], now=now, defaults=defaults).get(booking.id, [])
    return News(
        what=what,
        title=booking.title,
        company=names.organisations.get(booking.organisation_id, booking.organisation_id),
        devices=[names.devices.get(row.device_id, row.device_id) for row in booking.devices],
        engineers=[names.accounts.get(row.account_id, row.account_id) for row in booking.engineers],
        span=(_span(change.after) if change is not None and superseded else None) or present,
        before=_span(change.before) if change is not None else None,
        by=names.accounts.get(change.by) if change is not None else None,
        reason=change.reason if change is not None else None,
        lapses_at=booking.lapses_at,
        now_stands=stands,
        outage=outage,
        proposals=proposals,
    )


def _outage(session: Session, booking: Booking, names: Names, outage_id: str | None, *, zone: str) -> OutageNews | None:
    """The first time in which the outage is in the way of the booking, unless it has been withdrawn."""
    held = Span(
        min((row.reserved_start for row in booking.devices), default=booking.start_at),
        max((row.reserved_end for row in booking.devices), default=booking.end_at),
    )
    for found in outages_within(session, [row.device_id for row in booking.devices], held, zone=zone):
        if found.outage_id == outage_id:
            what = None if found.device_id is None else names.devices.get(found.device_id, found.device_id)
            return OutageNews(what, found.span, not found.until_further_notice, found.reason)
    return None


def _span(facts: Mapping[str, Any]) -> Span | None:
    start, end = facts.get("start"), facts.get("end")
    return Span(datetime.fromisoformat(start), datetime.fromisoformat(end)) if start and end else None


def _pairs(session: Session, query: sa.Select[str, str]) -> dict[str, str]:
    return {row[0]: row[1] for row in session.execute(query)}
