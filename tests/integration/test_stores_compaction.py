"""Compaction of the embedded store: the file gets small, a kill at any step costs nothing, proofs outlive changes."""

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.stores.batches import column_of
from telemetry.stores.duckdb import DuckDBStore, checkpoints
from telemetry.stores.errors import StoreDamagedError, StoreUnavailableError
from telemetry.stores.interface import ROWS, SampleBatch
from tests.integration.test_stores_damage import (
    EVER,
    NOW,
    ROWS_A_BATCH,
    assert_whole,
    damage_main_file,
    one_batch,
    refill,
)

SECOND = 1_000_000_000
SIGNALS = 50
BLOCK = 262_144


def minute(number: int) -> SampleBatch:
    """A minute of a machine at 10 Hz, with values that do not repeat."""
    count = 600
    times = np.repeat((np.arange(count, dtype=np.int64) + number * count) * (SECOND // 10), SIGNALS)
    values = np.random.default_rng(number).normal(50, 10, count * SIGNALS).round(3)
    columns = [
        column_of(np.tile(np.arange(SIGNALS, dtype=np.int32), count)),
        *[column_of(times)] * 3,
        column_of(values),
        pa.nulls(len(times), pa.string()),
        column_of(np.zeros(len(times), dtype=np.uint8)),
    ]
    series = tuple(("mill-1", f"signal_{place:02}", "a") for place in range(SIGNALS))
    return SampleBatch(series, pa.Table.from_arrays(columns, schema=ROWS))


def used_bytes(path: Path) -> int:
    with duckdb.connect(path, read_only=True) as connection:
        [(used,)] = connection.execute("SELECT used_blocks * block_size FROM pragma_database_size()").fetchall()
    return int(used)


def test_the_file_is_as_small_as_its_content_after_deletion_and_compaction(tmp_path: Path) -> None:
    path = tmp_path / "samples.duckdb"
    store = DuckDBStore(path)
    for number in range(50):
        store.write(minute(number), watermark=number + 1)
        store.checkpoint()
    full = store.size_bytes()
    assert store.delete("mill-1", [(0, 1500 * SECOND)]) == 25 * 600 * SIGNALS
    seen: list[int] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.append(store.count("mill-1", EVER))

    reader = threading.Thread(target=look)
    reader.start()
    result = store.compact(before_ns=2**63 - 1)
    done.set()
    reader.join()
    assert set(seen) == {25 * 600 * SIGNALS}, "whoever reads meanwhile sees every sample once"
    assert result.bytes_after < 0.65 * full
    assert result.doubles == 0
    found = store.read("mill-1", ["signal_07"], EVER)
    wanted = pa.concat_tables([minute(number).samples() for number in range(25, 50)])
    assert found.equals(wanted.filter(pa.compute.equal(wanted.column("signal"), "signal_07")))
    store.close()
    assert path.stat().st_size <= used_bytes(path) + 6 * BLOCK


COMPACTER = """
import os, signal, sys
from pathlib import Path
from telemetry.stores.duckdb import DuckDBStore, compaction, store as module
from tests.integration.test_stores_damage import one_batch

compaction._FREE_BLOCKS, compaction._FREE_SHARE = -1, 10**9  # even a small file has something to move
left = int(sys.argv[2])

class Deadly:
    "A cursor whose process is killed before a certain statement."
    def __init__(self, cursor): self.cursor = cursor
    def __getattr__(self, name):
        global left
        if name in {"execute", "begin", "commit"}:
            left -= 1
            if left == 0: os.kill(os.getpid(), signal.SIGKILL)
        return getattr(self.cursor, name)

def deadly(name):
    function = getattr(module, name)
    setattr(module, name, lambda cursor, *rest, **named: function(Deadly(cursor), *rest, **named))

store = DuckDBStore(Path(sys.argv[1]))
for name in ("verified_checkpoint", "sort_piece", "rows_at_the_end", "move_rows"): deadly(name)
store.compact(before_ns=2**63 - 1)
print(left)
"""


def compact_and_die(path: Path, before: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", COMPACTER, str(path), str(before)], capture_output=True, text=True, check=False
    )


def unsorted_file(path: Path) -> bytes:
    store = DuckDBStore(path)
    for number in random.Random(1).sample(range(1, 9), 8):
        store.write(one_batch(number), watermark=number, spool="s")
    store.checkpoint("s")
    store.close()
    return path.read_bytes()


def assert_survives_a_kill_before(path: Path, content: bytes, step: int) -> None:
    for leftover in path.parent.glob(path.name + ".*"):
        leftover.unlink()
    path.write_bytes(content)
    assert compact_and_die(path, step).returncode == -signal.SIGKILL
    store = DuckDBStore(path)
    assert_whole(store, 8)
    assert (store.watermark("s"), store.take_repairs()) == (8, [])
    assert store.checkpoint("s").through == 8
    store.compact(before_ns=2**63 - 1)
    assert_whole(store, 8)
    store.close()


def steps_of(path: Path) -> int:
    done = compact_and_die(path, 10**6)
    assert done.returncode == 0, done.stderr
    return 10**6 - int(done.stdout)


@pytest.mark.faults
def test_a_kill_at_some_steps_of_a_compaction_leaves_every_sample(tmp_path: Path) -> None:
    path = tmp_path / "samples.duckdb"
    content = unsorted_file(path)
    steps = steps_of(path)
    assert steps > 30
    for step in sorted(random.Random(22).sample(range(1, steps + 1), 4)):
        assert_survives_a_kill_before(path, content, step)


@pytest.mark.faults_long
def test_a_kill_at_any_step_of_a_compaction_leaves_every_sample(tmp_path: Path) -> None:
    path = tmp_path / "samples.duckdb"
    content = unsorted_file(path)
    steps = steps_of(path)
    for step in range(1, steps + 1):
        assert_survives_a_kill_before(path, content, step)
    print(f"killed at each of {steps} steps: lost 0, doubled 0")


changes = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 12)),
        st.tuples(st.just("delete"), st.tuples(st.integers(0, 13_000), st.integers(0, 4_000))),
        st.tuples(st.just("resettle"), st.integers(-5, 5)),
        st.tuples(st.sampled_from(["compact", "checkpoint", "reopen"]), st.just(0)),
    ),
    max_size=12,
)


