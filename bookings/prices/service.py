"""Quotes, and the ledger of public support. The caller owns the transaction.

Price list and programme of the instant of booking count, so that a price does not change after a company has agreed to
it; prices and programmes themselves are published in `bookings.prices.publishing`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bookings.errors import DevicesRetiredError, UnknownDevicesError
from bookings.models import Booking
from bookings.prices import repository
from bookings.prices.errors import NotYourPricesError
from bookings.prices.models import SupportEntry
from bookings.prices.rules import (
    DeMinimis,
    DevicePrice,
    LegalBasis,
    Quote,
    make_quote,
    require_fits,
    three_years_before,
)
from bookings.rules import require_device_ids
from devices.models import Device
from lab.core.paging import Page, PageWish
from lab.core.time import Span
from lab.people.principals import Principal, Role
from lab.people.service import get_organisation


def quote_for(
    session: Session,
    *,
    organisation_id: str,
    devices: Sequence[Device],
    span: Span,
    supervised: bool,
    now: datetime,
    pricing: repository.Pricing | None = None,
) -> Quote:
    """What a slot is worth, what the company pays, and the public support; at most one statement.

    Args:
        session: to read in.
        organisation_id: who books.
        devices: all of the booking, in the order of the lines.
        span: of the slot, without buffers.
        supervised: whether an engineer is booked with it.
        now: the instant of booking, whose price list and programme count; of a booking that is moved or extended its
            `created_at`, so that its prices stay as agreed.
        pricing: of this company at that instant, if it is known already; then nothing is read.

    Raises:
        QuoteTooLongError, QuoteTooLargeError: beyond what any slot is.
    """
    if pricing is None:
        pricing = repository.find_pricing(session, organisation_id, now=now)
    return make_quote(
        [price_of(device, pricing) for device in devices],
        span.length,
        supervision_hour_cents=pricing.supervision_hour_cents if supervised else None,
        price_list_version=pricing.version,
        terms=pricing.terms,
    )


def price_of(device: Device, pricing: repository.Pricing) -> DevicePrice:
    """What a device costs: as the price list says, or, where it is silent, as the catalogue does."""
    listed = pricing.devices.get(device.id)
    if listed is None:
        return DevicePrice(device.id, device.price_cents_per_hour)
    return DevicePrice(device.id, listed["hour_cents"], listed["setup_cents"])


def prices_in_force(
    session: Session, principal: Principal, devices: Sequence[Device], *, now: datetime
) -> dict[str, DevicePrice]:
    """What these devices cost now at the market, by id, before any programme pays a part of it.

    Returns:
        Nothing for recipients of reports, who see no prices.
    """
    if not _sees_prices(principal):
        return {}
    pricing = repository.find_pricing(session, principal.organisation_id, now=now)
    return {device.id: price_of(device, pricing) for device in devices}


def require_support_fits(
    session: Session, quote: Quote, organisation_id: str, *, now: datetime, except_booking: str | None = None
) -> None:
    """Refuse a booking whose public support would exceed the ceiling of the undertaking.

    Locks the organisations of the undertaking, in the order of their ids, until the transaction ends, so that two
    bookings at once cannot both pass. **Call it before devices are locked**: everybody locks organisations, then
    devices, then engineers, and so nobody waits in a circle. Costs nothing where there is no ceiling, which is
    everywhere but de minimis. What was promised to a request that waits for approval counts as well, so that its
    approval needs no other look; a confirmed booking counts from `write_support` in the same transaction on.

    Args:
        session: of a write transaction.
        quote: of the booking as it shall be.
        organisation_id: who books.
        now: the present instant, from which three years are looked back.
        except_booking: is being changed; what it was granted does not count, and it may always keep as much.

    Raises:
        SupportCeilingError: it does not fit.
        UnavailableError: who belongs to the undertaking kept changing meanwhile.
    """
    if quote.legal_basis != LegalBasis.DE_MINIMIS or not quote.support_cents:
        return
    since = three_years_before(now)
    if except_booking is not None:
        own = repository.used_cents(session, [organisation_id], since=since, only_booking=except_booking)
        if quote.support_cents <= own:
            return
    undertaking = repository.lock_single_undertaking(session, organisation_id)
    used = repository.used_cents(session, undertaking, since=since, except_booking=except_booking)
    require_fits(quote, DeMinimis(since, used))


def write_support(session: Session, booking: Booking, *, now: datetime, by: str) -> None:
    """Bring the ledger to what the booking's quote says; saying it again changes nothing.

    To be called when a booking is confirmed, and whenever the quote of a confirmed one has changed; the caller holds
    the booking. For a request it may be called or not: its support counts either way. The granting date is the
    booking's creation. A grant that changes is countered and written anew: a smaller one keeps its date, a larger one
    is granted now.

    Args:
        session: of a write transaction.
        booking: with its present `programme_id` and `support_cents`.
        now: the present instant.
        by: account id.
    """
    cents = booking.support_cents or 0
    if not cents and booking.version == 1:  # just made: nothing can have been granted
        return
    session.flush()  # entries refer to the booking
    entries = repository.entries_of_booking(session, booking.id)
    live = _live(entries)
    if live is None and not cents:
        return
    if live is not None and (live.cents, live.programme_id) == (cents, booking.programme_id):
        return
    if live is not None:
        session.add(_counter(live, now=now, by=by, reason="the booking was changed"))
    programme = repository.find_programme(session, booking.programme_id) if booking.programme_id else None
    if cents and programme is not None:
        granted_at = now if entries else booking.created_at
        if live is not None and cents <= live.cents:
            granted_at = live.granted_at
        session.add(
            SupportEntry(
                organisation_id=booking.organisation_id,
                programme_id=programme.id,
                legal_basis=programme.legal_basis,
                booking_id=booking.id,
                granted_at=granted_at,
                cents=cents,
                counters=None,
                written_by=by,
                written_at=now,
                reason="the booking was changed" if entries else "booking",
            )
        )
    session.flush()


def counter_support(session: Session, booking: Booking, *, now: datetime, by: str, reason: str) -> None:
    """Take back what a booking was granted: it is cancelled, declined or has lapsed. A second time changes nothing.

    Args:
        session: of a write transaction; the caller holds the booking.
        booking: which.
        now: the present instant.
        by: account id.
        reason: why, in plain words.
    """
    live = _live(repository.entries_of_booking(session, booking.id))
    if live is not None:
        session.add(_counter(live, now=now, by=by, reason=reason))
        session.flush()


@dataclass(frozen=True, slots=True)
class QuoteView:
    """A quote as somebody sees it before booking."""

    quote: Quote
    organisation_id: str
    de_minimis: DeMinimis | None
    """Where that is the legal basis."""

    @property
    def support_fits(self) -> bool:
        """Whether a booking with it would be accepted."""
        return self.de_minimis is None or self.de_minimis.fits(self.quote.support_cents)


def get_quote(
    session: Session,
    principal: Principal,
    *,
    device_ids: Sequence[str],
    span: Span,
    supervised: bool,
    organisation_id: str | None,
    now: datetime,
) -> QuoteView:
    """A quote before booking: a member for the own company, the staff for any.

    Raises:
        NotYourPricesError: for another company, or by a recipient of reports.
        RuleBrokenError, UnknownDevicesError, DevicesRetiredError: no such devices can be booked together.
        OrganisationUnknownError: there is no such organisation.
        QuoteTooLongError, QuoteTooLargeError: beyond what any slot is.
    """
    require_sees_prices(principal)
    wanted = organisation_id or principal.organisation_id
    if not principal.owns(wanted):
        raise NotYourPricesError(
            "you see your own company's prices only; leave organisation_id out",
            field="organisation_id",
            rule="own-company",
        )
    company = get_organisation(session, principal, wanted)
    devices = _known_devices(session, require_device_ids(device_ids))
    quote = quote_for(session, organisation_id=company.id, devices=devices, span=span, supervised=supervised, now=now)
    facts = None
    if quote.legal_basis == LegalBasis.DE_MINIMIS:
        facts = de_minimis(session, company.id, now=now)
    return QuoteView(quote, company.id, facts)


@dataclass(frozen=True, slots=True)
class SupportView:
    """A page of the ledger, with sums over all of it."""

    page: Page[SupportEntry]
    organisation_id: str | None
    """None: everybody's."""
    since: datetime
    granted_cents: int
    """On any legal basis, granted after `since`."""
    de_minimis: DeMinimis | None
    """Of one organisation's single undertaking."""


