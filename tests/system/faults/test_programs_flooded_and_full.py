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

from tests.conftest import have
from tests.services import Mosquitto, ServiceMissingError, wait_until
from tests.system.faults.rig import Rig
from tests.system.faults.seeds import FULL, SHORT, seeds
from tests.system.faults.watching import watch

pytestmark = pytest.mark.faults

RATED = 2_000
DISK_BYTES = 48 * 1024**2
STILL_TAKEN = 500
"""Messages that may still be acknowledged: for those that find room in a page that is there already."""

LAG_SECONDS = 5.0

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
    """Take what is left of a file system; called again, also what has been given back meanwhile."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file:
        while True:
            free = shutil.disk_usage(folder).free
            if not free:
                return ballast
            try:
                file.write(bytes(min(free, 1 << 20)))
            except OSError:
                return ballast


SHORTLY, MOMENT, LONGER = (1.0, 3.0), (2.0, 8.0), (80.0, 90.0)
"""Seconds for which the disk is full; the longest is longer than the keep-alive."""


@pytest.mark.parametrize("seed", seeds())
def test_a_full_disk_stops_acknowledging_and_nothing_else(seed: int, rig: Start, small_disk: Path) -> None:
    dice, product = random.Random(seed), rig(small_disk)
    product.start()
    machine = product.publish("--rate", str(RATED / 4))
    time.sleep(dice.uniform(0.5, 2.0))
    connections = product.told()["counts"]["connections"]
    ballast = fill(small_disk)

    def spool_is_full() -> bool:
        fill(small_disk)  # up to 4 MB may be left in the spool's own files: what goes there is as safe as any
        return "spool" in (product.told().get("problem") or "")

    wait_until(spool_is_full, timeout=120, what="the full disk noticed")
    acknowledged = product.told()["counts"]["acknowledged"]
    lasts = dice.uniform(*(SHORTLY if seed < SHORT else MOMENT if seed < FULL - 2 else LONGER))
    end = time.monotonic() + lasts
    while time.monotonic() < end:
        assert product.product.process is not None
        assert product.product.process.poll() is None, "no crash"
        fill(small_disk)
        time.sleep(0.5)
    told = product.told()
    assert told["connected"], told
    assert told["counts"]["connections"] == connections, "the connection is kept"
    assert told["counts"]["restarts"] == 0
    assert "spool" in told["problem"]
    taken = told["counts"]["acknowledged"] - acknowledged
    assert taken < STILL_TAKEN, "it goes on acknowledging"
    ballast.unlink()
    wait_until(lambda: product.told().get("problem") is None, timeout=30, what="healed")
    time.sleep(1)
    label = f"row 9, seed {seed}, full for {lasts:.0f} s, {taken} acknowledged in it, {told['problem'][:80]!r}"
    product.hold_to_the_oracle(label, machine)


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


@pytest.mark.parametrize("seed", seeds())
def test_a_flood_of_nonsense_harms_nobody_else(seed: int, rig: Start) -> None:
    seconds, flood = (4, 3_000) if seed < SHORT else (30 if seed == SHORT else 15, 10_000)
    product = rig()
    product.start()
    machine = product.publish("--rate", "300")
    time.sleep(1)
    calm, _ = watch(product, count=1, blocked=0, seconds=seconds)
    nonsense = product.publish(
        *("--rate", str(flood), "--seconds", str(seconds + 2), "--device", "mill-2", "--malformed", str(seed)),
        program="burst",
    )
    busy, span = watch(product, count=1, blocked=0, seconds=seconds)
    sent = nonsense.finish()
    memory = product.memory_mb()
    (journal,) = product.hold_to_the_oracle("row 14", machine, drained_within=120)
    received = dict(product.received())
    took = [(received[at_ns] - at_ns) / 1e6 for at_ns in journal.times if span[0] <= at_ns < span[1]]
    letters = product.count("SELECT count(*) FROM dead_letters")
    print(
        f"row 14, seed {seed}, {sent.sent} of nonsense at {sent.rate:,.0f}/s: p99 publish to viewer {calm.p99_ms:.0f} "
        f"then {busy.p99_ms:.0f} ms, to recorder {statistics.quantiles(took, n=100)[98]:.0f} ms, {letters} letters, "
        f"{memory:.0f} MB"
    )
    assert 0 < letters <= 2_500, "letters are limited for each device"
    if seed >= SHORT:
        assert sent.rate >= 0.9 * flood, "this was no such flood"
        assert busy.p99_ms <= 2 * calm.p99_ms


@pytest.mark.parametrize("seed", seeds())
def test_a_burst_is_taken_and_worked_off(seed: int, rig: Start) -> None:
    """From two processes, since one machine alone is held back by its window."""
    seconds, times_rated = (2, 2) if seed < SHORT else (60 if seed == SHORT else 5, 10)
    product, dice = rig(), random.Random(seed)
    product.start()
    window = str(dice.choice([1_000, 2_000, 4_000]))
    rate = times_rated * RATED
    options = ("--rate", str(rate / 2), "--seconds", str(seconds), "--window", window)
    machines = [product.publish(*options, "--device", device, program="burst") for device in ("mill-1", "mill-2")]
    sent = [machine.finish() for machine in machines]
    ended = time.monotonic()
    wait_until(lambda: product.told().get("lag_seconds", 99) < LAG_SECONDS, timeout=120, what="a lag below 5 s")
    caught_up = time.monotonic() - ended
    memory = product.memory_mb()
    reached = sum(journal.rate for journal in sent)
    label = (
        f"row 16, seed {seed}, {seconds} s at {reached:,.0f}/s: lag below 5 s after {caught_up:.1f} s, {memory:.0f} MB"
    )
    product.hold_to_the_oracle(label, *machines, drained_within=180)
    if seed >= SHORT:
        assert reached >= 0.9 * rate, "this was no such burst"
