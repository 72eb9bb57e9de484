"""Live streams through a real broker and a real web server."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
import sqlalchemy as sa
from paho.mqtt.client import Client

from bookings.models import Booking
from devices.messages.native import Data, encode
from devices.messages.topics import topic
from lab.core.database import Database
from lab.core.mqtt import connect, new_client
from lab.people.models import ApiToken
from telemetry.live import hub, viewing
from telemetry.models import ClockOffset
from telemetry.stores.errors import StoreUnavailableError
from telemetry.stores.interface import SAMPLES
from tests.services import Mosquitto
from tests.telemetry_lab import LAB, SECOND, TelemetryLab, served_lab

HOUR = timedelta(hours=1)
Events = list[tuple[str, dict[str, Any]]]


class Viewer:
    """Reads a live stream in a thread."""

    def __init__(self, lab: TelemetryLab, who: str, path: str = "/devices/mill-1/live") -> None:
        self.events: Events = []
        self.comments = 0
        self.status_code = 0
        self.ended = threading.Event()
        self._client = lab.client(who)
        self._path = path
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        wait_for(lambda: self.status_code != 0)

    def _read(self) -> None:
        try:
            with self._client.stream("GET", self._path) as response:
                self._socket = response.extensions["network_stream"].get_extra_info("socket")
                self.status_code = response.status_code
                name = ""
                for line in response.iter_lines():
                    if line.startswith("event: "):
                        name = line.removeprefix("event: ")
                    elif line.startswith("data: "):
                        self.events.append((name, json.loads(line.removeprefix("data: "))))
                    elif line.startswith(":"):
                        self.comments += 1
        except httpx.TransportError:
            self.status_code = self.status_code or -1  # hung up, by one side or the other
        finally:
            self.ended.set()

    def named(self, name: str) -> list[dict[str, Any]]:
        """The data of these events so far."""
        return [data for event, data in list(self.events) if event == name]

    def points(self, signal: str = "spindle_power_kw") -> list[tuple[float, Any]]:
        """Everything shown of a signal so far."""
        return [(at, value) for data in self.named("values") for at, value in data["values"].get(signal, [])]

    def values(self, signal: str = "spindle_power_kw") -> list[Any]:
        """Only the values."""
        return [value for _, value in self.points(signal)]

    def leave(self) -> None:
        """Close the page."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(20)
        self._client.close()


class Machine:
    """Publishes as mill-1."""

    def __init__(self, lab: TelemetryLab, broker: Mosquitto) -> None:
        self._lab = lab
        self._client: Client = new_client(broker.address(), "mill-1")
        connect(self._client, broker.address())
        self._client.loop_start()
        self._seq = 0

    def say(self, *, ago: float = 0.0, boot: str = "7f3a", device: str = "mill-1", **values: Any) -> None:
        self._seq += 1
        at = self._lab.clock.now_ns() - round(ago * SECOND)
        self.publish(encode(Data(boot=boot, seq=self._seq, time=at, values=values)), device=device)

    def publish(self, payload: bytes, *, device: str = "mill-1") -> None:
        self._client.publish(topic(LAB, device, "data"), payload, qos=1).wait_for_publish(10)

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def wait_for(condition: Callable[[], object], *, seconds: float = 15) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


@contextmanager
def live_lab(
    database: Database, folder: Path, broker: Mosquitto, *, version: int = 5
) -> Iterator[tuple[TelemetryLab, Machine, Callable[..., Viewer]]]:
    with ExitStack() as stack:
        address = broker.address(version=4 if version == 4 else 5)
        lab = stack.enter_context(served_lab(database, folder, address=address, rate=1.0))
        machine = Machine(lab, broker)
        stack.callback(machine.stop)

        def watch(who: str, path: str = "/devices/mill-1/live") -> Viewer:
            viewer = Viewer(lab, who, path)
            stack.callback(viewer.leave)
            if viewer.status_code == 200:
                wait_for(lambda: {"broker": True} in viewer.named("status"))
                time.sleep(0.05)  # the subscription follows the connection
            return viewer

        yield lab, machine, watch


