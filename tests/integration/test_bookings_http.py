"""The calendar over HTTP: what a program sends, and what it is told."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient, Response

from bookings.models import Booking
from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from lab.core.time import Span
from lab.people.principals import Principal, Role
from lab.people.service import create_api_token
from tests.booking_lab import BookingLab, at, make_booking_lab
from tests.factories import make_account, principal

BOOKINGS = "/api/v1/bookings"


class Http:
    """Calls in the name of somebody."""

    def __init__(self, database: Database, clock: LabClock) -> None:
        self.lab: BookingLab = make_booking_lab(database)
        self.clock = clock
        app = create_app(settings=Settings(), database=database, clock=clock, store=None, live=None)
        self.transport = ASGITransport(app, raise_app_exceptions=False)
        recipient = principal(Role.RECIPIENT, self.lab.anna.organisation_id, account_id="acc_recipient")
        people = {"anna": self.lab.anna, "bert": self.lab.bert, "engineer": self.lab.engineer, "recipient": recipient}
        self.tokens = {name: self._token(who) for name, who in people.items()}

    def _token(self, who: Principal, scopes: tuple[str, ...] = ("read", "write")) -> str:
        with self.lab.database.write() as session:
            make_account(session, who.role, id=who.account_id, organisation_id=who.organisation_id)
            return create_api_token(session, who, name="test", scopes=scopes, now=self.clock.now())[1]

    def get(self, who: str, path: str = "", **query: Any) -> Response:
        return self.call("GET", path, params=query, headers=self._headers(who))

    def post(self, who: str, path: str = "", body: Any = None, **headers: str) -> Response:
        return self.call(
            "POST",
            path,
            json=body,
            headers={**self._headers(who), **{name: value.encode("latin-1") for name, value in headers.items()}},
        )

    def call(self, method: str, path: str, **options: Any) -> Response:
        async def send() -> Response:
            async with AsyncClient(transport=self.transport, base_url="http://lab.example") as client:
                return await client.request(method, BOOKINGS + path, **options)

        return asyncio.run(send())

    def _headers(self, who: str) -> dict[str, Any]:
        return {"Authorization": f"Bearer {self.tokens[who]}"}


@pytest.fixture
def http(each_database: Database, lab_clock: LabClock) -> Http:
    return Http(each_database, lab_clock)


def wish(span: Span, *device_ids: str, **fields: Any) -> dict[str, Any]:
    body = {"device_ids": list(device_ids or ("mill-1",)), "title": "Feed rates", **times(span)}
    return {**body, **fields}


def times(span: Span) -> dict[str, str]:
    return {"start": span.start.isoformat(), "end": span.end.isoformat()}


def problem(response: Response, status: int) -> dict[str, Any]:
    """The problem of an answer, which must be one of ours."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    assert found["status"] == status
    assert found["detail"]
    return found


def fields_named(found: dict[str, Any]) -> list[str]:
    return [found["field"]] if "field" in found else [error["field"] for error in found["errors"]]


def test_a_booking_is_made_read_moved_and_cancelled(http: Http) -> None:
    made = http.post("anna", body=wish(at(9), "mill-1", "meter-1"))
    assert made.status_code == 201
    booking = made.json()
    assert booking["device_ids"] == ["meter-1", "mill-1"]
    assert (booking["start"], booking["end"], booking["state"]) == (
        "2026-11-23T08:00:00Z",
        "2026-11-23T09:00:00Z",
        "confirmed",
    )
    assert made.headers["location"] == f"{BOOKINGS}/{booking['id']}"
    assert made.headers["etag"] == '"1"'

    read = http.get("anna", f"/{booking['id']}")
    assert (read.json(), read.headers["etag"]) == (booking, '"1"')

    moved = http.post("anna", f"/{booking['id']}/move", times(at(14)), **{"If-Match": '"1"'})
    assert (moved.status_code, moved.json()["start"], moved.headers["etag"]) == (200, "2026-11-23T13:00:00Z", '"2"')

    cancelled = http.post("anna", f"/{booking['id']}/cancel", **{"If-Match": '"2"'})
    assert (cancelled.status_code, cancelled.json()["state"], cancelled.headers["etag"]) == (200, "cancelled", '"3"')


