"""The embedded store against a plain model, against `kill -9`, and against what else happens to files."""

import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.errors import StoreUnavailableError
from telemetry.stores.interface import SAMPLES, Flag

EVER = [(-(2**63), 2**63 - 1)]

WRITER = """
import sys
from pathlib import Path
import pyarrow as pa
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.interface import SAMPLES

store = DuckDBStore(Path(sys.argv[1]))
for number in range(store.watermark() + 1, 100_000):
    rows = [
        {"device": "mill-1", "signal": f"signal_{signal}", "boot": "a", "device_ns": number * 1000 + row,
         "settled_ns": number * 1000 + row, "received_ns": number * 1000 + row, "value": float(number), "flags": 0}
        for signal in range(3) for row in range(100)
    ]
    store.write(pa.Table.from_pylist(rows, schema=SAMPLES), watermark=number)
    print(number, flush=True)
"""
ROWS_A_BATCH = 300


@pytest.mark.faults
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_killed_writer_leaves_whole_batches_and_their_watermark(tmp_path: Path, seed: int) -> None:
    moments = random.Random(seed)
    path = tmp_path / "samples.duckdb"
    promised = 0
    for _ in range(2):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        target = promised + moments.randint(1, 40)
        while promised < target:
            promised = int(writer.stdout.readline())
        killer = threading.Timer(moments.random() * 0.02, writer.send_signal, [signal.SIGKILL])
        killer.start()
        promised = max([promised, *(int(line) for line in writer.stdout if line.endswith("\n"))])
        writer.wait()
        writer.stdout.close()

        store = DuckDBStore(path)
        stored = store.watermark()
        found = store.read("mill-1", [], EVER).to_pandas()
        store.close()
        assert stored >= promised
        assert len(found) == stored * ROWS_A_BATCH
        assert found.groupby("value").size().eq(ROWS_A_BATCH).all()
        assert not found.duplicated(["signal", "device_ns"]).any()
        promised = stored


numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
sample_values = st.tuples(numbers, st.none()) | st.tuples(st.none(), st.sampled_from(["", "P17", "ż\n"]))
samples = st.builds(
    lambda name, boot, time, offset, value, flags: {
        "device": "mill-1",
        "signal": name,
        "boot": boot,
        "device_ns": time,
        "settled_ns": time + offset,
        "received_ns": time + offset + 5,
        "value": value[0],
        "text": value[1],
        "flags": flags,
    },
    st.sampled_from(["power", "feed"]),
    st.sampled_from(["a", "b"]),
    st.integers(-30, 30),
    st.sampled_from([0, 0, 7]),
    sample_values,
    st.sampled_from([0, 0, int(Flag.LATE), int(Flag.UNCERTAIN | Flag.SKEWED)]),
)
span = st.tuples(st.integers(-40, 40), st.integers(-40, 40))


def table(rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SAMPLES)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(samples, max_size=12), max_size=5),
    st.lists(span, max_size=3),
    st.integers(1, 20),
    st.booleans(),
    st.booleans(),
)
def test_the_store_does_what_a_dictionary_and_pandas_do(
    batches: list[list[dict[str, object]]],
    spans: list[tuple[int, int]],
    width: int,
    uncertain: bool,
    reopen: bool,
) -> None:
    model: dict[tuple[object, ...], dict[str, object]] = {}
    with TemporaryDirectory() as folder:
        store = DuckDBStore(Path(folder) / "samples.duckdb")
        for number, rows in enumerate(batches, start=1):
            before = len(model)
            other = 0
            for row in rows:
                first = model.setdefault((row["signal"], row["boot"], row["device_ns"]), row)
                other += (first["value"], first["text"]) != (row["value"], row["text"])
            written = store.write(table(rows), watermark=number)
            assert written.stored == len(model) - before
            assert written.conflicts.num_rows == other
            assert written.duplicates == len(rows) - written.stored - other
            if reopen:
                store.close()
                store = DuckDBStore(Path(folder) / "samples.duckdb")
        assert store.watermark() == len(batches)
        visible = [
            row
            for row in model.values()
            if any(start <= row["settled_ns"] < end for start, end in spans)
            and (uncertain or not int(str(row["flags"])) & Flag.UNCERTAIN)
        ]
        compare(store, visible, spans, width, uncertain)
        store.close()


