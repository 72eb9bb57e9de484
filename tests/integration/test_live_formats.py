"""Whatever a machine speaks, whoever watches it sees it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from devices.messages.cbor import encode_cbor
from devices.messages.native import Data, encode
from devices.messages.topics import topic
from lab.core.database import Database
from lab.core.mqtt import connect, new_client
from telemetry.sparkplug.host import SparkplugHost, SparkplugNames
from tests.integration.sparkplug_node import GROUP, HOST_ID, EdgeNode, metric
from tests.integration.test_live import Viewer, wait_for
from tests.services import Mosquitto
from tests.telemetry_lab import LAB, NOW_NS, SECOND, TelemetryLab, served_lab


@pytest.fixture
def lab(database: Database, own_mosquitto: Mosquitto, tmp_path: Path) -> Iterator[TelemetryLab]:
    with served_lab(database, tmp_path, address=own_mosquitto.address()) as lab:
        yield lab


def test_values_of_every_format_are_shown(lab: TelemetryLab, own_mosquitto: Mosquitto) -> None:
    viewer = Viewer(lab, "engineer")
    wait_for(lambda: {"broker": True} in viewer.named("status"))
    machine = new_client(own_mosquitto.address(), "mill-1")
    connect(machine, own_mosquitto.address())
    machine.loop_start()
    at = NOW_NS - SECOND // 2
    wave = np.array([2.0, 3.0], dtype="<f4")
    said = [
        ("data", encode(Data("b", 0, time=at, values={"spindle_power_kw": 1.0}))),
        ("data/cbor", encode_cbor(Data("b", 1, start=at + 1000, rate_hz=1e6, waves={"spindle_power_kw": wave}))),  # type: ignore[dict-item]
        ("data/senml", b'[{"n":"spindle_power_kw","v":4,"bt":%d.9}]' % (NOW_NS // SECOND - 1)),
    ]
    for number, (kind, payload) in enumerate(said):
        machine.publish(topic(LAB, "mill-1", kind), payload, qos=1).wait_for_publish(10)
        wait_for(lambda number=number: len(viewer.values()) > number)
    wait_for(lambda: viewer.values() == [1.0, 2.0, 3.0, 4.0])
    machine.disconnect()
    machine.loop_stop()
    viewer.leave()


def test_an_edge_node_is_shown_as_the_device_that_it_is(lab: TelemetryLab, own_mosquitto: Mosquitto) -> None:
    known = {f"sparkplug:{GROUP}/press": "mill-1"}
    host = SparkplugHost(
        own_mosquitto.address(),
        LAB,
        SparkplugNames(GROUP, HOST_ID),
        lab.clock,
        262_144,
        lambda _arrived: None,
        lambda: True,
        known.get,
    )
    host.start()
    viewer = Viewer(lab, "engineer")
    wait_for(lambda: {"broker": True} in viewer.named("status"))
    assert host.ready.wait(10)
    node = EdgeNode(own_mosquitto.address())
    at_ms = NOW_NS // 1_000_000 - 900
    node.birth(metric("spindle_power_kw", 1.5, alias=1, at_ms=at_ms))
    node.say("NDATA", metric(None, 2.5, alias=1, at_ms=at_ms + 1))
    wait_for(lambda: viewer.values() == [1.5, 2.5])
    node.leave()
    viewer.leave()
    host.stop(timeout=5)
