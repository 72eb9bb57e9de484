"""Refusals over HTTP: the same shape everywhere, naming the field and the rule, telling nothing of the inside."""

import re

import pytest
from fastapi import APIRouter, FastAPI
from httpx import Response

from lab.app import STATUS_OF_KIND, create_app
from lab.core import errors
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from tests.web_client import Client, Town, browser, program

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.PilotLabError)]


class DeviceOnFireError(errors.ConflictError):
    """Made up, to see what becomes of an error."""


@pytest.fixture
def app(database: Database, lab_clock: LabClock) -> FastAPI:
    return create_app(settings=Settings(), database=database, clock=lab_clock, store=None, live=None)


@pytest.fixture
def town(database: Database, lab_clock: LabClock) -> Town:
    return Town(database, lab_clock)


def problem(response: Response, status: int) -> dict[str, object]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = response.json()
    assert {"type", "title", "status", "detail"} <= body.keys()
    assert body["status"] == status
    return body


def route_that_raises(app: FastAPI, path: str, error: Exception) -> None:
    router = APIRouter()

    @router.get(path)
    def fail() -> None:
        raise error

    app.include_router(router)


def test_every_kind_of_error_has_its_status() -> None:
    assert {kind.kind for kind in KINDS} == set(STATUS_OF_KIND)


def test_facts_of_an_error_reach_the_program_and_cannot_hide_what_happened(app: FastAPI) -> None:
    error = DeviceOnFireError("the mill burns; run", field="device", rule="cool", status="fine", devices=("mill-1",))
    route_that_raises(app, "/api/v1/fire", error)
    assert problem(program(app).get("/api/v1/fire"), 409) == {
        "type": "urn:pilotlab:problem:device-on-fire",
        "title": "This collides with the present state",
        "status": 409,
        "detail": "the mill burns; run",
        "field": "device",
        "rule": "cool",
        "devices": ["mill-1"],
    }


def test_an_unforeseen_error_is_answered_without_a_word_of_the_inside(
    app: FastAPI, capsys: pytest.CaptureFixture[str]
) -> None:
    route_that_raises(app, "/api/v1/broken", RuntimeError("secret /etc/path"))
    route_that_raises(app, "/broken", RuntimeError("secret /etc/path"))
    answer = program(app).get("/api/v1/broken")
    problem(answer, 500)
    page = browser(app).get("/broken")
    assert page.status_code == 500
    assert "Something went wrong on our side" in page.text
    for response in (answer, page):
        assert "secret" not in response.text
        assert "Traceback" not in response.text
        assert "content-security-policy" in response.headers
    logged = capsys.readouterr()
    assert "secret" in logged.out + logged.err


def test_unknown_addresses_and_methods_are_said_plainly(app: FastAPI) -> None:
    client = program(app)
    assert "address" in str(problem(client.get("/api/v1/nothing"), 404)["detail"])
    refused = client.call("PUT", "/api/v1/session")
    assert "PUT" in str(problem(refused, 405)["detail"])
    assert refused.headers["allow"]


def test_a_body_with_faults_is_told_field_by_field_in_plain_words(app: FastAPI, town: Town) -> None:
    client = town.program(app, "founder")
    body = {"device_ids": "mill-1", "start": "2026-11-24T09:00:00Z", "colour": "red", "title": ""}
    found = problem(client.post("/api/v1/bookings", json=body), 422)
    errors_by_field = {fault["field"]: fault["message"] for fault in found["errors"]}  # type: ignore[attr-defined]
    assert errors_by_field["device_ids"] == "must be a list"
    assert errors_by_field["end"] == "is needed"
    assert errors_by_field["colour"] == "is not known here; please leave it out"
    assert errors_by_field["title"] == "should have at least 1 character"
    assert "end is needed" in str(found["detail"])
    found = problem(client.post("/api/v1/bookings", json={**body, "title": "one\x00two"}), 422)
    errors_by_field = {fault["field"]: fault["message"] for fault in found["errors"]}  # type: ignore[attr-defined]
    assert errors_by_field["title"] == "has characters that are not possible here, or is empty or too long"


