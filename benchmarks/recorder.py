"""Durable ingest: broker → spool → DuckDB, beside a paho subscriber that only counts and acknowledges.

Mosquitto, the publisher and whoever listens are processes of their own; both listeners get the same packets from the
same publisher. Ours counts as done when every sample is in DuckDB. `python -m benchmarks.recorder [--quick]`.

The figure at `max_inflight_messages 20` flatters: Mosquitto 2.0.11 keeps to that window only until the first
acknowledgements, afterwards more than a thousand messages were seen in flight.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, cast

from benchmarks.measurement import Measurement, run_alone
from benchmarks.publisher import BOOT, DEVICE, LAB, SIGNAL
from devices.models import Device, Signal
from lab.core.broker import find_mosquitto, free_port
from lab.core.clock import SystemClock
from lab.core.database import Base, Database
from lab.core.logs import set_up_logs
from lab.core.mqtt import BrokerAddress, connect, new_client
from telemetry.lean import do_without_pandas
from telemetry.recorder import Recorder
from telemetry.spool import Spool, SpooledMessage
from telemetry.stores.duckdb import DuckDBStore

CLIENT_ID = "bench-listener"
PUBLISHER_WINDOW = 500
PATIENCE_SECONDS = 300


def measure(quick: bool) -> list[Measurement]:
    """Ours beside the limit for both MQTT versions, at a small window, and the memory taken."""
    count, rounds = (50_000, 2) if quick else (200_000, 3)
    found: list[Measurement] = []
    memory: list[float] = []
    with tempfile.TemporaryDirectory(prefix="pilotlab-bench-") as name:
        folder = Path(name)
        with mosquitto(folder / "wide", window=2000) as port:
            for version in (5, 4):
                ours, limit = [], []
                for _ in range(rounds):
                    limit.append(rate("reference", folder, port, version, count)[0])
                    speed, megabytes = rate("recorder", folder, port, version, count)
                    ours.append(speed)
                    memory.append(megabytes)
                found.append(_beside(version, statistics.median(ours), statistics.median(limit)))
        with mosquitto(folder / "narrow", window=20) as port:
            narrow = rate("recorder", folder, port, 5, count // 2)[0]
        commit_s = commit_seconds(folder)
    goal = 10_000 if commit_s <= 0.0005 else 0.5 * 20 / commit_s
    found.append(
        Measurement(
            "durable ingest, max_inflight_messages 20, which Mosquitto 2.0.11 exceeds "
            f"(a commit of 20 takes {commit_s * 1000:.2f} ms)",
            narrow,
            "messages/s",
            goal,
            narrow / goal,
            f">= {goal:,.0f} messages/s",
            narrow >= goal,
        )
    )
    most = max(memory)
    found.append(Measurement("recorder memory at full load", most, "MB", 200, most / 200, "<= 200 MB", most <= 200))
    return found


def _beside(version: int, ours: float, limit: float) -> Measurement:
    name = f"durable ingest, one value a message, JSON, QoS 1, MQTT {'5' if version == 5 else '3.1.1'}"
    return Measurement(name, ours, "messages/s", limit, ours / limit, ">= 0.75", ours / limit >= 0.75)


def rate(role: str, folder: Path, port: int, version: int, count: int) -> tuple[float, float]:
    """Messages per second from the first one sent to the last one done, and the listener's memory in MB."""
    place = Path(tempfile.mkdtemp(dir=folder))
    listener = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.recorder", "--as", role, str(place), str(port), str(version), str(count)],
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
        done, megabytes = (float(word) for word in listener.stdout.readline().split())
        listener.wait(30)
    finally:
        if listener.poll() is None:
            listener.kill()
    return count / (done - float(published.stdout.split()[0])), megabytes


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


@contextmanager
def mosquitto(folder: Path, *, window: int) -> Iterator[int]:
    """A Mosquitto of our own on a free port, which it gives."""
    program = find_mosquitto()
    if program is None:
        raise SystemExit("this benchmark needs the program mosquitto")
    folder.mkdir(parents=True)
    port = free_port("127.0.0.1")
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "persistence true",
        f"persistence_location {folder}/",
        "autosave_interval 5",
        "max_queued_messages 0",
        f"max_inflight_messages {window}",
        "set_tcp_nodelay true",
        "log_dest none",
        *(["user root"] if os.geteuid() == 0 else []),
    ]
    configuration = folder / "mosquitto.conf"
    configuration.write_text("\n".join(lines) + "\n")
    process = subprocess.Popen([program, "-c", str(configuration)], stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(10)


def count_only(address: BrokerAddress, count: int) -> float:
    """The limit: a paho subscriber that counts and acknowledges; gives the time when it has them all."""
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
    print("ready", flush=True)
    done.wait(PATIENCE_SECONDS)
    finished = time.monotonic()
    client.disconnect()
    client.loop_stop()
    return finished


def record(address: BrokerAddress, count: int, folder: Path) -> float:
    """Ours; gives the time when everything is in DuckDB."""
    do_without_pandas()
    database = Database(f"sqlite:///{folder / 'lab.sqlite'}")
    Base.metadata.create_all(database.engine)
    with database.write() as session:
        session.add(_mill())
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
    print("ready", flush=True)
    complete = recorder.wait_until_stored(DEVICE, BOOT, count - 1, PATIENCE_SECONDS)
    finished = time.monotonic()
    stored = recorder.health().stored
    recorder.stop()
    store.close()
    if not complete or stored != count:
        raise SystemExit(f"only {stored} of {count} samples were stored")
    return finished


def _mill() -> Device:
    signal = Signal(name=SIGNAL, label="Spindle power", type="number", unit="kW")
    return Device(
        id=DEVICE,
        name="Mill",
        kind="cnc-mill",
        description="",
        location="",
        capabilities=[],
        price_cents_per_hour=0,
        setup_minutes=0,
        cleanup_minutes=0,
        created_at=SystemClock().now(),
        signals=[signal],
    )


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
    finished = count_only(address, int(count)) if role == "reference" else record(address, int(count), Path(folder))
    forget_session(address)
    print(finished, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--as"]:
        listen(sys.argv[2:])
    else:
        run_alone(measure, "durable ingest beside a subscriber that only counts")