@pytest.fixture
def world(
    database: Database, tmp_path: Path, mosquitto: Mosquitto
) -> Iterator[tuple[TelemetryLab, Machine, Callable[..., Viewer]]]:
    with live_lab(database, tmp_path, mosquitto) as parts:
        yield parts


def keep_saying(machine: Machine, viewer: Viewer, **values: Any) -> None:
    """Say it until it is seen: right after a (re)connection the first message may come too early."""
    until = time.monotonic() + 20
    while not all(value in viewer.values(signal) for signal, value in values.items()):
        assert time.monotonic() < until, "it was never shown"
        machine.say(**values)
        time.sleep(0.1)


@pytest.mark.parametrize("version", [4, 5])
def test_what_a_machine_says_is_seen_at_once(
    database: Database, tmp_path: Path, mosquitto: Mosquitto, version: int
) -> None:
    with live_lab(database, tmp_path, mosquitto, version=version) as (_, machine, watch):
        viewer = watch("engineer")
        assert viewer.events[0][0] == "values"
        assert viewer.events[0][1]["values"] == {}
        keep_saying(machine, viewer, spindle_power_kw=1.5, door_open=True, program="P17")
        machine.say(spindle_power_kw=2.5)
        wait_for(lambda: 2.5 in viewer.values(), seconds=2)
        times = [at for at, _ in viewer.points()]
        assert times == sorted(set(times))
        assert viewer.values("door_open")[0] is True


def test_a_fresh_viewer_gets_the_last_values_at_once_and_each_once(
    world: tuple[TelemetryLab, Machine, Callable[..., Viewer]],
) -> None:
    _, machine, watch = world
    first = watch("engineer")
    keep_saying(machine, first, spindle_power_kw=0.0)
    for number in range(1, 30):
        machine.say(spindle_power_kw=float(number))
    wait_for(lambda: first.values()[-1:] == [29.0])
    second = watch("engineer", "/devices/mill-1/live?signal=spindle_power_kw")
    assert [value for _, value in second.events[0][1]["values"]["spindle_power_kw"]] == first.values()
    first.leave()
    machine.say(spindle_power_kw=30.0, program="P17")
    wait_for(lambda: 30.0 in second.values())
    assert second.values().count(30.0) == 1
    assert second.values("program") == []


def test_unknown_signals_broken_messages_and_other_devices_are_not_shown(
    world: tuple[TelemetryLab, Machine, Callable[..., Viewer]],
) -> None:
    _, machine, watch = world
    viewer = watch("engineer")
    for payload in (b"", b"{", b"\xff", b'{"boot":"a","seq":1,"time":1,"values":{}}', b"x" * 300_000):
        machine.publish(payload)
    machine.say(device="robot-1", spindle_power_kw=666.0)
    machine.say(secret=666.0)
    keep_saying(machine, viewer, spindle_power_kw=1.0)
    assert {signal for data in viewer.named("values") for signal in data["values"]} == {"spindle_power_kw"}
    assert set(viewer.values()) == {1.0}


def test_a_company_sees_its_own_slot_live_and_not_what_was_measured_before_it(
    world: tuple[TelemetryLab, Machine, Callable[..., Viewer]],
) -> None:
    lab, machine, watch = world
    now = lab.clock.now()
    lab.book("beta", now - 9 * HOUR, now)
    lab.book("alfa", now, now + HOUR)
    with lab.database.write() as session:
        known = {"device_id": "mill-1", "from_device_ns": 10**18, "offset_ns": 0, "noted_at": now}
        session.add(ClockOffset(**known, boot="7f3a", uncertain=False))
        session.add(ClockOffset(**known, boot="unsure", uncertain=True))
    engineer = watch("engineer")
    alfa = watch("alfa")
    assert watch("beta").status_code == 404
    keep_saying(machine, engineer, door_open=True)
    machine.say(spindle_power_kw=1.0, ago=600)  # kept by the machine since Beta's slot
    machine.say(feed_mm_s=2.0, boot="unsure")
    keep_saying(machine, alfa, spindle_power_kw=3.0)
    wait_for(lambda: engineer.values()[-1] == 3.0)
    assert engineer.values()[0] == 1.0
    assert engineer.values("feed_mm_s") == [2.0]
    assert set(alfa.values()) == {3.0}
    assert alfa.values("feed_mm_s") == []


