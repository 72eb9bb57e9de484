"""Prices on pages: those in force are shown, and managers publish new ones after a look at what they change."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from httpx import Response

from bookings.prices.publishing import ListedPrice, add_company, create_programme, publish_price_list
from bookings.prices.rules import LegalBasis
from bookings.rules import Rules
from bookings.schemas import BookingRequest
from bookings.service import book_devices
from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from tests.factories import make_device
from tests.web_client import Town

HOUR = timedelta(hours=1)
PRICES = "/manage/prices"
PLACES = ("/machines", "/devices/mill-1", "/bookings/new")


class Shop(Town):
    """The town with a mill for EUR 85 and a meter for EUR 15 an hour by the catalogue, and pages."""

    def __init__(self, database: Database, clock: LabClock) -> None:
        super().__init__(database, clock)
        with database.write() as session:
            make_device(session, "mill-1", name="CNC mill", price_cents_per_hour=8_500)
            make_device(session, "meter-1", name="Energy meter", price_cents_per_hour=1_500)
        self.app = create_app(settings=Settings(), database=database, clock=clock, store=None, live=None)

    def publish(self, hour_cents: int, setup_cents: int = 0, *, valid_from: datetime | None = None) -> None:
        with self.database.write() as session:
            publish_price_list(
                session,
                self.principal("manager"),
                name="Prices",
                valid_from=valid_from,
                devices={"mill-1": ListedPrice(hour_cents, setup_cents)},
                supervision_hour_cents=6_000,
                now=self.clock.now(),
            )

    def book(self, device: str) -> None:
        """The foundry books an hour of tomorrow."""
        start = self.clock.now() + timedelta(days=1)
        wish = BookingRequest(device_ids=[device], start=start, end=start + HOUR, title="Feed trial")
        self.database.transact(
            lambda session: book_devices(
                session, self.principal("founder"), wish, now=self.clock.now(), rules=Rules.from_settings(Settings())
            )
        )

    def get(self, who: str, path: str) -> Response:
        return self.browser(self.app, who).get(path)

    def post(self, who: str, path: str, **form: str) -> Response:
        return self.browser(self.app, who).post(path, data=form)


@pytest.fixture
def shop(database: Database, lab_clock: LabClock) -> Shop:
    return Shop(database, lab_clock)


@pytest.fixture
def each_shop(each_database: Database, lab_clock: LabClock) -> Shop:
    return Shop(each_database, lab_clock)


def words(page: Response) -> str:
    """What stands on a page, without markup."""
    return words_of(page.text)


def words_of(markup: str) -> str:
    return re.sub(r" ([,.;:])", r"\1", " ".join(unescape(re.sub(r"<[^>]+>", " ", markup)).split()))


@pytest.mark.parametrize("place", PLACES)
def test_a_machine_is_shown_with_the_price_in_force_not_with_that_of_the_catalogue(shop: Shop, place: str) -> None:
    assert "85.00 EUR per hour" in words(shop.get("founder", place))
    shop.publish(12_000, 2_500)
    shop.publish(20_000, valid_from=shop.clock.now() + HOUR)
    said = words(shop.get("founder", place))
    assert "120.00 EUR per hour, set-up 25.00 EUR" in said
    assert "85.00 EUR" not in said
    assert "200.00 EUR" not in said


def test_a_machine_that_no_price_list_names_keeps_the_price_of_the_catalogue(shop: Shop) -> None:
    shop.publish(12_000)
    assert "15.00 EUR per hour" in words(shop.get("founder", "/devices/meter-1"))


def test_who_reads_reports_sees_no_prices(shop: Shop) -> None:
    shop.publish(12_000)
    for place in ("/machines", "/devices/mill-1"):
        page = shop.get("reader", place)
        assert page.status_code == 200
        assert "EUR" not in words(page)


def typed(**fields: str) -> dict[str, str]:
    """The form as a manager fills it in."""
    form = {"name": "Prices 2027", "hour_mill-1": "120", "setup_mill-1": "25", "hour_meter-1": "", "supervision": "60"}
    return {**form, **{name.replace("_1", "-1"): value for name, value in fields.items()}}


def test_new_prices_are_looked_at_first_and_what_is_booked_keeps_its_price(each_shop: Shop) -> None:
    each_shop.book("mill-1")
    seen = words(each_shop.post("manager", PRICES, **typed(look="yes")))
    assert "CNC mill: 120.00 EUR per hour, set-up 25.00 EUR; so far 85.00 EUR per hour" in seen
    assert "Energy meter: EUR" not in seen
    assert "An hour with an engineer: 60.00 EUR; so far 0.00 EUR" in seen
    assert "1 booking ahead keeps its price of 85.00 EUR. Booked at the new prices it would cost 145.00 EUR" in seen
    assert "Feed trial, Foundry: 85.00 EUR, would be 145.00 EUR" in seen
    assert "Nothing is published yet" in words(each_shop.get("manager", PRICES))
    assert each_shop.post("manager", PRICES, **typed()).headers["location"].endswith("?done=published")
    assert "120.00 EUR per hour, set-up 25.00 EUR" in words(each_shop.get("joiner", "/devices/mill-1"))
    assert "85.00 EUR" in words(each_shop.get("founder", "/bookings"))
    assert "Price list published" in words(each_shop.get("manager", "/manage/audit?subject=price-list"))


def test_a_company_in_a_programme_is_compared_with_what_it_would_pay_itself(shop: Shop) -> None:
    with shop.database.write() as session:
        programme = create_programme(
            session,
            shop.principal("manager"),
            name="Half",
            legal_basis=LegalBasis.MARKET,
            price_per_mille=500,
            state_share_per_mille=0,
            valid_from=shop.clock.now(),
            valid_until=None,
            now=shop.clock.now(),
        )
        add_company(session, shop.principal("manager"), programme.id, shop.foundry.id, now=shop.clock.now())
    shop.book("mill-1")
    seen = words(shop.post("manager", PRICES, **typed(look="yes")))
    assert "keeps its price of 42.50 EUR. Booked at the new prices it would cost 72.50 EUR" in seen


def test_prices_of_later_say_when_they_begin_and_end(each_shop: Shop) -> None:
    each_shop.publish(9_000)
    each_shop.publish(20_000, valid_from=datetime(2027, 3, 1, tzinfo=UTC))
    seen = words(each_shop.post("manager", PRICES, **typed(look="yes", valid_from="2027-01-01T00:00")))
    assert "These prices would hold from Fri 1 Jan 2027, 00:00 CET." in seen
    assert "At Mon 1 Mar 2027, 01:00 CET others follow" in seen
    assert "so far 90.00 EUR per hour" in seen
    each_shop.post("manager", PRICES, **typed(valid_from="2027-01-01T00:00"))
    rows = [words_of(row) for row in re.findall("<tr>.*?</tr>", each_shop.get("manager", PRICES).text, re.DOTALL)]
    states = [row for row in rows if "published by" in row]
    assert [re.search("in force|to come|over", row)[0] for row in states] == ["to come", "to come", "in force"]  # type: ignore[index]
    assert "Fri 1 Jan 2027, 00:00 CET Mon 1 Mar 2027, 01:00 CET" in states[0]
    assert "until others follow" in states[1]


def test_a_booking_whose_price_stays_is_counted_but_not_listed(shop: Shop) -> None:
    shop.book("meter-1")
    seen = words(shop.post("manager", PRICES, **typed(look="yes")))
    assert "1 booking ahead keeps its price of 15.00 EUR. Booked at the new prices it would cost 15.00 EUR." in seen
    assert "would be" not in seen


def test_what_was_looked_at_is_what_is_published(shop: Shop) -> None:
    page = shop.post("manager", PRICES, **typed(look="yes"))
    section = page.text[page.text.index('id="effect"') : page.text.index("</section>")]
    shown = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', section))
    assert shop.post("manager", PRICES, **shown).headers["location"].endswith("?done=published")
    assert "120.00 EUR per hour, set-up 25.00 EUR" in words(shop.get("founder", "/devices/mill-1"))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "  "}, "give these prices a name"),
        ({"hour_mill_1": "much"}, "such as 120 or 120.50: CNC mill, an hour"),
        ({"hour_mill_1": "-5"}, "such as 120 or 120.50: CNC mill, an hour"),
        ({"hour_mill_1": "100001"}, "up to 100,000 EUR: CNC mill, an hour"),
        ({"setup_mill_1": "1.005"}, "two decimals at most, up to 100,000 EUR: CNC mill, set-up"),
        ({"setup_meter_1": "5"}, "such as 120 or 120.50: Energy meter, an hour"),
        ({"supervision": ""}, "such as 120 or 120.50: An hour with an engineer"),
        ({"valid_from": "soon"}, "is a date and a time"),
        ({"valid_from": "2020-01-01T00:00"}, "cannot begin in the past"),
    ],
)
def test_what_is_no_price_is_said_and_what_was_typed_stays(shop: Shop, fields: dict[str, str], said: str) -> None:
    for look in ("yes", ""):
        answer = shop.post("manager", PRICES, **typed(**{"name": "Kept", **fields}, look=look))
        assert (answer.status_code, said in words(answer)) == (422, True), words(answer)
        assert 'aria-describedby="problem"' in answer.text
    assert "Nothing is published yet" in words(shop.get("manager", PRICES))


def test_amounts_may_be_typed_as_poles_write_them(shop: Shop) -> None:
    shop.post("manager", PRICES, **typed(hour_mill_1="1 200,50"))
    assert "1\u202f200.50\u00a0EUR per hour" in shop.get("founder", "/devices/mill-1").text


def test_of_two_who_publish_at_once_the_second_looks_again(shop: Shop) -> None:
    assert shop.post("manager", PRICES, **typed(seen="0")).headers["location"].endswith("done=published")
    assert shop.post("manager", PRICES, **typed(seen="0")).headers["location"].endswith("done=late")
    assert shop.get("manager", PRICES).text.count("published by") == 1


def test_only_managers_publish_and_only_the_staff_reads_all_prices(shop: Shop) -> None:
    assert "Only the lab manager publishes prices" in words(shop.get("engineer", PRICES))
    for who, path, status in (("engineer", "post", 403), ("founder", "get", 403), ("founder", "post", 403)):
        answer = shop.get(who, PRICES) if path == "get" else shop.post(who, PRICES, **typed())
        assert answer.status_code == status
