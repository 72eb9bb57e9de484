"""What is read ahead of paho is what was sent, however the network cuts it into pieces."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.wire import Publish, Wire


def encoded_length(size: int) -> bytes:
    found = bytearray()
    while True:
        size, low = size >> 7, size & 0x7F
        found.append(low | (0x80 if size else 0))
        if not size:
            return bytes(found)


def packet(message: Publish, *, version: int, properties: bytes = b"", again: bool = False) -> bytes:
    body = len(message.topic).to_bytes(2, "big") + message.topic
    body += message.id.to_bytes(2, "big") if message.id else b""
    body += encoded_length(len(properties)) + properties if version == 5 else b""
    body += message.payload
    head = 0x30 | (0x02 if message.id else 0) | (0x08 if again else 0) | (0x01 if message.retained else 0)
    return bytes([head]) + encoded_length(len(body)) + body


published = st.builds(
    Publish,
    st.sampled_from([b"pilotlab/lab/mill-1/data", b"t", b"\xff"]),
    st.binary(max_size=20) | st.integers(100, 20_000).map(lambda size: b"x" * size),
    st.integers(0, 65_535),
    st.booleans(),
)
OTHERS = [b"\xd0\x00", b"\x20\x03\x00\x00\x00", b"\x90\x04\x00\x01\x00\x01", b"\x34\x06\x00\x01tid!"]
"""PINGRESP, CONNACK, SUBACK, and a PUBLISH at quality of service 2: for paho."""


@contextmanager
def connected(version: int) -> Iterator[tuple[socket.socket, Wire]]:
    broker, ours = socket.socketpair()
    ours.setblocking(False)
    with broker, ours:
        yield broker, Wire(ours, version)


def read_by_paho(wire: Wire) -> bytes:
    """One packet, byte by byte as paho reads it."""
    found = wire.recv(1)
    length = shift = 0
    while True:
        byte = wire.recv(1)
        found += byte
        length |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:
            break
    content = b""
    while len(content) < length:
        content += wire.recv(length - len(content))
    return found + content


@settings(deadline=None)
@given(st.lists(published | st.sampled_from(OTHERS), max_size=12), st.sampled_from([4, 5]), st.data())
def test_every_message_is_taken_and_every_other_packet_left_to_paho(
    sent: list[Publish | bytes], version: int, data: st.DataObject
) -> None:
    properties = data.draw(st.sampled_from([b"", b"\x01\x00", b"\x26" + b"\x00\x7f" + b"k" * 127 + b"\x00\x01v"]))
    stream = b"".join(
        one if isinstance(one, bytes) else packet(one, version=version, properties=properties) for one in sent
    )
    found: list[Publish | bytes] = []
    with connected(version) as (broker, wire):
        wire.fill()  # nothing there: nothing happens
        while stream:
            size = data.draw(st.integers(1, len(stream)))
            broker.sendall(stream[:size])
            stream = stream[size:]
            wire.fill()
            while True:
                found += wire.take_published()
                if not wire.has_packet:
                    break
                found.append(read_by_paho(wire))
    assert found == sent


@pytest.mark.parametrize(
    "wrong",
    [
        b"\x32\x80\x80\x80\x80\x80\x01",  # a length of more than four bytes
        b"\x32\x02\x00\x09",  # a topic that is longer than the packet
        b"\x32\x05\x00\x01t\x00\x01",  # version 5: no properties
        b"\x32\x06\x00\x01t\x00\x01\xff",  # their length does not end
        b"\x32\x00",
    ],
)
def test_what_is_malformed_is_left_to_paho(wrong: bytes) -> None:
    with connected(5) as (broker, wire):
        broker.sendall(wrong + b"\xd0\x00")
        wire.fill()
        assert wire.take_published() == []
        assert wire.has_packet
        assert wire.recv(2) == wrong[:2]


def test_the_end_of_the_connection_is_told_after_what_came_before() -> None:
    message = Publish(b"t", b"x", 1, retained=False)
    with connected(4) as (broker, wire):
        broker.sendall(packet(message, version=4) + b"\x32\x10")
        wire.fill()
        assert wire.take_published() == [message]
        broker.close()
        wire.fill()
        assert wire.ended
        assert wire.take_published() == []
        assert not wire.has_packet
        assert wire.recv(2) == b"\x32\x10"
        assert wire.recv(1) == b""


def test_nothing_to_read_is_no_end() -> None:
    with connected(4) as (_, wire):
        wire.fill()
        with pytest.raises(BlockingIOError):
            wire.recv(1)


def test_what_the_socket_does_not_take_at_once_leaves_later_and_whole() -> None:
    with connected(4) as (broker, wire):
        wanted, received = b"", b""
        number = 0
        while not wire.wants_to_send:
            number = number % 65_535 + 1
            wire.acknowledge([number] * 1000)
            wanted += (b"\x40\x02" + number.to_bytes(2, "big")) * 1000
        assert wire.send(b"\xc0\x00") == 2
        wanted += b"\xc0\x00"
        while len(received) < len(wanted):
            received += broker.recv(65_536)
            wire.flush()
        assert received == wanted
        assert not wire.wants_to_send


def test_a_tls_socket_that_wants_something_first_is_asked_again() -> None:
    class Handshaking:
        def recv(self, _: int) -> bytes:
            raise ssl.SSLWantReadError

        def send(self, _: bytes) -> int:
            raise ssl.SSLWantWriteError

        def pending(self) -> int:
            return 3

    wire: Any = Wire(Handshaking(), 5)
    wire.fill()
    assert not wire.ended
    assert wire.pending() == 3
    assert wire.send(b"\xc0\x00") == 2
    assert wire.wants_to_send
