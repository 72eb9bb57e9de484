"""Whoever asked for it is told of events, in a way that can be checked, and nobody reaches our own network with it."""

import base64
import hashlib
import hmac
import json
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.jobs import Job, Worker
from lab.core.settings import Settings
from lab.post import addresses
from lab.post.jobs import post_handlers
from lab.post.models import Webhook, WebhookDelivery
from lab.post.service import TRIES, queue_event
from lab.post.webhooks import LIMIT
from tests.conftest import have
from tests.factories import MONDAY_MORNING
from tests.post_office import Receiver, make_certificate
from tests.web_client import Client, Town

OPEN = Settings(webhook_private_addresses=True)


@pytest.fixture
def town(each_database: Database, lab_clock: LabClock) -> Town:
    return Town(each_database, lab_clock)


@pytest.fixture
def app(town: Town) -> FastAPI:
    return create_app(settings=OPEN, database=town.database, clock=town.clock, store=None, live=None)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().open() as opened:
        yield opened


@pytest.fixture
def call(town: Town, app: FastAPI) -> Callable[[str], Client]:
    """Programs of the town's people."""
    return lambda name: town.program(app, name)


def make(client: Client, url: str, **more: Any) -> dict[str, Any]:
    made = client.post("/api/v1/webhooks", json={"url": url, **more})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


def tell(town: Town, *, of: str = "foundry", event: str = "booking.moved", key: str = "1") -> None:
    with town.database.write() as session:
        queue_event(
            session,
            key=key,
            organisation_id=getattr(town, of).id,
            event=event,
            payload={"booking_id": "bkg_1", "title": "Próba"},
            now=town.clock.now(),
        )


def work(town: Town, settings: Settings = OPEN) -> int:
    return Worker(town.database, town.clock, post_handlers(town.database, town.clock, settings)).run_due()


def work_when_due(town: Town, settings: Settings = OPEN) -> int:
    with town.database.read() as session:
        due = session.scalar(sa.select(sa.func.min(Job.run_at)).where(Job.state == "queued"))
    assert due is not None
    town.clock.jump_to(max(due, town.clock.now()))  # type: ignore[attr-defined]
    return work(town, settings)


def deliveries(town: Town) -> list[WebhookDelivery]:
    with town.database.read() as session:
        return list(session.scalars(sa.select(WebhookDelivery).order_by(WebhookDelivery.created_at)))


