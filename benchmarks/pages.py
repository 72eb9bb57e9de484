"""How fast pages come and move, in Debian's Chromium: `python -m benchmarks.pages [--quick] [--json FILE]`.

The lab of the browser tests, served over HTTP on this machine; the browser runs on the same cores, without a graphics
card. Cold: a fresh profile, an empty cache; warm: the same page again. Times are the browser's own, from the start of
the navigation to the end of the load event, the median of several. The live page shows 20 signals at 10 Hz; script
time is what V8 worked. Sizes are bytes over the wire, headers included.
"""

import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path

from playwright.sync_api import Browser, CDPSession
from sqlalchemy.orm import Session

from benchmarks.measurement import Measurement, run_alone
from devices.messages.native import Data, encode
from devices.messages.topics import topic
from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.mqtt import BrokerAddress, connect, new_client
from lab.core.time import Span
from tests.conftest import create_tables
from tests.factories import MONDAY_MORNING, make_device
from tests.pages.stage import NOW, Stage, served_stage
from tests.pages.tour import TOUR, Visit, opened_chromium, visiting
from tests.placed_bookings import place_booking
from tests.services import chromium_program, start_mosquitto

MACHINES, BOOKINGS = 12, 300
SIGNALS, HZ = 20, 10
COLD_MS, WARM_MS, CALENDAR_MS, FRAMES, SCRIPT_PERCENT, PAGE_KB = 1000.0, 200.0, 600.0, 55.0, 5.0, 200.0
_LOADED = "() => performance.getEntriesByType('navigation')[0].loadEventEnd"
_FRAMES = """ms => new Promise(done => {
    let frames = 0;
    const begun = performance.now();
    const next = () => {
        frames += 1;
        const past = performance.now() - begun;
        if (past < ms) requestAnimationFrame(next); else done(frames / past * 1000);
    };
    requestAnimationFrame(next);
})"""
_PAINTED = """least => new Promise(done => {
    const begun = performance.now();
    document.querySelector('[data-view=week]').click();
    const look = () => {
        if (document.querySelectorAll('.ec-event').length >= least)
            requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - begun)));
        else requestAnimationFrame(look);
    };
    look();
})"""


def measure(quick: bool) -> list[Measurement]:
    """First page cold and warm, a week of the calendar, a live page, and the size of every page."""
    rounds, seconds = (3, 5.0) if quick else (9, 20.0)
    with tempfile.TemporaryDirectory(prefix="pilotlab-pages-") as name, _lab(Path(name)) as (stage, browser):
        loads = [_loads(browser, stage) for _ in range(rounds)]
        weeks = [_week(browser, stage) for _ in range(rounds)]
        frames, script = _live(browser, stage, seconds)
        sizes = {stop.name: _kilobytes(browser, stage, stop.who, stop.address) for stop in TOUR}
    largest = max(sizes, key=lambda name: sizes[name])
    print(
        "kB by page:", ", ".join(f"{name} {size:.0f}" for name, size in sorted(sizes.items(), key=lambda one: -one[1]))
    )
    return [
        _at_most("first page, cold", statistics.median(cold for cold, _ in loads), "ms", COLD_MS),
        _at_most("first page, warm", statistics.median(warm for _, warm in loads), "ms", WARM_MS),
        _at_most(
            f"week of {MACHINES} machines, {BOOKINGS} bookings, painted", statistics.median(weeks), "ms", CALENDAR_MS
        ),
        Measurement(
            f"live page, {SIGNALS} signals x {HZ} Hz",
            frames,
            "frames/s",
            FRAMES,
            frames / FRAMES,
            f">= {FRAMES:.0f} frames/s",
            frames >= FRAMES,
        ),
        _at_most(f"script time of the live page, {SIGNALS} signals x {HZ} Hz", script, "%", SCRIPT_PERCENT),
        _at_most(f"largest page over the wire ({largest})", sizes[largest], "kB", PAGE_KB),
    ]


def _at_most(name: str, value: float, unit: str, goal: float) -> Measurement:
    return Measurement(name, value, unit, goal, value / goal, f"<= {goal:.0f} {unit}", value <= goal)


