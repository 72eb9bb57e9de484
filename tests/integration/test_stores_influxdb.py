"""What only InfluxDB does: points it refuses, and not answering."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Protocol

import pyarrow as pa
import pytest

from telemetry.stores.errors import StoreUnavailableError
from telemetry.stores.influxdb import InfluxDBStore
from telemetry.stores.influxdb.connection import InfluxDBConnection
from telemetry.stores.influxdb.store import ROWS_A_REQUEST
from telemetry.stores.interface import SAMPLES

NOON = 1_795_435_200_000_000_000
EVER = [(-(2**63), 2**63 - 1)]


class Server(Protocol):
    """The fixture `influxdb`."""

    url: str
    token: str
    org: str
    bucket: str


def batch(values: list[float], *, first: int = 0) -> pa.Table:
    row = {"device": "mill-1", "signal": "power", "boot": "a", "text": None, "flags": 0}
    times = [NOON + (first + number) * 1_000_000 for number in range(len(values))]
    rows = [
        {**row, "device_ns": time, "settled_ns": time, "received_ns": time, "value": value}
        for time, value in zip(times, values, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=SAMPLES)


def test_a_bad_point_is_handed_back_and_its_neighbours_are_stored(influxdb: Server) -> None:
    store = InfluxDBStore(influxdb.url, influxdb.token, influxdb.org, influxdb.bucket)
    values = [float(number) for number in range(50)]
    values[17] = values[40] = float("inf")
    written = store.write(batch(values), watermark=3)
    assert written.stored == 48
    assert written.rejected.column("device_ns").to_pylist() == [NOON + 17_000_000, NOON + 40_000_000]
    assert written.conflicts.equals(written.rejected)
    assert store.read("mill-1", [], EVER).column("value").to_pylist() == [v for v in values if v != float("inf")]
    assert store.watermark() == 3
    store.close()


def wide(values: dict[str, float], *, second: int = 0, received_ms: int = 2) -> list[dict[str, object]]:
    time = NOON + second * 1_000_000_000
    row = {"device": "mill-1", "boot": "a", "device_ns": time, "settled_ns": time, "text": None, "flags": 0}
    received = time + received_ms * 1_000_000
    return [{**row, "signal": signal, "value": value, "received_ns": received} for signal, value in values.items()]


def table(rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SAMPLES)


def lines_stored(influxdb: Server) -> int:
    connection = InfluxDBConnection(influxdb.url, influxdb.token, influxdb.org, influxdb.bucket)
    [row] = connection.ask_each(['SELECT count(received) AS n FROM "samples:mill-1"'])
    connection.close()
    return int(row["n"])


def test_a_bad_value_costs_its_message_nothing_else(influxdb: Server) -> None:
    store = InfluxDBStore(influxdb.url, influxdb.token, influxdb.org, influxdb.bucket)
    rows = [row for second in range(20) for row in wide({"a": second, "b": 2.0, "c": 3.0, "d": 4.0}, second=second)]
    rows[7 * 4]["value"] = rows[11 * 4 + 2]["value"] = float("inf")  # the first signal of a line, and one within
    for number in (1, 2):  # the neighbours of a bad value are known again
        written = store.write(table(rows), watermark=number, spool="s")
        assert written.stored == (78 if number == 1 else 0)
        assert written.rejected.select(["signal", "device_ns"]).to_pylist() == [
            {"signal": "a", "device_ns": NOON + 7_000_000_000},
            {"signal": "c", "device_ns": NOON + 11_000_000_000},
        ]
        assert store.watermark("s") == number
    found = store.read("mill-1", [], EVER)
    assert found.num_rows == 78
    assert lines_stored(influxdb) == 18 + 3 + 3
    store.close()


def test_a_message_is_one_line_and_another_of_the_same_instant_another(influxdb: Server) -> None:
    store = InfluxDBStore(influxdb.url, influxdb.token, influxdb.org, influxdb.bucket)
    first, later = wide({"a": 1.0, "c": 3.0}), wide({"b": 2.0, "c": 3.0, "d": 4.0}, received_ms=900)
    assert store.write(table(first), watermark=1).stored == 2
    assert lines_stored(influxdb) == 1
    written = store.write(table(later), watermark=2)
    assert (written.stored, written.duplicates) == (2, 1)
    assert lines_stored(influxdb) == 2
    assert store.read("mill-1", [], EVER).to_pylist() == table([first[0], later[0], first[1], later[2]]).to_pylist()
    store.close()


def test_a_watermark_goes_with_the_next_batch_and_is_there_when_it_is_asked_for(influxdb: Server) -> None:
    writing, other = (InfluxDBStore(influxdb.url, influxdb.token, influxdb.org, influxdb.bucket) for _ in range(2))
    writing.write(batch([1.0]), watermark=7)
    writing.write(batch([2.0], first=1), watermark=9)
    assert other.watermark() == 7
    assert writing.watermark() == other.watermark() == 9
    writing.write(batch([3.0], first=2), watermark=12)
    writing.close()
    assert other.watermark() == 12
    other.close()


def test_a_batch_of_several_requests_gives_back_the_bad_points_of_each(influxdb: Server) -> None:
    store = InfluxDBStore(influxdb.url, influxdb.token, influxdb.org, influxdb.bucket)
    values = [float(number) for number in range(3 * ROWS_A_REQUEST - 7)]
    bad = [5, ROWS_A_REQUEST, 2 * ROWS_A_REQUEST + 3]
    for place in bad:
        values[place] = float("inf")
    written = store.write(batch(values), watermark=1)
    assert written.stored == len(values) - 3
    assert written.rejected.column("device_ns").to_pylist() == [NOON + place * 1_000_000 for place in bad]
    stored = store.read("mill-1", [], EVER).column("value").to_pylist()
    assert stored == [value for value in values if value != float("inf")]
    assert store.watermark() == 1
    store.close()


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_a_batch_of_which_one_request_fails_is_not_stored(moody: HTTPServer, failing: int) -> None:
    store = InfluxDBStore(f"http://127.0.0.1:{moody.server_port}", "t", "o", "b")
    store.write(batch([1.0]), watermark=1, spool="s")
    before, generation = moody.writes, store.generation  # type: ignore[attr-defined]
    moody.refuses = before + 1 + failing  # type: ignore[attr-defined]
    values = [float(number) for number in range(2 * ROWS_A_REQUEST + 1)]
    with pytest.raises(StoreUnavailableError, match="503"):
        store.write(batch(values, first=1), watermark=2, spool="s")
    assert store.generation > generation, "nobody knows what of it is stored"
    assert store.write(batch(values, first=1), watermark=2, spool="s").stored == len(values)
    store.close()


def test_a_wrong_token_is_said(influxdb: Server) -> None:
    store = InfluxDBStore(influxdb.url, "wrong", influxdb.org, influxdb.bucket)
    with pytest.raises(StoreUnavailableError, match="401"):
        store.write(batch([1.0]), watermark=1)
    store.close()


class _Moody(BaseHTTPRequestHandler):
    """Passes for InfluxDB 1 without data; writes are answered by `server.mood`."""

    def do_GET(self) -> None:
        self.send_response(404 if "/api/v2/" in self.path else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.writes += 1  # type: ignore[attr-defined]
        refused = self.server.writes == self.server.refuses  # type: ignore[attr-defined]
        self.send_response(503 if refused else self.server.mood)  # type: ignore[attr-defined]
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def moody() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), _Moody)
    server.mood, server.writes, server.refuses = 204, 0, None  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_loses_nothing_silently(moody: HTTPServer, status: int) -> None:
    store = InfluxDBStore(f"http://127.0.0.1:{moody.server_port}", "t", "o", "b")
    moody.mood = status  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailableError, match=str(status)):
        store.write(batch([1.0, 2.0]), watermark=1)
    moody.mood = 204  # type: ignore[attr-defined]
    assert store.write(batch([1.0, 2.0]), watermark=1).stored == 2
    store.close()


def test_a_server_that_is_not_there_is_unavailable(moody: HTTPServer) -> None:
    port = moody.server_port
    store = InfluxDBStore(f"http://127.0.0.1:{port}", "t", "o", "b")
    moody.shutdown()
    moody.server_close()
    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        store.write(batch([1.0]), watermark=1)
    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        store.watermark()
    store.close()
