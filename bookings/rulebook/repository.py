"""Every query on rules and qualifications."""

from collections.abc import Collection
from datetime import datetime
from typing import TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, selectinload

from bookings.entitlements import HeldSlot
from bookings.models import Booking, BookingDevice
from bookings.rulebook.impact import Held, Upcoming
from bookings.rulebook.models import Qualification, RuleEntry
from bookings.rulebook.targets import Target
from bookings.states import UPCOMING, BookingState
from devices.models import Device
from lab.core.audit import changes_of
from lab.core.database import storable
from lab.core.paging import Keyset, Page, PageWish, read_page
from lab.core.time import Span
from lab.people.models import Account
from lab.people.principals import STAFF

SUBJECT = "rule"
"""In the audit log."""

RuleText: TypeAlias = tuple[str, str, str]
"""(scope, name, settings as JSON) of one entry."""

_TEXTS = sa.select(RuleEntry.scope, RuleEntry.name, sa.cast(RuleEntry.settings, sa.Text)).order_by(
    RuleEntry.scope, RuleEntry.name
)

_KINDS = (
    sa.select(Device.id, Device.kind)
    .where(Device.id.in_(sa.bindparam("device_ids", expanding=True)), Device.retired_at.is_(None))
    .order_by(Device.id)
)


def rule_texts(session: Session) -> list[RuleText]:
    """Everything that is set, as it stands there: unread, so that what was read before need not be read again."""
    return [(scope, name, text) for scope, name, text in session.execute(_TEXTS)]


def kinds_in_service(session: Session, device_ids: Collection[str]) -> list[tuple[str, str]]:
    """(id, kind) of those of these devices that are in service, by id."""
    return [(device_id, kind) for device_id, kind in session.execute(_KINDS, {"device_ids": sorted(device_ids)})]


def trainings_of(session: Session, account_id: str) -> dict[str, datetime | None]:
    """The trainings of a person that were not revoked, each with its last expiry (None: never)."""
    return trainings_of_all(session, [account_id]).get(account_id, {})


def trainings_of_all(session: Session, account_ids: Collection[str]) -> dict[str, dict[str, datetime | None]]:
    """`trainings_of` several people, by account."""
    query = sa.select(Qualification.account_id, Qualification.name, Qualification.expires_at).where(
        Qualification.account_id.in_(account_ids), Qualification.revoked_at.is_(None)
    )
    found: dict[str, dict[str, datetime | None]] = {}
    for account_id, name, expires in session.execute(query):
        known = found.setdefault(account_id, {})
        last = known.get(name, expires)
        known[name] = None if last is None or expires is None else max(last, expires)
    return found


def rule_entries(session: Session) -> list[RuleEntry]:
    """Everything that is set, the widest first."""
    return sorted(session.scalars(sa.select(RuleEntry)), key=lambda entry: (_WIDEST.index(entry.scope), entry.name))


_WIDEST = ("lab", "class", "device")


def lock_entry(session: Session, target: Target) -> RuleEntry | None:
    """What is set there now, kept from other changes until this transaction ends."""
    key = (target.scope.value, target.name)
    return session.get(RuleEntry, key, with_for_update=True, populate_existing=True) if _askable(target) else None


def find_entry(session: Session, target: Target) -> RuleEntry | None:
    """What is set there."""
    return session.get(RuleEntry, (target.scope.value, target.name)) if _askable(target) else None


def _askable(target: Target) -> bool:
    """Classes have names in any writing; what PostgreSQL cannot compare, nobody has set."""
    return "\0" not in target.name and target.name.isprintable()


