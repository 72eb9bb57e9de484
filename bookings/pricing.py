"""What a booking costs, written with it: the quote, and the public support once it is sure."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from bookings.models import Booking
from bookings.prices.repository import Pricing, lock_single_undertaking
from bookings.prices.rules import LegalBasis
from bookings.prices.service import counter_support, quote_for, require_support_fits, write_support
from bookings.states import BookingState
from devices.models import Device
from lab.core.time import Span


def hold_undertaking(session: Session, organisation_id: str, pricing: Pricing) -> None:
    """Where public support has a ceiling, lock the organisations that share it, which must come before any device."""
    if pricing.terms is not None and pricing.terms.legal_basis == LegalBasis.DE_MINIMIS:
        lock_single_undertaking(session, organisation_id)


def price_booking(
    session: Session, booking: Booking, devices: Sequence[Device], pricing: Pricing, *, now: datetime
) -> None:
    """Quote a booking as it is now, and keep the quote with it.

    Args:
        session: of a write transaction.
        booking: at its new time.
        devices: all of the booking, by id.
        pricing: of when it was made, taken before the devices were locked.
        now: the present instant.

    Raises:
        SupportCeilingError: the programme's public support is used up.
    """
    quote = quote_for(
        session,
        organisation_id=booking.organisation_id,
        devices=devices,
        span=Span(booking.start_at, booking.end_at),
        supervised=booking.supervised,
        now=booking.created_at,
        pricing=pricing,
    )
    new = booking.version == 1
    require_support_fits(session, quote, booking.organisation_id, now=now, except_booking=None if new else booking.id)
    booking.price_list_version, booking.programme_id = quote.price_list_version, quote.programme_id
    booking.market_value_cents, booking.price_cents = quote.market_value_cents, quote.price_cents
    booking.support_cents, booking.quote = quote.support_cents, quote.as_json()


def grant_support(session: Session, booking: Booking, *, now: datetime, by: str) -> None:
    """Write the support of a confirmed booking into the ledger, or what has changed of it."""
    if booking.support_cents is not None and booking.state != BookingState.REQUESTED:
        write_support(session, booking, now=now, by=by)


def release_support(session: Session, booking: Booking, *, now: datetime, by: str, reason: str) -> None:
    """Counter the support of a booking that was given back before it was used."""
    if booking.support_cents and booking.start_at >= now:
        counter_support(session, booking, now=now, by=by, reason=reason)
