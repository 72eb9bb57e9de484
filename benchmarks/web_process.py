"""The product's own `pilotlab web` and `pilotlab worker` as processes, on a database that is there; no telemetry."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.core.broker import free_port

_TICKS = os.sysconf("SC_CLK_TCK")
_STARTS_WITHIN_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Web:
    """A process that answers."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """What it has taken so far."""
        return cpu_seconds(self.pid)


@contextmanager
def web_processes(count: int, url: str, folder: Path, *, cwd: Path | None = None) -> Iterator[list[Web]]:
    """So many of them, which end with the block.

    Args:
        count: how many.
        url: of the database.
        folder: for their data.
        cwd: checkout of the product to run; None: this one.
    """
    with ExitStack() as stack:
        yield [stack.enter_context(_web(url, folder / f"web-{number}", cwd)) for number in range(count)]


@contextmanager
def worker_process(url: str, folder: Path) -> Iterator[int]:
    """A worker that ends with the block; its process id."""
    with _program(["worker"], url, folder, None) as process:
        yield process.pid


@contextmanager
def _web(url: str, folder: Path, cwd: Path | None) -> Iterator[Web]:
    port = free_port("127.0.0.1")
    with _program(["web", "--port", str(port)], url, folder, cwd) as process:
        _wait_until_it_answers(process, port, folder / "log")
        yield Web(port, process.pid)


@contextmanager
def _program(arguments: list[str], url: str, folder: Path, cwd: Path | None) -> Iterator[subprocess.Popen[bytes]]:
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "DATABASE_URL": url,
        "DATA_DIR": str(folder),
        "STORE": "influxdb",
        "INFLUXDB_URL": "http://127.0.0.1:9",
        "INFLUXDB_TOKEN": "none",
        "BROKER": "external",
        "BROKER_PORT": "9",
        "LOG_LEVEL": "error",
    }
    around = {name: value for name, value in os.environ.items() if not name.startswith("PILOTLAB_")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab.cli", *arguments],
            env={**around, **{f"PILOTLAB_{name}": value for name, value in settings.items()}},
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=cwd or Path(__file__).parents[1],
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + _STARTS_WITHIN_SECONDS
    while process.poll() is None and time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise RuntimeError(f"pilotlab web does not answer: {log.read_text(errors='replace')[-2000:]}")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
