"""One recorder of a lab records; others wait, take over when it is dead, and never take turns."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from lab.core.clock import SystemClock
from lab.core.database import Database
from lab.core.mqtt import BrokerAddress
from telemetry import lease as leasing
from telemetry import leases
from telemetry.lease import Lease, Watch
from telemetry.leases import Held
from telemetry.models import RecorderLease
from telemetry.recorder import Recorder
from telemetry.stores.duckdb import DuckDBStore
from tests.integration.recording import BOOT, LAB, Publisher, add_mill, stored
from tests.services import Mosquitto, wait_until

NAME = "recorder/gliwice"
NOW = datetime(2026, 11, 23, tzinfo=UTC)


@given(st.lists(st.tuples(st.floats(0.1, 5.0), st.booleans()), max_size=40))
def test_nobody_takes_over_from_one_who_beats_in_time(steps: list[tuple[float, bool]]) -> None:
    watch, now, beat, since = Watch("mine", dead_after_s=15), 0.0, 1, 0.0
    watch.may_take(Held("other", 1, beat, "theirs"), now=0.0)
    for step, beats in steps:
        now += step
        if beats:
            beat, since = beat + 1, now
        assert watch.may_take(Held("other", 1, beat, "theirs"), now=now) == (now - since >= 15)


def test_what_is_free_is_taken_at_once() -> None:
    assert Watch("mine").may_take(None, now=0.0)
    assert Watch("mine").may_take(Held("", 3, 9, "theirs"), now=0.0), "given back"
    assert Watch("mine").may_take(Held("dead", 3, 9, "mine"), now=0.0), "the folder's lock has shown that it is dead"
    assert not Watch("mine").may_take(Held("other", 3, 9, "theirs"), now=0.0)


def test_of_many_who_take_it_together_one_has_it(each_database: Database) -> None:
    got: list[str] = []

    def take(holder: str, seen: Held | None) -> None:
        epoch = each_database.transact(lambda session: leases.take(session, NAME, holder, holder, seen=seen, now=NOW))
        if epoch is not None:
            got.append(holder)

    for seen in (None, Held("", 1, 1, "")):
        threads = [threading.Thread(target=take, args=(f"holder-{number}", seen)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 1, got
        got.clear()
    with each_database.read() as session:
        assert session.scalars(sa.select(RecorderLease)).one().epoch == 2


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of the real times."""
    monkeypatch.setattr(leasing, "BEAT_SECONDS", 0.3)
    monkeypatch.setattr(leasing, "DEAD_AFTER_SECONDS", 1.5)
    monkeypatch.setattr(leasing, "LOOK_SECONDS", 0.1)


class Recorders:
    """Recorders with spools and stores of their own, on one lab."""

    def __init__(self, address: BrokerAddress, database: Database, folder: Path) -> None:
        self.address, self.database, self.folder = address, database, folder
        self.stores = [DuckDBStore(folder / f"samples-{number}.duckdb") for number in range(2)]
        self.started: list[Recorder] = []

    def start(self, number: int) -> Recorder:
        recorder = Recorder(
            address=self.address,
            lab=LAB,
            database=self.database,
            store=self.stores[number],
            spool_path=self.folder / f"volume-{number}" / "spool.sqlite",
            clock=SystemClock(),
            client_id="recorder",
        )
        recorder.start()
        self.started.append(recorder)
        return recorder


@pytest.fixture(params=[5, 4], ids=["mqtt5", "mqtt311"])
def recorders(
    request: pytest.FixtureRequest,
    quick: None,
    own_mosquitto: Mosquitto,
    postgres_database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Recorders]:
    monkeypatch.setattr("telemetry.recorder.READY_SECONDS", 1.0)
    add_mill(postgres_database)
    found = Recorders(own_mosquitto.address(version=request.param), postgres_database, tmp_path)
    yield found
    for recorder in found.started:
        recorder.stop()
    for store in found.stores:
        store.close()


def test_a_second_recorder_waits_and_takes_over_without_flapping(recorders: Recorders) -> None:
    first, second = recorders.start(0), recorders.start(1)
    publisher = Publisher(recorders.address)
    publisher.wait_confirmed([publisher.send_value(seq, float(seq)) for seq in range(50)])
    assert first.wait_until_stored("mill-1", BOOT, 49, timeout=10)
    time.sleep(2)
    assert (first.health().connections, second.health().connections) == (1, 0)
    assert not second.health().lease_held
    assert "another recorder" in second.health().problems[1]

    first.stop()
    publisher.wait_confirmed([publisher.send_value(seq, float(seq)) for seq in range(50, 100)])
    assert second.wait_until_stored("mill-1", BOOT, 99, timeout=10)
    assert second.health().connections == 1
    again = recorders.start(0)
    time.sleep(1)
    assert (again.health().connections, second.health().connections) == (0, 1)
    values = {row["value"] for store in recorders.stores for row in stored(store)}
    assert values == {float(seq) for seq in range(100)}
    publisher.close()


def test_while_the_database_is_away_the_holder_keeps_its_connection_and_makes_no_new_one(
    recorders: Recorders, own_mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = recorders.start(0)
    wait_until(lambda: holder.health().connected, what="connected")
    away = [True]
    original = Database.transact

    def transact(database: Database, work: object) -> object:
        if away:
            raise OperationalError("beat", {}, Exception("the server closed the connection"))
        return original(database, work)  # type: ignore[arg-type]

    monkeypatch.setattr(Database, "transact", transact)
    time.sleep(2.0)
    assert not holder.health().lease_held
    publisher = Publisher(recorders.address)
    publisher.wait_confirmed([publisher.send_value(seq, float(seq)) for seq in range(50)])
    wait_until(lambda: holder.health().acknowledged >= 50, what="recorded into the spool all the same")
    own_mosquitto.restart()
    time.sleep(2.0)
    assert not holder.health().connected, "somebody else may have taken over meanwhile"
    away.clear()
    wait_until(lambda: holder.health().connected, what="connected again")
    assert holder.wait_until_stored("mill-1", BOOT, 49, timeout=10)
    publisher.close()


def test_who_has_lost_it_leaves_before_it_can_throw_the_other_out(
    recorders: Recorders, postgres_database: Database
) -> None:
    first = recorders.start(0)
    wait_until(lambda: first.health().connected, what="connected")
    with postgres_database.write() as session:
        session.execute(sa.update(RecorderLease).values(holder="somebody else", epoch=7, spool_id="spl_other"))
    wait_until(lambda: not first.health().connected, what="the connection given up", timeout=3)
    wait_until(lambda: first.health().connected, what="taken over from one who never beats", timeout=10)
    with postgres_database.read() as session:
        assert session.scalars(sa.select(RecorderLease)).one().epoch == 8


def test_it_is_given_back(each_database: Database) -> None:
    lease = Lease(each_database, NAME, "spl_1", SystemClock(), dict)
    lease.start()
    assert lease.confirm()
    lease.stop(timeout=5)
    assert not lease.held
    with each_database.read() as session:
        held = leases.look(session, NAME)
    assert held is not None
    assert held.holder == ""
