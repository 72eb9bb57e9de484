"""Every format ends in the same samples, and what a machine says of units is believed only where it agrees."""

import json

import cbor2
import numpy as np
import pytest

from devices.messages.cbor import encode_cbor
from devices.messages.native import Data, MessageError, encode
from devices.messages.senml import BOOT
from devices.service import SignalFacts
from telemetry.batches import Batch
from telemetry.formats import DATA_KINDS, decode
from telemetry.interpreting import Interpreter
from telemetry.live.rings import DeviceFacts, DeviceRings, stamp
from telemetry.settling import SECOND_NS
from telemetry.spool import SpooledMessage
from telemetry.stores.interface import Flag

NOW = 1_795_000_000 * SECOND_NS
SIGNALS = {"mill-1": {"power": SignalFacts("number", high=7.5, unit="kW"), "tool": SignalFacts("text")}}


def read(kind: str, payload: bytes) -> Batch:
    batch = Batch()
    reader = Interpreter("lab", lambda _: SIGNALS, lambda *_: [], max_payload_bytes=300_000, tolerance_ns=SECOND_NS)
    topic = f"pilotlab/lab/mill-1/{kind}"
    reader.read(1, SpooledMessage(topic, payload, len(payload), NOW, NOW - SECOND_NS, False), batch)
    return batch


def rows(batch: Batch) -> list[tuple[str, int, object]]:
    table = batch.samples.table()
    columns = [table[name].to_pylist() for name in ("signal", "device_ns", "value", "text")]
    return sorted(
        (signal, at, text if value is None else value) for signal, at, value, text in zip(*columns, strict=True)
    )


def test_the_same_values_in_every_format_are_the_same_samples() -> None:
    message = Data("b", 0, time=NOW, values={"power": 1.5, "tool": "T4"})
    pack = [
        {"bt": NOW // SECOND_NS, "n": "power", "u": "kW", "v": 1.5, "boot": "b", "seq": 0},
        {"n": "tool", "vs": "T4"},
    ]
    found = [
        read("data", encode(message)),
        read("data/cbor", encode_cbor(message)),
        read("data/senml", json.dumps(pack).encode()),
    ]
    assert [rows(batch) for batch in found] == [[("power", NOW, 1.5), ("tool", NOW, "T4")]] * 3
    assert [batch.sequences for batch in found] == [{("mill-1", "b"): [0]}] * 3
    assert not any(batch.letters for batch in found)


def test_a_wave_of_float32_is_spread_over_its_time_and_its_nan_named() -> None:
    wave = np.array([0.5, np.nan, 9.0], dtype="<f4")
    content = {"boot": "b", "seq": 0, "start": NOW - SECOND_NS, "rate_hz": 1000, "waves": {"power": wave, "x": wave}}
    payload = cbor2.dumps(content, default=lambda encoder, value: encoder.encode_semantic(85, value.tobytes()))
    batch = read("data/cbor", payload)

    assert rows(batch) == [("power", NOW - SECOND_NS, 0.5), ("power", NOW - SECOND_NS + 2_000_000, 9.0)]
    assert batch.samples.table()["flags"].to_pylist() == [0, Flag.OUT_OF_RANGE.value]
    assert {(letter["signal"], letter["reason"]) for letter in batch.letters} == {
        ("power", "not-finite"),
        ("x", "unknown-signal"),
    }


def test_a_pack_of_several_times_that_comes_as_it_was_measured_is_certain() -> None:
    at = NOW // SECOND_NS
    batch = read(
        "data/senml", json.dumps([{"bn": "power", "bt": at, "t": -step, "v": 1} for step in (2, 0, 1)]).encode()
    )
    assert [time for _, time, _ in rows(batch)] == [NOW - 2 * SECOND_NS, NOW - SECOND_NS, NOW]
    assert batch.samples.table()["flags"].to_pylist() == [0, 0, 0]
    assert batch.samples.table()["boot"].to_pylist() == [BOOT] * 3
    assert batch.sequences == {}, "a pack without a number says nothing about missing ones"


def test_a_pack_that_was_recorded_earlier_says_so() -> None:
    at = NOW // SECOND_NS - 3600
    records = [{"bn": "power", "bt": at, "buffered": True, "t": step, "v": 1} for step in (0, 1)]
    flags = read("data/senml", json.dumps(records).encode()).samples.table()["flags"].to_pylist()
    assert all(flag & Flag.BUFFERED for flag in flags)


@pytest.mark.parametrize("kind", ["data", "data/cbor", "data/senml"])
def test_a_value_in_another_unit_is_not_stored(kind: str) -> None:
    message = Data("b", 0, time=NOW, values={"power": 1500, "tool": "T4"}, units={"power": "W"})
    pack = [{"bt": NOW // SECOND_NS, "n": "power", "u": "W", "v": 1500}, {"n": "tool", "vs": "T4"}]
    payloads = {"data": encode(message), "data/cbor": encode_cbor(message), "data/senml": json.dumps(pack).encode()}
    batch = read(kind, payloads[kind])
    assert rows(batch) == [("tool", NOW, "T4")]
    assert [(letter["signal"], letter["reason"]) for letter in batch.letters] == [("power", "other-unit")]


def test_live_shows_every_format() -> None:
    wave = np.arange(3, dtype="<f4")
    rings = DeviceRings()
    facts = DeviceFacts(frozenset({"power"}))
    for place, (kind, payload) in enumerate(
        [
            ("data", encode(Data("b", 0, time=NOW, values={"power": 5.0}))),
            ("data/cbor", encode_cbor(Data("b", 1, start=NOW + 1, rate_hz=1e6, waves={"power": wave}))),  # type: ignore[dict-item]
            ("data/senml", b'[{"bt":%d.5,"n":"power","v":7}]' % (NOW // SECOND_NS)),
        ]
    ):
        assert kind in DATA_KINDS
        message = decode(kind, payload)
        assert isinstance(message, Data), place
        rings.put(stamp(message, facts, now_ns=NOW + SECOND_NS // 2))
    assert [point.value for point in rings.between(0, rings.last_number)["power"]] == [5.0, 0.0, 1.0, 2.0, 7.0]


def test_a_format_that_nobody_speaks_is_named() -> None:
    with pytest.raises(MessageError) as refusal:
        decode("data/xml", b"<data/>")
    assert refusal.value.reason == "unknown-kind"


def test_a_value_in_another_unit_is_not_shown_live() -> None:
    facts = DeviceFacts(frozenset({"power"}), units={"power": "kW"})
    for unit, shown in ({"power": "W"}, False), ({"power": "kW"}, True), (None, True):
        message = Data("b", 0, time=NOW, values={"power": 1.5}, units=unit)
        assert bool(stamp(message, facts, now_ns=NOW)) == shown


def test_a_unit_of_what_is_not_said_is_passed_over() -> None:
    message = Data("b", 0, time=NOW, values={"power": 1.5}, units={"power": "kW", "absent": "W"})
    batch = read("data", encode(message))
    assert rows(batch) == [("power", NOW, 1.5)]
    assert not batch.letters
