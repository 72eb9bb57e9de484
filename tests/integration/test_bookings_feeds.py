"""Calendar feeds over HTTP: who reads what, by which link, and until when."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa
from icalendar import Calendar, Event

from bookings.feeds.models import CalendarLink
from bookings.models import Booking, BookingDevice, BookingEngineer
from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from lab.core.time import Span
from lab.people.models import Account
from lab.people.principals import Role
from tests.booking_lab import at
from tests.factories import MONDAY_MORNING, make_device
from tests.web_client import ORIGIN, Client, Town, program

LINKS = "/api/v1/calendar-links"

_number = count(1)


class Feeds:
    """A foundry, a joinery, the lab's staff, two machines, and programs that read calendars."""

    def __init__(self, database: Database, clock: LabClock, **settings: Any) -> None:
        self.database, self.clock = database, clock
        self.town = Town(database, clock)
        with database.write() as session:
            make_device(session, "mill-1", setup_minutes=10, cleanup_minutes=5)
            make_device(session, "meter-1")
        self.app = create_app(settings=Settings(**settings), database=database, clock=clock, store=None, live=None)
        self.anybody = program(self.app)
        self.programs: dict[str, Client] = {}

    def booked(self, who: str, span: Span, *device_ids: str, title: str = "Trial", **facts: Any) -> str:
        """Put a booking into the database, with ten minutes before and five after it reserved."""
        active, engineer = facts.pop("active", True), facts.pop("engineer", None)
        booking = a_booking(self.town.accounts[who], span, title=title, **facts)
        for device_id in device_ids or ("mill-1",):
            reserved = span.widened(before=timedelta(minutes=10), after=timedelta(minutes=5))
            booking.devices.append(
                BookingDevice(
                    device_id=device_id, reserved_start=reserved.start, reserved_end=reserved.end, active=active
                )
            )
        if engineer is not None:
            account = self.town.accounts[engineer]
            booking.engineers.append(
                BookingEngineer(account_id=account.id, reserved_start=span.start, reserved_end=span.end, active=active)
            )
        with self.database.write() as session:
            session.add(booking)
        return booking.id

    def api(self, who: str) -> Client:
        """A program of this person's."""
        return self.programs.setdefault(who, self.town.program(self.app, who))

    def link(self, who: str, kind: str, subject_id: str | None = None) -> str:
        """The path behind a new link."""
        body = {"kind": kind} | ({"subject_id": subject_id} if subject_id else {})
        answer = self.api(who).post(LINKS, json=body)
        assert answer.status_code == 201, answer.text
        url: str = answer.json()["url"]
        return url.removeprefix(ORIGIN)

    def read(self, path: str) -> Calendar:
        """The calendar behind a link, for anybody who knows it."""
        answer = self.anybody.get(path)
        assert answer.status_code == 200, answer.text
        return Calendar.from_ical(answer.content)

    def shown(self, path: str) -> list[tuple[str, datetime, str]]:
        """Summary, start and status of what a calendar shows."""
        return [(str(event["SUMMARY"]), event.start, str(event["STATUS"])) for event in self.read(path).events]

    def change(self, booking_id: str, **facts: Any) -> None:
        """As the calendar's own services change a booking: with the next version."""
        with self.database.write() as session:
            booking = session.get_one(Booking, booking_id)
            for name, value in {"changed_at": self.clock.now(), **facts}.items():
                setattr(booking, name, value)
            booking.version += 1


def a_booking(account: Account, span: Span, **facts: Any) -> Booking:
    """A confirmed booking of this person for the own company, without devices."""
    given = {
        "id": f"bkg_{next(_number):020}",
        "organisation_id": account.organisation_id,
        "pilot_id": None,
        "booked_by": account.id,
        "title": "Trial",
        "start_at": span.start,
        "end_at": span.end,
        "state": "confirmed",
        "version": 1,
        "created_at": MONDAY_MORNING,
        "changed_at": MONDAY_MORNING,
        "supervised": False,
    }
    return Booking(**{**given, **facts})


@pytest.fixture
def feeds(each_database: Database, lab_clock: LabClock) -> Feeds:
    return Feeds(each_database, lab_clock)


