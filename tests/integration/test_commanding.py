"""A machine is asked to stop, and what it answers is checked."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from devices import commanding
from devices.commanding import LastSeq, Sender, command_device, reported_seq, send_command, stop_device
from devices.errors import CommandNotSentError, DeviceUnknownError
from devices.messages.native import Command, Reply
from devices.messages.times import format_time
from devices.messages.topics import topic
from lab.app import create_app
from lab.core.clock import SystemClock
from lab.core.database import Database
from lab.core.errors import ForbiddenError
from lab.core.mqtt import BrokerAddress, connect, new_client
from lab.core.settings import Settings
from lab.people.principals import SYSTEM
from simulators.connection import Broker
from simulators.protocol import Operator
from tests.factories import make_device
from tests.services import Mosquitto
from tests.services.programs import wait_until
from tests.web_client import Town

LAB = "gliwice"


@pytest.fixture
def mill(mosquitto: Mosquitto) -> Iterator[Operator]:
    """A simulated mill at the broker."""
    operator = Operator(Broker(mosquitto.host, mosquitto.port), lab=LAB, seed=1, ended=threading.Event())
    assert operator.do({"do": "start", "device": "mill-1"})["ok"]
    yield operator
    operator.leave()


@pytest.fixture
def sender(mosquitto: Mosquitto) -> Sender:
    return Sender(BrokerAddress(mosquitto.host, mosquitto.port), LAB, SystemClock())


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commanding, "REPLY_SECONDS", 1.0)


def expiring(seconds: float) -> str:
    return format_time(SystemClock().now_ns() + round(seconds * 1e9))


def test_the_mill_tells_which_message_it_sent_last(mill: Operator, sender: Sender) -> None:
    run = {"do": "run", "run": 1, "devices": ["mill-1"], "settings": {"feed_mm_s": 9}, "as_fast_as_possible": True}
    sent = mill.do(run)["devices"]["mill-1"]
    reply = send_command(sender.address, LAB, "mill-1", Command("c1", "report_seq", expires=expiring(10)))
    assert reported_seq(reply) == LastSeq(sent["boot"], sent["last_seq"])


def test_a_run_is_stopped_and_the_part_is_not_finished(
    mill: Operator, sender: Sender, database: Database, mosquitto: Mosquitto
) -> None:
    with database.write() as session:
        make_device(session, "mill-1")
    heard: list[tuple[str, dict[str, Any]]] = []
    listener = new_client(sender.address, "listener")
    listener.on_message = lambda _, __, message: heard.append(
        (message.topic.rsplit("/", 1)[1], json.loads(message.payload))
    )
    connect(listener, sender.address)
    listener.subscribe(topic(LAB, "mill-1", "#"), 1)
    listener.loop_start()
    answers: list[dict[str, Any]] = []
    run = {"do": "run", "run": 1, "devices": ["mill-1"], "settings": {"feed_mm_s": 9}}
    thread = threading.Thread(target=lambda: answers.append(mill.do(run)))
    thread.start()
    wait_until(lambda: any(kind == "data" for kind, _ in heard), what="the mill works")
    command = stop_device(database, sender, SYSTEM, "mill-1", reason="smell of burning")
    assert (command.result, command.detail) == ("done", "stopped")
    assert command.answered_at is not None
    thread.join(5)
    assert answers[0]["result"] == {"finished": False}
    wait_until(lambda: any(body.get("item_state") == "NotExecuting" for _, body in heard), what="it rests")
    listener.disconnect()
    listener.loop_stop()
    assert [body["event"] for kind, body in heard if kind == "event"] == ["run_started", "part_abandoned"]


def test_an_expired_command_stops_nothing(mill: Operator, sender: Sender) -> None:
    late = send_command(sender.address, LAB, "mill-1", Command("c2", "stop", "too late", expiring(-1)))
    assert late == Reply("c2", "refused", "the command has expired")


def test_a_command_that_comes_twice_is_obeyed_once(mill: Operator, sender: Sender) -> None:
    command = Command("c3", "report_seq", expires=expiring(10))
    first = send_command(sender.address, LAB, "mill-1", command)
    mill.do({"do": "run", "run": 1, "devices": ["mill-1"], "settings": {"feed_mm_s": 9}, "as_fast_as_possible": True})
    assert send_command(sender.address, LAB, "mill-1", command) == first


def test_a_machine_that_does_not_answer_is_noted_and_asked_once_only(sender: Sender, each_database: Database) -> None:
    with each_database.write() as session:
        make_device(session, "mill-1")
    started = time.monotonic()
    command = stop_device(each_database, sender, SYSTEM, "mill-1", reason="test", command_id="cmd_1")
    assert command.result == "no-answer"
    assert time.monotonic() - started < 6
    again = stop_device(each_database, sender, SYSTEM, "mill-1", reason="test", command_id="cmd_1")
    assert (again.id, again.result, again.asked_at) == (command.id, "no-answer", command.asked_at)


def test_a_command_of_a_run_that_is_over_is_not_sent(mill: Operator, sender: Sender, database: Database) -> None:
    with database.write() as session:
        make_device(session, "mill-1")
    until = sender.clock.now() - timedelta(seconds=1)
    command = stop_device(database, sender, SYSTEM, "mill-1", reason="test", until=until)
    assert (command.result, command.detail) == ("no-answer", "it expired before it could be sent")


def test_without_a_broker_the_fact_is_said(database: Database) -> None:
    with pytest.raises(CommandNotSentError, match="does not answer"):
        send_command(BrokerAddress("127.0.0.1", 1), LAB, "mill-1", Command("c4", "stop"))


def test_only_the_staff_asks_machines_anything(
    mill: Operator, sender: Sender, database: Database, tmp_path: Path
) -> None:
    town = Town(database, sender.clock)
    with database.write() as session:
        make_device(session, "mill-1")
    settings = Settings(data_dir=tmp_path)
    app = create_app(
        settings=settings, database=database, clock=sender.clock, store=None, live=None, broker=sender.address
    )
    wanted = {"command": "report_seq", "reason": "test"}
    for who in ("founder", "reader"):
        with pytest.raises(ForbiddenError):
            command_device(database, sender, town.principal(who), "mill-1", "report_seq", reason="test")
        assert town.program(app, who).post("/api/v1/devices/mill-1/commands", json=wanted).status_code == 403
        assert town.program(app, who).get("/api/v1/devices/mill-1/commands").status_code == 403
    engineer = town.program(app, "engineer")
    answer = engineer.post("/api/v1/devices/mill-1/commands", json=wanted)
    assert (answer.status_code, answer.json()["result"]) == (200, "done")
    assert engineer.get("/api/v1/devices/mill-1/commands").json()["commands"] == [answer.json()]
    assert engineer.post("/api/v1/devices/mill-9/commands", json=wanted).status_code == 404
    for wrong in ({"command": "explode", "reason": "x"}, {"command": "stop"}, {"command": "stop", "reason": " "}):
        assert engineer.post("/api/v1/devices/mill-1/commands", json=wrong).status_code == 422
    with pytest.raises(DeviceUnknownError):
        command_device(database, sender, SYSTEM, "mill-9", "stop", reason="test")
    away = create_app(settings=settings, database=database, clock=sender.clock, store=None, live=None)
    assert town.program(away, "engineer").post("/api/v1/devices/mill-1/commands", json=wanted).status_code == 409


@pytest.mark.parametrize(
    "detail", ["", "7", "null", "[]", '{"boot": "a"}', '{"boot": "a", "seq": true}', '{"boot": "", "seq": 1}', "{" * 9]
)
def test_a_last_number_that_cannot_be_read_is_none(detail: str) -> None:
    assert reported_seq(Reply("c", "done", detail)) is None
    assert reported_seq(None) is None
    assert reported_seq(Reply("c", "refused", '{"boot": "a", "seq": 1}')) is None