def verify(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """As the Standard Webhooks specification tells receivers, and knowing nothing of our code."""
    key = base64.b64decode(secret[len("whsec_") :])
    signed = headers["webhook-id"].encode() + b"." + headers["webhook-timestamp"].encode() + b"." + body
    right = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return any(
        hmac.compare_digest(given, right)
        for version, given in (each.split(",", 1) for each in headers["webhook-signature"].split(" "))
        if version == "v1"
    )


def test_a_company_is_told_of_its_own_events_signed(
    town: Town, call: Callable[[str], Client], receiver: Receiver
) -> None:
    secret = make(call("founder"), receiver.url + "/hook?from=lab")["secret"]
    tell(town)
    assert work(town) == 1
    [(path, headers, body)] = receiver.got
    assert path == "/hook?from=lab"
    assert headers["content-type"] == "application/json"
    assert headers["host"] == receiver.url.removeprefix("http://")
    assert int(headers["webhook-timestamp"]) == MONDAY_MORNING.timestamp()
    assert verify(secret, headers, body)
    assert not verify(secret, headers, body + b" ")
    assert not verify(secret, {**headers, "webhook-timestamp": "1"}, body)
    assert json.loads(body) == {
        "type": "booking.moved",
        "timestamp": "2026-11-23T07:00:00+00:00",
        "data": {"booking_id": "bkg_1", "title": "Próba"},
    }
    [delivery] = deliveries(town)
    assert (delivery.state, delivery.attempts, delivery.last_status) == ("delivered", 1, 204)
    assert work(town) == 0


def test_the_lab_is_told_of_everything_and_a_company_of_nothing_of_others(
    town: Town, call: Callable[[str], Client], receiver: Receiver
) -> None:
    for who in ("manager", "founder", "joiner"):
        make(call(who), f"{receiver.url}/{who}")
    tell(town, of="foundry")
    work(town)
    assert sorted(path for path, _, _ in receiver.got) == ["/founder", "/manager"]


def test_one_key_is_told_once_and_only_the_kinds_that_were_asked_for(
    town: Town, call: Callable[[str], Client], receiver: Receiver
) -> None:
    make(call("founder"), receiver.url + "/moves", events=["booking.moved"])
    make(call("founder"), receiver.url + "/all")
    tell(town, event="booking.cancelled", key="1")
    tell(town, event="booking.cancelled", key="1")
    tell(town, event="booking.moved", key="2")
    work(town)
    tell(town, event="booking.moved", key="2")
    assert work(town) == 0
    assert sorted(path for path, _, _ in receiver.got) == ["/all", "/all", "/moves"]


@pytest.mark.parametrize("status", [500, 404, 302, 429])
def test_what_was_not_taken_is_sent_again_under_the_same_id(
    town: Town, call: Callable[[str], Client], receiver: Receiver, status: int
) -> None:
    secret = make(call("founder"), receiver.url)["secret"]
    receiver.status, receiver.headers = status, {"Location": receiver.url + "/elsewhere"}
    tell(town)
    work(town)
    assert [(each.state, each.attempts, each.last_status) for each in deliveries(town)] == [("queued", 1, status)]
    receiver.status = 200
    work_when_due(town)
    [(path, first, body), (again, second, same)] = receiver.got
    assert (path, again) == ("/", "/"), "a redirect is not followed"
    assert (first["webhook-id"], body) == (second["webhook-id"], same)
    assert first["webhook-timestamp"] < second["webhook-timestamp"]
    assert verify(secret, second, same)
    assert deliveries(town)[0].state == "delivered"


def test_a_receiver_that_is_away_for_a_day_has_missed_it(town: Town, call: Callable[[str], Client]) -> None:
    with Receiver().open() as gone:
        make(call("founder"), gone.url)
    tell(town)
    for _ in range(TRIES):
        assert deliveries(town)[0].state == "queued"
        assert work_when_due(town) == 1
    [delivery] = deliveries(town)
    assert (delivery.state, delivery.attempts, delivery.last_status) == ("failed", TRIES, None)
    assert town.clock.now() - MONDAY_MORNING > timedelta(hours=24)
    assert "ConnectError" in (delivery.last_error or "")


def test_a_receiver_that_says_gone_is_told_nothing_more(
    town: Town, call: Callable[[str], Client], receiver: Receiver
) -> None:
    make(call("founder"), receiver.url)
    receiver.status = 410
    tell(town, key="1")
    work(town)
    tell(town, key="2")
    assert work(town) == 0
    assert [each.state for each in deliveries(town)] == ["failed"]
    assert call("founder").get("/api/v1/webhooks").json()["webhooks"][0]["disabled_at"] is not None


def test_a_slow_receiver_keeps_nobody_for_long(
    town: Town, call: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.post.delivery.DEADLINE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        make(call("founder"), f"http://127.0.0.1:{silent.getsockname()[1]}/")
        tell(town)
        work(town)
    assert deliveries(town)[0].state == "queued"
    assert deliveries(town)[0].last_error == "no answer within 0.3 s"


def test_what_waits_for_a_disabled_webhook_is_not_sent(
    town: Town, call: Callable[[str], Client], receiver: Receiver
) -> None:
    made = make(call("founder"), receiver.url)
    tell(town)
    disabled = call("founder").post(f"/api/v1/webhooks/{made['id']}/disable")
    assert disabled.json()["disabled_at"] is not None
    work(town)
    assert receiver.got == []
    assert [(each.state, each.last_error) for each in deliveries(town)] == [("failed", "the webhook is disabled")]
    tell(town, key="2")
    assert len(deliveries(town)) == 1
    assert call("founder").post(f"/api/v1/webhooks/{made['id']}/disable").json() == disabled.json()
    assert call("founder").post(f"/api/v1/webhooks/{made['id']}/test").status_code == 409


def test_the_secret_is_shown_once(town: Town, call: Callable[[str], Client], receiver: Receiver) -> None:
    made = make(call("founder"), receiver.url)
    assert made["secret"].startswith("whsec_")
    listed = call("founder").get("/api/v1/webhooks")
    assert [each["id"] for each in listed.json()["webhooks"]] == [made["id"]]
    assert "whsec_" not in listed.text
    assert "whsec_" not in call("founder").post(f"/api/v1/webhooks/{made['id']}/disable").text


def test_a_test_says_at_once_whether_it_got_through(
    town: Town, call: Callable[[str], Client], receiver: Receiver
) -> None:
    made = make(call("founder"), receiver.url, events=["booking.moved"])
    path = f"/api/v1/webhooks/{made['id']}"
    assert call("founder").post(path + "/test").status_code == 202
    assert call("founder").post(path + "/test").status_code == 409, "one at a time"
    work(town)
    assert json.loads(receiver.got[0][2])["type"] == "webhook.test"
    receiver.status = 500
    assert call("founder").post(path + "/test").status_code == 202
    work(town)
    found = call("founder").get(path + "/deliveries").json()["deliveries"]
    assert sorted((each["state"], each["last_status"], each["attempts"]) for each in found) == [
        ("delivered", 204, 1),
        ("failed", 500, 1),
    ]


def test_another_companys_webhook_does_not_exist(town: Town, call: Callable[[str], Client], receiver: Receiver) -> None:
    made = make(call("founder"), receiver.url)
    for who, status in (("joiner", 404), ("engineer", 403), ("reader", 403), ("manager", 200)):
        client = call(who)
        assert client.get(f"/api/v1/webhooks/{made['id']}/deliveries").status_code == status, who
        assert client.post(f"/api/v1/webhooks/{made['id']}/test").status_code == {200: 202}.get(status, status), who
        assert client.post(f"/api/v1/webhooks/{made['id']}/disable").status_code == status, who
        assert client.get("/api/v1/webhooks").status_code == (403 if status == 403 else 200), who
    assert call("joiner").get("/api/v1/webhooks").json() == {"webhooks": []}
    assert call("joiner").get("/api/v1/webhooks/wbh_%00/deliveries").status_code == 404


def test_webhooks_are_made_for_ones_own_company_and_by_managers_for_any(
    town: Town, call: Callable[[str], Client], receiver: Receiver
) -> None:
    foundry = town.foundry.id
    assert make(call("founder"), receiver.url)["organisation_id"] == foundry
    assert make(call("founder"), receiver.url, organisation_id=foundry)["organisation_id"] == foundry
    assert make(call("manager"), receiver.url, organisation_id=foundry)["organisation_id"] == foundry
    assert make(call("manager"), receiver.url)["organisation_id"] == town.lab.id
    for who, status in (("joiner", 404), ("engineer", 403), ("reader", 403)):
        body = {"url": receiver.url, "organisation_id": foundry}
        assert call(who).post("/api/v1/webhooks", json=body).status_code == status, who


def test_a_company_has_a_limited_number_of_webhooks(
    town: Town, call: Callable[[str], Client], receiver: Receiver
) -> None:
    client = call("founder")
    made = [make(client, f"{receiver.url}/{number}") for number in range(LIMIT)]
    refused = client.post("/api/v1/webhooks", json={"url": receiver.url})
    assert (refused.status_code, refused.json()["limit"]) == (409, LIMIT)
    client.post(f"/api/v1/webhooks/{made[0]['id']}/disable")
    make(client, receiver.url)


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("https://127.0.0.1/hook", "public-address"),
        ("https://localhost/hook", "public-address"),
        ("https://[::1]/hook", "public-address"),
        ("https://[::ffff:10.0.0.1]/hook", "public-address"),
        ("https://169.254.169.254/latest/meta-data", "public-address"),
        ("https://192.168.0.1/", "public-address"),
        ("http://8.8.8.8/hook", "https"),
        ("https://user:password@8.8.8.8/", "url-without-credentials"),
        ("file:///etc/passwd", "url-form"),
    ],
)
def test_our_own_network_is_refused_when_a_webhook_is_made(
    database: Database, lab_clock: LabClock, url: str, rule: str
) -> None:
    app = create_app(settings=Settings(), database=database, clock=lab_clock, store=None, live=None)
    town = Town(database, lab_clock)
    refused = town.program(app, "founder").post("/api/v1/webhooks", json={"url": url})
    assert (refused.status_code, refused.json()["field"], refused.json()["rule"]) == (422, "url", rule)
    with town.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Webhook)) == 0


