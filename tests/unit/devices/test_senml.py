"""SenML packs: base fields, times to the nanosecond, units; and a refusal of what cannot be represented."""

import json
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.messages.native import UNNUMBERED, Data, MessageError
from devices.messages.senml import decode_senml

AT = 1_795_000_000
AT_NS = AT * 10**9


def read(*records: dict[str, Any]) -> Data:
    return decode_senml(json.dumps(records).encode())


def reason_of(payload: bytes | list[Any]) -> str:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    with pytest.raises(MessageError) as refusal:
        decode_senml(body)
    return refusal.value.reason


def test_records_of_one_moment_are_its_values() -> None:
    found = read(
        {"bt": AT, "n": "power", "u": "W", "v": 120.1}, {"n": "door_open", "vb": False}, {"n": "t", "vs": "T4"}
    )
    assert found == Data(
        "senml",
        UNNUMBERED,
        time=AT_NS,
        values={"power": 120.1, "door_open": False, "t": "T4"},
        units={"power": "W"},
    )


def test_the_example_of_the_standard_is_read() -> None:
    """RFC 8428, 5.1.2, with a time of this decade."""
    pack = b"""[
     {"bn":"urn:dev:ow:10e2073a0108006:","bt":1.795000000001e+09, "bu":"A","bver":5, "n":"voltage","u":"V","v":120.1},
     {"n":"current","t":-5,"v":1.2}, {"n":"current","t":-4,"v":1.3}, {"n":"current","t":-3,"v":1.4},
     {"n":"current","t":-2,"v":1.5}, {"n":"current","t":-1,"v":1.6}, {"n":"current","v":1.7}]"""
    found = decode_senml(pack)
    at = 1_795_000_000_001_000_000
    assert found.samples == {
        "voltage": [(at, 120.1)],
        "current": [(at - (5 - step) * 10**9, (12 + step) / 10) for step in range(6)],
    }
    assert found.units == {"voltage": "V", "current": "A"}
    assert not found.buffered


def test_base_values_hold_until_another_comes() -> None:
    found = read(
        {"bn": "a", "bt": AT, "bv": 20, "v": 0.5},
        {"n": "b", "v": 1},
        {"bv": 0, "n": "c", "v": 7},
        {"n": "d", "vs": "x"},
    )
    assert found.values == {"a": 20.5, "b": 21.0, "c": 7, "d": "x"}


def test_a_record_of_base_fields_alone_is_no_sample() -> None:
    assert read({"bt": AT, "bv": 5}, {"n": "a", "v": 1}).values == {"a": 6.0}


def test_a_pack_may_be_numbered_and_tell_of_a_start() -> None:
    found = read({"bt": AT, "boot": "7f3a", "seq": 9, "buffered": True, "n": "a", "v": 1}, {"n": "a", "t": 1, "v": 2})
    assert (found.boot, found.seq, found.buffered) == ("7f3a", 9, True)
    assert found.samples == {"a": [(AT_NS, 1), (AT_NS + 10**9, 2)]}


def test_two_values_of_one_signal_at_one_moment_both_arrive() -> None:
    assert read({"bt": AT, "n": "a", "v": 1}, {"n": "a", "v": 2}).samples == {"a": [(AT_NS, 1), (AT_NS, 2)]}


def test_units_are_translated_to_ucum() -> None:
    pack = [{"bt": AT, "n": "a", "u": "Wh", "v": 1}, {"n": "b", "u": "%RH", "v": 2}, {"n": "c", "u": "/100", "v": 3}]
    assert read(*pack).units == {"a": "W.h", "b": "%", "c": "%"}


def test_what_no_signal_can_have_costs_its_own_value_only() -> None:
    values = read({"bt": AT, "n": "a", "vd": "AQID"}, {"n": "b", "s": 5}, {"n": "c", "v": 1}).values
    assert values is not None
    assert (str(values["a"]), str(values["b"]), values["c"]) == ("binary data", "a sum without a value", 1)


def test_a_nan_costs_its_own_value_only() -> None:
    found = decode_senml(b'[{"bt":%d,"n":"a","v":NaN},{"n":"b","v":1.5},{"n":"c","v":1e999}]' % AT)
    assert found.values is not None
    assert math.isnan(found.values["a"])
    assert (found.values["b"], found.values["c"]) == (1.5, math.inf)


