"""A publisher that costs next to nothing, so that whoever listens is what is measured.

Every packet is prepared before the first one is sent; QoS 1, with a window, over a plain socket.
`python -m benchmarks.publisher PORT COUNT WINDOW` prints the monotonic times of the first packet and of the last
acknowledgement.
"""

import socket
import struct
import sys
import time

from devices.messages.times import format_time
from lab.core.clock import SystemClock

LAB, DEVICE, BOOT, SIGNAL = "bench", "mill-1", "7f3a", "spindle_power_kw"
TOPIC = f"pilotlab/{LAB}/{DEVICE}/data".encode()


def packets(count: int) -> list[bytes]:
    """PUBLISH packets, one value a message, times a microsecond apart and in the past."""
    start_ns = SystemClock().now_ns() - 2 * count * 1000
    return [
        _packet(
            number % 60_000 + 1,
            f'{{"boot":"{BOOT}","seq":{number},"time":"{format_time(start_ns + number * 1000)}",'
            f'"values":{{"{SIGNAL}":{1.5 + number % 1000 / 1000}}}}}'.encode(),
        )
        for number in range(count)
    ]


def _packet(message_id: int, payload: bytes) -> bytes:
    body = struct.pack("!H", len(TOPIC)) + TOPIC + struct.pack("!H", message_id) + payload
    length, rest = b"", len(body)
    while rest or not length:
        rest, digit = rest >> 7, rest & 127
        length += bytes([digit | 128 if rest else digit])
    return b"\x32" + length + body


def main() -> None:
    port, count, window = (int(argument) for argument in sys.argv[1:4])
    ready = packets(count)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        name = b"bench-publisher"
        connect = b"\x00\x04MQTT\x04\x02\x00\x3c" + struct.pack("!H", len(name)) + name
        connection.sendall(b"\x10" + bytes([len(connect)]) + connect)
        connection.recv(4)
        started = time.monotonic()
        sent = received = 0
        while received < 4 * count:
            free = min(count - sent, window - (sent - received // 4))
            if free > 0:
                connection.sendall(b"".join(ready[sent : sent + free]))
                sent += free
            received += len(connection.recv(65_536))
        print(started, time.monotonic(), flush=True)


if __name__ == "__main__":
    main()
