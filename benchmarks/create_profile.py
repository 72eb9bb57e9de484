"""Where the time of one create goes: statement by statement, and what of the rest is whose.

In one process, one create after another through the application itself (ASGI), without a network and without workers.
Statements are timed around the driver, so their time is the trip to the server and back and what the server does; the
rest of a layer is Python.
"""

import asyncio
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy import event

from benchmarks.booked_lab import LENGTH, BookedLab
from bookings import service
from bookings.rules import Rules
from bookings.schemas import BookingRequest
from lab.app import create_app
from lab.core.clock import SystemClock
from lab.core.settings import Settings
from lab.people.principals import Principal, Role

_WARM_UP = 20
_NAMES = {
    "api_tokens": "who is asking (accounts, api_tokens)",
    "booking_rules": "rules, prices, programme, company",
    "FOR NO KEY UPDATE": "lock the devices",
    "outages": "outages, what is held",
    "INSERT": "booking, devices, log, job in one",
}


class _Trips:
    """Time spent in statements and commits, by what they are for."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def listening(self, engine: sa.Engine) -> Iterator[None]:
        """Note everything that goes to the database within the block."""
        begun = [0.0]

        def before(*_: Any) -> None:
            begun[0] = time.perf_counter()

        def after(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            name = next((name for word, name in _NAMES.items() if word in statement), statement[:60])
            self.seconds[name].append(time.perf_counter() - begun[0])

        commit = engine.dialect.do_commit

        def timed_commit(connection: Any) -> None:
            started = time.perf_counter()
            commit(connection)
            self.seconds["commit"].append(time.perf_counter() - started)

        event.listen(engine, "before_cursor_execute", before)
        event.listen(engine, "after_cursor_execute", after)
        engine.dialect.do_commit = timed_commit  # type: ignore[method-assign]
        try:
            yield
        finally:
            event.remove(engine, "before_cursor_execute", before)
            event.remove(engine, "after_cursor_execute", after)
            engine.dialect.do_commit = commit  # type: ignore[method-assign]

    def of(self, name: str) -> float:
        """Milliseconds of one, the median."""
        return statistics.median(self.seconds[name]) * 1000


def profile_creates(lab: BookedLab, free: Iterator[tuple[str, datetime]], count: int) -> str:
    """A table as text; milliseconds, medians of so many."""
    app = create_app(settings=Settings(), database=lab.database, clock=SystemClock(), store=None, live=None)
    who = lab.members[0]
    principal = Principal(who.account_id, who.organisation_id, Role.MEMBER, "bench")
    rules, trips = Rules.from_settings(Settings()), _Trips()

    def body() -> bytes:
        machine, start = next(free)
        wish = {"device_ids": [machine], "start": start.isoformat(), "end": (start + LENGTH).isoformat(), "title": "T"}
        return json.dumps(wish).encode()

    def book() -> None:
        request = BookingRequest.model_validate_json(body())
        now = SystemClock().now()
        lab.database.transact(lambda session: service.book_devices(session, principal, request, now=now, rules=rules))

    async def asked(method: str, path: str, make: Callable[[], bytes]) -> list[float]:
        return [await _asked(app, method, path, who.token, make()) for _ in range(count + _WARM_UP)][_WARM_UP:]

    bare = statistics.median(asyncio.run(asked("GET", "/healthz", bytes))) * 1000
    for _ in range(_WARM_UP):
        book()
    times = []
    for _ in range(count):
        started = time.perf_counter()
        book()
        times.append(time.perf_counter() - started)
    core = statistics.median(times) * 1000
    with trips.listening(lab.database.engine):
        whole = statistics.median(asyncio.run(asked("POST", "/api/v1/bookings", body))) * 1000
    lab.existing += 2 * (count + _WARM_UP)
    statements = {name: trips.of(name) for name in trips.seconds}
    sign_in = statements.pop(_NAMES["api_tokens"], 0.0)
    rows = [
        ("a whole create, in the process", whole),
        ("  framework: routing, guards, one thread (as of /healthz)", bare),
        (f"  statement: {_NAMES['api_tokens']}", sign_in),
        ("  signing in, reading the request, writing the answer: Python", whole - bare - sign_in - core),
        ("  the transaction (service.book_devices)", core),
        *((f"    statement: {name}", spent) for name, spent in statements.items()),
        ("    rules, prices, SQLAlchemy, driver: Python", core - sum(statements.values())),
    ]
    return "\n".join([f"{'where the time of a create goes':64}    ms", *(f"{name:64}{ms:6.2f}" for name, ms in rows)])


async def _asked(app: FastAPI, method: str, path: str, token: str, body: bytes) -> float:
    """Seconds until the answer is whole."""
    headers = {"host": "bench", "authorization": f"Bearer {token}", "content-type": "application/json"}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 1),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    started = time.perf_counter()
    await app(scope, receive, send)
    seconds = time.perf_counter() - started
    if sent[0]["status"] not in {200, 201}:
        raise RuntimeError(f"{method} {path}: {sent}")
    return seconds
