"""The sample publishers of the guide, run against the real broker, and the check that says whether they do well."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.errors import DeviceUnknownError
from devices.service import get_birth
from lab.app import create_app
from lab.checking import examine_device
from lab.core.clock import SystemClock
from lab.core.database import Database
from lab.core.findings import Finding
from lab.core.settings import Settings
from lab.people.principals import Role
from lab.people.service import create_api_token
from telemetry.models import DeadLetterCount, HeardSignal
from telemetry.recorder import Recorder
from telemetry.sequences import highest_received
from telemetry.stores.duckdb import DuckDBStore
from tests.conftest import have
from tests.factories import make_account, principal
from tests.integration.recording import BOOT, LAB, Publisher, add_mill, now_ns, stored
from tests.integration.test_discovery import wait_until
from tests.integration.test_recorder import new_recorder
from tests.services import Mosquitto
from tests.services.programs import installed_program
from tests.web_client import program

EXAMPLES = Path(__file__).parents[2] / "examples" / "publishers"
DOCS = Path(__file__).parents[2] / "docs" / "connecting.md"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckDBStore]:
    store = DuckDBStore(tmp_path / "samples.duckdb")
    yield store
    store.close()


@pytest.fixture
def recorder(own_mosquitto: Mosquitto, database: Database, store: DuckDBStore, tmp_path: Path) -> Iterator[Recorder]:
    add_mill(database)
    recorder = new_recorder(own_mosquitto.address(), database, store, tmp_path)
    recorder.start()
    yield recorder
    recorder.stop()


def arrived(recorder: Recorder, database: Database, count: int) -> str:
    """Wait until so many messages of the mill are stored; returns their boot."""

    def boot() -> str | None:
        with database.read() as session:
            birth = get_birth(session, "mill-1")
            last = highest_received(session, "mill-1", birth.boot) if birth is not None else None
        return last[0] if last is not None and last[1] == count - 1 else None

    found: str = wait_until(boot)
    assert recorder.wait_until_stored("mill-1", found, count - 1, timeout=10)
    return found


def test_the_python_publisher_is_recorded(
    own_mosquitto: Mosquitto, recorder: Recorder, database: Database, store: DuckDBStore
) -> None:
    where = ["--host", own_mosquitto.host, "--port", str(own_mosquitto.port), "--lab", LAB, "--device", "mill-1"]
    command = [sys.executable, str(EXAMPLES / "publisher.py"), *where, "--signal", "spindle_power_kw"]
    subprocess.run([*command, "--count", "20", "--interval", "0.01"], check=True, timeout=30)

    boot = arrived(recorder, database, 20)
    rows = stored(store)
    assert len(rows) == 20
    assert {(row["boot"], row["signal"], row["flags"]) for row in rows} == {(boot, "spindle_power_kw", 0)}


def test_the_shell_publisher_is_recorded(
    own_mosquitto: Mosquitto, recorder: Recorder, database: Database, store: DuckDBStore
) -> None:
    have(lambda: installed_program("mosquitto_pub"))
    told = {"HOST": own_mosquitto.host, "PORT": str(own_mosquitto.port), "LAB": LAB, "DEVICE": "mill-1"}
    told |= {"SIGNAL": "spindle_power_kw", "COUNT": "10", "INTERVAL": "0.02"}
    subprocess.run(["sh", str(EXAMPLES / "publisher.sh")], check=True, timeout=30, env={**os.environ, **told})

    arrived(recorder, database, 10)
    rows = stored(store)
    assert len(rows) == 10
    assert {row["flags"] for row in rows} == {0}


def test_the_other_samples_say_what_a_machine_has_to_say() -> None:
    flow = json.loads((EXAMPLES / "node-red.json").read_text())
    known = {node["id"] for node in flow}
    assert all(target in known for node in flow for wire in node.get("wires", []) for target in wire)
    texts = {"flow": json.dumps(flow), "sketch": (EXAMPLES / "esp32" / "esp32.ino").read_text()}
    for name, text in texts.items():
        for word in ("birth", "data", "boot", "seq", "time", "values"):
            assert word in text, (name, word)


def test_the_guide_names_files_that_are_there() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", DOCS.read_text()):
        assert (DOCS.parent / target).exists(), target


def examine(database: Database, tmp_path: Path, name: str, **more: object) -> dict[str, Finding]:
    settings = Settings(data_dir=tmp_path)
    found = examine_device(settings, database, SystemClock(), name, seconds=0.2, **more)  # type: ignore[arg-type]
    return {finding.part: finding for finding in found}


def test_the_check_says_what_is_missing_and_what_to_do(database: Database, tmp_path: Path) -> None:
    add_mill(database)
    lines = examine(database, tmp_path, "mill-1")
    assert {part for part, line in lines.items() if line.level == "wrong"} == {"credentials", "birth", "messages"}
    assert "pilotlab devices credentials mill-1" in lines["credentials"].what_to_do
    assert all(line.what_to_do for line in lines.values() if line.level != "good")
    with pytest.raises(DeviceUnknownError):
        examine(database, tmp_path, "nobody")
    now = SystemClock().now()
    with database.write() as session:
        known = {
            "origin": "json",
            "kinds": {},
            "count": 1,
            "examples": [],
            "first_at": now,
            "last_at": now,
        }
        session.add(HeardSignal(device_id="press-9", name="x", **known))
    assert "adopt" in examine(database, tmp_path, "press-9")["catalogue"].what_to_do


def test_the_check_of_a_machine_that_does_well_is_green(
    own_mosquitto: Mosquitto, recorder: Recorder, database: Database, store: DuckDBStore, tmp_path: Path
) -> None:
    publisher = Publisher(own_mosquitto.address())
    publisher.send("birth", {"boot": BOOT, "time": now_ns(), "signals": ["spindle_power_kw"]}, retain=True)
    for seq in range(10):
        publisher.send_value(seq)
    assert recorder.wait_until_stored("mill-1", BOOT, 9, timeout=10)
    publisher.send_value(10, "x")
    publisher.send_value(13)
    assert recorder.wait_until_stored("mill-1", BOOT, 13, timeout=10)
    publisher.close()

    lines = examine(database, tmp_path, "mill-1", store=store)
    assert (lines["birth"].level, lines["clock"].level) == ("good", "good")
    assert lines["gaps"].fact == f"2 messages in 1 gap of boot {BOOT} never came"
    assert "wrong-type of spindle_power_kw: once" in lines["dead letters"].fact
    assert "spindle_power_kw" in lines


def test_letters_that_have_been_read_again_are_no_fault_any_more(database: Database, tmp_path: Path) -> None:
    add_mill(database)
    now = SystemClock().now()
    counts = {"reason": "unknown-signal", "signal": "x", "first_at": now, "last_at": now}
    with database.write() as session:
        session.add(DeadLetterCount(device_id="mill-1", kept=0, beyond=0, **counts))
    assert examine(database, tmp_path, "mill-1")["dead letters"].level == "good"


def test_the_product_that_holds_the_samples_says_at_which_rate_each_signal_comes(
    own_mosquitto: Mosquitto, recorder: Recorder, database: Database, store: DuckDBStore, tmp_path: Path
) -> None:
    publisher = Publisher(own_mosquitto.address())
    publisher.send("birth", {"boot": BOOT, "time": now_ns(), "signals": ["spindle_power_kw"]}, retain=True)
    publisher.send_value(0)
    assert recorder.wait_until_stored("mill-1", BOOT, 0, timeout=10)
    publisher.close()
    app = create_app(
        settings=Settings(data_dir=tmp_path), database=database, clock=SystemClock(), store=store, live=None
    )
    with database.write() as session:
        engineer = make_account(session, Role.ENGINEER)
        member = make_account(session, Role.MEMBER)
        tokens = [
            create_api_token(
                session,
                principal(row.role, row.organisation_id, account_id=row.id),
                name="t",
                scopes=("read",),
                now=SystemClock().now(),
            )[1]
            for row in (engineer, member)
        ]
    answer = program(app, tokens[0]).get("/api/v1/devices/mill-1/check?seconds=0.1")
    assert answer.status_code == 200
    assert any(line["part"] == "spindle_power_kw" for line in answer.json()["lines"])
    assert program(app, tokens[1]).get("/api/v1/devices/mill-1/check?seconds=0.1").status_code == 403
    assert "devices/mill-1/check" in examine(database, tmp_path, "mill-1")["signals"].what_to_do
