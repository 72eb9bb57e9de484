"""One identity, one row, and the first value wins: inside a batch."""

from collections import Counter
from itertools import pairwise

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.stores.batches import order_batch, same_value
from telemetry.stores.interface import SAMPLES
from telemetry.stores.spans import merged

values = st.one_of(
    st.tuples(st.sampled_from([0.0, 1.0, -2.5]), st.none()), st.tuples(st.none(), st.sampled_from(["", "P17"]))
)
samples = st.builds(
    lambda device, signal, boot, time, value: {
        "device": device,
        "signal": signal,
        "boot": boot,
        "device_ns": time,
        "settled_ns": time + 5,
        "received_ns": time + 9,
        "value": value[0],
        "text": value[1],
        "flags": 0,
    },
    st.sampled_from(["mill-1", "robot-1"]),
    st.sampled_from(["power", "feed", "program"]),
    st.sampled_from(["", "7f3a"]),
    st.integers(-(2**62), 2**62) | st.integers(0, 6),
    values,
)


def identity(row: dict[str, object]) -> tuple[object, ...]:
    return (row["device"], row["signal"], row["boot"], row["device_ns"])


def content(row: dict[str, object]) -> tuple[object, ...]:
    return (*identity(row), row["value"], row["text"])


@settings(deadline=None)  # the first table of a process loads pandas
@given(st.lists(samples, max_size=60), st.booleans())
def test_the_first_row_of_an_identity_stays(rows: list[dict[str, object]], encoded: bool) -> None:
    table = pa.Table.from_pylist(rows, schema=SAMPLES)
    if encoded:
        for place, name in enumerate(("device", "signal", "boot")):
            table = table.set_column(place, name, table.column(name).dictionary_encode())
    batch = order_batch(table)

    first: dict[tuple[object, ...], dict[str, object]] = {}
    for row in rows:
        first.setdefault(identity(row), row)
    kept = batch.named(batch.rows.take(batch.places)).to_pylist()
    assert sorted(map(repr, kept)) == sorted(map(repr, first.values()))
    repeated = [row for row in rows if row is not first[identity(row)]]
    other = [row for row in repeated if content(row) != content(first[identity(row)])]
    assert batch.duplicates == len(repeated) - len(other)
    assert Counter(map(content, batch.named(batch.conflicts).to_pylist())) == Counter(map(content, other))

    assert [batch.series[place] for place in batch.index] == [identity(row)[:3] for row in kept]
    assert len(batch.series) == len(set(batch.series)) == len({identity(row)[:3] for row in kept})
    for place, last in enumerate(batch.last_times()):
        assert last == max(row["device_ns"] for row in kept if identity(row)[:3] == batch.series[place])
    places = list(zip(batch.index.tolist(), batch.times.tolist(), strict=True))
    assert places == sorted(set(places))


def test_a_batch_in_chunks_is_one_batch() -> None:
    row = {"device": "mill-1", "signal": "power", "boot": "a", "device_ns": 1, "settled_ns": 1, "received_ns": 1}
    parts = [
        pa.Table.from_pylist([{**row, "signal": signal, "value": 1.0, "flags": 0}], schema=SAMPLES)
        for signal in ("power", "feed", "power")
    ]
    batch = order_batch(pa.concat_tables(parts))
    assert (len(batch.places), batch.duplicates) == (2, 1)


def test_nothing_equals_a_missing_value_but_a_missing_value() -> None:
    ours = pa.table({"value": [1.0, None, None, 1.0], "text": [None, "a", "", None]})
    theirs = pa.table({"value": [1.0, None, 0.0, None], "text": [None, "a", None, "1.0"]})
    assert same_value(ours, theirs).tolist() == [True, True, False, False]


spans = st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), max_size=8)


@given(spans)
def test_merged_spans_hold_the_same_instants_and_do_not_touch(given_spans: list[tuple[int, int]]) -> None:
    result = merged(given_spans)
    for instant in range(-21, 22):
        assert any(a <= instant < b for a, b in result) == any(a <= instant < b for a, b in given_spans)
    assert all(a[1] < b[0] for a, b in pairwise(result))