def test_the_stream_ends_with_the_slot(world: tuple[TelemetryLab, Machine, Callable[..., Viewer]]) -> None:
    lab, machine, watch = world
    now = lab.clock.now()
    lab.book("alfa", now - HOUR, now + timedelta(seconds=8))
    viewer = watch("alfa")
    keep_saying(machine, viewer, spindle_power_kw=1.0)
    wait_for(viewer.ended.is_set)
    assert viewer.events[-1] == ("end", {"reason": "access"})
    last = max(at for at, _ in viewer.points())
    assert last < (lab.clock.now_ns() / 1e6)
    assert watch("alfa").status_code == 404


def test_the_stream_ends_soon_after_the_booking_is_cut_short(
    world: tuple[TelemetryLab, Machine, Callable[..., Viewer]],
) -> None:
    lab, _, watch = world
    now = lab.clock.now()
    booking_id = lab.book("alfa", now - HOUR, now + HOUR)
    viewer = watch("alfa")
    with lab.database.write() as session:
        booking = session.get_one(Booking, booking_id)
        booking.end_at = lab.clock.now()
    begin = time.monotonic()
    wait_for(viewer.ended.is_set, seconds=10)
    assert time.monotonic() - begin < 10
    assert viewer.events[-1] == ("end", {"reason": "access"})


