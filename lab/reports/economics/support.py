"""Who paid for the pilot: market value, price charged and public support of its slots, as sealed."""

from collections.abc import Sequence

from lab.reports.economics.findings import PublicSupport, SupportedSlot
from lab.reports.sealed import SealedBooking

CURRENCY = "EUR"
"""Prices of slots are in euro cents."""


def public_support(bookings: Sequence[SealedBooking] | None) -> PublicSupport | None:
    """The pilot's slots added up; `None`: the sealed data have no prices."""
    if not bookings:
        return None
    slots = tuple(
        SupportedSlot(booking=booking.id, **booking.model_dump(exclude={"id"}))
        for booking in sorted(bookings, key=lambda booking: (booking.start, booking.id))
    )
    return PublicSupport(
        slots=slots,
        market_value_cents=sum(slot.market_value_cents for slot in slots),
        price_cents=sum(slot.price_cents for slot in slots),
        support_cents=sum(slot.support_cents for slot in slots),
        legal_bases=tuple(dict.fromkeys(slot.legal_basis for slot in slots)),
    )
