"""Row 4 of faults.md with the programs that people run: the broker loses the session while acknowledgements are due."""

import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.services import Mosquitto, wait_until
from tests.services.window_peer import WindowPeer
from tests.system.faults.publisher import SIGNAL
from tests.system.faults.rig import LIVE_SECONDS, Rig
from tests.system.faults.seeds import SHORT, seeds

pytestmark = pytest.mark.faults

CLIENT_ID = "pilotlab-recorder-gliwice"
SLACK_NS = 10**9

Start = Callable[[int], Rig]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Start]:
    """Makes an installation on a broker's port; nothing of it runs any more afterwards."""
    made: list[Rig] = []

    def make(port: int) -> Rig:
        made.append(Rig(tmp_path, port))
        return made[-1]

    yield make
    for one in made:
        one.clean_up()


def throw_session_away(port: int) -> None:
    """With acknowledgements on their way: somebody else comes in under the recorder's name, without a session."""
    thief = Client(CallbackAPIVersion.VERSION2, CLIENT_ID, clean_session=True)
    thief.connect("127.0.0.1", port)
    thief.loop_start()
    time.sleep(0.3)
    thief.disconnect()
    thief.loop_stop()


@pytest.mark.parametrize("seed", seeds())
def test_a_session_that_the_broker_forgets_is_a_gap_that_is_shown(
    seed: int, rig: Start, own_mosquitto: Mosquitto
) -> None:
    dice, product = random.Random(seed), rig(own_mosquitto.port)
    product.start()
    machine = product.publish("--rate", "1000")
    time.sleep(dice.uniform(0.5, 1.5))
    throw_session_away(product.broker_port)
    wait_until(lambda: bool(product.incidents()), timeout=30, what="an incident")
    wait_until(lambda: bool(product.told().get("connected")), timeout=30, what="connected again")
    time.sleep(1)
    journal = machine.leave()
    product.wait_until_drained()
    live = product.fresh_value_is_live()
    found = product.completeness("boot-1", len(journal.times) - 1)
    product.stop()
    counts = product.hold_against(journal, label=f"row 4, seed {seed}, live after {live:.2f} s")
    numbers = {number for _, number in product.stored()}
    missing = set(range(len(journal.times))) - {int(number) for number in numbers}
    named = {number for gap in found["missing"] for number in range(gap[0], gap[1] + 1)}
    print(f"row 4, seed {seed}: {len(missing)} missing, {found['missing']}")
    assert (counts.corrupted, counts.invented, counts.doubled) == (0, 0, 0)
    assert missing, "the session was lost with nothing in it"
    assert named == missing, "what is missing is shown, and nothing else"
    assert {row["kind"] for row in product.incidents()} == {"session-lost"}
    late = [journal.times[number] for number in missing]
    first, last = product.incidents()[0], product.incidents()[-1]
    assert all(row["from_ns"] <= row["to_ns"] for row in product.incidents())
    assert first["from_ns"] <= min(late)
    assert max(late) <= last["to_ns"] + SLACK_NS
    assert live < LIVE_SECONDS


@pytest.mark.parametrize("seed", seeds())
def test_no_acknowledgement_reaches_a_message_that_it_was_not_meant_for(seed: int, rig: Start) -> None:
    """The broker numbers its messages from 1 again after every loss, and keeps a ledger of what was acknowledged.

    An acknowledgement that came too late would hit a newer message of the same number, one that is not safe yet; the
    recorder is killed soon after each loss, so that such a message would be acknowledged and not stored.
    """
    dice = random.Random(seed)
    with WindowPeer(100, queue=None) as broker:
        product = rig(broker.port)
        product.start()
        machine = product.publish("--rate", "800")
        for _ in range(3 if seed < SHORT else 6):
            time.sleep(dice.uniform(0.2, 1.0))
            broker.forget_sessions()
            time.sleep(dice.uniform(0.0, 1.5))
            if dice.random() < 0.5:
                product.kill()
                product.start()
        wait_until(lambda: bool(product.told().get("connected")), timeout=30, what="connected again")
        time.sleep(0.5)
        journal = machine.leave()
        product.wait_until_drained()
        live = product.fresh_value_is_live()
        product.stop()
        said = [json.loads(payload) for topic, payload in broker.ledger if topic.endswith(b"/mill-1/data")]
    acknowledged = {(one["time"], float(one["values"][SIGNAL])) for one in said}
    counts = product.hold_against(journal, label=f"row 4, seed {seed}, live after {live:.2f} s")
    unkept = acknowledged - set(product.stored())
    print(
        f"row 4, seed {seed}: {len(acknowledged)} acknowledged of {journal.sent}, {len(unkept)} of them not stored, "
        f"{broker.counts.unmeant} acknowledgements of nothing that is in flight"
    )
    assert len(acknowledged) > 100
    assert unkept == set()
    assert broker.counts.unmeant == 0
    assert (counts.corrupted, counts.invented, counts.doubled) == (0, 0, 0)
    assert live < LIVE_SECONDS
