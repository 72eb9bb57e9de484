"""Rows 1, 6, 7, 8 and 12 of faults.md: InfluxDB is away, busy, hangs up after writing, or refuses a point; the
recorder is killed, and everything comes twice.

Between the recorder and the real server stands a front that has moods.
"""

import http.client
import json
import random
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import pytest
import sqlalchemy as sa

from lab.core.clock import SystemClock
from lab.core.database import Database
from telemetry.models import DeadLetter
from telemetry.recorder import Recorder
from telemetry.sequences import completeness
from telemetry.stores.influxdb import InfluxDBStore
from tests.integration.recording import BOOT, LAB, ROOT, Publisher, RecorderProcess, add_mill, now_ns
from tests.services import Mosquitto

pytestmark = pytest.mark.faults

EVER = [(-(2**63), 2**63 - 1)]
POISON = b"_kw=666,"


class Server(Protocol):
    """The fixture `influxdb`."""

    url: str
    token: str
    org: str
    bucket: str


class Front(ThreadingHTTPServer):
    """Forwards to InfluxDB as its mood allows.

    well, down, busy (429), overloaded (503), deaf (no answer after writing), choosy (one point is refused).
    """

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urllib.parse.urlsplit(upstream)
        self.mood = "well"
        self.moods: dict[str, int] = {}
        self.times: list[float] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Front

    def do_GET(self) -> None:
        self._pass_on(b"")

    def do_POST(self) -> None:
        self._pass_on(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _pass_on(self, body: bytes) -> None:
        mood = self.server.mood
        writes = self.path.startswith("/api/v2/write")
        self.server.moods[mood] = self.server.moods.get(mood, 0) + 1
        self.server.times.append(time.monotonic())
        if mood == "down":
            self.close_connection = True
        elif mood in {"busy", "overloaded"}:
            self._answer(429 if mood == "busy" else 503, b'{"message":"later"}', retry_after="1")
        elif mood == "choosy" and writes and POISON in body:
            kept = [line for line in body.split(b"\n") if POISON not in line]
            if kept:
                self._forward(b"\n".join(kept))
            self._answer(400, b'{"message":"partial write: a point is refused dropped=1"}')
        else:
            status, content = self._forward(body)
            if mood == "deaf" and writes:
                self.close_connection = True
            else:
                self._answer(status, content)

    def _forward(self, body: bytes) -> tuple[int, bytes]:
        upstream = http.client.HTTPConnection(self.server.upstream.netloc, timeout=20)
        kept = {name: value for name, value in self.headers.items() if name.lower() not in {"host", "connection"}}
        upstream.request(self.command, self.path, body, {**kept, "Content-Length": str(len(body))})
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        return answer.status, content

    def _answer(self, status: int, content: bytes, *, retry_after: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def front(influxdb: Server) -> Iterator[Front]:
    server = Front(influxdb.url)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


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

    def send(self, count: int, *, pace_s: float = 0.0) -> None:
        for _ in range(count):
            seq, at_ns = len(self.sent), now_ns()
            self.sent[at_ns] = float(seq)
            self.ids.append(self.publisher.send_value(seq, float(seq), at_ns=at_ns))
            if pace_s and seq % 20 == 0:
                time.sleep(20 * pace_s)

    def settle(self, *, timeout: float = 40) -> float:
        """Wait until all is confirmed and stored; returns how long the storing took after the confirmations."""
        self.publisher.wait_confirmed(self.ids)
        started = time.monotonic()
        assert self.recorder.wait_until_stored("mill-1", BOOT, len(self.sent) - 1, timeout)
        return time.monotonic() - started

    def hold_against(self, label: str, *, refused: int = 0) -> None:
        rows = self.store.read("mill-1", [], EVER, uncertain=True).to_pylist()
        found = {(row["device_ns"], row["value"]) for row in rows}
        wanted = set(self.sent.items())
        lost, invented, doubled = len(wanted - found), len(found - wanted), len(rows) - len(found)
        print(f"{label}: sent {len(wanted)} stored {len(rows)} lost {lost} invented {invented} doubled {doubled}")
        assert (lost, invented, doubled) == (refused, 0, 0)

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


def memory_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


RATED = 2_000
DRAINS = 5


@pytest.mark.parametrize(
    ("seconds", "rate"),
    [
        (6, 400),
        *(pytest.param(3 + n % 5, 250 + 50 * n, marks=pytest.mark.faults_long) for n in range(18)),
        pytest.param(600, RATED, marks=[pytest.mark.faults_long, pytest.mark.timeout(2400)]),
    ],
)
def test_a_server_that_is_away_costs_nothing(
    bench: Bench, own_mosquitto: Mosquitto, front: Front, tmp_path: Path, seconds: int, rate: int
) -> None:
    """The machine is a process of its own, so that what it remembers is not taken for the recorder's memory."""
    bench.send(200)
    bench.settle()
    before = memory_mb()
    front.mood = "down"
    journal = tmp_path / "journal.json"
    options = ("--rate", str(rate), "--seconds", str(seconds), "--boot", "away")
    command = [sys.executable, "-m", "tests.system.faults.burst", str(own_mosquitto.port), str(journal), *options]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    waiting, grown = bench.recorder.health().behind, memory_mb() - before
    assert bench.recorder.health().problems
    front.mood = "well"
    back = time.monotonic()
    assert bench.recorder.wait_until_stored("mill-1", "away", seconds * rate - 1, 300)
    speed = waiting / (time.monotonic() - back)
    bench.sent |= {at_ns: float(number) for number, at_ns in enumerate(json.loads(journal.read_text())["times"])}
    bench.hold_against(f"row 6, away {seconds} s at {rate}/s, {grown:.0f} MB more, drained {speed:,.0f}/s")
    assert waiting > seconds * rate / 2
    assert grown < 100
    assert speed > rate
    if rate >= RATED:
        assert speed >= DRAINS * RATED


@pytest.mark.parametrize("seed", [1, 2, 3, *(pytest.param(n, marks=pytest.mark.faults_long) for n in range(4, 21))])
def test_a_busy_or_deaf_server_costs_nothing(bench: Bench, front: Front, seed: int) -> None:
    dice = random.Random(seed)
    moods = ["busy", "overloaded", "deaf"]
    dice.shuffle(moods)
    for mood in moods:
        bench.send(dice.randrange(50, 300), pace_s=0.001)
        front.mood = mood
        bench.send(dice.randrange(50, 300), pace_s=0.002)
        time.sleep(dice.uniform(0.2, 0.6))
        front.mood = "well"
    bench.settle()
    bench.hold_against(f"row 7, seed {seed}, {front.moods}")
    assert bench.recorder.health().ok


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


@pytest.mark.parametrize("seed", [1, 2, 3, *(pytest.param(n, marks=pytest.mark.faults_long) for n in range(4, 21))])
def test_one_bad_point_becomes_a_dead_letter_and_its_neighbours_are_stored(
    bench: Bench, front: Front, database: Database, seed: int
) -> None:
    dice = random.Random(seed)
    front.mood = "choosy"
    while len(bench.sent) <= 666:  # it stands in batches of many sizes, anywhere in them
        bench.send(dice.randrange(50, 500), pace_s=dice.choice([0, 0.0005]))
        time.sleep(dice.uniform(0, 0.2))
    bench.settle()
    bench.hold_against(f"row 8, seed {seed}", refused=1)
    bench.recorder.stop()
    bench.recorder.start()  # it survives a restart, and is told once
    bench.send(10)
    bench.settle()
    with database.read() as session:
        letters = list(session.scalars(sa.select(DeadLetter)))
    assert [(letter.signal, letter.reason) for letter in letters] == [("spindle_power_kw", "store-refused")]
    assert letters[0].payload == b"666.0"
    assert bench.recorder.health().stored >= 10


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
