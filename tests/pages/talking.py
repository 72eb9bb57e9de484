"""Machines of the stage that talk: a mill and its meter over MQTT, so that live pages move."""

import itertools
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from devices.messages.native import Data, encode
from devices.messages.topics import topic
from lab.core.clock import Clock
from lab.core.mqtt import BrokerAddress, connect, new_client

SIGNALS = {
    "mill-1": ("spindle_power_kw", "feed_mm_s", "spindle_speed_rpm", "tool_wear_um"),
    "meter-1": ("active_power_kw", "voltage_l1_v"),
}


@contextmanager
def talking_machines(broker: BrokerAddress, clock: Clock, *, every_s: float = 0.2) -> Iterator[None]:
    """Say something new at this interval, until the end.

    Args:
        broker: of the stage.
        clock: the lab's.
        every_s: seconds between messages.
    """
    client = new_client(broker, "machines")
    connect(client, broker)
    client.loop_start()
    stopped = threading.Event()

    def talk() -> None:
        for number in itertools.count(1):
            if stopped.wait(every_s):
                return
            for device, signals in SIGNALS.items():
                values = {name: 2 + place + math.sin(number / 8 + place) for place, name in enumerate(signals)}
                message = Data(boot="9c01", seq=number, time=clock.now_ns(), values=dict(values))
                client.publish(topic("gliwice", device, "data"), encode(message), qos=1)

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        client.disconnect()
        client.loop_stop()
