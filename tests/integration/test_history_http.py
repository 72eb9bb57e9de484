"""Histories, downloads and coverage over HTTP."""

import io
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from lab.core.database import Database
from telemetry.history import downloads
from telemetry.stores.errors import StoreUnavailableError
from telemetry.stores.interface import SAMPLES, Flag
from tests.factories import MONDAY_MORNING
from tests.telemetry_lab import NOW_NS, SECOND, TelemetryLab, samples, served_lab

MINUTE = timedelta(minutes=1)
LAST_HOUR = {"start": "2026-11-23T06:00:00Z", "end": "2026-11-23T07:00:00Z"}
SECRET = 666.125


@pytest.fixture
def lab(database: Database, tmp_path: Path) -> Iterator[TelemetryLab]:
    with served_lab(database, tmp_path) as served:
        yield served


def wave(count: int, *, hz: float = 100.0, signal: str = "spindle_power_kw") -> pa.Table:
    """The `count` samples before now."""
    times = NOW_NS - np.rint(np.arange(count, 0, -1) * (SECOND / hz)).astype(np.int64)
    columns: dict[str, Any] = {
        "device": ["mill-1"] * count,
        "signal": [signal] * count,
        "boot": ["7f3a"] * count,
        "device_ns": times,
        "settled_ns": times,
        "received_ns": times + 1000,
        "value": np.sin(np.arange(count) / 50),
        "text": pa.nulls(count, pa.string()),
        "flags": np.zeros(count, np.uint8),
    }
    return pa.table(columns, schema=SAMPLES)


def ask(lab: TelemetryLab, what: str, *, who: str = "engineer", **parameters: Any) -> httpx.Response:
    with lab.client(who) as client:
        return client.get(f"/devices/mill-1/{what}", params=LAST_HOUR | parameters)


def answer(lab: TelemetryLab, what: str, **parameters: Any) -> Any:
    response = ask(lab, what, **parameters)
    assert response.status_code == 200, response.text
    return response.json()


def test_a_short_history_is_every_sample(lab: TelemetryLab) -> None:
    lab.store.write(samples(*((-60 * minute, minute) for minute in range(1, 51))), watermark=1)
    found = answer(lab, "history", signal="spindle_power_kw", width_px=25)["signals"]["spindle_power_kw"]
    assert not found["reduced"]
    assert found["points"] == [[(NOW_NS - 60 * minute * SECOND) / 1e6, minute] for minute in range(50, 0, -1)]
    assert answer(lab, "history", signal="spindle_power_kw", width_px=24)["signals"]["spindle_power_kw"]["reduced"]


@pytest.mark.parametrize("width", [2, 7, 1200])
def test_a_long_history_has_two_values_a_pixel_and_keeps_the_extremes(lab: TelemetryLab, width: int) -> None:
    rows = wave(200_000, hz=60)
    lab.store.write(rows, watermark=1)
    found = answer(lab, "history", signal="spindle_power_kw", width_px=width)["signals"]["spindle_power_kw"]
    assert found["reduced"]
    assert len(found["points"]) <= width
    values = rows.column("value").to_numpy()[rows.column("settled_ns").to_numpy() >= NOW_NS - 3600 * SECOND]
    assert min(low for _, low, _ in found["points"]) == values.min()
    assert max(high for _, _, high in found["points"]) == values.max()
    times = [at for at, _, _ in found["points"]]
    assert times == sorted(set(times))
    assert times[0] >= (NOW_NS - 3600 * SECOND) / 1e6


def test_of_a_text_the_changes_are_told(lab: TelemetryLab) -> None:
    programs = [(-3000 + second, "P1" if second < 1000 else "P2") for second in range(2000)]
    lab.store.write(samples(*programs, signal="program"), watermark=1)
    found = answer(lab, "history", signal="program")["signals"]["program"]
    assert found["points"] == [[(NOW_NS - 3000 * SECOND) / 1e6, "P1"], [(NOW_NS - 2000 * SECOND) / 1e6, "P2"]]
    flicker = [(-900 + second / 10, f"P{second}") for second in range(9000)]
    lab.store.write(samples(*flicker, signal="program"), watermark=2)
    many = answer(lab, "history", signal="program", width_px=100)["signals"]["program"]["points"]
    assert len(many) <= 200
    assert many[-1][1] == "P8999"


