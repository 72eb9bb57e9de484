"""Machines that shout: `python -m tests.system.faults.burst PORT JOURNAL …`, over a plain socket, at any rate.

A client library takes longer over a message than the recorder does, so one process could not reach ten times the rated
load. This one builds its packets by hand, QoS 1 with a window, and writes a journal like `publisher`. It connects once.
"""

import argparse
import json
import random
import socket
import struct
import time
from pathlib import Path

from lab.core.clock import SystemClock
from tests.system.faults.publisher import SIGNAL

PATIENCE_SECONDS = 120
_NONSENSE = (b"{", b"\xff\xfe", b'{"boot":1}', b"[]")


class Shouter:
    """One device.

    Args:
        port: of the broker.
        device: its name.
        boot: of its messages.
        window: messages that may be unconfirmed before it waits.
        nonsense: draws what it says instead of values; `None`: it says values.
    """

    def __init__(self, port: int, device: str, boot: str, *, window: int, nonsense: random.Random | None) -> None:
        self.times: list[int] = []
        self.answered = 0
        self._window, self._boot, self._nonsense = window, boot.encode(), nonsense
        topic = f"pilotlab/gliwice/{device}/data".encode()
        self._head = struct.pack("!H", len(topic)) + topic
        self._socket = socket.create_connection(("127.0.0.1", port))
        name = f"shouter-{device}".encode()
        said = b"\x00\x04MQTT\x04\x02\x00\x3c" + struct.pack("!H", len(name)) + name
        self._socket.sendall(b"\x10" + bytes([len(said)]) + said)
        assert self._socket.recv(4) == b"\x20\x02\x00\x00", "the broker refuses the machine"
        self._left = b""

    def say(self, count: int) -> int:
        """Publish so many more at once, or as many as the window allows; returns how many."""
        count = min(count, self._window - (len(self.times) - self.answered))
        if count > 0:
            self._socket.sendall(b"".join(self._next() for _ in range(count)))
        return max(0, count)

    def hear(self, timeout: float) -> None:
        """Take the broker's confirmations; they come in the order of the messages."""
        self._socket.settimeout(timeout)
        try:
            found = self._socket.recv(65_536)
        except TimeoutError:
            return
        assert found, "the broker has ended the connection"
        heard = self._left + found
        whole = len(heard) - len(heard) % 4
        for place in range(0, whole, 4):
            wanted = b"\x40\x02" + struct.pack("!H", self.answered % 60_000 + 1)
            assert heard[place : place + 4] == wanted, "a confirmation out of order"
            self.answered += 1
        self._left = heard[whole:]

    def leave(self) -> None:
        """Wait for confirmations, then go."""
        end = time.monotonic() + PATIENCE_SECONDS
        while self.answered < len(self.times) and time.monotonic() < end:
            self.hear(0.1)
        self._socket.sendall(b"\xe0\x00")
        self._socket.close()

    def _next(self) -> bytes:
        number, now_ns = len(self.times), SystemClock().now_ns()
        self.times.append(now_ns)
        if self._nonsense is None:
            values = b'{"boot":"%s","seq":%d,"time":%d,"values":{"%s":%d}}'
            payload = values % (self._boot, number, now_ns, SIGNAL.encode(), number)
        else:
            payload = self._nonsense.choice((*_NONSENSE, self._nonsense.randbytes(40)))
        body = self._head + struct.pack("!H", number % 60_000 + 1) + payload
        return b"\x32" + _length(len(body)) + body


def _length(size: int) -> bytes:
    return bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("journal", type=Path)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--device", default="mill-1")
    parser.add_argument("--boot", default="boot-1")
    parser.add_argument("--window", type=int, default=2_000)
    parser.add_argument("--malformed", type=int, help="seed; says nonsense instead")
    given = parser.parse_args()
    nonsense = None if given.malformed is None else random.Random(given.malformed)
    machine = Shouter(given.port, given.device, given.boot, window=given.window, nonsense=nonsense)
    print("ready", flush=True)
    started, whole = time.monotonic(), int(given.rate * given.seconds)
    while (sent := len(machine.times)) < whole:
        due = min(whole, int((time.monotonic() - started) * given.rate)) - sent
        machine.say(due)
        machine.hear(0.002 if len(machine.times) > machine.answered else 0.0005)
    took = time.monotonic() - started
    machine.leave()
    confirmed = [int(number < machine.answered) for number in range(whole)]
    journal = {"times": machine.times, "confirmed": confirmed, "sent": whole, "seconds": took}
    given.journal.write_text(json.dumps(journal))


if __name__ == "__main__":
    main()
