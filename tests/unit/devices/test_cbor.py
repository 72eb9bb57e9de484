"""Data in CBOR: the native shapes, waves as typed arrays in every width and byte order, and nothing that harms."""

import struct
import tracemalloc
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from devices.messages.cbor import DEEPEST, decode_cbor, encode_cbor
from devices.messages.native import Data, MessageError, decode, encode

WAVE = {"boot": "7f3a", "seq": 1, "start": 5, "rate_hz": 51200}


def reason_of(payload: bytes) -> str:
    with pytest.raises(MessageError) as refusal:
        decode_cbor(payload)
    return refusal.value.reason


def wave_of(tag: int, content: bytes) -> Any:
    message = decode_cbor(cbor2.dumps({**WAVE, "waves": {"x": cbor2.CBORTag(tag, content)}}))
    assert message.waves is not None
    return message.waves["x"]


@pytest.mark.parametrize(
    ("tag", "code", "numbers"),
    [
        (64, ">B", [0, 255]),
        (65, ">H", [1, 65_535]),
        (66, ">I", [1, 2**32 - 1]),
        (67, ">Q", [1, 2**53]),
        (68, ">B", [0, 255]),
        (69, "<H", [1, 65_535]),
        (70, "<I", [1, 2**32 - 1]),
        (71, "<Q", [1, 2**53]),
        (72, ">b", [-128, 127]),
        (73, ">h", [-32_768, 2]),
        (74, ">i", [-(2**31), 2]),
        (75, ">q", [-(2**53), 2]),
        (77, "<h", [-32_768, 2]),
        (78, "<i", [-(2**31), 2]),
        (79, "<q", [-(2**53), 2]),
        (80, ">e", [1.5, -0.25]),
        (81, ">f", [1.5, 3.0e38]),
        (82, ">d", [0.1, -1e300]),
        (84, "<e", [1.5, -0.25]),
        (85, "<f", [1.5, -2.5]),
        (86, "<d", [0.1, -1e300]),
    ],
)
def test_a_wave_may_come_in_every_width_and_byte_order(tag: int, code: str, numbers: list[float]) -> None:
    content = b"".join(struct.pack(code, number) for number in numbers)
    found = wave_of(tag, content)
    assert found.dtype == np.float64
    assert found.tolist() == [float(np.float32(n)) if code[1] == "f" else n for n in numbers]


@pytest.mark.parametrize(
    ("tag", "code", "numbers"),
    [(67, ">Q", [1, 2**64 - 1]), (71, "<Q", [2**53 + 1, 2]), (75, ">q", [-(2**53) - 1, 2]), (79, "<q", [-(2**63), 0])],
)
def test_whole_numbers_that_would_be_rounded_arrive_as_they_were_sent(tag: int, code: str, numbers: list[int]) -> None:
    assert wave_of(tag, b"".join(struct.pack(code, number) for number in numbers)) == numbers


@pytest.mark.parametrize(
    ("tag", "content"),
    [(85, b"123"), (82, b"1234567"), (76, b"12"), (83, b"0" * 16), (87, b"0" * 16), (85, [1, 2]), (40, [[2], [1, 2]])],
)
def test_what_is_no_typed_array_is_refused(tag: int, content: Any) -> None:
    assert reason_of(cbor2.dumps({**WAVE, "waves": {"x": cbor2.CBORTag(tag, content)}})) == "wrong-form"


@pytest.mark.parametrize("tag", [1, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 256, 258, 260, 43000, 55799])
def test_a_tag_that_has_no_place_in_a_message_is_refused(tag: int) -> None:
    message = {"boot": "b", "seq": 1, "time": 5, "values": {"x": cbor2.CBORTag(tag, [1, 2])}}
    assert reason_of(cbor2.dumps(message)) == "wrong-form"


def test_a_message_may_say_that_it_is_cbor() -> None:
    message = {"boot": "b", "seq": 1, "time": 5, "values": {"x": 1}}
    assert decode_cbor(cbor2.dumps(cbor2.CBORTag(55799, message))).values == {"x": 1}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "empty"),
        (b"\xff", "not-cbor"),
        (b"\x01\x02", "not-cbor"),
        (cbor2.dumps([1]), "wrong-form"),
        (cbor2.dumps({}), "wrong-form"),
        (cbor2.dumps({1: 2}), "not-cbor"),
        (b"\xa2\x61a\x01\x61a\x02", "not-cbor"),
        (b"\x61\xff", "not-cbor"),
        (b"\x81" * (DEEPEST + 1) + b"\x00", "not-cbor"),
        (b"\xd8\x55" * 5000 + b"\x40", "not-cbor"),
        (cbor2.dumps({"boot": "b", "seq": -1, "time": 5, "values": {}}), "wrong-form"),
        (cbor2.dumps({"boot": "b\x00", "seq": 1, "time": 5, "values": {}}), "wrong-form"),
        (cbor2.dumps({"boot": "b", "seq": 1, "time": 5.5, "values": {}}), "wrong-form"),
        (cbor2.dumps({"boot": "b", "seq": 1, "time": 5}), "wrong-form"),
        (cbor2.dumps({**WAVE, "waves": {"x": {}}}), "wrong-form"),
        (cbor2.dumps({**WAVE, "waves": {"x": [1], "y": 5}}), "wrong-form"),
    ],
)
def test_what_cannot_be_used_says_why(payload: bytes, reason: str) -> None:
    assert reason_of(payload) == reason


