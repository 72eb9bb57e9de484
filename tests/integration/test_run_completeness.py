"""At the end of a run the devices are asked how much they sent; a run of which nobody knows says so."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from devices.commanding import Sender
from devices.messages.native import Birth
from devices.messages.topics import topic
from devices.service import record_birth
from lab.core.clock import SystemClock
from lab.core.database import Database
from lab.core.errors import ForbiddenError
from lab.core.mqtt import BrokerAddress, connect, new_client
from lab.people.principals import Role
from lab.pilots import service
from lab.pilots.closing import claims_at_end, claims_at_start, unproven_devices
from lab.reports.gathering import _messages
from telemetry.models import Boot
from telemetry.sequences import note_received
from tests.factories import principal
from tests.integration.test_pilots import NOW, World
from tests.services import Mosquitto

LAB = "gliwice"


@pytest.fixture
def world(database: Database) -> World:
    world = World(database)
    world.lock()
    hear(world, "mill-1", "b1", range(10))
    hear(world, "meter-1", "m1", range(5))
    numbers = world.database.transact(lambda session: claims_at_start(session, world.pilot_id))
    world.do(service.start_run, world.engineer, world.pilot_id, 1, world.book(), numbers=numbers)
    return world


def hear(world: World, device: str, boot: str, numbers: range) -> None:
    with world.database.write() as session:
        record_birth(session, device, Birth(boot=boot, time=1), now=NOW)
        note_received(session, device, boot, numbers)
        if session.get(Boot, (device, boot)) is None:
            known = {"first_received_at": NOW, "last_received_at": NOW, "last_seq": 0, "last_device_ns": 0}
            session.add(Boot(device_id=device, boot=boot, **known))


def stop(world: World, said: dict[str, Any], sender: Sender | None = None) -> Any:
    claims = claims_at_end(world.database, sender, world.engineer, world.pilot_id, 1, said)
    later = NOW + timedelta(minutes=10)
    return world.do(
        service.stop_run, world.engineer, world.pilot_id, 1, result={"finished": True}, completeness=claims, now=later
    )


@pytest.fixture
def answering(mosquitto: Mosquitto) -> Iterator[BrokerAddress]:
    """A mill that answers which message it sent last; the meter does not answer."""
    address, subscribed = mosquitto.address(), threading.Event()
    client = new_client(address, "mill")

    def answer(_: Any, __: Any, message: Any) -> None:
        asked = json.loads(message.payload)
        detail = json.dumps({"boot": "b1", "seq": 19})
        reply = {"id": asked["id"], "result": "done", "detail": detail}
        client.publish(topic(LAB, "mill-1", "reply"), json.dumps(reply), qos=1)

    client.on_message = answer
    client.on_subscribe = lambda *_: subscribed.set()
    connect(client, address)
    client.loop_start()
    client.subscribe(topic(LAB, "mill-1", "command"), qos=1)
    assert subscribed.wait(5)
    yield address
    client.disconnect()
    client.loop_stop()


def test_a_device_is_asked_for_its_last_message_and_the_highest_received_stands_in(
    world: World, answering: BrokerAddress
) -> None:
    hear(world, "mill-1", "b1", range(10, 18))
    hear(world, "meter-1", "m1", range(5, 9))
    run = stop(world, {}, Sender(answering, LAB, SystemClock()))

    assert run.completeness == {
        "mill-1": {"boot": "b1", "first_seq": 10, "last_seq": 19, "asked": "device"},
        "meter-1": {"boot": "m1", "first_seq": 5, "last_seq": 8, "asked": "received"},
    }
    assert unproven_devices(run) == ["meter-1"]
    with world.database.read() as session:
        mill = _messages(session, run, "mill-1")
    assert (mill.expected, mill.received, list(mill.missing)) == (10, 8, [(18, 19)])


def test_a_device_that_started_anew_leaves_it_unknown(world: World) -> None:
    hear(world, "mill-1", "b2", range(4))
    run = stop(world, {})

    assert run.completeness["mill-1"] == {"asked": "unknown"}
    assert unproven_devices(run) == ["meter-1", "mill-1"]
    with world.database.read() as session:
        assert _messages(session, run, "mill-1").expected is None


def test_what_the_engineer_says_is_taken(world: World) -> None:
    said = {device: {"boot": "x", "first_seq": 0, "last_seq": 1} for device in ("mill-1", "meter-1")}
    run = stop(world, said)
    assert (run.completeness, unproven_devices(run)) == (said, [])


def test_only_the_staff_ends_runs(world: World) -> None:
    with pytest.raises(ForbiddenError):
        claims_at_end(world.database, None, principal(Role.MEMBER, world.company_id), world.pilot_id, 1, {})
