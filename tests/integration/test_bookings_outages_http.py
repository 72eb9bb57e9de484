"""Taking devices out of service, over HTTP: who may, what it hits, who is told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from httpx import Response

from bookings.models import Booking
from bookings.outages.models import Outage
from bookings.outages.service import outages_within
from bookings.repository import lock_devices
from bookings.states import BookingState
from lab.app import create_app
from lab.core.audit import changes_of
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.jobs import Job
from lab.core.settings import Settings
from lab.core.time import Span
from tests.booking_lab import at
from tests.factories import make_device
from tests.placed_bookings import place_booking
from tests.web_client import Client, Town

OUTAGES = "/api/v1/outages"
ZONE = "Europe/Warsaw"


class Lab:
    """A town with devices; somebody of each role calls."""

    def __init__(self, database: Database, clock: LabClock) -> None:
        self.database, self.clock = database, clock
        self.town = Town(database, clock)
        with database.write() as session:
            make_device(session, "mill-1", setup_minutes=10, cleanup_minutes=5)
            make_device(session, "robot-1")
            make_device(session, "lathe-0", retired_at=clock.now())
        app = create_app(settings=Settings(), database=database, clock=clock, store=None, live=None)
        names = ("manager", "engineer", "founder", "joiner", "reader")
        self.people: dict[str, Client] = {name: self.town.program(app, name) for name in names}

    def place(self, span: Span, *device_ids: str, company: str = "foundry", **facts: Any) -> str:
        organisation = getattr(self.town, company).id
        with self.database.write() as session:
            return place_booking(session, organisation, span, *device_ids, **facts).id

    def declare(
        self, who: str, span: Span, device_id: str | None = "mill-1", *, query: str = "", **more: Any
    ) -> Response:
        headers = more.pop("headers", {})
        body = {
            "device_id": device_id,
            "kind": "planned",
            "start": span.start.isoformat(),
            "end": span.end.isoformat(),
            "reason": "Spindle service",
            **more,
        }
        return self.people[who].post(OUTAGES + query, json=body, headers=headers)

    def change(self, who: str, path: str, body: Any = None, **headers: str) -> Response:
        options: dict[str, Any] = {"headers": headers}
        if body is not None:
            options["json"] = body
        return self.people[who].post(f"{OUTAGES}/{path}", **options)

    def told(self) -> list[tuple[str, str]]:
        """(booking, cause) of every notice that waits."""
        with self.database.read() as session:
            jobs = session.scalars(sa.select(Job).where(Job.kind == "booking-notice").order_by(Job.id))
            return sorted((job.payload["booking_id"], job.payload["cause"]) for job in jobs)


@pytest.fixture
def lab(each_database: Database, lab_clock: LabClock) -> Lab:
    return Lab(each_database, lab_clock)


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements that are executed meanwhile."""
    seen: list[str] = []

    def see(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    sa.event.listen(database.engine, "before_cursor_execute", see)
    yield seen
    sa.event.remove(database.engine, "before_cursor_execute", see)


def problem(response: Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    found: dict[str, Any] = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    return found


def test_an_outage_is_declared_seen_ended_and_noted(lab: Lab) -> None:
    made = lab.declare("engineer", at(9, length=3))
    assert made.status_code == 201
    outage = made.json()["outage"]
    assert made.headers["location"] == f"{OUTAGES}/{outage['id']}"
    assert made.headers["etag"] == '"1"'
    assert (outage["kind"], outage["last_end"], made.json()["hits"]) == ("planned", "2026-11-23T11:00:00Z", [])

    lab.clock.jump_to(at(10).start)
    ended = lab.change("engineer", f"{outage['id']}/end", {"reason": "Done early"}, **{"If-Match": '"1"'})
    assert (ended.status_code, ended.json()["end"], ended.headers["etag"]) == (200, "2026-11-23T09:00:00Z", '"2"')
    with lab.database.read() as session:
        log = changes_of(session, "outage", outage["id"])
        assert [(entry.what, entry.reason) for entry in log] == [
            ("declared", "Spindle service"),
            ("ended", "Done early"),
        ]
        assert {entry.by for entry in log} == {lab.town.accounts["engineer"].id}
        assert (log[1].before or {})["end"] == "2026-11-23T11:00:00+00:00"


def test_the_bookings_it_hits_are_told_with_other_times_and_stay_as_they_are(lab: Lab) -> None:
    by_buffer = lab.place(at(12.1), before=10, after=5)  # its set-up begins at 11:56
    inside = lab.place(at(10), "mill-1", "robot-1", company="joinery")
    lab.place(at(12.5), "robot-1")
    lab.place(at(9), state="cancelled", active=False)
    lab.place(at(13, day=24))
    made = lab.declare("engineer", at(9, length=3))
    hits = made.json()["hits"]
    assert [hit["booking_id"] for hit in hits] == [inside, by_buffer]
    assert hits[0]["device_ids"] == ["mill-1"]
    assert hits[0]["spans"] == [{"start": "2026-11-23T08:00:00Z", "end": "2026-11-23T11:00:00Z"}]
    outage_id = made.json()["outage"]["id"]
    assert lab.told() == sorted([(inside, outage_id), (by_buffer, outage_id)])
    with lab.database.read() as session:
        assert set(session.scalars(sa.select(Booking.version))) == {1}
    # Both devices are free at once after the other bookings of the day, with buffers: robot-1 until 13:30, mill-1 until
    # 13:11 (and its own set-up of 10 minutes), none on the 24th at 13:00.
    assert hits[0]["alternatives"][0] == {"start": "2026-11-23T12:30:00Z", "end": "2026-11-23T13:30:00Z"}
    for alternative in hits[0]["alternatives"]:
        assert alternative["start"] >= "2026-11-23T11:10:00Z"


def test_other_times_keep_clear_of_outages_bookings_and_the_engineer(lab: Lab) -> None:
    engineer = lab.town.accounts["engineer"].id
    lab.place(at(9), engineer=engineer)
    lab.place(at(11, length=4), "robot-1", engineer=engineer)  # so not from 11 to 15
    assert lab.declare("engineer", at(15, length=2)).status_code == 201  # not from 15 to 17, nor set-up within
    (hit,) = lab.declare("engineer", at(8, length=3), query="?dry_run=true").json()["hits"]
    first = hit["alternatives"][0]
    assert first == {"start": "2026-11-23T16:10:00Z", "end": "2026-11-23T17:10:00Z"}


def test_a_preview_tells_the_same_and_changes_nothing(lab: Lab) -> None:
    booking = lab.place(at(10))
    seen = lab.declare("engineer", at(9, length=3), query="?dry_run=true")
    assert (seen.status_code, seen.json()["outage"]) == (200, None)
    assert lab.told() == []
    with lab.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Outage)) == 0
    declared = lab.declare("engineer", at(9, length=3))
    assert seen.json()["hits"] == declared.json()["hits"]
    assert [hit["booking_id"] for hit in seen.json()["hits"]] == [booking]


