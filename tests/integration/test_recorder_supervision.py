"""What keeps the recorder going when a part of it, its spool or its store goes wrong."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from lab.core.clock import SystemClock
from lab.core.database import Database
from telemetry.draining import Drain
from telemetry.errors import SpoolUnavailableError
from telemetry.models import DeadLetter, RecordingIncident
from telemetry.recorder import Recorder
from telemetry.spool import Spool
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.errors import StoreUnavailableError
from tests.integration.recording import BOOT, LAB, Publisher, add_mill, stored
from tests.services import Mosquitto, wait_until


class ForgetfulStore(DuckDBStore):
    """A store whose write-ahead file replays short: after a failure it has lost what it had taken last."""

    old_copy: Path | None = None

    def write(self, samples: Any, *, watermark: int, **more: Any) -> Any:
        if self.old_copy is not None:
            self.close()
            shutil.copyfile(self.old_copy, self.file)
            self.old_copy = None
            raise StoreUnavailableError("the file is opened anew, and its write-ahead file was cut short")
        return super().write(samples, watermark=watermark, **more)

    @property
    def file(self) -> Path:
        return self.folder / "samples.duckdb"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(self.file)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ForgetfulStore]:
    store = ForgetfulStore(tmp_path)
    yield store
    store.close()


Start = Callable[[], Recorder]


@pytest.fixture
def start(own_mosquitto: Mosquitto, database: Database, store: ForgetfulStore, tmp_path: Path) -> Iterator[Start]:
    add_mill(database)
    started: list[Recorder] = []

    def begin() -> Recorder:
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
        started.append(recorder)
        return recorder

    yield begin
    for recorder in started:
        recorder.stop()


def test_what_a_store_loses_when_it_fails_is_drained_again(
    start: Start, own_mosquitto: Mosquitto, store: ForgetfulStore, tmp_path: Path
) -> None:
    recorder, publisher = start(), Publisher(own_mosquitto.address())
    publisher.wait_confirmed([publisher.send_value(seq, float(seq)) for seq in range(100)])
    assert recorder.wait_until_stored("mill-1", BOOT, 99, timeout=10)

    store.close()
    shutil.copyfile(store.file, tmp_path / "old")
    publisher.wait_confirmed([publisher.send_value(seq, float(seq)) for seq in range(100, 150)])
    assert recorder.wait_until_stored("mill-1", BOOT, 149, timeout=10)
    store.old_copy = tmp_path / "old"
    publisher.wait_confirmed([publisher.send_value(seq, float(seq)) for seq in range(150, 200)])
    assert recorder.wait_until_stored("mill-1", BOOT, 199, timeout=10)
    wait_until(lambda: len(stored(store)) == 200, what="what was lost is stored again")
    assert [row["value"] for row in stored(store)] == [float(seq) for seq in range(200)]
    publisher.close()


def test_a_drain_that_stumbles_over_everything_goes_on(
    start: Start, own_mosquitto: Mosquitto, store: ForgetfulStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad message, and a spool that refuses just when that message is looked at alone."""
    read_original, following_original, refusals = Spool.read, Spool.following, [1]

    def read(spool: Spool, after: int, limit: int) -> Any:
        if limit == 1 and refusals[0]:
            refusals[0] -= 1
            raise SpoolUnavailableError("not just now")
        return read_original(spool, after, limit)

    def following(spool: Spool, after: int) -> Any:
        for number, message in following_original(spool, after):
            if b"0.0" in message.payload and refusals[0]:
                raise ValueError("a fault of the program")
            yield number, message

    recorder, publisher = start(), Publisher(own_mosquitto.address())
    monkeypatch.setattr(Spool, "read", read)
    monkeypatch.setattr(Spool, "following", following)
    publisher.wait_confirmed([publisher.send_value(seq, float(seq)) for seq in range(50)])
    assert recorder.wait_until_stored("mill-1", BOOT, 49, timeout=60)
    assert [row["value"] for row in stored(store)] == [float(seq) for seq in range(50)]
    assert recorder.health().ok
    publisher.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_part_whose_thread_dies_is_started_again(
    start: Start, own_mosquitto: Mosquitto, store: ForgetfulStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, deaths = Drain._drain, [1]

    def die(drain: Drain) -> None:
        if deaths[0]:
            deaths[0] -= 1
            raise SystemExit  # what no `except Exception` holds back
        original(drain)

    monkeypatch.setattr(Drain, "_drain", die)
    recorder, publisher = start(), Publisher(own_mosquitto.address())
    publisher.wait_confirmed([publisher.send_value(seq, float(seq)) for seq in range(50)])
    assert recorder.wait_until_stored("mill-1", BOOT, 49, timeout=15)
    assert recorder.health().ok
    assert not recorder.failed.is_set()
    publisher.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_recorder_whose_part_dies_again_and_again_says_so(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(_: Drain) -> None:
        raise SystemExit

    monkeypatch.setattr("telemetry.supervising.EVERY_SECONDS", 0.05)
    monkeypatch.setattr(Drain, "_drain", die)
    recorder = start()
    assert recorder.failed.wait(10)


def test_what_the_spool_has_lost_is_an_incident_with_its_numbers(
    start: Start, own_mosquitto: Mosquitto, store: ForgetfulStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, damage = Spool.append, [True]

    def append(spool: Spool, batch: Any) -> int:
        last = original(spool, batch)
        if damage and any(b'"seq": 20,' in message.payload for message in batch):
            damage.clear()
            with spool._writes() as writer:
                writer.execute("UPDATE batches SET body = zeroblob(length(body)) WHERE last = ?", (last,))
        return last

    monkeypatch.setattr(Spool, "append", append)
    recorder, publisher = start(), Publisher(own_mosquitto.address())
    for seq in range(40):
        publisher.wait_confirmed([publisher.send_value(seq, float(seq))])

    def incidents() -> list[RecordingIncident]:
        with database.read() as session:
            return list(session.scalars(sa.select(RecordingIncident)))

    wait_until(lambda: bool(incidents()), what="the incident")
    wait_until(lambda: not recorder.health().behind, what="the rest stored")
    (found,) = incidents()
    assert found.kind == "spool-damaged"
    assert found.from_number is not None
    assert found.to_number is not None
    assert found.messages == found.to_number - found.from_number + 1 == 40 - len(stored(store))
    assert found.to_ns is not None
    with database.read() as session:
        assert session.scalars(sa.select(DeadLetter)).all() == []
    publisher.close()


def test_a_stop_takes_no_longer_than_it_may_while_the_store_hangs(
    start: Start, own_mosquitto: Mosquitto, store: ForgetfulStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, publisher = start(), Publisher(own_mosquitto.address())
    hanging, original = [True], DuckDBStore.write

    def write(self: DuckDBStore, *given: Any, **more: Any) -> Any:
        while hanging:
            time.sleep(0.05)
        return original(self, *given, **more)

    monkeypatch.setattr(DuckDBStore, "write", write)
    publisher.wait_confirmed([publisher.send_value(seq, float(seq)) for seq in range(100)])
    time.sleep(0.5)
    started = time.monotonic()
    recorder.stop(timeout=4)
    assert time.monotonic() - started < 4.5
    hanging.clear()
    wait_until(lambda: len(stored(store)) > 0, what="the hanging write goes on")
    publisher.close()
