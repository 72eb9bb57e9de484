"""100 signals a message in JSON: broker → spool → DuckDB. `python -m benchmarks.telemetry_signals [--quick]`.

The publisher, Mosquitto and the recorder are processes of their own; it is done when every sample is in DuckDB.
"""

import statistics
import tempfile
from pathlib import Path

from benchmarks.measurement import Measurement, run_alone
from benchmarks.telemetry_load import SIGNALS_A_MESSAGE, memory_measurement, mosquitto, recorded

GOAL = 2_000_000


def measure(quick: bool) -> list[Measurement]:
    """Samples per second beside the goal."""
    count, rounds = (10_000, 2) if quick else (50_000, 3)
    with tempfile.TemporaryDirectory(prefix="pilotlab-bench-") as name:
        folder = Path(name)
        with mosquitto(folder / "broker", window=2000) as port:
            found = [recorded("values", folder, port, count) for _ in range(rounds)]
    speed = statistics.median(one.samples_a_second for one in found)
    cpu_us = statistics.median(one.cpu_seconds for one in found) / count * 1e6
    memory_mb = max(one.memory_mb for one in found)
    load = f"{SIGNALS_A_MESSAGE} signals a message"
    what = f"{load}, JSON, QoS 1 (processor {cpu_us:.0f} µs a message)"
    return [
        Measurement(what, speed, "samples/s", GOAL, speed / GOAL, ">= 2 M samples/s", speed >= GOAL),
        memory_measurement(load, memory_mb),
    ]


if __name__ == "__main__":
    run_alone(measure, "100 signals a message through the recorder")
