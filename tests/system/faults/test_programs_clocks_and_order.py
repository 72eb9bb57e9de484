"""Rows 11 to 13 of faults.md with the programs that people run: wrong clocks, everything twice, messages out of order
and a day late.
"""

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from devices.messages.times import parse_time
from lab.core.clock import SystemClock
from lab.core.time import from_nanoseconds, to_nanoseconds
from telemetry.stores.interface import Flag
from tests.services import Mosquitto, wait_until
from tests.system.faults.publisher import SIGNAL
from tests.system.faults.rig import LIVE_SECONDS, START_PATIENCE_SECONDS, STOP_SECONDS, Rig
from tests.system.faults.seeds import seeds
from tests.system.installation import Machine, make_people, now, rfc3339

pytestmark = pytest.mark.faults

SECOND = 10**9
HOUR_NS = 3600 * SECOND
DAY_NS = 24 * HOUR_NS
BOOTS: dict[str, int | None] = {"ahead": HOUR_NS, "behind": -HOUR_NS, "right": 0, "lost": None, "thousandth": None}
"""What the clock is off by; it does not know the date, or sends milliseconds as nanoseconds."""

LIVE, BUFFERED = 200, 20
"""Messages of the last second, and of a day before."""

now_ns = SystemClock().now_ns


@pytest.fixture
def product(own_mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Rig]:
    """`pilotlab up`, recording."""
    rig = Rig(tmp_path, own_mosquitto.port)
    try:
        rig.start()
        yield rig
    finally:
        rig.clean_up()


@pytest.fixture
def machine(own_mosquitto: Mosquitto, product: Rig) -> Iterator[Machine]:
    """mill-1 at the broker."""
    made = Machine(own_mosquitto.port, "mill-1", None)
    yield made
    made.close()


def wait_until_complete(product: Rig, boot: str, last_seq: int) -> None:
    wait_until(lambda: product.completeness(boot, last_seq)["complete"], timeout=30, what=f"all of {boot}")


def heal_and_stop(product: Rig) -> str:
    """A fresh value is live, and the product ends in good order."""
    live, took = product.fresh_value_is_live(), product.stop()
    assert live < LIVE_SECONDS
    assert took < STOP_SECONDS
    return f"live after {live:.2f} s, stopped in {took:.1f} s"


def told_ns(boot: str, at_ns: int, begun_ns: int) -> int:
    """What the clock of this start of the machine shows."""
    if boot == "thousandth":
        return at_ns // 1_000_000
    error_ns = BOOTS[boot]
    return at_ns - begun_ns if error_ns is None else at_ns + error_ns


def seen(company: httpx.Client, start_ns: int, end_ns: int) -> set[float]:
    """Values that a company is shown."""
    span = {"start": rfc3339(from_nanoseconds(start_ns)), "end": rfc3339(from_nanoseconds(end_ns))}
    found = company.get("/api/v1/devices/mill-1/samples", params={**span, "signal": SIGNAL})
    assert found.status_code == 200, found.text
    return set(found.json()["signals"].get(SIGNAL, {"value": []})["value"])