@settings(max_examples=30, deadline=None)
@given(changes)
def test_a_checkpoint_proves_what_was_written_whatever_was_changed_before(
    steps: list[tuple[str, int | tuple[int, int]]],
) -> None:
    with TemporaryDirectory() as folder:
        store = DuckDBStore(Path(folder) / "samples.duckdb")
        written, unproved = (
            0,
            {0},
        )  # how many rows the next checkpoint may have to read: whatever changes rows may prove them
        for step, what in [*steps, ("checkpoint", 0)]:
            if step == "write" and isinstance(what, int):
                written += 1
                stored = store.write(one_batch(what), watermark=written, spool="s").stored
                unproved = {rows + stored for rows in unproved}
            elif step == "delete" and isinstance(what, tuple):
                store.delete("mill-1", [(what[0], what[0] + what[1])])
            elif step == "resettle" and isinstance(what, int):
                store.resettle("mill-1", "a", (3_000, 7_000), offset_ns=what)
            elif step == "compact":
                store.compact(before_ns=6_000)
            elif step == "reopen":
                store.close()
                store = DuckDBStore(Path(folder) / "samples.duckdb")
            else:
                proof = store.checkpoint("s")
                assert proof.through == written
                assert proof.verified_rows in unproved
                assert store.checkpoint("s").verified_rows == 0
                unproved = {0}
            if step in {"delete", "resettle", "compact"}:
                unproved |= {0}
        store.close()


def changes_of(store: DuckDBStore) -> dict[str, Callable[[], object]]:
    return {
        "write": lambda: store.checkpoint("s"),
        "delete": lambda: store.delete("mill-1", [(8_000, 9_000)]),
        "compact": lambda: store.compact(before_ns=2**63 - 1),
    }


@pytest.mark.parametrize("change", ["write", "delete", "compact"])
def test_bytes_that_flip_on_the_way_to_the_disk_are_noticed_after_a_deletion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    path, backups = tmp_path / "samples.duckdb", tmp_path / "backups"
    store = DuckDBStore(path, backups=backups)
    for number in range(1, 9):
        store.write(one_batch(number), watermark=number, spool="s")
    assert store.delete("mill-1", [(1_000, 2_000)]) == ROWS_A_BATCH
    assert store.back_up(backups, now=NOW).rows == 7 * ROWS_A_BATCH
    store.write(one_batch(9), watermark=9, spool="s")
    dropping = checkpoints.drop_buffers
    calls = []

    def flipping(cursor: duckdb.DuckDBPyConnection, *, memory_limit: str) -> None:
        dropping(cursor, memory_limit=memory_limit)
        calls.append(1)
        if len(calls) == (1 if change == "write" else 2):
            damage_main_file(path)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "drop_buffers", flipping)
        with pytest.raises(StoreUnavailableError):
            changes_of(store)[change]()
    assert store.watermark("s") == 8, "the backup has taken its place"
    assert store.take_repairs()[0].kind == "store-restored"
    refill(store, 9)
    assert store.count("mill-1", EVER) == 8 * ROWS_A_BATCH
    store.close()


def limit_of(cursor: duckdb.DuckDBPyConnection) -> str:
    [(limit,)] = cursor.execute("SELECT current_setting('memory_limit')").fetchall()
    return str(limit)


class Short:
    """A cursor that finds no memory for the first attempts at setting a limit back, as DuckDB once in a while."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, usual: str) -> None:
        self.cursor, self.usual, self.refusals = cursor, usual, 2

    def execute(self, statement: str) -> duckdb.DuckDBPyConnection:
        if self.usual in statement and self.refusals:
            self.refusals -= 1
            raise duckdb.OutOfMemoryException("failed to allocate data of size 2.0 KiB")
        return self.cursor.execute(statement)


def test_the_usual_memory_is_there_again_after_buffers_were_dropped(tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path / "samples.duckdb")
    store.write(minute(1), watermark=1)
    store.checkpoint()
    with store._file.cursor() as (cursor, _):
        usual = limit_of(cursor)
        checkpoints.drop_buffers(cast("duckdb.DuckDBPyConnection", Short(cursor, "128MB")), memory_limit="128MB")
        [(held,)] = cursor.execute(
            "SELECT sum(memory_usage_bytes) FROM duckdb_memory() WHERE tag = 'BASE_TABLE'"
        ).fetchall()
        assert (held, limit_of(cursor)) == (0, usual)
    store.close()


def test_a_file_with_fewer_samples_than_were_proved_is_a_damaged_one(tmp_path: Path) -> None:
    path, backups = tmp_path / "samples.duckdb", tmp_path / "backups"
    store = DuckDBStore(path, backups=backups)
    store.write(one_batch(1), watermark=1, spool="s")
    store.back_up(backups, now=NOW)
    store.write(one_batch(2), watermark=2, spool="s")
    store.checkpoint("s")
    store.close()
    with duckdb.connect(path) as other:
        other.execute("DELETE FROM samples WHERE device_ns > 1050")
    with pytest.raises(StoreDamagedError, match="800 had been proved"):
        store.watermark("s")
    assert store.watermark("s") == 1
    refill(store, 2)
    assert_whole(store, 2)
    store.close()
