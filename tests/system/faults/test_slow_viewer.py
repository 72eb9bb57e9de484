"""Row 15 of faults.md with the programs that people run: one of fifty viewers takes nothing."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.grants import BEGINNING_NS, END_NS
from telemetry.stores.duckdb import DuckDBStore
from tests.services import Mosquitto
from tests.system.faults.rig import Rig
from tests.system.faults.viewers import GAP_MS
from tests.system.faults.watching import watch

pytestmark = pytest.mark.faults

VIEWERS = 50
BEFORE_SECONDS = 5.0


@pytest.fixture
def rig(own_mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path, own_mosquitto.port)
    yield made
    made.clean_up()


def received(rig: Rig, span: tuple[int, int]) -> int:
    """Messages that the recorder received in a span, the product being stopped."""
    store = DuckDBStore(rig.product.data / "samples.duckdb")
    rows = store.read("mill-1", [], [(BEGINNING_NS, END_NS)], uncertain=True).column("received_ns").to_numpy()
    store.close()
    return int(((rows >= span[0]) & (rows < span[1])).sum())


@pytest.mark.faults_long
@pytest.mark.parametrize("seed", range(20))
def test_one_slow_viewer_among_fifty_disturbs_nobody(seed: int, rig: Rig) -> None:
    seconds, rate = (30.0, 2000) if seed == 0 else (16.0, random.Random(seed).randrange(500, 2000))
    rig.start()
    machine = rig.publish("--rate", str(rate))
    time.sleep(1)
    before, span_before = watch(rig, count=VIEWERS - 1, blocked=0, seconds=BEFORE_SECONDS)
    beside, span_beside = watch(rig, count=VIEWERS - 1, blocked=1, seconds=seconds)
    rig.hold_to_the_oracle(f"row 15, seed {seed}, {rate}/s", machine)
    ingest = received(rig, span_beside) / seconds / (received(rig, span_before) / BEFORE_SECONDS)
    print(f"row 15: without {before}\nrow 15: with one blocked {beside}\nrow 15: ingest {ingest:.3f} of before")
    assert beside.blocked_gap_ms > GAP_MS, "the blocked viewer was not blocked"
    assert beside.fewest_frames >= 0.5 * before.fewest_frames * seconds / BEFORE_SECONDS
    assert beside.worst_p95_ms < 1000
    assert ingest >= 0.95
