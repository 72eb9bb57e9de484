"""Lists of bookings, made or moved at once: all of them, or those that can be."""

from functools import partial
from typing import Any

import pytest

from bookings.models import Booking
from bookings.schemas import BookingRequest
from bookings.series import bulk
from bookings.series.schemas import BulkRequest, MovesRequest, OneMove
from lab.core.audit import changes_of
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.time import Span
from tests.booking_lab import RULES, at
from tests.booking_town import BookingTown, problem, race, times, wish
from tests.factories import make_account

ROUNDS = 20
UTC_9, UTC_14 = "2026-11-24T08:00:00Z", "2026-11-24T13:00:00Z"


@pytest.fixture
def town(each_database: Database, lab_clock: LabClock) -> BookingTown:
    return BookingTown(each_database, lab_clock)


def move(booking: dict[str, Any], span: Span, **more: Any) -> dict[str, Any]:
    return {"booking_id": booking["id"], **times(span), **more}


def span_of(town: BookingTown, booking: dict[str, Any]) -> tuple[str, str]:
    found = town.get("engineer", f"/bookings/{booking['id']}").json()
    return found["start"], found["end"]


# Lists of wishes


def test_a_list_is_booked_in_one_go(town: BookingTown) -> None:
    made = town.post("founder", "/bookings/bulk", {"bookings": [wish(at(9, day=24)), wish(at(14, day=24), "robot-1")]})
    assert made.status_code == 201, made.text
    answer = made.json()
    assert (answer["booked"], answer["refused"]) == (2, 0)
    assert [(one["number"], one["start"]) for one in answer["results"]] == [(1, UTC_9), (2, UTC_14)]
    assert answer["results"][1]["booking"]["device_ids"] == ["robot-1"]


def test_one_refusal_undoes_the_list_and_is_named_by_its_place(town: BookingTown) -> None:
    body = {"bookings": [wish(at(9, day=24)), wish(at(9.5, day=24)), wish(at(22, day=24))]}
    found = problem(town.post("founder", "/bookings/bulk", body), 409)
    assert (found["rule"], found["field"], found["number"]) == ("device-free", "bookings.1.start", 2)
    assert [(one["number"], one["refusal"]["rule"]) for one in found["refusals"]] == [
        (2, "device-free"),
        (3, "opening-hours"),
    ]
    assert town.count(Booking) == 0


def test_what_is_possible_of_a_list_is_booked_and_each_refusal_says_why(town: BookingTown) -> None:
    foreign = wish(at(12, day=24), organisation_id=town.town.joinery.id)
    naive = {**wish(at(13, day=24)), "start": "2026-11-24T13:00:00"}
    wishes = [wish(at(9, day=24)), wish(at(9, day=24)), foreign, naive, wish(at(9, day=24), "ghost-1")]
    answer = town.post("founder", "/bookings/bulk", {"bookings": wishes, "mode": "possible"}).json()
    assert (answer["booked"], answer["refused"]) == (1, 4)
    rules = [result["refusal"] and result["refusal"]["rule"] for result in answer["results"]]
    assert rules == [None, "device-free", "own-company", "aware-time", "known-device"]
    assert len(answer["results"][1]["refusal"]["alternatives"]) == 3
    assert answer["results"][3]["start"] is None
    assert town.count(Booking) == 1
    none = town.post("founder", "/bookings/bulk", {"bookings": wishes, "mode": "possible"})
    assert len(problem(none, 409)["refusals"]) == 5


def test_a_list_is_neither_empty_nor_endless(town: BookingTown) -> None:
    for wishes in ([], [wish(at(9, day=24))] * 101):
        found = problem(town.post("founder", "/bookings/bulk", {"bookings": wishes}), 422)
        assert found["field"] == "bookings"
    crowd = wish(at(9, day=24), *(f"mill-{number}" for number in range(1000)))
    assert problem(town.post("founder", "/bookings/bulk", {"bookings": [crowd]}), 422)["rule"] == "most-devices"
    problem(town.post("reader", "/bookings/bulk", {"bookings": [wish(at(9, day=24))]}), 403)
    problem(town.nobody.post("/api/v1/bookings/bulk", json={"bookings": []}), 401)
    assert town.count(Booking) == 0


