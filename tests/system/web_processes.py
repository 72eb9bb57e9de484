"""Several `pilotlab web` processes and a worker on one database, and requests that reach them at the same moment."""

import contextlib
import http.client
import io
import json
import selectors
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.services import free_port
from tests.system.deployment import healthy
from tests.system.installation import PROGRAM, environment, wait_until

PATIENCE_SECONDS = 90.0
"""Longer than a request waits for SQLite's lock, so that what comes after that is seen."""
NOWHERE = 1
"""A port on which nobody listens: no broker and no sample store, so telemetry is off."""


class WebProcesses:
    """Web processes that share nothing but the database, as behind a proxy, and a worker.

    Args:
        folder: for the data folder and the logs.
        count: how many.
        settings: of the environment, without prefix, the same for all.
    """

    def __init__(self, folder: Path, count: int = 4, **settings: object) -> None:
        self.folder = folder
        self.ports = [free_port() for _ in range(count)]
        self._settings = {
            "data_dir": folder / "data",
            "broker": "external",
            "broker_port": NOWHERE,
            "store": "influxdb",
            "influxdb_url": f"http://127.0.0.1:{NOWHERE}",
            "influxdb_token": "nobody-asks",
            "log_format": "json",
            **settings,
        }
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._worker: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start those that do not run, and wait until they answer."""
        wanted = [number for number in range(len(self.ports)) if number not in self._running]
        for number in wanted:
            with self._log(number).open("ab") as log:
                self._running[number] = subprocess.Popen(
                    [*PROGRAM, "web", "--port", str(self.ports[number])],
                    cwd=self.folder,
                    env=environment(**self._settings),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
        if self._worker is None:
            with (self.folder / "worker.log").open("ab") as log:
                self._worker = subprocess.Popen(
                    [*PROGRAM, "worker"],
                    cwd=self.folder,
                    env=environment(**self._settings),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
        for number in wanted:
            wait_until(lambda number=number: self._ready(number), f"web process {number} answers", seconds=180)

    def kill(self, number: int) -> None:
        """`kill -9`."""
        process = self._running.pop(number)
        process.kill()
        process.wait(10)

    def kill_all(self) -> None:
        """The end: what they were about is thrown away."""
        for number in list(self._running):
            self.kill(number)
        if self._worker is not None:
            self._worker.kill()
            self._worker.wait(10)
            self._worker = None

    def port_for(self, user: int) -> int:
        """Where this user's requests go: the processes in turn."""
        return self.ports[user % len(self.ports)]

    def troubles(self) -> list[dict[str, Any]]:
        """What any of them has logged as a warning or worse."""
        logs = [*(self._log(number) for number in range(len(self.ports))), self.folder / "worker.log"]
        lines = [
            json.loads(line)
            for log in logs
            for line in log.read_text(errors="replace").splitlines()
            if line.startswith("{")
        ]
        return [line for line in lines if line.get("level") in {"warning", "error", "critical"}]

    def _ready(self, number: int) -> bool:
        assert self._running[number].poll() is None, self._log(number).read_text(errors="replace")[-2000:]
        return healthy(self.ports[number])

    def _log(self, number: int) -> Path:
        return self.folder / f"web-{number}.log"


@dataclass(frozen=True)
class Shot:
    """A request that waits to be sent."""

    port: int
    token: str
    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    def payload(self) -> bytes:
        """As it goes over the wire, whole."""
        body = json.dumps(self.body).encode()
        given = {
            "Host": f"127.0.0.1:{self.port}",
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
            **self.headers,
        }
        lines = [f"POST /api/v1{self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Reply:
    """What came back; status 0: nothing, the connection broke."""

    sent: float
    answered: float = 0.0
    status: int = 0
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def problem(self) -> str:
        """The last word of the problem's type."""
        return str(self.body.get("type", "")).rpartition(":")[2]


def fire(shots: Sequence[Shot], *, then: Callable[[int], None] = lambda answers: None) -> list[Reply]:
    """Send all, each on a connection of its own that is open already, and wait for all answers.

    Args:
        shots: in the order in which they are sent, within less than a millisecond or so.
        then: called when all are sent, and after each answer, with the number of answers so far.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_connection(("127.0.0.1", shot.port), 10)) for shot in shots]
        for one in sockets:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        replies = []
        for one, payload in zip(sockets, [shot.payload() for shot in shots], strict=True):
            replies.append(Reply(time.monotonic()))
            one.sendall(payload)
        then(0)
        _gather(sockets, replies, then)
    return replies


def collided(replies: Sequence[Reply]) -> bool:
    """Whether at one moment all were on their way: the last was sent before the first was answered."""
    return max(reply.sent for reply in replies) < min(reply.answered for reply in replies)


def _gather(sockets: Sequence[socket.socket], replies: Sequence[Reply], then: Callable[[int], None]) -> None:
    """Read all answers as they come, each to the end of its connection."""
    heard = [bytearray() for _ in sockets]
    waiting = set(range(len(sockets)))
    deadline = time.monotonic() + PATIENCE_SECONDS
    with selectors.DefaultSelector() as selector:
        for number, one in enumerate(sockets):
            selector.register(one, selectors.EVENT_READ, number)
        while waiting:
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            assert ready, f"no answer within {PATIENCE_SECONDS:g} s to {len(waiting)} of {len(sockets)} requests"
            now = time.monotonic()
            for key, _ in ready:
                number = key.data
                replies[number].answered = replies[number].answered or now
                try:
                    piece = sockets[number].recv(65536)
                except ConnectionError:
                    piece = b""
                heard[number] += piece
                if not piece:
                    selector.unregister(sockets[number])
                    waiting.remove(number)
                    then(len(sockets) - len(waiting))
    for reply, text in zip(replies, heard, strict=True):
        _read(reply, bytes(text))


class _Said(io.BytesIO):
    """Bytes that `http.client` takes for a socket."""

    def makefile(self, *_: Any) -> "_Said":
        return self


def _read(reply: Reply, said: bytes) -> None:
    if not said:
        return
    response = http.client.HTTPResponse(_Said(said))  # type: ignore[arg-type]
    with contextlib.suppress(http.client.HTTPException):  # cut off in the middle: as good as nothing
        response.begin()
        text = response.read()
        reply.status, reply.body = response.status, json.loads(text)
