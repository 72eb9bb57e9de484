"""Wrong clocks and late data through the real broker and recorder: nothing lost, nothing shown to the wrong company.

Rows 11 and 13 of the faults to survive; each prints its seed and counts.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.core.database import Database
from lab.core.time import from_nanoseconds
from telemetry.grants import BEGINNING_NS, END_NS
from telemetry.recorder import Recorder
from telemetry.sequences import completeness
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.interface import Flag
from tests.integration.recording import BOOT, LAB, Publisher
from tests.services import Mosquitto
from tests.telemetry_lab import SECOND, TelemetryLab, served_lab

pytestmark = pytest.mark.faults

HOUR_NS = 3600 * SECOND
DAY_NS = 24 * HOUR_NS
SEEDS = [pytest.param(seed, id=f"seed{seed}") for seed in range(3)]
MORE_SEEDS = [pytest.param(seed, id=f"seed{seed}", marks=pytest.mark.faults_long) for seed in range(3, 20)]


@pytest.fixture
def lab(database: Database, tmp_path: Path) -> Iterator[TelemetryLab]:
    with served_lab(database, tmp_path, rate=1.0) as served:
        yield served


def new_recorder(mosquitto: Mosquitto, lab: TelemetryLab, folder: Path) -> Recorder:
    recorder = Recorder(
        address=mosquitto.address(),
        lab=LAB,
        database=lab.database,
        store=lab.store,
        spool_path=folder / "spool.sqlite",
        clock=lab.clock,
        client_id="recorder",
    )
    recorder.start()
    return recorder


@pytest.fixture
def recorder(own_mosquitto: Mosquitto, lab: TelemetryLab, tmp_path: Path) -> Iterator[Recorder]:
    recorder = new_recorder(own_mosquitto, lab, tmp_path)
    yield recorder
    recorder.stop()


@pytest.fixture
def publisher(own_mosquitto: Mosquitto, recorder: Recorder) -> Iterator[Publisher]:
    publisher = Publisher(own_mosquitto.address())
    yield publisher
    publisher.close()


def everything(store: DuckDBStore) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = store.read("mill-1", [], [(BEGINNING_NS, END_NS)], uncertain=True).to_pylist()
    return rows


def seen(lab: TelemetryLab, who: str, start_ns: int, end_ns: int) -> set[float]:
    span = {"start": from_nanoseconds(start_ns).isoformat(), "end": from_nanoseconds(end_ns).isoformat()}
    with lab.client(who) as client:
        found = client.get("/devices/mill-1/samples", params={**span, "signal": "spindle_power_kw"}).json()["signals"]
    return set(found.get("spindle_power_kw", {"value": []})["value"])


@pytest.mark.parametrize("seed", [*SEEDS, *MORE_SEEDS])
def test_a_clock_that_is_wrong_never_shows_a_sample_to_the_wrong_company(
    seed: int, lab: TelemetryLab, recorder: Recorder, publisher: Publisher
) -> None:
    """Row 11: off by an hour either way, 1970, milliseconds sent as nanoseconds; the settled time decides."""
    draw = random.Random(seed)
    time.sleep(1.2)  # until an echo has been round
    begun_ns = lab.clock.now_ns()
    change_ns = begun_ns + 3 * SECOND // 2
    lab.book("alfa", from_nanoseconds(begun_ns - 60 * SECOND), from_nanoseconds(change_ns))
    lab.book("beta", from_nanoseconds(change_ns), from_nanoseconds(change_ns + 600 * SECOND))
    boots = {"ahead": HOUR_NS, "behind": -HOUR_NS, "right": 0, "lost": None, "thousandth": None}
    for boot, error_ns in boots.items():
        if error_ns is not None:
            publisher.send("birth", {"boot": boot, "time": lab.clock.now_ns() + error_ns, "signals": []})
    truth: dict[float, int] = {}
    numbers = dict.fromkeys(boots, 0)
    while (now_ns := lab.clock.now_ns()) < begun_ns + 3 * SECOND:
        boot = draw.choice(list(boots))
        error_ns = boots[boot]
        told_ns = (
            now_ns // 1_000_000
            if boot == "thousandth"
            else now_ns - begun_ns
            if error_ns is None
            else now_ns + error_ns
        )
        value = float(len(truth))
        truth[value] = now_ns
        body = {"boot": boot, "seq": numbers[boot], "time": told_ns, "values": {"spindle_power_kw": value}}
        publisher.send("data", body)
        numbers[boot] += 1
        time.sleep(draw.uniform(0.001, 0.02))
    for boot, count in numbers.items():
        assert recorder.wait_until_stored("mill-1", boot, count - 1, timeout=15)

    rows = everything(lab.store)
    assert len(rows) == len(truth), "nothing is lost, nothing doubled"
    doubted = {row["value"] for row in rows if row["flags"] & Flag.UNCERTAIN}
    assert doubted == {row["value"] for row in rows if row["boot"] in {"lost", "thousandth"}}
    for row in rows:
        if row["value"] not in doubted:
            assert abs(row["settled_ns"] - truth[row["value"]]) < SECOND, row
            assert bool(row["flags"] & Flag.SKEWED) == (row["boot"] != "right")
            assert row["device_ns"] - truth[row["value"]] == (boots[row["boot"]] or 0), "both times are kept"
    far = (begun_ns - 2 * HOUR_NS, begun_ns + 2 * HOUR_NS)
    alfa, beta = seen(lab, "alfa", *far), seen(lab, "beta", *far)
    settled = {row["value"]: row["settled_ns"] for row in rows if row["value"] not in doubted}
    assert alfa == {value for value, at_ns in settled.items() if at_ns < change_ns}
    assert beta == {value for value, at_ns in settled.items() if at_ns >= change_ns}
    crossings = sum(truth[value] > change_ns + SECOND for value in alfa) + sum(
        truth[value] < change_ns - SECOND for value in beta
    )
    shown = f"{len(alfa)} + {len(beta)} shown"
    print(f"seed {seed}: {len(truth)} samples, {len(doubted)} uncertain, {shown}, {crossings} to the wrong company")
    assert crossings == 0
    assert alfa
    assert beta


def messages_of(draw: random.Random, now_ns: int) -> list[dict[str, Any]]:
    """Messages of one boot: live ones of the last second and what the device recorded a day before."""
    bodies: list[dict[str, Any]] = []
    for seq in range(200):
        values = {"spindle_power_kw": seq / 8}
        bodies.append({"boot": BOOT, "seq": seq, "time": now_ns - (200 - seq) * 4_000_000, "values": values})
    for part in range(20):
        start_ns = now_ns - DAY_NS + part * 10 * SECOND
        samples = [[start_ns + step * SECOND // 10, draw.random()] for step in range(100)]
        message = {"boot": BOOT, "seq": 200 + part, "buffered": True, "samples": {"feed_mm_s": samples}}
        bodies.append(message)
    return bodies


@pytest.mark.parametrize("seed", [*SEEDS, *MORE_SEEDS])
def test_what_comes_out_of_order_or_a_day_late_makes_the_same_rows(
    seed: int, lab: TelemetryLab, recorder: Recorder, publisher: Publisher, own_mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """Row 13: shuffled, repeated and a day late, across a restart of the recorder."""
    draw = random.Random(seed)
    now_ns = lab.clock.now_ns()
    bodies = messages_of(draw, now_ns)
    publisher.send("birth", {"boot": BOOT, "time": lab.clock.now_ns(), "signals": []})
    sent = bodies + draw.sample(bodies, 40)
    draw.shuffle(sent)
    half = len(sent) // 2
    for body in sent[:half]:
        publisher.send("data", body)
    recorder.stop()
    for body in sent[half:]:
        publisher.send("data", body)
    again = new_recorder(own_mosquitto, lab, tmp_path)
    try:
        publisher.send_value(220, 0.0, at_ns=lab.clock.now_ns(), signal="door_open")
        for seq in range(220):
            assert again.wait_until_stored("mill-1", BOOT, seq, timeout=15), seq
    finally:
        again.stop()

    rows = everything(lab.store)
    power = [row for row in rows if row["signal"] == "spindle_power_kw"]
    feed = [row for row in rows if row["signal"] == "feed_mm_s"]
    assert [(row["device_ns"], row["value"]) for row in sorted(power, key=lambda row: row["device_ns"])] == [
        (body["time"], body["values"]["spindle_power_kw"]) for body in bodies[:200]
    ]
    wanted = [tuple(sample) for body in bodies[200:] for sample in body["samples"]["feed_mm_s"]]
    assert [(row["device_ns"], row["value"]) for row in sorted(feed, key=lambda row: row["device_ns"])] == wanted
    assert all(row["flags"] & Flag.BUFFERED and row["settled_ns"] == row["device_ns"] for row in feed)
    assert all(row["settled_ns"] == row["device_ns"] for row in power)
    certain = sum(not row["flags"] & Flag.UNCERTAIN for row in power)
    with lab.database.read() as session:
        found = completeness(session, "mill-1", BOOT, 0, 219)
    print(f"seed {seed}: {len(rows)} rows of {len(sent)} messages, {certain} of {len(power)} live ones certain")
    assert found.complete
    assert certain == len(power)
