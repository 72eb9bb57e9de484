"""What the recorder makes of a message: samples, or a letter with the reason, and never a stumble."""

import struct
from typing import Any

import cbor2
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.service import SignalFacts
from telemetry.batches import Batch
from telemetry.interpreting import Interpreter
from telemetry.settling import SECOND_NS
from telemetry.spool import SpooledMessage
from telemetry.stores.interface import Flag

NOW = 1_795_000_000 * SECOND_NS
SIGNALS = {
    "mill-1": {
        "power": SignalFacts("number", low=0.0, high=7.5),
        "count": SignalFacts("number"),
        "balance": SignalFacts("number"),
        "on": SignalFacts("boolean"),
        "tool": SignalFacts("text"),
        "door": SignalFacts("enumeration", choices=frozenset({"open", "closed"})),
    }
}


def interpreter() -> Interpreter:
    return Interpreter("lab", lambda _: SIGNALS, lambda *_: [], max_payload_bytes=10_000, tolerance_ns=SECOND_NS)


def read(*payloads: Any, topic: str = "pilotlab/lab/mill-1/data", received_ns: int = NOW) -> Batch:
    batch, reader = Batch(), interpreter()
    for number, payload in enumerate(payloads, 1):
        body = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
        reader.read(number, SpooledMessage(topic, body, len(body), received_ns, NOW - SECOND_NS, False), batch)
    return batch


def test_values_of_every_type_become_samples() -> None:
    values = {"power": 2, "on": True, "tool": "T4", "door": "open"}
    rows = read({"boot": "b", "seq": 0, "time": NOW, "values": values}).samples.table().to_pylist()

    found = {row["signal"]: row["text"] if row["text"] is not None else row["value"] for row in rows}
    assert found == {"power": 2.0, "on": 1.0, "tool": "T4", "door": "open"}


def test_a_wave_is_spread_over_its_time() -> None:
    wave = {"boot": "b", "seq": 0, "start": NOW - SECOND_NS, "rate_hz": 51200, "waves": {"power": [0.5] * 1000}}
    table = read(wave).samples.table()

    times = table["settled_ns"].to_pylist()
    assert times == [NOW - SECOND_NS + round(place * 1e9 / 51200) for place in range(1000)]
    assert len(set(times)) == 1000


def test_large_whole_numbers_that_are_kept_rounded_are_flagged_also_when_they_cancel_out_or_come_in_a_wave() -> None:
    odd = 2**53 + 1
    message = {"boot": "b", "seq": 0, "time": NOW, "values": {"count": odd, "balance": -odd, "power": 1.0}}
    wave = {"boot": "b", "seq": 1, "start": NOW - SECOND_NS, "rate_hz": 10, "waves": {"count": [odd, 5, float(2**60)]}}
    rows = read(message, wave).samples.table().to_pylist()
    typed = wave | {"seq": 2, "waves": {"count": cbor2.CBORTag(79, struct.pack("<3q", odd, 5, -(2**60)))}}
    rows += read(cbor2.dumps(typed), topic="pilotlab/lab/mill-1/data/cbor").samples.table().to_pylist()

    flagged = [(row["signal"], row["value"]) for row in rows if row["flags"] & Flag.OUT_OF_RANGE]
    assert flagged == [
        ("count", float(odd)),
        ("balance", -float(odd)),
        ("count", float(odd)),
        ("count", float(odd)),
        ("count", -float(2**60)),
    ]


def test_fields_that_nest_too_deep_to_be_told_again_are_a_letter() -> None:
    for levels, stored in ((31, 1), (32, 0), (500, 0)):
        payload = b'{"boot":"b","seq":3,"time":%d,"event":"e","fields":{"a":%s1%s}}' % (
            NOW,
            b"[" * levels,
            b"]" * levels,
        )
        batch = read(payload, topic="pilotlab/lab/mill-1/event")
        assert len(batch.events) == stored
        assert [letter["reason"] for letter in batch.letters] == ["wrong-form"] * (1 - stored)


def test_a_message_of_another_lab_or_of_no_device_is_a_letter() -> None:
    for topic in ("pilotlab/other/mill-1/data", "pilotlab/lab/mill-1", "pilotlab/lab//data"):
        assert [letter["reason"] for letter in read({}, topic=topic).letters] == ["unknown-topic"]


def test_commands_and_replies_are_nobodys_letters() -> None:
    for kind in ("command", "reply"):
        assert read({"id": "1"}, topic=f"pilotlab/lab/mill-1/{kind}").letters == []


def test_a_message_with_endless_faults_gets_a_bounded_number_of_letters() -> None:
    values = {f"unknown-{number}": 1 for number in range(500)}
    batch = read({"boot": "b", "seq": 0, "time": NOW, "values": values})

    assert len(batch.letters) == 21
    assert "480 further" in batch.letters[-1]["detail"]
    assert len({letter["key"] for letter in batch.letters}) == 21


def test_nan_in_the_fields_of_an_event_becomes_null() -> None:
    payload = b'{"boot":"b","seq":3,"time":%d,"event":"part_finished","fields":{"roughness_um":NaN,"n":1}}' % NOW
    batch = read(payload, topic="pilotlab/lab/mill-1/event")

    assert [event["fields"] for event in batch.events] == [{"roughness_um": None, "n": 1}]
    assert batch.sequences == {("mill-1", "b"): [3]}


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["power", "on", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
bodies = st.fixed_dictionaries(
    {"boot": st.text(max_size=70) | plain, "seq": st.integers() | plain},
    optional={
        "time": st.integers() | st.text(max_size=30) | plain,
        "values": st.dictionaries(st.sampled_from(["power", "on", "tool", "door", "x"]), plain, max_size=4) | plain,
        "start": st.integers() | plain,
        "rate_hz": st.floats() | plain,
        "waves": st.dictionaries(st.sampled_from(["power", "on"]), st.lists(plain, max_size=5)) | plain,
        "samples": st.dictionaries(st.sampled_from(["power", "on"]), st.lists(st.lists(plain, max_size=3), max_size=3)),
        "buffered": st.booleans(),
        "event": st.text(max_size=70),
        "fields": st.dictionaries(st.text(max_size=5), plain, max_size=3),
        "item_state": st.text(max_size=5),
    },
)
kinds = st.sampled_from(["birth", "death", "data", "event", "state", "data/cbor", "", "x"])


@settings(deadline=None)  # the first table of a process loads pandas
@given(st.binary(max_size=200) | bodies, kinds)
def test_no_payload_makes_it_stumble(payload: Any, kind: str) -> None:
    if not isinstance(payload, bytes):
        try:
            payload = msgspec.json.encode(payload)
        except (ValueError, TypeError):  # what JSON cannot say, nobody can send
            return
    batch = read(payload, topic=f"pilotlab/lab/mill-1/{kind}")

    assert "recorder-fault" not in {letter["reason"] for letter in batch.letters}
    for row in batch.samples.table().to_pylist():
        assert (row["value"] is None) != (row["text"] is None)
        assert row["settled_ns"] <= NOW
    for letter in batch.letters:
        assert len(letter["key"]) <= 200
        assert len(letter["reason"]) <= 60
        assert letter["detail"].encode()
