"""Viewers of a live stream, many in a process of their own.

`python -m tests.system.faults.viewers PORT COOKIE PATH COUNT SECONDS [--blocked N]` opens so many streams. Those
that are blocked take nothing until the time is over and the server can really send them nothing more; then they read
until they see what they have lost. Latency is the time between a point's own time and its arrival. Prints `ready`, and
at the end one line of JSON (see `Seen`).
"""

import argparse
import asyncio
import json
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from lab.core.clock import SystemClock

GAP_MS = 1000.0
"""A blocked viewer has lost frames if there is so much time between two."""
_IN_THE_SERVER = 128 * 1024
"""Bytes, more than a server keeps for a connection whose network takes nothing."""
_BLOCKED_SECONDS = 60.0
"""How long is waited until it is blocked, and afterwards until it has read what the network held for it."""
_TINY = 4096
"""Of a blocked viewer's buffers: what it does not take waits in the server, not in the network."""


@dataclass
class Seen:
    """What all viewers that read have seen."""

    begin_ns: int = 0
    end_ns: int = 0
    """The span in which all of them looked."""
    points: int = 0
    frames: int = 0
    fewest_frames: int = 0
    """Of one viewer."""
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    worst_p95_ms: float = 0.0
    """Of one viewer."""
    blocked_gap_ms: float = 0.0
    """The longest time between two frames of a blocked viewer: what it has lost."""
    signals: int = 0


@dataclass
class _Stream:
    latencies_ms: list[float] = field(default_factory=list)
    frame_times: list[float] = field(default_factory=list)
    signals: set[str] = field(default_factory=set)
    taken: int = 0
    """Bytes."""

    @property
    def longest_gap_ms(self) -> float:
        """Between two frames."""
        times = self.frame_times
        return max((b - a for a, b in pairwise(times)), default=0.0)


async def _until(condition: Callable[[], bool], *, seconds: float) -> None:
    end = asyncio.get_running_loop().time() + seconds
    while not condition() and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.1)


def _waiting(writer: asyncio.StreamWriter) -> str:
    """How much the server's side of a connection has that the network does not take, as the system writes it."""
    ends = [f":{writer.get_extra_info(name)[1]:04X}" for name in ("peername", "sockname")]
    for line in Path("/proc/net/tcp").read_text().splitlines():
        _, ours, theirs, _, queues, *_ = line.split()
        if ours.endswith(ends[0]) and theirs.endswith(ends[1]):
            return queues.partition(":")[0]
    raise AssertionError("the server has closed the stream of a viewer that takes nothing")


async def _until_blocked(writer: asyncio.StreamWriter, other: _Stream) -> None:
    """Until nothing leaves the server any more, and it has had more for the viewer than it keeps, and a gap's time."""
    end = asyncio.get_running_loop().time() + _BLOCKED_SECONDS
    waiting, taken = _waiting(writer), other.taken
    while other.taken - taken < _IN_THE_SERVER:
        assert asyncio.get_running_loop().time() < end, f"not blocked: {waiting} bytes wait"
        await asyncio.sleep(0.1)
        if _waiting(writer) != waiting:
            waiting, taken = _waiting(writer), other.taken
    await asyncio.sleep(2 * GAP_MS / 1000)


async def _open(
    port: int, cookie: str, path: str, *, blocked: bool
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    connection = socket.socket()
    if blocked:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _TINY)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)  # or the server's own buffer would be large
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=_TINY if blocked else 1 << 20)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\r\n".encode())
    status = await reader.readline()
    assert b" 200 " in status, status
    return reader, writer


async def _read(reader: asyncio.StreamReader, stream: _Stream) -> None:
    clock, rest = SystemClock(), b""
    while chunk := await reader.read(65_536):
        now_ms = clock.now_ns() / 1e6
        stream.taken += len(chunk)
        rest += chunk
        *events, rest = rest.split(b"\n\n")
        for event in events:
            place = event.find(b"event: values\ndata: ")
            if place < 0:
                continue
            # A chunk of HTTP may end within an event only where the server was blocked; then the event is left out.
            try:
                data = json.loads(event[place + 20 :])
            except ValueError:
                continue
            stream.frame_times.append(data["t"])
            stream.signals |= data["values"].keys()
            if len(stream.frame_times) > 1:  # the first one repeats what was before
                for points in data["values"].values():
                    stream.latencies_ms += [now_ms - at for at, _ in points]


async def _watch(given: argparse.Namespace) -> Seen:
    readers = [await _open(given.port, given.cookie, given.path, blocked=False) for _ in range(given.count)]
    sleepers = [await _open(given.port, given.cookie, given.path, blocked=True) for _ in range(given.blocked)]
    streams = [_Stream() for _ in readers]
    tasks = [asyncio.create_task(_read(reader, stream)) for (reader, _), stream in zip(readers, streams, strict=True)]
    print("ready", flush=True)
    begin_ns = SystemClock().now_ns()
    await asyncio.sleep(given.seconds)
    for _, writer in sleepers:
        await _until_blocked(writer, streams[0])
    end_ns = SystemClock().now_ns()
    for task in tasks:
        task.cancel()
    late = [_Stream() for _ in sleepers]
    for _, writer in sleepers:  # or it would take very long over what waits
        woken: socket.socket = writer.get_extra_info("socket")
        woken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        woken.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, 1 << 20)
    waking = [asyncio.create_task(_read(reader, stream)) for (reader, _), stream in zip(sleepers, late, strict=True)]
    if waking:
        await _until(lambda: all(stream.longest_gap_ms > GAP_MS for stream in late), seconds=_BLOCKED_SECONDS)
    for task in waking:
        task.cancel()
    for _, writer in [*readers, *sleepers]:
        writer.transport.abort()
    return replace(_summary(streams, late), begin_ns=begin_ns, end_ns=end_ns)


def _summary(streams: list[_Stream], late: list[_Stream]) -> Seen:
    everything = sorted(latency for stream in streams for latency in stream.latencies_ms)
    return Seen(
        points=len(everything),
        frames=sum(len(stream.frame_times) for stream in streams),
        fewest_frames=min(len(stream.frame_times) for stream in streams),
        p50_ms=_share(everything, 0.5),
        p95_ms=_share(everything, 0.95),
        p99_ms=_share(everything, 0.99),
        worst_p95_ms=max(_share(sorted(stream.latencies_ms), 0.95) for stream in streams),
        blocked_gap_ms=min((stream.longest_gap_ms for stream in late), default=0.0),
        signals=min(len(stream.signals) for stream in streams),
    )


def _share(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("inf")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("cookie")
    parser.add_argument("path")
    parser.add_argument("count", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--blocked", type=int, default=0)
    print(json.dumps(asdict(asyncio.run(_watch(parser.parse_args())))), flush=True)


if __name__ == "__main__":
    main()
