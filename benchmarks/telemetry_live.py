"""From a machine's publishing to fifty browsers, through everything that runs in between.

`pilotlab up` on SQLite and DuckDB (recording all the while) and a Mosquitto as processes, a machine that sends 20
signals ten times a second in messages of their own, and 50 streams of Server-Sent Events read by another process.
Latency is the time between a point's own time, taken right before it is published, and the arrival of the bytes that
hold it.
"""

import json
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from benchmarks.measurement import Measurement, run_alone
from benchmarks.web_process import cpu_seconds
from tests.services import start_mosquitto
from tests.system.faults.viewers import Seen
from tests.system.installation import Installation

VIEWERS = 50
SIGNALS = 20
HZ = 10
GOAL_MS = 250.0
SECONDS, QUICK_SECONDS = 30.0, 8.0
_ROOT = Path(__file__).parents[1]


def measure(quick: bool) -> list[Measurement]:
    """The 95th percentile of the latency of every point at every viewer."""
    seconds = QUICK_SECONDS if quick else SECONDS
    with tempfile.TemporaryDirectory(prefix="pilotlab-live-") as name:
        seen, cpu = _seen(Path(name), seconds)
    wanted = VIEWERS * SIGNALS * HZ * seconds
    print(
        f"{VIEWERS} viewers: {seen.points:,} of {wanted:,.0f} points in {seen.frames:,} frames, median "
        f"{seen.p50_ms:.0f} ms, p95 {seen.p95_ms:.0f} ms (of the slowest viewer {seen.worst_p95_ms:.0f} ms), "
        f"{cpu / seconds:.2f} CPUs for pilotlab up"
    )
    complete = seen.signals == SIGNALS and seen.points >= 0.9 * wanted
    return [
        Measurement(
            name=f"publish to browser, {VIEWERS} viewers x {SIGNALS} signals x {HZ} Hz, p95",
            value=seen.p95_ms,
            unit="ms",
            reference=GOAL_MS,
            ratio=seen.p95_ms / GOAL_MS,
            goal=f"<= {GOAL_MS:.0f} ms",
            met=complete and seen.p95_ms <= GOAL_MS,
        )
    ]


def _seen(folder: Path, seconds: float) -> tuple[Seen, float]:
    (folder / "catalogue.yaml").write_text(catalogue(SIGNALS))
    broker = start_mosquitto(folder / "broker", ["allow_anonymous true"])
    product = Installation(folder, broker="external", broker_host="127.0.0.1", broker_port=broker.port)
    machine = None
    try:
        product.start("--catalogue", str(folder / "catalogue.yaml"))
        machine = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.live_machine", str(broker.port), str(SIGNALS), str(HZ)], cwd=_ROOT
        )
        with closing(product.browser("manager", product.manager_password)) as manager:
            cookie = "; ".join(f"{name}={value}" for name, value in manager.cookies.items())
            port = manager.base_url.port
        command = [sys.executable, "-m", "tests.system.faults.viewers", str(port), cookie]
        command += ["/api/v1/devices/mill-1/live", str(VIEWERS), str(seconds)]
        assert product.process is not None
        with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as viewers:
            assert viewers.stdout is not None
            viewers.stdout.readline()
            before = cpu_seconds(product.process.pid)
            found = viewers.stdout.readline()
            return Seen(**json.loads(found)), cpu_seconds(product.process.pid) - before
    finally:
        if machine is not None:
            machine.terminate()
            machine.wait()
        product.clean_up()
        broker.stop()


def catalogue(count: int) -> str:
    """A mill with so many signals."""
    signals = "\n".join(
        f"      - {{name: signal_{number}, label: Signal {number}, unit: kW}}" for number in range(count)
    )
    return (
        "devices:\n  - id: mill-1\n    name: Mill\n    kind: cnc-mill\n    price_eur_per_hour: 1\n    signals:\n"
        + signals
    )


if __name__ == "__main__":
    run_alone(measure, "From publishing to fifty browsers.")