def test_closing_the_whole_lab_hits_every_device_and_is_for_managers(lab: Lab) -> None:
    booking = lab.place(at(10), "mill-1", "robot-1")
    assert problem(lab.declare("engineer", at(9, length=3), None), 403)["rule"] == "manager-only"
    made = lab.declare("manager", at(9, length=3), None)
    assert [(hit["booking_id"], hit["device_ids"]) for hit in made.json()["hits"]] == [(booking, ["mill-1", "robot-1"])]
    path = made.json()["outage"]["id"]
    assert problem(lab.change("engineer", f"{path}/withdraw"), 403)["rule"] == "manager-only"
    assert lab.change("manager", f"{path}/withdraw").status_code == 200


@pytest.mark.parametrize("who", ["founder", "reader"])
def test_companies_neither_declare_nor_change_outages(lab: Lab, who: str) -> None:
    path = lab.declare("engineer", at(9)).json()["outage"]["id"]
    for refused in (
        lab.declare(who, at(9)),
        lab.declare(who, at(9), query="?dry_run=true"),
        lab.change(who, f"{path}/end"),
        lab.change(who, f"{path}/withdraw"),
    ):
        assert problem(refused, 403)["rule"] == "staff-only"


def test_members_see_what_is_out_of_service_and_not_who_said_so(lab: Lab) -> None:
    weekly = lab.declare("engineer", at(8), rrule="FREQ=WEEKLY;BYDAY=MO")
    path = weekly.json()["outage"]["id"]
    broken = lab.declare("manager", at(12), None, kind="unplanned", end=None).json()["outage"]["id"]
    listed = lab.people["founder"].get(OUTAGES).json()["outages"]
    assert [outage["id"] for outage in listed] == [path, broken]
    assert len(listed[0]["spans"]) == 9  # nine Mondays in 60 days
    assert (listed[1]["device_id"], listed[1]["end"]) == (None, None)
    assert listed[1]["spans"] == [{"start": "2026-11-23T11:00:00Z", "end": None}]
    assert {outage["declared_by"] for outage in listed} == {None}
    assert lab.people["founder"].get(f"{OUTAGES}/{path}").json()["declared_by"] is None
    assert lab.people["manager"].get(f"{OUTAGES}/{path}").json()["declared_by"] == lab.town.accounts["engineer"].id
    assert problem(lab.people["reader"].get(OUTAGES), 403)["rule"] == "members-look"
    assert problem(lab.people["reader"].get(f"{OUTAGES}/{path}"), 403)["rule"] == "members-look"
    only = lab.people["engineer"].get(OUTAGES, params={"device_id": "robot-1"}).json()["outages"]
    assert [outage["id"] for outage in only] == [broken]


