"""One-minute buckets of one signal over an hour, among very many samples, through HTTP.

`pilotlab up` on a file of 100 signals at 10 Hz that DuckDB has made itself, somebody signed in, hours and signals drawn
by chance; as the samples arrive and compacted. `python -m benchmarks.telemetry_history [--quick]`; quick is among 8 M.
"""

import random
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks.measurement import Measurement, run_alone
from benchmarks.telemetry_disk import RATE_HZ, SIGNALS, START_NS
from benchmarks.telemetry_live import catalogue
from benchmarks.web_process import cpu_seconds
from devices.messages.times import format_time
from telemetry.stores.duckdb import DuckDBStore, schema
from tests.services import start_mosquitto
from tests.system.installation import Installation

HOUR_NS = 3_600 * 10**9
GOAL_MS = 30.0
_STEP = 40_000
"""Messages between checkpoints."""
_MACHINE = """
INSERT INTO samples
SELECT series, device_ns, device_ns, device_ns + 1000000 + (hash(m * 7 + 1) % 5000)::BIGINT * 1000,
       round((series * 37) % 100 + 10.0 ** ((series % 3) - 2)
             * (20 * sin(m / (900.0 + series * 13)) + 8 * sin(m / (71.0 + series)) + random() - 0.5), 2), NULL, 0
FROM (SELECT (i % $signals + 1)::INTEGER AS series, i // $signals AS m,
             $start + (i // $signals) * $every + ((hash(i // $signals) % 400)::BIGINT - 200) * 1000 AS device_ns
      FROM range($first, $last) AS numbers(i))
"""


def measure(quick: bool) -> list[Measurement]:
    """The 95th percentile before and after compaction, and what it cost."""
    samples, questions = (8_000_000, 60) if quick else (100_000_000, 200)
    with tempfile.TemporaryDirectory(prefix="pilotlab-bench-") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        path = folder / "data" / "samples.duckdb"
        _make(path, samples // SIGNALS)
        plain = _asked(folder, samples, questions)
        store = DuckDBStore(path)
        store.compact(before_ns=2**63 - 1)
        store.close()
        compacted = _asked(folder, samples, questions)
    return [
        _measurement(f"1-minute buckets of an hour among {samples / 1e6:.0f} M rows, HTTP, p95, {state}", times)
        for state, times in (("as arrived", plain), ("compacted", compacted))
    ]


def _make(path: Path, messages: int) -> None:
    connection = schema.open_file(path, memory_limit="1GB")
    schema.make_tables(connection)
    for place in range(SIGNALS):
        connection.execute("INSERT INTO series VALUES (?, 'mill-1', ?, 'boot-1')", [place + 1, f"signal_{place}"])
    for first in range(0, messages, _STEP):
        last = min(messages, first + _STEP)
        bounds = {"first": first * SIGNALS, "last": last * SIGNALS}
        every = 10**9 // RATE_HZ
        connection.execute(_MACHINE, {"signals": SIGNALS, "start": START_NS, "every": every, **bounds})
        connection.execute("CHECKPOINT")
    connection.close()
    store = DuckDBStore(path)
    store.checkpoint()  # proves the rows, so that the product does not begin with that
    store.close()


def _asked(folder: Path, samples: int, questions: int) -> list[float]:
    dice = random.Random(7)
    length_ns = samples // SIGNALS * 10**9 // RATE_HZ
    (folder / "catalogue.yaml").write_text(catalogue(SIGNALS))
    broker = start_mosquitto(folder / "broker", ["allow_anonymous true"])
    product = Installation(folder, broker="external", broker_host="127.0.0.1", broker_port=broker.port)
    password = folder / "password"
    product.manager_password = password.read_text() if password.exists() else ""
    times = []
    try:
        product.start("--catalogue", str(folder / "catalogue.yaml"), seconds=90)
        password.write_text(product.manager_password)
        assert product.process is not None
        with closing(product.browser("manager", product.manager_password)) as client:
            before = cpu_seconds(product.process.pid)
            for _ in range(questions):
                start = START_NS + dice.randrange(max(1, length_ns - HOUR_NS))
                asked: dict[str, str | int] = {
                    "signal": f"signal_{dice.randrange(SIGNALS)}",
                    "start": format_time(start),
                    "end": format_time(start + HOUR_NS),
                    "width_ms": 60_000,
                }
                began = time.perf_counter()
                answer = client.get("/api/v1/devices/mill-1/buckets", params=asked)
                times.append((time.perf_counter() - began) * 1000)
                if answer.status_code != 200 or not any(answer.json()["signals"].values()):
                    raise SystemExit(f"no answer: {answer.text[:300]}")
            cpu_ms = (cpu_seconds(product.process.pid) - before) * 1000 / questions
        memory = _memory_mb(product.process.pid)
    finally:
        product.clean_up()
        broker.stop()
    print(
        f"{samples:,} samples: {cpu_ms:.1f} ms of processor time an answer, {memory} of memory at most, median "
        f"{sorted(times)[len(times) // 2]:.1f} ms"
    )
    return sorted(times)


def _memory_mb(pid: int) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return f"{kib / 1024:.0f} MB"


def _measurement(name: str, times: list[float]) -> Measurement:
    p95 = times[int(len(times) * 0.95)]
    return Measurement(name, p95, "ms", GOAL_MS, p95 / GOAL_MS, f"<= {GOAL_MS:.0f} ms", p95 <= GOAL_MS)


if __name__ == "__main__":
    run_alone(measure, "buckets of an hour among very many samples, through HTTP")
