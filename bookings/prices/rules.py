"""What a slot costs and who pays it: exact arithmetic in integer cents (domain.md §5).

A line is hours × price, rounded half up to the cent, each line for itself; the market value is the sum of the lines, so
that a quote adds up on paper. What the company pays is a share of the market value, and what counts as public support
a share of the rest, both rounded half up. No floating point anywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bookings.prices.errors import (
    PriceListPastError,
    ProgrammeTermsError,
    QuoteTooLargeError,
    QuoteTooLongError,
    SupportCeilingError,
)
from lab.core.time import Span

CEILING_CENTS = 30_000_000
"""De minimis: EUR 300,000 per single undertaking over any three years ((EU) 2023/2831, article 3(2))."""

MOST_CENTS = 2_000_000_000
"""EUR 20 million: more than any slot is worth, and still inside the database's integers."""

LONGEST_QUOTE = timedelta(days=366)

_HOUR = timedelta(hours=1) // timedelta(microseconds=1)
_WHOLE = 1000
_CEILING_YEARS = 3


class LegalBasis(StrEnum):
    """On what ground a programme may pay a part of the price."""

    DE_MINIMIS = "de-minimis"
    """(EU) 2023/2831; has a ceiling."""
    GBER_25 = "gber-25"
    """(EU) 651/2014, article 25: research and development."""
    GBER_28 = "gber-28"
    """(EU) 651/2014, article 28: innovation aid for small and medium companies."""
    MARKET = "market"
    """The price is the market's: no support."""
    NONE = "none"
    """No state aid in it: no support."""


WITHOUT_SUPPORT = frozenset({LegalBasis.MARKET, LegalBasis.NONE})


@dataclass(frozen=True, slots=True)
class DevicePrice:
    """What a device costs."""

    device_id: str
    hour_cents: int
    setup_cents: int = 0
    """Once a booking."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a programme pays of a price."""

    programme_id: str
    name: str
    legal_basis: LegalBasis
    price_per_mille: int
    """Of the market value, what the company pays."""
    state_share_per_mille: int
    """Of the rest, what counts as state aid."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a quote."""

    what: str
    """use, set-up or supervision."""
    device_id: str | None
    hour_cents: int | None
    """`None`: a price for the whole."""
    cents: int


@dataclass(frozen=True, slots=True)
class Quote:
    """What a slot is worth, what the company pays, and the public support in between."""

    lines: tuple[Line, ...]
    market_value_cents: int
    price_cents: int
    support_cents: int
    price_list_version: int | None
    """None: the catalogue's prices."""
    programme_id: str | None
    """None: the company is in no programme and pays the market value."""
    programme: str | None
    """Its name."""
    legal_basis: str

    def as_json(self) -> dict[str, Any]:
        """As it is kept with the booking; `bookings.prices.schemas.QuoteFacts` reads it back."""
        return {
            "lines": [
                {"what": line.what, "device_id": line.device_id, "hour_cents": line.hour_cents, "cents": line.cents}
                for line in self.lines
            ],
            "market_value_cents": self.market_value_cents,
            "price_cents": self.price_cents,
            "support_cents": self.support_cents,
            "price_list_version": self.price_list_version,
            "programme_id": self.programme_id,
            "programme": self.programme,
            "legal_basis": self.legal_basis,
        }


def make_quote(
    prices: Sequence[DevicePrice],
    length: timedelta,
    *,
    supervision_hour_cents: int | None = None,
    price_list_version: int | None = None,
    terms: Terms | None = None,
) -> Quote:
    """Price a slot. Its length counts without buffers: set-up has a price of its own.

    Args:
        prices: of each device.
        length: of the slot, > 0.
        supervision_hour_cents: of the one engineer; None: not supervised.
        price_list_version: where the prices are from; None: the catalogue.
        terms: of the company's programme; None: it is in none.

    Raises:
        QuoteTooLongError, QuoteTooLargeError: beyond what any slot is.
    """
    if length > LONGEST_QUOTE:
        raise QuoteTooLongError(
            f"a price is quoted for {LONGEST_QUOTE.days} days at most; choose a shorter slot",
            field="end",
            rule="longest-quote",
            limit=LONGEST_QUOTE.days,
        )
    lines = []
    for price in prices:
        lines.append(Line("use", price.device_id, price.hour_cents, _for_hours(length, price.hour_cents)))
        if price.setup_cents:
            lines.append(Line("set-up", price.device_id, None, price.setup_cents))
    if supervision_hour_cents is not None:
        lines.append(Line("supervision", None, supervision_hour_cents, _for_hours(length, supervision_hour_cents)))
    market_value = sum(line.cents for line in lines)
    if market_value > MOST_CENTS:
        raise QuoteTooLargeError(
            f"this slot would be worth {euros(market_value)}; no slot is, so please choose a shorter one or ask the "
            "lab to check its prices",
            field="end",
            rule="largest-quote",
            limit=MOST_CENTS,
            market_value_cents=market_value,
        )
    price_cents, support_cents = charged(market_value, terms)
    return Quote(
        lines=tuple(lines),
        market_value_cents=market_value,
        price_cents=price_cents,
        support_cents=support_cents,
        price_list_version=price_list_version,
        programme_id=terms.programme_id if terms else None,
        programme=terms.name if terms else None,
        legal_basis=(terms.legal_basis if terms else LegalBasis.NONE).value,
    )


