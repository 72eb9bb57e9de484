"""Edge nodes that speak Sparkplug B, over a real broker: what they say is stored, what is doubtful never is."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest
import sqlalchemy as sa

from devices.catalogue import DeviceEntry
from devices.models import DeviceAddress, DeviceBirth
from lab.core.clock import SystemClock
from lab.core.database import Database
from lab.core.mqtt import BrokerAddress
from lab.people.principals import SYSTEM
from telemetry.discovery.service import adopt_device
from telemetry.models import DeadLetter
from telemetry.recorder import Recorder
from telemetry.sparkplug.host import SparkplugNames
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.interface import Flag
from tests.factories import make_device, make_signal
from tests.integration.recording import LAB, ROOT, add_mill, now_ns, stored
from tests.integration.sparkplug_node import GROUP, HOST_ID, EdgeNode, metric
from tests.services import Mosquitto, wait_until


@pytest.fixture
def address(own_mosquitto: Mosquitto) -> BrokerAddress:
    return own_mosquitto.address()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckDBStore]:
    store = DuckDBStore(tmp_path / "samples.duckdb")
    yield store
    store.close()


def add_press(database: Database) -> None:
    add_mill(database)
    with database.write() as session:
        press = make_device(session, "press-1", signals={"power": "kW"})
        press.signals += [make_signal("mode", type="text", unit=None), make_signal("count", unit="{count}")]
        session.flush()
        session.add(DeviceAddress(address=f"sparkplug:{GROUP}/press", device_id="press-1"))
        session.add(DeviceAddress(address=f"sparkplug:{GROUP}/press/mill", device_id="mill-1"))


def new_recorder(address: BrokerAddress, database: Database, store: DuckDBStore, folder: Path) -> Recorder:
    return Recorder(
        address=address,
        lab=LAB,
        database=database,
        store=store,
        spool_path=folder / "spool.sqlite",
        clock=SystemClock(),
        client_id="recorder",
        sparkplug=SparkplugNames(GROUP, HOST_ID),
    )


@pytest.fixture
def recorder(address: BrokerAddress, database: Database, store: DuckDBStore, tmp_path: Path) -> Iterator[Recorder]:
    add_press(database)
    recorder = new_recorder(address, database, store, tmp_path)
    recorder.start()
    assert recorder._host is not None
    assert recorder._host.ready.wait(10)
    yield recorder
    recorder.stop()


@pytest.fixture
def node(address: BrokerAddress, recorder: Recorder) -> Iterator[EdgeNode]:
    node = EdgeNode(address)
    yield node
    node.leave()


def letters(database: Database) -> list[DeadLetter]:
    with database.read() as session:
        return list(session.scalars(sa.select(DeadLetter).order_by(DeadLetter.received_at, DeadLetter.key)))


def values(store: DuckDBStore, device: str, *signals: str) -> list[Any]:
    return [row["value"] if row["text"] is None else row["text"] for row in stored(store, signals, device)]


def wait_for(store: DuckDBStore, device: str, signal: str, count: int) -> None:
    wait_until(lambda: len(stored(store, [signal], device)) >= count, timeout=15, what=f"{count} values of {signal}")


def is_alive(database: Database, device: str) -> bool | None:
    with database.read() as session:
        birth = session.get(DeviceBirth, device)
        return None if birth is None else birth.died_at is None


def test_what_a_node_and_its_device_say_is_stored_as_everything_else(
    recorder: Recorder, node: EdgeNode, store: DuckDBStore, database: Database
) -> None:
    node.birth(metric("power", 0.5, alias=1), metric("mode", "idle", alias=2))
    node.say("DBIRTH", metric("spindle_power_kw", 1.0, alias=10), device="mill")
    for step in range(1, 300):
        at_ms = now_ns() // 1_000_000 + step
        node.say("NDATA", metric(None, float(step), alias=1, at_ms=at_ms))
        node.say("DDATA", metric(None, float(-step), alias=10, at_ms=at_ms), device="mill")
    wait_for(store, "press-1", "power", 300)
    wait_for(store, "mill-1", "spindle_power_kw", 300)

    assert values(store, "press-1", "power") == [0.5, *range(1, 300)]
    assert values(store, "mill-1", "spindle_power_kw") == [1.0, *(-step for step in range(1, 300))]
    assert values(store, "press-1", "mode") == ["idle"]
    assert {row["flags"] for row in stored(store, [], "press-1")} == {0}
    assert is_alive(database, "press-1")
    assert is_alive(database, "mill-1")
    assert letters(database) == []
    assert node.asked == 0

    node.vanish()
    wait_until(lambda: is_alive(database, "press-1") is False, timeout=15, what="the node's death")
    assert is_alive(database, "mill-1") is False


def test_a_gap_is_asked_about_once_and_no_value_gets_another_name(
    recorder: Recorder, node: EdgeNode, store: DuckDBStore, database: Database
) -> None:
    node.birth(metric("power", 0.5, alias=1), metric("count", 100, alias=2))
    node.say("NDATA", metric(None, 1.5, alias=1))
    node.say("NDATA", metric(None, 66.0, alias=1), lost=True)
    for step in range(20):  # while the missing one is waited for, and afterwards
        node.say("NDATA", metric(None, 1000.0 + step, alias=1), metric("count", step))
        time.sleep(0.2)
    wait_until(lambda: node.asked > 0, what="the question")
    wait_for(store, "press-1", "count", 21)
    assert node.asked == 1
    assert values(store, "press-1", "power") == [0.5, 1.5], "an alias is not believed after a gap"
    assert values(store, "press-1", "count") == [100, *range(20)], "a name is"
    assert {letter.reason for letter in letters(database)} == {"unknown-metric"}
    assert {letter.device_id for letter in letters(database)} == {f"sparkplug:{GROUP}/press"}

    node.birth(metric("count", 200, alias=1), metric("power", 2.5, alias=2))  # the aliases have changed places
    node.say("NDATA", metric(None, 3.5, alias=2), metric(None, 201, alias=1))
    wait_for(store, "press-1", "power", 4)
    assert values(store, "press-1", "power") == [0.5, 1.5, 2.5, 3.5]
    assert values(store, "press-1", "count") == [100, *range(20), 200, 201]
    assert node.asked == 1


def test_messages_out_of_order_lose_nothing(recorder: Recorder, node: EdgeNode, store: DuckDBStore) -> None:
    node.birth(metric("power", 0.0, alias=1))
    for first, second in ((2, 1), (4, 3), (6, 5)):
        for number in (first, second):
            node.seq = number
            node.say("NDATA", metric(None, float(number), alias=1))
            time.sleep(0.01)
    wait_for(store, "press-1", "power", 7)
    assert sorted(values(store, "press-1", "power")) == [0, 1, 2, 3, 4, 5, 6]
    assert node.asked == 0


def test_a_stale_death_changes_nothing(
    recorder: Recorder, address: BrokerAddress, store: DuckDBStore, database: Database
) -> None:
    old = EdgeNode(address, bd_seq=4)
    old.birth(metric("power", 1.0, alias=1))
    wait_until(lambda: is_alive(database, "press-1") is True, what="the first birth")
    new = EdgeNode(address, bd_seq=5)
    new.birth(metric("power", 2.0, alias=1))
    wait_for(store, "press-1", "power", 2)
    old.vanish()  # only now the broker notices that the first connection is gone
    time.sleep(0.5)
    new.say("NDATA", metric(None, 3.0, alias=1))
    wait_for(store, "press-1", "power", 3)
    assert is_alive(database, "press-1")
    assert values(store, "press-1", "power") == [1.0, 2.0, 3.0]
    assert new.asked == 0
    new.leave()


def test_an_alias_that_was_not_born_is_a_letter(
    recorder: Recorder, node: EdgeNode, store: DuckDBStore, database: Database
) -> None:
    node.birth(metric("power", 1.0, alias=1))
    node.say("NDATA", metric(None, 5.0, alias=77), metric(None, 2.0, alias=1))
    wait_until(lambda: bool(letters(database)), what="the letter")
    wait_for(store, "press-1", "power", 2)
    assert values(store, "press-1", "power") == [1.0, 2.0]
    assert [letter.reason for letter in letters(database)] == ["unknown-metric"]


def test_what_cannot_be_a_sample_is_a_letter_and_its_neighbours_are_stored(
    recorder: Recorder, node: EdgeNode, store: DuckDBStore, database: Database
) -> None:
    template = metric("power", 0.0)._replace(datatype=19, field="template_value", value=b"")
    node.birth(template, metric("mode", "run"), metric("count", 2**60 + 1), metric("none", 1))
    node.publish("NDATA", b"\xff\xff\xff")
    node.say("NDATA", metric("mode", "run", at_ms=now_ns() // 1_000_000 - 3_600_000, historical=True))
    wait_for(store, "press-1", "mode", 2)
    wait_until(lambda: len(letters(database)) >= 3, what="the letters")
    assert {(letter.signal, letter.reason) for letter in letters(database)} == {
        ("power", "unsupported-type"),
        ("none", "unknown-signal"),
        (None, "not-sparkplug"),
    }
    (count,) = stored(store, ["count"], "press-1")
    assert count["flags"] & Flag.OUT_OF_RANGE, "too large to be kept exactly"
    flags = [row["flags"] & Flag.BUFFERED for row in stored(store, ["mode"], "press-1")]
    assert flags == [Flag.BUFFERED, 0]


def test_a_node_that_nobody_knows_is_heard_under_its_address(
    recorder: Recorder, address: BrokerAddress, database: Database, store: DuckDBStore
) -> None:
    stranger = EdgeNode(address, "stranger")
    stranger.birth(metric("power", 1.0))
    wait_until(lambda: len(letters(database)) >= 2, what="the letters")
    assert {(letter.device_id, letter.reason) for letter in letters(database)} == {
        (f"sparkplug:{GROUP}/stranger", "unknown-device")
    }
    with database.write() as session:
        session.add(DeviceAddress(address=f"sparkplug:{GROUP}/stranger", device_id="press-1"))
    time.sleep(1.1)
    stranger.say("NDATA", metric("power", 2.0))
    wait_for(store, "press-1", "power", 1)
    assert values(store, "press-1", "power") == [2.0]
    stranger.leave()


def test_an_adopted_node_has_what_it_said_before(
    recorder: Recorder, address: BrokerAddress, database: Database, store: DuckDBStore
) -> None:
    stranger = EdgeNode(address, "stranger")
    stranger.birth(metric("power", 1.0, alias=1))
    stranger.say("NDATA", metric(None, 2.0, alias=1))
    wait_until(lambda: len(letters(database)) >= 3, what="the letters")
    signal = {"name": "power", "label": "Power", "type": "number", "unit": "kW"}
    entry = DeviceEntry.model_validate(
        {
            "id": "press-9",
            "name": "Press 9",
            "kind": "press",
            "price_eur_per_hour": 0,
            "signals": [signal],
            "addresses": [f"sparkplug:{GROUP}/stranger"],
        }
    )
    with database.write() as session:
        adopt_device(session, SYSTEM, entry, now=SystemClock().now())
    wait_for(store, "press-9", "power", 2)
    assert values(store, "press-9", "power") == [1.0, 2.0]
    stranger.leave()


def test_a_host_that_comes_late_asks_each_node_that_speaks(
    address: BrokerAddress, database: Database, store: DuckDBStore, tmp_path: Path
) -> None:
    add_press(database)
    node = EdgeNode(address)
    node.birth(metric("power", 1.0, alias=1))
    recorder = new_recorder(address, database, store, tmp_path)
    recorder.start()
    wait_until(lambda: bool(node.states) and node.states[-1]["online"], what="the host")
    for step in range(5):
        node.say("NDATA", metric(None, float(step), alias=1))
    wait_until(lambda: node.asked > 0, what="the question")
    node.birth(metric("power", 7.0, alias=1))
    wait_for(store, "press-1", "power", 1)
    assert node.asked == 1
    assert values(store, "press-1", "power") == [7.0]
    recorder.stop()
    wait_until(lambda: not node.states[-1]["online"], what="the host's goodbye")
    assert node.states[-1]["timestamp"] >= node.states[0]["timestamp"]
    node.leave()


_HOST = """
import sys, threading
from pathlib import Path
from lab.core.clock import SystemClock
from lab.core.database import Database
from lab.core.mqtt import BrokerAddress
from telemetry.recorder import Recorder
from telemetry.sparkplug.host import SparkplugNames
from telemetry.stores.duckdb import DuckDBStore
folder, port, url = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
folder.mkdir(exist_ok=True)
recorder = Recorder(address=BrokerAddress("127.0.0.1", port), lab="gliwice", database=Database(url),
    store=DuckDBStore(folder / "samples.duckdb"), spool_path=folder / "spool.sqlite", clock=SystemClock(),
    client_id="recorder", sparkplug=SparkplugNames(sys.argv[4], sys.argv[5]))
