"""Prices, programmes and public support as HTTP tells them. All amounts are integer euro cents."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bookings.prices.models import PriceList, Programme, ProgrammeMember, SupportEntry
from bookings.prices.rules import DeMinimis, LegalBasis
from bookings.prices.service import QuoteView, SupportView
from bookings.schemas import DeviceId, Instant, Title

Cents = Annotated[int, Field(strict=True, ge=0, le=10_000_000)]
"""Up to EUR 100,000."""
PerMille = Annotated[int, Field(strict=True, ge=0, le=1000)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class DevicePriceRequest(_Request):
    """What a device costs."""

    hour_cents: Cents
    setup_cents: Cents = 0
    """Once a booking."""


class PriceListRequest(_Request):
    """Prices from an instant on."""

    name: Title
    valid_from: Instant | None = None
    """From when on, not before now; without it, from now on."""
    devices: dict[DeviceId, DevicePriceRequest] = Field(
        default={}, max_length=1000, examples=[{"mill-1": {"hour_cents": 12000, "setup_cents": 2500}}]
    )
    """A device left out has its catalogue's price."""
    supervision_hour_cents: Cents
    """Of an engineer."""


class DevicePriceAnswer(_Answer):
    """What a device costs."""

    hour_cents: int
    setup_cents: int


class PriceListAnswer(_Answer):
    """Prices from an instant on; they never change."""

    version: int
    name: str
    valid_from: datetime
    devices: dict[str, DevicePriceAnswer]
    supervision_hour_cents: int
    created_by: str
    created_at: datetime

    @classmethod
    def of(cls, price_list: PriceList) -> "PriceListAnswer":
        """Translate a row."""
        return cls.model_validate(price_list, from_attributes=True)


class PriceLists(_Answer):
    """Price lists, the newest first."""

    price_lists: list[PriceListAnswer]
    in_force: int | None
    """The version that counts now; null: the catalogue's prices."""
    next: str | None
    """Cursor of the next page."""


class ProgrammeRequest(_Request):
    """A programme that pays a part of the price."""

    name: Title
    legal_basis: LegalBasis
    price_per_mille: PerMille
    """Of the market value, what a company pays."""
    state_share_per_mille: PerMille
    """Of the rest, what counts as state aid; 0 with the legal bases market and none."""
    valid_from: Instant
    valid_until: Instant | None = None
    """The first instant at which it is over."""


class ProgrammeAnswer(_Answer):
    """A programme; its terms never change."""

    id: str
    name: str
    legal_basis: LegalBasis
    price_per_mille: int
    state_share_per_mille: int
    valid_from: datetime
    valid_until: datetime | None
    created_by: str
    created_at: datetime

    @classmethod
    def of(cls, programme: Programme) -> "ProgrammeAnswer":
        """Translate a row."""
        return cls.model_validate(programme, from_attributes=True)


class Programmes(_Answer):
    """Programmes by name."""

    programmes: list[ProgrammeAnswer]


class MembershipAnswer(_Answer):
    """A company in a programme."""

    programme_id: str
    organisation_id: str
    added_by: str
    added_at: datetime
    left_at: datetime | None

    @classmethod
    def of(cls, member: ProgrammeMember) -> "MembershipAnswer":
        """Translate a row."""
        return cls.model_validate(member, from_attributes=True)


class CompanyAnswer(MembershipAnswer):
    """A company in a programme, with its name."""

    name: str


class ProgrammeWithCompanies(ProgrammeAnswer):
    """A programme and the companies that are or were in it."""

    companies: list[CompanyAnswer]

    @classmethod
    def with_companies(
        cls, programme: Programme, members: list[tuple[ProgrammeMember, str]]
    ) -> "ProgrammeWithCompanies":
        """Translate rows."""
        companies = [CompanyAnswer(**MembershipAnswer.of(member).model_dump(), name=name) for member, name in members]
        return cls(**ProgrammeAnswer.of(programme).model_dump(), companies=companies)


class LineAnswer(_Answer):
    """One line of a quote."""

    what: str
    """use, set-up or supervision."""
    device_id: str | None
    hour_cents: int | None
    """Null: a price for the whole."""
    cents: int


class QuoteFacts(_Answer):
    """A quote as it is kept with a booking."""

    lines: list[LineAnswer]
    market_value_cents: int
    """The sum of the lines."""
    price_cents: int
    """What the company pays."""
    support_cents: int
    """Public support: (market value - price) × state share."""
    price_list_version: int | None
    """Null: the catalogue's prices."""
    programme_id: str | None
    """Null: the company is in no programme and pays the market value."""
    programme: str | None
    legal_basis: LegalBasis


class DeMinimisAnswer(_Answer):
    """How much of the ceiling of (EU) 2023/2831 the single undertaking has used: all companies linked with this one."""

    ceiling_cents: int
    used_cents: int
    """Granted, or promised to a request that waits for approval."""
    remaining_cents: int
    since: datetime
    """What was granted after this counts."""

    @classmethod
    def of(cls, facts: DeMinimis | None) -> "DeMinimisAnswer | None":
        """Translate the facts, where there are any."""
        return None if facts is None else cls.model_validate(facts, from_attributes=True)


class QuoteAnswer(QuoteFacts):
    """A quote before booking; not binding: the price list of the instant of booking counts."""

    organisation_id: str
    start: datetime
    end: datetime
    supervised: bool
    support_fits: bool
    """False: a booking would be refused, because the support exceeds what remains under the ceiling."""
    de_minimis: DeMinimisAnswer | None
    """Where that is the legal basis."""

    @classmethod
    def of(cls, view: QuoteView, start: datetime, end: datetime, *, supervised: bool) -> "QuoteAnswer":
        """Translate a quote."""
        return cls(
            **view.quote.as_json(),
            organisation_id=view.organisation_id,
            start=start,
            end=end,
            supervised=supervised,
            support_fits=view.support_fits,
            de_minimis=DeMinimisAnswer.of(view.de_minimis),
        )


class SupportEntryAnswer(_Answer):
    """One line of the ledger; never changed, never deleted, only countered."""

    id: int
    organisation_id: str
    programme_id: str
    legal_basis: LegalBasis
    booking_id: str | None
    granted_at: datetime
    """The granting date, from which three years roll."""
    cents: int
    """Negative in a counter entry."""
    counters: int | None
    """The entry that this one takes back."""
    written_at: datetime
    reason: str

    @classmethod
    def of(cls, entry: SupportEntry) -> "SupportEntryAnswer":
        """Translate a row."""
        return cls.model_validate(entry, from_attributes=True)


class SupportAnswer(_Answer):
    """The ledger of public support, the newest entry first."""

    entries: list[SupportEntryAnswer]
    organisation_id: str | None
    """Whose; null: everybody's."""
    since: datetime
    """Three years ago."""
    granted_cents: int
    """The sum of everything granted after that, on any legal basis."""
    de_minimis: DeMinimisAnswer | None
    """Of the single undertaking, when one organisation's ledger is shown."""
    next: str | None
    """Cursor of the next page."""

    @classmethod
    def of(cls, view: SupportView) -> "SupportAnswer":
        """Translate a page."""
        return cls(
            entries=[SupportEntryAnswer.of(entry) for entry in view.page.rows],
            organisation_id=view.organisation_id,
            since=view.since,
            granted_cents=view.granted_cents,
            de_minimis=DeMinimisAnswer.of(view.de_minimis),
            next=view.page.next,
        )
