"""At random: messages lost, swapped and repeated, stale deaths, aliases that nobody knows, and the host killed.

Every value tells by its size which metric it is of, so one that is stored under another name is found out.
"""

import random
import time
from pathlib import Path

import pytest

from lab.core.database import Database
from telemetry.sparkplug.payload import RawMetric, encode_payload
from telemetry.stores.duckdb import DuckDBStore
from tests.integration.recording import now_ns
from tests.integration.sparkplug_node import EdgeNode, metric
from tests.integration.test_sparkplug import add_press, kill, new_recorder, start_host, values
from tests.services import Mosquitto, wait_until

STEPS = 120
RANGES = {"power": 1_000_000.0, "count": 2_000_000.0}
"""Values of a metric lie within a million above this."""


class FaultyNode(EdgeNode):
    """An edge node that makes mistakes, and notes what it really said."""

    def start(self, random_: random.Random) -> None:
        self.random = random_
        self.said: dict[str, list[float]] = {name: [] for name in RANGES}
        self.aliases: dict[str, int] = {}
        self.questions: list[int] = []
        self.answered = 0
        self.faults = {"lost": 0, "swapped": 0, "repeated": 0, "stale death": 0, "unknown alias": 0, "birth": 0}

    def reading(self, name: str) -> RawMetric:
        value = RANGES[name] + len(self.said[name])
        self.said[name].append(value)
        by_name = self.random.random() < 0.3
        return metric(name if by_name else None, value, alias=self.aliases[name])

    def be_born(self) -> None:
        numbers = self.random.sample(range(1, 9), len(RANGES))
        self.aliases = dict(zip(RANGES, numbers, strict=True))
        self.birth(*(self.reading(name)._replace(name=name) for name in RANGES))

    def answer(self) -> None:
        """Be born again if asked."""
        if self.asked > self.answered:
            self.questions.append(self.asked - self.answered)
            self.answered = self.asked
            self.be_born()

    def step(self) -> None:
        what = self.random.choices(["", *self.faults], [80, 3, 3, 4, 3, 3, 2])[0]
        if what:
            self.faults[what] += 1
        if what == "birth":
            self.be_born()
        elif what == "stale death":
            self.publish("NDEATH", self.death(self.bd_seq + 7))
        elif what == "unknown alias":
            self.say("NDATA", metric(None, 3_000_000.0, alias=99))
        elif what == "swapped":
            contents = [self._next_content(), self._next_content()]
            for content in reversed(contents):
                self.publish("NDATA", content)
        else:
            content = self._next_content()
            for _ in range({"lost": 0, "repeated": 2}.get(what, 1)):
                self.publish("NDATA", content)

    def _next_content(self) -> bytes:
        name = self.random.choice([*RANGES])
        content = encode_payload([self.reading(name)], timestamp_ms=now_ns() // 1_000_000, seq=self.seq)
        self.seq = (self.seq + 1) % 256
        return content


def run(seed: int, broker: Mosquitto, database: Database, folder: Path) -> None:
    add_press(database)
    chance = random.Random(seed)
    node = FaultyNode(broker.address())
    node.start(chance)
    with (folder / "host.log").open("wb") as log:
        host = start_host(folder / "host", broker.address(), database, log)
        node.be_born()
        end = chance.randrange(STEPS // 3, STEPS)
        for _ in range(end):
            node.answer()
            node.step()
            time.sleep(chance.choice([0, 0.005, 0.02]))
        kill(host)
    wait_until(lambda: bool(node.states) and not node.states[-1]["online"], timeout=15, what="the last will")
    births_of_host = [state for state in node.states if state["online"]]
    assert node.states[-1]["timestamp"] == births_of_host[-1]["timestamp"]

    store = DuckDBStore(folder / "host" / "samples.duckdb")
    recorder = new_recorder(broker.address(), database, store, folder / "host")
    recorder.start()
    wait_until(lambda: node.states[-1]["online"], timeout=15, what="the host again")
    for _ in range(STEPS - end):
        node.answer()
        node.step()
        time.sleep(chance.choice([0, 0.005, 0.02]))
    node.be_born()  # healed
    started = time.monotonic()
    fresh = node.said["power"][-1]
    wait_until(lambda: fresh in values(store, "press-1", "power"), timeout=5, what="a fresh value")
    node.answer()
    counts = {}
    for name, said in node.said.items():
        found = values(store, "press-1", name)
        wrong = [value for value in found if value not in set(said)]
        counts[name] = (len(said), len(found), len(wrong), len(found) - len(set(found)))
    print(f"\nseed {seed}: said, stored, wrong, doubled {counts}; faults {node.faults}; questions {node.questions}")
    assert all(wrong == doubled == 0 for _, _, wrong, doubled in counts.values()), counts
    assert all(asked == 1 for asked in node.questions), "asked more than once before it was born again"
    assert time.monotonic() - started < 10
    recorder.stop()
    store.close()
    node.leave()


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(3))
def test_no_fault_gives_a_value_another_name(
    seed: int, own_mosquitto: Mosquitto, database: Database, tmp_path: Path
) -> None:
    run(seed, own_mosquitto, database, tmp_path)


@pytest.mark.faults_long
@pytest.mark.parametrize("seed", range(100, 120))
def test_no_fault_gives_a_value_another_name_often(
    seed: int, own_mosquitto: Mosquitto, database: Database, tmp_path: Path
) -> None:
    run(seed, own_mosquitto, database, tmp_path)
