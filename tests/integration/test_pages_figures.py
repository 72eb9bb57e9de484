"""Figures of use on a page: of the days that somebody asks for, by machine, company and week."""

import re
from datetime import timedelta
from html import unescape

import pytest
from httpx import Response

from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from tests.booking_lab import at
from tests.factories import MONDAY_MORNING, make_device
from tests.placed_bookings import place_booking
from tests.web_client import Town


class Counted(Town):
    """The town after a week with two bookings, one of which nobody came to."""

    def __init__(self, database: Database, clock: LabClock) -> None:
        super().__init__(database, clock)
        with database.write() as session:
            make_device(session, "mill-1", name="CNC mill", created_at=MONDAY_MORNING - timedelta(days=90))
            used = {"state": "done", "used_from": at(9).start, "used_until": at(11).start}
            place_booking(session, self.foundry.id, at(9, length=3), "mill-1", **used)
            place_booking(session, self.joinery.id, at(9, day=24, length=6), "mill-1", state="no_show")
        clock.advance(timedelta(days=7))
        self.app = create_app(settings=Settings(), database=database, clock=clock, store=None, live=None)

    def look(self, query: str = "", who: str = "manager") -> Response:
        return self.browser(self.app, who).get(f"/manage/figures{query}")


@pytest.fixture
def town(database: Database, lab_clock: LabClock) -> Counted:
    return Counted(database, lab_clock)


def words(page: Response) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def test_the_days_that_are_asked_for_are_counted_both_included(town: Counted) -> None:
    said = words(town.look("?first=2026-11-23&last=2026-11-29"))
    assert "Mon 23 Nov 2026 – Sun 29 Nov 2026: 15 % of the open time was booked, 9.0 h of 60.0 h." in said
    assert "2 bookings start in these days." in said
    assert "CNC mill 15 % 60.0 9.0 2.0 1.0 2 1" in said
    assert f"{town.foundry.name} 5 % 60.0 3.0 2.0 1.0 1 0" in said
    assert f"{town.joinery.name} 10 % 60.0 6.0 0.0 0.0 1 1" in said
    assert "from Mon 23 Nov 2026 15 %" in said
    page = town.look("?first=2026-11-24&last=2026-11-24")
    assert "50 % of the open time was booked, 6.0 h of 12.0 h. 1 booking starts in these days." in words(page)
    assert "from=2026-11-24&amp;to=2026-11-25&amp;by=device" in page.text, "the file counts the same days"


def test_without_days_the_last_eight_weeks_are_shown_this_one_included(town: Counted) -> None:
    said = words(town.look())
    assert "Mon 12 Oct 2026 – Sun 6 Dec 2026:" in said
    assert said.count("from Mon") == 8


def test_days_without_bookings_say_so(town: Counted) -> None:
    assert "Nothing was booked in these days." in words(town.look("?first=2026-10-12&last=2026-10-13"))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?first=soon&last=2026-11-29", "Please choose two days."),
        ("?first=2026-11-29&last=2026-11-23", "The first day comes after the last one."),
        ("?first=2020-01-01&last=2026-11-23", "Please ask for 732 days at most, then for the rest."),
        ("?first=0001-01-01&last=0001-01-01", "Please choose two days."),
        ("?first=9999-12-31&last=9999-12-31", "Please choose two days."),
        ("?first=a%01b&last=%ED%A0%80", "Please choose two days."),
    ],
)
def test_what_are_no_days_is_said_and_the_usual_ones_are_shown(town: Counted, query: str, said: str) -> None:
    page = town.look(query)
    assert page.status_code == 422
    assert said in words(page)
    assert "Mon 12 Oct 2026 – Sun 6 Dec 2026:" in words(page)


def test_no_share_is_said_of_days_on_which_no_machine_is_open(town: Counted, database: Database) -> None:
    with database.write() as session:
        place_booking(session, town.foundry.id, at(9, day=29, length=6), "mill-1")
    said = words(town.look("?first=2026-11-29&last=2026-11-29"))
    assert "6.0 h were booked; no machine is open in these days." in said
    assert "CNC mill – 0.0 6.0" in said
    assert "%" not in said.partition("Nobody came")[0].partition("Sun 29 Nov 2026: ")[2]


def test_only_the_staff_sees_them(town: Counted) -> None:
    assert town.look(who="engineer").status_code == 200
    assert town.look(who="founder").status_code == 403
