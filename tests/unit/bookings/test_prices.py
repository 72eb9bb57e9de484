"""What a slot costs: exact, and the same whichever way it is added up."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookings.prices.errors import (
    PriceListPastError,
    ProgrammeTermsError,
    QuoteTooLargeError,
    QuoteTooLongError,
    SupportCeilingError,
)
from bookings.prices.rules import (
    CEILING_CENTS,
    LONGEST_QUOTE,
    MOST_CENTS,
    WITHOUT_SUPPORT,
    DeMinimis,
    DevicePrice,
    LegalBasis,
    Terms,
    charged,
    euros,
    make_quote,
    require_fits,
    require_not_past,
    require_terms,
    three_years_before,
)
from bookings.prices.schemas import QuoteFacts
from lab.core.time import EmptySpanError
from tests.factories import MONDAY_MORNING as NOW

HOUR = timedelta(hours=1)
PER_MILLE = st.integers(0, 1000)
MARKET_VALUES = st.integers(0, MOST_CENTS)


def terms(price: int = 500, share: int = 800, basis: LegalBasis = LegalBasis.DE_MINIMIS) -> Terms:
    return Terms("prg_1", "Regional", basis, price, share)


TERMS = st.builds(terms, PER_MILLE, PER_MILLE, st.sampled_from(LegalBasis))
PRICES = st.lists(
    st.builds(DevicePrice, st.sampled_from(["mill-1", "meter-1"]), st.integers(0, 100_000), st.integers(0, 100_000)),
    min_size=1,
    max_size=5,
)
LENGTHS = st.timedeltas(timedelta(microseconds=1), timedelta(hours=36))


def test_a_slot_on_two_machines_with_an_engineer_is_priced_line_by_line() -> None:
    quote = make_quote(
        [DevicePrice("meter-1", 3_000), DevicePrice("mill-1", 12_000, 2_500)],
        timedelta(minutes=90),
        supervision_hour_cents=6_000,
        price_list_version=7,
        terms=terms(price=300, share=800),
    )
    assert [(line.what, line.device_id, line.cents) for line in quote.lines] == [
        ("use", "meter-1", 4_500),
        ("use", "mill-1", 18_000),
        ("set-up", "mill-1", 2_500),
        ("supervision", None, 9_000),
    ]
    assert (quote.market_value_cents, quote.price_cents, quote.support_cents) == (34_000, 10_200, 19_040)
    assert (quote.price_list_version, quote.programme_id, quote.legal_basis) == (7, "prg_1", "de-minimis")


def test_without_a_programme_the_market_value_is_paid_and_there_is_no_support() -> None:
    quote = make_quote([DevicePrice("mill-1", 12_000)], HOUR)
    assert (quote.market_value_cents, quote.price_cents, quote.support_cents) == (12_000, 12_000, 0)
    assert (quote.programme_id, quote.legal_basis, quote.price_list_version) == (None, "none", None)


@pytest.mark.parametrize(("minutes", "cents"), [(30, 51), (29, 49), (1, 2), (20, 34)])
def test_half_a_cent_is_rounded_up(minutes: int, cents: int) -> None:
    quote = make_quote([DevicePrice("mill-1", 101)], timedelta(minutes=minutes))
    assert quote.market_value_cents == cents


@pytest.mark.parametrize("basis", sorted(WITHOUT_SUPPORT))
def test_at_the_market_price_there_is_no_support_whatever_the_share(basis: LegalBasis) -> None:
    assert charged(10_000, terms(price=900, share=1000, basis=basis)) == (9_000, 0)


@given(PRICES, LENGTHS, st.none() | st.integers(0, 100_000), TERMS)
def test_the_lines_add_up_and_nobody_pays_or_is_granted_too_much(
    prices: list[DevicePrice], length: timedelta, supervision: int | None, programme: Terms
) -> None:
    quote = make_quote(prices, length, supervision_hour_cents=supervision, terms=programme)
    assert sum(line.cents for line in quote.lines) == quote.market_value_cents
    assert 0 <= quote.price_cents <= quote.market_value_cents
    assert 0 <= quote.support_cents <= quote.market_value_cents - quote.price_cents
    assert all(type(line.cents) is int for line in quote.lines)


@given(st.integers(0, 10_000_000), LENGTHS)
def test_hours_are_priced_exactly_to_the_nearest_cent(hour_cents: int, length: timedelta) -> None:
    exact = Fraction(length // timedelta(microseconds=1), 3_600_000_000) * hour_cents
    found = make_quote([DevicePrice("mill-1", hour_cents)], length).market_value_cents
    assert -Fraction(1, 2) < found - exact <= Fraction(1, 2)


@given(MARKET_VALUES, PER_MILLE, PER_MILLE)
def test_shares_are_those_of_decimal_arithmetic(market_value: int, price: int, share: int) -> None:
    def part(cents: int, per_mille: int) -> int:
        return int((Decimal(cents) * per_mille / 1000).quantize(Decimal(1), ROUND_HALF_UP))

    paid, support = charged(market_value, terms(price, share))
    assert (paid, support) == (part(market_value, price), part(market_value - paid, share))


@given(MARKET_VALUES, PER_MILLE, PER_MILLE)
def test_a_higher_share_of_the_price_never_means_more_support(market_value: int, one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert charged(market_value, terms(low))[1] >= charged(market_value, terms(high))[1]


@given(PRICES, LENGTHS, st.randoms())
def test_the_order_of_the_devices_does_not_change_the_price(
    prices: list[DevicePrice], length: timedelta, random: object
) -> None:
    shuffled = sorted(prices, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert make_quote(prices, length).market_value_cents == make_quote(shuffled, length).market_value_cents


def test_a_quote_is_read_back_from_the_booking_as_it_was_made() -> None:
    quote = make_quote([DevicePrice("mill-1", 12_000, 100)], HOUR, supervision_hour_cents=1, terms=terms())
    assert QuoteFacts.model_validate(quote.as_json()).model_dump(mode="json") == quote.as_json()


def test_ten_years_or_ten_millions_are_refused_by_name() -> None:
    with pytest.raises(QuoteTooLongError) as long:
        make_quote([DevicePrice("mill-1", 1)], LONGEST_QUOTE + timedelta(microseconds=1))
    assert (long.value.facts["field"], long.value.facts["limit"]) == ("end", 366)
    make_quote([DevicePrice("mill-1", 0, MOST_CENTS)], HOUR)
    with pytest.raises(QuoteTooLargeError, match=r"EUR 20,000,000\.01"):
        make_quote([DevicePrice("mill-1", 0, MOST_CENTS), DevicePrice("meter-1", 1)], HOUR)


def test_support_fits_up_to_the_last_cent_of_the_ceiling() -> None:
    facts = DeMinimis(NOW, CEILING_CENTS - 1_000)
    assert facts.remaining_cents == 1_000
    assert facts.fits(1_000)
    assert not facts.fits(1_001)
    assert DeMinimis(NOW, CEILING_CENTS + 5).remaining_cents == 0  # two undertakings became one


def test_support_that_does_not_fit_is_refused_with_what_remains_and_the_way_out() -> None:
    quote = make_quote([DevicePrice("mill-1", 12_000)], HOUR, terms=terms(price=0, share=1000))
    require_fits(quote, DeMinimis(NOW, CEILING_CENTS - 12_000))
    with pytest.raises(
        SupportCeilingError, match=r"EUR 119\.99 remain.*take the company out of the programme"
    ) as found:
        require_fits(quote, DeMinimis(NOW, CEILING_CENTS - 11_999))
    assert found.value.facts == {
        "field": "organisation_id",
        "rule": "support-ceiling",
        "support_cents": 12_000,
        "used_cents": CEILING_CENTS - 11_999,
        "remaining_cents": 11_999,
        "ceiling_cents": CEILING_CENTS,
    }


@pytest.mark.parametrize(
    ("now", "before"),
    [
        (datetime(2026, 11, 23, 7, tzinfo=UTC), datetime(2023, 11, 23, 7, tzinfo=UTC)),
        (datetime(2028, 2, 29, 7, tzinfo=UTC), datetime(2025, 2, 28, 7, tzinfo=UTC)),
        (datetime(2027, 2, 28, 7, tzinfo=UTC), datetime(2024, 2, 28, 7, tzinfo=UTC)),
    ],
)
def test_three_years_are_calendar_years(now: datetime, before: datetime) -> None:
    assert three_years_before(now) == before


def test_prices_begin_now_or_later() -> None:
    require_not_past(NOW, now=NOW)
    with pytest.raises(PriceListPastError) as refusal:
        require_not_past(NOW - timedelta(microseconds=1), now=NOW)
    assert refusal.value.facts["nearest"] == "2026-11-23T07:00:00Z"


def test_terms_that_contradict_themselves_are_refused() -> None:
    require_terms(LegalBasis.MARKET, state_share_per_mille=0, valid_from=NOW, valid_until=None)
    with pytest.raises(ProgrammeTermsError):
        require_terms(LegalBasis.MARKET, state_share_per_mille=1, valid_from=NOW, valid_until=None)
    with pytest.raises(EmptySpanError):
        require_terms(LegalBasis.GBER_28, state_share_per_mille=500, valid_from=NOW, valid_until=NOW)


@pytest.mark.parametrize(
    ("cents", "text"),
    [(0, "EUR 0.00"), (5, "EUR 0.05"), (123_450, "EUR 1,234.50"), (-123_450, "-EUR 1,234.50")],
)
def test_amounts_are_written_as_people_read_them(cents: int, text: str) -> None:
    assert euros(cents) == text