def only_event(calendar: Calendar) -> Event:
    [event] = calendar.events
    return event


def test_a_person_reads_own_bookings_by_the_labs_wall_clock(feeds: Feeds) -> None:
    booking_id = feeds.booked(
        "founder", at(9), "meter-1", "mill-1", title="Łożysko, próba; część 1", engineer="engineer"
    )
    event = only_event(feeds.read(feeds.link("founder", "person")))
    assert event["UID"] == f"{booking_id}@gliwice"
    assert event["SUMMARY"] == "Łożysko, próba; część 1"
    assert event["DTSTART"].to_ical() == b"20261123T090000"
    assert event["DTSTART"].params["TZID"] == "Europe/Warsaw"
    assert (event.start, event.end) == (at(9).start, at(9).end)
    assert (event["STATUS"], event["SEQUENCE"], event["CLASS"], event["TRANSP"]) == ("CONFIRMED", 0, "PUBLIC", "OPAQUE")
    assert "Devices: Meter 1, Mill 1\nCompany: Foundry\nSupervised by: Engineer" in event["DESCRIPTION"]


def test_a_calendar_speaks_the_language_of_whose_link_it_is(feeds: Feeds) -> None:
    feeds.booked("founder", at(9), "mill-1")
    with feeds.database.write() as session:
        session.get_one(Account, feeds.town.accounts["founder"].id).language = "pl"
    polish, english = (
        str(only_event(feeds.read(feeds.link(who, "company", feeds.town.foundry.id)))["DESCRIPTION"])
        for who in ("founder", "engineer")
    )
    assert "Urządzenia: Mill 1\nFirma: Foundry" in polish
    assert "Devices: Mill 1\nCompany: Foundry" in english


def test_a_calendar_says_what_it_is_and_how_often_to_look(feeds: Feeds) -> None:
    answer = feeds.anybody.get(feeds.link("founder", "company"))
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.headers["content-disposition"] == 'inline; filename="gliwice-company.ics"'
    assert answer.headers["cache-control"] == "private, no-cache"
    assert feeds.anybody.call("HEAD", answer.request.url.path).headers["etag"] == answer.headers["etag"]
    calendar = Calendar.from_ical(answer.content)
    assert calendar["X-WR-CALNAME"] == calendar["NAME"] == "Foundry · Competence Centre for Industry 4.0, Gliwice"
    assert calendar["REFRESH-INTERVAL"].dt == timedelta(minutes=15)
    assert [zone["TZID"] for zone in calendar.walk("VTIMEZONE")] == ["Europe/Warsaw"]


def test_an_engineer_reads_what_he_supervises(feeds: Feeds) -> None:
    feeds.booked("founder", at(9), engineer="engineer", title="With help")
    feeds.booked("founder", at(11), title="Alone")
    assert [title for title, _, _ in feeds.shown(feeds.link("engineer", "person"))] == ["With help (Foundry)"]


def test_a_company_reads_its_own_bookings_only(feeds: Feeds) -> None:
    feeds.booked("founder", at(9), title="Casting")
    feeds.booked("joiner", at(11), title="Sawing")
    assert [title for title, _, _ in feeds.shown(feeds.link("founder", "company"))] == ["Casting"]
    joinery = feeds.town.joinery.id
    assert [title for title, _, _ in feeds.shown(feeds.link("engineer", "company", joinery))] == ["Sawing (Joinery)"]


def test_strangers_on_a_device_are_busy_and_nothing_else(feeds: Feeds) -> None:
    own = feeds.booked("founder", at(9), title="Casting")
    foreign = feeds.booked("joiner", at(11), title="Sawing", engineer="engineer")
    path = feeds.link("founder", "device", "mill-1")
    mine, busy = feeds.read(path).events
    assert (mine["UID"], mine["SUMMARY"]) == (f"{own}@gliwice", "Casting")
    assert (busy["SUMMARY"], busy["CLASS"], busy["TRANSP"]) == ("busy", "PRIVATE", "OPAQUE")
    assert (busy.start, busy.end) == (at(11).start - timedelta(minutes=10), at(12).start + timedelta(minutes=5))
    assert set(busy) == {
        "UID", "SEQUENCE", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY", "STATUS", "CLASS", "TRANSP"
    }  # fmt: skip
    raw = feeds.anybody.get(path).text
    for secret in (foreign, foreign[4:], "Sawing", "Joinery", "Engineer", feeds.town.joinery.id):
        assert secret not in raw


