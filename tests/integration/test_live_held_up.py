"""A viewer whose network takes nothing for a while: what it is shown when it wakes, and that it may still see."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from paho.mqtt.client import Client

from devices.messages.native import Data, encode
from devices.messages.topics import topic
from lab.core.clock import SystemClock
from lab.core.mqtt import connect, new_client
from telemetry.grants import BEGINNING_NS, END_NS, Grant, GrantedSpan
from telemetry.live import viewing
from telemetry.live.hub import LiveHub
from telemetry.live.rings import DeviceFacts
from telemetry.live.viewing import Viewing
from tests.integration.recording import LAB
from tests.services import Mosquitto

GRANT = Grant((GrantedSpan("mill-1", BEGINNING_NS, END_NS),))
SIGNAL = "spindle_power_kw"
BLIND_SECONDS = 1.0


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewing, "LOOK_AGAIN_SECONDS", 0.3)
    monkeypatch.setattr(viewing, "BLIND_SECONDS", BLIND_SECONDS)
    monkeypatch.setattr(viewing, "PAUSE_SECONDS", 0.5)


class Watched:
    """A live stream that is read piece by piece, and a machine that speaks meanwhile."""

    def __init__(self, broker: Mosquitto) -> None:
        self.allowed: Grant | None = GRANT
        self.hub = LiveHub(broker.address(), LAB, clock=SystemClock())
        self.machine: Client = new_client(broker.address(), "machine")
        self.spoken = 0
        connect(self.machine, broker.address())
        self.machine.loop_start()

    def open(self) -> AsyncGenerator[bytes]:
        facts = DeviceFacts(signals=frozenset({SIGNAL}))
        return self.hub.stream(Viewing("mill-1", GRANT, lambda: self.allowed, lambda _boots: facts))

    def speak(self) -> None:
        self.spoken += 1
        said = Data(boot="a", seq=self.spoken, time=SystemClock().now_ns(), values={SIGNAL: float(self.spoken)})
        self.machine.publish(topic(LAB, "mill-1", "data"), encode(said), qos=1)

    async def next_of(self, stream: AsyncGenerator[bytes], kind: str) -> dict[str, object]:
        """The next event that is a value or the end, and must be of this kind; the machine speaks until it comes."""
        while True:
            self.speak()
            name, _, said = (await asyncio.wait_for(anext(stream), 10)).decode().partition("\ndata: ")
            if name in {"event: values", "event: end"}:
                assert name == f"event: {kind}", said
                found: dict[str, object] = json.loads(said)
                return found

    async def be_held_up(self) -> None:
        """Nothing is taken, for longer than a viewer may be blind."""
        for _ in range(20):
            self.speak()
            await asyncio.sleep(2 * BLIND_SECONDS / 20)

    def close(self) -> None:
        self.hub.stop()
        self.machine.disconnect()
        self.machine.loop_stop()


def test_who_was_held_up_for_long_goes_on_with_the_present(own_mosquitto: Mosquitto) -> None:
    watched = Watched(own_mosquitto)

    async def look() -> None:
        async with aclosing(watched.open()) as stream:
            await watched.next_of(stream, "values")
            await watched.next_of(stream, "values")
            await watched.be_held_up()
            for _ in range(3):
                await watched.next_of(stream, "values")

    asyncio.run(look())
    watched.close()


def test_who_may_see_no_more_is_shown_nothing_of_the_time_in_which_it_was_held_up(own_mosquitto: Mosquitto) -> None:
    watched = Watched(own_mosquitto)

    async def look() -> None:
        async with aclosing(watched.open()) as stream:
            await watched.next_of(stream, "values")
            await watched.next_of(stream, "values")
            watched.allowed = None
            await watched.be_held_up()
            assert await watched.next_of(stream, "end") == {"reason": "access"}

    asyncio.run(look())
    watched.close()
