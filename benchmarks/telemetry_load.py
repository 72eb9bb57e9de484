"""What the telemetry benchmarks share: messages of many samples, sent and recorded by processes of their own."""

import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.measurement import Measurement, peak_memory_mb
from benchmarks.publisher import BOOT, DEVICE, LAB
from devices.messages.cbor import encode_cbor
from devices.messages.native import Data
from devices.models import Device, Signal
from lab.core.broker import find_mosquitto, free_port
from lab.core.clock import SystemClock
from lab.core.database import Base, Database
from lab.core.logs import set_up_logs
from lab.core.mqtt import BrokerAddress
from telemetry.lean import do_without_pandas
from telemetry.recorder import Recorder
from telemetry.stores.duckdb import DuckDBStore

SIGNALS_A_MESSAGE = 100
SAMPLES_A_WAVE = 1000
WINDOW = 500
PATIENCE_SECONDS = 300
_VARIANTS = 64
_WAVE_RATE_HZ = 1e8


class Load(NamedTuple):
    """A kind of message."""

    kind: str
    signals: tuple[str, ...]
    samples_a_message: int
    payloads: Callable[[int], list[bytes]]
    """Given how many; their times are of the present."""


class Recorded(NamedTuple):
    """How the recorder did."""

    samples_a_second: float
    cpu_seconds: float
    """Processor time, without the start."""
    memory_mb: float


def _values(count: int) -> list[bytes]:
    """JSON, 100 slowly varying signals a message."""
    random = np.random.default_rng(1)
    tails = []
    for _ in range(_VARIANTS):
        numbers = np.round(random.normal(20, 5, SIGNALS_A_MESSAGE), 3)
        pairs = ",".join(f'"{name}":{value}' for name, value in zip(_NAMES, numbers.tolist(), strict=True))
        tails.append(b',"values":{%s}}' % pairs.encode())
    start_ns = SystemClock().now_ns() - 2 * count * 1000
    head = b'{"boot":"%s","seq":%%d,"time":%%d' % BOOT.encode()
    return [head % (number, start_ns + number * 1000) + tails[number % _VARIANTS] for number in range(count)]


def _waves(count: int) -> list[bytes]:
    """CBOR, one wave of 1,000 float32 a message."""
    random = np.random.default_rng(1)
    mark_seq, mark_start = 2**60 + 1, 2**60 + 2  # of full length, so that every number has their place
    parts = []
    for _ in range(_VARIANTS):
        wave = random.normal(0, 1, SAMPLES_A_WAVE).astype("<f4")
        data = Data(BOOT, mark_seq, start=mark_start, rate_hz=_WAVE_RATE_HZ, waves={"vibration_x_g": wave})  # type: ignore[dict-item]
        head, _, rest = encode_cbor(data).partition(mark_seq.to_bytes(8, "big"))
        middle, _, tail = rest.partition(mark_start.to_bytes(8, "big"))
        parts.append((head, middle, tail))
    step_ns = round(SAMPLES_A_WAVE * 1e9 / _WAVE_RATE_HZ)
    start_ns = SystemClock().now_ns() - 2 * count * step_ns
    payloads = []
    for number in range(count):
        head, middle, tail = parts[number % _VARIANTS]
        at_ns = start_ns + number * step_ns
        payloads.append(head + number.to_bytes(8, "big") + middle + at_ns.to_bytes(8, "big") + tail)
    return payloads


_NAMES = tuple(f"signal_{place:03d}" for place in range(SIGNALS_A_MESSAGE))
LOADS = {
    "values": Load("data", _NAMES, SIGNALS_A_MESSAGE, _values),
    "waves": Load("data/cbor", ("vibration_x_g",), SAMPLES_A_WAVE, _waves),
}


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


