"""The native messages: what is good is read, what is not is named, and nothing else happens."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.messages.native import (
    KINDS,
    Birth,
    Command,
    Data,
    Death,
    Event,
    Message,
    MessageError,
    Reply,
    State,
    decode,
    encode,
)
from devices.messages.topics import Address, parse_topic, topic

WORKED = b'{"boot": "7f3a", "seq": 1042, "time": "2026-11-22T09:30:00.125Z", "values": {"spindle_power_kw": 1.82}}'


def reason_of(kind: str, payload: bytes) -> str:
    with pytest.raises(MessageError) as refusal:
        decode(kind, payload)
    assert len(str(refusal.value)) < 400
    str(refusal.value).encode("utf-8")
    return refusal.value.reason


def outcome(kind: str, payload: bytes) -> str:
    """Why it is refused, or `read`; anything but a `MessageError` passes through and fails the test."""
    try:
        message = decode(kind, payload)
    except MessageError as error:
        str(error).encode("utf-8")
        return error.reason
    assert not isinstance(message, Event) or encode(message)
    return "read"


def test_the_documented_data_message_is_read() -> None:
    assert decode("data", WORKED) == Data(
        "7f3a", 1042, time="2026-11-22T09:30:00.125Z", values={"spindle_power_kw": 1.82}
    )


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("birth", Birth("a", 5, "2.1", ["x", "y"])),
        ("death", Death("a")),
        ("data", Data("a", 1, time=5, values={"n": 1.5, "on": True, "step": "cutting", "none": None})),
        ("data", Data("a", 1, start="2026-11-22T09:30:00Z", rate_hz=51200, waves={"v": [0.1, 0.2]})),
        ("data", Data("a", 1, buffered=True, samples={"v": [(5, 1.5), ("2026-11-22T09:30:00Z", "text")]})),
        ("event", Event("a", 1, 5, "part_finished", {"result": "good"})),
        ("state", State("a", 1, 5, "Executing", "Processing", "P17")),
        ("command", Command("c1", "stop", "too hot", 5)),
        ("reply", Reply("c1", "refused", "not now")),
    ],
)
def test_every_message_is_read_back(kind: str, message: Message) -> None:
    assert decode(kind, encode(message)) == message


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "empty"),
        (b"\xff\xfe", "not-utf8"),
        (b'{"boot": "\xff"}', "not-utf8"),
        (b"{", "not-json"),
        (b"hello", "not-json"),
        (b"{} {}", "not-json"),
        (b'\xef\xbb\xbf{"boot": "a"}', "not-json"),
        (b"null", "wrong-form"),
        (b"[]", "wrong-form"),
        (b"{}", "wrong-form"),
        (b"NaN", "wrong-form"),
        (b'{"boot": 1, "id": 1}', "wrong-form"),
    ],
)
def test_what_cannot_be_used_says_why(kind: str, payload: bytes, reason: str) -> None:
    assert reason_of(kind, payload) == reason


def test_an_unknown_kind_is_named() -> None:
    assert reason_of("gossip", b"{}") == "unknown-kind"


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"time": 5},
        {"values": {"x": 1}},
        {"time": 5, "values": {"x": 1}, "samples": {"x": [[5, 1]]}},
        {"time": 5, "values": {"x": 1}, "start": 5, "rate_hz": 1, "waves": {"x": [1]}},
        {"start": 5, "rate_hz": 0, "waves": {"x": [1]}},
        {"start": 5, "rate_hz": -1, "waves": {"x": [1]}},
        {"start": 5, "waves": {"x": [1]}},
        {"samples": {"x": [[5]]}},
        {"samples": {"x": [[5, 1, 2]]}},
        {"time": 5.5, "values": {"x": 1}},
        {"time": True, "values": {"x": 1}},
    ],
)
def test_data_in_no_or_several_shapes_is_refused(shape: dict[str, Any]) -> None:
    assert reason_of("data", json.dumps({"boot": "a", "seq": 1, **shape}).encode()) == "wrong-form"


@pytest.mark.parametrize("rate", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_rate_that_is_no_rate_is_refused(rate: str) -> None:
    payload = f'{{"boot": "a", "seq": 1, "start": 5, "rate_hz": {rate}, "waves": {{"x": [1]}}}}'
    assert reason_of("data", payload.encode()) == "wrong-form"


def test_a_nan_costs_its_own_value_only() -> None:
    payload = b'{"boot": "a", "seq": 1, "time": 5, "values": {"bad": NaN, "worse": -Infinity, "good": 1.5}}'
    message = decode("data", payload)
    assert isinstance(message, Data)
    assert message.values is not None
    assert math.isnan(message.values["bad"])
    assert message.values["worse"] == -math.inf
    assert message.values["good"] == 1.5


def test_an_event_keeps_what_a_database_takes() -> None:
    payload = (
        b'{"boot": "a", "seq": 1, "time": 5, "event": "e", "fields": {"n": NaN, "d": {"l": [1, 1e999, "x"]}, "y": 2}}'
    )
    message = decode("event", payload)
    assert isinstance(message, Event)
    assert message.fields == {"n": None, "d": {"l": [1, None, "x"]}, "y": 2}


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 400, "1" + "0" * 5000])
def test_a_number_too_large_for_a_float_costs_at_most_its_message(number: str) -> None:
    payload = f'{{"boot": "a", "seq": 1, "time": 5, "values": {{"x": {number}, "y": 2}}}}'.encode()
    assert outcome("data", payload) in {"read", "not-json", "wrong-form"}


@pytest.mark.parametrize("seq", [str(2**63), str(-(2**63) - 1), "9" * 100, "-1"])
def test_a_sequence_number_must_fit_into_the_database(seq: str) -> None:
    payload = f'{{"boot": "a", "seq": {seq}, "time": 5, "values": {{"x": 1}}}}'
    assert reason_of("data", payload.encode()) == "wrong-form"


def test_the_largest_sequence_number_fits() -> None:
    message = decode("data", f'{{"boot": "a", "seq": {2**63 - 1}, "time": 5, "values": {{"x": 1}}}}'.encode())
    assert isinstance(message, Data)


@pytest.mark.parametrize("boot", ["", "x" * 65])
def test_a_boot_must_name_a_boot_and_fit_into_the_database(boot: str) -> None:
    assert reason_of("data", json.dumps({"boot": boot, "seq": 1, "time": 5, "values": {"x": 1}}).encode())


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("data", rb'{"boot": "\ud83d", "seq": 1, "time": 5, "values": {"x": 1}}'),
        ("data", rb'{"boot": "a\u0000", "seq": 1, "time": 5, "values": {"x": NaN}}'),
        ("event", rb'{"boot": "a", "seq": 1, "time": 5, "event": "\udfff"}'),
        ("event", rb'{"boot": "a", "seq": 1, "time": 5, "event": "e", "fields": {"\ud800": 1}}'),
        ("event", rb'{"boot": "a", "seq": 1, "time": 5, "event": "e", "fields": {"l": [{"x": "\u0000"}]}}'),
        ("birth", rb'{"boot": "a", "time": 5, "signals": ["\ud800"]}'),
        ("birth", rb'{"boot": "a", "time": 5, "signals": "\ud800"}'),
        ("data", rb'{"boot": "a", "seq": "\ud800", "time": 5, "values": {"x": 1}}'),
        ("event", rb'{"boot": "a", "seq": 1, "time": 5, "event": "e", "\ud800": 1}'),
        ("state", rb'{"boot": "a", "seq": 1, "time": 5, "item_state": "x", "program": "\u0000"}'),
    ],
)
def test_text_that_cannot_be_stored_is_refused(kind: str, payload: bytes) -> None:
    assert reason_of(kind, payload) in {"wrong-form", "not-utf8"}


def test_a_broken_text_among_values_is_left_to_whoever_knows_the_signals() -> None:
    message = decode("data", rb'{"boot": "a", "seq": 1, "time": 5, "values": {"step": "\ud800", "good": 1.5}}')
    assert isinstance(message, Data)
    assert message.values is not None
    assert message.values["good"] == 1.5


def test_escaped_text_that_is_right_is_read() -> None:
    message = decode(
        "event", rb'{"boot": "a", "seq": 1, "time": 5, "event": "\u0119", "fields": {"x": "\ud83d\ude00"}}'
    )
    assert isinstance(message, Event)
    assert (message.event, message.fields) == ("ę", {"x": "😀"})


@pytest.mark.parametrize("depth", [100, 5_000, 100_000])
@pytest.mark.parametrize("opening", [b'{"boot": "a", "seq": 1, "time": 5, "values": {"x": ', b""])
def test_deep_nesting_is_no_crash(opening: bytes, depth: int) -> None:
    payload = opening + b"[" * depth + b"]" * depth + (b"}}" if opening else b"")
    outcome("data", payload)


def test_300_kilobytes_are_read_or_refused_like_any_other() -> None:
    values = {f"signal_{i}": i / 7 for i in range(12_000)}
    payload = json.dumps({"boot": "a", "seq": 1, "time": 5, "values": values}).encode()
    assert len(payload) > 300_000
    message = decode("data", payload)
    assert isinstance(message, Data)
    assert message.values == values
    assert reason_of("data", payload[:-1]) == "not-json"
    assert reason_of("data", b"x" * 300_000) == "not-json"


@settings(deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(kind: str, payload: bytes) -> None:
    outcome(kind, payload)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["boot", "seq", "time", "values", "start", "rate_hz", "waves", "samples", "buffered", "event", "fields", "id"]
)


@settings(deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.dictionaries(FIELDS, JSON))
def test_any_json_is_a_message_or_refused(kind: str, content: dict[str, Any]) -> None:
    assert outcome(kind, json.dumps(content).encode()) in {"read", "wrong-form", "not-json"}


VALUES = st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.text(max_size=10)


@settings(deadline=None)
@given(
    st.text(min_size=1, max_size=20).filter(lambda boot: "\x00" not in boot),
    st.integers(0, 2**63 - 1),
    st.integers(-(2**62), 2**63 - 1),
    st.dictionaries(st.text(max_size=10).filter(lambda name: "\x00" not in name), VALUES),
)
def test_data_survives_the_wire(boot: str, seq: int, time: int, values: dict[str, Any]) -> None:
    clean = {name: value for name, value in values.items() if not (isinstance(value, str) and "\x00" in value)}
    message = Data(boot, seq, time=time, values=clean)
    assert decode("data", encode(message)) == message


def test_a_topic_is_read_back() -> None:
    assert parse_topic(topic("gliwice", "mill-1", "data")) == Address("gliwice", "mill-1", "data")
    assert parse_topic("pilotlab/gliwice/mill-1/data/cbor") == Address("gliwice", "mill-1", "data/cbor")


@pytest.mark.parametrize(
    "text", ["", "pilotlab", "pilotlab/a/b", "pilotlab//b/data", "other/a/b/data", "pilotlab/a/b/"]
)
def test_other_topics_are_none_of_ours(text: str) -> None:
    assert parse_topic(text) is None


@settings(deadline=None)
@given(st.text())
def test_any_topic_is_ours_or_not(text: str) -> None:
    address = parse_topic(text)
    assert address is None or topic(address.lab, address.device, address.kind) == text