def insert_entry(session: Session, entry: RuleEntry) -> bool:
    """Write a new entry; false: somebody else has just done so."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = (
        insert(RuleEntry)
        .values({column.name: getattr(entry, column.name) for column in RuleEntry.__table__.columns})
        .on_conflict_do_nothing()
        .returning(RuleEntry.version)
    )
    return session.scalar(statement) is not None


def last_version(session: Session, target: Target) -> int:
    """The highest version there ever was, so that the number of one that was removed means nothing else later."""
    lines = changes_of(session, SUBJECT, target.id)[-1:]
    return max(((line.after or line.before or {}).get("version", 0) for line in lines), default=0)


def devices_in_service(session: Session) -> list[Device]:
    """All of them, by id."""
    return list(session.scalars(sa.select(Device).where(Device.retired_at.is_(None)).order_by(Device.id)))


def all_kinds(session: Session) -> set[str]:
    """The device classes that there are."""
    return set(session.scalars(sa.select(Device.kind).distinct()))


def upcoming_bookings(
    session: Session, device_ids: Collection[str] | None, *, now: datetime, limit: int
) -> list[Upcoming]:
    """Bookings that have not begun, the soonest first.

    Args:
        session: to read in.
        device_ids: only those that hold one of these; None: all.
        now: the present instant.
        limit: how many at most.
    """
    query = (
        sa.select(Booking, Account.role, Account.organisation_id)
        .outerjoin(Account, Account.id == Booking.booked_by)
        .where(Booking.state.in_(UPCOMING), Booking.start_at > now)
        .options(selectinload(Booking.devices))
        .order_by(Booking.start_at, Booking.id)
        .limit(limit)
    )
    if device_ids is not None:
        held = sa.select(BookingDevice.booking_id).where(BookingDevice.device_id.in_(device_ids))
        query = query.where(Booking.id.in_(held))
    return [
        Upcoming(
            booking.id,
            booking.organisation_id,
            booking.title,
            BookingState(booking.state),
            Span(booking.start_at, booking.end_at),
            booking.pilot_id,
            booking.supervised,
            booking.created_at,
            tuple(device.device_id for device in booking.devices),
            booking.booked_by,
            by_staff=_is_staff(role),
            for_lab=_is_staff(role) and booking.organisation_id == organisation_id,
        )
        for booking, role, organisation_id in session.execute(query)
    ]


def _is_staff(role: str | None) -> bool:
    """Whoever has no account is a part of the product."""
    return role is None or role in STAFF


def devices_by_id(session: Session, device_ids: Collection[str]) -> dict[str, Device]:
    """These devices, retired ones too."""
    return {device.id: device for device in session.scalars(sa.select(Device).where(Device.id.in_(device_ids)))}


def held_for_quotas(
    session: Session, organisation_ids: Collection[str], pilot_ids: Collection[str], *, since: datetime
) -> list[Held]:
    """What these companies hold or held since an instant, and for these pilots ever, by when it was made."""
    query = (
        sa.select(
            Booking.id,
            Booking.organisation_id,
            Booking.created_at,
            Booking.start_at,
            Booking.end_at,
            Booking.pilot_id,
            Device.id,
            Device.kind,
        )
        .join(BookingDevice, BookingDevice.booking_id == Booking.id)
        .join(Device, Device.id == BookingDevice.device_id)
        .where(
            Booking.organisation_id.in_(organisation_ids),
            BookingDevice.active,
            sa.or_(Booking.end_at > since, Booking.pilot_id.in_(pilot_ids)),
        )
        .order_by(Booking.created_at, Booking.id, Device.id)
    )
    found: dict[str, tuple[str, datetime, Span, str | None, list[tuple[str, str]]]] = {}
    for booking_id, company, created, start, end, pilot, device_id, kind in session.execute(query):
        row = found.setdefault(booking_id, (company, created, Span(start, end), pilot, []))
        row[4].append((device_id, kind))
    return [
        Held(company, created, HeldSlot(booking_id, span, pilot, tuple(devices)))
        for booking_id, (company, created, span, pilot, devices) in found.items()
    ]


def has_account(session: Session, account_id: str) -> bool:
    """Whether there is such a person."""
    return storable(account_id) and session.get(Account, account_id) is not None


def lock_qualification(session: Session, qualification_id: str) -> Qualification | None:
    """A training as it is now, kept from other changes until this transaction ends."""
    if not storable(qualification_id):
        return None
    return session.get(Qualification, qualification_id, with_for_update=True, populate_existing=True)


QUALIFICATIONS = Keyset("qualifications", (Qualification.granted_at, Qualification.id))


def page_of_qualifications(session: Session, page: PageWish, *, account_id: str | None) -> Page[Qualification]:
    """Trainings by when they were granted; of one person, or (None) of all."""
    query = sa.select(Qualification)
    if account_id is not None:
        query = query.where(Qualification.account_id == account_id if storable(account_id) else sa.false())
    return read_page(session, query, QUALIFICATIONS, page)
