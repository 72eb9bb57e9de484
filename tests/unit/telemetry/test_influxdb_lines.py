"""Wide lines: one for what a device said at an instant, its key the identity of one of its samples."""

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.stores.batches import as_batch
from telemetry.stores.influxdb.lines import decode_tag, encode_tag, sample_lines
from telemetry.stores.interface import SAMPLES, Flag, SampleBatch

Sample = dict[str, Any]


def sample(signal: str, value: float | str = 1.0, *, time: int = 0, boot: str = "a", **more: Any) -> Sample:
    text = value if isinstance(value, str) else None
    times = {"device_ns": time, "settled_ns": time, "received_ns": time + 3}
    number = None if text is not None else value
    return {
        "device": "mill-1", "signal": signal, "boot": boot, **times, "value": number, "text": text, "flags": 0, **more
    }  # fmt: skip


def batch(*samples: Sample) -> SampleBatch:
    return as_batch(pa.Table.from_pylist(list(samples), schema=SAMPLES))


def texts(given: SampleBatch, **how: Any) -> list[str]:
    lines = sample_lines(given, **how).lines
    return [lines.part(number, number + 1).decode() for number in range(len(lines))]


def test_what_is_said_at_one_instant_is_one_line() -> None:
    message = [sample("power", 1.5), sample("feed", 2.0), sample("program", 'P"17\\')]
    fields = 'v:feed=2,v:power=1.5,t:program="=P\\"17\\\\"'
    assert texts(batch(*message)) == [f"samples:mill-1,boot=a,lead=feed {fields},settled=0i,received=3i,flags=0i 0\n"]


def test_each_sample_may_have_a_line_of_its_own() -> None:
    assert texts(batch(sample("power", 1.5), sample("feed", 2.0)), alone=True) == [
        "samples:mill-1,boot=a,lead=feed v:feed=2,settled=0i,received=3i,flags=0i 0\n",
        "samples:mill-1,boot=a,lead=power v:power=1.5,settled=0i,received=3i,flags=0i 0\n",
    ]


def test_flags_of_a_sample_stand_only_where_it_has_some() -> None:
    late = int(Flag.LATE)
    said = [sample("power", flags=late | Flag.OUT_OF_RANGE), sample("feed", flags=late)]
    assert texts(batch(*said)) == [
        "samples:mill-1,boot=a,lead=feed v:feed=1,v:power=1,f:power=16i,settled=0i,received=3i,flags=2i 0\n"
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"boot": "b"},
        {"received_ns": 4},
        {"settled_ns": 1},
        {"flags": int(Flag.LATE)},
        {"device": "robot-1"},
        {"time": 1},
    ],
)
def test_what_does_not_share_its_head_does_not_share_a_line(other: dict[str, Any]) -> None:
    assert len(texts(batch(sample("power"), sample("feed", **other)))) == 2


def test_signals_that_came_one_after_the_other_meet_at_their_instants() -> None:
    waves = [sample(signal, float(time), time=time, received_ns=99) for signal in ("y", "x") for time in range(50)]
    lines = texts(batch(*waves))
    assert len(lines) == 50
    assert lines[7] == "samples:mill-1,boot=a,lead=x v:x=7,v:y=7,settled=0i,received=92i,flags=0i 7\n"


_values = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5))
_samples = st.builds(
    lambda device, signal, boot, time, received, value, flags: sample(
        signal, value, time=time, boot=boot, device=device, received_ns=time + received, flags=flags
    ),
    st.sampled_from(["mill-1", "robot 1"]),
    st.sampled_from(["power", "feed,=", "ż\n"]),
    st.sampled_from(["", "a b"]),
    st.integers(0, 3),
    st.integers(0, 1),
    _values,
    st.integers(0, 31),
)


@settings(deadline=None)
@given(st.lists(_samples, max_size=30, unique_by=lambda row: tuple(map(str, list(row.values())[:4]))), st.booleans())
def test_lines_hold_every_sample_once_and_no_two_share_a_key(rows: list[Sample], alone: bool) -> None:
    given = batch(*rows)
    made = sample_lines(given, alone=alone)
    keys, found = [], []
    for number in range(len(made.lines)):
        line = made.lines.part(number, number + 1).decode()
        key, time = re.match(r"(\S+) ", line).group(1), line.rsplit(" ", 1)[1]  # type: ignore[union-attr]
        keys.append((key, time))
        places = made.places_in(number)
        found += places.tolist()
        inside = [rows[place] for place in places.tolist()]
        assert f"lead={encode_tag(min(row['signal'] for row in inside))}" in key
        for row in inside:
            kind = "v" if row["text"] is None else "t"
            assert f"{kind}:{encode_tag(row['signal'])}=" in line
            if row["text"] is None:
                value = re.search(rf"v:{re.escape(encode_tag(row['signal']))}=([^,]+),", line)
                assert value is not None
                assert float(value.group(1)) == row["value"]
    assert sorted(found) == list(range(len(rows)))
    assert len(set(keys)) == len(keys)
    assert np.array_equal(made.firsts, np.cumsum([0, *(len(made.places_in(n)) for n in range(len(made.lines)))]))


@given(st.text())
def test_any_text_can_be_a_name(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9%:\-._~]+", encode_tag(text))
    assert decode_tag(encode_tag(text)) == text