def test_a_withdrawn_outage_counts_nowhere_and_members_see_it_no_more(lab: Lab) -> None:
    path = lab.declare("engineer", at(9)).json()["outage"]["id"]
    assert lab.change("engineer", f"{path}/withdraw", {"reason": "Wrong machine"}).json()["withdrawn_at"] is not None
    assert problem(lab.change("engineer", f"{path}/withdraw"), 409)["rule"] == "change-while-declared"
    assert lab.people["engineer"].get(OUTAGES).json()["outages"] == []
    problem(lab.people["founder"].get(f"{OUTAGES}/{path}"), 404)
    assert lab.people["engineer"].get(f"{OUTAGES}/{path}").status_code == 200
    with lab.database.read() as session:
        assert outages_within(session, ["mill-1"], at(9), zone=ZONE) == []


def test_what_cannot_end_is_refused_and_what_is_broken_can_get_an_end(lab: Lab) -> None:
    broken = lab.declare("engineer", at(8), kind="unplanned", end=None).json()["outage"]["id"]
    assert problem(lab.change("engineer", f"{broken}/end"), 409)["rule"] == "end-after-start"
    lab.clock.jump_to(at(9).start)
    known = lab.change("engineer", f"{broken}/end", {"end": at(17).start.isoformat()})
    assert known.json()["last_end"] == "2026-11-23T16:00:00Z"
    later = lab.change("engineer", f"{broken}/end", {"end": at(18).start.isoformat()})
    assert problem(later, 422)["rule"] == "end-only-earlier"
    earlier = lab.change("engineer", f"{broken}/end", {"end": at(7).start.isoformat()})
    assert problem(earlier, 422)["rule"] == "end-after-start"
    assert problem(lab.change("engineer", f"{broken}/end", **{"If-Match": '"1"'}), 412)["version"] == 2
    lab.clock.jump_to(at(17).start)
    assert problem(lab.change("engineer", f"{broken}/end"), 409)["rule"] == "end-while-on"
    for unknown in ("out_nothing", "ż", "%00"):
        problem(lab.change("engineer", f"{unknown}/end"), 404)
        problem(lab.people["engineer"].get(f"{OUTAGES}/{unknown}"), 404)


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"start": "2026-11-23T09:00:00"}, "start", "aware-time"),
        ({"end": "2026-11-20T09:00:00Z"}, "end", "end-after-start"),
        ({"start": "0001-01-01T00:00:00Z"}, "start", "outage-horizon"),
        ({"end": "2036-11-23T09:00:00Z"}, "end", "longest-outage"),
        ({"end": "9999-12-31T23:59:59Z"}, "end", "longest-outage"),
        ({"device_id": "mill-9"}, "device_id", "known-device"),
        ({"device_id": "lathe-0"}, "device_id", "device-in-service"),
        ({"rrule": "FREQ=DAILY", "end": None}, "end", "recurring-has-end"),
        ({"rrule": "FREQ=DAILY", "kind": "unplanned"}, "rrule", "recurring-is-planned"),
        ({"rrule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=31"}, "rrule", "recurrence-matches"),
        ({"rrule": "FREQ=SECONDLY"}, "rrule", "recurrence-frequency"),
        ({"kind": "holiday"}, "kind", "enum"),
        ({"reason": ""}, "reason", "string-too-short"),
        ({"reason": "a\x00b"}, "reason", "string-pattern-mismatch"),
        ({"rrule": "FREQ=DAILY\x00"}, "rrule", "recurrence-parts"),
        ({"by": "me"}, "by", "extra-forbidden"),
    ],
)
def test_an_outage_that_makes_no_sense_is_refused_by_field_and_rule(
    lab: Lab, change: dict[str, Any], field: str, rule: str
) -> None:
    for query in ("", "?dry_run=true"):
        found = problem(lab.declare("engineer", at(9), query=query, **change), 422)
        assert (found["field"], found["rule"]) == (field, rule)
    with lab.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Outage)) == 0


