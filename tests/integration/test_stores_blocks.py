"""Batches whose blocks are believed are stored as if each of their rows had been looked at."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.service import SignalFacts
from telemetry.building import Samples
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.duckdb.marks import load_marks
from telemetry.stores.interface import Flag, SampleBatch

SIGNALS = ["power", "feed", "load"]
FACTS = {name: SignalFacts("number", high=3.0) for name in SIGNALS}
EVER = [(-(2**63), 2**63 - 1)]


class Said(NamedTuple):
    """A message, or a wave of the first of its signals."""

    signals: list[str]
    device_ns: int
    value: float
    uncertain: bool
    wave: int
    """How many samples; 0: it is a message."""


said = st.builds(
    Said,
    st.lists(st.sampled_from(SIGNALS), min_size=1, unique=True),
    st.integers(0, 30),
    st.integers(0, 4).map(float),
    st.booleans(),
    st.sampled_from([0, 0, 0, 1, 3]),
)
usual = st.lists(said, max_size=6)
in_order = usual.map(lambda messages: sorted(messages, key=lambda one: one.device_ns))


def built(messages: list[Said]) -> SampleBatch:
    samples = Samples()
    for place, one in enumerate(messages):
        flags = Flag.UNCERTAIN.value if one.uncertain else 0
        if one.wave:
            times = one.device_ns + np.arange(one.wave, dtype=np.int64)
            values, marks = np.full(one.wave, one.value), np.full(one.wave, flags, dtype=np.uint8)
            samples.add_wave(("mill-1", one.signals[0], "7f3a"), times, times + 1, 100 + place, values, marks)
            continue
        values_said = dict.fromkeys(one.signals, one.value)
        shape = samples.shape_of("mill-1", "7f3a", values_said, FACTS)
        numbers = shape.numbers_of(values_said) if shape is not None else None
        assert shape is not None
        assert numbers is not None
        samples.add_numbers(shape, numbers, one.device_ns, one.device_ns + 1, 100 + place, flags)
    return samples.build()


def everything(store: DuckDBStore) -> pa.Table:
    order = [(name, "ascending") for name in ("signal", "device_ns")]
    return store.read("mill-1", [], EVER, uncertain=True).sort_by(order)


@settings(max_examples=30, deadline=None)
@given(st.lists(in_order | usual, min_size=1, max_size=4))
def test_batches_taken_as_blocks_leave_what_looking_at_each_row_leaves(batches: list[list[Said]]) -> None:
    with TemporaryDirectory() as folder:
        ours, plain = (DuckDBStore(Path(folder) / f"{name}.duckdb") for name in ("ours", "plain"))
        for number, messages in enumerate(batches, start=1):
            batch = built(messages)
            found = ours.write(batch, watermark=number)
            wanted = plain.write(SampleBatch(batch.series, batch.rows), watermark=number)
            assert (found.stored, found.duplicates) == (wanted.stored, wanted.duplicates)
            order = [(name, "ascending") for name in ("signal", "device_ns", "received_ns")]
            assert found.conflicts.sort_by(order).equals(wanted.conflicts.sort_by(order))
        assert everything(ours).equals(everything(plain))
        with ours._file.cursor() as (cursor, known):
            assert known.marks == load_marks(cursor)
        ours.close()
        plain.close()


def test_blocks_are_known_of_messages_in_order_and_of_nothing_else() -> None:
    first, second = Said(["power", "feed"], 5, 1.0, False, 0), Said(["load"], 1, 1.0, True, 3)
    blocks = built([first, second, first._replace(device_ns=6)]).blocks
    assert blocks is not None
    assert [(one.series.tolist(), one.first_ns, one.last_ns) for one in blocks] == [([0, 1], 5, 6), ([2], 1, 3)]
    assert [(one.oldest_ns, one.newest_ns, one.newest_certain_ns) for one in blocks] == [(6, 7, 7), (2, 4, None)]
    assert built([first, first]).blocks is None
