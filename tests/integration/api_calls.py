"""What is sent to a served installation when its API is fuzzed: its people, what exists there, calls that make sense.

A generated call alone would nearly always be refused for the first of its faults. So it is blended with one that makes
sense, and made-up identifiers are replaced by existing ones, as far as somebody who picks wants it.
"""

import copy
import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import requests
import yaml
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.core.transport import Response

from lab.core.clock import Clock
from lab.core.database import Database
from lab.people.endpoints import SESSION_COOKIE
from lab.people.principals import Role
from lab.people.service import open_session
from lab.pilots.examples import demo_plan
from tests.factories import MONDAY_MORNING, make_account
from tests.telemetry_lab import served_lab

STREAM_SECONDS = 5.0
"""A live stream never ends by itself."""
_CALENDAR = re.compile(r"/calendars/([^/]+)\.ics")
Pick = Callable[[str], int | None]
"""For a name, which of the existing things to take, counted round; None: leave what was made up."""


def instants() -> st.SearchStrategy[str]:
    """Times: most of them bookable, some of them traps."""
    near = st.integers(0, 7 * 48).map(
        lambda half_hours: (MONDAY_MORNING + timedelta(minutes=30 * half_hours)).isoformat()
    )
    traps = [
        "2026-11-24T09:00:00",
        "2026-11-24T09:00:00.123456Z",
        "2027-03-28T02:30:00+01:00",
        "2026-10-25T02:30:00+02:00",
        "2016-12-31T23:59:60Z",
        "0001-01-01T00:00:00+02:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-02:00",
        "9999-12-31T23:59:59Z",
        "1970-01-01T00:00:00Z",
    ]
    return st.one_of(near, near, near, st.sampled_from(traps))