def test_histories_are_cut_to_the_slot_and_to_what_is_certain(lab: TelemetryLab) -> None:
    lab.book("alfa", MONDAY_MORNING - 50 * MINUTE, MONDAY_MORNING - 40 * MINUTE)
    lab.store.write(samples(*((-60 * minute, minute) for minute in range(1, 60))), watermark=1)
    lab.store.write(samples((-60 * 44.5, SECRET), flags=int(Flag.UNCERTAIN)), watermark=2)
    for width in (2, 1200):
        points = answer(lab, "history", who="alfa", signal="spindle_power_kw", width_px=width)["signals"]
        values = [value for point in points["spindle_power_kw"]["points"] for value in point[1:]]
        assert (min(values), max(values)) == (41.0, 50.0)


# Downloads


def table_of(kind: str, content: bytes) -> pa.Table:
    if kind == "parquet":
        return pq.read_table(io.BytesIO(content))
    if kind == "arrow":
        return pa.ipc.open_stream(content).read_all()
    options = pacsv.ConvertOptions(
        column_types={**dict(zip(downloads.FILE.names, downloads.FILE.types, strict=True)), "flags": pa.uint8()},
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    return pacsv.read_csv(io.BytesIO(content), convert_options=options)


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow"])
def test_a_download_holds_every_sample_once(lab: TelemetryLab, kind: str) -> None:
    rows = wave(150_000)
    lab.store.write(rows, watermark=1)
    lab.store.write(samples((-9, 'P"17",\nä'), (-8, ""), (-7, "=1+1"), signal="program"), watermark=2)
    response = ask(lab, "download", format=kind)
    assert response.status_code == 200
    ending = {"arrow": "arrows"}.get(kind, kind)
    expected = f'attachment; filename="mill-1-2026-11-23T060000Z.{ending}"'
    assert response.headers["content-disposition"] == expected
    found = table_of(kind, response.content)
    assert found.column_names == downloads.FILE.names
    power = found.filter(pc.equal(found.column("signal"), "spindle_power_kw"))
    assert power.num_rows == 150_000
    for name, column in (("time", "settled_ns"), ("device_time", "device_ns"), ("received", "received_ns")):
        assert power.column(name).cast(pa.int64()).to_pylist() == rows.column(column).to_pylist()
    assert power.column("value").to_pylist() == rows.column("value").to_pylist()
    program = found.filter(pc.equal(found.column("signal"), "program"))
    assert program.column("text").to_pylist() == ['P"17",\nä', "", "=1+1"]
    assert program.column("value").to_pylist() == [None] * 3


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow"])
def test_nothing_makes_a_sound_empty_file(lab: TelemetryLab, kind: str) -> None:
    found = table_of(kind, ask(lab, "download", format=kind).content)
    assert (found.num_rows, found.column_names) == (0, downloads.FILE.names)


class SlowStore:
    """Gives batches one by one, as they are asked for; counts them, and may go away."""

    def __init__(self, *, batches: int = 10_000, away_after: int = 10**9) -> None:
        self.given = 0
        self.closed = threading.Event()
        self._batches, self._away_after = batches, away_after

    def stream(self, *_: object, **__: object) -> Iterator[pa.RecordBatch]:
        batch = wave(1000).to_batches()[0]
        try:
            while self.given < self._batches:
                if self.given >= self._away_after:
                    raise StoreUnavailableError("the store is away")
                self.given += 1
                yield batch
        finally:
            self.closed.set()


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow"])
def test_a_download_is_read_no_faster_than_it_is_taken_and_ends_with_its_reader(lab: TelemetryLab, kind: str) -> None:
    store = lab.app.state.store = SlowStore(batches=10**6)
    with lab.client("engineer") as client, client.stream("GET", "/devices/mill-1/download?format=" + kind) as response:
        assert response.status_code == 200
        next(response.iter_raw())
    assert store.closed.wait(10)
    assert store.given < 50_000  # a million would have been sent to nobody


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow"])
def test_a_file_that_breaks_off_is_not_taken_for_a_whole_one(lab: TelemetryLab, kind: str) -> None:
    lab.app.state.store = SlowStore(away_after=600)
    with pytest.raises(httpx.RemoteProtocolError):
        ask(lab, "download", format=kind)
    lab.app.state.store = SlowStore(away_after=0)
    refused = ask(lab, "download", format=kind)
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:pilotlab:problem:store-unavailable")


def test_a_person_downloads_two_files_at_once(lab: TelemetryLab) -> None:
    lab.app.state.store = SlowStore(batches=10**6)
    with lab.client("engineer") as client:
        path = "/devices/mill-1/download"
        with client.stream("GET", path) as first, client.stream("GET", path) as second:
            assert (first.status_code, second.status_code) == (200, 200)
            refused = client.get(path)
            assert (refused.status_code, refused.json()["rule"]) == (429, "downloads-at-once")
            assert int(refused.headers["retry-after"]) > 0
    lab.app.state.store = SlowStore(batches=3)
    for _ in range(5):
        assert ask(lab, "download").status_code == 200


# Coverage


def test_coverage_tells_where_there_is_something(lab: TelemetryLab) -> None:
    lab.book("alfa", MONDAY_MORNING - 50 * MINUTE, MONDAY_MORNING - 20 * MINUTE)
    seconds = [*range(-3000, -2900), *range(-2000, -1990), *range(-900, -890)]
    lab.store.write(samples(*((second, 1.0) for second in seconds)), watermark=1)
    found = answer(lab, "coverage", longest_gap_s=10)["signals"]["spindle_power_kw"]
    assert [stretch["count"] for stretch in found] == [100, 10, 10]
    assert found[0] == {
        "boot": "7f3a",
        "first": "2026-11-23T06:10:00Z",
        "last": "2026-11-23T06:11:39Z",
        "count": 100,
        "longest_gap_s": 1.0,
    }
    assert len(answer(lab, "coverage", longest_gap_s=2000)["signals"]["spindle_power_kw"]) == 1
    own = answer(lab, "coverage", who="alfa", longest_gap_s=10)["signals"]["spindle_power_kw"]
    assert [stretch["count"] for stretch in own] == [100, 10]


# Everything that tells of a device's measurements


TELLING = re.compile(r"/mill-1/(samples|latest|history|download)$")
ROUTE_COUNT = 10
"""Fewer would mean that the walk finds nothing."""


def requests_of_all_routes(lab: TelemetryLab) -> list[tuple[str, str, dict[str, Any]]]:
    """One well-formed request of every route about a device's telemetry that the app really has."""
    found = []
    for path, methods in lab.app.openapi()["paths"].items():
        if "{device}" not in path and not any("telemetry" in route.get("tags", []) for route in methods.values()):
            continue
        for method, route in methods.items():
            known = {one["name"] for one in route.get("parameters", []) if one["in"] == "query"}
            told = {"signal": "spindle_power_kw", "boot": "7f3a", "first_seq": 0, "last_seq": 9, "format": "csv"}
            given = {name: value for name, value in (LAST_HOUR | told).items() if name in known}
            address = path.removeprefix("/api/v1").replace("{device}", "mill-1").replace("{device_id}", "mill-1")
            found.append((method.upper(), address, given))
    assert len(found) >= ROUTE_COUNT
    return found


@pytest.mark.parametrize("who", ["nobody", "beta", "recipient", "alfa"])
def test_no_route_shows_anybody_what_was_measured_outside_the_own_slot(lab: TelemetryLab, who: str) -> None:
    """`nobody` is not signed in, Beta has no slot on this machine, and that of Alfa was earlier than what is asked."""
    lab.book("alfa", MONDAY_MORNING - 3 * 60 * MINUTE, MONDAY_MORNING - 2 * 60 * MINUTE)
    lab.store.write(samples(*((-60 * minute, SECRET) for minute in range(1, 55))), watermark=1)
    lab.store.write(samples((-100, "SECRET-P66"), signal="program"), watermark=2)
    with lab.client("alfa" if who == "nobody" else who) as client:
        if who == "nobody":
            del client.headers["Authorization"]
        asked = requests_of_all_routes(lab)
        with lab.client("engineer") as engineer:
            told = [engineer.get(path, params=given).text for _, path, given in asked if TELLING.search(path)]
        assert len(told) == 4
        assert all(str(SECRET) in text for text in told), "even the staff sees nothing: the walk would prove nothing"
        for method, path, given in asked:
            where = f"{method} {path}"
            response = client.request(method, path, params=given, json=None if method in {"GET", "DELETE"} else {})
            assert str(SECRET) not in response.text, where
            assert "SECRET" not in response.text, where
            if who == "nobody":
                assert response.status_code == 401, where
            elif who == "alfa":
                assert response.status_code in {200, 403, 404, 422}, where
            else:
                assert response.status_code in {403, 404, 422}, where
            if "/devices/mill-1/" in path and method == "GET" and who == "beta":
                known = response.json()["type"]
                assert known in {"urn:pilotlab:problem:device-not-visible", "urn:pilotlab:problem:forbidden"}, where
