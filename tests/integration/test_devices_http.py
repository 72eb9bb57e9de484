"""Devices over HTTP."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient, Response

from devices.messages.native import Birth
from devices.service import record_birth
from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from lab.people.principals import Principal, Role
from lab.people.service import create_api_token
from tests.factories import MONDAY_MORNING, make_account, make_device

DEVICES = "/api/v1/devices"
Ask = Callable[..., Response]


@pytest.fixture
def ask(database: Database, lab_clock: LabClock) -> Ask:
    """Calls in the name of somebody of that role."""
    app = create_app(settings=Settings(), database=database, clock=lab_clock, store=None, live=None)
    transport = ASGITransport(app, raise_app_exceptions=False)

    def call(role: Role, path: str = "", body: Any = None) -> Response:
        with database.write() as session:
            account = make_account(session, role)
            who = Principal(account.id, account.organisation_id, role, account.name)
            token = create_api_token(session, who, name="test", scopes=("read", "write"), now=lab_clock.now())[1]

        async def send() -> Response:
            headers = {"Authorization": f"Bearer {token}"}
            async with AsyncClient(transport=transport, base_url="http://lab.example", headers=headers) as client:
                method = "GET" if body is None else "POST"
                return await client.request(method, DEVICES + path, json=body)

        return asyncio.run(send())

    return call


def entry(**changes: Any) -> dict[str, Any]:
    signal = {"name": "power_kw", "label": "Power", "unit": "kW", "range": [0, 5], "calibration_due": "2027-01-31"}
    device = {"id": "mill-1", "name": "Mill", "kind": "cnc-mill", "price_eur_per_hour": 85.5, "signals": [signal]}
    return {**device, **changes}


def test_a_company_sees_what_it_can_book_and_no_credentials(ask: Ask, database: Database) -> None:
    with database.write() as session:
        make_device(session, mqtt_password_hash="$7$101$secret$hash")
        make_device(session, "old-1", retired_at=MONDAY_MORNING)
        record_birth(session, "mill-1", Birth("7f3a", 1, "2.1"), now=MONDAY_MORNING)
    answer = ask(Role.MEMBER)
    (mill,) = answer.json()
    assert (mill["id"], mill["price_cents_per_hour"]) == ("mill-1", 12_000)
    assert mill["life"] == {
        "online": True,
        "boot": "7f3a",
        "firmware": "2.1",
        "born_at": "2026-11-23T07:00:00Z",
        "died_at": None,
    }
    assert [(one["name"], one["unit"], one["symbol"]) for one in mill["signals"]] == [
        ("feed_mm_s", "mm/s", "mm/s"),
        ("spindle_power_kw", "kW", "kW"),
    ]
    assert "secret" not in answer.text
    assert ask(Role.MEMBER, "/mill-1").json() == mill
    unknown = ask(Role.MEMBER, "/mill-9")
    assert (unknown.status_code, unknown.json()["device"]) == (404, "mill-9")


def test_a_manager_imports_a_catalogue_and_nobody_else_does(ask: Ask) -> None:
    catalogue = {"devices": [entry()]}
    for role in (Role.MEMBER, Role.ENGINEER, Role.RECIPIENT):
        assert ask(role, "/import", catalogue).status_code == 403
    assert ask(Role.MANAGER).json() == []
    first = ask(Role.MANAGER, "/import", catalogue)
    assert first.json() == {"created": ["mill-1"], "updated": [], "unchanged": []}
    assert ask(Role.MANAGER, "/import", catalogue).json()["unchanged"] == ["mill-1"]
    (mill,) = ask(Role.MANAGER).json()
    assert (mill["price_cents_per_hour"], mill["signals"][0]["calibration_due"]) == (8550, "2027-01-31")


@pytest.mark.parametrize(
    "wrong", [entry(colour="red"), entry(id="Mill 1"), entry(price_eur_per_hour=-1), entry(signals=[]), {}]
)
def test_a_wrong_catalogue_is_refused_and_nothing_of_it_kept(ask: Ask, wrong: dict[str, Any]) -> None:
    answer = ask(Role.MANAGER, "/import", {"devices": [entry(id="good-1"), wrong]})
    assert answer.status_code == 422
    assert ask(Role.MANAGER).json() == []