def _loads(browser: Browser, stage: Stage) -> tuple[float, float]:
    with visiting(browser, stage, "founder") as visit:
        visit.go("/")
        cold: float = visit.page.evaluate(_LOADED)
        visit.go("/")
        warm: float = visit.page.evaluate(_LOADED)
    return cold, warm


def _week(browser: Browser, stage: Stage) -> float:
    chosen = "&".join(f"device=bench-{number}" for number in range(MACHINES))
    with visiting(browser, stage, "engineer") as visit:
        visit.go(f"/bookings/new?{chosen}&start=2026-12-07T09:00&end=2026-12-07T10:00")
        visit.page.wait_for_selector(".ec-event")
        painted: float = visit.page.evaluate(_PAINTED, BOOKINGS)
    return painted


def _live(browser: Browser, stage: Stage, seconds: float) -> tuple[float, float]:
    with visiting(browser, stage, "engineer") as visit:
        visit.go("/devices/bench-live")
        page = visit.page
        page.evaluate("document.querySelectorAll('input[name=signal]:not(:checked)').forEach(box => box.click())")
        page.wait_for_function(
            "most => document.querySelectorAll('#live .plot').length === most && "
            "[...document.querySelectorAll('#live .plot')].every(plot => Number(plot.dataset.points) > 20)",
            arg=SIGNALS,
        )
        protocol = page.context.new_cdp_session(page)
        protocol.send("Performance.enable")
        before = _script_seconds(protocol)
        frames: float = page.evaluate(_FRAMES, seconds * 1000)
        script = (_script_seconds(protocol) - before) / seconds * 100
    return frames, script


def _script_seconds(protocol: CDPSession) -> float:
    metrics = {one["name"]: one["value"] for one in protocol.send("Performance.getMetrics")["metrics"]}
    return float(metrics["ScriptDuration"])


def _kilobytes(browser: Browser, stage: Stage, who: str | None, address: str) -> float:
    with visiting(browser, stage, who) as visit:
        protocol = visit.page.context.new_cdp_session(visit.page)
        protocol.send("Network.enable")
        received: list[float] = []
        protocol.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
        _settle(visit, address)
    return sum(received) / 1000


def _settle(visit: Visit, address: str) -> None:
    visit.go(address)
    visit.page.wait_for_timeout(400)


@contextmanager
def _lab(folder: Path) -> Iterator[tuple[Stage, Browser]]:
    broker = start_mosquitto(folder / "mosquitto")
    database = Database(f"sqlite:///{folder / 'lab.sqlite'}")
    create_tables(database)
    try:
        with served_stage(database, folder, broker=broker.address(), rate=1.0) as stage:
            database.transact(lambda session: _fill(session, stage))
            with _talking(broker.address(), stage.clock), opened_chromium(chromium_program()) as browser:
                yield stage, browser
    finally:
        database.close()
        broker.remove()


def _fill(session: Session, stage: Stage) -> None:
    make_device(session, "bench-live", signals={f"signal_{number}": "kW" for number in range(SIGNALS)})
    place_booking(session, stage.town.lab.id, Span(NOW, NOW + timedelta(hours=8)), "bench-live")
    for number in range(MACHINES):
        make_device(session, f"bench-{number}", name=f"Machine {number}")
    week = MONDAY_MORNING + timedelta(days=14)
    for number in range(BOOKINGS):
        machine, turn = number % MACHINES, number // MACHINES
        start = week + timedelta(days=turn % 5, hours=2 * (turn // 5))
        place_booking(session, stage.town.foundry.id, Span(start, start + timedelta(hours=1)), f"bench-{machine}")


@contextmanager
def _talking(broker: BrokerAddress, clock: Clock) -> Iterator[None]:
    client = new_client(broker, "bench-machine")
    connect(client, broker)
    client.loop_start()
    stopped = threading.Event()

    def talk() -> None:
        for number in count():
            if stopped.wait(1 / HZ):
                return
            values = {f"signal_{place}": place + number % 97 / 100 for place in range(SIGNALS)}
            message = Data(boot="b", seq=number, time=clock.now_ns(), values=dict(values))
            client.publish(topic("gliwice", "bench-live", "data"), encode(message), qos=1)

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        client.disconnect()
        client.loop_stop()


if __name__ == "__main__":
    run_alone(measure, __doc__ or "")