def recorded(load: str, folder: Path, port: int, count: int) -> Recorded:
    """Samples per second from the first message sent to the last sample stored, and what that cost the recorder.

    Args:
        load: of `LOADS`.
        folder: for what the recorder writes.
        port: of the broker.
        count: messages.
    """
    place = tempfile.mkdtemp(dir=folder)
    command = [sys.executable, "-m", "benchmarks.telemetry_load"]
    listener = subprocess.Popen(
        [*command, "--record", load, place, str(port), str(count)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert listener.stdout is not None
        if listener.stdout.readline().strip() != "ready":
            raise RuntimeError("the recorder did not start")
        sent = subprocess.run(
            [*command, "--send", load, str(port), str(count)], check=True, capture_output=True, text=True
        )
        done, cpu_s, memory_mb = (float(word) for word in listener.stdout.readline().split())
        listener.wait(60)
    finally:
        if listener.poll() is None:
            listener.kill()
            listener.wait(10)
    return Recorded(count * LOADS[load].samples_a_message / (done - float(sent.stdout)), cpu_s, memory_mb)


def memory_measurement(load: str, most_mb: float) -> Measurement:
    """The most memory of the recorder's process, start and libraries included."""
    name = f"recorder memory at full load, {load}"
    return Measurement(name, most_mb, "MB", 200, most_mb / 200, "<= 200 MB", most_mb <= 200)


def _record(load: Load, folder: Path, port: int, count: int) -> None:
    do_without_pandas()  # as `pilotlab recorder` does
    database = Database(f"sqlite:///{folder / 'lab.sqlite'}")
    Base.metadata.create_all(database.engine)
    with database.write() as session:
        session.add(machine(load.signals))
    store = DuckDBStore(folder / "samples.duckdb")
    recorder = Recorder(
        address=BrokerAddress("127.0.0.1", port),
        lab=LAB,
        database=database,
        store=store,
        spool_path=folder / "spool.sqlite",
        clock=SystemClock(),
        client_id=f"bench-{folder.name}",
    )
    recorder.start()
    before = time.process_time()
    print("ready", flush=True)
    complete = recorder.wait_until_stored(DEVICE, BOOT, count - 1, PATIENCE_SECONDS)
    finished, spent = time.monotonic(), time.process_time() - before
    stored = recorder.health().stored
    recorder.stop()
    store.close()
    if not complete or stored != count * load.samples_a_message:
        raise SystemExit(f"{stored} of {count * load.samples_a_message} samples were stored")
    print(finished, spent, peak_memory_mb(), flush=True)


def machine(signals: Sequence[str]) -> Device:
    """The machine that says these."""
    return Device(
        id=DEVICE,
        name="Machine",
        kind="cnc-mill",
        description="",
        location="",
        capabilities=[],
        price_cents_per_hour=0,
        setup_minutes=0,
        cleanup_minutes=0,
        created_at=SystemClock().now(),
        signals=[Signal(name=name, label=name, type="number", unit="1") for name in signals],
    )


def _send(load: Load, port: int, count: int) -> None:
    """Send them at QoS 1 with a window over a plain socket, so that the recorder is what is measured."""
    topic = f"pilotlab/{LAB}/{DEVICE}/{load.kind}".encode()
    packets = [_packet(topic, number % 60_000 + 1, payload) for number, payload in enumerate(load.payloads(count))]
    with socket.create_connection(("127.0.0.1", port)) as connection:
        name = b"bench-publisher"
        hello = b"\x00\x04MQTT\x04\x02\x00\x3c" + struct.pack("!H", len(name)) + name
        connection.sendall(b"\x10" + bytes([len(hello)]) + hello)
        connection.recv(4)
        print(time.monotonic(), flush=True)
        sent = received = 0
        while received < 4 * count:
            free = min(count - sent, WINDOW - (sent - received // 4))
            if free > 0:
                connection.sendall(b"".join(packets[sent : sent + free]))
                sent += free
            received += len(connection.recv(65_536))


def _packet(topic: bytes, message_id: int, payload: bytes) -> bytes:
    body = struct.pack("!H", len(topic)) + topic + struct.pack("!H", message_id) + payload
    length, rest = b"", len(body)
    while rest or not length:
        rest, digit = rest >> 7, rest & 127
        length += bytes([digit | 128 if rest else digit])
    return b"\x32" + length + body


def main() -> None:
    """Be one of the two processes: `--record LOAD FOLDER PORT COUNT` or `--send LOAD PORT COUNT`."""
    role, load, *rest = sys.argv[1:]
    if role == "--record":
        set_up_logs()
        _record(LOADS[load], Path(rest[0]), int(rest[1]), int(rest[2]))
    else:
        _send(LOADS[load], int(rest[0]), int(rest[1]))


if __name__ == "__main__":
    main()