def compare(
    store: DuckDBStore,
    visible: list[dict[str, object]],
    spans: list[tuple[int, int]],
    width: int,
    uncertain: bool,
) -> None:
    order = ["signal", "settled_ns", "device_ns", "boot"]
    frame = table(visible).to_pandas().sort_values(order, ignore_index=True)
    read = store.read("mill-1", [], spans, uncertain=uncertain)
    pd.testing.assert_frame_equal(read.to_pandas(), frame)
    newest = store.last_values("mill-1", spans, uncertain=uncertain)
    pd.testing.assert_frame_equal(newest.to_pandas(), frame.groupby("signal").tail(1).reset_index(drop=True))
    values = frame[(frame["signal"] == "power") & frame["value"].notna()]
    grouped = values.groupby(values["settled_ns"] // width * width)["value"]
    wanted = grouped.agg(["min", "max", "mean", "count"]).reset_index(names="start_ns")
    found = store.buckets("mill-1", "power", spans, width_ns=width, uncertain=uncertain).to_pandas()
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False, rtol=1e-9)


def one(time: int) -> pa.Table:
    row = {"device": "mill-1", "signal": "power", "boot": "a", "device_ns": time, "settled_ns": time}
    return table([{**row, "received_ns": time, "value": 1.0, "text": None, "flags": 0}])


def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "samples.duckdb"
    store = DuckDBStore(path)
    assert not path.exists()
    store.write(one(1), watermark=1)
    assert path.exists()
    store.close()
    store.close()


def test_a_closed_store_opens_again_when_it_is_used(tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path / "samples.duckdb")
    store.write(one(1), watermark=1)
    store.close()
    assert store.write(one(1), watermark=2).duplicates == 1
    store.close()


def test_readers_and_a_writer_at_the_same_time(tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path / "samples.duckdb")
    counts: list[list[int]] = [[] for _ in range(4)]
    done = threading.Event()

    def look(mine: list[int]) -> None:
        while not done.is_set():
            mine.append(store.read("mill-1", [], EVER).num_rows)

    readers = [threading.Thread(target=look, args=[mine]) for mine in counts]
    for reader in readers:
        reader.start()
    for number in range(50):
        store.write(one(number), watermark=number)
    done.set()
    for reader in readers:
        reader.join()
    assert store.read("mill-1", [], EVER).num_rows == 50
    assert all(mine and mine == sorted(mine) for mine in counts)
    store.close()


def test_a_file_that_another_process_holds_is_named(tmp_path: Path) -> None:
    path = tmp_path / "samples.duckdb"
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    holder = subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    store = DuckDBStore(path)
    with pytest.raises(StoreUnavailableError, match=r"samples\.duckdb cannot be opened"):
        store.write(one(1), watermark=1)
    holder.communicate()
    assert store.write(one(1), watermark=1).stored == 1
    store.close()


def test_a_failed_write_leaves_nothing_and_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DuckDBStore(tmp_path / "samples.duckdb")
    store.write(one(1), watermark=1)

    def broken(*_: object) -> None:
        raise duckdb.IOException("no space left on device")

    before = store.generation
    with monkeypatch.context() as patched:
        patched.setattr("telemetry.stores.duckdb.store.news_of", broken)
        with pytest.raises(StoreUnavailableError, match="no space left"):
            store.write(one(2), watermark=2)
    assert store.watermark() == 1
    assert store.generation == before + 1
    result = store.write(pa.concat_tables([one(1), one(2)]), watermark=2)
    assert (result.stored, result.duplicates) == (1, 1)
    store.close()


def test_a_file_of_the_release_before_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "samples.duckdb"
    with duckdb.connect(path) as old:
        old.execute("CREATE TABLE series (id INTEGER, device VARCHAR, signal VARCHAR, boot VARCHAR)")
        old.execute(
            "CREATE TABLE samples (series INTEGER, device_ns BIGINT, settled_ns BIGINT, received_ns BIGINT, "
            "value DOUBLE, text VARCHAR, flags UTINYINT)"
        )
        old.execute("CREATE TABLE progress (watermark BIGINT NOT NULL)")
        old.execute("INSERT INTO series VALUES (1, 'mill-1', 'power', 'a')")
        old.execute("INSERT INTO samples VALUES (1, 1, 1, 1, 1.0, NULL, 0)")
        old.execute("INSERT INTO progress VALUES (41)")
    store = DuckDBStore(path)
    assert (store.watermark(), store.watermark("a new spool")) == (41, 0)
    assert store.write(one(1), watermark=1, spool="a new spool").duplicates == 1
    store.close()
    store = DuckDBStore(path)
    assert (store.watermark(), store.watermark("a new spool")) == (41, 1)
    assert store.read("mill-1", [], EVER).equals(one(1))
    store.close()
