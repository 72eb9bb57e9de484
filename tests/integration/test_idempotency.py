"""A create that is sent twice: one effect and one answer, whoever dies or waits meanwhile."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import APIRouter, FastAPI, Response
from httpx import Response as HttpResponse
from sqlalchemy import event

from lab.app import create_app
from lab.core.audit import AuditEntry, note_change
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.errors import ConflictError
from lab.core.http import ClockDep, DatabaseDep
from lab.core.idempotency import KEPT_FOR, IdempotencyDep, IdempotencyKey, forget_old_keys, once
from lab.core.settings import Settings
from lab.people.endpoints import PrincipalDep
from lab.people.models import Organisation
from tests.integration.idempotent_process import STAGES, Deed, do_once, request_key
from tests.lock_waiting import wait_for_a_lock
from tests.web_client import Client, Town

ORGANISATIONS = "/api/v1/organisations"
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def app(each_database: Database, lab_clock: LabClock) -> FastAPI:
    app = create_app(settings=Settings(), database=each_database, clock=lab_clock, store=None, live=None)
    app.include_router(deeds())
    return app


@pytest.fixture
def town(each_database: Database, lab_clock: LabClock) -> Town:
    return Town(each_database, lab_clock)


@pytest.fixture
def manager(app: FastAPI, town: Town) -> Client:
    return town.program(app, "manager")


def deeds() -> APIRouter:
    """Two addresses at which something can be done, and its answer has headers."""
    router = APIRouter(prefix="/api/v1")

    @router.post("/deeds/{name}", status_code=202)
    @router.post("/other-deeds/{name}", status_code=202)
    def do_something(
        name: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, request_key: IdempotencyDep
    ) -> Response:
        def work(session: sa.orm.Session) -> Deed:
            note_change(session, "deed", name, "done", by=principal.account_id, at=clock.now())
            return Deed(name=f"{name} – zażółć")

        headers = {"Location": f"/deeds/{name}", "ETag": '"1"'}
        return once(
            request_key,
            database,
            principal,
            clock,
            work,
            answer=lambda deed: deed,
            status=202,
            headers=lambda _: headers,
        )

    return router


def send(client: Client, key: str | None, path: str = ORGANISATIONS, **body: Any) -> HttpResponse:
    return client.post(path, json=body, headers={} if key is None else {"Idempotency-Key": key})


def replayed(response: HttpResponse) -> bool:
    return response.headers.get("idempotent-replayed") == "true"


def count(database: Database, model: type[Any]) -> int:
    with database.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(model)) or 0


def test_the_same_call_again_gets_the_same_answer_and_does_nothing(manager: Client, town: Town) -> None:
    first = send(manager, "8e03978e", name="Brewery")
    again = send(manager, '"8e03978e"', name="Brewery")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["content-type"] == first.headers["content-type"] == "application/json"
    assert (replayed(first), replayed(again)) == (False, True)
    assert send(manager, None, name="Brewery").status_code == 409  # without the key it is a new call
    assert count(town.database, IdempotencyKey) == 1


def test_status_body_and_headers_come_again(manager: Client, town: Town) -> None:
    first, again = (send(manager, "k", "/api/v1/deeds/sweep") for _ in range(2))
    assert (again.status_code, again.content) == (first.status_code, first.content) == (202, first.content)
    assert first.json() == {"name": "sweep – zażółć"}
    for name in ("location", "etag"):
        assert again.headers[name] == first.headers[name]
    assert count(town.database, AuditEntry) == 1


def test_one_key_for_two_requests_is_refused_and_does_nothing(manager: Client, town: Town) -> None:
    send(manager, "k", name="Brewery")
    before = count(town.database, Organisation)
    for path, body in (
        (ORGANISATIONS, {"name": "Bakery"}),
        ("/api/v1/deeds/sweep", {"name": "Brewery"}),
    ):
        refused = send(manager, "k", path, **body)
        assert refused.status_code == 422
        found = refused.json()
        assert found["type"] == "urn:pilotlab:problem:idempotency-key-reused"
        assert (found["field"], found["rule"]) == ("Idempotency-Key", "one-key-one-request")
    assert count(town.database, Organisation) == before
    assert count(town.database, AuditEntry) == 0
    assert send(manager, "k", "/api/v1/deeds/sweep").status_code == 422
    assert send(manager, "k2", "/api/v1/deeds/sweep").status_code == 202
    for other in ("/api/v1/other-deeds/sweep", "/api/v1/deeds/sweep?for=us"):
        refused = send(manager, "k2", other)
        assert (refused.status_code, refused.json()["rule"]) == (422, "one-key-one-request"), other
    assert count(town.database, AuditEntry) == 1


def test_two_people_with_the_same_key_do_not_see_each_other(app: FastAPI, town: Town, manager: Client) -> None:
    engineer = town.program(app, "engineer")
    mine, theirs = send(manager, "k", name="Brewery"), send(engineer, "k", name="Bakery")
    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert not replayed(theirs)
    assert send(engineer, "k", name="Bakery").json() == theirs.json()


def test_a_key_is_the_persons_whichever_token_is_used(app: FastAPI, town: Town, manager: Client) -> None:
    first = send(manager, "k", name="Brewery")
    assert send(town.program(app, "manager"), "k", name="Brewery").json() == first.json()


def test_a_refusal_is_not_remembered(manager: Client, town: Town) -> None:
    assert send(manager, "k", name="Foundry").status_code == 409
    assert send(manager, "k", name="Bakery", kind="castle").status_code == 422
    assert count(town.database, IdempotencyKey) == 0
    mended = send(manager, "k", name="Bakery")
    assert (mended.status_code, replayed(mended)) == (201, False)


def test_a_refused_call_can_be_sent_again_as_it_was(app: FastAPI, town: Town, manager: Client) -> None:
    assert send(town.program(app, "founder"), "k", name="Bakery").status_code == 403
    assert send(manager, "k", name="Foundry").status_code == 409
    with town.database.write() as session:
        session.get_one(Organisation, town.foundry.id).name = "Foundry of old"
    assert send(manager, "k", name="Foundry").status_code == 201


def test_an_invalid_key_is_refused_by_name(manager: Client, town: Town) -> None:
    for key in ("", "x" * 201, '"open', b"Schl\xfcssel"):
        refused = manager.post(ORGANISATIONS, json={"name": "Bakery"}, headers={"Idempotency-Key": key})
        assert refused.status_code == 422
        assert refused.json()["field"] == "Idempotency-Key"
    twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert manager.post(ORGANISATIONS, json={"name": "Bakery"}, headers=twice).status_code == 422
    assert count(town.database, IdempotencyKey) == 0


def test_a_key_is_forgotten_after_a_day(manager: Client, town: Town, lab_clock: LabClock) -> None:
    send(manager, "k", name="Brewery")
    lab_clock.advance(KEPT_FOR - timedelta(seconds=1))
    send(manager, "k2", name="Bakery")
    assert replayed(send(manager, "k", name="Brewery"))
    lab_clock.advance(timedelta(seconds=1))
    fresh = send(manager, "k", name="Tannery")  # nobody has swept yet, and the key is free already
    assert (fresh.status_code, replayed(fresh)) == (201, False)
    assert replayed(send(manager, "k", name="Tannery"))
    lab_clock.advance(KEPT_FOR - timedelta(seconds=1))
    with town.database.write() as session:
        assert forget_old_keys(session, now=lab_clock.now()) == 1
        assert session.scalars(sa.select(IdempotencyKey.key)).all() == ["k"]


def test_a_key_costs_two_statements_and_none_costs_nothing(each_database: Database) -> None:
    said: list[str] = []
    event.listen(each_database.engine, "before_cursor_execute", lambda *facts: said.append(facts[2]))
    do_once(each_database, request_key("k"))
    with_key = len([statement for statement in said if not statement.startswith("BEGIN")])
    assert with_key == 1 + 2


# Two at the same moment


def test_many_at_once_with_one_key_have_one_effect(each_database: Database) -> None:
    databases = [Database(each_database.url.render_as_string(hide_password=False)) for _ in range(6)]
    gun = threading.Barrier(len(databases))

    def call(database: Database, key: str) -> tuple[int, bool]:
        gun.wait(30)
        return do_once(database, request_key(key))

    with ThreadPoolExecutor(len(databases)) as pool:
        for number in range(20):
            outcomes = list(pool.map(call, databases, [f"k{number}"] * len(databases)))
            assert sorted(outcomes) == [(201, False)] + [(201, True)] * (len(databases) - 1)
    assert count(each_database, AuditEntry) == 20
    for database in databases:
        database.close()


@pytest.mark.parametrize("refused", [False, True])
def test_the_second_waits_for_the_end_of_the_first(each_database: Database, refused: bool) -> None:
    other = Database(each_database.url.render_as_string(hide_password=False))
    begun, may_end = threading.Event(), threading.Event()

    def slowly() -> None:
        begun.set()
        assert may_end.wait(30)
        if refused:
            raise ConflictError("somebody was faster")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(do_once, each_database, request_key("k"), during=slowly)
        assert begun.wait(30)
        second = pool.submit(do_once, other, request_key("k"))
        if not other.is_sqlite:
            wait_for_a_lock(each_database)
        assert not second.done()
        may_end.set()
        if refused:
            assert isinstance(first.exception(30), ConflictError)
        else:
            assert first.result(30) == (201, False)
        assert second.result(30) == (201, not refused)
    assert count(each_database, AuditEntry) == 1
    other.close()


def start(database: Database, key: str, *arguments: str) -> subprocess.Popen[str]:
    url = database.url.render_as_string(hide_password=False)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.idempotent_process", url, key, *arguments],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ready(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_several_processes_with_one_key_have_one_effect(each_database: Database) -> None:
    processes = [ready(process) for process in [start(each_database, "k") for _ in range(4)]]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    assert said == ["201 False"] + ["201 True"] * 3
    assert count(each_database, AuditEntry) == 1


@pytest.mark.faults
@pytest.mark.parametrize("stage", STAGES)
def test_whoever_is_killed_leaves_both_effect_and_key_or_neither(each_database: Database, stage: str) -> None:
    process = ready(start(each_database, "k", "--die", stage))
    process.communicate("go\n", timeout=60)
    assert process.returncode == -9
    done = stage == "after-commit"
    assert (count(each_database, AuditEntry), count(each_database, IdempotencyKey)) == ((1, 1) if done else (0, 0))
    assert do_once(each_database, request_key("k")) == (201, done)
    assert (count(each_database, AuditEntry), count(each_database, IdempotencyKey)) == (1, 1)