def test_a_busy_event_stays_one_event_within_a_link_and_cannot_be_matched_between_two(feeds: Feeds) -> None:
    foreign = feeds.booked("joiner", at(11))
    first, second = (feeds.link("founder", "device", "mill-1") for _ in range(2))
    before = only_event(feeds.read(first))
    feeds.change(foreign, end_at=at(13).start)
    after = only_event(feeds.read(first))
    assert after["UID"] == before["UID"] != only_event(feeds.read(second))["UID"]
    assert after["SEQUENCE"] == before["SEQUENCE"] + 1


def test_staff_read_everything_on_a_device(feeds: Feeds) -> None:
    feeds.booked("founder", at(9), title="Casting")
    feeds.booked("joiner", at(11), title="Sawing")
    feeds.booked("joiner", at(13), "meter-1", title="Elsewhere")
    titles = [title for title, _, _ in feeds.shown(feeds.link("engineer", "device", "mill-1"))]
    assert titles == ["Casting (Foundry)", "Sawing (Joinery)"]


def test_no_feed_of_one_company_has_a_byte_of_the_others_words(feeds: Feeds) -> None:
    for hour, device in ((9, "mill-1"), (11, "meter-1")):
        feeds.booked("founder", at(hour), device, title="Żeliwo sferoidalne", engineer="engineer")
        feeds.booked("founder", at(hour + 4), device, title="Żeliwo", state="cancelled", active=False)
        feeds.booked("founder", at(hour, day=24), device, title="Żeliwo", state="requested")
    wishes = [("person", None), ("company", None), ("device", "mill-1"), ("device", "meter-1")]
    for kind, subject in wishes:
        raw = feeds.anybody.get(feeds.link("joiner", kind, subject)).text
        assert "eliwo" not in raw
        assert "Foundry" not in raw
        assert "bkg_" not in raw


def test_what_is_cancelled_stays_as_cancelled_for_a_month_with_a_higher_number(feeds: Feeds) -> None:
    booking_id = feeds.booked("founder", at(9, day=30))
    path = feeds.link("founder", "company")
    before = only_event(feeds.read(path))
    feeds.change(booking_id, state="cancelled", cancelled_at=feeds.clock.now())
    after = only_event(feeds.read(path))
    assert (after["STATUS"], after["UID"], after["TRANSP"]) == ("CANCELLED", before["UID"], "TRANSPARENT")
    assert after["SEQUENCE"] > before["SEQUENCE"]
    feeds.clock.advance(timedelta(days=31))
    assert feeds.shown(path) == []


@pytest.mark.parametrize(
    ("state", "status"),
    [("requested", "TENTATIVE"), ("in_use", "CONFIRMED"), ("done", "CONFIRMED"), ("no_show", "CANCELLED")],
)
def test_each_state_has_its_word_in_the_calendar(
    database: Database, lab_clock: LabClock, state: str, status: str
) -> None:
    feeds = Feeds(database, lab_clock)
    feeds.booked("founder", at(9), state=state)
    assert [shown for _, _, shown in feeds.shown(feeds.link("founder", "person"))] == [status]


def test_who_supervises_learns_of_a_cancellation_too(feeds: Feeds) -> None:
    feeds.booked("founder", at(9), engineer="engineer", state="cancelled", active=False)
    assert [status for _, _, status in feeds.shown(feeds.link("engineer", "person"))] == ["CANCELLED"]


def test_what_is_long_over_is_left_out_and_what_is_far_ahead_is_not(feeds: Feeds) -> None:
    feeds.booked("founder", Span(at(9).start - timedelta(days=91), at(9).end - timedelta(days=91)), title="Old")
    feeds.booked("founder", Span(at(9).start - timedelta(days=89), at(9).end - timedelta(days=89)), title="Recent")
    feeds.booked("founder", Span(at(9).start + timedelta(days=400), at(9).end + timedelta(days=400)), title="Far")
    assert [title for title, _, _ in feeds.shown(feeds.link("founder", "company"))] == ["Recent", "Far"]


