"""Clients that send prepared requests as fast as they are answered, each over one connection that is kept open.

A process of its own, so that it takes nothing from whom it measures but its share of the computer: one loop over plain
sockets, which looks at no more of an answer than its status and its length. `python -m benchmarks.http_load` reads what
to send from its standard input and writes what came of it (both pickled).
"""

import pickle
import selectors
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length: "


@dataclass(frozen=True, slots=True)
class Client:
    """One connection and what it sends, in order."""

    port: int
    requests: list[bytes]


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    seconds: float
    """From the first request sent to the last answer received."""
    cpu_seconds: float
    """That the clients themselves took."""
    statuses: Counter[int]
    latencies: list[float] = field(default_factory=list)
    """Seconds, sorted."""
    last: bytes = b""
    """The body of the last answer, if it was to be kept."""

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.seconds

    def percentile(self, per_cent: float) -> float:
        """Seconds within which so many were answered."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * per_cent / 100))]


def prepared(method: str, path: str, token: str, body: bytes = b"") -> bytes:
    """A request as it goes over the wire."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def send_all(clients: Sequence[Client], *, keep_last: bool = False) -> Outcome:
    """Have a process of its own send all of it."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.http_load"],
        input=pickle.dumps((list(clients), keep_last)),
        stdout=-1,
        check=True,
    )
    outcome: Outcome = pickle.loads(done.stdout)
    return outcome


class _Connection:
    def __init__(self, client: Client) -> None:
        self.socket = socket.create_connection(("127.0.0.1", client.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.waiting = iter(client.requests)
        self.received = b""
        self.sent_at = 0.0

    def send_next(self) -> bool:
        request = next(self.waiting, None)
        if request is None:
            return False
        self.received, self.sent_at = b"", time.perf_counter()
        self.socket.sendall(request)
        return True

    def answered(self) -> int | None:
        """The status, once the answer is whole."""
        chunk = self.socket.recv(1 << 20)
        if not chunk:
            raise ConnectionError(f"closed after {self.received[:200]!r}")
        self.received += chunk
        end = self.received.find(_END_OF_HEAD)
        if end < 0:
            return None
        head = self.received[:end].lower()
        start = head.find(_LENGTH) + len(_LENGTH)
        length = int(head[start:].split(b"\r\n", 1)[0])
        return int(head[9:12]) if len(self.received) >= end + len(_END_OF_HEAD) + length else None


def _drive(clients: Sequence[Client], keep_last: bool) -> Outcome:
    connections = [_Connection(client) for client in clients]
    found, latencies = Counter[int](), []
    with selectors.DefaultSelector() as selector:
        cpu, started = time.process_time(), time.perf_counter()
        for connection in connections:
            if connection.send_next():
                selector.register(connection.socket, selectors.EVENT_READ, connection)
        while selector.get_map():
            for key, _ in selector.select():
                connection = key.data
                status = connection.answered()
                if status is None:
                    continue
                latencies.append(time.perf_counter() - connection.sent_at)
                found[status] += 1
                if not connection.send_next():
                    selector.unregister(connection.socket)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    for connection in connections:
        connection.socket.close()
    last = connections[-1].received.partition(_END_OF_HEAD)[2] if keep_last else b""
    return Outcome(seconds, cpu, found, sorted(latencies), last)


if __name__ == "__main__":
    import benchmarks.http_load as ours  # by this name, so that whoever reads the answer knows its classes

    sys.stdout.buffer.write(pickle.dumps(ours._drive(*pickle.load(sys.stdin.buffer))))
