"""A recorder in a process of its own, for tests that kill it: `python -m tests.integration.recorder_process …`.

Prints `ready` when it listens. SIGTERM stops it in good order. `--die STAGE` kills it (SIGKILL) when it gets there.
"""

import argparse
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.core.clock import SystemClock
from lab.core.database import Database
from lab.core.logs import set_up_logs
from lab.core.mqtt import BrokerAddress
from lab.core.stopping import StopAsked
from telemetry.committing import Committer
from telemetry.draining import Drain
from telemetry.intake import Intake
from telemetry.recorder import Recorder
from telemetry.spool import Spool
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.influxdb import InfluxDBStore
from telemetry.stores.interface import SampleStore
from tests.integration.recording import LAB

STAGES: dict[str, tuple[type, str, str]] = {
    "before-spool": (Spool, "append", "before"),
    "after-spool": (Spool, "append", "after"),
    "after-ack": (Intake, "_send_acknowledgements", "after"),
    "before-commit": (Committer, "put", "after"),
    "after-facts": (Drain, "_write_facts", "after"),
    "before-store": (DuckDBStore, "write", "before"),
    "after-store": (DuckDBStore, "write", "after"),
    "before-note": (Drain, "_note_position", "before"),
}


def die_at(stage: str, count: int) -> None:
    """Kill this process at the `count`-th time it gets to a stage."""
    owner, name, when = STAGES[stage]
    original: Callable[..., Any] = getattr(owner, name)
    left = [count]

    def deadly(*args: Any, **more: Any) -> Any:
        left[0] -= 1
        if when == "before" and left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **more)
        if when == "after" and left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, deadly)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--version", type=int, default=5)
    parser.add_argument("--die", choices=STAGES)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--influxdb", nargs=4, metavar=("URL", "TOKEN", "ORG", "BUCKET"))
    given = parser.parse_args()
    if given.die:
        die_at(given.die, given.count)
    set_up_logs()
    stop = StopAsked()
    signal.signal(signal.SIGTERM, stop.ask)
    database = Database(f"sqlite:///{given.folder / 'tables.sqlite'}")
    store: SampleStore = (
        InfluxDBStore(*given.influxdb) if given.influxdb else DuckDBStore(given.folder / "samples.duckdb")
    )
    recorder = Recorder(
        address=BrokerAddress("127.0.0.1", given.port, version=given.version),
        lab=LAB,
        database=database,
        store=store,
        spool_path=given.folder / "spool.sqlite",
        clock=SystemClock(),
        client_id="recorder",
        max_payload_bytes=262_144,
    )
    recorder.start()
    print("ready", flush=True)
    stop.wait()
    recorder.stop()
    store.close()
    database.close()


if __name__ == "__main__":
    main()
