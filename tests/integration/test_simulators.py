"""The simulators' program at a real broker: what it says it sent is what arrives, whatever happens on the way."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from paho.mqtt.client import Client, MQTTMessage

from devices.credentials import hash_mqtt_password
from devices.messages.native import Birth, Data, Death, Event, State, decode
from devices.messages.times import parse_time
from devices.messages.topics import parse_topic
from lab.core.clock import SystemClock
from lab.core.mqtt import connect, new_client
from simulators.recording import CHANNELS, RUNS_FILE, SAMPLES_FILE
from tests.services import Mosquitto

LAB_NS = 1_795_419_000_000_000_000
"""2026-11-23T07:30:00Z."""
BOTH = ["mill-1", "meter-1"]
FASTEST = {"feed_mm_s": 20}
"""The shortest part there is: about 103 s."""


class Simulators:
    """The program and its operator."""

    def __init__(self, broker: Mosquitto, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "simulators.cli", "--host", broker.host, "--port", str(broker.port), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        self.say(json.dumps({"do": do, **fields}))
        return self.hear()

    def order(self, do: str, **fields: Any) -> dict[str, Any]:
        answer = self.ask(do, **fields)
        assert answer["ok"] is True, answer
        return answer

    def set_clock(self, rate: float, *, lab_ns: int = LAB_NS) -> None:
        self.order("clock", real_ns=SystemClock().now_ns(), lab_ns=lab_ns, rate=rate)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class Listener:
    """A subscriber with a lasting session that keeps everything it hears."""

    def __init__(self, broker: Mosquitto) -> None:
        self.heard: list[tuple[str, str, bytes]] = []
        self._address = broker.address()
        self._client = new_client(self._address, "listener", persistent=True)
        self._client.reconnect_delay_set(1, 1)
        subscribed = threading.Event()
        self._client.on_connect = lambda client, *_: client.subscribe("pilotlab/#", qos=1)
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_message = self._hear
        connect(self._client, self._address, persistent=True)
        self._client.loop_start()
        assert subscribed.wait(10)

    def _hear(self, _: Client, __: object, message: MQTTMessage) -> None:
        address = parse_topic(message.topic)
        if address is not None:
            self.heard.append((address.device, address.kind, message.payload))

    def numbers(self, device: str) -> Counter[int]:
        """How often each message number was heard."""
        return Counter(
            message.seq
            for message in (decode(kind, payload) for name, kind, payload in self.heard if name == device)
            if isinstance(message, Data | Event | State)
        )

    def messages(self, device: str, kind: str) -> list[Any]:
        return [decode(kind, payload) for name, its, payload in list(self.heard) if (name, its) == (device, kind)]

    def wait_for(self, condition: Callable[[], bool], seconds: float = 15) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it was not heard in time"
            time.sleep(0.02)

    def wait_for_last(self, device: str, last_seq: int, seconds: float = 15) -> None:
        self.wait_for(lambda: last_seq in self.numbers(device), seconds)

    def end(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def listener(own_mosquitto: Mosquitto) -> Iterator[Listener]:
    ears = Listener(own_mosquitto)
    yield ears
    ears.end()


@pytest.fixture
def simulators(own_mosquitto: Mosquitto, listener: Listener) -> Iterator[Simulators]:
    program = Simulators(own_mosquitto)
    yield program
    program.end()


@pytest.mark.parametrize("version", ["4", "5"])
def test_a_run_arrives_as_it_was_reported(own_mosquitto: Mosquitto, listener: Listener, version: str) -> None:
    program = Simulators(own_mosquitto, "--mqtt-version", version)
    try:
        program.set_clock(0)
        boots = {device: program.order("start", device=device)["boot"] for device in BOTH}
        run = program.order("run", run=3, arm="fast", settings={"feed_mm_s": 9}, devices=BOTH, as_fast_as_possible=True)
        for device in BOTH:
            sent = run["devices"][device]
            listener.wait_for_last(device, sent["last_seq"])
            assert sent["boot"] == boots[device]
            assert listener.numbers(device) == Counter(range(sent["first_seq"], sent["last_seq"] + 1))
            assert sent["messages"] == sent["last_seq"] - sent["first_seq"] + 1
            stamps = [parse_time(data.time) for data in listener.messages(device, "data") if data.values]
            assert stamps == sorted(set(stamps))
            assert stamps[0] == run["started_ns"]
            assert stamps[-1] == run["ended_ns"] - 1_000_000
        started, finished = listener.messages("mill-1", "event")
        assert (started.event, started.fields) == ("run_started", {"run": 3, "arm": "fast", "feed_mm_s": 9})
        assert (finished.event, finished.fields["run"], finished.fields["part"]) == ("part_finished", 3, 1)
        assert finished.fields["roughness_um"] == run["result"]["roughness_um"]
        assert [state.item_state for state in listener.messages("mill-1", "state")] == ["Executing", "NotExecuting"]
        assert program.order("stop") == {"ok": True}
        assert program.process.wait(10) == 0
        listener.wait_for(lambda: listener.messages("mill-1", "death") == [Death(boots["mill-1"])])
        assert [birth.boot for birth in listener.messages("mill-1", "birth")] == [boots["mill-1"]]
    finally:
        program.end()


def test_the_labs_clock_paces_a_run(simulators: Simulators, listener: Listener) -> None:
    simulators.set_clock(200)
    for device in BOTH:
        simulators.order("start", device=device)
    begun = time.monotonic()
    run = simulators.order("run", run=1, settings=FASTEST, devices=BOTH)
    took_s, lab_s = time.monotonic() - begun, (run["ended_ns"] - run["started_ns"]) / 1e9
    assert lab_s == pytest.approx(103, abs=8)
    assert lab_s / 200 <= took_s < lab_s / 200 + 2
    again = simulators.order("run", run=2, settings=FASTEST, devices=BOTH)
    assert again["started_ns"] >= run["ended_ns"]
    assert again["devices"]["mill-1"]["first_seq"] == run["devices"]["mill-1"]["last_seq"] + 1


def test_a_clock_that_stands_still_refuses_a_paced_run(simulators: Simulators) -> None:
    simulators.set_clock(0)
    simulators.order("start", device="mill-1")
    answer = simulators.ask("run", run=1, devices=["mill-1"])
    assert answer["ok"] is False
    assert "stands still" in answer["error"]


def test_the_same_seed_says_the_same(own_mosquitto: Mosquitto, listener: Listener) -> None:
    said: list[list[Any]] = []
    for _ in range(2):
        program = Simulators(own_mosquitto, "--seed", "42")
        program.set_clock(0)
        boot = program.order("start", device="mill-1")["boot"]
        run = program.order("run", run=1, settings=FASTEST, devices=["mill-1"], as_fast_as_possible=True)
        program.end()
        listener.wait_for(
            lambda boot=boot, last=run["devices"]["mill-1"]["last_seq"]: any(  # type: ignore[misc]
                (state.boot, state.seq) == (boot, last) for state in listener.messages("mill-1", "state")
            )
        )
        said.append([one.values for one in listener.messages("mill-1", "data") if one.boot == boot])
    assert said[0] == said[1]


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_a_broker_that_restarts_in_the_middle_loses_nothing(
    own_mosquitto: Mosquitto, simulators: Simulators, listener: Listener, how: str
) -> None:
    simulators.set_clock(40)
    for device in BOTH:
        simulators.order("start", device=device)
    simulators.say(json.dumps({"do": "run", "run": 1, "settings": FASTEST, "devices": BOTH}))
    listener.wait_for(lambda: len(listener.heard) > 100)
    if how == "kill":
        own_mosquitto.kill()
        own_mosquitto.start()
    else:
        own_mosquitto.restart()
    run = simulators.hear()
    assert run["ok"] is True, run
    for device in BOTH:
        sent = run["devices"][device]
        if how == "restart":  # a broker that was killed has forgotten what it had taken for the listener
            listener.wait_for_last(device, sent["last_seq"])
            missing = set(range(sent["first_seq"], sent["last_seq"] + 1)) - set(listener.numbers(device))
            assert not missing
    births = [birth for birth in listener.messages("mill-1", "birth") if isinstance(birth, Birth)]
    assert {birth.boot for birth in births} == {run["devices"]["mill-1"]["boot"]}
    assert len({birth.time for birth in births}) == 2
    assert simulators.order("stop") == {"ok": True}


def test_a_broker_that_stays_away_ends_the_run_with_one_line(own_mosquitto: Mosquitto, listener: Listener) -> None:
    program = Simulators(own_mosquitto, "--patience-s", "1.5")
    try:
        program.set_clock(40)
        program.order("start", device="mill-1")
        program.say(json.dumps({"do": "run", "run": 1, "settings": FASTEST, "devices": ["mill-1"]}))
        listener.wait_for(lambda: len(listener.heard) > 20)
        own_mosquitto.stop()
        answer = program.hear()
        assert answer["ok"] is False
        assert "has not confirmed" in answer["error"]
    finally:
        program.end()
        own_mosquitto.start()


def test_a_device_that_is_killed_leaves_its_last_will(simulators: Simulators, listener: Listener) -> None:
    boot = simulators.order("start", device="robot-1")["boot"]
    simulators.process.kill()
    listener.wait_for(lambda: listener.messages("robot-1", "death") == [Death(boot)])


@pytest.mark.parametrize("how", ["end of input", "SIGTERM"])
def test_whoever_goes_away_leaves_no_program_behind(simulators: Simulators, listener: Listener, how: str) -> None:
    simulators.set_clock(1)
    boot = simulators.order("start", device="mill-1")["boot"]
    simulators.say(json.dumps({"do": "run", "run": 1, "devices": ["mill-1"]}))
    listener.wait_for(lambda: len(listener.messages("mill-1", "data")) > 2)
    if how == "SIGTERM":
        simulators.process.send_signal(signal.SIGTERM)
    else:
        assert simulators.process.stdin is not None
        simulators.process.stdin.close()
    answer = simulators.hear()
    assert (answer["ok"], "cut off" in answer["error"]) == (False, True)
    assert simulators.process.wait(10) == 0
    listener.wait_for(lambda: listener.messages("mill-1", "death") == [Death(boot)])


def test_faults_happen_when_they_are_asked_for(simulators: Simulators, listener: Listener) -> None:
    simulators.set_clock(0)
    simulators.order("start", device="mill-1")
    simulators.order("fault", kind="dropout", device="mill-1", after_s=10, for_s=5)
    simulators.order("fault", kind="duplicates", device="mill-1", after_s=30, for_s=10)
    simulators.order("fault", kind="clock_skew", device="mill-1", after_s=50, for_s=10, offset_s=3600)
    simulators.order("fault", kind="stuck_sensor", device="mill-1", signal="spindle_power_kw", after_s=70, for_s=5)
    run = simulators.order("run", run=1, settings=FASTEST, devices=["mill-1"], as_fast_as_possible=True)
    sent = run["devices"]["mill-1"]
    listener.wait_for_last("mill-1", sent["last_seq"])
    numbers = listener.numbers("mill-1")
    missing = set(range(sent["first_seq"], sent["last_seq"] + 1)) - set(numbers)
    twice = {number for number, times in numbers.items() if times == 2}
    assert len(missing) == sent["dropped"] == 26  # 25 samples and a burst
    assert len(twice) == sent["duplicates"] == 51
    samples = {
        (parse_time(data.time) - run["started_ns"]) / 1e9: data.values["spindle_power_kw"]
        for data in listener.messages("mill-1", "data")
        if data.values
    }
    assert not [t for t in samples if 10 <= t < 15 or 50 <= t < 60]
    assert len([t for t in samples if 3650 <= t < 3660]) == 50
    assert len({value for t, value in samples.items() if 70 <= t < 75}) == 1
    assert simulators.order("fault", kind="clear")["faults"] == {"mill-1": []}
    clean = simulators.order("run", run=2, settings=FASTEST, devices=["mill-1"], as_fast_as_possible=True)
    assert (clean["devices"]["mill-1"]["dropped"], clean["devices"]["mill-1"]["duplicates"]) == (0, 0)


def test_idle_devices_show_values_until_they_work(simulators: Simulators, listener: Listener) -> None:
    simulators.set_clock(50)
    for device in BOTH:
        simulators.order("start", device=device)
    simulators.order("idle", on=True)
    listener.wait_for(lambda: len(listener.messages("meter-1", "data")) >= 2)
    assert listener.messages("mill-1", "data")[0].values["step"] == "idle"
    run = simulators.order("run", run=1, settings=FASTEST, devices=BOTH)
    simulators.order("idle", on=False)
    for device in BOTH:
        sent = run["devices"][device]
        listener.wait_for_last(device, sent["last_seq"])
        stamps: defaultdict[int, int] = defaultdict(int)
        for data in listener.messages(device, "data"):
            if data.values:
                stamps[parse_time(data.time)] += 1
                if sent["first_seq"] <= data.seq <= sent["last_seq"]:
                    assert data.values.get("step") != "idle"
        assert set(stamps.values()) == {1}
    readings = [data.values["energy_kwh"] for data in listener.messages("meter-1", "data")]
    assert readings == sorted(readings)


def test_the_broker_refuses_a_wrong_password(mosquitto_factory: Callable[..., Mosquitto]) -> None:
    broker = mosquitto_factory(
        ["allow_anonymous false", "password_file {folder}/passwords"],
        files={"passwords": f"mill-1:{hash_mqtt_password('correct horse')}\n"},
    )
    program = Simulators(broker)
    try:
        for wrong in ({}, {"password": "wrong horse"}, {"username": "meter-1", "password": "correct horse"}):
            answer = program.ask("start", device="mill-1", **wrong)
            assert answer["ok"] is False
            assert "refused the device" in answer["error"]
        assert program.order("start", device="mill-1", password="correct horse")["device"] == "mill-1"
        assert "started already" in program.ask("start", device="mill-1")["error"]
        program.order("stop", device="mill-1")
        assert program.order("start", device="mill-1", password="correct horse")["ok"]
    finally:
        program.end()


@pytest.mark.parametrize("line", ["not json", "[]", "1", '"stop"', "{" * 5000, "\x00", '{"do": {"a": 1}}', "é\udc80"])
def test_a_line_that_is_none_is_answered_and_the_next_one_done(simulators: Simulators, line: str) -> None:
    simulators.process.stdin.write(line.encode("utf-8", "surrogateescape") + b"\n\n")  # type: ignore[union-attr]
    answer = simulators.ask("start", device="mill-1")
    assert answer["ok"] is False
    assert "\n" not in answer["error"]
    assert simulators.hear()["ok"] is True


def write_recording(folder: Path, rows: int) -> Path:
    columns: dict[str, list[Any]] = {
        column: ["Prep"] * rows if signal == "machining_process" else [float(row) for row in range(rows)]
        for signal, column in CHANNELS.items()
    }
    columns |= {"experiment": [4] * rows, "t_s": [row / 10 for row in range(rows)]}
    pq.write_table(pa.table(columns), folder / SAMPLES_FILE)
    (folder / RUNS_FILE).write_text(
        "No,material,feedrate,clamp_pressure,tool_condition,machining_finalized,passed_visual_inspection\n"
        "4,wax,6,2.5,unworn,no,\n"
    )
    return folder


def test_a_recording_is_replayed_with_its_own_spacing_in_time(
    simulators: Simulators, listener: Listener, tmp_path: Path
) -> None:
    folder = str(write_recording(tmp_path, rows=120))
    simulators.order("start", device="mill-umich")
    run = simulators.order("replay", recording=folder, experiment=4, device="mill-umich", start_ns=LAB_NS, run=9)
    sent = run["devices"]["mill-umich"]
    assert (run["run"], run["started_ns"], run["ended_ns"]) == (9, LAB_NS, LAB_NS + 11_901_000_000)
    assert (run["result"]["finished"], run["result"]["passed"], run["result"]["feed_mm_s"]) == (False, None, 6.0)
    assert (sent["first_seq"], sent["last_seq"], sent["messages"]) == (1, 5, 5)  # two events, 50 + 50 + 20 rows
    listener.wait_for_last("mill-umich", 5)
    data = listener.messages("mill-umich", "data")
    assert all(one.buffered for one in data)
    assert all(set(one.samples) == set(CHANNELS) for one in data)
    power = [pair for one in data for pair in one.samples["spindle_power_kw"]]
    assert power == [(LAB_NS + row * 100_000_000, float(row)) for row in range(120)]
    started, ended = listener.messages("mill-umich", "event")
    assert (started.event, parse_time(started.time), started.buffered) == ("run_started", LAB_NS, True)
    assert "passed" not in started.fields
    assert (ended.event, ended.fields["result"]) == ("part_abandoned", "unfinished")
    answer = simulators.ask("replay", recording=folder, experiment=5, device="mill-umich", start_ns=LAB_NS)
    assert answer == {"ok": False, "error": "the recording has no experiment 5; it has [4]"}
