"""What is no request, or never ends, is answered and cut."""

import re
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from lab.web.wire import LARGEST_HEAD_BYTES, BoundedHttpProtocol
from tests.services.programs import wait_until

HEAD = b"HTTP/1.1\r\nHost: lab\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the length of the body."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await PlainTextResponse(str(size))(scope, receive, send)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(echo, http=BoundedHttpProtocol, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    wait_until(lambda: server.started, what="the server")
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)


def said(port: int, *pieces: bytes) -> bytes:
    """What comes back until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
        except OSError:
            pass  # cut while we still spoke; what it said before can be read
        found = b""
        try:
            while piece := connection.recv(65536):
                found += piece
        except ConnectionResetError:
            pass
        return found


def test_headers_without_end_are_cut(port: int) -> None:
    endless = b"X-Long: " + b"x" * (LARGEST_HEAD_BYTES + 100_000)
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(b"GET / " + HEAD + endless[: LARGEST_HEAD_BYTES + 50_000])
        assert connection.recv(65536).startswith(b"HTTP/1.1 431 ")


def test_many_headers_without_end_are_cut(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(b"GET / " + HEAD + b"X-Many: 1\r\n" * (LARGEST_HEAD_BYTES // 11 + 5_000))
        assert connection.recv(65536).startswith(b"HTTP/1.1 431 ")


def test_trailers_without_end_are_cut(port: int) -> None:
    chunked = b"POST / " + HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(chunked + b"X-Many: 1\r\n" * (LARGEST_HEAD_BYTES // 11 + 5_000))
        assert connection.recv(65536).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GIBBERISH / " + HEAD + b"\r\n", b"501"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"501"),  # TLS, spoken to a port without
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"GET / " + HEAD + b"Content-Length: x\r\n\r\n", b"400"),
        (b"GET /\xff " + HEAD + b"\r\n", b"400"),
        (b"POST / " + HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
    ],
)
def test_what_is_no_request_is_refused(port: int, sent: bytes, status: bytes) -> None:
    assert said(port, sent).startswith(b"HTTP/1.1 " + status)


def test_large_bodies_are_no_headers(port: int) -> None:
    body = b"x" * 3 * LARGEST_HEAD_BYTES
    plain = b"POST / " + HEAD + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    assert said(port, plain, body).endswith(b"\r\n\r\n%d" % len(body))
    tiny = b"1\r\nx\r\n" * 200_000  # 1.2 MB on the wire
    chunked = b"POST / " + HEAD + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert said(port, chunked, tiny, b"0\r\n\r\n").endswith(b"\r\n\r\n200000")


def test_many_requests_over_one_connection_are_all_answered(port: int) -> None:
    """What came before does not count against what comes."""
    one = b"GET / " + HEAD + b"X-Some: " + b"x" * 1_000 + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        for _ in range(2 * LARGEST_HEAD_BYTES // len(one)):
            connection.sendall(one)
            answer = b""
            while not answer.endswith(b"\r\n\r\n0"):  # head and body may come apart
                piece = connection.recv(65536)
                assert piece, answer
                answer += piece
            assert answer.startswith(b"HTTP/1.1 200 ")


def test_requests_sent_ahead_are_answered_in_turn(port: int) -> None:
    ahead = [b"POST / " + HEAD + b"Content-Length: %d\r\n\r\n" % size + b"x" * size for size in (1, 22)]
    last = b"POST / " + HEAD + b"Connection: close\r\nContent-Length: 333\r\n\r\n" + b"x" * 333
    found = said(port, b"".join([*ahead, last]))
    assert re.findall(rb"\r\n\r\n(\d+?)(?=HTTP|$)", found) == [b"1", b"22", b"333"]


def test_wish_for_another_protocol_is_answered_as_http(port: int) -> None:
    wish = b"GET / " + HEAD + b"Connection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n"
    assert said(port, wish).startswith(b"HTTP/1.1 200 ")