@pytest.mark.parametrize("body", [b"{", b"", b"[1]", b'"text"', b"\xff\xfe", b"null"])
def test_what_is_no_json_object_is_a_422_with_words(app: FastAPI, town: Town, body: bytes) -> None:
    client = town.program(app, "founder")
    found = problem(client.post("/api/v1/bookings", content=body, headers={"Content-Type": "application/json"}), 422)
    assert found["errors"]


def test_a_page_that_fails_is_a_page_that_says_what_to_do(app: FastAPI, town: Town) -> None:
    person = town.browser(app, "founder")
    for path, words in (("/nothing", "nothing at this address"), ("/devices/nothing", "no device")):
        response = person.get(path)
        assert response.status_code == 404
        assert response.headers["content-type"].startswith("text/html")
        assert words in response.text
        assert "To the start" in response.text


def test_the_api_describes_itself_without_pages_or_foreign_scripts(app: FastAPI) -> None:
    client = program(app)
    document = client.get("/api/v1/openapi.json").json()
    assert all(path.startswith(("/api/v1/", "/calendars/")) for path in document["paths"])
    for domain in ("session", "organisations", "devices", "bookings", "pilots", "reports"):
        assert any(path.startswith(f"/api/v1/{domain}") for path in document["paths"]), domain
    for method in document["paths"]["/api/v1/bookings"].values():
        assert "application/problem+json" in method["responses"]["4XX"]["content"]
    for path in ("/docs", "/redoc"):
        assert client.get(path).status_code == 404


def test_the_api_says_which_operations_need_a_sign_in_and_those_alone_ask_for_it(app: FastAPI) -> None:
    client = program(app)
    document = client.get("/api/v1/openapi.json").json()
    ways = document["components"]["securitySchemes"]
    assert (ways["token"]["scheme"], ways["session"]["in"], ways["session"]["name"]) == (
        "bearer",
        "cookie",
        "pilotlab_session",
    )
    operations = [(method, path, asked) for path, found in document["paths"].items() for method, asked in found.items()]
    for method, path, asked in operations:
        needs = asked["security"] == [{"token": []}, {"session": []}]
        assert needs or asked["security"] == [], (method, path)
        answer = client.call(method.upper(), re.sub(r"\{[^}]*\}", "1", path))
        assert (answer.status_code == 401) == needs, (method, path, answer.status_code)
    assert {(method, path) for method, path, asked in operations if not asked["security"]} == {
        ("post", "/api/v1/session"),
        ("delete", "/api/v1/session"),
        ("post", "/api/v1/enquiries"),
        ("get", "/calendars/{secret}.ics"),
    }


class Recorder:
    def __init__(self, connected: bool) -> None:
        self.running, self.connected = True, connected

    def health(self) -> "Recorder":
        return self


def test_health_says_whether_the_process_lives_and_whether_it_can_work(database: Database, lab_clock: LabClock) -> None:
    def client(recorder: Recorder | None) -> Client:
        parts = {"settings": Settings(), "database": database, "clock": lab_clock, "store": None, "live": None}
        return program(create_app(**parts, recorder=recorder))  # type: ignore[arg-type]

    assert client(None).get("/healthz").json() == {"status": "ok"}
    assert client(None).get("/readyz").json() == {"status": "ready", "parts": {"database": "ok"}}
    assert client(Recorder(True)).get("/readyz").status_code == 200
    down = client(Recorder(False)).get("/readyz")
    assert (down.status_code, down.json()["parts"]["recorder"]) == (503, "down")


def test_a_refusal_that_tells_half_a_character_again_can_be_sent(app: FastAPI) -> None:
    route_that_raises(app, "/half", DeviceOnFireError("there is no \ud800", device="\udfff"))
    found = problem(program(app).get("/half"), 409)
    assert (found["detail"], found["device"]) == ("there is no ?", "?")
