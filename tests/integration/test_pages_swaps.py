"""Two bookings change places on a page: both or neither, and only those that somebody may move."""

import re
from datetime import timedelta
from html import unescape

import pytest
from httpx import Response

from bookings.models import Booking
from bookings.rulebook.models import RuleEntry
from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from lab.core.time import Span
from tests.booking_lab import at
from tests.factories import make_device
from tests.placed_bookings import place_booking
from tests.web_client import Town


class Swapping(Town):
    """The town with a mill and a printer; the foundry has two bookings of the mill, the joinery one."""

    def __init__(self, database: Database, clock: LabClock) -> None:
        super().__init__(database, clock)
        tuesday, wednesday = at(9, day=24), Span(at(13, day=25).start, at(15, day=25).end)
        with database.write() as session:
            for device in ("mill-1", "printer-1"):
                make_device(session, device)
            foundry, joinery = self.foundry.id, self.joinery.id
            self.first = place_booking(session, foundry, tuesday, "mill-1", title="Feed").id
            self.second = place_booking(session, foundry, wednesday, "mill-1", "printer-1", title="Speed").id
            self.theirs = place_booking(session, joinery, at(9, day=26), "mill-1", title="Secret").id
            self.printing = place_booking(session, foundry, at(9, day=27), "printer-1", title="Brackets").id
        self.app = create_app(settings=Settings(), database=database, clock=clock, store=None, live=None)

    def get(self, who: str, path: str) -> Response:
        return self.browser(self.app, who).get(path)

    def swap(self, who: str, one: str, other: str, **versions: str) -> Response:
        return self.browser(self.app, who).post(f"/bookings/{one}/swap", data={"other": other, **versions})

    def times(self, *bookings: str) -> list[str]:
        with self.database.read() as session:
            found = [session.get_one(Booking, one) for one in bookings]
            return [f"{one.start_at:%d %H:%M}-{one.end_at:%H:%M}" for one in found]


@pytest.fixture
def town(each_database: Database, lab_clock: LabClock) -> Swapping:
    return Swapping(each_database, lab_clock)


def words(page: Response) -> str:
    return re.sub(r" ([,.;:])", r"\1", " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split()))


BEFORE, AFTER = ["24 08:00-09:00", "25 12:00-15:00"], ["25 12:00-15:00", "24 08:00-09:00"]


def test_two_of_ones_own_change_places_after_a_look_at_what_follows(town: Swapping) -> None:
    page = town.get("founder", f"/bookings/{town.first}")
    said = words(page)
    assert "“Feed” is then Wed 25 Nov 2026, 13:00–16:00 CET, and “Speed” is Tue 24 Nov 2026, 09:00–10:00 CET." in said
    assert "Secret" not in page.text
    assert "Brackets" not in said, "it is on no machine of this one"
    versions = dict(re.findall(r'name="(version|other_version)" value="(\d+)"', page.text.split('id="swap"')[1]))
    done = town.swap("founder", town.first, town.second, **versions)
    assert (done.status_code, done.headers["location"]) == (303, "/bookings?done=swapped")
    assert town.times(town.first, town.second) == AFTER
    assert "The two bookings have changed places." in words(town.get("founder", "/bookings?done=swapped"))


def test_who_decided_on_an_older_look_is_told_and_nothing_is_changed(town: Swapping) -> None:
    assert (
        town.swap("founder", town.first, town.second, version="1", other_version="7")
        .headers["location"]
        .endswith("done=late")
    )
    assert town.times(town.first, town.second) == BEFORE


def test_what_is_in_the_way_is_said_of_which_and_neither_moves(town: Swapping) -> None:
    with town.database.write() as session:
        place_booking(session, town.joinery.id, at(9, day=24), "printer-1", title="Secret too")
    answer = town.swap("founder", town.first, town.second)
    assert answer.status_code == 409
    assert "Nothing is changed, because of “Speed”." in words(answer)
    assert "Secret" not in answer.text
    with town.database.write() as session:
        settings = {"longest_minutes": 60}
        session.add(
            RuleEntry(scope="lab", name="", settings=settings, version=1, changed_by="x", changed_at=town.clock.now())
        )
    answer = town.swap("founder", town.first, town.second)
    assert answer.status_code in {409, 422}
    assert "Nothing is changed, because of “Feed”. A booking lasts 1 h at most" in words(answer)
    assert town.times(town.first, town.second) == BEFORE


def test_nobody_swaps_with_another_company_but_the_staff_may(town: Swapping) -> None:
    assert town.swap("founder", town.first, town.theirs).status_code == 404
    assert town.swap("joiner", town.first, town.theirs).status_code == 404
    assert town.swap("reader", town.first, town.second).status_code in {403, 404}
    assert town.swap("founder", town.first, "").status_code == 404
    assert town.swap("founder", town.first, town.first).status_code == 422
    assert town.times(town.first, town.theirs) == ["24 08:00-09:00", "26 08:00-09:00"]
    said = words(town.get("engineer", f"/bookings/{town.first}"))
    assert f"Secret, Thu 26 Nov 2026, 09:00–10:00 CET, {town.joinery.name}" in said
    assert town.swap("engineer", town.first, town.theirs).headers["location"] == "/bookings?done=swapped"
    assert town.times(town.first, town.theirs) == ["26 08:00-09:00", "24 08:00-09:00"]


def test_what_has_begun_neither_offers_nor_makes_a_swap(town: Swapping) -> None:
    town.clock.advance(timedelta(days=1, hours=1, minutes=30))
    assert 'id="swap"' not in town.get("founder", f"/bookings/{town.first}").text
    offered = town.get("founder", f"/bookings/{town.second}").text.split('id="swap"')[1]
    assert "Brackets" in offered
    assert "Feed" not in offered
    answer = town.swap("founder", town.second, town.first)
    assert answer.status_code == 409
    assert "This booking has started and stays where it is" in words(answer)