@pytest.mark.parametrize("head", [b"\x9b", b"\xbb", b"\x5b", b"\x7b", b"\xdb"])
@pytest.mark.parametrize("length", [2**31, 2**62, 2**64 - 1])
def test_a_length_that_is_only_announced_takes_no_memory(head: bytes, length: int) -> None:
    tracemalloc.start()
    try:
        assert reason_of(b"\xa1\x65waves" + head + length.to_bytes(8, "big") + b"\x00" * 100) in {
            "not-cbor",
            "wrong-form",
        }
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_time_may_be_tagged_as_one() -> None:
    message = {"boot": "b", "seq": 1, "time": cbor2.CBORTag(0, "2026-11-22T09:30:00Z"), "values": {"x": 1}}
    assert decode_cbor(cbor2.dumps(message)).time == "2026-11-22T09:30:00Z"


def test_a_number_too_large_costs_its_own_value_only() -> None:
    message = decode_cbor(cbor2.dumps({"boot": "b", "seq": 1, "time": 5, "values": {"x": 10**4000, "y": -(2**80)}}))
    assert message.values == {"x": float("inf"), "y": -(2.0**80)}


TEXT = st.text(max_size=10).filter(lambda text: "\x00" not in text)
VALUES = st.floats(allow_nan=False) | st.booleans() | st.text(max_size=10) | st.integers(-(2**62), 2**62)


@settings(deadline=None)
@given(TEXT.filter(bool), st.integers(0, 2**63 - 1), st.integers(-(2**62), 2**63 - 1), st.dictionaries(TEXT, VALUES))
def test_what_json_says_cbor_says_too(boot: str, seq: int, time: int, values: dict[str, Any]) -> None:
    message = Data(boot, seq, time=time, values=values)
    assert decode_cbor(encode_cbor(message)) == message
    finite = Data(boot, seq, time=time, values={n: v for n, v in values.items() if v not in {np.inf, -np.inf}})
    assert decode_cbor(encode_cbor(finite)) == decode("data", encode(finite))


@settings(deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=False), max_size=50), st.sampled_from([">f4", "<f4", "<f8", ">f8"]))
def test_a_wave_survives_the_wire(numbers: list[float], code: str) -> None:
    wave = np.array(numbers, dtype=code)
    message = decode_cbor(encode_cbor(Data("b", 1, start=5, rate_hz=10.0, waves={"x": wave})))  # type: ignore[dict-item]
    assert message.waves is not None
    assert list(message.waves["x"]) == numbers


def outcome(payload: bytes) -> str:
    try:
        decode_cbor(payload)
    except MessageError as error:
        return str(error).encode().decode()[:400].partition(":")[0]
    return "read"


@settings(deadline=None, max_examples=500)
@given(st.binary(max_size=200))
@example(bytes.fromhex("d81c81d81d00"))
@example(bytes.fromhex("d9010082634142d81900"))
def test_any_bytes_are_a_message_or_refused(payload: bytes) -> None:
    outcome(payload)


@settings(deadline=None, max_examples=500)
@given(st.data())
def test_a_message_with_a_flipped_byte_is_a_message_or_refused(data: st.DataObject) -> None:
    wave = np.arange(8, dtype="<f4")
    good = encode_cbor(Data("b", 1, start=5, rate_hz=10.0, waves={"x": wave, "y": [1, 2.5]}))  # type: ignore[dict-item]
    place = data.draw(st.integers(0, len(good) - 1))
    damaged = good[:place] + bytes([data.draw(st.integers(0, 255))]) + good[place + 1 :]
    outcome(damaged[: data.draw(st.integers(1, len(good)))])


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        | st.builds(cbor2.CBORTag, st.integers(0, 110), inner)
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from(["boot", "seq", "time", "values", "start", "rate_hz", "waves", "samples", "buffered", "units"])


@settings(deadline=None)
@given(st.dictionaries(FIELDS, PLAIN))
@example({"values": cbor2.CBORTag(64, b"")})
@example({"units": cbor2.CBORTag(64, b"")})
def test_any_cbor_is_a_message_or_refused(content: dict[str, Any]) -> None:
    assert outcome(cbor2.dumps(content)) in {"read", "wrong-form", "not-cbor"}