@pytest.mark.parametrize(
    ("pack", "reason"),
    [
        (b"", "empty"),
        (b"[", "not-json"),
        (b"\xff", "not-utf8"),
        (b"{}", "wrong-form"),
        ([], "wrong-form"),
        ([1], "wrong-form"),
        ([{"n": "a", "v": 1}], "no-time"),
        ([{"n": "a", "t": -5, "v": 1}], "no-time"),
        ([{"bt": AT, "n": "a", "t": -AT, "v": 1}], "no-time"),
        ([{"bt": AT}], "wrong-form"),
        ([{"bt": AT, "v": 1}], "wrong-form"),
        ([{"bt": AT, "n": "a", "v": 1, "vs": "x"}], "wrong-form"),
        ([{"bt": AT, "n": "a", "v": "1"}], "wrong-form"),
        ([{"bt": AT, "n": "a", "v": True}], "wrong-form"),
        ([{"bt": AT, "n": "a", "vb": 1}], "wrong-form"),
        ([{"bt": AT, "n": 5, "v": 1}], "wrong-form"),
        ([{"bt": "now", "n": "a", "v": 1}], "wrong-form"),
        ([{"bt": AT, "n": "a", "v": 1, "secret_": 1}], "wrong-form"),
        ([{"bt": AT, "bver": 11, "n": "a", "v": 1}], "wrong-form"),
        ([{"bt": AT_NS, "n": "a", "v": 1}], "wrong-form"),
        ([{"bt": AT, "n": "a", "v": 1, "boot": ""}], "wrong-form"),
        ([{"bt": AT, "n": "a", "v": 1, "boot": "b", "seq": -1}], "wrong-form"),
        ([{"bt": AT, "bn": "x/", "n": "a", "v": 1}, {"bn": "y/", "n": "a", "v": 2}], "wrong-form"),
        ([{"bt": AT, "n": "a", "u": "W", "v": 1}, {"n": "a", "u": "kW", "v": 2}], "wrong-form"),
        (b'[{"bt":1e99999999999999999999,"n":"a","v":1}]', "not-json"),
        (b'[{"bt":1e99999,"n":"a","v":1}]', "wrong-form"),
        (b'[{"bt":Infinity,"n":"a","v":1}]', "wrong-form"),
        (b"[" * 5000 + b"]" * 5000, "not-json"),
    ],
)
def test_what_cannot_be_used_says_why(pack: bytes | list[Any], reason: str) -> None:
    assert reason_of(pack) == reason


@settings(deadline=None)
@given(st.integers(10**18, 4 * 10**18), st.lists(st.integers(-(10**9), 10**9), min_size=2, max_size=9, unique=True))
def test_times_are_exact_to_the_nanosecond(base_ns: int, offsets: list[int]) -> None:
    head = f'{{"bn":"a","bt":{Decimal(base_ns) / 10**9:f}}}'
    records = [f'{{"t":{Decimal(step) / 10**9:f},"v":{place}}}' for place, step in enumerate(offsets)]
    found = decode_senml(f"[{','.join([head, *records])}]".encode())
    assert found.samples == {"a": [(base_ns + step, place) for place, step in enumerate(offsets)]}


def outcome(payload: bytes) -> None:
    try:
        decode_senml(payload)
    except MessageError as error:
        str(error).encode()


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_any_bytes_are_a_pack_or_refused(payload: bytes) -> None:
    outcome(payload)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
LABELS = st.sampled_from(
    [
        "bn",
        "bt",
        "bu",
        "bv",
        "bs",
        "bver",
        "n",
        "u",
        "v",
        "vs",
        "vb",
        "vd",
        "s",
        "t",
        "ut",
        "boot",
        "seq",
        "buffered",
        "x_",
    ]
)
RECORD = st.dictionaries(LABELS, PLAIN | st.just(AT))


@settings(deadline=None, max_examples=400)
@given(st.lists(RECORD | PLAIN, max_size=4))
def test_any_json_is_a_pack_or_refused(records: list[Any]) -> None:
    outcome(json.dumps(records).encode())


@settings(deadline=None, max_examples=400)
@given(
    st.from_regex(
        r'\A\[\{"bt":-?[0-9]{1,12}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,12})?,"n":"a","bv":[0-9]e[0-9]{1,20},"v":-?[0-9]e-?[0-9]{1,20}\}\]\Z'
    )
)
def test_any_numbers_are_read_or_refused(text: str) -> None:
    outcome(text.encode())