def test_the_same_key_books_a_list_once(town: BookingTown) -> None:
    key, body = {"Idempotency-Key": "list-1"}, {"bookings": [wish(at(9, day=24))]}
    first, again = (town.post("founder", "/bookings/bulk", body, **key) for _ in range(2))
    assert first.json() == again.json()
    assert town.count(Booking) == 1


def test_the_staff_books_for_several_companies_at_once(town: BookingTown) -> None:
    companies = [town.town.joinery.id, town.town.foundry.id]
    wishes = [wish(at(9 + 2 * n, day=24), organisation_id=one) for n, one in enumerate(companies)]
    answer = town.post("engineer", "/bookings/bulk", {"bookings": wishes}).json()
    assert [one["booking"]["organisation_id"] for one in answer["results"]] == companies


def test_lists_in_opposite_orders_never_wait_for_each_other_in_a_circle(town: BookingTown) -> None:
    who = town.who("engineer")
    companies = [town.town.joinery.id, town.town.foundry.id]
    for number in range(ROUNDS):
        span = at(7 + number % 11, day=24 + number // 11)
        wishes = [
            BookingRequest(
                device_ids=[device_id], start=span.start, end=span.end, title="Race", organisation_id=company
            )
            for device_id, company in zip(("meter-1", "robot-1"), companies, strict=True)
        ]
        deeds = [
            partial(
                town.database.transact,
                partial(
                    bulk.book_many,
                    principal=who,
                    request=BulkRequest(bookings=order),
                    now=town.clock.now(),
                    rules=RULES,
                ),
            )
            for order in (wishes, wishes[::-1], wishes, wishes[::-1])
        ]
        given, refused, failed = race(deeds)
        assert failed == []
        assert (len(given), {error.facts["rule"] for error in refused}) == (1, {"device-free"})
    assert (town.count(Booking), town.overlaps()) == (2 * ROUNDS, 0)


# Lists of moves


def test_two_bookings_change_places(town: BookingTown) -> None:
    early, late = town.book("founder", at(9, day=24)), town.book("founder", at(14, day=24))
    body = {"moves": [move(early, at(14, day=24), version=1), move(late, at(9, day=24), version=1)]}
    answer = town.post("founder", "/bookings/moves", body)
    assert answer.status_code == 200, answer.text
    assert [(one["id"], one["start"], one["version"]) for one in answer.json()["bookings"]] == [
        (early["id"], UTC_14, 2),
        (late["id"], UTC_9, 2),
    ]
    assert town.overlaps() == 0
    with town.database.read() as session:
        last = changes_of(session, "booking", early["id"])[-1]
    assert last.before is not None
    assert last.after is not None
    assert (last.what, last.before["start"][:19], last.after["start"][:19]) == ("moved", UTC_9[:19], UTC_14[:19])
    told = [job.payload["booking_id"] for job in town.jobs("booking-notice") if job.payload["what"] == "moved"]
    assert sorted(told) == sorted([early["id"], late["id"]])
    assert len(town.jobs("waitlist-offer")) == 2


def test_three_supervised_bookings_of_several_devices_move_round_in_a_circle(town: BookingTown) -> None:
    with town.database.write() as session:
        make_account(session, "engineer", organisation=town.town.lab)
    places = [at(9, day=24), at(11, day=24), at(14, day=24)]
    made = [town.book("founder", place, "mill-1", "robot-1", supervised=True) for place in places]
    body = {"moves": [move(one, places[(number + 1) % 3]) for number, one in enumerate(made)]}
    answer = town.post("founder", "/bookings/moves", body)
    assert answer.status_code == 200, answer.text
    assert [span_of(town, one)[0][11:13] for one in made] == ["10", "13", "08"]
    assert len(town.held("mill-1")) == len(town.held("robot-1")) == 3
    assert all(len(one["engineer_ids"]) == 1 for one in answer.json()["bookings"])


def test_moves_that_would_overlap_each_other_or_somebody_else_change_nothing(town: BookingTown) -> None:
    one, other = town.book("founder", at(9, day=24)), town.book("founder", at(11, day=24))
    stranger = town.book("joiner", at(16, day=24))
    before = town.held()
    together = {"moves": [move(one, at(13, day=24)), move(other, at(13.5, day=24))]}
    found = problem(town.post("founder", "/bookings/moves", together), 409)
    assert (found["rule"], found["number"], found["field"]) == ("device-free", 2, "moves.1.start")
    onto = {"moves": [move(one, at(11, day=24)), move(other, at(16, day=24))]}
    found = problem(town.post("founder", "/bookings/moves", onto), 409)
    assert found["conflicts"] == [{"device_id": "mill-1", "what": "taken"}]
    assert town.held() == before
    assert span_of(town, stranger)[0] == "2026-11-24T15:00:00Z"


def test_moves_are_refused_as_one_when_one_of_them_cannot_be(town: BookingTown) -> None:
    mine, foreign = town.book("founder", at(9, day=24)), town.book("joiner", at(11, day=24))
    target = at(14, day=24)
    cases: list[tuple[list[dict[str, Any]], int, str]] = [
        ([move(mine, target), move(foreign, at(16, day=24))], 404, "known-booking"),
        ([move(mine, target), move({"id": "bkg_none"}, at(16, day=24))], 404, "known-booking"),
        ([move(mine, target, version=7)], 412, "present-version"),
        ([move(mine, target), move(mine, at(16, day=24))], 422, "each-booking-once"),
        ([move(mine, at(22, day=24))], 422, "opening-hours"),
        ([{"booking_id": mine["id"], "start": "2026-11-24T14:00:00", "end": UTC_14}], 422, "aware-time"),
    ]
    for moves, status, rule in cases:
        assert problem(town.post("founder", "/bookings/moves", {"moves": moves}), status)["rule"] == rule
    town.jump_to(at(9.5, day=24).start)
    assert problem(town.post("founder", "/bookings/moves", {"moves": [move(mine, target)]}), 409)["start"]
    assert problem(town.post("founder", "/bookings/moves", {"moves": []}), 422)["field"] == "moves"
    assert span_of(town, mine)[0] == UTC_9


def test_the_quota_counts_the_moved_bookings_where_they_are_going(town: BookingTown) -> None:
    made = [town.book("founder", at(9, day=day)) for day in (24, 25)]
    town.rule(week_quota_minutes=120)
    swap = {"moves": [move(made[0], at(9, day=25)), move(made[1], at(9, day=24))]}
    assert town.post("founder", "/bookings/moves", swap).status_code == 200
    longer = {"moves": [move(made[0], at(9, day=26)), move(made[1], at(9, day=27, length=2))]}
    assert problem(town.post("founder", "/bookings/moves", longer), 422)["rule"] == "week-quota"


def test_the_staff_sets_rules_aside_for_moves_with_a_reason(town: BookingTown) -> None:
    mine = town.book("founder", at(9, day=24))
    night = {"moves": [move(mine, at(20, day=24))], "override_reason": "Night trial"}
    assert problem(town.post("founder", "/bookings/moves", night), 403)["rule"] == "staff-only"
    assert town.post("engineer", "/bookings/moves", night).status_code == 200


def test_many_swaps_of_the_same_bookings_at_once_leave_each_in_one_place(town: BookingTown) -> None:
    made = [town.book("founder", at(hour, day=24)) for hour in (9, 12, 15)]
    places = [at(hour, day=24) for hour in (9, 12, 15)]
    who = town.who("founder")
    for number in range(ROUNDS):
        requests = [
            MovesRequest(
                moves=[
                    OneMove(
                        booking_id=one["id"],
                        start=places[(n + shift + number) % 3].start,
                        end=places[(n + shift + number) % 3].end,
                    )
                    for n, one in list(enumerate(made))[::step]
                ]
            )
            for shift, step in ((0, 1), (1, -1), (2, 1))
        ]
        deeds = [
            partial(
                town.database.transact,
                partial(bulk.move_many, principal=who, request=request, now=town.clock.now(), rules=RULES),
            )
            for request in requests
        ]
        given, refused, failed = race(deeds)
        assert (len(given), refused, failed) == (3, [], [])
        assert town.overlaps() == 0
        assert len(town.held()) == 3
