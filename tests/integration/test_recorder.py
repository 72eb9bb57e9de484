"""The recorder against a real broker and the real store."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from lab.core.clock import SystemClock
from lab.core.database import Database
from lab.core.mqtt import BrokerAddress
from telemetry.errors import RecorderRunningError
from telemetry.models import ClockOffset, DeadLetter, MachineEvent
from telemetry.recorder import Recorder
from telemetry.sequences import completeness
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.interface import Flag
from tests.integration.recording import BOOT, LAB, Publisher, add_mill, now_ns, stored
from tests.services import Mosquitto

HOUR_NS = 3600 * 10**9


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckDBStore]:
    store = DuckDBStore(tmp_path / "samples.duckdb")
    yield store
    store.close()


@pytest.fixture(params=[5, 4], ids=["mqtt5", "mqtt311"])
def address(request: pytest.FixtureRequest, own_mosquitto: Mosquitto) -> BrokerAddress:
    return own_mosquitto.address(version=request.param)


def new_recorder(address: BrokerAddress, database: Database, store: DuckDBStore, tmp_path: Path) -> Recorder:
    return Recorder(
        address=address,
        lab=LAB,
        database=database,
        store=store,
        spool_path=tmp_path / "spool.sqlite",
        clock=SystemClock(),
        client_id="recorder",
        max_payload_bytes=262_144,
    )


@pytest.fixture
def recorder(address: BrokerAddress, database: Database, store: DuckDBStore, tmp_path: Path) -> Iterator[Recorder]:
    add_mill(database)
    recorder = new_recorder(address, database, store, tmp_path)
    recorder.start()
    assert recorder.health().ok, recorder.health()
    yield recorder
    recorder.stop()


@pytest.fixture
def publisher(address: BrokerAddress, recorder: Recorder) -> Iterator[Publisher]:
    publisher = Publisher(address)
    yield publisher
    publisher.close()


def letters(database: Database) -> list[DeadLetter]:
    with database.read() as session:
        return list(session.scalars(sa.select(DeadLetter).order_by(DeadLetter.received_at, DeadLetter.key)))


def test_what_a_machine_says_is_stored_and_complete(
    recorder: Recorder, publisher: Publisher, store: DuckDBStore, database: Database
) -> None:
    before = now_ns()
    publisher.send("birth", {"boot": BOOT, "time": before, "signals": ["spindle_power_kw"]}, retain=True)
    for seq in range(200):
        publisher.send_value(seq, seq / 10)
    publisher.send("event", {"boot": BOOT, "seq": 200, "time": now_ns(), "event": "part_finished", "fields": {"n": 1}})

    assert recorder.wait_until_stored("mill-1", BOOT, 200, timeout=10)
    rows = stored(store)
    assert [row["value"] for row in rows] == [seq / 10 for seq in range(200)]
    assert all(row["flags"] == 0 and row["settled_ns"] == row["device_ns"] for row in rows)
    with database.read() as session:
        assert completeness(session, "mill-1", BOOT, 0, 200).complete
        assert session.scalars(sa.select(MachineEvent)).one().fields == {"n": 1}
    assert letters(database) == []
    assert recorder.health().acknowledged >= 202


def test_a_second_recorder_on_the_same_folder_is_refused(
    recorder: Recorder, address: BrokerAddress, database: Database, store: DuckDBStore, tmp_path: Path
) -> None:
    with pytest.raises(RecorderRunningError, match="another recorder"):
        new_recorder(address, database, store, tmp_path).start()
