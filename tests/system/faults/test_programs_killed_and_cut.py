"""Rows 1, 2, 3, 5 and 17 of faults.md with the programs that people run: killed, stopped, cut off, narrowed."""

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.core.mqtt import KEEP_ALIVE_SECONDS
from tests.integration.recording import spooled
from tests.services import Mosquitto, wait_until
from tests.system.faults.rig import ROOT, STOP_SECONDS, Rig
from tests.system.faults.seeds import SHORT, seeds
from tests.system.faults.wire import Wire

pytestmark = pytest.mark.faults

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


@pytest.mark.parametrize("seed", seeds())
def test_the_product_is_killed_while_machines_talk(seed: int, rig: Start) -> None:
    dice, product = random.Random(seed), rig()
    product.start()
    short = seed < SHORT
    machine = product.publish("--rate", str(RATED / 2 if short else RATED))
    for _ in range(1 if short else 2):
        time.sleep(dice.uniform(0.5, 2.5))
        product.kill()
        product.start()
    time.sleep(1)
    product.hold_to_the_oracle(f"row 1, kill -9 of pilotlab up, seed {seed}", machine)


@pytest.mark.parametrize("seed", seeds())
def test_the_product_is_told_to_stop_while_machines_talk(seed: int, rig: Start) -> None:
    dice, product = random.Random(seed), rig()
    product.start()
    machine = product.publish("--rate", str(RATED / 2 if seed < SHORT else RATED))
    time.sleep(dice.uniform(0.2, 3.0))
    took = product.stop()
    held, stored = spooled(product.product.data / "spool.sqlite"), len(product.stored())
    assert stored == held > 0, "what it had taken is drained before it ends"
    assert took < STOP_SECONDS
    time.sleep(dice.uniform(0.0, 2.0))
    product.start()
    time.sleep(0.5)
    product.hold_to_the_oracle(f"row 2, SIGTERM, seed {seed}, stopped in {took:.1f} s with {stored} drained", machine)


@pytest.mark.parametrize("seed", seeds())
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
    product.hold_to_the_oracle(f"row 3, seed {seed}, reconnected after {reconnected:.1f} s", machine)
    assert product.incidents() == []
    assert reconnected < 30


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


@pytest.mark.parametrize("seed", seeds())
def test_a_window_of_twenty_still_flows(seed: int, rig: Start, narrow_broker: int) -> None:
    short = seed < SHORT
    seconds, rate = (2, RATED / 2) if short else (30 if seed == SHORT else 5, 4 * RATED)
    product = rig(broker_port=narrow_broker)
    product.start()
    before = product.told()["counts"]["acknowledged"]
    rate *= random.Random(seed).uniform(1.0, 1.5)
    started = time.monotonic()
    machine = product.publish("--rate", str(rate), "--seconds", str(seconds))
    journal = machine.finish()
    wait_until(
        lambda: product.told()["counts"]["acknowledged"] - before >= len(journal.times),
        timeout=60,
        what="all acknowledged",
    )
    speed = len(journal.times) / (time.monotonic() - started)
    product.hold_to_the_oracle(f"row 5, seed {seed}, window 20: {speed:,.0f}/s acknowledged", machine)
    if not short:
        assert speed >= RATED


@pytest.mark.parametrize("seed", seeds())
def test_a_connection_that_is_only_half_there_is_noticed(seed: int, rig: Start, own_mosquitto: Mosquitto) -> None:
    """Nothing is forwarded any more either way, or one way only, while both ends believe in the other."""
    dice, wire = random.Random(seed), Wire(own_mosquitto.port)
    way = ("both", "to-server", "to-client")[seed % 3]
    product = rig(recorder_port=wire.port)
    product.start()
    machine = product.publish("--rate", "200")
    time.sleep(dice.uniform(0.5, 1.5 + (0 if seed < SHORT else KEEP_ALIVE_SECONDS / 2)))
    wire.stall(way)
    stalled = time.monotonic()
    wait_until(lambda: not product.told()["connected"], timeout=60, what="the silence noticed")
    noticed = time.monotonic() - stalled
    wire.mend()
    wait_until(lambda: bool(product.told()["connected"]), timeout=40, what="connected again")
    product.hold_to_the_oracle(f"row 17, seed {seed}, stalled {way}, noticed after {noticed:.1f} s", machine)
    wire.close()
    assert noticed <= 1.5 * KEEP_ALIVE_SECONDS
