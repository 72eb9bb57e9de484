"""Every query on prices, programmes and the ledger of public support."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from bookings.models import Booking
from bookings.prices.models import OtherAid, PriceList, Programme, ProgrammeMember, SupportEntry
from bookings.prices.rules import LegalBasis, Terms
from bookings.states import UPCOMING, BookingState
from devices.models import Device
from lab.core.database import UtcDateTime, storable
from lab.core.errors import UnavailableError
from lab.core.paging import Keyset, Page, PageWish, read_page
from lab.people.models import Organisation

_LARGEST_VERSION = 2**31 - 1
_LOCKING_TRIES = 3

PRICE_LISTS = Keyset("price-lists", (PriceList.version,), descending=True)
SUPPORT = Keyset("support", (SupportEntry.id,), descending=True)
OTHER_AIDS = Keyset("other-aid", (OtherAid.id,), descending=True)


@dataclass(frozen=True, slots=True)
class Pricing:
    """What a quote is made from."""

    version: int | None
    """Of the price list in force; None: there is none."""
    devices: Mapping[str, Any]
    supervision_hour_cents: int
    terms: Terms | None
    """Of the company's programme."""


def pricing_query() -> sa.Select[Any]:
    """Price list in force and the company's programme in one row, which is there even if neither is.

    Its parameters are `now` and `organisation_id`; `pricing_of` reads the row.
    """
    now = sa.bindparam("now", type_=UtcDateTime)
    prices = (
        sa.select(
            PriceList.version, sa.cast(PriceList.devices, sa.Text).label("devices"), PriceList.supervision_hour_cents
        )
        .where(PriceList.valid_from <= now)
        .order_by(PriceList.valid_from.desc(), PriceList.version.desc())
        .limit(1)
        .subquery()
    )
    programme = (
        sa.select(
            Programme.id,
            Programme.name,
            Programme.legal_basis,
            Programme.price_per_mille,
            Programme.state_share_per_mille,
        )
        .join(ProgrammeMember, ProgrammeMember.programme_id == Programme.id)
        .where(
            ProgrammeMember.organisation_id == sa.bindparam("organisation_id"),
            *_holds(ProgrammeMember.added_at, ProgrammeMember.left_at, now),
            *_holds(Programme.valid_from, Programme.valid_until, now),
        )
        .order_by(ProgrammeMember.added_at.desc(), Programme.id)
        .limit(1)
        .subquery()
    )
    one = sa.select(sa.literal(1).label("one")).subquery()
    return sa.select(prices, programme).select_from(one.outerjoin(prices, sa.true()).outerjoin(programme, sa.true()))


def _holds(first: Any, end: Any, now: Any) -> tuple[Any, Any]:
    return first <= now, sa.or_(end.is_(None), end > now)


_PRICING = pricing_query()
"""Made once: every booking asks it."""


def find_pricing(session: Session, organisation_id: str, *, now: datetime) -> Pricing:
    """The prices in force and the terms of the company's programme, in one statement."""
    return pricing_of(session.execute(_PRICING, {"now": now, "organisation_id": organisation_id}).one())


def pricing_of(row: Sequence[Any]) -> Pricing:
    """What a row of `pricing_query` says."""
    version, devices, supervision, programme_id, name, legal_basis, price, share = row
    terms = None
    if programme_id is not None:
        terms = Terms(programme_id, name, LegalBasis(legal_basis), price, share)
    return Pricing(version, _prices(devices) if devices else {}, supervision or 0, terms)


@lru_cache(maxsize=16)
def _prices(devices: str) -> Mapping[str, Any]:
    """A list of a hundred machines is read once, not for each booking."""
    read: dict[str, Any] = json.loads(devices)
    return read


def find_devices(session: Session, device_ids: Sequence[str]) -> list[Device]:
    """The known ones of these devices, sorted by id."""
    return list(
        session.scalars(sa.select(Device).where(Device.id.in_(filter(storable, device_ids))).order_by(Device.id))
    )


def price_list_in_force(session: Session, *, now: datetime) -> int | None:
    """The version of the prices that count now; None: the catalogue's."""
    return session.scalar(
        sa.select(PriceList.version)
        .where(PriceList.valid_from <= now)
        .order_by(PriceList.valid_from.desc(), PriceList.version.desc())
        .limit(1)
    )


def newest_price_list(session: Session) -> int:
    """The version published last; 0: there is none."""
    return session.scalar(sa.select(sa.func.max(PriceList.version))) or 0


