"""Waiting for a slot: who is offered it, for how long, and who is next."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from bookings.errors import DeviceBusyError
from bookings.models import Booking
from bookings.schemas import BookingRequest
from bookings.service import book_devices
from bookings.timekeeping import keep_time
from bookings.waitlist import answers, service
from bookings.waitlist.errors import NothingFreeError
from bookings.waitlist.jobs import waitlist_handlers
from bookings.waitlist.models import WaitlistEntry
from bookings.waitlist.offers import offer_freed_slots
from bookings.waitlist.schemas import WaitRequest
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.jobs import Worker
from lab.core.settings import Settings
from lab.core.time import Span
from lab.people.models import Account
from lab.people.principals import Principal
from tests.booking_lab import RULES, at
from tests.booking_town import BookingTown, problem, race, wish
from tests.factories import make_account

ROUNDS = 20
TUESDAY = at(9, day=24, length=3)


class Line(BookingTown):
    """A town in which the jobs of the waitlist are done when the test says so."""

    def __init__(self, database: Database, clock: LabClock) -> None:
        super().__init__(database, clock)
        self._worker = Worker(database, clock, waitlist_handlers(database, clock, Settings()), only=["waitlist-offer"])

    def join(self, who: str, window: Span = TUESDAY, *device_ids: str, minutes: int = 60, **fields: Any) -> str:
        made = self.post(who, "/waitlist", waiting(window, *device_ids, minutes=minutes, **fields))
        assert made.status_code == 201, made.text
        self.tick()
        entry_id: str = made.json()["id"]
        return entry_id

    def tick(self) -> None:
        """Nobody else comes into the line at the same instant."""
        self.jump_to(self.clock.now() + timedelta.resolution)

    def entry(self, entry_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get("engineer", f"/waitlist/{entry_id}").json()
        return found

    def answer(self, who: str, entry_id: str, what: str, **headers: str) -> dict[str, Any]:
        answered = self.post(who, f"/waitlist/{entry_id}/{what}", **headers)
        assert answered.status_code == 200, answered.text
        found: dict[str, Any] = answered.json()
        return found

    def clear(self) -> None:
        """Nobody waits any more."""
        with self.database.write() as session:
            session.execute(sa.update(WaitlistEntry).values(state="withdrawn"))

    def cancel(self, booking: dict[str, Any]) -> None:
        assert self.post("engineer", f"/bookings/{booking['id']}/cancel").status_code == 200

    def work(self) -> None:
        """Whatever is due is done: time passes over bookings, and the line is looked through."""
        keep_time(self.database, now=self.clock.now(), rules=RULES)
        self._worker.run_due()

    def offer(self, *device_ids: str) -> int:
        return offer_freed_slots(self.database, list(device_ids or ("mill-1",)), now=self.clock.now(), rules=RULES)


@pytest.fixture
def line(each_database: Database, lab_clock: LabClock) -> Line:
    return Line(each_database, lab_clock)


def waiting(window: Span, *device_ids: str, minutes: int = 60, **fields: Any) -> dict[str, Any]:
    return {
        "device_ids": list(device_ids or ("mill-1",)),
        "earliest": window.start.isoformat(),
        "latest": window.end.isoformat(),
        "minutes": minutes,
        "title": "Surface finish",
        **fields,
    }


def told(line: Line, booking_id: str) -> list[str]:
    return [job.payload["what"] for job in line.jobs("booking-notice") if job.payload["booking_id"] == booking_id]


def z(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


# Offers


def test_a_freed_slot_is_offered_to_the_first_in_line_and_accepted(line: Line) -> None:
    taken = line.book("joiner", TUESDAY)
    entry_id = line.join("founder")
    line.work()
    assert line.entry(entry_id)["state"] == "waiting"

    line.cancel(taken)
    line.work()
    entry = line.entry(entry_id)
    offer = entry["booking"]
    assert (entry["state"], entry["offers"]) == ("offered", 1)
    assert (offer["start"], offer["end"]) == (z(TUESDAY.start), z(TUESDAY.start + timedelta(hours=1)))
    assert (offer["state"], offer["lapses_at"]) == ("requested", z(line.clock.now() + timedelta(hours=2)))
    assert (offer["booked_by"], offer["title"]) == (line.who("founder").account_id, "Surface finish")
    assert offer["price_cents"] == 12_000
    assert told(line, offer["id"]) == ["offered"]
    # the slot is held: a stranger learns that it is taken, and nothing else
    refused = problem(line.post("joiner", "/bookings", wish(at(9, day=24))), 409)
    assert refused["conflicts"] == [{"device_id": "mill-1", "what": "taken"}]

    accepted = line.answer("founder", entry_id, "accept")
    assert (accepted["state"], accepted["booking"]["state"]) == ("taken", "confirmed")
    assert accepted["booking"]["lapses_at"] is None
    assert told(line, offer["id"]) == ["offered", "created"]
    line.jump_to(TUESDAY.start - timedelta(minutes=1))  # long after the offer would have lapsed
    line.work()
    assert line.entry(entry_id)["booking"]["state"] == "confirmed"
    history = line.get("founder", f"/bookings/{offer['id']}/history").json()["changes"]
    assert [change["what"] for change in history] == ["offered", "accepted"]


def test_one_freed_slot_serves_as_many_as_fit_in_the_order_of_the_line(line: Line) -> None:
    taken = line.book("joiner", at(9, day=24, length=3))
    window = at(9, day=24, length=3)
    line.rule("device", "mill-1", setup_minutes=0, cleanup_minutes=0)
    first = line.join("founder", window, minutes=120)
    second = line.join("founder", window, minutes=120)
    third = line.join("joiner", window, minutes=60)
    line.cancel(taken)
    line.work()
    assert [line.entry(one)["state"] for one in (first, second, third)] == ["offered", "waiting", "offered"]
    assert line.entry(third)["booking"]["start"] == z(window.start + timedelta(hours=2))


def test_an_offer_that_lapses_goes_to_the_next_in_line_and_is_not_made_again(line: Line) -> None:
    line.book("joiner", at(10.5, day=24, length=1.5))
    taken = line.book("joiner", at(9, day=24))
    first, second = line.join("founder"), line.join("founder")
    line.cancel(taken)
    line.work()
    assert [line.entry(one)["state"] for one in (first, second)] == ["offered", "waiting"]
    offered = line.entry(first)["booking"]["id"]

    line.jump_to(line.clock.now() + timedelta(hours=2))
    line.work()
    assert [line.entry(one)["state"] for one in (first, second)] == ["waiting", "offered"]
    missed = line.entry(first)
    assert missed["booking"] is None
    assert missed["missed"] == [
        {"start": z(TUESDAY.start), "end": z(TUESDAY.start + timedelta(hours=1)), "how": "lapsed"}
    ]
    assert told(line, offered) == ["offered", "lapsed"]
    assert problem(line.post("founder", f"/waitlist/{first}/accept"), 409)["rule"] == "offer-open"

    line.jump_to(line.clock.now() + timedelta(hours=2))
    line.work()
    # Nobody wanted it, so it is everybody's again.
    assert [line.entry(one)["state"] for one in (first, second)] == ["waiting", "waiting"]
    assert line.post("joiner", "/bookings", wish(at(9, day=24))).status_code == 201


def test_who_lets_two_offers_lapse_waits_no_more(line: Line) -> None:
    entry_id = line.join("founder", at(9, day=24, length=9))
    for offers in (1, 2):
        line.work()
        assert (line.entry(entry_id)["state"], line.entry(entry_id)["offers"]) == ("offered", offers)
        line.jump_to(line.clock.now() + timedelta(hours=2))
    line.work()
    entry = line.entry(entry_id)
    assert (entry["state"], len(entry["missed"])) == ("expired", 2)
    assert problem(line.post("founder", f"/waitlist/{entry_id}/claim"), 409)["state"] == "expired"
    assert line.held() == []


def test_who_declines_is_next_offered_another_time_after_the_others_in_line(line: Line) -> None:
    line.rule("device", "mill-1", setup_minutes=0, cleanup_minutes=0)
    first = line.join("founder", at(9, day=24, length=2))
    line.work()
    second = line.join("joiner", at(9, day=24, length=1))
    line.work()
    assert line.entry(second)["state"] == "waiting"
    declined = line.answer("founder", first, "decline")
    assert (declined["state"], declined["missed"][0]["how"], declined["booking"]) == ("waiting", "declined", None)
    line.work()
    assert line.entry(second)["booking"]["start"] == z(at(9, day=24).start)
    assert line.entry(first)["booking"]["start"] == z(at(10, day=24).start)


def test_an_offer_made_in_the_evening_stands_until_people_have_had_two_hours_to_see_it(line: Line) -> None:
    line.jump_to(at(18.5, day=24).start)
    entry_id = line.join("founder", at(9, day=26, length=3))
    line.work()
    assert line.entry(entry_id)["booking"]["lapses_at"] == z(at(8.5, day=25).start + timedelta.resolution)
    soon = line.join("founder", at(7, day=25, length=1), "robot-1")
    line.work()
    assert line.entry(soon)["booking"]["lapses_at"] == z(at(7, day=25).start)


def test_a_slot_that_starts_at_once_is_not_offered_but_can_be_claimed(line: Line) -> None:
    line.jump_to(at(9, day=24).start - timedelta(minutes=10))
    entry_id = line.join("founder", at(9, day=24))
    line.work()
    assert line.entry(entry_id)["state"] == "waiting"
    assert line.answer("founder", entry_id, "claim")["booking"]["state"] == "confirmed"


def test_a_window_that_is_over_expires_the_entry_by_itself(line: Line) -> None:
    line.book("joiner", TUESDAY)
    entry_id = line.join("founder")
    line.jump_to(TUESDAY.end - timedelta(minutes=60))
    line.work()
    assert line.entry(entry_id)["state"] == "waiting"
    line.jump_to(TUESDAY.end - timedelta(minutes=59))
    line.work()
    assert line.entry(entry_id)["state"] == "expired"


def test_an_entry_for_several_devices_is_offered_all_of_them_or_nothing(line: Line) -> None:
    mill = line.book("joiner", TUESDAY, "mill-1")
    meter = line.book("joiner", TUESDAY, "meter-1")
    entry_id = line.join("founder", TUESDAY, "mill-1", "meter-1", minutes=180)
    line.cancel(meter)
    line.work()
    assert line.entry(entry_id)["state"] == "waiting"
    line.cancel(mill)
    line.work()
    offer = line.entry(entry_id)["booking"]
    assert offer["device_ids"] == ["meter-1", "mill-1"]
    assert len(line.held("mill-1")) == len(line.held("meter-1")) == 1


def test_the_rules_hold_for_offers_as_for_bookings(line: Line) -> None:
    """Quota, supervision, closed accounts and outages: nobody is offered what could not be booked."""
    line.rule(week_quota_minutes=120)
    line.book("founder", at(14, day=24, length=2), "robot-1")
    over_quota = line.join("founder")
    next_week = line.join("founder", Span(TUESDAY.start, TUESDAY.end + timedelta(7)))
    supervised = line.join("joiner", at(14, day=25, length=2), "meter-1", supervised=True)
    line.work()
    assert line.entry(over_quota)["state"] == "waiting"
    assert line.entry(next_week)["booking"]["start"] == z(at(7, day=30).start)
    assert line.entry(supervised)["booking"]["engineer_ids"] == [line.who("engineer").account_id]


def test_a_closed_account_is_passed_over(line: Line) -> None:
    taken = line.book("joiner", TUESDAY)
    gone, here = line.join("founder"), line.join("joiner")
    with line.database.write() as session:
        session.execute(
            sa.update(Account).where(Account.id == line.who("founder").account_id).values(disabled_at=line.clock.now())
        )
    line.cancel(taken)
    line.work()
    assert [line.entry(one)["state"] for one in (gone, here)] == ["waiting", "offered"]


def test_where_approval_is_needed_an_accepted_offer_is_a_request_which_only_then_the_staff_decides(line: Line) -> None:
    line.rule("device", "mill-1", approval=True, approval_lapses_minutes=24 * 60)
    entry_id = line.join("founder")
    line.work()
    booking = line.entry(entry_id)["booking"]["id"]
    refused = problem(line.post("manager", f"/bookings/{booking}/approve"), 409)
    assert refused["rule"] == "owner-answers"
    accepted = line.answer("founder", entry_id, "accept")
    assert (accepted["state"], accepted["booking"]["state"]) == ("taken", "requested")
    assert accepted["booking"]["lapses_at"] == z(line.clock.now() + timedelta(hours=24))
    assert told(line, booking) == ["offered", "requested"]
    assert line.post("manager", f"/bookings/{booking}/approve").json()["state"] == "confirmed"


def test_nobody_approves_an_offer_in_place_of_its_owner(line: Line) -> None:
    entry_id = line.join("founder")
    line.work()
    booking = line.entry(entry_id)["booking"]["id"]
    problem(line.post("manager", f"/bookings/{booking}/approve"), 409)
    problem(line.post("manager", f"/waitlist/{entry_id}/accept"), 403)
    problem(line.post("joiner", f"/waitlist/{entry_id}/accept"), 404)
    assert line.entry(entry_id)["booking"]["state"] == "requested"


def test_an_offer_that_was_cancelled_as_a_booking_is_as_good_as_declined(line: Line) -> None:
    entry_id = line.join("founder", at(9, day=24))
    line.work()
    offer = line.entry(entry_id)["booking"]["id"]
    assert line.post("founder", f"/bookings/{offer}/cancel").status_code == 200
    line.work()
    entry = line.entry(entry_id)
    assert (entry["state"], entry["missed"][0]["how"]) == ("waiting", "declined")


# Claims, withdrawals, refusals


def test_what_is_free_is_claimed_at_once_and_only_once(line: Line) -> None:
    entry_id = line.join("founder")
    claimed = line.answer("founder", entry_id, "claim")
    assert (claimed["state"], claimed["booking"]["start"]) == ("taken", z(TUESDAY.start))
    assert line.answer("founder", entry_id, "claim") == claimed
    line.work()
    assert line.count(Booking) == 1


def test_a_claim_where_nothing_fits_is_refused_with_other_times(line: Line) -> None:
    line.book("joiner", TUESDAY)
    entry_id = line.join("founder")
    found = problem(line.post("founder", f"/waitlist/{entry_id}/claim"), 409)
    assert (found["type"], found["rule"]) == ("urn:pilotlab:problem:nothing-free", "something-free")
    assert len(found["alternatives"]) == 3
    assert line.entry(entry_id)["state"] == "waiting"
    body = {**wish(TUESDAY), **found["alternatives"][0]}
    assert line.post("founder", "/bookings", body).status_code == 201


def test_an_open_offer_is_answered_before_anything_is_claimed(line: Line) -> None:
    entry_id = line.join("founder")
    line.work()
    assert problem(line.post("founder", f"/waitlist/{entry_id}/claim"), 409)["rule"] == "answer-first"


def test_an_answer_that_comes_too_late_is_refused_even_before_the_slot_was_given_on(line: Line) -> None:
    entry_id = line.join("founder")
    line.work()
    line.jump_to(line.clock.now() + timedelta(hours=2))
    for answer in ("accept", "decline"):
        assert problem(line.post("founder", f"/waitlist/{entry_id}/{answer}"), 409)["rule"] == "offer-stands"
    line.work()
    assert line.entry(entry_id)["offers"] == 2


def test_who_withdraws_gives_the_offer_back_to_the_next_in_line(line: Line) -> None:
    first, second = line.join("founder", at(9, day=24)), line.join("joiner", at(9, day=24))
    line.work()
    assert line.answer("founder", first, "withdraw")["state"] == "withdrawn"
    assert line.answer("founder", first, "withdraw")["state"] == "withdrawn"
    line.work()
    assert line.entry(second)["state"] == "offered"
    assert problem(line.post("founder", f"/waitlist/{first}/claim"), 409)["state"] == "withdrawn"
    taken = line.answer("joiner", second, "accept")
    assert problem(line.post("joiner", f"/waitlist/{second}/withdraw"), 409)["state"] == "taken"
    assert taken["booking"]["state"] == "confirmed"


def test_each_company_sees_its_own_entries_and_the_staff_all(line: Line) -> None:
    mine, theirs = line.join("founder"), line.join("joiner")
    seen = {who: [one["id"] for one in line.get(who, "/waitlist").json()["entries"]] for who in line.people}
    assert seen == {
        "manager": [mine, theirs],
        "engineer": [mine, theirs],
        "founder": [mine],
        "joiner": [theirs],
        "reader": [],
    }
    assert line.get("founder", f"/waitlist/{theirs}").status_code == 404
    for deed in ("withdraw", "claim", "accept", "decline"):
        problem(line.post("founder", f"/waitlist/{theirs}/{deed}"), 404)
        problem(line.post("founder", f"/waitlist/wtl_none/{deed}"), 404)
        problem(line.nobody.post(f"/api/v1/waitlist/{mine}/{deed}"), 401)
    problem(line.post("reader", "/waitlist", waiting(TUESDAY)), 403)
    problem(line.nobody.post("/api/v1/waitlist", json=waiting(TUESDAY)), 401)
    line.answer("founder", mine, "withdraw")
    page = line.get("manager", "/waitlist", limit=1).json()
    assert [one["id"] for one in page["entries"]] == [mine]
    assert [one["id"] for one in line.get("manager", "/waitlist", cursor=page["next"]).json()["entries"]] == [theirs]
    waits = line.get("manager", "/waitlist", state="waiting").json()["entries"]
    assert [one["id"] for one in waits] == [theirs]


def test_a_colleague_answers_and_a_stale_answer_is_refused(line: Line) -> None:
    with line.database.write() as session:
        colleague = make_account(session, organisation=line.town.foundry)
        line.town.accounts["colleague"] = colleague
    entry_id = line.join("founder")
    line.work()
    stale = line.post("founder", f"/waitlist/{entry_id}/accept", **{"If-Match": '"1"'})
    assert problem(stale, 412)["version"] == 2
    who = line.who("colleague")
    entry = line.database.transact(
        partial(answers.accept_offer, principal=who, entry_id=entry_id, version=2, now=line.clock.now(), rules=RULES)
    )
    assert entry.state == "taken"


HOPELESS: list[tuple[dict[str, Any], str, str]] = [
    ({"latest": z(at(8, day=24).start)}, "latest", "end-after-start"),
    ({"earliest": "2026-11-24T09:00:00"}, "earliest", "aware-time"),
    ({"earliest": z(at(5).start), "latest": z(at(7.5).start)}, "latest", "not-in-the-past"),
    ({"latest": "2036-11-24T09:00:00Z"}, "latest", "horizon"),
    ({"minutes": 181}, "latest", "window-holds-slot"),
    ({"minutes": 0}, "minutes", "greater-than-equal"),
    ({"latest": z(at(9, day=26).start), "minutes": 25 * 60}, "minutes", "longest-booking"),
    ({"earliest": z(at(9, day=28).start), "latest": z(at(9, day=29).start)}, "earliest", "opening-hours"),
    ({"device_ids": []}, "device_ids", "at-least-one-device"),
    ({"device_ids": ["mill-1", "mill-1"]}, "device_ids", "each-device-once"),
    ({"device_ids": [f"mill-{number}" for number in range(1000)]}, "device_ids", "most-devices"),
    ({"device_ids": ["ghost-1"]}, "device_ids", "known-device"),
    ({"device_ids": ["lathe-0"]}, "device_ids", "device-in-service"),
    ({"pilot_id": "plt_none"}, "pilot_id", "own-pilot"),
    ({"device_ids": ["robot-1"]}, "supervised", "supervision"),
    ({"device_ids": ["meter-1"]}, "device_ids", "needs-device"),
]


@pytest.mark.parametrize(("change", "field", "rule"), HOPELESS)
def test_nobody_waits_for_what_can_never_be(line: Line, change: dict[str, Any], field: str, rule: str) -> None:
    line.rule("device", "robot-1", supervision=True)
    line.rule("device", "meter-1", needs_devices=["mill-1"])
    found = problem(line.post("founder", "/waitlist", {**waiting(TUESDAY), **change}), 422)
    assert (found["field"], found["rule"]) == (field, rule)
    assert line.count(WaitlistEntry) == 0


def test_a_company_does_not_wait_for_everything(line: Line) -> None:
    with line.database.write() as session:
        for number in range(50):
            session.add(entry_of(line.who("founder"), number, line.clock.now()))
    assert problem(line.post("founder", "/waitlist", waiting(TUESDAY)), 409)["limit"] == 50
    assert line.post("joiner", "/waitlist", waiting(TUESDAY)).status_code == 201


def entry_of(who: Principal, number: int, now: datetime, **facts: Any) -> WaitlistEntry:
    given: dict[str, Any] = {
        "id": f"wtl_{number:03}",
        "organisation_id": who.organisation_id,
        "account_id": who.account_id,
        "title": "Waits",
        "device_ids": ["mill-1"],
        "supervised": False,
        "earliest": TUESDAY.start,
        "latest": TUESDAY.end,
        "minutes": 60,
        "state": "waiting",
        "offers": 0,
        "missed": [],
        "queued_at": now,
        "created_at": now,
        "version": 1,
    }
    return WaitlistEntry(**{**given, **facts})


def test_the_same_key_stands_in_the_line_once(line: Line) -> None:
    key = {"Idempotency-Key": "wait-1"}
    first, again = (line.post("founder", "/waitlist", waiting(TUESDAY), **key) for _ in range(2))
    assert first.json() == again.json()
    assert (first.headers["etag"], first.headers["location"]) == ('"1"', f"/api/v1/waitlist/{first.json()['id']}")
    assert line.count(WaitlistEntry) == 1


def test_a_job_that_is_done_twice_offers_nothing_twice(line: Line) -> None:
    line.join("founder")
    line.work()
    assert line.offer() == 0
    assert (line.count(Booking), len(line.held())) == (1, 1)


# Races


def slot_of(number: int) -> Span:
    """Another slot for every round."""
    return at(7.5 + 1.5 * (number % 5), day=24 + number // 5)


def fresh_entries(line: Line, names: list[str], window: Span) -> list[tuple[Principal, str]]:
    request = WaitRequest(
        device_ids=["mill-1", "robot-1"], earliest=window.start, latest=window.end, minutes=60, title="Race"
    )
    made = []
    for name in names:
        join = partial(
            service.join_waitlist, principal=line.who(name), request=request, now=line.clock.now(), rules=RULES
        )
        made.append((line.who(name), line.database.transact(join).id))
        line.tick()
    return made


def claim(line: Line, who: Principal, entry_id: str) -> Callable[[], Any]:
    work = partial(
        answers.claim_slot, principal=who, entry_id=entry_id, version=None, now=line.clock.now(), rules=RULES
    )
    return partial(line.database.transact, work)


@pytest.mark.parametrize("users", [2, 10])
def test_one_of_many_claims_gets_the_slot(line: Line, users: int) -> None:
    names = ["founder", "joiner"] * (users // 2)
    for number in range(ROUNDS):
        window = slot_of(number)
        entries = fresh_entries(line, names, window)
        given, refused, failed = race([claim(line, who, entry_id) for who, entry_id in entries])
        assert failed == []
        assert (len(given), len(refused)) == (1, users - 1)
        for error in refused:
            assert isinstance(error, NothingFreeError)
            assert len(error.facts["alternatives"]) == 3
        line.clear()
    assert (line.count(Booking), line.overlaps()) == (ROUNDS, 0)


def test_an_offer_and_a_booking_at_the_same_moment_have_one_winner(line: Line) -> None:
    for number in range(ROUNDS):
        window = slot_of(number)
        ((_, entry_id),) = fresh_entries(line, ["founder"], window)
        request = BookingRequest(device_ids=["robot-1"], start=window.start, end=window.end, title="Direct")
        book = partial(book_devices, principal=line.who("joiner"), request=request, now=line.clock.now(), rules=RULES)
        given, refused, failed = race([partial(line.database.transact, book), line.offer])
        assert failed == []
        entry = line.entry(entry_id)
        if refused:
            assert isinstance(refused[0], DeviceBusyError)
            assert (given, entry["state"]) == ([1], "offered")
            line.answer("founder", entry_id, "accept")
        else:
            assert (0 in given, entry["state"]) == (True, "waiting")
            line.answer("founder", entry_id, "withdraw")
        assert line.overlaps() == 0
        assert len(line.held("robot-1")) == number + 1


@pytest.mark.parametrize("users", [2, 10])
def test_several_workers_offer_a_slot_to_one_of_those_who_wait(line: Line, users: int) -> None:
    for number in range(ROUNDS):
        entries = fresh_entries(line, ["founder", "joiner"], slot_of(number))
        given, refused, failed = race([line.offer] * users)
        assert (refused, failed) == ([], [])
        assert sum(given) == 1
        states = [line.entry(entry_id)["state"] for _, entry_id in entries]
        assert states == ["offered", "waiting"]  # the first in line
        assert line.overlaps() == 0
        line.answer("founder", entries[0][1], "accept")
        line.answer("joiner", entries[1][1], "withdraw")
    assert line.count(Booking) == ROUNDS


def test_of_accepting_declining_and_lapsing_at_the_same_moment_one_happens(line: Line) -> None:
    for number in range(ROUNDS):
        ((who, entry_id),) = fresh_entries(line, ["founder"], slot_of(number))
        assert line.offer() == 1
        now = line.clock.now()
        ending = line.entry(entry_id)["booking"]
        deeds = [
            partial(answers.accept_offer, principal=who, entry_id=entry_id, version=None, now=now, rules=RULES),
            partial(answers.decline_offer, principal=who, entry_id=entry_id, version=None, now=now),
        ]
        given, refused, failed = race(
            [
                *(partial(line.database.transact, deed) for deed in deeds),
                partial(keep_time, line.database, now=now + timedelta(hours=2), rules=RULES),
            ]
        )
        assert failed == []
        line.offer()
        entry = line.entry(entry_id)
        if entry["state"] == "taken":
            assert entry["booking"]["state"] == "confirmed"
        else:
            assert (entry["state"], len(entry["missed"])) == ("waiting", 1)
            assert line.get("engineer", f"/bookings/{ending['id']}").json()["state"] == "cancelled"
        assert len(given) + len(refused) == 3
        line.post("founder", f"/waitlist/{entry_id}/withdraw")


# What else becomes possible


def test_when_an_outage_is_withdrawn_whoever_waits_is_offered_the_slot(line: Line) -> None:
    outage = line.post(
        "engineer",
        "/outages",
        {"device_id": "mill-1", "kind": "planned", "reason": "Inspection", **_window(TUESDAY)},
    ).json()["outage"]
    entry = line.join("founder")
    line.work()
    assert line.entry(entry)["state"] == "waiting"
    assert line.post("engineer", f"/outages/{outage['id']}/withdraw").status_code == 200
    line.work()
    assert line.entry(entry)["state"] == "offered"


def test_when_a_rule_is_loosened_whoever_waits_is_offered_the_slot(line: Line) -> None:
    taken = line.book("joiner", TUESDAY)
    entry = line.join("founder")
    manager = line.people["manager"]
    closed = {"opening_hours": dict.fromkeys(["mon", "wed", "thu", "fri"], "07:00-19:00")}
    assert manager.call("PUT", "/api/v1/rules/device/mill-1", json=closed).status_code == 201
    line.cancel(taken)
    line.work()
    assert line.entry(entry)["state"] == "waiting"
    tag = line.get("manager", "/rules/device/mill-1").headers["etag"]
    loose = manager.call("PUT", "/api/v1/rules/device/mill-1", json={}, headers={"If-Match": tag})
    assert loose.status_code == 200, loose.text
    line.work()
    assert line.entry(entry)["state"] == "offered"


def _window(span: Span) -> dict[str, str]:
    return {"start": span.start.isoformat(), "end": span.end.isoformat()}
