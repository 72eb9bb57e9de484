"""Row 10 of faults.md: bytes of the spool and of the store are flipped while `pilotlab up` lies dead, and it starts."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services import Mosquitto
from tests.system.faults.rig import LIVE_SECONDS, Counts, Journal, Rig, assert_nothing_wrong
from tests.system.faults.seeds import FULL, seeds
from tests.system.installation import pilotlab

pytestmark = pytest.mark.faults

RATE = 300
STORE = ("samples.duckdb", "samples.duckdb.wal")
SPOOL = ("spool.sqlite", "spool.sqlite-wal")
_HEAD_BYTES = 16_384

Start = Callable[[], Rig]


@pytest.fixture
def start(own_mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Start]:
    """Starts an installation; nothing of it runs any more afterwards."""
    made: list[Rig] = []

    def begin() -> Rig:
        rig = Rig(tmp_path, own_mosquitto.port)
        made.append(rig)
        rig.start()
        return rig

    yield begin
    for rig in made:
        rig.clean_up()


def first_of(parts: tuple[str, ...]) -> list[object]:
    """The main file always, the write-ahead file in the full numbers."""
    return [parts[0], *(pytest.param(part, marks=pytest.mark.faults_long) for part in parts[1:])]


def flip(path: Path, dice: random.Random, *, count: int = 1, after: int = 0) -> list[int]:
    """Change single bits; gives their places. A file that is too short stays as it is."""
    content = bytearray(path.read_bytes()) if path.exists() else bytearray()
    if len(content) <= after:
        return []
    places = [dice.randrange(after, len(content)) for _ in range(count)]
    for place in places:
        content[place] ^= 1 << dice.randrange(8)
    path.write_bytes(content)
    return places


def back_up(rig: Rig) -> None:
    """`pilotlab backup` beside the running product."""
    done = pilotlab("backup", cwd=rig.folder, data_dir=rig.product.data)
    assert done.returncode == 0, done.stderr
    assert "samples," in done.stdout


def missing(rig: Rig, journal: Journal) -> list[int]:
    """When each confirmed message that is not stored was sent."""
    found = {at_ns for at_ns, _ in rig.stored()}
    kept = zip(journal.times, journal.confirmed, strict=True)
    return [at_ns for at_ns, confirmed in kept if confirmed and at_ns not in found]


def assert_named(lost: list[int], incidents: list[dict[str, Any]], *, slack_ns: int = 50_000_000) -> None:
    """Whatever is lost was sent within a span that an incident names, give or take the way to the recorder.

    How many messages the incidents name is not compared: they may name some that were stored.
    """
    spans = [(row["from_ns"], row["to_ns"]) for row in incidents if row["messages"] != 0]
    for at_ns in lost:
        assert any(
            (start is None or start - slack_ns <= at_ns) and (end is None or at_ns <= end + slack_ns)
            for start, end in spans
        ), (at_ns, spans)


def assert_nothing_else_named(rig: Rig, incident: dict[str, Any], *, slack_ns: int = 250_000_000) -> None:
    """The span that is named holds no message that is stored, but at its edges."""
    start_ns, end_ns = incident["from_ns"] + slack_ns, incident["to_ns"] - slack_ns
    inside = [at_ns for at_ns, received_ns in rig.received() if start_ns <= received_ns < end_ns]
    assert inside == [], (len(inside), incident)


@pytest.mark.parametrize("seed", seeds())
@pytest.mark.parametrize("part", first_of(STORE))
def test_a_byte_of_the_store_is_flipped(seed: int, part: str, start: Start) -> None:
    dice, rig = random.Random(seed), start()
    machine = rig.publish("--rate", str(RATE))
    time.sleep(dice.uniform(1.0, 2.0))
    if seed % 2 == 0:
        back_up(rig)
    time.sleep(dice.uniform(0.5, 1.0))
    rig.kill()
    places = flip(rig.product.data / part, dice)
    rig.start()
    journal = machine.leave()
    rig.wait_until_drained()
    live = rig.fresh_value_is_live()
    repairs = [row["kind"] for row in rig.incidents()]
    rig.stop()
    label = f"row 10, seed {seed}, byte {places} of {part}, {repairs or 'harmless'}, live after {live:.2f} s"
    assert_nothing_wrong(rig.hold_against(journal, label=label))
    assert all(row["messages"] == 0 for row in rig.incidents() if row["kind"].startswith("store-"))
    assert live < LIVE_SECONDS


@pytest.mark.parametrize("seed", seeds())
@pytest.mark.parametrize("part", first_of(SPOOL))
def test_bytes_of_the_spool_are_flipped(seed: int, part: str, start: Start) -> None:
    dice, rig = random.Random(seed), start()
    machine = rig.publish("--rate", str(RATE))
    time.sleep(dice.uniform(1.5, 3.0))
    rig.kill()
    places = flip(rig.product.data / part, dice, count=3)
    rig.start()
    journal = machine.leave()
    rig.wait_until_drained()
    live = rig.fresh_value_is_live()
    rig.stop()
    lost = missing(rig, journal)
    label = f"row 10, seed {seed}, bytes {places} of {part}, {len(lost)} lost and named, live after {live:.2f} s"
    counts = rig.hold_against(journal, label=label)
    assert (counts.corrupted, counts.invented, counts.doubled) == (0, 0, 0)
    assert_named(lost, rig.incidents())
    assert live < LIVE_SECONDS


@pytest.mark.faults_long
@pytest.mark.parametrize("seed", range(FULL))
def test_store_and_spool_are_gone_together_and_the_hole_is_named(seed: int, start: Start) -> None:
    """Only the backup is left: what came after it, and before the new spool, is missing, and said to be."""
    dice, rig = random.Random(seed), start()
    machine = rig.publish("--rate", str(RATE))
    time.sleep(dice.uniform(1.0, 2.0))
    back_up(rig)
    time.sleep(dice.uniform(0.5, 1.5))
    rig.kill()
    data = rig.product.data
    flip(data / STORE[0], dice, count=200, after=_HEAD_BYTES)
    for part in (*SPOOL, "spool.sqlite-shm"):
        (data / part).unlink(missing_ok=True)
    rig.start()
    time.sleep(1)
    journal = machine.leave()
    rig.wait_until_drained()
    live = rig.fresh_value_is_live()
    rig.stop()
    lost = missing(rig, journal)
    [incident] = [row for row in rig.incidents() if row["kind"] == "store-restored"]
    label = f"row 10, seed {seed}, store and spool: {incident['detail'][-160:]}, live after {live:.2f} s"
    counts: Counts = rig.hold_against(journal, label=label)
    assert live < LIVE_SECONDS
    assert (counts.corrupted, counts.invented, counts.doubled) == (0, 0, 0)
    assert 0 < len(lost) < counts.confirmed
    assert_named(lost, [incident])
    assert_nothing_else_named(rig, incident)
    stored_before = [at_ns for at_ns, _ in rig.stored() if at_ns < incident["from_ns"] - 50_000_000]
    assert stored_before, "the backup holds nothing"
    assert (data / f"{STORE[0]}.damaged-1").exists()