def test_a_booking_is_used_and_finished_early(http: Http) -> None:
    path = f"/{http.post('anna', body=wish(at(9, length=3))).json()['id']}"
    assert problem(http.post("anna", path + "/start"), 409)["rule"] == "use-within-slot"
    assert problem(http.post("anna", path + "/finish"), 409)["rule"] == "finish-after-start"
    http.clock.jump_to(at(10).start)
    for who in ("bert", "recipient"):
        assert {http.post(who, path + deed).status_code for deed in ("/start", "/finish")} == {404}
    used = http.post("anna", path + "/start", **{"If-Match": '"1"'})
    assert (used.json()["state"], used.headers["etag"]) == ("in_use", '"2"')
    assert problem(http.post("engineer", path + "/finish", **{"If-Match": '"1"'}), 412)["version"] == 2
    for _ in range(2):  # saying it again changes nothing
        done = http.post("engineer", path + "/finish")
        assert (done.json()["state"], done.json()["end"], done.headers["etag"]) == (
            "done",
            "2026-11-23T09:00:00Z",
            '"3"',
        )
    assert http.post("bert", body=wish(at(11))).status_code == 201


def test_a_taken_slot_answers_409_with_alternatives_and_tells_a_stranger_only_taken(http: Http) -> None:
    http.post("anna", body=wish(at(9), title="Secret alloy"))
    refused = http.post("bert", body=wish(at(9)))
    found = problem(refused, 409)
    assert (found["field"], found["rule"], found["devices"]) == ("start", "device-free", ["mill-1"])
    assert found["conflicts"] == [{"device_id": "mill-1", "what": "taken"}]
    assert len(found["alternatives"]) == 3
    assert "Secret" not in refused.text
    assert http.lab.anna.organisation_id not in refused.text
    own = problem(http.post("anna", body=wish(at(9))), 409)
    assert own["conflicts"][0]["title"] == "Secret alloy"
    for alternative in found["alternatives"][:1]:
        assert http.post("bert", body={**wish(at(9)), **alternative}).status_code == 201


AGAINST_A_RULE: list[tuple[dict[str, Any], str, str]] = [
    ({"start": "2026-11-23T10:00:00Z", "end": "2026-11-23T09:00:00Z"}, "end", "end-after-start"),
    ({"start": "2026-11-23T10:00:00Z", "end": "2026-11-23T10:00:00Z"}, "end", "end-after-start"),
    ({"start": "2026-11-23T06:00:00Z"}, "start", "not-in-the-past"),
    ({"start": "2026-11-23T10:00:00"}, "start", "aware-time"),
    ({"end": "2026-11-23T10:00:00"}, "end", "aware-time"),
    ({"start": "0001-01-01T00:00:00Z"}, "start", "not-in-the-past"),
    ({"start": "0001-01-01T00:00:00+02:00"}, "start", "time-in-range"),
    ({"end": "9999-12-31T23:59:59Z"}, "end", "longest-booking"),
    ({"end": "9999-12-31T23:59:59-02:00"}, "end", "time-in-range"),
    ({"start": "9999-12-31T10:00:00Z", "end": "9999-12-31T11:00:00Z"}, "end", "horizon"),
    ({"end": "2036-11-23T10:00:00Z"}, "end", "longest-booking"),
    ({"start": "2026-11-23T20:00:00Z", "end": "2026-11-23T21:00:00Z"}, "start", "opening-hours"),
    ({"device_ids": []}, "device_ids", "at-least-one-device"),
    ({"device_ids": ["mill-1", "mill-1"]}, "device_ids", "each-device-once"),
    ({"device_ids": [f"mill-{number}" for number in range(1000)]}, "device_ids", "most-devices"),
    ({"device_ids": ["mill-1", "ghost-1"]}, "device_ids", "known-device"),
    ({"device_ids": ["lathe-0"]}, "device_ids", "device-in-service"),
]


def test_a_wish_against_a_rule_is_refused_by_field_and_rule(http: Http) -> None:
    for change, field, rule in AGAINST_A_RULE:
        found = problem(http.post("anna", body={**wish(at(9)), **change}), 422)
        assert (found["field"], found["rule"]) == (field, rule), change
    assert http.lab.count(Booking) == 0


