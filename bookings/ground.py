"""What a decision about a reservation stands on: the devices, locked and sorted, the rules for them, and the prices.

Locks are taken in one order everywhere: bookings, organisations, devices, engineers, each by id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from bookings import repository
from bookings.entitlements import Wish
from bookings.errors import DevicesRetiredError, UnknownDevicesError, UnknownOrganisationError
from bookings.ground_facts import standing_facts
from bookings.prices.repository import Pricing
from bookings.pricing import hold_undertaking
from bookings.rulebook.book import Rulebook
from bookings.rulebook.service import load_rulebook, read_rulebook
from bookings.rules import Rules
from bookings.slots import Buffers
from devices.models import Device
from lab.core.time import Span


@dataclass(frozen=True, slots=True)
class Ground:
    """What a decision at the gate stands on: the devices, locked and sorted, and the rules for them."""

    devices: tuple[Device, ...]
    book: Rulebook
    rules: Rules
    """Of these devices in one booking."""
    pricing: Pricing | None = None
    """Prices and programme that count; None: nobody asked."""

    @property
    def agreed(self) -> Pricing:
        """Prices and programme that count; for those who have asked for them."""
        assert self.pricing is not None
        return self.pricing

    @property
    def device_ids(self) -> list[str]:
        """Sorted."""
        return [device.id for device in self.devices]

    def buffers(self) -> dict[str, Buffers]:
        """Set-up and clean-up time, by device."""
        return {device.id: self.book.buffers(device) for device in self.devices}

    def reserved(self, span: Span) -> dict[str, Span]:
        """What a booking of this span reserves, by device."""
        return {device_id: buffers.around(span) for device_id, buffers in self.buffers().items()}

    def wish(self, span: Span, organisation_id: str, *, pilot_id: str | None, supervised: bool) -> Wish:
        """A wish for these devices."""
        kinds = tuple((device.id, device.kind) for device in self.devices)
        return Wish(span, kinds, organisation_id, pilot_id, supervised)


def prepare(
    session: Session, device_ids: Sequence[str], defaults: Rules, *, organisation_id: str, agreed_at: datetime
) -> Ground:
    """Lock these devices, sorted, and look up the rules and prices for them.

    Args:
        session: of a write transaction.
        device_ids: each once, sorted.
        defaults: `Rules.from_settings`.
        organisation_id: for whom; locked first if a quota counts what it holds.
        agreed_at: when the booking was or is made, whose prices count.

    Raises:
        UnknownDevicesError, DevicesRetiredError: not all of them can be booked.
        UnknownOrganisationError: there is no such organisation.
    """
    standing = standing_facts(session, organisation_id, now=agreed_at)
    book = read_rulebook(session, standing.rule_texts, defaults)
    # The organisations that share a ceiling of support come first, and all at once by id: else two wait in a circle.
    hold_undertaking(session, organisation_id, standing.pricing)
    if book.has_quotas:
        repository.hold_organisation(session, organisation_id, alone=True)
    if not standing.organisation_known:
        raise unknown_organisation()
    devices = require_bookable(repository.lock_devices(session, device_ids), device_ids)
    return Ground(tuple(devices), book, book.joint(devices), standing.pricing)


def look_at(session: Session, device_ids: Sequence[str], defaults: Rules) -> Ground:
    """These devices and their rules without any lock: for proposals, which may be gone a moment later.

    Raises:
        UnknownDevicesError, DevicesRetiredError: not all of them can be booked.
    """
    devices = require_bookable(repository.find_devices(session, device_ids), device_ids)
    book = load_rulebook(session, defaults)
    return Ground(tuple(devices), book, book.joint(devices))


def require_bookable(devices: list[Device], device_ids: Sequence[str]) -> list[Device]:
    """These devices, sorted.

    Raises:
        UnknownDevicesError, DevicesRetiredError: not all of the ids can be booked.
    """
    known = {device.id for device in devices}
    unknown = [device_id for device_id in device_ids if device_id not in known]
    if unknown:
        raise UnknownDevicesError(
            f"there is no device {', '.join(unknown)}", field="device_ids", rule="known-device", devices=unknown
        )
    retired = [device.id for device in devices if device.retired_at is not None]
    if retired:
        raise DevicesRetiredError(
            f"{', '.join(retired)}: no longer in service", field="device_ids", rule="device-in-service", devices=retired
        )
    return sorted(devices, key=lambda device: device.id)


def unknown_organisation() -> UnknownOrganisationError:
    """There is nobody to book for."""
    return UnknownOrganisationError(
        "there is no such organisation to book for", field="organisation_id", rule="known-organisation"
    )