def next_prices_from(session: Session, instant: datetime) -> datetime | None:
    """When the first price list after an instant begins; None: there is none."""
    return session.scalar(sa.select(sa.func.min(PriceList.valid_from)).where(PriceList.valid_from > instant))


def priced_bookings_ahead(session: Session, *, now: datetime, limit: int) -> list[Booking]:
    """Bookings with a price that have not begun, the soonest first, with their devices."""
    return list(
        session.scalars(
            sa.select(Booking)
            .where(Booking.state.in_(UPCOMING), Booking.start_at > now, Booking.price_cents.is_not(None))
            .options(selectinload(Booking.devices))
            .order_by(Booking.start_at, Booking.id)
            .limit(limit)
        )
    )


def list_price_lists(session: Session, wish: PageWish) -> Page[PriceList]:
    """Price lists, the newest first."""
    return read_page(session, sa.select(PriceList), PRICE_LISTS, wish)


def find_price_list(session: Session, version: int) -> PriceList | None:
    """A price list."""
    return session.get(PriceList, version) if 0 < version <= _LARGEST_VERSION else None


def find_programme(session: Session, programme_id: str) -> Programme | None:
    """A programme."""
    return session.get(Programme, programme_id) if storable(programme_id) else None


def list_programmes(session: Session) -> list[Programme]:
    """Programmes by name."""
    return list(session.scalars(sa.select(Programme).order_by(Programme.name)))


def programme_named(session: Session, name: str) -> Programme | None:
    """The programme with this name, whatever the case."""
    return session.scalar(sa.select(Programme).where(sa.func.lower(Programme.name) == name.lower()))


def members(session: Session, programme_id: str) -> list[tuple[ProgrammeMember, str]]:
    """The companies that are or were in a programme, with their names, by name."""
    rows = session.execute(
        sa.select(ProgrammeMember, Organisation.name)
        .join(Organisation, Organisation.id == ProgrammeMember.organisation_id)
        .where(ProgrammeMember.programme_id == programme_id)
        .order_by(Organisation.name)
    )
    return [(member, name) for member, name in rows]


def memberships(session: Session, organisation_id: str) -> list[tuple[ProgrammeMember, Programme]]:
    """The programmes that a company is in now or was in, in no order."""
    rows = session.execute(
        sa.select(ProgrammeMember, Programme)
        .join(Programme, Programme.id == ProgrammeMember.programme_id)
        .where(ProgrammeMember.organisation_id == organisation_id)
    )
    return [(member, programme) for member, programme in rows]


def single_undertaking(session: Session, organisation_id: str) -> list[str]:
    """The organisations that are one undertaking with this one, itself included, sorted."""
    return list(session.scalars(_linked(organisation_id)))


def lock_single_undertaking(session: Session, organisation_id: str) -> list[str]:
    """The same, each kept until the transaction ends: locked in the order of ids, so that nobody waits in a circle.

    Raises:
        UnavailableError: who belongs together kept changing meanwhile.
    """
    for _ in range(_LOCKING_TRIES):
        locked = list(session.scalars(_linked(organisation_id).with_for_update(key_share=True)))
        # Somebody may have joined or left while this waited for a lock; PostgreSQL shows it to the next statement.
        if locked == single_undertaking(session, organisation_id):
            return locked
    raise UnavailableError("the company's facts are being changed just now; please try again")


def _linked(organisation_id: str) -> sa.Select[str]:
    undertaking = sa.select(Organisation.undertaking).where(Organisation.id == organisation_id).scalar_subquery()
    return (
        sa.select(Organisation.id)
        .where(sa.or_(Organisation.id == organisation_id, Organisation.undertaking == undertaking))
        .order_by(Organisation.id)
    )


def granted_cents(session: Session, organisation_id: str | None, *, since: datetime) -> int:
    """The sum of the ledger, of one organisation or all, over what was granted after an instant on any legal basis."""
    query = sa.select(_total(SupportEntry.cents)).where(SupportEntry.granted_at > since)
    if organisation_id is not None:
        query = query.where(SupportEntry.organisation_id == organisation_id)
    return int(session.scalar(query) or 0)


