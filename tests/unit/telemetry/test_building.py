"""Columns built whole say the same as values looked at one by one."""

import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.service import SignalFacts
from telemetry.building import Samples
from telemetry.stores.interface import ROWS, SAMPLES, Flag
from telemetry.validation import Fault, check_value

FACTS = {
    "power": SignalFacts("number", low=0.0, high=15.0),
    "feed": SignalFacts("number"),
    "load": SignalFacts("number", high=1.0),
    "door": SignalFacts("boolean"),
    "program": SignalFacts("text"),
}
numbers = st.floats(-20, 20) | st.integers(-20, 20) | st.sampled_from([math.nan, math.inf, 10**400, True, "P17", None])
others = st.booleans() | st.text(max_size=5) | st.integers(0, 3)
messages = st.dictionaries(st.sampled_from(["power", "feed", "load", "far"]), numbers, max_size=4).flatmap(
    lambda first: st.dictionaries(st.sampled_from(["door", "program"]), others, max_size=2).map(
        lambda second: {**first, **second}
    )
)


def read_into(samples: Samples, values: dict[str, Any], at: int, flags: int, *, whole: bool) -> list[str]:
    """As the interpreter does; gives the names of the values that it refuses."""
    rest, refused = values, []
    shape = samples.shape_of("mill-1", "7f3a", values, FACTS) if whole else None
    found = shape.numbers_of(values) if shape is not None else None
    if shape is not None and found is not None:
        samples.add_numbers(shape, found, at, at + 1, at + 2, flags)
        rest = {name: values[name] for name in shape.others}
    for name, value in rest.items():
        checked = check_value(value, FACTS[name]) if name in FACTS else Fault("unknown-signal", "")
        if isinstance(checked, Fault):
            refused.append(name)
            continue
        number, text, out = checked
        flag = flags | Flag.OUT_OF_RANGE if out else flags
        samples.add(("mill-1", name, "7f3a", at, at + 1, at + 2, number, text, int(flag)))
    return refused


@settings(deadline=None)
@given(st.lists(messages, max_size=12), st.lists(st.sampled_from([0, int(Flag.LATE)]), min_size=12, max_size=12))
def test_messages_taken_whole_say_what_their_values_say_one_by_one(
    said: list[dict[str, Any]], flags: list[int]
) -> None:
    ours, plain = Samples(), Samples()
    for place, values in enumerate(said):
        refused = read_into(ours, values, 1000 + place, flags[place], whole=True)
        assert refused == read_into(plain, values, 1000 + place, flags[place], whole=False)
    found, wanted = ours.table(), plain.table()
    assert found.schema == SAMPLES
    assert ours.build().rows.schema == ROWS
    order = [("device_ns", "ascending"), ("signal", "ascending")]
    assert found.sort_by(order).equals(wanted.sort_by(order))
    times = found.column("device_ns").to_pylist()
    assert times == sorted(times)  # in the order in which they came


def test_waves_values_and_texts_keep_their_order() -> None:
    samples = Samples()
    read_into(samples, {"power": 1.0, "feed": 2}, 1, 0, whole=True)
    times = np.array([5, 6], dtype=np.int64)
    marks = np.zeros(2, dtype=np.uint8)
    samples.add_wave(("mill-1", "load", "7f3a"), times, times, 9, np.array([0.5, 0.25]), marks)
    samples.add(("mill-1", "program", "7f3a", 7, 7, 9, None, "", 0))
    read_into(samples, {"power": 99.0, "feed": 2}, 8, 4, whole=True)
    rows = samples.table().to_pylist()
    assert [(row["signal"], row["value"], row["text"], row["flags"]) for row in rows] == [
        ("power", 1.0, None, 0),
        ("feed", 2.0, None, 0),
        ("load", 0.5, None, 0),
        ("load", 0.25, None, 0),
        ("program", None, "", 0),
        ("power", 99.0, None, 4 | Flag.OUT_OF_RANGE),
        ("feed", 2.0, None, 4),
    ]
    assert json.dumps(rows)  # plain numbers, no numpy


def test_an_empty_batch_is_an_empty_table() -> None:
    assert Samples().table().equals(SAMPLES.empty_table())
    assert pa.Table.equals(Samples().build().rows, ROWS.empty_table())
