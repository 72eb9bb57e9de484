"""A machine as a process of its own: `python -m tests.system.faults.publisher PORT JOURNAL …`; SIGTERM ends it.

Every message has a number of its own, and the number is its value. When it ends it has waited for the broker's
confirmations, and writes its journal: device time of every message, and whether it was confirmed.
"""

import argparse
import json
import random
import signal
import threading
import time
from pathlib import Path

from lab.core.clock import SystemClock
from lab.core.mqtt import BrokerAddress, connect, new_client
from lab.core.stopping import StopAsked

PATIENCE_SECONDS = 60
SIGNAL = "spindle_power_kw"


class Machine:
    """One device at the broker.

    Args:
        port: of the broker.
        device: its name.
        window: messages that may be unconfirmed before it waits.
    """

    def __init__(self, port: int, device: str, *, window: int) -> None:
        self.device = device
        self.times: list[int] = []
        self.confirmed = bytearray()
        self._numbers: dict[int, int] = {}
        self._answered: set[int] = set()
        self._room = threading.Semaphore(window)
        self._client = new_client(BrokerAddress("127.0.0.1", port, version=4), f"machine-{device}")
        self._client.max_inflight_messages_set(window)
        self._client.max_queued_messages_set(0)
        self._client.reconnect_delay_set(min_delay=1, max_delay=1)
        self._client.on_publish = lambda *said: self._on_publish(said[2])
        connect(self._client, BrokerAddress("127.0.0.1", port, version=4))
        self._client.loop_start()

    def _on_publish(self, message_id: int) -> None:
        self._answered.add(message_id)
        self._settle(message_id)

    def _settle(self, message_id: int) -> None:
        """The answer may come before `publish` has returned; paho holds a lock while it tells, so here is none."""
        if message_id not in self._answered:
            return
        number = self._numbers.pop(message_id, None)
        if number is not None:
            self._answered.discard(message_id)
            self.confirmed[number] = 1
            self._room.release()

    def say(self, boot: str) -> None:
        """Publish the next number; waits while too many are unconfirmed."""
        self.times.append(SystemClock().now_ns())
        self.confirmed.append(0)
        self._publish(boot, len(self.times) - 1)

    def repeat(self, boot: str, count: int) -> None:
        """Publish the last so many numbers once more, as they were."""
        for number in range(len(self.times) - count, len(self.times)):
            self._publish(boot, number)

    def _publish(self, boot: str, number: int) -> None:
        self._room.acquire(timeout=PATIENCE_SECONDS)
        payload = b'{"boot":"%s","seq":%d,"time":%d,"values":{"%s":%d}}' % (
            boot.encode(),
            number,
            self.times[number],
            SIGNAL.encode(),
            number,
        )
        message = self._client.publish(f"pilotlab/gliwice/{self.device}/data", payload, qos=1)
        self._numbers[message.mid] = number
        self._settle(message.mid)

    def shout(self, payload: bytes) -> None:
        """Publish something without waiting for anything."""
        self._client.publish(f"pilotlab/gliwice/{self.device}/data", payload, qos=0)

    def leave(self) -> None:
        """Wait for confirmations, then go."""
        end = time.monotonic() + PATIENCE_SECONDS
        while self._numbers and time.monotonic() < end:
            time.sleep(0.01)
        self._client.disconnect()
        self._client.loop_stop()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("journal", type=Path)
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--device", default="mill-1")
    parser.add_argument("--boot", default="boot-1")
    parser.add_argument("--window", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--malformed", type=int, help="seed; sends nonsense instead, unconfirmed")
    parser.add_argument("--repeat", type=int, help="says everything twice, the second time so many at once")
    given = parser.parse_args()
    ending = StopAsked()
    signal.signal(signal.SIGTERM, ending.ask)
    machine = Machine(given.port, given.device, window=given.window)
    print("ready", flush=True)
    dice = random.Random(given.malformed)
    started, sent = time.monotonic(), 0
    while not ending.asked and time.monotonic() - started < given.seconds:
        due = int((time.monotonic() - started) * given.rate) - sent
        for _ in range(min(due, 200)):
            if given.malformed is None:
                machine.say(given.boot)
                if given.repeat and len(machine.times) % given.repeat == 0:
                    machine.repeat(given.boot, given.repeat)
            else:
                machine.shout(dice.choice([b"{", b"\xff\xfe", b'{"boot":1}', b"[]", dice.randbytes(40)]))
            sent += 1
        if due <= 0:
            ending.wait(0.001)
    if given.repeat:
        machine.repeat(given.boot, len(machine.times) % given.repeat)
    took = time.monotonic() - started
    machine.leave()
    journal = {"times": machine.times, "confirmed": list(machine.confirmed), "sent": sent, "seconds": took}
    given.journal.write_text(json.dumps(journal))


if __name__ == "__main__":
    main()