def test_the_stream_of_somebody_who_signed_out_ends(
    world: tuple[TelemetryLab, Machine, Callable[..., Viewer]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, _, watch = world
    monkeypatch.setattr(viewing, "LOOK_AGAIN_SECONDS", 0.2)
    viewer = watch("engineer")
    with lab.database.write() as session:
        session.execute(sa.delete(ApiToken))
    wait_for(viewer.ended.is_set, seconds=5)
    assert viewer.events[-1] == ("end", {"reason": "access"})


def test_when_nobody_can_tell_who_may_see_the_stream_ends(
    world: tuple[TelemetryLab, Machine, Callable[..., Viewer]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, _, watch = world
    monkeypatch.setattr(viewing, "LOOK_AGAIN_SECONDS", 0.2)
    monkeypatch.setattr(viewing, "BLIND_SECONDS", 1.0)
    viewer = watch("engineer")

    def broken(*_: object) -> None:
        raise RuntimeError("the database is away")

    lab.app.state.grant_maker = broken
    wait_for(viewer.ended.is_set, seconds=5)
    assert viewer.events[-1] == ("end", {"reason": "access"})


def test_values_go_on_after_the_broker_was_away(database: Database, tmp_path: Path, own_mosquitto: Mosquitto) -> None:
    with live_lab(database, tmp_path, own_mosquitto) as (_, machine, watch):
        viewer = watch("engineer")
        keep_saying(machine, viewer, spindle_power_kw=1.0)
        own_mosquitto.stop()
        wait_for(lambda: viewer.named("status")[-1] == {"broker": False})
        own_mosquitto.start()
        wait_for(lambda: viewer.named("status")[-1] == {"broker": True}, seconds=20)
        keep_saying(machine, viewer, spindle_power_kw=2.0)


def test_a_broker_that_comes_later_is_found(database: Database, tmp_path: Path, own_mosquitto: Mosquitto) -> None:
    with live_lab(database, tmp_path, own_mosquitto) as (lab, machine, _):
        own_mosquitto.stop()
        viewer = Viewer(lab, "engineer")
        try:
            wait_for(lambda: viewer.named("status") == [{"broker": False}])
            own_mosquitto.start()
            wait_for(lambda: viewer.named("status")[-1] == {"broker": True}, seconds=20)
            keep_saying(machine, viewer, spindle_power_kw=2.0)
        finally:
            viewer.leave()


def test_a_viewer_who_does_not_read_holds_up_nobody(
    world: tuple[TelemetryLab, Machine, Callable[..., Viewer]],
) -> None:
    lab, machine, watch = world
    with lab.client("engineer") as client, client.stream("GET", "/devices/mill-1/live") as response:
        assert response.status_code == 200  # and nothing of it is ever read
        viewer = watch("engineer")
        wave = [float(number) for number in range(2000)]
        for second in range(100):
            start = lab.clock.now_ns() - 1000 + second
            message = Data(boot="a", seq=second, start=start, rate_hz=1e9, waves={"feed_mm_s": wave})
            machine.publish(encode(message))
        keep_saying(machine, viewer, spindle_power_kw=7.0)
        assert lab.live.viewer_count == 2
    viewer.leave()
    wait_for(lambda: lab.live.viewer_count == 0)


def test_at_most_ten_frames_a_second(world: tuple[TelemetryLab, Machine, Callable[..., Viewer]]) -> None:
    _, machine, watch = world
    viewer = watch("engineer")
    keep_saying(machine, viewer, spindle_power_kw=-1.0)
    before, begin = len(viewer.named("values")), time.monotonic()
    number = 0
    frames = 0
    while frames < 12:  # a busy machine may take longer over as many
        assert time.monotonic() - begin < 20, frames
        machine.say(spindle_power_kw=float(number))
        number += 1
        frames = len(viewer.named("values")) - before
    assert number > frames
    assert frames <= 10 * (time.monotonic() - begin) + 1
    wait_for(lambda: viewer.values()[-1] == number - 1)


def test_the_server_stops_promptly_although_somebody_watches(
    world: tuple[TelemetryLab, Machine, Callable[..., Viewer]],
) -> None:
    lab, _, watch = world
    viewers = [watch("engineer") for _ in range(3)]
    begin = time.monotonic()
    lab.live.end_streams()
    lab.server.should_exit = True
    for viewer in viewers:
        wait_for(viewer.ended.is_set, seconds=3)
        assert viewer.events[-1] == ("end", {"reason": "closing"})
    assert time.monotonic() - begin < 3


def test_quiet_streams_give_a_sign_of_life(
    world: tuple[TelemetryLab, Machine, Callable[..., Viewer]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, watch = world
    monkeypatch.setattr(hub, "PING_SECONDS", 0.2)
    viewer = watch("engineer")
    wait_for(lambda: viewer.comments >= 3, seconds=5)


def test_a_stream_holds_no_database_connection(
    database: Database, world: tuple[TelemetryLab, Machine, Callable[..., Viewer]]
) -> None:
    _, machine, watch = world
    viewers = [watch("engineer") for _ in range(8)]
    for viewer in viewers:
        keep_saying(machine, viewer, spindle_power_kw=float(id(viewer) % 1000))
    assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def stored(lab: TelemetryLab, ago: Callable[[int], float], count: int) -> list[float]:
    """Store so many samples of the spindle, as many seconds before now as `ago` says; gives their values."""
    now_ns = lab.clock.now_ns()
    rows = []
    for number in range(count):
        at = now_ns - round(ago(number) * SECOND)
        known = {"device": "mill-1", "signal": "spindle_power_kw", "boot": "7f3a", "device_ns": at, "settled_ns": at}
        rows.append({**known, "received_ns": at + 1000, "value": float(number), "text": None, "flags": 0})
    lab.store.write(pa.Table.from_pylist(rows, schema=SAMPLES), watermark=1)
    return [float(number) for number in range(count)]


def test_a_viewer_catches_up_from_the_store_and_no_value_comes_twice_or_back_in_time(
    world: tuple[TelemetryLab, Machine, Callable[..., Viewer]],
) -> None:
    lab, machine, watch = world
    before = stored(lab, lambda number: 200 - number, 150)
    viewer = watch("engineer", "/devices/mill-1/live?catch_up_s=300")
    assert [value for _, value in viewer.events[0][1]["values"]["spindle_power_kw"]] == before
    keep_saying(machine, viewer, spindle_power_kw=1000.0)
    machine.say(spindle_power_kw=-1.0, ago=100)  # older than what was shown
    machine.say(spindle_power_kw=1001.0)
    wait_for(lambda: 1001.0 in viewer.values())
    times = [at for at, _ in viewer.points()]
    assert times == sorted(set(times))
    assert -1.0 not in viewer.values()
    second = watch("engineer", "/devices/mill-1/live?catch_up_s=300")
    assert second.values()[:150] == before
    assert second.values()[150:] == viewer.values()[150:]
    short = watch("engineer", "/devices/mill-1/live?catch_up_s=60")
    assert short.values()[0] > 130
    assert watch("engineer", "/devices/mill-1/live?catch_up_s=3601").status_code == 422


def test_what_is_stored_and_in_the_ring_is_shown_once(
    world: tuple[TelemetryLab, Machine, Callable[..., Viewer]],
) -> None:
    lab, machine, watch = world
    first = watch("engineer")
    keep_saying(machine, first, spindle_power_kw=5.0)
    rows = []
    for number in range(5):
        at = lab.clock.now_ns() // 1_000_000 * 1_000_000
        machine.publish(
            encode(Data(boot="7f3a", seq=100 + number, time=at, values={"spindle_power_kw": 10.0 + number}))
        )
        known = {"device": "mill-1", "signal": "spindle_power_kw", "boot": "7f3a", "device_ns": at, "settled_ns": at}
        rows.append({**known, "received_ns": at, "value": 10.0 + number, "text": None, "flags": 0})
        wait_for(lambda: 10.0 + number in first.values())  # noqa: B023 - it is called at once
    lab.store.write(pa.Table.from_pylist(rows[:3], schema=SAMPLES), watermark=1)  # the rest is on its way to the store
    second = watch("engineer", "/devices/mill-1/live?catch_up_s=300")
    assert second.values() == [10.0, 11.0, 12.0, 13.0, 14.0]


def test_catching_up_shows_a_company_its_own_slot_only(
    world: tuple[TelemetryLab, Machine, Callable[..., Viewer]],
) -> None:
    lab, _, watch = world
    stored(lab, lambda number: 200 - number, 190)
    now = lab.clock.now()
    lab.book("beta", now - HOUR, now - timedelta(seconds=100))
    lab.book("alfa", now - timedelta(seconds=100), now + HOUR)
    alfa = watch("alfa", "/devices/mill-1/live?catch_up_s=300")
    assert 95 <= alfa.values()[0] <= 101
    assert alfa.values()[-1] == 189.0


def test_a_store_that_is_away_costs_only_the_past(world: tuple[TelemetryLab, Machine, Callable[..., Viewer]]) -> None:
    lab, machine, watch = world

    def away(*_: object, **__: object) -> None:
        raise StoreUnavailableError("the store is away")

    lab.store.stream = away  # type: ignore[method-assign,assignment]
    viewer = watch("engineer", "/devices/mill-1/live?catch_up_s=300")
    assert viewer.events[0] == ("values", {"t": viewer.events[0][1]["t"], "values": {}})
    keep_saying(machine, viewer, spindle_power_kw=1.0)


def test_a_store_that_is_slow_holds_up_no_viewer_for_long(
    world: tuple[TelemetryLab, Machine, Callable[..., Viewer]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, machine, watch = world
    monkeypatch.setattr(hub, "PAST_SECONDS", 0.3)
    answers = threading.Event()

    def slow(*_: object, **__: object) -> Iterator[pa.RecordBatch]:
        answers.wait(20)
        return iter(())

    lab.store.stream = slow  # type: ignore[method-assign]
    try:
        viewer = watch("engineer", "/devices/mill-1/live?catch_up_s=300")
        keep_saying(machine, viewer, spindle_power_kw=1.0)
        assert not viewer.ended.is_set()
    finally:
        answers.set()
