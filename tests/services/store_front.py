"""Stands between the product and a real InfluxDB, and has moods."""

import http.client
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

POISON = b"_kw=666,"
"""In a line that a choosy front refuses."""


class Front(ThreadingHTTPServer):
    """Forwards to InfluxDB as its mood allows.

    well, down, busy (429), overloaded (503), deaf (no answer after writing), choosy (one point is refused).
    """

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urllib.parse.urlsplit(upstream)
        self.mood = "well"
        self.moods: dict[str, int] = {}
        self.times: list[float] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Front

    def do_GET(self) -> None:
        self._pass_on(b"")

    def do_POST(self) -> None:
        self._pass_on(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _pass_on(self, body: bytes) -> None:
        mood = self.server.mood
        writes = self.path.startswith("/api/v2/write")
        self.server.moods[mood] = self.server.moods.get(mood, 0) + 1
        self.server.times.append(time.monotonic())
        if mood == "down":
            self.close_connection = True
        elif mood in {"busy", "overloaded"}:
            self._answer(429 if mood == "busy" else 503, b'{"message":"later"}', retry_after="1")
        elif mood == "choosy" and writes and POISON in body:
            kept = [line for line in body.split(b"\n") if POISON not in line]
            if kept:
                self._forward(b"\n".join(kept))
            self._answer(400, b'{"message":"partial write: a point is refused dropped=1"}')
        else:
            status, content = self._forward(body)
            if mood == "deaf" and writes:
                self.close_connection = True
            else:
                self._answer(status, content)

    def _forward(self, body: bytes) -> tuple[int, bytes]:
        upstream = http.client.HTTPConnection(self.server.upstream.netloc, timeout=20)
        kept = {name: value for name, value in self.headers.items() if name.lower() not in {"host", "connection"}}
        upstream.request(self.command, self.path, body, {**kept, "Content-Length": str(len(body))})
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        return answer.status, content

    def _answer(self, status: int, content: bytes, *, retry_after: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def store_front(upstream: str) -> Iterator[Front]:
    """A front of the server at this address, well at first."""
    server = Front(upstream)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