recorder.start()
recorder._host.ready.wait(10)
print("ready", flush=True)
threading.Event().wait()
"""


def start_host(folder: Path, address: BrokerAddress, database: Database, log: IO[bytes]) -> "subprocess.Popen[bytes]":
    """A recorder with a Sparkplug host, which listens when this returns, in a process that may be killed."""
    url = database.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", _HOST, str(folder), str(address.port), url, GROUP, HOST_ID]
    host = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log)
    assert host.stdout is not None
    host.stdout.readline()
    return host


def kill(host: "subprocess.Popen[bytes]") -> None:
    """`kill -9`."""
    host.kill()
    host.wait(10)
    assert host.stdout is not None
    host.stdout.close()


def test_a_killed_host_is_offline_by_its_last_will_and_loses_nothing_that_it_took(
    address: BrokerAddress, database: Database, tmp_path: Path
) -> None:
    add_press(database)
    node = EdgeNode(address)
    folder = tmp_path / "host"
    with (tmp_path / "host.log").open("wb") as log:
        host = start_host(folder, address, database, log)
        wait_until(lambda: bool(node.states), what="the host")
        node.birth(metric("power", 1.0, alias=1))
        for step in range(2, 50):
            node.say("NDATA", metric(None, float(step), alias=1))
        wait_until(lambda: is_alive(database, "press-1") is True, timeout=15, what="the birth")
        kill(host)
    wait_until(lambda: not node.states[-1]["online"], timeout=15, what="the last will")
    assert node.states[0]["online"]
    assert node.states[-1]["timestamp"] == node.states[0]["timestamp"], "birth and will have one timestamp"

    store = DuckDBStore(folder / "samples.duckdb")
    recorder = new_recorder(address, database, store, folder)
    recorder.start()
    wait_until(lambda: node.states[-1]["online"], timeout=15, what="the host again")
    node.say("NDATA", metric(None, 50.0, alias=1))
    wait_until(lambda: node.asked == 1, what="the question")
    node.birth(metric("power", 51.0, alias=1))
    wait_until(lambda: 51.0 in values(store, "press-1", "power"), timeout=15, what="the value of the new birth")
    found = values(store, "press-1", "power")
    assert found == [*map(float, range(1, len(found))), 51.0], "nothing is missing in between, and nothing is doubled"
    assert 50.0 not in found
    recorder.stop()
    store.close()
    node.leave()


def test_somebody_else_saying_that_the_host_is_offline_is_answered(recorder: Recorder, node: EdgeNode) -> None:
    wait_until(lambda: bool(node.states), what="the host")
    node._client.publish(f"spBv1.0/STATE/{HOST_ID}", b'{"online": false, "timestamp": 1}', qos=1, retain=True)
    wait_until(lambda: len(node.states) >= 3 and node.states[-1]["online"], what="the answer")
    assert node.states[-1] == node.states[0]