@pytest.mark.parametrize(
    "body", [{"events": ["Booking Moved"]}, {"events": ["a"] * 51}, {"url": "https://e.org", "secret": "mine"}, {}]
)
def test_other_bad_wishes_are_refused_by_name(call: Callable[[str], Client], body: dict[str, Any]) -> None:
    refused = call("founder").post("/api/v1/webhooks", json={"url": "https://8.8.8.8/", **body} if body else {})
    assert refused.status_code == 422
    assert "field" in refused.json()


def test_a_name_that_points_inside_later_is_refused_at_delivery(
    town: Town, call: Callable[[str], Client], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(call("founder"), receiver.url.replace("http://127.0.0.1", "https://localhost"))
    tell(town)
    work(town, Settings())
    [delivery] = deliveries(town)
    assert receiver.got == []
    assert delivery.state == "queued"
    assert "not on the public internet" in (delivery.last_error or "")


def test_the_connection_goes_to_the_address_that_was_checked(
    town: Town, call: Callable[[str], Client], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that answers differently the second time gains nothing; TLS still asks for the name."""
    server_side, trusted = have(lambda: make_certificate(tmp_path, "DNS:hook.example"))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    asked: list[str] = []
    real = socket.getaddrinfo

    def rebinding(host: str | bytes, port: int, *rest: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in {"hook.example", "other.example"}:
            return real(host, port, *rest, **more)
        asked.append(name)
        first = len(asked) % 2 == 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1" if first else "192.0.2.1", port))]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", rebinding)
    with town.database.write() as session:
        secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
        for name in ("hook", "other"):
            session.add(
                Webhook(
                    id=f"wbh_{name}",
                    organisation_id=town.foundry.id,
                    url=f"https://{name}.example",
                    secret=secret,
                    events=[name],
                    created_by="acc_1",
                    created_at=MONDAY_MORNING,
                )
            )
    with Receiver().open(tls=server_side, name="hook.example") as receiver:
        with town.database.write() as session:
            for name in ("hook", "other"):
                session.get_one(Webhook, f"wbh_{name}").url = receiver.url.replace("hook.", f"{name}.")
        tell(town, event="hook", key="1")
        work(town)
        assert asked == ["hook.example"]
        [(_, headers, _)] = receiver.got
        assert headers["host"] == receiver.url.removeprefix("https://")
        asked.clear()
        tell(town, event="other", key="2")
        work(town)
        assert len(receiver.got) == 1
    wrong = {each.event: each for each in deliveries(town)}["other"]
    assert wrong.state == "queued"
    assert "certificate" in (wrong.last_error or "").lower()


def test_a_proxy_in_the_environment_is_not_used(
    town: Town, call: Callable[[str], Client], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    make(call("founder"), receiver.url)
    tell(town)
    work(town)
    assert len(receiver.got) == 1
