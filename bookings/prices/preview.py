"""What a price list would change before it is published: prices of devices, and what is booked ahead at old ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from bookings.models import Booking
from bookings.prices import repository
from bookings.prices.publishing import ListedPrice, require_publishable
from bookings.prices.repository import Pricing
from bookings.prices.rules import DevicePrice
from bookings.prices.service import price_of, quote_for
from devices.models import Device
from devices.service import list_devices
from lab.core.time import Span
from lab.people.principals import Principal

MOST_COMPARED = 500
"""So many bookings are priced anew at most."""


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A device that would cost something else."""

    device: Device
    before: DevicePrice
    after: DevicePrice


@dataclass(frozen=True, slots=True)
class Repriced:
    """A booking ahead: it keeps its price, and would have another one if it were booked at the new prices."""

    booking: Booking
    cents: int
    """What its company would pay then."""


@dataclass(frozen=True, slots=True)
class PricesEffect:
    """What a price list would change."""

    valid_from: datetime
    until: datetime | None
    """When prices that are published already follow it; None: it holds until others are published."""
    changes: Sequence[PriceChange]
    """Devices in service that cost something else from then on, by name."""
    supervision_cents: tuple[int, int]
    """An hour with an engineer, before and after."""
    ahead: Sequence[Repriced]
    """Bookings that have not begun, the soonest first."""
    complete: bool
    """False: there are more of these than were looked at."""

    @property
    def dearer_or_cheaper(self) -> list[Repriced]:
        """The bookings ahead that would have another price."""
        return [one for one in self.ahead if one.cents != one.booking.price_cents]

    @property
    def kept_cents(self) -> int:
        """What the bookings ahead cost, and go on costing."""
        return sum(one.booking.price_cents or 0 for one in self.ahead)

    @property
    def new_cents(self) -> int:
        """What they would cost if they were booked at the new prices."""
        return sum(one.cents for one in self.ahead)


def preview_prices(
    session: Session,
    principal: Principal,
    *,
    valid_from: datetime | None,
    devices: Mapping[str, ListedPrice],
    supervision_hour_cents: int,
    now: datetime,
) -> PricesEffect:
    """What publishing these prices would change, without doing it (managers).

    Args:
        session: to read in.
        principal: a manager.
        valid_from: from when on they would hold; None: from now on.
        devices: as for `publish_price_list`.
        supervision_hour_cents: of an engineer.
        now: the present instant.

    Raises:
        ForbiddenError, NaiveTimeError, PriceListPastError, UnknownDevicesError: it would be refused.
    """
    start = require_publishable(session, principal, valid_from=valid_from, devices=devices, now=now)
    before = repository.find_pricing(session, principal.organisation_id, now=start)
    listed = {
        device_id: {"hour_cents": price.hour_cents, "setup_cents": price.setup_cents}
        for device_id, price in devices.items()
    }
    after = replace(before, version=None, devices=listed, supervision_hour_cents=supervision_hour_cents)
    prices = [PriceChange(one, price_of(one, before), price_of(one, after)) for one in list_devices(session)]
    found = repository.priced_bookings_ahead(session, now=now, limit=MOST_COMPARED + 1)
    return PricesEffect(
        valid_from=start,
        until=repository.next_prices_from(session, start),
        changes=[change for change in prices if change.before != change.after],
        supervision_cents=(before.supervision_hour_cents, supervision_hour_cents),
        ahead=_priced_anew(session, found[:MOST_COMPARED], after, start),
        complete=len(found) <= MOST_COMPARED,
    )


def _priced_anew(session: Session, bookings: Sequence[Booking], after: Pricing, start: datetime) -> list[Repriced]:
    """On the terms that each company has when the new prices begin."""
    device_ids = sorted({row.device_id for booking in bookings for row in booking.devices})
    devices = {device.id: device for device in repository.find_devices(session, device_ids)}
    terms = {
        company: repository.find_pricing(session, company, now=start).terms
        for company in {booking.organisation_id for booking in bookings}
    }
    return [
        Repriced(
            booking,
            quote_for(
                session,
                organisation_id=booking.organisation_id,
                devices=[devices[row.device_id] for row in booking.devices],
                span=Span(booking.start_at, booking.end_at),
                supervised=booking.supervised,
                now=start,
                pricing=replace(after, terms=terms[booking.organisation_id]),
            ).price_cents,
        )
        for booking in bookings
    ]