def test_a_revoked_link_is_dead_at_once_and_for_good(feeds: Feeds) -> None:
    path = feeds.link("founder", "person")
    [link] = feeds.api("founder").get(LINKS).json()["links"]
    feeds.read(path)
    for _ in range(2):
        assert feeds.api("founder").post(f"{LINKS}/{link['id']}/revoke").json()["revoked_at"] is not None
        assert feeds.anybody.get(path).status_code == 404


def test_nobody_revokes_or_sees_anothers_link(feeds: Feeds) -> None:
    path = feeds.link("founder", "person")
    [link] = feeds.api("founder").get(LINKS).json()["links"]
    for who in ("joiner", "engineer", "manager"):
        assert feeds.api(who).get(LINKS).json() == {"links": []}
        assert feeds.api(who).post(f"{LINKS}/{link['id']}/revoke").status_code == 404
    feeds.read(path)


def test_links_die_with_their_owners_account(feeds: Feeds) -> None:
    path = feeds.link("founder", "company")
    disabled = feeds.api("manager").post(f"/api/v1/accounts/{feeds.town.accounts['founder'].id}/disable")
    assert disabled.status_code == 403  # by a program; at the browser it is allowed
    with feeds.database.write() as session:
        session.get_one(Account, feeds.town.accounts["founder"].id).disabled_at = feeds.clock.now()
    assert feeds.anybody.get(path).status_code == 404


def test_a_link_shows_what_its_owner_may_see_now(feeds: Feeds) -> None:
    feeds.booked("joiner", at(9), title="Sawing")
    device, company = (
        feeds.link("engineer", "device", "mill-1"),
        feeds.link("engineer", "company", feeds.town.joinery.id),
    )
    assert [title for title, _, _ in feeds.shown(device)] == ["Sawing (Joinery)"]
    engineer = feeds.town.accounts["engineer"].id
    with feeds.database.write() as session:
        account = session.get_one(Account, engineer)
        account.role, account.organisation_id = Role.MEMBER.value, feeds.town.foundry.id
    assert [title for title, _, _ in feeds.shown(device)] == ["busy"]
    assert feeds.anybody.get(company).status_code == 404
    with feeds.database.write() as session:
        session.get_one(Account, engineer).role = Role.RECIPIENT.value
    assert feeds.anybody.get(device).status_code == 404


def test_a_person_who_changes_the_company_leaves_the_bookings_behind(feeds: Feeds) -> None:
    feeds.booked("founder", at(9), title="Casting")
    path = feeds.link("founder", "person")
    with feeds.database.write() as session:
        session.get_one(Account, feeds.town.accounts["founder"].id).organisation_id = feeds.town.joinery.id
    assert feeds.shown(path) == []