@pytest.mark.parametrize("seed", seeds())
def test_a_clock_that_is_wrong_never_shows_a_sample_to_the_wrong_company(
    seed: int, product: Rig, machine: Machine
) -> None:
    """Both times are kept, and the settled one decides."""
    dice = random.Random(seed)
    with closing(make_people(product.product)) as people:
        change = now() + timedelta(seconds=3)
        slots = (
            (people.alfa, now() + timedelta(seconds=1), change),
            (people.beta, change, change + timedelta(hours=1)),
        )
        for company, start, end in slots:
            slot = {"device_ids": ["mill-1"], "title": "Now", "start": rfc3339(start), "end": rfc3339(end)}
            made = company.post("/api/v1/bookings", json=slot)
            assert made.status_code == 201, made.text
        begun_ns, change_ns = now_ns(), to_nanoseconds(change)
        for boot, error_ns in BOOTS.items():
            if error_ns is not None:
                machine.send(json.dumps({"boot": boot, "time": now_ns() + error_ns, "signals": []}), kind="birth")
        truth: dict[float, int] = {}
        said: dict[tuple[str, int], float] = {}
        numbers = dict.fromkeys(BOOTS, 0)
        while (at_ns := now_ns()) < change_ns + 3 * SECOND // 2:
            boot, value = dice.choice(list(BOOTS)), float(len(truth))
            truth[value], said[boot, told_ns(boot, at_ns, begun_ns)] = at_ns, value
            body = {"boot": boot, "seq": numbers[boot], "time": told_ns(boot, at_ns, begun_ns)}
            machine.post(json.dumps({**body, "values": {SIGNAL: value}}))
            numbers[boot] += 1
            time.sleep(dice.uniform(0.001, 0.02))
        for boot, count in numbers.items():
            wait_until_complete(product, boot, count - 1)
        far = (begun_ns - 2 * HOUR_NS, change_ns + HOUR_NS // 2)
        alfa, beta = seen(people.alfa, *far), seen(people.beta, *far)
    label = heal_and_stop(product)

    rows = product.rows()
    assert {(row["boot"], row["device_ns"]): row["value"] for row in rows} == said, "nothing lost, changed or invented"
    assert len(rows) == len(truth), "nothing doubled"
    doubted = {row["value"] for row in rows if row["flags"] & Flag.UNCERTAIN}
    assert doubted == {row["value"] for row in rows if BOOTS[row["boot"]] is None}
    certain = [row for row in rows if row["value"] not in doubted]
    assert all(abs(row["settled_ns"] - truth[row["value"]]) < SECOND for row in certain)
    assert all(bool(row["flags"] & Flag.SKEWED) == (row["boot"] != "right") for row in certain)
    crossings = sum(truth[value] > change_ns + SECOND for value in alfa)
    crossings += sum(truth[value] < change_ns - SECOND for value in beta)
    shown = f"{len(alfa)} + {len(beta)} shown, {crossings} to the wrong company"
    print(f"row 11, seed {seed}, {label}: {len(rows)} samples, {len(doubted)} uncertain, {shown}")
    assert crossings == 0
    slot_begin_ns = to_nanoseconds(slots[0][1])
    assert alfa == {row["value"] for row in certain if slot_begin_ns <= row["settled_ns"] < change_ns}
    assert beta == {row["value"] for row in certain if row["settled_ns"] >= change_ns}
    assert alfa
    assert beta


@pytest.mark.parametrize("seed", seeds())
def test_everything_delivered_twice_is_stored_once(seed: int, product: Rig) -> None:
    """Each message again at once, or some, or hundreds of them together; the product is killed in the middle."""
    dice = random.Random(seed)
    kinds = (1, dice.randrange(2, 50), dice.randrange(200, 800))
    block, rate = kinds[seed % len(kinds)], dice.randrange(200, 800)
    machine = product.publish("--rate", str(rate), "--repeat", str(block))
    time.sleep(dice.uniform(0.5, 2.0))
    before = product.told()["counts"]["received"]
    product.kill()
    product.start()
    time.sleep(dice.uniform(1.0, 2.0))
    (journal,) = product.hold_to_the_oracle(f"row 12, seed {seed}, {block} again at once, {before} before", machine)
    assert len(product.stored()) == journal.sent
    assert product.count("SELECT count(*) FROM dead_letters") == 0, "what comes again is no other value"


def bodies_of(dice: random.Random, boot: str) -> list[dict[str, Any]]:
    """Live messages of the last second, and what the machine recorded a day before."""
    at_ns = now_ns()
    live = [
        {"boot": boot, "seq": seq, "time": at_ns - (LIVE - seq) * 4_000_000, "values": {SIGNAL: seq / 8}}
        for seq in range(LIVE)
    ]
    parts = []
    for part in range(BUFFERED):
        start_ns = at_ns - DAY_NS + part * 10 * SECOND
        samples = [[start_ns + step * SECOND // 10, dice.random()] for step in range(100)]
        parts.append({"boot": boot, "seq": LIVE + part, "buffered": True, "samples": {"feed_mm_s": samples}})
    return live + parts


@contextmanager
def watched(product: Rig) -> Iterator[list[float]]:
    """Somebody looks at mill-1 until the product is killed; times of its power in milliseconds, as they are shown."""
    opened, shown = threading.Event(), list[float]()

    def look() -> None:
        with (
            suppress(httpx.TransportError),
            closing(product.product.browser("manager", product.product.manager_password)) as manager,
            manager.stream("GET", "/api/v1/devices/mill-1/live", timeout=20) as answer,
        ):
            opened.set()
            for line in answer.iter_lines():
                if line.startswith("data: ") and '"values"' in line:
                    values = json.loads(line[6:])["values"]
                    shown.extend(at for at, _ in values.get(SIGNAL, ()))

    viewer = threading.Thread(target=look)
    viewer.start()
    assert opened.wait(START_PATIENCE_SECONDS)
    yield shown
    product.kill()
    viewer.join(10)
    assert not viewer.is_alive()


def latest_ms(product: Rig) -> float:
    """Time of the newest power that is told; 0: none yet."""
    with closing(product.product.browser("manager", product.product.manager_password)) as manager:
        found = manager.get("/api/v1/devices/mill-1/latest").json()["values"]
    return parse_time(found[SIGNAL]["time"]) / 1e6 if SIGNAL in found else 0.0


@pytest.mark.parametrize("seed", seeds())
def test_what_comes_out_of_order_or_a_day_late_makes_the_same_rows(seed: int, product: Rig, machine: Machine) -> None:
    """Shuffled, some of it twice, and the product is killed in the middle."""
    dice = random.Random(seed)
    machine.send(json.dumps({"boot": "boot-1", "time": now_ns(), "signals": []}), kind="birth")
    bodies = bodies_of(dice, "boot-1")
    sent = bodies + dice.sample(bodies, 40)
    dice.shuffle(sent)
    half = dice.randrange(len(sent) // 4, 3 * len(sent) // 4)
    newest: list[float] = []
    with watched(product) as shown:
        for number, body in enumerate(sent[:half]):
            machine.post(json.dumps(body))
            time.sleep(dice.uniform(0.0, 0.01))
            if number % 50 == 0:
                newest.append(latest_ms(product))
        wait_until(lambda: bool(shown), timeout=10, what="a value that is seen live")
    for body in sent[half:]:
        machine.post(json.dumps(body))
    product.start()
    wait_until_complete(product, "boot-1", LIVE + BUFFERED - 1)
    newest.append(latest_ms(product))
    label = heal_and_stop(product)

    rows = product.rows()
    power = sorted((row["device_ns"], row["value"]) for row in rows if row["signal"] == SIGNAL)
    feed = sorted((row["device_ns"], row["value"]) for row in rows if row["signal"] == "feed_mm_s")
    certain = sum(not row["flags"] & Flag.UNCERTAIN for row in rows)
    told = f"{len(rows)} rows of {len(sent)} messages, {certain} of them certain, {len(shown)} seen live"
    print(f"row 13, seed {seed}, {label}: {told}")
    assert power == [(body["time"], body["values"][SIGNAL]) for body in bodies[:LIVE]]
    assert feed == [tuple(sample) for body in bodies[LIVE:] for sample in body["samples"]["feed_mm_s"]]
    assert all(bool(row["flags"] & Flag.BUFFERED) == (row["signal"] == "feed_mm_s") for row in rows)
    assert all(row["settled_ns"] == row["device_ns"] for row in rows)
    assert certain == LIVE, "what it says live is certain"
    assert all(earlier <= later for earlier, later in pairwise(shown)), "a live value goes back in time"
    assert all(earlier <= later for earlier, later in pairwise(newest)), "the newest value goes back in time"
    assert newest[-1] == bodies[LIVE - 1]["time"] / 1e6
