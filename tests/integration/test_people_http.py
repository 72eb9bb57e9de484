"""Sign-in, accounts and tokens over HTTP."""

import pytest
from fastapi import FastAPI

from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from lab.people.attempts import FAILURES_PER_NAME
from tests.web_client import ORIGIN, PASSWORD, Client, Town, browser, program


@pytest.fixture
def app(database: Database, lab_clock: LabClock) -> FastAPI:
    return create_app(settings=Settings(), database=database, clock=lab_clock, store=None, live=None)


@pytest.fixture
def town(database: Database, lab_clock: LabClock) -> Town:
    return Town(database, lab_clock)


def sign_in(client: Client, name: str = "founder", password: str = PASSWORD) -> int:
    return client.post("/api/v1/session", json={"sign_in": name, "password": password}).status_code


def test_signing_in_and_out_over_the_api(app: FastAPI, town: Town) -> None:
    client = browser(app)
    assert client.get("/api/v1/me").status_code == 401
    assert sign_in(client) == 204
    me = client.get("/api/v1/me").json()
    assert (me["role"], me["organisation"]["name"], me["scopes"]) == ("member", "Foundry", None)
    cookie = client.cookies["pilotlab_session"]
    assert client.call("DELETE", "/api/v1/session").status_code == 204
    client.cookies.set("pilotlab_session", cookie)
    assert client.get("/api/v1/me").status_code == 401


def test_the_cookie_cannot_be_read_by_scripts_and_is_secure_over_https(town: Town, lab_clock: LabClock) -> None:
    def cookie_of(settings: Settings, origin: str) -> str:
        app = create_app(settings=settings, database=town.database, clock=lab_clock, store=None, live=None)
        body = {"sign_in": "founder", "password": PASSWORD}
        return Client(app, Origin=origin).post("/api/v1/session", json=body).headers["set-cookie"]

    plain = cookie_of(Settings(), ORIGIN)
    assert "HttpOnly" in plain
    assert "SameSite=lax" in plain
    assert "Secure" not in plain
    assert "Secure" in cookie_of(Settings(public_url="https://pilot.example"), "https://pilot.example")


def test_too_many_wrong_passwords_are_stopped_with_the_time_to_wait(app: FastAPI, town: Town) -> None:
    client = program(app)
    for _ in range(FAILURES_PER_NAME):
        assert sign_in(client, password="wrong password") == 401
    refused = client.post("/api/v1/session", json={"sign_in": "Founder", "password": PASSWORD})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    assert refused.json()["detail"].startswith("too many failed sign-ins")
    assert sign_in(client, name="joiner") == 204


@pytest.mark.parametrize("scope", ["read", "write"])
def test_a_token_does_what_its_scope_says_on_every_route(app: FastAPI, town: Town, scope: str) -> None:
    client = town.program(app, "manager", scope)
    read = client.get("/api/v1/organisations")
    written = client.post("/api/v1/organisations", json={"name": "Brewery"})
    assert (read.status_code, written.status_code) == ((200, 403) if scope == "read" else (403, 201))
    refused = written if scope == "read" else read
    assert refused.json()["rule"] == "token-scope"


def test_a_read_token_cannot_change_anything_wherever_a_change_is_offered(app: FastAPI, town: Town) -> None:
    client = town.program(app, "manager", "read")
    tried = 0
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            if method.upper() not in {"GET", "HEAD"} and operation["security"]:  # open to all, a token gives no less
                answer = client.call(method.upper(), path.replace("{", "").replace("}", ""), json={})
                assert answer.status_code == 403, (method, path, answer.text)
                tried += 1
    assert tried > 10


def test_tokens_are_made_by_people_shown_once_and_revoked(app: FastAPI, town: Town) -> None:
    person = town.browser(app, "founder")
    made = person.post("/api/v1/tokens", json={"name": "script", "scopes": ["read"]})
    assert made.status_code == 201
    secret, token_id = made.json()["secret"], made.json()["id"]
    assert secret not in person.get("/api/v1/tokens").text
    assert program(app, secret).get("/api/v1/me").json()["scopes"] == ["read"]
    again = town.program(app, "founder").post("/api/v1/tokens", json={"name": "more", "scopes": ["write"]})
    assert (again.status_code, again.json()["rule"]) == (403, "person-only")
    assert town.browser(app, "joiner").call("DELETE", f"/api/v1/tokens/{token_id}").status_code == 404
    assert person.call("DELETE", f"/api/v1/tokens/{token_id}").status_code == 200
    refused = program(app, secret).get("/api/v1/me")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"


def test_a_manager_opens_and_closes_accounts(app: FastAPI, town: Town) -> None:
    manager = town.browser(app, "manager")
    body = {
        "organisation_id": town.foundry.id,
        "sign_in": "eva",
        "name": "Eva",
        "role": "member",
        "password": PASSWORD,
    }
    made = manager.post("/api/v1/accounts", json=body)
    assert made.status_code == 201
    assert "password" not in made.text
    assert manager.post("/api/v1/accounts", json=body).status_code == 409
    short = manager.post("/api/v1/accounts", json={**body, "sign_in": "eve", "password": "short"})
    assert (short.status_code, short.json()["field"], short.json()["limit"]) == (422, "password", 12)
    assert town.browser(app, "founder").post("/api/v1/accounts", json=body).status_code == 403
    reset = {"sign_in": "eva", "password": "another long one"}
    assert manager.post("/api/v1/accounts/password-reset", json=reset).status_code == 204
    assert sign_in(browser(app), "eva", "another long one") == 204
    assert manager.post(f"/api/v1/accounts/{made.json()['id']}/disable").status_code == 200
    assert sign_in(browser(app), "eva", "another long one") == 401


def test_companies_meet_only_themselves_over_the_api(app: FastAPI, town: Town) -> None:
    founder = town.browser(app, "founder")
    assert [found["name"] for found in founder.get("/api/v1/organisations").json()] == ["Foundry"]
    assert founder.get(f"/api/v1/organisations/{town.joinery.id}").status_code == 404
    accounts = founder.get("/api/v1/accounts").json()
    assert {found["organisation_id"] for found in accounts} == {town.foundry.id}
    assert founder.post("/api/v1/organisations", json={"name": "Other"}).status_code == 403


def test_a_person_changes_the_own_password_and_is_signed_out_elsewhere(app: FastAPI, town: Town) -> None:
    here, there = town.browser(app, "founder"), town.browser(app, "founder")
    body = {"old": PASSWORD, "new": "another long one"}
    assert here.call("PUT", "/api/v1/me/password", json=body).status_code == 204
    assert there.get("/api/v1/me").status_code == 401
    assert sign_in(browser(app), password="another long one") == 204


def test_an_account_is_changed_over_the_api_and_only_at_a_browser(app: FastAPI, town: Town) -> None:
    path = f"/api/v1/accounts/{town.accounts['founder'].id}"
    client = town.browser(app, "manager")
    changed = client.call("PATCH", path, json={"role": "recipient"})
    assert (changed.status_code, changed.json()["role"]) == (200, "recipient")
    assert client.call("PATCH", path, json={"role": "king"}).status_code == 422
    assert client.call("PATCH", path, json={"sign_in": "other"}).status_code == 422
    assert town.program(app, "manager").call("PATCH", path, json={"role": "member"}).status_code == 403
    [line] = client.get("/api/v1/audit", params={"subject": "account"}).json()["changes"]
    assert (line["what"], line["before"], line["after"]) == ("changed", {"role": "member"}, {"role": "recipient"})
