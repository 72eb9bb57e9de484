"""What the recorder's tests share: a publisher that knows what was confirmed, and a count of what became of it."""

import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from devices.messages.topics import topic
from lab.core.clock import SystemClock
from lab.core.database import Database
from lab.core.mqtt import BrokerAddress, connect, new_client
from telemetry.grants import BEGINNING_NS, END_NS
from telemetry.stores.duckdb import DuckDBStore
from tests.factories import make_device, make_signal

LAB = "gliwice"
BOOT = "7f3a"
ROOT = Path(__file__).parents[2]


def now_ns() -> int:
    return SystemClock().now_ns()


def add_mill(database: Database) -> None:
    """The device that the tests publish as: numbers, a text, an enumeration and a boolean."""
    with database.write() as session:
        device = make_device(session, "mill-1")
        device.signals.append(make_signal("tool", type="text", unit=None))
        device.signals.append(make_signal("door", type="enumeration", unit=None, choices=["open", "closed"]))
        device.signals.append(make_signal("coolant", type="boolean", unit=None))
        device.signals.append(make_signal("wear_um", low=0.0, high=300.0))


class Publisher:
    """A device at the broker, QoS 1; what is confirmed is an obligation."""

    def __init__(self, address: BrokerAddress, client_id: str = "publisher") -> None:
        self._client = new_client(address, client_id)
        self._client.max_inflight_messages_set(20)
        self._client.max_queued_messages_set(0)
        self._changed = threading.Condition()
        self._confirmed: set[int] = set()
        self._client.on_publish = lambda *said: self._on_publish(said[2])
        connect(self._client, address)
        self._client.loop_start()

    def _on_publish(self, message_id: int) -> None:
        with self._changed:
            self._confirmed.add(message_id)
            self._changed.notify_all()

    def send(self, kind: str, payload: bytes | dict[str, Any], *, device: str = "mill-1", retain: bool = False) -> int:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return self._client.publish(topic(LAB, device, kind), body, qos=1, retain=retain).mid

    def send_value(self, seq: int, value: Any = 1.5, *, at_ns: int | None = None, **more: Any) -> int:
        time_ns = now_ns() if at_ns is None else at_ns
        values = {more.pop("signal", "spindle_power_kw"): value}
        return self.send("data", {"boot": BOOT, "seq": seq, "time": time_ns, "values": values, **more})

    def wait_confirmed(self, message_ids: Sequence[int], *, timeout: float = 20) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._confirmed >= set(message_ids), timeout), "no confirmation"

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def stored(store: DuckDBStore, signals: Sequence[str] = (), device: str = "mill-1") -> list[dict[str, Any]]:
    """Every stored sample, in order of settled time."""
    table = store.read(device, list(signals), [(BEGINNING_NS, END_NS)], uncertain=True)
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def spooled(path: Path) -> int:
    """How many messages a spool holds, looked at from outside."""
    with closing(sqlite3.connect(path)) as connection:
        row = connection.execute("SELECT coalesce(sum(last - first + 1), 0) FROM batches").fetchone()
    return int(row[0])


def utc(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC)


class RecorderProcess:
    """A recorder that can be killed (see `recorder_process`)."""

    def __init__(self, folder: Path, port: int, *more: str) -> None:
        command = [sys.executable, "-m", "tests.integration.recorder_process", str(folder), str(port), *more]
        self._log = (folder / "recorder.log").open("ab")
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=self._log)

    def wait_ready(self) -> None:
        """Wait until it listens, or has died before."""
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def kill(self) -> None:
        """`kill -9`."""
        self._process.kill()
        self._end(10)

    def is_dead(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def wait_dead(self, timeout: float = 15) -> None:
        """Wait until it has killed itself."""
        assert self._end(timeout) == -signal.SIGKILL

    def stop(self) -> float:
        """SIGTERM; returns how many seconds it took to end in good order."""
        started = time.monotonic()
        self._process.terminate()
        assert self._end(15) == 0
        return time.monotonic() - started

    def remove(self) -> None:
        """End it if it lives."""
        if self._process.poll() is None:
            self.kill()

    def _end(self, timeout: float) -> int:
        code = self._process.wait(timeout)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()
        return code