OF_A_WRONG_FORM: list[tuple[dict[str, Any], str]] = [
    ({"colour": "red"}, "colour"),
    ({"start": 1_795_420_800}, "start"),
    ({"start": "1795420800"}, "start"),
    ({"start": "2026-02-30T10:00:00Z"}, "start"),
    ({"start": None}, "start"),
    ({"start": {"when": "now"}}, "start"),
    ({"title": ""}, "title"),
    ({"title": "\x00"}, "title"),
    ({"title": "x" * 201}, "title"),
    ({"device_ids": "mill-1"}, "device_ids"),
    ({"device_ids": [["mill-1"]]}, "device_ids.0"),
    ({"device_ids": ["mill-1\x00"]}, "device_ids.0"),
    ({"pilot_id": "../x"}, "pilot_id"),
    ({"state": "confirmed"}, "state"),
]


def test_a_wish_of_a_wrong_form_is_refused_by_the_name_of_its_field(http: Http) -> None:
    for change, field in OF_A_WRONG_FORM:
        found = problem(http.post("anna", body={**wish(at(9)), **change}), 422)
        assert fields_named(found) == [field]


def test_a_wish_that_lacks_something_says_what(http: Http) -> None:
    for missing in ("device_ids", "start", "end", "title"):
        body = wish(at(9))
        del body[missing]
        assert fields_named(problem(http.post("anna", body=body), 422)) == [missing]


def test_what_is_no_wish_at_all_is_refused(http: Http) -> None:
    for body in (None, [], "text", 7):
        problem(http.post("anna", body=body), 422)


def test_a_company_books_for_itself_only_and_a_recipient_not_at_all(http: Http) -> None:
    foreign = problem(http.post("bert", body=wish(at(9), organisation_id=http.lab.anna.organisation_id)), 403)
    unknown = problem(http.post("bert", body=wish(at(9), organisation_id="org_none")), 403)
    assert foreign == unknown  # whether it exists is not told
    problem(http.post("recipient", body=wish(at(9))), 403)
    problem(http.get("recipient", "/alternatives", device_id="mill-1", **times(at(9))), 403)
    for_anna = http.post("engineer", body=wish(at(9), organisation_id=http.lab.anna.organisation_id))
    assert for_anna.json()["organisation_id"] == http.lab.anna.organisation_id
    for_nobody = http.post("engineer", body=wish(at(14), organisation_id="org_none"))
    assert problem(for_nobody, 422)["field"] == "organisation_id"


def test_nobody_reaches_the_calendar_without_signing_in(http: Http) -> None:
    for path in ("", "/bkg_none", "/alternatives"):
        problem(http.call("GET", path), 401)
    for path in ("", "/bkg_none/move", "/bkg_none/cancel"):
        problem(http.call("POST", path, json=wish(at(9))), 401)


def test_a_foreign_booking_and_one_that_never_was_get_the_same_404(http: Http) -> None:
    foreign = http.post("anna", body=wish(at(9))).json()["id"]
    for booking_id in (foreign, "bkg_none", "%00", "%ED%A0%80", "x" * 3000):
        answers = [
            problem(http.get("bert", f"/{booking_id}"), 404),
            problem(http.post("bert", f"/{booking_id}/move", times(at(12))), 404),
            problem(http.post("bert", f"/{booking_id}/cancel"), 404),
        ]
        assert answers == [answers[0]] * 3
        assert answers[0]["detail"] == "there is no such booking"
    assert http.get("recipient", f"/{foreign}").status_code == 404
    assert http.get("engineer", f"/{foreign}").status_code == 200


def test_a_change_decided_on_another_version_answers_412(http: Http) -> None:
    path = f"/{http.post('anna', body=wish(at(9))).json()['id']}"
    for tag in ('"7"', 'W/"1"', "1", '"one"', '"²"', ""):
        for change, body in (("/move", times(at(12))), ("/cancel", None)):
            found = problem(http.post("anna", path + change, body, **{"If-Match": tag}), 412)
            assert (found["version"], found["rule"]) == (1, "present-version")
    assert problem(http.post("anna", f"{path}/cancel", **{"If-Match": '"1", "2"'}), 422)["rule"] == "one-version"
    assert http.post("anna", f"{path}/cancel", **{"If-Match": "*"}).status_code == 200


