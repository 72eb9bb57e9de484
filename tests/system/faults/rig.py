"""Real programs to break: Mosquitto, `pilotlab up` on SQLite and DuckDB, and machines as processes.

The oracle of faults.md: what a machine was told is kept is stored, once, as it was sent, and nothing else is.
"""

import json
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from lab.core.clock import SystemClock
from lab.core.mqtt import BrokerAddress, connect, new_client
from telemetry.grants import BEGINNING_NS, END_NS
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.interface import SampleStore
from tests.services import free_port, wait_until
from tests.system.faults.publisher import SIGNAL
from tests.system.installation import Installation

ROOT = Path(__file__).parents[3]
LIVE_SECONDS = 5.0
STOP_SECONDS = 10.0
START_PATIENCE_SECONDS = 120
"""No bound of the product: where much else runs, a start takes long, and it is not what is tried here."""
CATALOGUE = """
devices:
  - id: mill-1
    name: Mill
    kind: cnc-mill
    price_eur_per_hour: 1
    signals:
      - {name: spindle_power_kw, label: Power, unit: kW}
      - {name: feed_mm_s, label: Feed, unit: mm/s}
  - id: mill-2
    name: Mill
    kind: cnc-mill
    price_eur_per_hour: 1
    signals:
      - {name: spindle_power_kw, label: Power, unit: kW}
  - id: mill-3
    name: Mill
    kind: cnc-mill
    price_eur_per_hour: 1
    signals:
      - {name: spindle_power_kw, label: Power, unit: kW}
"""
FRESH_DEVICE = "mill-3"
"""Says something when all is healed, and nothing else."""


@dataclass(frozen=True)
class Journal:
    """What a machine knows when it has left."""

    times: list[int]
    confirmed: list[int]
    sent: int
    seconds: float

    @property
    def rate(self) -> float:
        """Messages a second that were published."""
        return self.sent / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Counts:
    """What became of them."""

    confirmed: int
    stored: int
    lost: int
    corrupted: int
    invented: int
    doubled: int


