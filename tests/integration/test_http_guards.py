"""What stands between the network and the application."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from lab.web.guards import LARGEST_BODY_BYTES
from tests.web_client import ORIGIN, PASSWORD, Client, Town, browser

CHANGE = "/api/v1/organisations"


@pytest.fixture
def app(database: Database, lab_clock: LabClock) -> FastAPI:
    return create_app(settings=Settings(), database=database, clock=lab_clock, store=None, live=None)


@pytest.fixture
def town(database: Database, lab_clock: LabClock) -> Town:
    return Town(database, lab_clock)


def change(town: Town, app: FastAPI, **headers: str) -> int:
    """The status of a change by a signed-in browser that sends these headers about where it comes from."""
    client = town.browser(app, "manager")
    client.headers = headers
    return client.post(CHANGE, json={"name": "Brewery"}).status_code


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": ORIGIN},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://behind.proxy"},
    ],
)
def test_our_own_pages_may_ask_for_changes(app: FastAPI, town: Town, headers: dict[str, str]) -> None:
    assert change(town, app, **headers) == 201


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://lab.example.evil.example"},
        {"Origin": "http://lab.example:81"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": ORIGIN},
        {"Origin": "http://evil.example", "Authorization": "Basic x"},
    ],
)
def test_another_site_cannot_make_a_signed_in_browser_change_anything(
    app: FastAPI, town: Town, headers: dict[str, str]
) -> None:
    assert change(town, app, **headers) == 403


def test_another_site_cannot_sign_somebody_in(app: FastAPI, town: Town) -> None:
    form = {"sign_in": "founder", "password": PASSWORD}
    refused = Client(app, Accept="text/html", Origin="http://evil.example").post("/sign-in", data=form)
    assert refused.status_code == 403
    assert "set-cookie" not in refused.headers


def test_behind_a_proxy_the_public_address_is_the_one_that_counts(town: Town, lab_clock: LabClock) -> None:
    settings = Settings(public_url="https://pilot.example")
    app = create_app(settings=settings, database=town.database, clock=lab_clock, store=None, live=None)
    assert change(town, app, Origin="https://pilot.example:443") == 201
    assert change(town, app, Origin=ORIGIN) == 403
    assert "max-age" in browser(app).get("/sign-in").headers["strict-transport-security"]


def test_reading_needs_no_origin(app: FastAPI, town: Town) -> None:
    client = town.browser(app, "founder")
    client.headers = {"Sec-Fetch-Site": "cross-site"}  # a link in an e-mail
    assert client.get("/").status_code == 200


def test_a_body_of_a_megabyte_is_taken_and_a_larger_one_is_not(app: FastAPI, town: Town) -> None:
    client = town.program(app, "manager")
    assert client.post(CHANGE, content=b" " * LARGEST_BODY_BYTES).status_code == 422

    async def flow() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b" " * (LARGEST_BODY_BYTES // 10)

    for content in (b" " * (LARGEST_BODY_BYTES + 1), flow()):
        refused = client.post(CHANGE, content=content)
        assert refused.status_code == 413
        assert refused.headers["content-type"] == "application/problem+json"
        assert "1 MB" in refused.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/sign-in",
        "/bookings",
        "/bookings/new",
        "/pilots",
        "/nothing",
        "/api/v1/me",
        "/api/v1/nothing",
        "/static/pilotlab.css",
        "/static/live.js",
        "/healthz",
    ],
)
@pytest.mark.parametrize("who", [None, "founder"])
def test_every_answer_tells_browsers_to_take_things_from_here_only(
    app: FastAPI, town: Town, path: str, who: str | None
) -> None:
    headers = (town.browser(app, who) if who else browser(app)).get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    if not path.startswith("/static/"):
        assert headers["cache-control"] == "no-store"


def test_static_files_are_kept_when_named_by_their_content(app: FastAPI) -> None:
    client = browser(app)
    page = client.get("/sign-in").text
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    assert "immutable" in client.get(address).headers["cache-control"]
    assert client.get("/static/pilotlab.css").headers["cache-control"] == "no-cache"
    assert "immutable" not in client.get("/static/nothing.css?v=1").headers["cache-control"]
    assert client.get("/static/../app.py").status_code == 404
    assert client.get("/static/%2e%2e/app.py").status_code == 404


def test_a_misspelt_filter_is_refused_and_the_right_ones_are_named(app: FastAPI, town: Town) -> None:
    manager = town.browser(app, "manager")
    answer = manager.get("/api/v1/dead-letters", params={"devcie": "mill-1"})
    assert answer.status_code == 422
    assert answer.json()["field"] == "devcie"
    assert "'devcie'" in answer.json()["detail"]
    assert {"device", "limit", "cursor"} <= set(answer.json()["known"])
    assert manager.get("/api/v1/dead-letters", params={"device": "mill-1", "limit": 5}).status_code == 200


def test_an_address_without_parameters_says_so(app: FastAPI, town: Town) -> None:
    answer = town.browser(app, "manager").get("/api/v1/me", params={"format": "csv"})
    assert answer.status_code == 422
    assert answer.json()["detail"].endswith("it has none")


def test_a_parameter_without_a_name_is_refused_as_part_of_the_query(app: FastAPI, town: Town) -> None:
    answer = town.browser(app, "manager").get("/api/v1/dead-letters?=5")
    assert (answer.status_code, answer.json()["field"]) == (422, "query")
