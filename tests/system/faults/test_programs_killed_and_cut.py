"""Rows 1, 3, 4, 5 and 17 of faults.md with the programs that people run: killed, cut off, forgotten, narrowed."""

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.services import Mosquitto, wait_until
from tests.system.faults.rig import ROOT, Rig, assert_nothing_wrong
from tests.system.faults.wire import Wire

pytestmark = pytest.mark.faults

KEEP_ALIVE_SECONDS = 20
CLIENT_ID = "pilotlab-recorder-gliwice"
RATED = 2_000

Start = Callable[..., Rig]


@pytest.fixture
def rig(own_mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Start]:
    """Makes installations on a broker of their own; nothing of them runs any more afterwards."""
    made: list[Rig] = []

    def make(**options: object) -> Rig:
        folder = tmp_path / f"rig-{len(made)}"
        folder.mkdir()
        made.append(Rig(folder, int(str(options.pop("broker_port", own_mosquitto.port))), **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.clean_up()


def seeds(normal: int, full: int) -> list[object]:
    """The first few seeds always, all of them in the full numbers."""
    return [*range(normal), *(pytest.param(seed, marks=pytest.mark.faults_long) for seed in range(normal, full))]


@pytest.mark.parametrize("seed", seeds(1, 20))
def test_the_product_is_killed_while_machines_talk(seed: int, rig: Start) -> None:
    dice, product = random.Random(seed), rig()
    product.start()
    rate = RATED if seed else RATED / 2
    machine = product.publish("--rate", str(rate))
    for _ in range(2 if seed else 1):
        time.sleep(dice.uniform(0.5, 2.5))
        product.kill()
        product.start()
    time.sleep(1)
    journal = machine.leave()
    product.wait_until_drained()
    live = product.fresh_value_is_live()
    took = product.stop()
    counts = product.hold_against(journal, label=f"row 1, kill -9 of pilotlab up, seed {seed}, live after {live:.2f} s")
    assert_nothing_wrong(counts)
    assert live < 5
    assert took < 10


@pytest.mark.parametrize("seed", seeds(1, 20))
def test_the_broker_is_restarted_with_its_sessions(seed: int, rig: Start, own_mosquitto: Mosquitto) -> None:
    dice, product = random.Random(seed), rig()
    product.start()
    machine = product.publish("--rate", str(RATED / 2))
    time.sleep(dice.uniform(0.5, 2.0))
    own_mosquitto.stop()
    time.sleep(dice.uniform(0.0, 2.0))
    own_mosquitto.start()
    back = time.monotonic()
    wait_until(lambda: bool(product.told().get("connected")), timeout=30, what="connected again")
    reconnected = time.monotonic() - back
    time.sleep(0.5)
    journal = machine.leave()
    product.wait_until_drained()
    product.stop()
    counts = product.hold_against(journal, label=f"row 3, seed {seed}, reconnected after {reconnected:.1f} s")
    assert_nothing_wrong(counts)
    assert product.incidents() == []


@pytest.mark.parametrize("seed", seeds(1, 20))
def test_a_session_that_the_broker_forgets_is_a_gap_that_is_shown(seed: int, rig: Start) -> None:
    dice, product = random.Random(seed), rig()
    product.start()
    machine = product.publish("--rate", str(RATED / 2))
    time.sleep(dice.uniform(0.5, 1.5))
    thief = Client(CallbackAPIVersion.VERSION2, CLIENT_ID, clean_session=True)
    thief.connect("127.0.0.1", product.broker_port)  # the session is thrown away, with acknowledgements on their way
    thief.loop_start()
    time.sleep(0.3)
    thief.disconnect()
    thief.loop_stop()
    wait_until(lambda: bool(product.incidents()), timeout=30, what="an incident")
    wait_until(lambda: bool(product.told().get("connected")), timeout=30, what="connected again")
    time.sleep(1)
    journal = machine.leave()
    product.wait_until_drained()
    found = product.completeness("boot-1", len(journal.times) - 1)
    product.stop()
    counts = product.hold_against(journal, label=f"row 4, seed {seed}")
    numbers = {number for _, number in product.stored()}
    missing = set(range(len(journal.times))) - {int(number) for number in numbers}
    named = {number for gap in found["missing"] for number in range(gap[0], gap[1] + 1)}
    print(f"row 4, seed {seed}: {len(missing)} missing, {found['missing']}")
    assert (counts.corrupted, counts.invented, counts.doubled) == (0, 0, 0)
    assert named == missing, "what is missing is shown, and nothing else"
    assert {row["kind"] for row in product.incidents()} == {"session-lost"}
    for row in product.incidents():
        assert row["from_ns"] <= row["to_ns"]
    late = [journal.times[number] for number in missing]
    if late:
        first, last = product.incidents()[0], product.incidents()[-1]
        assert first["from_ns"] <= min(late)
        assert max(late) <= last["to_ns"] + 10**9


@pytest.fixture
def narrow_broker() -> Iterator[int]:
    """A broker that keeps exactly 20 messages unacknowledged."""
    command = [sys.executable, "-m", "tests.services.window_peer", "--window", "20", "--queue", "1000000"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    yield int(process.stdout.readline())
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


@pytest.mark.parametrize(
    ("seconds", "rate"), [(2, RATED / 2), pytest.param(30, 4 * RATED, marks=pytest.mark.faults_long)]
)
def test_a_window_of_twenty_still_flows(seconds: int, rate: float, rig: Start, narrow_broker: int) -> None:
    product = rig(broker_port=narrow_broker)
    product.start()
    before = product.told()["counts"]["acknowledged"]
    started = time.monotonic()
    machine = product.publish("--rate", str(rate), "--seconds", str(seconds))
    journal = machine.finish()
    wait_until(
        lambda: product.told()["counts"]["acknowledged"] - before >= len(journal.times),
        timeout=60,
        what="all acknowledged",
    )
    speed = len(journal.times) / (time.monotonic() - started)
    product.wait_until_drained()
    product.stop()
    counts = product.hold_against(journal, label=f"row 5, window 20: {speed:,.0f}/s acknowledged")
    assert_nothing_wrong(counts)
    if rate > RATED:
        assert speed >= RATED


@pytest.mark.faults_long
def test_a_connection_that_is_only_half_there_is_noticed(rig: Start, own_mosquitto: Mosquitto) -> None:
    wire = Wire(own_mosquitto.port)
    product = rig(recorder_port=wire.port)
    product.start()
    machine = product.publish("--rate", "200")
    time.sleep(1)
    wire.stall()
    stalled = time.monotonic()
    wait_until(lambda: not product.told()["connected"], timeout=60, what="the silence noticed")
    noticed = time.monotonic() - stalled
    wire.mend()
    wait_until(lambda: bool(product.told()["connected"]), timeout=40, what="connected again")
    journal = machine.leave()
    product.wait_until_drained()
    product.stop()
    wire.close()
    counts = product.hold_against(journal, label=f"row 17, noticed after {noticed:.1f} s")
    assert_nothing_wrong(counts)
    assert noticed <= 1.5 * KEEP_ALIVE_SECONDS