def spans(start: str = "start", end: str = "end", *, hours: float = 1) -> st.SearchStrategy[dict[str, str]]:
    """An hour, or so many, within opening hours on one of 20 weekdays; the first begins at present."""

    def span(number: int) -> dict[str, str]:
        days, hour = divmod(number, 8)
        begin = MONDAY_MORNING + timedelta(days=days + 2 * (days // 5), hours=hour)
        return {start: begin.isoformat(), end: (begin + timedelta(hours=hours)).isoformat()}

    return st.integers(0, 159).map(span)


def _facts(*parts: st.SearchStrategy[dict[str, Any]], **facts: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(lambda found: {**facts, **{name: part[name] for part in found for name in part}})


def _catalogue() -> dict[str, Any]:
    """The catalogue of the demonstration, as JSON."""
    text = resources.files("devices").joinpath("catalogues/gliwice.yaml").read_text()
    found: dict[str, Any] = json.loads(json.dumps(yaml.safe_load(text), default=str))
    return found


_DEVICES = st.sampled_from([["mill-1"], ["robot-1"], ["mill-1", "robot-1"]])
_BOOKING = st.builds(lambda span, devices: {**span, "device_ids": devices, "title": "Trial"}, spans(), _DEVICES)
_WIDE = spans(hours=24 * 6)
GOOD_BODIES: Mapping[str, st.SearchStrategy[dict[str, Any]]] = {
    "POST /api/v1/bookings": _BOOKING,
    "POST /api/v1/bookings/series": _BOOKING.map(lambda wish: {**wish, "rrule": "FREQ=DAILY;COUNT=3"}),
    "POST /api/v1/bookings/series/preview": _BOOKING.map(lambda wish: {**wish, "rrule": "FREQ=DAILY;COUNT=3"}),
    "POST /api/v1/bookings/bulk": st.lists(_BOOKING, min_size=1, max_size=3).map(lambda found: {"bookings": found}),
    "POST /api/v1/bookings/{booking_id}/move": spans(),
    "POST /api/v1/bookings/{booking_id}/extend": spans().map(lambda span: {"end": span["end"]}),
    "POST /api/v1/waitlist": _facts(
        spans("earliest", "latest", hours=4), device_ids=["mill-1"], minutes=60, title="Trial"
    ),
    "PUT /api/v1/rules/lab": _facts(lead_minutes=0, horizon_days=120),
    "PUT /api/v1/rules/class/{kind}": _facts(shortest_minutes=15),
    "PUT /api/v1/rules/device/{device_id}": _facts(approval=True),
    "POST /api/v1/bookings/moves": spans().map(lambda span: {"moves": [{**span, "booking_id": "bkg_none"}]}),
    "POST /api/v1/devices/import": st.just(_catalogue()),
    "POST /api/v1/accounts": st.integers(1, 99).map(
        lambda number: {
            "organisation_id": "org_none",
            "sign_in": f"person-{number}",
            "name": "Somebody",
            "role": "member",
            "password": "correct horse battery",
        }
    ),
    "PUT /api/v1/pilots/{pilot_id}/plan": st.just(demo_plan().model_dump(mode="json")),
    "POST /api/v1/pilots/{pilot_id}/runs/{number}/start": _facts(booking_id="bkg_none"),
    "POST /api/v1/outages": _facts(spans(), kind="planned", reason="Spindle", device_id="mill-1"),
    "POST /api/v1/organisations": st.integers(1, 99).map(lambda number: {"name": f"Workshop {number}"}),
    "POST /api/v1/pilots": _facts(title="Feed rates", question="Does a faster feed pay?"),
    "POST /api/v1/webhooks": _facts(url="https://9.9.9.9/hook", events=["booking.created"]),
    "POST /api/v1/tokens": _facts(name="Dashboard", scopes=["read"]),
    "POST /api/v1/calendar-links": _facts(kind="person"),
    "POST /api/v1/programmes": _facts(
        name="Test first",
        legal_basis="de-minimis",
        price_per_mille=300,
        state_share_per_mille=700,
        valid_from="2026-01-01T00:00:00Z",
    ),
    "POST /api/v1/support/other-aid": _facts(
        organisation_id="org_none", grantor="Region", granted_at="2026-01-01T00:00:00Z", cents=1000
    ),
    "POST /api/v1/support/other-aid/{aid_id}/counter": _facts(reason="written down twice"),
    "POST /api/v1/price-lists": _facts(name="2027", supervision_hour_cents=9000, devices={}),
}
"""Operation → bodies that can succeed."""
GOOD_QUERIES: Mapping[str, st.SearchStrategy[dict[str, Any]]] = {
    "GET /api/v1/bookings": _WIDE,
    "GET /api/v1/bookings/alternatives": _facts(spans(), device_id=["mill-1"]),
    "GET /api/v1/quotes": _facts(spans(), device_id=["mill-1"]),
    "GET /api/v1/calendar": _WIDE,
    "GET /api/v1/utilisation": _WIDE.map(lambda span: {"from": span["start"][:10], "to": span["end"][:10]}),
    "GET /api/v1/slots": _WIDE.map(
        lambda span: {"from": span["start"], "to": span["end"], "device_id": ["mill-1"], "duration_minutes": 60}
    ),
    "GET /api/v1/audit": _WIDE.map(lambda span: {"from": span["start"], "to": span["end"]}),
}


@dataclass
class Installation:
    """A served one, and what exists there; a company's member calls by API token, the manager from a browser."""

    url: str
    database: Database
    clock: Clock
    member_token: str
    manager_id: str
    parameter_names: frozenset[str]
    """Names of path parameters, anywhere in the API."""
    names_below: Mapping[str, set[str]]
    """Path of a collection → names that the API gives to the identifier of one of its members."""
    untouched: set[Any] = field(default_factory=set)
    """Identifiers of those who call, and of the member's token: nobody shall lock them out."""
    known: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    """Name of a parameter → identifiers."""
    wire: requests.Session = field(default_factory=requests.Session)

    def sign_in(self) -> None:
        """The manager signs in, again if signed out meanwhile."""
        with self.database.write() as session:
            self._cookie = open_session(session, self.manager_id, now=self.clock.now())

    def call(self, case: Case, role: str) -> Response:
        """Send it, and learn what exists from the answer."""
        timeout = STREAM_SECONDS if case.path.endswith("/live") else 60
        self.wire.cookies.clear()
        response = case.call(
            base_url=self.url, session=self.wire, allow_redirects=False, timeout=timeout, **self._identity(role)
        )
        if response.status_code < 300 and "json" in "".join(response.headers.get("content-type", [])):
            self._learn(case.path, response.json())
        return response

    def get(self, path: str, role: str) -> requests.Response:
        """Read something; what it names is known from now on."""
        self.wire.cookies.clear()
        response = self.wire.get(self.url + path, timeout=60, **self._identity(role))
        if response.status_code == 200 and "json" in response.headers["content-type"]:
            self._learn(path, response.json())
        return response

    def with_known(self, case: Case, pick: Pick) -> Case:
        """The call, some of its identifiers and versions replaced by existing ones."""

        def existing(name: str, value: Any) -> Any:
            if isinstance(value, list) and name.endswith("s"):
                return [existing(name[:-1], part) if isinstance(part, str) else part for part in value]
            known, number = self.known.get(name), pick(name)
            return value if not known or number is None else known[number % len(known)]

        def replaced(values: Any) -> Any:
            if isinstance(values, list):
                return [replaced(value) for value in values]
            if isinstance(values, dict):
                return {name: replaced(existing(name, value)) for name, value in values.items()}
            return values

        headers = copy.copy(case.headers)
        version = pick("If-Match") if "If-Match" in headers else None
        if version is not None:
            headers["If-Match"] = ("*", '"1"', '"1"', '"2"')[version % 4]
        return case.operation.Case(
            method=case.method,
            path_parameters=replaced(case.path_parameters),
            query=replaced(case.query),
            headers=headers,
            cookies=copy.copy(case.cookies),
            body=replaced(case.body),
            media_type=case.media_type,
        )

    def _identity(self, role: str) -> dict[str, Any]:
        if role == "member":
            return {"headers": {"Authorization": f"Bearer {self.member_token}"}}
        return {"headers": {"Origin": self.url}, "cookies": {SESSION_COOKIE: self._cookie}}

    def _learn(self, path: str, answer: Any) -> None:
        lists = answer.values() if isinstance(answer, dict) else [answer]
        for thing in [answer, *(thing for found in lists if isinstance(found, list) for thing in found)]:
            if isinstance(thing, dict):
                for name, value in thing.items():
                    if name in self.parameter_names:
                        self._remember(name, value)
                    if isinstance(value, str) and (secret := _CALENDAR.search(value)):
                        self._remember("secret", secret.group(1))
                for name in self.names_below.get(path, ()):
                    self._remember(name, thing.get("id"))

    def _remember(self, name: str, value: Any) -> None:
        known = self.known[name]
        if isinstance(value, str | int) and value not in self.untouched and value not in known and len(known) < 50:
            known.append(value)


ROLES = ("member", "manager")


def paths_of(document: Mapping[str, Any]) -> tuple[frozenset[str], dict[str, set[str]]]:
    """Names of the path parameters of an API document, all of them and below each collection."""
    below: dict[str, set[str]] = defaultdict(set)
    for path in document["paths"]:
        for match in re.finditer(r"/\{(\w+)\}", path):
            below[path[: match.start()]].add(match.group(1))
    return frozenset(re.findall(r"\{(\w+)\}", " ".join(document["paths"]))), below


def serve_installation(stack: ExitStack, url: str, folder: Path, document: Mapping[str, Any]) -> Installation:
    """Serve the API on an empty database with all tables; it ends with the stack."""
    database = Database(url)
    stack.callback(database.close)
    served = stack.enter_context(served_lab(database, folder))
    with database.write() as session:
        manager = make_account(session, Role.MANAGER, organisation_id=served.organisations["engineer"])
    made = Installation(served.url, database, served.clock, served.secrets["alfa"], manager.id, *paths_of(document))
    stack.callback(made.wire.close)
    made.sign_in()
    tokens = made.get("/api/v1/tokens", "member").json()
    made.untouched.update(
        {token["id"] for token in tokens} | {made.get("/api/v1/me", role).json()["account_id"] for role in ROLES}
    )
    made.known.clear()
    approval = f"{served.url}/api/v1/rules/device/robot-1"
    made.wire.put(approval, json={"approval": True}, timeout=60, **made._identity("manager")).raise_for_status()
    for path in [path for path, operations in document["paths"].items() if "get" in operations and "{" not in path]:
        made.get(path, "manager")
    return made


def blended(case: Case, data: st.DataObject) -> Case:
    """The call, or one that can succeed with none, one or two of its values."""
    for part, good in (("body", GOOD_BODIES), ("query", GOOD_QUERIES)):
        if case.operation.label in good and data.draw(st.booleans() | st.just(True), label="blended"):
            values = data.draw(good[case.operation.label], label="good")
            made_up = getattr(case, part)
            if isinstance(made_up, dict) and made_up:
                most = data.draw(st.sampled_from([0, 0, 1, 2]))
                names = data.draw(st.sets(st.sampled_from(sorted(made_up)), max_size=most), label="made up")
                values = {**values, **{name: made_up[name] for name in names}}
            facts = {name: getattr(case, name) for name in ("path_parameters", "headers", "query", "cookies", "body")}
            media_type = "application/json" if part == "body" else case.media_type
            return case.operation.Case(method=case.method, **{**facts, part: values}, media_type=media_type)
    return case
