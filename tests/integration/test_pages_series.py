"""Bookings of every week on pages: what each date would be, the booking of what was seen, and the series afterwards."""

import re
from datetime import timedelta
from html import unescape

import pytest
from httpx import Response
from sqlalchemy import select

from bookings.models import Booking
from bookings.series.service import move_series
from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from lab.core.time import Span
from tests.booking_lab import RULES, at
from tests.factories import make_device
from tests.placed_bookings import place_booking
from tests.web_client import Town

WEEK = timedelta(weeks=1)
FORM = {
    "device_ids": "mill-1",
    "start": "2026-11-24T09:00",
    "end": "2026-11-24T10:00",
    "title": "Feed trial",
    "times": "3",
}
LOOK = "/bookings/series/new?device=mill-1&start=2026-11-24T09:00&end=2026-11-24T10:00&title=Feed+trial&times=3"


class Weekly(Town):
    """The town with a mill, and pages."""

    def __init__(self, database: Database, clock: LabClock) -> None:
        super().__init__(database, clock)
        with database.write() as session:
            make_device(session, "mill-1", name="CNC mill", price_cents_per_hour=8_500)
        self.app = create_app(settings=Settings(), database=database, clock=clock, store=None, live=None)

    def get(self, who: str, path: str) -> Response:
        return self.browser(self.app, who).get(path)

    def post(self, who: str, path: str, **form: str) -> Response:
        return self.browser(self.app, who).post(path, data=form)

    def take(self, span: Span) -> None:
        """The joinery has the mill then."""
        with self.database.write() as session:
            place_booking(session, self.joinery.id, span, "mill-1", title="Secret")

    def held(self) -> list[tuple[str, str]]:
        """What the foundry has, by start: when in UTC, and how it stands."""
        with self.database.read() as session:
            query = select(Booking).where(Booking.organisation_id == self.foundry.id).order_by(Booking.start_at)
            return [(f"{one.start_at:%d %H:%M}", one.state) for one in session.scalars(query)]

    def made(self) -> str:
        """A booked series: the address of its page."""
        return self.post("founder", "/bookings/series", **FORM).headers["location"].partition("?")[0]


@pytest.fixture
def weekly(database: Database, lab_clock: LabClock) -> Weekly:
    return Weekly(database, lab_clock)


def words(page: Response) -> str:
    """What stands on a page, without markup."""
    return re.sub(r" ([,.;:])", r"\1", " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split()))


def test_a_form_with_several_weeks_leads_to_its_dates_and_books_nothing(weekly: Weekly) -> None:
    answer = weekly.post("founder", "/bookings/new", **FORM)
    assert answer.status_code == 303
    said = words(weekly.get("founder", answer.headers["location"]))
    for day in ("Tue 24 Nov", "Tue 1 Dec", "Tue 8 Dec"):
        assert f"{day} 2026, 09:00–10:00 CET can be booked 85.00 EUR" in said
    assert "You pay 255.00 EUR in all for the 3 dates that are free." in said
    assert weekly.held() == []


def test_a_taken_date_is_left_out_or_another_time_is_chosen_for_it(weekly: Weekly) -> None:
    weekly.take(Span(at(9, day=24).start + WEEK, at(9, day=24).end + WEEK))
    page = weekly.get("founder", LOOK)
    assert "cannot be booked – Taken: CNC mill." in words(page)
    assert "Secret" not in page.text
    assert "170.00 EUR in all for the 2 dates" in words(page)
    other = re.findall(r'name="instead_2" value="([^"]+)"', page.text)[0]
    left_out = weekly.post("founder", "/bookings/series", **FORM, instead_2="")
    assert "?done=booked" in left_out.headers["location"]
    assert [when for when, _ in weekly.held()] == ["24 08:00", "08 08:00"]
    weekly.post("founder", left_out.headers["location"].partition("?")[0] + "/cancel")
    chosen = weekly.post("founder", "/bookings/series", **FORM, instead_2=other)
    said = words(weekly.get("founder", chosen.headers["location"]))
    assert said.count("confirmed") == 3
    assert "Tue 1 Dec 2026" in said


def test_what_is_taken_since_somebody_looked_is_shown_again_and_nothing_is_booked(weekly: Weekly) -> None:
    assert "for the 3 dates" in words(weekly.get("founder", LOOK))
    weekly.take(at(9, day=24))
    answer = weekly.post("founder", "/bookings/series", **FORM)
    assert answer.status_code == 409
    assert "something has changed meanwhile" in words(answer)
    assert "Taken: CNC mill." in words(answer)
    assert weekly.held() == []


def test_a_series_with_every_date_left_out_is_none(weekly: Weekly) -> None:
    left = {f"instead_{number}": "" for number in (1, 2, 3)}
    answer = weekly.post("founder", "/bookings/series", **FORM, **left)
    assert (answer.status_code, "every date is left out" in words(answer)) == (409, True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"title": ""}, "what the slot is for"),
        ({"device_ids": ""}, "choose at least one machine"),
        ({"times": "900"}, "how many weeks, from 1 to 52"),
        ({"times": "often"}, "how many weeks, from 1 to 52"),
        ({"start": "soon"}, "is a date and a time"),
    ],
)
def test_a_form_that_makes_no_series_is_shown_again_with_the_reason(
    weekly: Weekly, changes: dict[str, str], said: str
) -> None:
    answer = weekly.post("founder", "/bookings/series", **{**FORM, **changes})
    assert (answer.status_code, said in words(answer)) == (422, True), words(answer)