def list_support(
    session: Session, principal: Principal, organisation_id: str | None, wish: PageWish, *, now: datetime
) -> SupportView:
    """The ledger: the staff sees everybody's or one company's, a member the own company's.

    Raises:
        NotYourPricesError: for recipients of reports.
        OrganisationUnknownError: there is none, or it is another's.
        CursorInvalidError: see `lab.core.paging`.
    """
    require_sees_prices(principal)
    whose = organisation_id or (None if principal.is_staff else principal.organisation_id)
    if whose is not None:
        whose = get_organisation(session, principal, whose).id
    since = three_years_before(now)
    return SupportView(
        page=repository.list_entries(session, whose, wish),
        organisation_id=whose,
        since=since,
        granted_cents=repository.granted_cents(session, whose, since=since),
        de_minimis=None if whose is None else de_minimis(session, whose, now=now),
    )


def ledger_rows(
    session: Session, principal: Principal, organisation_id: str | None
) -> list[tuple[SupportEntry, str, str]]:
    """The whole ledger, of one organisation or all, for download (managers): entry, company, programme.

    Raises:
        ForbiddenError: for anybody but managers.
        OrganisationUnknownError: there is no such organisation.
    """
    principal.require_manager("download the ledger of support")
    if organisation_id is not None:
        get_organisation(session, principal, organisation_id)
    return repository.named_entries(session, organisation_id)


