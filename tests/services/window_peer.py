"""A minimal MQTT broker that keeps exactly n messages unacknowledged per subscriber, and at most so many waiting.

Debian's Mosquitto 2.0.11 does not hold its own `max_inflight_messages` back, so what a recorder does at a small window
cannot be seen with it. This peer speaks MQTT 3.1.1 and 5 as far as the product needs: QoS 0 and 1, sessions, retained
messages, filters with `+` and `#`; no wills, no QoS 2, no expiry, no sign-in.

    python -m tests.services.window_peer --window 20 --queue 1000        prints its port, ends at the end of its input
"""

import argparse
import asyncio
import itertools
import sys
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from functools import lru_cache

PUBLISH, PUBACK, DISCONNECT = 3, 4, 14
_MALFORMED = (IndexError, ValueError, UnicodeDecodeError)


@dataclass(slots=True)
class _Session:
    """What is kept for a client id between its connections."""

    filters: dict[str, int] = field(default_factory=dict)
    flying: OrderedDict[int, tuple[bytes, bytes]] = field(default_factory=OrderedDict)
    """Packet id → topic and payload that are sent and not acknowledged."""
    waiting: deque[tuple[bytes, bytes]] = field(default_factory=deque)
    ids: "itertools.cycle[int]" = field(default_factory=lambda: itertools.cycle(range(1, 65_536)))
    connection: "_Connection | None" = None
    keeps: bool = False
    window: int = 20


@dataclass(slots=True)
class WindowCounts:
    """What has happened since the start."""

    received: int = 0
    delivered: int = 0
    """Sent to subscribers, repetitions included."""
    acknowledged: int = 0
    unmeant: int = 0
    """Acknowledgements of numbers that are not in flight."""
    dropped: int = 0
    """For a subscriber whose queue was full."""
    most_unacknowledged: int = 0


