"""Prices as managers type them: amounts in euros, from when on, and for which machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from bookings.prices.publishing import ListedPrice
from bookings.prices.rules import DevicePrice
from devices.models import Device
from lab.core.errors import InvalidError
from lab.web.languages import gettext as _
from lab.web.wording import bare_number, number_text, one_line, read_field_time

MOST_EUROS = 100_000
_LONGEST_NAME = 200


class PriceFormError(InvalidError):
    """A field of the form that says no price. Facts: `field`."""


@dataclass(frozen=True, slots=True)
class PriceDraft:
    """What somebody wants to publish."""

    name: str
    valid_from: datetime | None
    """None: from now on."""
    devices: Mapping[str, ListedPrice]
    supervision_hour_cents: int


def filled_in(prices: Mapping[str, DevicePrice], supervision_hour_cents: int) -> dict[str, str]:
    """The form with the prices that hold."""
    typed = {"name": "", "valid_from": "", "supervision": _amount(supervision_hour_cents)}
    for device_id, price in prices.items():
        typed[f"hour_{device_id}"] = _amount(price.hour_cents)
        typed[f"setup_{device_id}"] = _amount(price.setup_cents) if price.setup_cents else ""
    return typed


def read_draft(typed: Mapping[str, str], devices: Sequence[Device], zone: str) -> PriceDraft:
    """What is meant; a machine without an amount has the price of the catalogue.

    Args:
        typed: the form.
        devices: those that it has fields for.
        zone: of the lab.

    Raises:
        PriceFormError: a field that says no price, or a list without a name.
        LabTimeError: a time that cannot be read.
    """
    name = one_line(typed.get("name", ""))[:_LONGEST_NAME]
    if not name:
        raise PriceFormError(_("Please give these prices a name, for example Prices 2027."), field="name")
    start = typed.get("valid_from", "").strip()
    listed = {}
    for device in devices:
        hour, setup = (typed.get(f"{part}_{device.id}", "").strip() for part in ("hour", "setup"))
        if hour or setup:
            listed[device.id] = ListedPrice(
                _cents(hour, f"hour_{device.id}", _("%(machine)s, an hour", machine=device.name)),
                _cents(setup or "0", f"setup_{device.id}", _("%(name)s, set-up", name=device.name)),
            )
    return PriceDraft(
        name=name,
        valid_from=read_field_time(start, zone, field="start") if start else None,
        devices=listed,
        supervision_hour_cents=_cents(typed.get("supervision", ""), "supervision", _("An hour with an engineer")),
    )


def _cents(typed: str, field: str, what: str) -> int:
    plain = bare_number(typed)
    digits, _point, decimals = plain.partition(".")
    if not (digits.isascii() and digits.isdigit()) or (decimals and not (decimals.isascii() and decimals.isdigit())):
        raise PriceFormError(
            _("Please give an amount in euros, such as 120 or 120.50: %(what)s", what=what), field=field
        )
    if len(digits) > 9 or len(decimals) > 2 or Decimal(plain) > MOST_EUROS:
        raise PriceFormError(
            _("Please give an amount with two decimals at most, up to 100,000 EUR: %(what)s", what=what), field=field
        )
    return int(Decimal(plain) * 100)


def _amount(cents: int) -> str:
    """As a field shows it: `120`, `120.50`."""
    whole, rest = divmod(cents, 100)
    return number_text(f"{whole}.{rest:02d}" if rest else str(whole))
