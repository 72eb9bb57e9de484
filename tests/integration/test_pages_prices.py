"""Prices on pages: those in force are shown, and managers publish new ones after a look at what they change."""

import re
from datetime import datetime, timedelta
from html import unescape

import pytest
from httpx import Response

from bookings.prices.publishing import ListedPrice, publish_price_list
from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from tests.factories import make_device
from tests.web_client import Town

HOUR = timedelta(hours=1)
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

    def get(self, who: str, path: str) -> Response:
        return self.browser(self.app, who).get(path)


@pytest.fixture
def shop(each_database: Database, lab_clock: LabClock) -> Shop:
    return Shop(each_database, lab_clock)


def words(page: Response) -> str:
    """What stands on a page, without markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


@pytest.mark.parametrize("place", PLACES)
def test_a_machine_is_shown_with_the_price_in_force_not_with_that_of_the_catalogue(shop: Shop, place: str) -> None:
    assert "EUR 85.00 per hour" in words(shop.get("founder", place))
    shop.publish(12_000, 2_500)
    shop.publish(20_000, valid_from=shop.clock.now() + HOUR)
    said = words(shop.get("founder", place))
    assert "EUR 120.00 per hour, set-up EUR 25.00" in said
    assert "EUR 85.00" not in said
    assert "EUR 200.00" not in said


def test_a_machine_that_no_price_list_names_keeps_the_price_of_the_catalogue(shop: Shop) -> None:
    shop.publish(12_000)
    assert "EUR 15.00 per hour" in words(shop.get("founder", "/devices/meter-1"))


def test_who_reads_reports_sees_no_prices(shop: Shop) -> None:
    shop.publish(12_000)
    for place in ("/machines", "/devices/mill-1"):
        page = shop.get("reader", place)
        assert page.status_code == 200
        assert "EUR" not in words(page)