def de_minimis(session: Session, organisation_id: str, *, now: datetime) -> DeMinimis:
    """How much of the ceiling an organisation's single undertaking has used."""
    since = three_years_before(now)
    undertaking = repository.single_undertaking(session, organisation_id)
    return DeMinimis(since, repository.used_cents(session, undertaking, since=since))


def _known_devices(session: Session, device_ids: list[str]) -> list[Device]:
    devices = repository.find_devices(session, device_ids)
    unknown = sorted(set(device_ids) - {device.id for device in devices})
    if unknown:
        raise UnknownDevicesError(
            f"there is no device {', '.join(unknown)}", field="device_id", rule="known-device", devices=unknown
        )
    retired = [device.id for device in devices if device.retired_at is not None]
    if retired:
        raise DevicesRetiredError(
            f"{', '.join(retired)}: no longer in service", field="device_id", rule="device-in-service", devices=retired
        )
    return devices


def require_sees_prices(principal: Principal) -> None:
    """Refuse who has no business with money here.

    Raises:
        NotYourPricesError: for recipients of reports.
    """
    if not _sees_prices(principal):
        raise NotYourPricesError(
            "you can read reports here; ask the lab for a member's account to see prices", rule="members-see-prices"
        )


def _sees_prices(principal: Principal) -> bool:
    return principal.is_staff or principal.role is Role.MEMBER


def _live(entries: Sequence[SupportEntry]) -> SupportEntry | None:
    """The entry that holds: not a counter entry, and not countered."""
    countered = {entry.counters for entry in entries}
    return next((entry for entry in entries if entry.counters is None and entry.id not in countered), None)


def _counter(entry: SupportEntry, *, now: datetime, by: str, reason: str) -> SupportEntry:
    """Takes an entry back, on its own granting date: so both leave the three years at the same instant."""
    return SupportEntry(
        organisation_id=entry.organisation_id,
        programme_id=entry.programme_id,
        legal_basis=entry.legal_basis,
        booking_id=entry.booking_id,
        granted_at=entry.granted_at,
        cents=-entry.cents,
        counters=entry.id,
        written_by=by,
        written_at=now,
        reason=reason[:500],
    )
