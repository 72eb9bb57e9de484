"""Between the socket and paho: reads ahead, and handles itself the two packets that come by the thousand.

paho asks the socket for one byte, another one, and the rest of each packet, and sends each acknowledgement by itself:
five system calls a message, and at each of them another thread takes the interpreter. Here many packets come with one
call; what is published is taken from them at once, its acknowledgements leave together, and all else paho reads from
what has arrived already.
"""

import ssl
import struct
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

READ_BYTES = 256 * 1024
"""Most that one call asks for: what is read is handed over before more is read."""
_PUBLISH, _OF_LEVEL_2 = 0x30, 0x04
_PUBACK = struct.Struct("!BBH")
_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_LONGEST_LENGTH = 4
_SMALLEST_PACKET = 2


class Publish(NamedTuple):
    """A message as it was published, of quality of service 0 or 1."""

    topic: bytes
    payload: bytes
    id: int
    """What to acknowledge; 0: nothing."""
    retained: bool


class Wire:
    """A connected socket that does not block, as paho uses one.

    Args:
        socket: plain or TLS.
        version: of MQTT, 4 or 5.
    """

    def __init__(self, socket: Any, version: int) -> None:
        self._socket = socket
        self._has_properties = version == 5
        self._now = b""
        self._at = 0
        self._later: list[bytes] = []
        self._later_bytes = 0
        self._needed = _SMALLEST_PACKET
        """Bytes without which the first packet is not whole."""
        self._leaving = bytearray()
        self.ended = False
        """Whether the broker has closed the connection; paho is told when it reads."""

    @property
    def wants_to_send(self) -> bool:
        """Whether something waits until the socket takes more."""
        return bool(self._leaving)

    @property
    def has_packet(self) -> bool:
        """Whether a whole packet is here, or one so wrong that it never will be."""
        size = len(self._now) - self._at
        return size >= self._needed and self._look(self._at) is not None

    def fill(self) -> None:
        """Take what the socket has, with one call; nothing if it has nothing.

        Raises:
            OSError: the connection is lost.
        """
        try:
            chunk = self._socket.recv(READ_BYTES)
        except _LATER:
            return
        self.ended = not chunk
        self._later.append(chunk)
        self._later_bytes += len(chunk)
        if self.ended or len(self._now) - self._at + self._later_bytes >= self._needed:
            self._now = b"".join([self._now[self._at :], *self._later])
            self._at, self._later_bytes = 0, 0
            self._later.clear()

    def take_published(self) -> list[Publish]:
        """The messages up to the first packet that is of another kind, or not whole yet."""
        found: list[Publish] = []
        now, at = self._now, self._at
        while len(now) - at >= _SMALLEST_PACKET and now[at] & 0xF0 == _PUBLISH and not now[at] & _OF_LEVEL_2:
            place = self._look(at)
            if place is None:
                break
            start, end = place
            message = self._read(now, now[at], start, end) if start < end else None
            if message is None:
                break  # paho says what is wrong with it
            found.append(message)
            at, self._needed = end, _SMALLEST_PACKET
        self._at = at
        return found

    def acknowledge(self, ids: Iterable[int]) -> None:
        """Send acknowledgements, now or as soon as the socket takes them."""
        self._leaving += b"".join([_PUBACK.pack(0x40, 2, number) for number in ids])
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as the socket takes it.

        Raises:
            OSError: the connection is lost.
        """
        with suppress(*_LATER):
            while self._leaving:
                del self._leaving[: self._socket.send(self._leaving)]

    def recv(self, size: int) -> bytes:
        """For paho: bytes that have arrived."""
        if self._at == len(self._now) and not self.ended:
            raise BlockingIOError
        taken = self._now[self._at : self._at + size]
        self._at += len(taken)
        self._needed = _SMALLEST_PACKET
        return taken

    def send(self, content: bytes) -> int:
        """For paho: takes all of it."""
        self._leaving += content
        self.flush()
        return len(content)

    def pending(self) -> int:
        """How much TLS holds that `select` does not see."""
        return int(getattr(self._socket, "pending", int)())

    def fileno(self) -> int:
        """For `select`."""
        return int(self._socket.fileno())

    def close(self) -> None:
        """Let go of the connection."""
        self._socket.close()

    def _look(self, at: int) -> tuple[int, int] | None:
        """Where the content of the packet at a place begins and ends; `None` if it is not whole yet.

        Of a packet without a possible length, what is here: paho refuses it.
        """
        now, length = self._now, 0
        for count in range(_LONGEST_LENGTH):
            if at + 1 + count >= len(now):
                self._needed = 2 + count
                return None
            byte = now[at + 1 + count]
            length |= (byte & 0x7F) << (7 * count)
            if byte < 0x80:
                start = at + 2 + count
                self._needed = start + length - at
                return (start, start + length) if start + length <= len(now) else None
        self._needed = 2 + _LONGEST_LENGTH
        return (len(now), len(now)) if len(now) - at >= self._needed else None

    def _read(self, now: bytes, head: int, start: int, end: int) -> Publish | None:
        """The message between two places; `None` if it is malformed."""
        topic_end = start + 2 + int.from_bytes(now[start : start + 2], "big")
        number, place = 0, topic_end
        if head & 0x02:
            number, place = int.from_bytes(now[topic_end : topic_end + 2], "big"), topic_end + 2
        if self._has_properties:
            size, shift = 0x80, 0
            skipped = 0
            while size & 0x80:
                if place >= end or shift > 21:
                    return None
                size = now[place]
                skipped |= (size & 0x7F) << shift
                place, shift = place + 1, shift + 7
            place += skipped
        if place > end:
            return None
        return Publish(now[start + 2 : topic_end], now[place:end], number, bool(head & 0x01))