def test_the_device_must_be_said_so_that_nobody_closes_the_lab_by_leaving_it_out(lab: Lab) -> None:
    body = {"kind": "planned", "start": at(9).start.isoformat(), "reason": "Service"}
    found = problem(lab.people["manager"].post(OUTAGES, json=body), 422)
    assert (found["field"], found["rule"]) == ("device_id", "missing")


@pytest.mark.parametrize(
    ("window", "rule"),
    [
        ({"start": "2026-11-23T09:00:00Z"}, "start-and-end-together"),
        ({"start": "2026-11-23T09:00:00Z", "end": "2027-11-25T09:00:00Z"}, "longest-window"),
        ({"start": "2026-11-23T09:00:00", "end": "2026-11-25T09:00:00Z"}, "aware-time"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused(lab: Lab, window: dict[str, str], rule: str) -> None:
    assert problem(lab.people["founder"].get(OUTAGES, params=window), 422)["rule"] == rule


@pytest.mark.parametrize(
    "window",
    [("0001-01-01T00:00:00Z", "0001-02-01T00:00:00Z"), ("9999-12-01T00:00:00Z", "9999-12-31T23:59:59Z")],
)
def test_a_window_at_the_edges_of_time_shows_what_there_is(lab: Lab, window: tuple[str, str]) -> None:
    lab.declare("engineer", at(7), rrule="FREQ=WEEKLY;BYDAY=MO")
    lab.declare("engineer", at(7), "robot-1", end=None)
    seen = lab.people["founder"].get(OUTAGES, params={"start": window[0], "end": window[1]})
    assert seen.status_code == 200


def test_the_list_comes_in_pages(lab: Lab) -> None:
    for hour in (8, 9, 10):
        lab.declare("engineer", at(hour))
    first = lab.people["founder"].get(OUTAGES, params={"limit": 2}).json()
    rest = lab.people["founder"].get(OUTAGES, params={"limit": 2, "cursor": first["next"]}).json()
    assert [len(first["outages"]), len(rest["outages"]), rest["next"]] == [2, 1, None]


def test_what_is_out_of_service_is_not_booked_and_what_is_back_is(lab: Lab) -> None:
    path = lab.declare("engineer", at(9, length=3), rrule="FREQ=DAILY").json()["outage"]["id"]
    wish = {"device_ids": ["mill-1"], "title": "Feed rates", "start": "2026-11-25T10:00:00+01:00"}
    wish["end"] = "2026-11-25T11:00:00+01:00"
    found = problem(lab.people["founder"].post("/api/v1/bookings", json=wish), 422)
    assert found["rule"] == "outage"
    # The mill needs five minutes after each use and ten before: until 8:55, or from 12:10 on.
    assert found["nearest"] == {"start": "2026-11-25T06:55:00Z", "end": "2026-11-25T07:55:00Z"}
    lab.clock.jump_to(at(13).start)
    assert lab.change("engineer", f"{path}/end").status_code == 200
    assert lab.people["founder"].post("/api/v1/bookings", json=wish).status_code == 201


def test_a_declaration_sent_twice_is_one_outage(lab: Lab) -> None:
    lab.place(at(9))
    made, again = (lab.declare("engineer", at(9), headers={"Idempotency-Key": "k-1"}) for _ in range(2))
    assert (made.status_code, again.status_code) == (201, 201)
    assert made.json() == again.json()
    assert len(lab.told()) == 1


def test_the_number_of_statements_does_not_grow_with_the_bookings_that_are_hit(lab: Lab) -> None:
    def statements(day: int) -> int:
        with counted(lab.database) as seen:
            answer = lab.declare("manager", at(7, day=day, length=12), None, query="?dry_run=true")
        assert answer.json()["hits"]
        return len(seen)

    lab.place(at(8, day=24), "mill-1")
    few = statements(24)
    for hour in range(8, 18):
        lab.place(at(hour, day=25, length=0.5), "mill-1", "robot-1")
    assert statements(25) == few


def test_many_hits_are_all_told_and_the_soonest_are_advised(lab: Lab) -> None:
    for number in range(60):
        lab.place(at(9 + number / 10, length=0.1), "robot-1")
    hits = lab.declare("engineer", at(9, length=8), "robot-1").json()["hits"]
    assert len(hits) == 60
    assert [hit["alternatives"] is None for hit in hits] == [False] * 50 + [True] * 10
    assert len(lab.told()) == 60


def test_recurring_outages_hit_bookings_on_their_days_only(lab: Lab) -> None:
    lab.place(at(12, day=24))
    monday = lab.place(at(12, day=30))
    hits = lab.declare("engineer", at(12), rrule="FREQ=WEEKLY;BYDAY=MO").json()["hits"]
    assert [hit["booking_id"] for hit in hits] == [monday]


def test_what_is_over_is_not_hit_and_what_is_running_is(lab: Lab) -> None:
    lab.clock.jump_to(at(10.5).start)
    lab.place(at(8), state=BookingState.DONE.value)
    running = lab.place(at(10), state=BookingState.IN_USE.value)
    hits = lab.declare("engineer", at(8, length=4), kind="unplanned").json()["hits"]
    assert [hit["booking_id"] for hit in hits] == [running]


def test_a_booking_made_at_the_same_moment_is_told_or_sees_the_outage(
    postgres_database: Database, lab_clock: LabClock
) -> None:
    lab = Lab(postgres_database, lab_clock)
    held, go_on = threading.Event(), threading.Event()
    booked: list[str] = []

    def book() -> None:
        with postgres_database.write() as session:
            lock_devices(session, ["mill-1"])
            held.set()
            assert go_on.wait(10)
            booked.append(place_booking(session, lab.town.foundry.id, at(9)).id)

    answers: list[Response] = []
    booking = threading.Thread(target=book)
    booking.start()
    assert held.wait(10)
    declaring = threading.Thread(target=lambda: answers.append(lab.declare("engineer", at(9))))
    declaring.start()
    declaring.join(0.3)
    assert declaring.is_alive()  # it waits for who is booking
    go_on.set()
    booking.join(10)
    declaring.join(10)
    assert [hit["booking_id"] for hit in answers[0].json()["hits"]] == booked


def test_outages_of_some_devices_come_with_those_of_the_lab_in_one_statement(lab: Lab) -> None:
    lab.declare("engineer", at(9))
    lab.declare("engineer", at(10), "robot-1", rrule="FREQ=DAILY;COUNT=3")
    lab.declare("manager", at(12), None)
    with lab.database.read() as session, counted(lab.database) as seen:
        found = outages_within(session, ["robot-1"], Span(at(8).start, at(8, day=25).start), zone=ZONE)
    assert [(one.device_id, one.span) for one in found] == [
        ("robot-1", at(10)),
        (None, at(12)),
        ("robot-1", at(10, day=24)),
    ]
    assert len([statement for statement in seen if "outages" in statement]) == 1
    with lab.database.read() as session:
        assert len(outages_within(session, None, Span(at(8).start, at(8).start + timedelta(days=1)), zone=ZONE)) == 3
