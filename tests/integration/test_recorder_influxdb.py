"""Rows 1 and 12 of faults.md on InfluxDB: the recorder is killed, and everything comes twice; and a busy server.

Rows 6 to 8 are tried with whole programs: `tests/system/faults/test_programs_store_front.py`.
"""

import random
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import pytest

from lab.core.clock import SystemClock
from lab.core.database import Database
from telemetry.recorder import Recorder
from telemetry.sequences import completeness
from telemetry.stores.influxdb import InfluxDBStore
from tests.integration.recording import BOOT, LAB, Publisher, RecorderProcess, add_mill, now_ns
from tests.services import Mosquitto
from tests.services.store_front import Front, store_front

pytestmark = pytest.mark.faults

EVER = [(-(2**63), 2**63 - 1)]


class Server(Protocol):
    """The fixture `influxdb`."""

    url: str
    token: str
    org: str
    bucket: str


@pytest.fixture
def front(influxdb: Server) -> Iterator[Front]:
    with store_front(influxdb.url) as made:
        yield made


class Bench:
    """A recorder on InfluxDB behind the front, and a machine."""

    def __init__(self, broker: Mosquitto, database: Database, front: Front, influxdb: Server, folder: Path) -> None:
        add_mill(database)
        url = f"http://127.0.0.1:{front.server_port}"
        self.store = InfluxDBStore(url, influxdb.token, influxdb.org, influxdb.bucket)
        self.recorder = Recorder(
            address=broker.address(),
            lab=LAB,
            database=database,
            store=self.store,
            spool_path=folder / "spool.sqlite",
            clock=SystemClock(),
            client_id="recorder",
        )
        self.recorder.start()
        self.publisher = Publisher(broker.address())
        self.sent: dict[int, float] = {}
        self.ids: list[int] = []

    def send(self, count: int) -> None:
        for _ in range(count):
            seq, at_ns = len(self.sent), now_ns()
            self.sent[at_ns] = float(seq)
            self.ids.append(self.publisher.send_value(seq, float(seq), at_ns=at_ns))

    def settle(self) -> None:
        """Wait until all is confirmed and stored."""
        self.publisher.wait_confirmed(self.ids)
        assert self.recorder.wait_until_stored("mill-1", BOOT, len(self.sent) - 1, 40)

    def close(self) -> None:
        self.recorder.stop()
        self.publisher.close()
        self.store.close()


@pytest.fixture
def bench(
    own_mosquitto: Mosquitto, database: Database, front: Front, influxdb: Server, tmp_path: Path
) -> Iterator[Bench]:
    made = Bench(own_mosquitto, database, front, influxdb, tmp_path)
    yield made
    made.close()


def test_a_server_that_says_when_is_asked_again_then(bench: Bench, front: Front) -> None:
    bench.send(20)
    bench.settle()
    front.mood, front.times = "busy", []
    bench.send(20)
    time.sleep(1.6)
    asked = list(front.times)
    front.mood = "well"
    bench.settle()
    assert 1 <= len(asked) <= 3  # without Retry-After there would be four, after 0.25, 0.5 and 1 s
    assert all(second - first >= 0.95 for first, second in pairwise(asked))


def wait_until_complete(database: Database, count: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with database.read() as session:
            if completeness(session, "mill-1", BOOT, 0, count - 1).complete:
                return
        time.sleep(0.1)


@pytest.mark.parametrize("seed", [1, 2, 3, *(pytest.param(n, marks=pytest.mark.faults_long) for n in range(4, 21))])
def test_nothing_is_lost_or_doubled_when_the_recorder_is_killed_and_everything_comes_twice(
    own_mosquitto: Mosquitto, database: Database, influxdb: Server, tmp_path: Path, seed: int
) -> None:
    add_mill(database)
    dice = random.Random(seed)
    server = (influxdb.url, influxdb.token, influxdb.org, influxdb.bucket)
    sent: dict[int, float] = {}
    publisher, confirmations = Publisher(own_mosquitto.address(version=4)), []
    for kills in range(4):
        recorder = RecorderProcess(tmp_path, own_mosquitto.port, "--influxdb", *server)
        try:
            recorder.wait_ready()
            for _ in range(dice.randrange(100, 600)):
                seq, at_ns = len(sent), now_ns()
                sent[at_ns] = float(seq)
                values = {"spindle_power_kw": float(seq), "wear_um": float(seq % 300), "tool": "T7"}
                message = {"boot": BOOT, "seq": seq, "time": at_ns, "values": values}
                confirmations += [publisher.send("data", message) for _ in range(2)]
                if seq % 20 == 0:
                    time.sleep(0.01)
            if kills < 3:
                recorder.kill()
            else:
                publisher.wait_confirmed(confirmations)
                wait_until_complete(database, len(sent))  # what waits in the broker would be for the next one
                recorder.stop()
        finally:
            recorder.remove()
    publisher.close()
    store = InfluxDBStore(*server)
    rows = store.read("mill-1", [], EVER, uncertain=True).to_pylist()
    store.close()
    wanted = {(at_ns, "spindle_power_kw", value) for at_ns, value in sent.items()}
    wanted |= {(at_ns, "wear_um", value % 300) for at_ns, value in sent.items()}
    wanted |= {(at_ns, "tool", "T7") for at_ns in sent}
    found = {(row["device_ns"], row["signal"], row["text"] or row["value"]) for row in rows}
    lost, invented, doubled = len(wanted - found), len(found - wanted), len(rows) - len(found)
    print(f"rows 1 and 12, seed {seed}: said {len(wanted)} stored {len(rows)}")
    print(f"lost {lost} invented {invented} doubled {doubled}")
    assert (lost, invented, doubled) == (0, 0, 0)