def charged(market_value_cents: int, terms: Terms | None) -> tuple[int, int]:
    """What a company pays of a market value, and the public support: (market value - price) × state share."""
    if terms is None:
        return market_value_cents, 0
    price = _share(market_value_cents, terms.price_per_mille)
    if terms.legal_basis in WITHOUT_SUPPORT:
        return price, 0
    return price, _share(market_value_cents - price, terms.state_share_per_mille)


@dataclass(frozen=True, slots=True)
class DeMinimis:
    """How much of the ceiling a single undertaking has used."""

    since: datetime
    """What was granted after this counts; what was granted then or before does not any more."""
    used_cents: int
    ceiling_cents: int = CEILING_CENTS

    @property
    def remaining_cents(self) -> int:
        """What may still be granted now."""
        return max(0, self.ceiling_cents - self.used_cents)

    def fits(self, support_cents: int) -> bool:
        """Whether so much more may be granted."""
        return support_cents <= self.remaining_cents


def three_years_before(instant: datetime) -> datetime:
    """The same instant three calendar years earlier; of 29 February, 28 February."""
    year = instant.year - _CEILING_YEARS
    try:
        return instant.replace(year=year)
    except ValueError:
        return instant.replace(year=year, day=28)


def require_fits(quote: Quote, facts: DeMinimis) -> None:
    """Refuse support for which there is no room under the ceiling.

    Raises:
        SupportCeilingError: with the way out.
    """
    if facts.fits(quote.support_cents):
        return
    raise SupportCeilingError(
        f"the public support of this booking, {euros(quote.support_cents)}, does not fit: of the "
        f"{euros(facts.ceiling_cents)} that one undertaking may have in three years, {euros(facts.remaining_cents)} "
        f"remain; book a shorter slot, or ask a lab manager to take the company out of the programme "
        f"“{quote.programme}”, so that it books at the market price",
        field="organisation_id",
        rule="support-ceiling",
        support_cents=quote.support_cents,
        used_cents=facts.used_cents,
        remaining_cents=facts.remaining_cents,
        ceiling_cents=facts.ceiling_cents,
    )


def require_not_past(valid_from: datetime, *, now: datetime) -> None:
    """Refuse prices that would begin before now.

    Raises:
        PriceListPastError: with now as `nearest`.
    """
    if valid_from < now:
        nearest = now.isoformat().replace("+00:00", "Z")
        raise PriceListPastError(
            f"new prices cannot begin before now, {nearest}: slots were booked at the old ones; "
            "leave valid_from out to begin at once",
            field="valid_from",
            rule="prices-not-in-the-past",
            nearest=nearest,
        )


def require_terms(
    legal_basis: LegalBasis, *, state_share_per_mille: int, valid_from: datetime, valid_until: datetime | None
) -> None:
    """Refuse terms of a programme that contradict themselves.

    Raises:
        EmptySpanError: it ends before it begins.
        ProgrammeTermsError: support without a legal basis for it.
    """
    if valid_until is not None:
        Span(valid_from, valid_until)
    if legal_basis in WITHOUT_SUPPORT and state_share_per_mille:
        raise ProgrammeTermsError(
            f"a programme with the legal basis {legal_basis} gives no support; its state share is 0",
            field="state_share_per_mille",
            rule="support-needs-legal-basis",
        )


def euros(cents: int) -> str:
    """An amount as people read it: `EUR 1,234.50`."""
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}EUR {whole:,}.{rest:02d}"


def _for_hours(length: timedelta, hour_cents: int) -> int:
    return _half_up(length // timedelta(microseconds=1) * hour_cents, _HOUR)


def _share(cents: int, per_mille: int) -> int:
    return _half_up(cents * per_mille, _WHOLE)


def _half_up(dividend: int, divisor: int) -> int:
    return (2 * dividend + divisor) // (2 * divisor)