def test_what_is_ahead_of_a_series_moves_together_or_not_at_all(weekly: Weekly) -> None:
    address = weekly.made()
    weekly.clock.advance(timedelta(days=2))
    weekly.take(Span(at(13, day=24).start + 2 * WEEK, at(13, day=24).end + 2 * WEEK))
    refused = weekly.post("founder", f"{address}/move", start="2026-12-01T13:00")
    assert refused.status_code == 409
    said = words(refused)
    assert "because of the date that is now Tue 8 Dec 2026, 09:00–10:00 CET. Taken: CNC mill." in said
    assert [when for when, _ in weekly.held()] == ["24 08:00", "01 08:00", "08 08:00"]
    assert weekly.post("founder", f"{address}/move", start="2026-12-02T14:00").headers["location"].endswith("moved")
    assert [when for when, _ in weekly.held()] == ["24 08:00", "02 13:00", "09 13:00"]


def test_a_series_that_moves_over_the_change_of_the_clocks_keeps_its_hour(weekly: Weekly) -> None:
    weekly.clock.advance(timedelta(days=100))
    form = {**FORM, "start": "2027-03-23T09:00", "end": "2027-03-23T10:00"}
    address = weekly.post("founder", "/bookings/series", **form).headers["location"].partition("?")[0]
    assert [when for when, _ in weekly.held()] == ["23 08:00", "30 07:00", "06 07:00"]
    with weekly.database.write() as session:
        series_id, start = address.rpartition("/")[2], at(11, day=24).start.replace(year=2027, month=3, day=25)
        now = weekly.clock.now()
        moved = move_series(session, weekly.principal("founder"), series_id, start, now=now, rules=RULES)
        assert [f"{one.start_at:%d %H:%M}" for one in moved] == ["25 10:00", "01 09:00", "08 09:00"]


def test_what_is_ahead_of_a_series_is_given_back_at_once(weekly: Weekly) -> None:
    address = weekly.made()
    assert "Yes, cancel 3 bookings" in words(weekly.get("founder", address))
    assert weekly.post("founder", f"{address}/cancel").headers["location"].endswith("?done=cancelled")
    assert {state for _, state in weekly.held()} == {"cancelled"}
    said = words(weekly.get("founder", address))
    assert "Cancel all that are ahead" not in said
    assert weekly.post("founder", f"{address}/move", start="2026-12-02T14:00").status_code == 409


def test_a_series_of_another_company_does_not_exist(weekly: Weekly) -> None:
    address = weekly.made()
    for path in ("", "/move", "/cancel"):
        answer = (
            weekly.post("joiner", address + path, start="2026-12-02T14:00") if path else weekly.get("joiner", address)
        )
        assert answer.status_code == 404
    assert weekly.get("reader", LOOK).status_code == 403
    assert {state for _, state in weekly.held()} == {"confirmed"}
