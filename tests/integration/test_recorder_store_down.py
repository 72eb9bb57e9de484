"""The store goes away and comes back: messages wait in the spool, nothing is lost."""

import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from lab.core.clock import SystemClock
from lab.core.database import Database
from telemetry.recorder import Recorder
from telemetry.stores.batches import as_batch
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.errors import StoreUnavailableError
from telemetry.stores.interface import SampleBatch, Written
from tests.integration.recording import BOOT, LAB, Publisher, add_mill, stored
from tests.services import Mosquitto


class ShakyStore(DuckDBStore):
    """A DuckDB store that can be made to refuse, to fail after writing, or to choke on a value."""

    down = False
    fails_after_writing = 0
    poison: float | None = None

    def write(self, samples: pa.Table | SampleBatch, *, watermark: int, spool: str = "") -> Written:
        if self.down:
            raise StoreUnavailableError("the sample store does not answer")
        if self.poison is not None and self.poison in as_batch(samples).rows["value"].to_pylist():
            raise ValueError("a programming error that only one value brings out")
        written = super().write(samples, watermark=watermark, spool=spool)
        if self.fails_after_writing:
            self.fails_after_writing -= 1
            raise StoreUnavailableError("timed out, after having written")
        return written

    def watermark(self, spool: str = "") -> int:
        if self.down:
            raise StoreUnavailableError("the sample store does not answer")
        return super().watermark(spool)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ShakyStore]:
    store = ShakyStore(tmp_path / "samples.duckdb")
    yield store
    store.close()


def start(broker: Mosquitto, database: Database, store: DuckDBStore, folder: Path) -> Recorder:
    recorder = Recorder(
        address=broker.address(),
        lab=LAB,
        database=database,
        store=store,
        spool_path=folder / "spool.sqlite",
        clock=SystemClock(),
        client_id="recorder",
    )
    recorder.start()
    return recorder


def test_a_store_that_is_down_from_the_start_costs_nothing(
    own_mosquitto: Mosquitto, database: Database, store: ShakyStore, tmp_path: Path
) -> None:
    add_mill(database)
    store.down = True
    recorder = start(own_mosquitto, database, store, tmp_path)
    publisher = Publisher(own_mosquitto.address())
    publisher.wait_confirmed([publisher.send_value(seq, float(seq)) for seq in range(500)])
    deadline = time.monotonic() + 10
    while (recorder.health().behind < 500 or not recorder.health().problems) and time.monotonic() < deadline:
        time.sleep(0.05)
    health = recorder.health()
    assert health.running
    assert health.connected
    assert health.acknowledged >= 500
    assert "does not answer" in health.problems[0]
    assert not recorder.wait_until_stored("mill-1", BOOT, 499, timeout=0.2)
    started = time.monotonic()
    recorder.stop()
    assert time.monotonic() - started < 10

    store.down = False
    recorder = start(own_mosquitto, database, store, tmp_path)
    assert recorder.wait_until_stored("mill-1", BOOT, 499, timeout=10)
    assert [row["value"] for row in stored(store)] == [float(seq) for seq in range(500)]
    recorder.stop()
    publisher.close()


def test_an_error_after_writing_doubles_nothing(
    own_mosquitto: Mosquitto, database: Database, store: ShakyStore, tmp_path: Path
) -> None:
    add_mill(database)
    store.fails_after_writing = 3
    recorder = start(own_mosquitto, database, store, tmp_path)
    publisher = Publisher(own_mosquitto.address())
    publisher.wait_confirmed([publisher.send_value(seq, float(seq)) for seq in range(300)])

    assert recorder.wait_until_stored("mill-1", BOOT, 299, timeout=20)
    assert [row["value"] for row in stored(store)] == [float(seq) for seq in range(300)]
    assert recorder.health().ok
    recorder.stop()
    publisher.close()


def test_one_message_that_nothing_can_store_is_put_aside_and_the_rest_flows(
    own_mosquitto: Mosquitto, database: Database, store: ShakyStore, tmp_path: Path
) -> None:
    add_mill(database)
    store.poison = 50.0
    recorder = start(own_mosquitto, database, store, tmp_path)
    publisher = Publisher(own_mosquitto.address())
    publisher.wait_confirmed([publisher.send_value(seq, float(seq)) for seq in range(100)])

    assert recorder.wait_until_stored("mill-1", BOOT, 99, timeout=20)
    assert [row["value"] for row in stored(store)] == [float(seq) for seq in range(100) if seq != 50]
    recorder.stop()
    publisher.close()