class Publisher:
    """A machine in a process of its own (see `tests.system.faults.publisher`, and `burst` for very many messages)."""

    def __init__(self, port: int, journal: Path, *more: str, program: str = "publisher") -> None:
        self._journal = journal
        self.device = more[more.index("--device") + 1] if "--device" in more else "mill-1"
        command = [sys.executable, "-m", f"tests.system.faults.{program}", str(port), str(journal), *more]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def leave(self) -> Journal:
        """Have it wait for confirmations, and end."""
        if self.process.poll() is None:
            self.process.terminate()
        assert self.process.wait(90) == 0
        assert self.process.stdout is not None
        self.process.stdout.close()
        return Journal(**json.loads(self._journal.read_text()))

    def finish(self, *, timeout: float = 300) -> Journal:
        """Wait until it has said all that it was to say."""
        self.process.wait(timeout)
        return self.leave()

    def clean_up(self) -> None:
        """Leave nothing running."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


class Rig:
    """An installation to break.

    Args:
        folder: for everything.
        broker_port: where machines publish.
        recorder_port: where the product connects, if there is something in between.
        catalogue: devices of the lab.
        open_store: gives its samples, the product being stopped; DuckDB's file if there is none.
        settings: of the product.
    """

    def __init__(
        self,
        folder: Path,
        broker_port: int,
        *,
        recorder_port: int | None = None,
        catalogue: str = CATALOGUE,
        open_store: Callable[[], SampleStore] | None = None,
        **settings: object,
    ) -> None:
        self.folder = folder
        self.broker_port = broker_port
        self.http_port = free_port()
        (folder / "catalogue.yaml").write_text(catalogue)
        given = {
            "broker": "external",
            "broker_host": "127.0.0.1",
            "broker_port": recorder_port or broker_port,
            "recorder_http_port": self.http_port,
            **settings,
        }
        self.product = Installation(folder, **given)
        self._open_store = open_store or (lambda: DuckDBStore(self.product.data / "samples.duckdb"))
        self._publishers: list[Publisher] = []

    def start(self) -> None:
        """Start the product (again), and wait until it records."""
        self.product.start("--catalogue", str(self.folder / "catalogue.yaml"), seconds=START_PATIENCE_SECONDS)
        connected = "a recorder that is connected"
        wait_until(lambda: self.told().get("connected", False), timeout=START_PATIENCE_SECONDS, what=connected)

    def kill(self) -> None:
        """`kill -9` of the product."""
        assert self.product.process is not None
        self.product.process.kill()
        self.product.process.wait(10)

    def stop(self) -> float:
        """SIGTERM; returns how many seconds it took to end in good order."""
        assert self.product.process is not None
        started = time.monotonic()
        self.product.process.terminate()
        assert self.product.process.wait(30) == 0
        return time.monotonic() - started

    def publish(self, *more: str, program: str = "publisher") -> Publisher:
        """Start a machine."""
        journal = self.folder / f"journal-{len(self._publishers)}.json"
        self._publishers.append(Publisher(self.broker_port, journal, *more, program=program))
        return self._publishers[-1]

    def told(self) -> dict[str, Any]:
        """What the recorder says at /readyz; empty if it does not answer."""
        try:
            request = f"http://127.0.0.1:{self.http_port}/readyz"
            with urllib.request.urlopen(request, timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                found = json.load(refused)
        except (OSError, ValueError):
            return {}
        return found

    def memory_mb(self) -> float:
        """Resident memory of the product."""
        assert self.product.process is not None
        status = Path(f"/proc/{self.product.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def incidents(self) -> list[dict[str, Any]]:
        """Recording incidents, as rows."""
        with closing(sqlite3.connect(self.product.data / "pilotlab.sqlite")) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute("SELECT * FROM recording_incidents ORDER BY noted_at")]

    def completeness(self, boot: str, last_seq: int) -> dict[str, Any]:
        """What the product says of a boot."""
        with closing(self.product.browser("manager", self.product.manager_password)) as manager:
            span: dict[str, str | int] = {"boot": boot, "first_seq": 0, "last_seq": last_seq}
            found: dict[str, Any] = manager.get("/api/v1/devices/mill-1/completeness", params=span).json()
        return found

    def wait_until_drained(self, *, timeout: float = 60) -> None:
        """Until the spool has nothing more for the store."""

        def drained() -> bool:
            told = self.told()
            return bool(told.get("connected")) and told["behind"] == 0

        wait_until(drained, timeout=timeout, what="a spool that is drained")

    def fresh_value_is_live(self) -> float:
        """Publish something new, and return after how many seconds it is seen live."""
        seen, started = threading.Event(), [0.0]
        marker = 31_337_000_123

        def watch() -> None:
            with (
                closing(self.product.browser("manager", self.product.manager_password)) as manager,
                manager.stream("GET", f"/api/v1/devices/{FRESH_DEVICE}/live", timeout=20) as answer,
            ):
                opened.set()
                for line in answer.iter_lines():
                    if str(marker) in line:
                        seen.set()
                        return

        opened = threading.Event()
        threading.Thread(target=watch, daemon=True).start()
        assert opened.wait(START_PATIENCE_SECONDS), "the live stream does not open"
        started[0] = time.monotonic()
        payload = b'{"boot":"%s","seq":%d,"time":%d,"values":{"%s":%d}}'
        client = new_client(BrokerAddress("127.0.0.1", self.broker_port, version=4), "fresh")
        connect(client, BrokerAddress("127.0.0.1", self.broker_port, version=4))
        client.loop_start()
        boot = str(SystemClock().now_ns()).encode()
        for seq in range(50):  # the first words of a boot do not tell yet whether its clock is right
            told = payload % (boot, seq, SystemClock().now_ns(), SIGNAL.encode(), marker)
            client.publish(f"pilotlab/gliwice/{FRESH_DEVICE}/data", told, qos=1)
            if seen.wait(0.2):
                break
        found = seen.is_set()
        took = time.monotonic() - started[0]
        client.disconnect()
        client.loop_stop()
        assert found, "a fresh value is not seen live"
        return took

    def samples(self, device: str = "mill-1") -> pa.Table:
        """Every stored sample with all its columns, the product being stopped."""
        store = self._open_store()
        found = store.read(device, [], [(BEGINNING_NS, END_NS)], uncertain=True)
        store.close()
        return found

    def rows(self, device: str = "mill-1") -> list[dict[str, Any]]:
        """Every stored sample as a row, the product being stopped."""
        found: list[dict[str, Any]] = self.samples(device).to_pylist()
        return found

    def stored(self, device: str = "mill-1") -> list[tuple[int, float]]:
        """(device time, value) of every stored sample, the product being stopped."""
        return self._pairs(device, "device_ns", "value")

    def received(self, device: str = "mill-1") -> list[tuple[int, int]]:
        """(device time, received) of every stored sample, the product being stopped."""
        return self._pairs(device, "device_ns", "received_ns")

    def _pairs(self, device: str, *columns: str) -> list[tuple[int, Any]]:
        """Two columns alone, of which a million samples may be held."""
        samples = self.samples(device)
        return list(zip(*(samples.column(name).to_pylist() for name in columns), strict=True))

    def count(self, question: str) -> int:
        """What a question to the database counts."""
        with closing(sqlite3.connect(self.product.data / "pilotlab.sqlite")) as connection:
            return int(connection.execute(question).fetchone()[0])

    def hold_to_the_oracle(self, label: str, *machines: Publisher, drained_within: float = 60) -> list[Journal]:
        """All is healed: the machines leave, a fresh value is live, the product stops in good order, nothing is wrong.

        Returns:
            What each machine knows.
        """
        journals = [machine.leave() for machine in machines]
        self.wait_until_drained(timeout=drained_within)
        live = self.fresh_value_is_live()
        took = self.stop()
        for machine, journal in zip(machines, journals, strict=True):
            told = f"{label}, live after {live:.2f} s, stopped in {took:.1f} s"
            assert_nothing_wrong(self.hold_against(journal, label=told, device=machine.device))
        assert live < LIVE_SECONDS
        assert took < STOP_SECONDS
        return journals

    def hold_against(self, journal: Journal, *, label: str, device: str = "mill-1") -> Counts:
        """Count what became of the messages, print it, and return it; the product being stopped."""
        rows = self.stored(device)
        sent = {(at_ns, float(number)) for number, at_ns in enumerate(journal.times)}
        owed = {(journal.times[number], float(number)) for number, kept in enumerate(journal.confirmed) if kept}
        found = set(rows)
        times = {at_ns for at_ns, _ in sent}
        strange = found - sent
        counts = Counts(
            confirmed=len(owed),
            stored=len(rows),
            lost=len(owed - found),
            corrupted=sum(at_ns in times for at_ns, _ in strange),
            invented=sum(at_ns not in times for at_ns, _ in strange),
            doubled=len(rows) - len(found),
        )
        print(f"{label}: sent {journal.sent} at {journal.rate:,.0f}/s, {counts}")
        return counts

    def clean_up(self) -> None:
        """Leave nothing running."""
        for publisher in self._publishers:
            publisher.clean_up()
        self.product.clean_up()


def assert_nothing_wrong(counts: Counts) -> None:
    """The oracle."""
    assert (counts.lost, counts.corrupted, counts.invented, counts.doubled) == (0, 0, 0, 0), counts
    assert counts.confirmed > 0
