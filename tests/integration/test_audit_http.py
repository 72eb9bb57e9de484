"""The log of all changes over HTTP: managers read it in pages, nobody else does."""

from datetime import timedelta
from typing import Any
from urllib.parse import urljoin

import pytest
from fastapi import FastAPI
from httpx import Response

from lab.app import create_app
from lab.core.audit import NEWEST_FIRST, note_change
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.paging import cursor_of
from lab.core.settings import Settings
from tests.factories import MONDAY_MORNING
from tests.web_client import ORIGIN, Client, Town, program

AUDIT = "/api/v1/audit"


@pytest.fixture
def app(each_database: Database, lab_clock: LabClock) -> FastAPI:
    return create_app(settings=Settings(), database=each_database, clock=lab_clock, store=None, live=None)


@pytest.fixture
def town(each_database: Database, lab_clock: LabClock) -> Town:
    town = Town(each_database, lab_clock)
    founder, engineer = (town.accounts[name].id for name in ("founder", "engineer"))
    with each_database.write() as session:
        for minute, (subject, subject_id, what, by, reason) in enumerate(
            [
                ("booking", "bkg_1", "created", founder, None),
                ("booking", "bkg_2", "created", founder, None),
                ("booking", "bkg_1", "moved", engineer, "the mill was down"),
                ("outage", "out_1", "declared", engineer, "spindle"),
                ("booking", "bkg_1", "no-show", "system", None),
            ]
        ):
            note_change(
                session,
                subject,
                subject_id,
                what,
                by=by,
                at=MONDAY_MORNING + timedelta(minutes=minute),
                before={"title": "Zażółć"} if what == "moved" else None,
                after={"version": minute},
                reason=reason,
            )
    return town


@pytest.fixture
def manager(app: FastAPI, town: Town) -> Client:
    return town.program(app, "manager")


def read(client: Client, **query: Any) -> list[str]:
    response = client.get(AUDIT, params={name.rstrip("_"): value for name, value in query.items()})
    assert response.status_code == 200, response.text
    return [f"{change['subject_id']} {change['what']}" for change in response.json()["changes"]]


def problem(response: Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    return found


def test_a_manager_reads_who_did_what_when_from_to_and_why(manager: Client, town: Town) -> None:
    changes = manager.get(AUDIT).json()
    assert changes["next"] is None
    assert [change["what"] for change in changes["changes"]] == ["no-show", "declared", "moved", "created", "created"]
    engineer = town.accounts["engineer"]
    assert changes["changes"][2] == {
        "id": 3,
        "at": "2026-11-23T07:02:00Z",
        "by": engineer.id,
        "by_name": engineer.name,
        "subject": "booking",
        "subject_id": "bkg_1",
        "what": "moved",
        "before": {"title": "Zażółć"},
        "after": {"version": 2},
        "reason": "the mill was down",
    }
    assert (changes["changes"][0]["by"], changes["changes"][0]["by_name"]) == ("system", None)


def test_the_log_is_narrowed_down(manager: Client, town: Town) -> None:
    assert read(manager, subject="outage") == ["out_1 declared"]
    assert read(manager, subject="booking", subject_id="bkg_1") == ["bkg_1 no-show", "bkg_1 moved", "bkg_1 created"]
    assert read(manager, subject="outage", subject_id="bkg_1") == []
    assert read(manager, by=town.accounts["founder"].id) == ["bkg_2 created", "bkg_1 created"]
    assert read(manager, by="system") == ["bkg_1 no-show"]
    assert read(manager, from_="2026-11-23T08:02:00+01:00", to="2026-11-23T07:03:00Z") == ["bkg_1 moved"]
    assert read(manager, from_="2026-11-23T07:03:00Z") == ["bkg_1 no-show", "out_1 declared"]
    assert read(manager, to="2026-11-23T07:01:00Z") == ["bkg_1 created"]


def test_pages_are_followed_by_the_link_with_the_filters_kept(manager: Client) -> None:
    everything, address, pages = [], f"{AUDIT}?limit=2&subject=booking", 0
    while True:
        response = manager.get(address)
        body = response.json()
        everything += [change["id"] for change in body["changes"]]
        pages += 1
        if body["next"] is None:
            assert "link" not in response.headers
            break
        target, relation = response.headers["link"].split(";")
        assert relation.strip() == 'rel="next"'
        address = urljoin(f"{ORIGIN}{AUDIT}", target.strip("<>"))
        assert body["next"] in address
    assert (everything, pages) == ([5, 3, 2, 1], 2)


def test_only_managers_read_the_log(app: FastAPI, town: Town) -> None:
    for name in ("engineer", "founder", "reader"):
        refused = problem(town.program(app, name).get(AUDIT), 403)
        assert refused["rule"] == "manager-only"
        assert "spindle" not in str(refused)
    problem(program(app).get(AUDIT), 401)
    assert read(town.program(app, "manager", "read"))[0] == "bkg_1 no-show"


def test_what_cannot_be_meant_is_refused_by_field(manager: Client) -> None:
    foreign = cursor_of(NEWEST_FIRST, (MONDAY_MORNING, 1))[:-1]
    for query, field in (
        ({"cursor": "rubbish"}, "cursor"),
        ({"cursor": ""}, "cursor"),
        ({"cursor": foreign}, "cursor"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"from": "2026-11-23T07:00:00"}, "from"),
        ({"from": "1795417200"}, "from"),
        ({"to": "2026-11-23"}, "to"),
        ({"to": "9999-12-31T23:59:59-02:00"}, "to"),
        ({"from": "2026-11-23T08:00:00Z", "to": "2026-11-23T07:00:00Z"}, "to"),
        ({"from": "2026-11-23T08:00:00Z", "to": "2026-11-23T08:00:00Z"}, "to"),
        ({"subject": "\0"}, "subject"),
    ):
        assert problem(manager.get(AUDIT, params=query), 422)["field"] == field, query
    for unknown in ("\ufffd", "x" * 3000, "'; --", "\u2028"):
        assert read(manager, subject=unknown, subject_id=unknown, by=unknown) == []
