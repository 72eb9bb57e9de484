"""What the recorder tells of itself: on its own port, in the database, and at the pages."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from lab.app import create_app
from lab.core.clock import LabClock, SystemClock
from lab.core.database import Database
from lab.core.errors import SetupError
from lab.core.settings import Settings
from telemetry import leases
from telemetry.leases import recorder_health
from telemetry.metrics import exposition
from telemetry.recorder import Recorder
from telemetry.serving import HealthServer
from telemetry.stores.duckdb import DuckDBStore
from tests.integration.recording import BOOT, LAB, Publisher, add_mill
from tests.services import Mosquitto, wait_until
from tests.web_client import Town, program


@pytest.fixture
def recorder(own_mosquitto: Mosquitto, database: Database, tmp_path: Path) -> Iterator[Recorder]:
    add_mill(database)
    store = DuckDBStore(tmp_path / "samples.duckdb")
    recorder = Recorder(
        address=own_mosquitto.address(),
        lab=LAB,
        database=database,
        store=store,
        spool_path=tmp_path / "spool.sqlite",
        clock=SystemClock(),
        client_id="recorder",
    )
    recorder.start()
    yield recorder
    recorder.stop()
    store.close()


@pytest.fixture
def server(recorder: Recorder) -> Iterator[HealthServer]:
    server = HealthServer("127.0.0.1", 0, recorder.told_health, recorder.failed.is_set)
    yield server
    server.close()


def ask(server: HealthServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def test_its_own_port_tells_how_it_is_doing(recorder: Recorder, server: HealthServer, own_mosquitto: Mosquitto) -> None:
    publisher = Publisher(own_mosquitto.address())
    publisher.wait_confirmed([publisher.send_value(seq, float(seq)) for seq in range(50)])
    assert recorder.wait_until_stored("mill-1", BOOT, 49, timeout=10)
    assert ask(server, "/healthz") == (200, '{"status": "ok"}')
    status, said = ask(server, "/readyz")
    assert (status, json.loads(said)["status"]) == (200, "ready")
    figures = dict(line.split() for line in ask(server, "/metrics")[1].splitlines() if not line.startswith("#"))
    assert float(figures["pilotlab_recorder_stored_total"]) == 50
    assert float(figures["pilotlab_recorder_acknowledged_total"]) >= 50
    assert float(figures["pilotlab_recorder_spool_rows"]) >= 50
    assert float(figures["pilotlab_recorder_disk_free_bytes"]) > 0
    assert (figures["pilotlab_recorder_connected"], figures["pilotlab_recorder_lease_held"]) == ("1.0", "1.0")
    assert "mill-1" not in ask(server, "/metrics")[1], "figures name no device"
    assert ask(server, "/secrets")[0] == 404

    own_mosquitto.stop()
    wait_until(lambda: ask(server, "/readyz")[0] == 503, what="not ready without a broker")
    assert "broker" in json.loads(ask(server, "/readyz")[1])["problem"]
    assert ask(server, "/healthz")[0] == 200, "starting it anew would not help"
    recorder.failed.set()
    assert ask(server, "/healthz")[0] == 503
    publisher.close()


def test_it_tells_the_database_too(recorder: Recorder, database: Database) -> None:
    def told() -> bool:
        with database.read() as session:
            found = recorder_health(session, LAB)
        return found is not None and bool(found[0].get("connected"))

    wait_until(told, what="the first word")
    with database.read() as session:
        found = recorder_health(session, LAB)
        assert recorder_health(session, "another-lab") is None
    assert found is not None
    assert set(found[0]) >= {
        "connected",
        "lag_seconds",
        "spool_rows",
        "spool_bytes",
        "disk_free_bytes",
        "behind",
        "problem",
        "sampled_at",
    }
    assert SystemClock().now() - found[1] < timedelta(seconds=30)


def test_a_port_in_use_is_refused_with_the_setting(server: HealthServer) -> None:
    with pytest.raises(SetupError, match="PILOTLAB_RECORDER_HTTP_PORT"):
        HealthServer("127.0.0.1", server.port, dict, lambda: False)


def test_a_lab_without_a_recorder_has_one_figure() -> None:
    lines = [line for line in exposition(None).decode().splitlines() if not line.startswith("#")]
    assert lines == ["pilotlab_recorder_up 0.0"]


def test_figures_at_the_pages_are_for_staff_only(database: Database, lab_clock: LabClock) -> None:
    app = create_app(settings=Settings(), database=database, clock=lab_clock, store=None, live=None)
    town = Town(database, lab_clock)
    assert program(app).get("/metrics").status_code in {303, 401}
    assert town.program(app, "founder").get("/metrics").status_code == 403
    assert town.program(app, "reader").get("/metrics").status_code == 403
    answer = town.program(app, "engineer").get("/metrics")
    assert answer.status_code == 200
    assert "pilotlab_recorder_up 0.0" in answer.text

    with database.write() as session:
        held = leases.take(session, "recorder/gliwice", "me", "spl_1", seen=None, now=lab_clock.now())
        assert held == 1
        told = {"connected": True, "running": True, "counts": {"stored": 7}}
        assert leases.beat(session, "recorder/gliwice", "me", 1, "spl_1", health=told, now=lab_clock.now())
    assert "pilotlab_recorder_stored_total 7.0" in town.program(app, "engineer").get("/metrics").text
    assert program(app).get("/readyz").json()["parts"] == {"database": "ok", "recorder": "ok"}
    lab_clock.advance(timedelta(minutes=1))
    silent = program(app).get("/readyz")
    assert (silent.status_code, silent.json()["parts"]["recorder"]) == (200, "down"), "pages do without it"
