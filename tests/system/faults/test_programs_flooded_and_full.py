"""Rows 9, 14 and 16 of faults.md with the programs that people run: a full disk, a flood of nonsense, a burst."""

import os
import random
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lab.core.clock import SystemClock
from tests.conftest import have
from tests.services import Mosquitto, ServiceMissingError, wait_until
from tests.system.faults.rig import Rig, assert_nothing_wrong

pytestmark = pytest.mark.faults

RATED = 2_000
DISK_BYTES = 48 * 1024**2

Start = Callable[..., Rig]


@pytest.fixture
def rig(own_mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Start]:
    """Makes installations on a broker of their own; nothing of them runs any more afterwards."""
    made: list[Rig] = []

    def make(folder: Path | None = None, **settings: object) -> Rig:
        where = folder or tmp_path / "rig"
        where.mkdir(exist_ok=True)
        made.append(Rig(where, own_mosquitto.port, **settings))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.clean_up()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that is soon full."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount() -> None:
        if os.geteuid() != 0:
            raise ServiceMissingError("only root may mount a small file system")
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServiceMissingError(f"a small file system cannot be mounted: {done.stderr.strip()}")

    have(mount)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=False)


def fill(folder: Path) -> Path:
    """Take what is left of a file system."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        while True:
            free = shutil.disk_usage(folder).free
            if not free:
                return ballast
            try:
                file.write(bytes(min(free, 1 << 20)))
                file.flush()
            except OSError:
                return ballast


@pytest.mark.parametrize(
    "full_s", [8.0, pytest.param(90.0, marks=pytest.mark.faults_long)], ids=["a moment", "longer than keep-alive"]
)
def test_a_full_disk_stops_acknowledging_and_nothing_else(full_s: float, rig: Start, small_disk: Path) -> None:
    product = rig(small_disk)
    product.start()
    machine = product.publish("--rate", str(RATED / 4))
    time.sleep(1)
    connections = product.told()["counts"]["connections"]
    ballast = fill(small_disk)
    wait_until(lambda: bool(product.told().get("problem")), timeout=30, what="the full disk noticed")
    end = time.monotonic() + full_s
    while time.monotonic() < end:
        assert product.product.process is not None
        assert product.product.process.poll() is None, "no crash"
        time.sleep(0.5)
    told = product.told()
    assert told["connected"], told
    assert told["counts"]["connections"] == connections, "the connection is kept"
    assert told["counts"]["restarts"] == 0
    assert "spool" in told["problem"]
    ballast.unlink()
    wait_until(lambda: product.told().get("problem") is None, timeout=30, what="healed")
    time.sleep(1)
    journal = machine.leave()
    product.wait_until_drained()
    product.stop()
    counts = product.hold_against(journal, label=f"row 9, full for {full_s:.0f} s, {told['problem'][:80]!r}")
    assert_nothing_wrong(counts)


def test_a_full_disk_is_an_alarm_although_it_cannot_be_written_down(rig: Start, small_disk: Path) -> None:
    product = rig(small_disk, low_disk_bytes=8 * 1024**2)
    product.start()
    with closing(product.product.browser("manager", product.product.manager_password)) as manager:

        def disk_alarms() -> list[dict[str, Any]]:
            answer = manager.get("/api/v1/alarms")
            found: list[dict[str, Any]] = answer.json()["alarms"] if answer.status_code == 200 else []
            return [alarm for alarm in found if alarm["kind"] == "disk"]

        assert disk_alarms() == []
        ballast = fill(small_disk)
        wait_until(lambda: bool(disk_alarms()), timeout=30, what="the alarm")
        (alarm,) = disk_alarms()
        assert alarm["severity"] == "critical"
        assert "make room" in alarm["text"]
        print(f"row 9: alarm {alarm['text']!r}, written down: {alarm['id'] is not None}")
        ballast.unlink()
        wait_until(lambda: [one["id"] is not None for one in disk_alarms()] == [True], timeout=30, what="written down")
    assert product.count("SELECT count(*) FROM alarms WHERE kind = 'disk'") == 1


@pytest.mark.parametrize(("seconds", "flood"), [(4, 3_000), pytest.param(30, 10_000, marks=pytest.mark.faults_long)])
def test_a_flood_of_nonsense_harms_nobody_else(seconds: int, flood: int, rig: Start) -> None:
    product = rig()
    product.start()
    machine = product.publish("--rate", "300")
    time.sleep(seconds / 2)
    before = SystemClock().now_ns()
    nonsense = product.publish(
        "--rate", str(flood), "--device", "mill-2", "--malformed", "1", "--seconds", str(seconds)
    )
    sent = nonsense.finish()
    after = SystemClock().now_ns()
    time.sleep(1)
    memory = product.memory_mb()
    journal = machine.leave()
    product.wait_until_drained(timeout=120)
    product.stop()
    received = dict(product.received())
    calm: list[float] = []
    busy: list[float] = []
    for at_ns in journal.times:
        took = (received[at_ns] - at_ns) / 1e6
        (busy if before <= at_ns <= after else calm).append(took)
    p99 = [statistics.quantiles(part, n=100)[98] for part in (calm, busy)]
    letters = product.count("SELECT count(*) FROM dead_letters")
    counts = product.hold_against(
        journal,
        label=f"row 14, {sent.rate:,.0f} nonsense/s: p99 {p99[0]:.0f} then {p99[1]:.0f} ms, {letters} letters, "
        f"{memory:.0f} MB",
    )
    assert_nothing_wrong(counts)
    assert 0 < letters <= 2_500, "letters are limited for each device"
    if flood >= 10_000:
        assert p99[1] <= max(2 * p99[0], 50)


@pytest.mark.faults_long
@pytest.mark.parametrize("seconds", [5, 60])
def test_a_burst_is_taken_and_worked_off(seconds: int, rig: Start) -> None:
    product, dice = rig(), random.Random(seconds)
    product.start()
    machine = product.publish(
        "--rate", str(10 * RATED), "--seconds", str(seconds), "--window", str(dice.choice([1_000, 2_000]))
    )
    journal = machine.finish()
    ended = time.monotonic()
    wait_until(lambda: product.told().get("lag_seconds", 99) < 5, timeout=120, what="a lag below 5 s")
    caught_up = time.monotonic() - ended
    product.wait_until_drained(timeout=120)
    memory = product.memory_mb()
    product.stop()
    label = f"row 16, {seconds} s: lag below 5 s after {caught_up:.1f} s, {memory:.0f} MB"
    assert_nothing_wrong(product.hold_against(journal, label=label))
