"""Runs `pilotlab demo --once` from outside, as a person would, and reads what it leaves behind."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = [sys.executable, "-m", "lab.cli"]
PATIENCE_SECONDS = 240


@dataclass(frozen=True)
class Left:
    """What a demonstration left behind."""

    said: str
    pdf: Path
    package: Path
    data: Path

    @property
    def results(self) -> dict[str, Any]:
        with zipfile.ZipFile(self.package) as package:
            return json.loads(package.read("results/results.json"))

    def counts(self) -> list[tuple[int, str, int, int, int, int]]:
        """Run, device, messages expected and received, samples, duplicates."""
        return [
            (
                run["run"],
                device["device"],
                device["expected_messages"],
                device["received_messages"],
                device["samples"],
                device["duplicates"],
            )
            for run in self.results["quality"]
            for device in run["devices"]
        ]


def start_demo(folder: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, "demo", "--once", "--data", str(folder / "data"), "--out", str(folder / "out"), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "100", "PYTHONUNBUFFERED": "1"},
    )


def finish_demo(process: subprocess.Popen[str], folder: Path) -> Left:
    try:
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    assert process.returncode == 0, said + (folder / "data" / "product.log").read_text()[-3000:]
    (package,) = (folder / "out").glob("*.zip")
    return Left(said, folder / "out" / "report.pdf", package, folder / "data")


def product_pid(folder: Path) -> int:
    """The process id of the product that a demonstration watches, as soon as there is one."""
    path = folder / "data" / "product.pid"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().strip():
            return int(path.read_text())
        time.sleep(0.02)
    raise AssertionError("the demonstration did not start the product")
