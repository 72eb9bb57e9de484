"""A machine that sends each of its signals so often, evenly spread.

`python -m benchmarks.live_machine PORT SIGNALS HZ` goes on until it is terminated.
"""

import signal
import sys
import time

from devices.messages.native import Data, encode
from devices.messages.topics import topic
from lab.core.clock import SystemClock
from lab.core.mqtt import BrokerAddress, connect, new_client
from lab.core.stopping import StopAsked

LAB, DEVICE = "gliwice", "mill-1"


def main() -> None:
    port, signals, hz = (int(argument) for argument in sys.argv[1:4])
    ending = StopAsked()
    signal.signal(signal.SIGTERM, ending.ask)
    address = BrokerAddress("127.0.0.1", port)
    client, clock = new_client(address, "live-machine"), SystemClock()
    connect(client, address)
    client.loop_start()
    boot, number, started = f"boot-{clock.now_ns()}", 0, time.monotonic()
    while not ending.asked:
        due = started + number / (signals * hz)
        if (early := due - time.monotonic()) > 0:
            ending.wait(early)
        values = {f"signal_{number % signals}": 1.5 + number % 997 / 1000}
        message = Data(boot=boot, seq=number, time=clock.now_ns(), values=values)
        client.publish(topic(LAB, DEVICE, "data"), encode(message), qos=1)
        number += 1
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main()
