"""Rows 6, 7 and 8 of faults.md with the programs that people run: InfluxDB is away, busy, deaf, or refuses a point.

Between `pilotlab up` and the real server stands a front that has moods.
"""

import random
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from telemetry.stores.influxdb import InfluxDBStore
from tests.services import InfluxDB, Mosquitto, wait_until
from tests.services.store_front import Front, store_front
from tests.system.faults.rig import LIVE_SECONDS, STOP_SECONDS, Rig
from tests.system.faults.seeds import FULL, SHORT, seeds

pytestmark = pytest.mark.faults

RATED = 2_000
DRAINS = 5
BAD = 666
"""The number whose line the front refuses."""


@dataclass
class Fronted:
    """An installation whose store stands behind a front."""

    rig: Rig
    front: Front

    def wait_for_request(self) -> None:
        """Until somebody has met the front in its present mood."""
        met = self.front.moods.get(self.front.mood, 0)
        wait_until(
            lambda: self.front.moods.get(self.front.mood, 0) > met, timeout=15, what=f"a request, {self.front.mood}"
        )

    def letters(self) -> list[dict[str, Any]]:
        """Dead letters as the staff reads them."""
        with closing(self.rig.product.browser("manager", self.rig.product.manager_password)) as manager:
            found: list[dict[str, Any]] = manager.get("/api/v1/dead-letters").json()["items"]
        return found


@pytest.fixture
def fronted(own_mosquitto: Mosquitto, influxdb: InfluxDB, tmp_path: Path) -> Iterator[Fronted]:
    """`pilotlab up`, recording into InfluxDB behind a front."""
    with store_front(influxdb.url) as front:
        rig = Rig(
            tmp_path,
            own_mosquitto.port,
            open_store=lambda: InfluxDBStore(influxdb.url, influxdb.token, influxdb.org, influxdb.bucket),
            store="influxdb",
            influxdb_url=f"http://127.0.0.1:{front.server_port}",
            influxdb_token=influxdb.token,
            influxdb_org=influxdb.org,
            influxdb_bucket=influxdb.bucket,
        )
        try:
            rig.start()
            yield Fronted(rig, front)
        finally:
            rig.clean_up()


@pytest.mark.parametrize(
    ("seconds", "rate"),
    [
        *((3 + n, 500 - 100 * n) for n in range(SHORT)),
        *(pytest.param(3 + n % 5, 250 + 50 * n, marks=pytest.mark.faults_long) for n in range(SHORT, FULL)),
        pytest.param(600, RATED, marks=[pytest.mark.faults_long, pytest.mark.timeout(2400)]),
    ],
)
def test_a_store_that_is_away_costs_nothing(fronted: Fronted, seconds: int, rate: int) -> None:
    product, front = fronted.rig, fronted.front
    product.publish("--rate", "200", "--seconds", "1", "--device", "mill-2", program="burst").finish()
    product.wait_until_drained()
    before = product.memory_mb()
    front.mood = "down"
    machine = product.publish("--rate", str(rate), "--seconds", str(seconds), program="burst")
    machine.finish(timeout=seconds + 60)
    told, grown = product.told(), product.memory_mb() - before
    front.mood = "well"
    back = time.monotonic()
    fronted.wait_for_request()  # it asks again in growing steps
    asked = time.monotonic()
    product.wait_until_drained(timeout=300)
    drained = time.monotonic()
    speed = told["behind"] / (drained - asked)
    product.hold_to_the_oracle(
        f"row 6, away {seconds} s at {rate}/s, {grown:.0f} MB more, asked after {asked - back:.1f} s, "
        f"drained {speed:,.0f}/s",
        machine,
    )
    assert told["behind"] > seconds * rate / 2
    assert told["problem"], "it says that the store is away"
    assert grown < 100
    assert speed > rate
    if rate >= RATED:
        assert told["behind"] / (drained - back) >= DRAINS * RATED


@pytest.mark.parametrize("seed", seeds())
def test_a_busy_or_deaf_store_costs_nothing_even_when_the_product_is_killed(fronted: Fronted, seed: int) -> None:
    dice, product, front = random.Random(seed), fronted.rig, fronted.front
    moods = ["busy", "overloaded", "deaf"]
    dice.shuffle(moods)
    killed_in = dice.choice(moods)
    machine = product.publish("--rate", str(dice.randrange(200, RATED // 2)))
    for mood in moods:
        time.sleep(dice.uniform(0.1, 0.5))
        front.mood = mood
        fronted.wait_for_request()
        time.sleep(dice.uniform(0.0, 0.6))
        if mood == killed_in:
            product.kill()
            front.mood = dice.choice([mood, "well"])
            product.start()
        front.mood = "well"
    product.hold_to_the_oracle(f"row 7, seed {seed}, killed when {killed_in}, met {front.moods}", machine)


@pytest.mark.parametrize("seed", seeds())
def test_one_bad_point_becomes_a_dead_letter_and_its_neighbours_are_stored(fronted: Fronted, seed: int) -> None:
    dice, product, front = random.Random(seed), fronted.rig, fronted.front
    front.mood = "choosy"
    rate = dice.randrange(400, RATED)  # it stands in batches of many sizes, anywhere in them
    machine = product.publish("--rate", str(rate))
    wait_until(lambda: bool(fronted.letters()), timeout=15, what="the dead letter")
    time.sleep(dice.uniform(0.0, 0.3))
    product.kill()
    product.start()
    told = [(letter["device"], letter["signal"], letter["reason"]) for letter in fronted.letters()]
    assert told == [("mill-1", "spindle_power_kw", "store-refused")], "it survives, and is told once"
    journal = machine.leave()
    product.wait_until_drained()
    live = product.fresh_value_is_live()
    took = product.stop()
    counts = product.hold_against(journal, label=f"row 8, seed {seed}, at {rate}/s, live after {live:.2f} s")
    stored = {int(value) for _, value in product.stored()}
    assert set(range(journal.sent)) - stored == {BAD}
    assert (counts.lost, counts.corrupted, counts.invented, counts.doubled) == (1, 0, 0, 0)
    assert product.count("SELECT count(*) FROM dead_letters") == 1
    assert product.count(f"SELECT count(*) FROM dead_letters WHERE payload = CAST('{BAD}.0' AS BLOB)") == 1
    assert live < LIVE_SECONDS
    assert took < STOP_SECONDS