class WindowPeer:
    """The broker, in a thread of its own.

    Args:
        window: messages of QoS 1 that a subscriber may have unacknowledged; less if it asks for less.
        queue: messages that wait for a subscriber beyond these; more are dropped. `None`: any number.
        forgets: whether sessions are thrown away when their connection ends.
        receive_maximum: what it tells clients of MQTT 5 that they may have unacknowledged; `None`: nothing.
        largest_packet: what it tells clients of MQTT 5; `None`: nothing.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        window: int = 20,
        *,
        queue: int | None = 1000,
        forgets: bool = False,
        receive_maximum: int | None = None,
        largest_packet: int | None = None,
    ) -> None:
        self.window, self.queue, self.forgets = window, queue, forgets
        self.receive_maximum, self.largest_packet = receive_maximum, largest_packet
        self.counts = WindowCounts()
        self.ledger: list[tuple[bytes, bytes]] = []
        """Topic and payload of what subscribers have acknowledged, in order."""
        self.port = 0
        self.sessions: dict[str, _Session] = {}
        self.retained: dict[str, tuple[bytes, bytes]] = {}
        self.connections: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="window-peer", daemon=True)

    def start(self) -> "WindowPeer":
        """Listen on a free port."""
        self._thread.start()
        assert self._ready.wait(10), "the peer does not start"
        return self

    def stop(self) -> None:
        """Close everything; sessions are gone."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def forget_sessions(self) -> None:
        """Lose every session, as a broker without persistence does at its restart: all connections are cut."""

        def forget() -> None:
            for connection in list(self.connections):
                connection.close()
            self.sessions.clear()

        self._loop.call_soon_threadsafe(forget)

    def __enter__(self) -> "WindowPeer":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _serve(self) -> None:
        server = self._loop.run_until_complete(self._loop.create_server(lambda: _Connection(self), self.host, 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for connection in list(self.connections):
            connection.close()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def publish(self, topic: bytes, payload: bytes) -> None:
        """Give a message to everybody who has subscribed to its topic."""
        name = topic.decode()
        for session in self.sessions.values():
            qos = max((qos for wanted, qos in session.filters.items() if matches(wanted, name)), default=-1)
            if qos == 0:
                if session.connection is not None:
                    session.connection.send(topic, payload, 0)
            elif qos > 0:
                if self.queue is not None and len(session.waiting) >= self.queue:
                    self.counts.dropped += 1
                    continue
                session.waiting.append((topic, payload))
                self.flow(session)

    def flow(self, session: _Session) -> None:
        """Send what the window allows."""
        connection = session.connection
        if connection is None:
            return
        while session.waiting and len(session.flying) < session.window:
            number = next(session.ids)
            session.flying[number] = message = session.waiting.popleft()
            connection.send(*message, number)
        self.counts.most_unacknowledged = max(self.counts.most_unacknowledged, len(session.flying))


class _Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, peer: WindowPeer) -> None:
        self._peer = peer
        self._buffer = bytearray()
        self._session: _Session | None = None
        self._id = ""
        self._version = 4
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._peer.connections.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._peer.connections.discard(self)
        session = self._session
        if session is None or session.connection is not self:
            return
        session.connection = None
        if (not session.keeps or self._peer.forgets) and self._peer.sessions.get(self._id) is session:
            del self._peer.sessions[self._id]

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            self._read()
        except _MALFORMED:
            self.close()

    def send(self, topic: bytes, payload: bytes, number: int, *, again: bool = False, retained: bool = False) -> None:
        body = len(topic).to_bytes(2, "big") + topic + (number.to_bytes(2, "big") if number else b"")
        body += b"\0" if self._version == 5 else b""
        self._write(0x30 | (0x02 if number else 0) | (0x08 if again else 0) | (0x01 if retained else 0), body + payload)
        self._peer.counts.delivered += 1

    def _write(self, head: int, body: bytes) -> None:
        if self._transport is not None:
            self._transport.write(bytes([head]) + _length(len(body)) + body)

    def _read(self) -> None:
        buffer, start = self._buffer, 0
        while len(buffer) - start >= 2:
            size, place = 0, start + 1
            for shift in (0, 7, 14, 21):
                if place >= len(buffer):
                    break
                size |= (buffer[place] & 0x7F) << shift
                place += 1
                if not buffer[place - 1] & 0x80:
                    break
            else:
                raise ValueError("a length of more than four bytes")
            if buffer[place - 1] & 0x80 or len(buffer) - place < size:
                break
            self._take(buffer[start], bytes(buffer[place : place + size]))
            start = place + size
        del buffer[:start]

    def _take(self, head: int, body: bytes) -> None:
        kind = head >> 4
        if kind == PUBLISH:
            self._take_publish(head, body)
        elif kind == PUBACK and self._session is not None:
            message = self._session.flying.pop(int.from_bytes(body[:2], "big"), None)
            if message is None:
                self._peer.counts.unmeant += 1
            else:
                self._peer.counts.acknowledged += 1
                self._peer.ledger.append(message)
            self._peer.flow(self._session)
        elif kind == 1:
            self._take_connect(body)
        elif kind == 8:
            self._take_subscribe(body)
        elif kind == 10:
            self._take_unsubscribe(body)
        elif kind == 12:
            self._write(0xD0, b"")
        elif kind == DISCONNECT and self._transport is not None:
            self._transport.close()

    def _take_publish(self, head: int, body: bytes) -> None:
        length = int.from_bytes(body[:2], "big")
        topic, place = body[2 : 2 + length], 2 + length
        qos = head >> 1 & 3
        number = body[place : place + 2]
        place += 2 if qos else 0
        if self._version == 5:
            place = _after_properties(body, place)
        payload = body[place:]
        self._peer.counts.received += 1
        if head & 1:
            self._peer.retained[topic.decode()] = (topic, payload)
        self._peer.publish(topic, payload)
        if qos:
            self._write(0x40, number)

    def _take_connect(self, body: bytes) -> None:
        self._version = body[6]
        flags, place = body[7], 10
        expiry, window = (0 if self._version == 5 else 2**32 - 1), self._peer.window
        if self._version == 5:
            end = _after_properties(body, place)
            found = _properties(body, place)
            expiry, window = found.get(0x11, 0), min(window, found.get(0x21, window))
            place = end
        length = int.from_bytes(body[place : place + 2], "big")
        self._id = body[place + 2 : place + 2 + length].decode() or f"nameless-{id(self)}"
        clean = bool(flags & 2)
        sessions = self._peer.sessions
        before = sessions.get(self._id)
        if before is not None and before.connection is not None:
            before.connection.close()
        session = _Session() if clean or before is None else before
        session.keeps = expiry > 0 and (self._version == 5 or not clean)
        session.window, session.connection = window, self
        sessions[self._id], self._session = session, session
        present = before is session
        self._write(0x20, bytes([present, 0]) + (self._said() if self._version == 5 else b""))
        for number, message in session.flying.items():
            self.send(*message, number, again=True)
        self._peer.flow(session)

    def _said(self) -> bytes:
        said = b""
        if self._peer.receive_maximum is not None:
            said += b"\x21" + self._peer.receive_maximum.to_bytes(2, "big")
        if self._peer.largest_packet is not None:
            said += b"\x27" + self._peer.largest_packet.to_bytes(4, "big")
        return _length(len(said)) + said

    def _take_subscribe(self, body: bytes) -> None:
        assert self._session is not None
        place, granted, fresh = _after_properties(body, 2) if self._version == 5 else 2, b"", []
        while place < len(body):
            length = int.from_bytes(body[place : place + 2], "big")
            wanted = body[place + 2 : place + 2 + length].decode()
            qos = min(1, body[place + 2 + length] & 3)
            place += 3 + length
            self._session.filters[wanted] = qos
            granted += bytes([qos])
            fresh.append((wanted, qos))
        self._write(0x90, body[:2] + (b"\0" if self._version == 5 else b"") + granted)
        for wanted, qos in fresh:
            for name, message in self._peer.retained.items():
                if message[1] and matches(wanted, name):
                    number = next(self._session.ids) if qos else 0
                    if number:
                        self._session.flying[number] = message
                    self.send(*message, number, retained=True)

    def _take_unsubscribe(self, body: bytes) -> None:
        assert self._session is not None
        place, answers = _after_properties(body, 2) if self._version == 5 else 2, b""
        while place < len(body):
            length = int.from_bytes(body[place : place + 2], "big")
            self._session.filters.pop(body[place + 2 : place + 2 + length].decode(), None)
            place += 2 + length
            answers += b"\0"
        self._write(0xB0, body[:2] + (b"\0" + answers if self._version == 5 else b""))


@lru_cache(maxsize=4096)
def matches(wanted: str, topic: str) -> bool:
    """Whether a topic fits a filter."""
    levels, names = wanted.split("/"), topic.split("/")
    for place, level in enumerate(levels):
        if level == "#":
            return True
        if place >= len(names) or level not in ("+", names[place]):
            return False
    return len(levels) == len(names)


def _length(size: int) -> bytes:
    encoded = bytearray()
    while True:
        size, low = size >> 7, size & 0x7F
        encoded.append(low | (0x80 if size else 0))
        if not size:
            return bytes(encoded)


def _after_properties(body: bytes, place: int) -> int:
    size, shift = 0, 0
    while True:
        byte = body[place]
        size |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if not byte & 0x80:
            return place + size


def _properties(body: bytes, place: int) -> dict[int, int]:
    """Those of a CONNECT that are numbers, up to the first that is none."""
    end = _after_properties(body, place)
    while body[place] & 0x80:
        place += 1
    place += 1
    sizes = {0x11: 4, 0x21: 2, 0x27: 4, 0x22: 2, 0x19: 1, 0x17: 1}
    found = {}
    while place < end and body[place] in sizes:
        size = sizes[body[place]]
        found[body[place]] = int.from_bytes(body[place + 1 : place + 1 + size], "big")
        place += 1 + size
    return found


def main() -> None:
    """Run until the input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--window", type=int, default=20)
    parser.add_argument("--queue", type=int, default=None)
    parser.add_argument("--forgets", action="store_true")
    options = parser.parse_args()
    with WindowPeer(options.window, queue=options.queue, forgets=options.forgets) as peer:
        print(peer.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