def used_cents(
    session: Session,
    organisation_ids: Sequence[str],
    *,
    since: datetime,
    except_booking: str | None = None,
    only_booking: str | None = None,
) -> int:
    """How much de minimis support these organisations have, in one statement.

    That is what was granted after `since`, counter entries included, here and by others, and what requests were
    promised that wait for approval, as far as the ledger does not have it yet.

    Args:
        session: to read in.
        organisation_ids: of one undertaking.
        since: not included.
        except_booking: does not count.
        only_booking: nothing else counts.
    """
    ledger = sa.select(_total(SupportEntry.cents)).where(
        SupportEntry.organisation_id.in_(organisation_ids),
        SupportEntry.legal_basis == LegalBasis.DE_MINIMIS,
        SupportEntry.granted_at > since,
    )
    written = (
        sa.select(_total(SupportEntry.cents))
        .where(SupportEntry.booking_id == Booking.id, SupportEntry.legal_basis == LegalBasis.DE_MINIMIS)
        .scalar_subquery()
    )
    promised = (
        sa.select(_total(Booking.support_cents - written))
        .join(Programme, Programme.id == Booking.programme_id)
        .where(
            Booking.organisation_id.in_(organisation_ids),
            Booking.state == BookingState.REQUESTED,
            Programme.legal_basis == LegalBasis.DE_MINIMIS,
        )
    )
    if except_booking is not None:
        ledger = ledger.where(SupportEntry.booking_id.is_distinct_from(except_booking))
        promised = promised.where(Booking.id != except_booking)
    if only_booking is not None:
        ledger = ledger.where(SupportEntry.booking_id == only_booking)
        promised = promised.where(Booking.id == only_booking)
    sums = [ledger.scalar_subquery(), promised.scalar_subquery()]
    if only_booking is None:
        sums.append(_others_aid(organisation_ids, since))
    return int(session.scalar(sa.select(sum(sums[1:], start=sums[0]))) or 0)


def _others_aid(organisation_ids: Sequence[str], since: datetime) -> sa.ScalarSelect[Any]:
    """What others granted these organisations after an instant, as declared."""
    return (
        sa.select(_total(OtherAid.cents))
        .where(OtherAid.organisation_id.in_(organisation_ids), OtherAid.granted_at > since)
        .scalar_subquery()
    )


def find_other_aid(session: Session, aid_id: int) -> OtherAid | None:
    """One entry of others' aid."""
    return session.get(OtherAid, aid_id) if 0 < aid_id <= _LARGEST_VERSION else None


def counter_of_other_aid(session: Session, aid_id: int) -> OtherAid | None:
    """What takes an entry back."""
    return session.scalar(sa.select(OtherAid).where(OtherAid.counters == aid_id))


def countered_aid(session: Session, aid_ids: Sequence[int]) -> frozenset[int]:
    """Which of these entries are taken back."""
    return frozenset(session.scalars(sa.select(OtherAid.counters).where(OtherAid.counters.in_(aid_ids))))


def list_other_aid(session: Session, organisation_id: str | None, wish: PageWish) -> Page[OtherAid]:
    """Others' aid, of one organisation or all, the newest entry first."""
    query = sa.select(OtherAid)
    if organisation_id is not None:
        query = query.where(OtherAid.organisation_id == organisation_id)
    return read_page(session, query, OTHER_AIDS, wish)


def _total(cents: Any) -> Any:
    return sa.func.coalesce(sa.func.sum(cents), 0)


def entries_of_booking(session: Session, booking_id: str) -> list[SupportEntry]:
    """The entries of a booking, counter entries included, as they were written."""
    return list(
        session.scalars(sa.select(SupportEntry).where(SupportEntry.booking_id == booking_id).order_by(SupportEntry.id))
    )


def list_entries(session: Session, organisation_id: str | None, wish: PageWish) -> Page[SupportEntry]:
    """The ledger, of one organisation or all, the newest entry first."""
    query = sa.select(SupportEntry)
    if organisation_id is not None:
        query = query.where(SupportEntry.organisation_id == organisation_id)
    return read_page(session, query, SUPPORT, wish)


def named_entries(session: Session, organisation_id: str | None) -> list[tuple[SupportEntry, str, str]]:
    """The ledger with the names of companies and programmes, as it was written."""
    query = (
        sa.select(SupportEntry, Organisation.name, Programme.name)
        .join(Organisation, Organisation.id == SupportEntry.organisation_id)
        .join(Programme, Programme.id == SupportEntry.programme_id)
        .order_by(SupportEntry.id)
    )
    if organisation_id is not None:
        query = query.where(SupportEntry.organisation_id == organisation_id)
    return [(entry, organisation, programme) for entry, organisation, programme in session.execute(query)]
