"""Durable ingest: broker → spool → DuckDB, beside a paho subscriber that only counts and acknowledges.

The broker, the publisher and whoever listens are processes of their own; both listeners get the same packets from the
same publisher. Ours counts as done when every sample is in DuckDB. `python -m benchmarks.telemetry_single [--quick]`.
"""

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple, cast

from benchmarks.measurement import Measurement, peak_memory_mb, run_alone
from benchmarks.publisher import BOOT, DEVICE, LAB, SIGNAL
from benchmarks.telemetry_load import machine, memory_measurement, mosquitto
from lab.core.clock import SystemClock
from lab.core.database import Base, Database
from lab.core.logs import set_up_logs
from lab.core.mqtt import BrokerAddress, connect, new_client
from telemetry.lean import do_without_pandas
from telemetry.recorder import Recorder
from telemetry.spool import Spool, SpooledMessage
from telemetry.stores.duckdb import DuckDBStore

CLIENT_ID = "bench-listener"
WINDOW = 20
PUBLISHER_WINDOW = 500
PATIENCE_SECONDS = 300


class Listened(NamedTuple):
    """How a listener did."""

    messages_a_second: float
    cpu_us: float
    """Processor time a message, without the start."""
    memory_mb: float


def measure(quick: bool) -> list[Measurement]:
    """Ours beside the limit for both MQTT versions, at a window of twenty, and what that took."""
    count, rounds = (50_000, 2) if quick else (200_000, 3)
    found: list[Measurement] = []
    memory: list[float] = []
    with tempfile.TemporaryDirectory(prefix="pilotlab-bench-") as name:
        folder = Path(name)
        with mosquitto(folder / "broker", window=2000) as port:
            for version in (5, 4):
                ours, limit = [], []
                for _ in range(rounds):
                    limit.append(listened("reference", folder, port, version, count))
                    ours.append(listened("recorder", folder, port, version, count))
                memory += [one.memory_mb for one in ours]
                found.append(_beside(version, ours, limit))
        with window_peer(WINDOW) as port:
            narrow = [listened("recorder", folder, port, 5, count // 2) for _ in range(rounds)]
        memory += [one.memory_mb for one in narrow]
        found.append(_at_a_window(narrow, commit_seconds(folder)))
    return [*found, memory_measurement("one value a message", max(memory))]


def _beside(version: int, ours: list[Listened], limit: list[Listened]) -> Measurement:
    mine, theirs = (statistics.median(one.messages_a_second for one in each) for each in (ours, limit))
    cpu, least = (statistics.median(one.cpu_us for one in each) for each in (ours, limit))
    name = (
        f"durable ingest, one value a message, JSON, QoS 1, MQTT {'5' if version == 5 else '3.1.1'} "
        f"(processor {cpu:.0f} µs a message, the subscriber that only counts {least:.0f})"
    )
    return Measurement(name, mine, "messages/s", theirs, mine / theirs, ">= 0.75", mine / theirs >= 0.75)


def _at_a_window(found: list[Listened], commit_s: float) -> Measurement:
    goal = 10_000 if commit_s <= 0.0005 else 0.5 * WINDOW / commit_s
    speed = statistics.median(one.messages_a_second for one in found)
    cpu_us = statistics.median(one.cpu_us for one in found)
    name = (
        f"durable ingest, exactly {WINDOW} unacknowledged messages at most "
        f"(a commit of {WINDOW} takes {commit_s * 1000:.2f} ms; processor {cpu_us:.0f} µs a message)"
    )
    return Measurement(name, speed, "messages/s", goal, speed / goal, f">= {goal:,.0f} messages/s", speed >= goal)


def listened(role: str, folder: Path, port: int, version: int, count: int) -> Listened:
    """From the first message sent to the last one done, by a listener in a process of its own."""
    place = Path(tempfile.mkdtemp(dir=folder))
    listener = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.telemetry_single", role, str(place), str(port), str(version), str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert listener.stdout is not None
        if listener.stdout.readline().strip() != "ready":
            raise RuntimeError(f"the {role} did not start")
        published = subprocess.run(
            [sys.executable, "-m", "benchmarks.publisher", str(port), str(count), str(PUBLISHER_WINDOW)],
            check=True,
            capture_output=True,
            text=True,
        )
        done, cpu_s, megabytes = (float(word) for word in listener.stdout.readline().split())
        listener.wait(30)
    finally:
        if listener.poll() is None:
            listener.kill()
            listener.wait(10)
    return Listened(count / (done - float(published.stdout.split()[0])), cpu_s / count * 1e6, megabytes)


@contextmanager
def window_peer(window: int) -> Iterator[int]:
    """A broker that keeps exactly so many messages unacknowledged, on a port that it gives.

    Mosquitto 2.0.11 keeps to its window only until the first acknowledgements.
    """
    command = [sys.executable, "-m", "tests.services.window_peer", "--window", str(window)]
    peer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert peer.stdout is not None
        yield int(peer.stdout.readline())
    finally:
        peer.communicate(timeout=10)


def commit_seconds(folder: Path) -> float:
    """How long this disk takes to make twenty messages safe (median)."""
    spool = Spool(folder / "probe.sqlite")
    batch = [SpooledMessage("t", b"x" * 100, 100, 0, 0, retained=False)] * 20
    times = []
    for _ in range(200):
        started = time.perf_counter()
        spool.append(batch)
        times.append(time.perf_counter() - started)
    spool.close()
    return statistics.median(times)


def count_only(address: BrokerAddress, count: int) -> tuple[float, float]:
    """The limit: a paho subscriber that counts and acknowledges; gives when it has them all, and processor seconds."""
    client = new_client(address, CLIENT_ID, persistent=True, manual_ack=True)
    done, subscribed = threading.Event(), threading.Event()
    seen = [0]

    def on_message(_client: object, _userdata: object, message: object) -> None:
        seen[0] += 1
        client.ack(message.mid, message.qos)
        if seen[0] == count:
            done.set()

    client.on_message = on_message
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_connect = lambda *_: client.subscribe(f"pilotlab/{LAB}/+/#", 1)
    connect(client, address, persistent=True)
    client.loop_start()
    subscribed.wait(10)
    before = time.process_time()
    print("ready", flush=True)
    done.wait(PATIENCE_SECONDS)
    finished, spent = time.monotonic(), time.process_time() - before
    client.disconnect()
    client.loop_stop()
    return finished, spent


def record(address: BrokerAddress, count: int, folder: Path) -> tuple[float, float]:
    """Ours; gives when everything is in DuckDB, and processor seconds."""
    do_without_pandas()
    database = Database(f"sqlite:///{folder / 'lab.sqlite'}")
    Base.metadata.create_all(database.engine)
    with database.write() as session:
        session.add(machine((SIGNAL,)))
    store = DuckDBStore(folder / "samples.duckdb")
    recorder = Recorder(
        address=address,
        lab=LAB,
        database=database,
        store=store,
        spool_path=folder / "spool.sqlite",
        clock=SystemClock(),
        client_id=CLIENT_ID,
    )
    recorder.start()
    before = time.process_time()
    print("ready", flush=True)
    complete = recorder.wait_until_stored(DEVICE, BOOT, count - 1, PATIENCE_SECONDS)
    finished, spent = time.monotonic(), time.process_time() - before
    stored = recorder.health().stored
    recorder.stop()
    store.close()
    if not complete or stored != count:
        raise SystemExit(f"only {stored} of {count} samples were stored")
    return finished, spent


def forget_session(address: BrokerAddress) -> None:
    """Have the broker drop the session, so that it keeps nothing for a listener that never comes back."""
    gone = threading.Event()
    client = new_client(address, CLIENT_ID)
    client.on_connect = lambda *_: client.disconnect()
    client.on_disconnect = lambda *_: gone.set()
    connect(client, address)
    client.loop_start()
    gone.wait(5)
    client.loop_stop()


def listen(arguments: list[str]) -> None:
    """Be one of the two listeners, in a process of its own."""
    set_up_logs()
    role, folder, port, version, count = arguments
    address = BrokerAddress("127.0.0.1", int(port), version=cast(Literal[4, 5], int(version)))
    done = count_only(address, int(count)) if role == "reference" else record(address, int(count), Path(folder))
    forget_session(address)
    print(*done, peak_memory_mb(), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] in (["reference"], ["recorder"]):
        listen(sys.argv[1:])
    else:
        run_alone(measure, "durable ingest beside a subscriber that only counts")
