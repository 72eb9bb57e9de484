"""Slots that recur: each passes the gate by itself, and what is refused is told by name."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from bookings.models import Booking, BookingSeries
from bookings.schemas import BookingRequest
from bookings.series import service
from bookings.series.outcomes import Mode
from bookings.series.schemas import SeriesRequest
from bookings.service import book_devices
from lab.core.audit import AuditEntry
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.jobs import Job
from lab.core.time import Span
from tests.booking_lab import RULES, BookingLab, at, make_booking_lab
from tests.booking_town import BookingTown, problem, race, wish

WEEKLY = "FREQ=WEEKLY;COUNT=4"
ROUNDS = 20


@pytest.fixture
def town(each_database: Database, lab_clock: LabClock) -> BookingTown:
    return BookingTown(each_database, lab_clock)


def series(span: Span, *device_ids: str, rrule: str = WEEKLY, **fields: Any) -> dict[str, Any]:
    return wish(span, *device_ids, rrule=rrule, **fields)


def later(span: Span, *, days: int) -> Span:
    return Span(span.start + timedelta(days), span.end + timedelta(days))


def test_a_slot_recurs_at_the_same_hour_and_its_bookings_belong_together(town: BookingTown) -> None:
    made = town.post("founder", "/bookings/series", series(at(9, day=24), "mill-1", "meter-1"))
    assert made.status_code == 201, made.text
    booked = made.json()
    assert (booked["booked"], booked["refused"]) == (4, 0)
    assert [result["number"] for result in booked["results"]] == [1, 2, 3, 4]
    assert booked["results"][1]["local_start"] == "2026-12-01T09:00"
    assert {result["booking"]["series_id"] for result in booked["results"]} == {booked["id"]}
    assert made.headers["location"] == f"/api/v1/bookings/series/{booked['id']}"
    assert len(town.held("mill-1")) == len(town.held("meter-1")) == 4

    found = town.get("founder", f"/bookings/series/{booked['id']}").json()
    assert found["rrule"] == WEEKLY
    assert [one["id"] for one in found["bookings"]] == [result["booking"]["id"] for result in booked["results"]]
    assert len(town.get("founder", "/bookings", series_id=booked["id"]).json()["bookings"]) == 4


def test_one_taken_occurrence_undoes_the_whole_series_and_is_named(town: BookingTown) -> None:
    town.book("joiner", later(at(9.5, day=24), days=7))
    found = problem(town.post("founder", "/bookings/series", series(at(9, day=24))), 409)
    assert (found["type"], found["rule"], found["number"]) == ("urn:pilotlab:problem:device-busy", "device-free", 2)
    assert "2026-12-01 09:00" in found["detail"]
    assert found["conflicts"] == [{"device_id": "mill-1", "what": "taken"}]
    (refused,) = found["refusals"]
    assert refused["local_start"] == "2026-12-01T09:00"
    assert len(refused["refusal"]["alternatives"]) == 3
    assert (town.count(Booking), town.count(BookingSeries)) == (1, 0)


def test_what_is_possible_is_booked_and_the_rest_comes_with_reasons_and_alternatives(town: BookingTown) -> None:
    second = later(at(9, day=24), days=7)
    town.book("joiner", second)
    body = series(at(9, day=24), rrule="FREQ=DAILY;INTERVAL=7;UNTIL=20270105", mode="possible")
    answer = town.post("founder", "/bookings/series", body)
    assert answer.status_code == 201, answer.text
    results = answer.json()["results"]
    assert [result["number"] for result in results if result["booking"] is None] == [2]
    refusal = results[1]["refusal"]
    assert (refusal["kind"], refusal["rule"], refusal["field"]) == ("conflict", "device-free", "start")
    assert (results[1]["start"], results[1]["booking"]) == (second.start.isoformat().replace("+00:00", "Z"), None)
    alternative = refusal["alternatives"][0]
    assert town.post("founder", "/bookings", {**wish(second), **alternative}).status_code == 201


def test_a_series_of_which_nothing_is_possible_is_a_conflict_and_leaves_nothing(town: BookingTown) -> None:
    body = series(at(20, day=24), mode="possible")  # the lab is closed then
    found = problem(town.post("founder", "/bookings/series", body), 409)
    assert [one["refusal"]["rule"] for one in found["refusals"]] == ["opening-hours"] * 4
    assert (town.count(Booking), town.count(BookingSeries)) == (0, 0)


def test_a_series_that_cannot_be_is_given_up_after_ten_refusals(town: BookingTown) -> None:
    found = problem(town.post("founder", "/bookings/series", series(at(20, day=24), rrule="FREQ=DAILY;COUNT=90")), 422)
    assert [one["number"] for one in found["refusals"]] == list(range(1, 11))


def test_conflicts_of_a_series_are_named_before_it_is_sent_and_nothing_is_left_of_the_question(
    town: BookingTown,
) -> None:
    town.book("joiner", later(at(9.5, day=24), days=7))
    town.book("founder", later(at(9, day=24), days=21))
    rows = (town.count(Booking), town.count(BookingSeries), town.count(AuditEntry), town.count(Job), town.held())
    asked = town.post("founder", "/bookings/series/preview", series(at(9, day=24)))
    assert asked.status_code == 200, asked.text
    found = asked.json()
    assert (found["possible"], found["refused"]) == (2, 2)
    assert [one["state"] for one in found["results"]] == ["confirmed", None, "confirmed", None]
    assert found["price_cents"] == sum(one["price_cents"] or 0 for one in found["results"]) > 0
    taken, own = found["results"][1], found["results"][3]
    assert taken["local_start"] == "2026-12-01T09:00"
    assert taken["refusal"]["conflicts"] == [{"device_id": "mill-1", "what": "taken"}]
    assert len(taken["refusal"]["alternatives"]) == 3
    assert own["refusal"]["conflicts"][0]["what"] == "own booking"
    assert rows == (
        town.count(Booking),
        town.count(BookingSeries),
        town.count(AuditEntry),
        town.count(Job),
        town.held(),
    )
    sent = town.post("founder", "/bookings/series", series(at(9, day=24), mode="possible")).json()
    assert [one["start"] for one in sent["results"] if one["booking"]] == [
        one["start"] for one in found["results"] if one["state"]
    ]


def test_a_preview_tells_more_refusals_than_a_series_that_is_given_up(town: BookingTown) -> None:
    town.rule(week_quota_minutes=60)
    found = town.post("founder", "/bookings/series/preview", series(at(9, day=24), rrule="FREQ=DAILY;COUNT=60")).json()
    assert (found["possible"], found["refused"]) == (9, 51)
    problem(town.post("founder", "/bookings/series/preview", series(at(9, day=24), rrule="FREQ=DAILY")), 422)
    problem(town.post("founder", "/bookings/series/preview", series(at(9, day=24), "saw-9")), 422)
    problem(town.post("reader", "/bookings/series/preview", series(at(9, day=24))), 403)
    other = series(at(9, day=24), organisation_id=town.town.joinery.id)
    problem(town.post("founder", "/bookings/series/preview", other), 403)
    assert town.count(Booking) == 0


def test_an_hour_that_the_clock_skips_or_repeats_is_told_by_name(town: BookingTown) -> None:
    """On 28 March 2027 there is no 02:30."""
    around_the_clock = dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), "00:00-24:00")
    town.rule(opening_hours=around_the_clock, horizon_days=400)
    spring = later(at(2.5), days=124)  # 27 March
    body = series(spring, rrule="FREQ=DAILY;COUNT=3")
    found = problem(town.post("founder", "/bookings/series", body), 422)
    assert (found["type"], found["rule"]) == ("urn:pilotlab:problem:clock-time", "time-does-not-exist")
    assert (found["number"], found["local_start"]) == (2, "2027-03-28T02:30")
    partly = town.post("founder", "/bookings/series", {**body, "mode": "possible"}).json()
    assert [result["start"] for result in partly["results"]] == [
        "2027-03-27T01:30:00Z",
        None,
        "2027-03-29T00:30:00Z",
    ]
    assert partly["results"][1]["refusal"]["detail"].startswith("02:30 on 2027-03-28 does not exist")


def test_the_quota_counts_what_the_series_has_just_booked(town: BookingTown) -> None:
    town.rule(week_quota_minutes=120)
    body = series(at(9, day=24), rrule="FREQ=DAILY;COUNT=4", mode="possible")
    results = town.post("founder", "/bookings/series", body).json()["results"]
    assert [result["booking"] is not None for result in results] == [True, True, False, False]
    assert results[2]["refusal"]["rule"] == "week-quota"


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"rrule": "FREQ=WEEKLY"}, "rrule", "recurrence-ends"),
    ({"rrule": "FREQ=DAILY;COUNT=101"}, "rrule", "most-occurrences"),
    ({"rrule": "FREQ=DAILY;UNTIL=20991231"}, "rrule", "most-occurrences"),
    ({"rrule": "every monday"}, "rrule", "recurrence-parts"),
    ({"rrule": "FREQ=WEEKLY;BYDAY=MO;COUNT=3"}, "rrule", "first-follows-recurrence"),
    ({"rrule": "x" * 5000}, "rrule", "recurrence-length"),
    ({"start": "2026-11-24T10:00:00", "end": "2026-11-24T11:00:00Z"}, "start", "aware-time"),
    ({"end": "2026-11-24T08:00:00Z"}, "end", "end-after-start"),
    ({"device_ids": []}, "device_ids", "at-least-one-device"),
    ({"device_ids": [f"mill-{number}" for number in range(1000)]}, "device_ids", "most-devices"),
    ({"device_ids": ["ghost-1"], "mode": "possible"}, "device_ids", "known-device"),
    ({"device_ids": ["lathe-0"], "mode": "possible"}, "device_ids", "device-in-service"),
    ({"pilot_id": "plt_none", "mode": "possible"}, "pilot_id", "own-pilot"),
    ({"mode": "some"}, "mode", "enum"),
]


@pytest.mark.parametrize(("change", "field", "rule"), REFUSED)
def test_a_series_that_makes_no_sense_is_refused_as_a_whole(
    town: BookingTown, change: dict[str, Any], field: str, rule: str
) -> None:
    found = problem(town.post("founder", "/bookings/series", {**series(at(9, day=24)), **change}), 422)
    assert (found["field"], found["rule"]) == (field, rule)
    assert "refusals" not in found
    assert town.count(Booking) == 0


def test_a_series_belongs_to_its_company_and_the_staff(town: BookingTown) -> None:
    problem(town.post("reader", "/bookings/series", series(at(9, day=24))), 403)
    foreign = series(at(9, day=24), organisation_id=town.town.joinery.id)
    problem(town.post("founder", "/bookings/series", foreign), 403)
    made = town.post("engineer", "/bookings/series", foreign).json()
    assert made["organisation_id"] == town.town.joinery.id
    path = f"/bookings/series/{made['id']}"
    for who, status in (("joiner", 200), ("manager", 200), ("founder", 404), ("reader", 404)):
        assert town.get(who, path).status_code == status
    for who in ("founder", "reader"):
        problem(town.post(who, path + "/cancel"), 404)
    problem(town.get("engineer", "/bookings/series/ser_none"), 404)
    problem(town.nobody.post("/api/v1" + path + "/cancel"), 401)
    assert len(town.held()) == 4


def test_the_same_key_books_a_series_once(town: BookingTown) -> None:
    key = {"Idempotency-Key": "weekly-9"}
    first, again = (town.post("founder", "/bookings/series", series(at(9, day=24)), **key) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    other = town.post("founder", "/bookings/series", series(at(14, day=24)), **key)
    assert problem(other, 422)["rule"] == "one-key-one-request"
    assert town.count(Booking) == 4


def test_the_rest_of_a_series_is_given_back_and_what_has_begun_stays(town: BookingTown) -> None:
    made = town.post("founder", "/bookings/series", series(at(9, day=24), rrule="FREQ=DAILY;COUNT=3")).json()
    path = f"/bookings/series/{made['id']}/cancel"
    town.jump_to(at(9.5, day=24).start)
    gone = town.post("founder", path, {"reason": "The prototype is late"}).json()
    assert (gone["cancelled"], gone["refused"]) == (2, 0)
    assert [one["booking"]["state"] for one in gone["results"]] == ["cancelled"] * 2
    assert len(town.held()) == 1
    assert len(town.jobs("waitlist-offer")) == 2
    again = town.post("founder", path).json()
    assert (again["cancelled"], again["results"]) == (0, [])
    history = town.get("founder", f"/bookings/{gone['results'][0]['booking']['id']}/history").json()["changes"]
    assert history[-1]["reason"] == "The prototype is late"


def test_cancelling_a_series_tells_which_bookings_it_is_too_late_for(town: BookingTown) -> None:
    made = town.post("founder", "/bookings/series", series(at(9, day=24), rrule="FREQ=DAILY;COUNT=3")).json()
    town.rule(cancel_deadline_minutes=24 * 60)
    town.jump_to(at(12, day=24).start)
    gone = town.post("founder", f"/bookings/series/{made['id']}/cancel").json()
    late, ahead = gone["results"]
    assert (late["refusal"]["rule"], late["booking"]["state"]) == ("cancel-deadline", "confirmed")
    assert (ahead["refusal"], ahead["booking"]["state"]) == (None, "cancelled")
    assert (gone["cancelled"], gone["refused"]) == (1, 1)


# Races


@pytest.fixture
def lab(each_database: Database) -> BookingLab:
    return make_booking_lab(each_database)


def test_of_two_series_for_the_same_slots_one_gets_all_of_them(lab: BookingLab) -> None:
    orders = [("mill-1", "robot-1"), ("robot-1", "mill-1")]
    for number in range(ROUNDS):
        first = at(8 + number % 10, day=24 + number // 10, length=0.7)
        deeds = [
            partial(
                lab.database.transact,
                partial(
                    service.book_series,
                    principal=who,
                    request=SeriesRequest(
                        device_ids=list(orders[user % 2]),
                        start=first.start,
                        end=first.end,
                        rrule="FREQ=WEEKLY;COUNT=3",
                        title="Race",
                    ),
                    now=lab.now,
                    rules=RULES,
                ),
            )
            for user, who in enumerate([lab.anna, lab.bert])
        ]
        given, refused, failed = race(deeds)
        assert failed == []
        assert (len(given), len(refused)) == (1, 1)
        assert refused[0].facts["rule"] == "device-free"
    assert lab.count(Booking) == 3 * ROUNDS


def test_series_that_take_what_is_possible_share_the_slots_without_holding_one_twice(town: BookingTown) -> None:
    for number in range(ROUNDS):
        first = at(8 + number % 10, day=24 + number // 10, length=0.7)
        single, request = (
            BookingRequest(device_ids=["mill-1"], start=span.start, end=span.end, title="Single")
            for span in (later(first, days=7), first)
        )
        request = SeriesRequest(**request.model_dump(), rrule="FREQ=WEEKLY;COUNT=3", mode=Mode.POSSIBLE)
        many = partial(service.book_series, request=request, now=town.clock.now(), rules=RULES)
        one = partial(book_devices, request=single, now=town.clock.now(), rules=RULES)
        founder, joiner = town.who("founder"), town.who("joiner")
        deeds: list[Callable[[], Any]] = [
            partial(town.database.transact, partial(many, principal=founder)),
            partial(town.database.transact, partial(one, principal=joiner)),
        ]
        _, _, failed = race(deeds)
        assert failed == []
        assert town.overlaps() == 0
        assert len(town.held()) == 3 * (number + 1)