def test_a_calendar_that_has_not_changed_is_not_sent_again(feeds: Feeds) -> None:
    booking_id = feeds.booked("founder", at(9))
    path = feeds.link("founder", "person")
    tag = feeds.anybody.get(path).headers["etag"]
    feeds.clock.advance(timedelta(days=2))
    for known in (tag, f'"other", W/{tag}', "*"):
        again = feeds.anybody.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    feeds.change(booking_id, title="Second trial")
    changed = feeds.anybody.get(path, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


def test_the_secret_is_shown_once_and_kept_nowhere(feeds: Feeds) -> None:
    answer = feeds.api("founder").post(LINKS, json={"kind": "person"})
    secret = answer.json()["url"].removeprefix(f"{ORIGIN}/calendars/").removesuffix(".ics")
    assert len(secret) >= 40
    assert secret not in feeds.api("founder").get(LINKS).text
    with feeds.database.read() as session:
        [row] = session.execute(sa.select(CalendarLink.__table__)).all()
    assert secret not in str(row)
    assert secret.removeprefix("cal_") not in str(row)


def test_the_address_is_the_one_by_which_people_reach_the_lab(database: Database, lab_clock: LabClock) -> None:
    feeds = Feeds(database, lab_clock, public_url="https://lab.example.org/")
    answer = feeds.api("founder").post(LINKS, json={"kind": "person"}).json()
    assert answer["url"].startswith("https://lab.example.org/calendars/cal_")


def test_the_owner_sees_to_the_hour_when_a_link_was_read(feeds: Feeds) -> None:
    path = feeds.link("founder", "person")
    seen = []
    for step in (timedelta(0), timedelta(minutes=20), timedelta(minutes=50)):
        feeds.clock.advance(step)
        feeds.read(path)
        seen.append(feeds.api("founder").get(LINKS).json()["links"][0]["last_read_at"])
    assert seen == ["2026-11-23T07:00:00Z", "2026-11-23T07:00:00Z", "2026-11-23T08:10:00Z"]


@pytest.mark.parametrize("secret", ["cal_wrong", "%00", "%F0%9F%92%A9", "x" * 5000, "cal_%ED%A0%80"])
def test_an_address_that_was_never_given_is_not_there(database: Database, lab_clock: LabClock, secret: str) -> None:
    answer = Feeds(database, lab_clock).anybody.get(f"/calendars/{secret}.ics")
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("who", "body", "status"),
    [
        ("founder", {"kind": "device"}, 422),
        ("founder", {"kind": "device", "subject_id": "mill-9"}, 404),
        ("founder", {"kind": "room"}, 422),
        ("founder", {"kind": "person", "token": "mine"}, 422),
        ("founder", {"kind": "person", "subject_id": "\0"}, 422),
        ("engineer", {"kind": "company", "subject_id": "org_none"}, 404),
        ("engineer", {"kind": "person", "subject_id": "acc_none"}, 404),
        ("reader", {"kind": "company"}, 403),
        ("reader", {"kind": "device", "subject_id": "mill-1"}, 403),
    ],
)
def test_a_link_to_nothing_is_refused(
    database: Database, lab_clock: LabClock, who: str, body: dict[str, Any], status: int
) -> None:
    assert Feeds(database, lab_clock).api(who).post(LINKS, json=body).status_code == status


def test_a_link_to_anothers_calendar_is_refused_as_if_it_were_not_there(feeds: Feeds) -> None:
    for kind, subject in (("company", feeds.town.joinery.id), ("person", feeds.town.accounts["joiner"].id)):
        answer = feeds.api("founder").post(LINKS, json={"kind": kind, "subject_id": subject})
        none = feeds.api("founder").post(LINKS, json={"kind": kind, "subject_id": "xyz_none"})
        assert answer.status_code == 404
        assert answer.json() == none.json()


def test_a_person_does_not_collect_links_without_end(database: Database, lab_clock: LabClock) -> None:
    feeds = Feeds(database, lab_clock)
    for _ in range(50):
        feeds.link("founder", "person")
    refused = feeds.api("founder").post(LINKS, json={"kind": "person"})
    assert (refused.status_code, refused.json()["limit"]) == (409, 50)
    newest = feeds.api("founder").get(LINKS).json()["links"][0]["id"]
    feeds.api("founder").post(f"{LINKS}/{newest}/revoke")
    feeds.link("founder", "person")


def test_more_events_take_no_more_queries(feeds: Feeds) -> None:
    path = feeds.link("founder", "device", "mill-1")
    taken: list[str] = []
    feeds.read(path)  # notes that the link is read, which it does once an hour

    def count_statements() -> int:
        taken.clear()
        feeds.read(path)
        return len(taken)

    @sa.event.listens_for(feeds.database.engine, "before_cursor_execute")
    def note(*args: Any) -> None:
        taken.append(args[2])

    for hour in (9, 13):
        feeds.booked("founder", at(hour), engineer="engineer")
        feeds.booked("joiner", at(hour + 2))
    few = count_statements()
    for day in range(24, 29):
        feeds.booked("founder", at(9, day=day), "mill-1", "meter-1", engineer="engineer")
        feeds.booked("joiner", at(11, day=day))
    assert count_statements() == few <= 8
