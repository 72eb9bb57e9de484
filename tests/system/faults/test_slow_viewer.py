"""Row 15 of faults.md with the programs that people run: one of fifty viewers takes nothing."""

import fcntl
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services import Mosquitto
from tests.system.faults.rig import Rig
from tests.system.faults.seeds import SHORT, seeds
from tests.system.faults.viewers import GAP_MS
from tests.system.faults.watching import watch

pytestmark = pytest.mark.faults

BEFORE_SECONDS = 5.0


@pytest.fixture
def rig(own_mosquitto: Mosquitto, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One at a time, whatever else is tested beside: they are measured."""
    with (tmp_path_factory.getbasetemp().parent / "slow-viewer.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = Rig(tmp_path, own_mosquitto.port)
        yield made
        made.clean_up()


def rate_in(rig: Rig, span: tuple[int, int]) -> float:
    """Messages a second that the recorder received in a span, the product being stopped."""
    received = rig.samples().column("received_ns").to_numpy()
    return float(((received >= span[0]) & (received < span[1])).sum()) / (span[1] - span[0]) * 1e9


@pytest.mark.parametrize("seed", seeds())
def test_one_slow_viewer_among_many_disturbs_nobody(seed: int, rig: Rig) -> None:
    """Among fifty, in the short form among ten."""
    short = seed < SHORT
    rate = random.Random(seed).randrange(500, 1000 if short else 2000)
    viewers, seconds = (10, 5.0) if short else (50, 30.0 if seed == SHORT else 16.0)
    rig.start()
    machine = rig.publish("--rate", str(rate))
    time.sleep(1)
    before, span_before = watch(rig, count=viewers - 1, blocked=0, seconds=BEFORE_SECONDS)
    beside, span_beside = watch(rig, count=viewers - 1, blocked=1, seconds=seconds)
    rig.hold_to_the_oracle(f"row 15, seed {seed}, {rate}/s", machine)
    looked = (span_beside[1] - span_beside[0]) / 1e9
    ingest = rate_in(rig, span_beside) / rate_in(rig, span_before)
    print(f"row 15: without {before}\nrow 15: with one blocked {beside}\nrow 15: ingest {ingest:.3f} of before")
    assert beside.blocked_gap_ms > GAP_MS, "the blocked viewer was not blocked"
    assert beside.fewest_frames >= 0.5 * before.fewest_frames * looked / BEFORE_SECONDS
    assert beside.worst_p95_ms < 1000
    assert ingest >= 0.95