def test_a_move_is_refused_like_a_booking(http: Http) -> None:
    http.post("bert", body=wish(at(14)))
    path = f"/{http.post('anna', body=wish(at(9))).json()['id']}/move"
    taken = problem(http.post("anna", path, times(at(14))), 409)
    assert taken["conflicts"] == [{"device_id": "mill-1", "what": "taken"}]
    assert fields_named(problem(http.post("anna", path, {**times(at(12)), "title": "new"}), 422)) == ["title"]
    naive = {**times(at(12)), "start": "2026-11-23T10:00:00"}
    assert problem(http.post("anna", path, naive), 422)["rule"] == "aware-time"
    assert problem(http.post("anna", path, times(at(9, day=28))), 422)["rule"] == "opening-hours"
    http.clock.advance(timedelta(hours=1))
    assert problem(http.post("anna", path, times(at(12))), 409)["rule"] == "move-before-start"


def test_lists_show_what_one_may_see_within_a_span(http: Http) -> None:
    first, second = (http.post(who, body=wish(at(hour))).json() for who, hour in (("anna", 9), ("bert", 14)))
    assert http.get("anna").json() == {"bookings": [first], "next": None}
    assert http.get("engineer").json() == {"bookings": [first, second], "next": None}
    assert http.get("recipient").json() == {"bookings": [], "next": None}
    assert http.get("engineer", **times(at(14))).json() == {"bookings": [second], "next": None}
    everything = {"start": "0001-01-01T00:00:00Z", "end": "9999-12-31T23:59:59.999999Z"}
    assert http.get("engineer", **everything).json() == {"bookings": [first, second], "next": None}


NO_SPANS: list[tuple[dict[str, str], str]] = [
    ({"start": "2026-11-23T09:00:00Z"}, "end"),
    ({"end": "2026-11-23T09:00:00Z"}, "start"),
    ({"start": "2026-11-23T09:00:00", "end": "2026-11-23T10:00:00Z"}, "start"),
    ({"start": "2026-11-23T10:00:00Z", "end": "2026-11-23T10:00:00Z"}, "end"),
    ({"start": "today", "end": "2026-11-23T10:00:00Z"}, "start"),
    ({"start": "0001-01-01T00:00:00+05:00", "end": "2026-11-23T10:00:00Z"}, "start"),
]


def test_a_list_over_what_is_no_span_is_refused(http: Http) -> None:
    for query, field in NO_SPANS:
        assert fields_named(problem(http.get("anna", **query), 422)) == [field], query


def test_alternatives_are_given_before_anybody_collides(http: Http) -> None:
    http.post("anna", body=wish(at(9), "mill-1", "meter-1"))
    query = {"device_id": ["meter-1", "mill-1"], **times(at(9))}
    found = http.get("bert", "/alternatives", **query).json()["alternatives"]
    assert [span["start"] for span in found] == ["2026-11-23T09:15:00Z", "2026-11-23T10:15:00Z", "2026-11-23T11:15:00Z"]
    assert len(http.get("bert", "/alternatives", **query, count=7).json()["alternatives"]) == 7
    free = {"device_id": "robot-1", **times(at(9))}
    assert http.get("bert", "/alternatives", **free).json()["alternatives"][0]["start"] == "2026-11-23T08:00:00Z"


NOT_TO_BE_BOOKED: list[tuple[dict[str, Any], str]] = [
    ({"device_id": "ghost-1"}, "device_ids"),
    ({"device_id": "\x00"}, "device_id"),
    ({"device_id": []}, "device_id"),
    ({"count": 0}, "count"),
    ({"count": 21}, "count"),
    ({"start": "2026-11-23T09:00:00"}, "start"),
    ({"end": "2030-01-01T00:00:00Z"}, "end"),
]


def test_alternatives_for_what_cannot_be_booked_are_refused(http: Http) -> None:
    for change, field in NOT_TO_BE_BOOKED:
        query = {"device_id": "mill-1", **times(at(9)), **change}
        assert fields_named(problem(http.get("bert", "/alternatives", **query), 422)) == [field], change
