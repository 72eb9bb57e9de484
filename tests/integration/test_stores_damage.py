"""The embedded store's file is damaged: it starts all the same, with a backup, and says what it has not."""

import random
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.duckdb.backups import forget_old, newest_first
from telemetry.stores.errors import StoreDamagedError, StoreUnavailableError
from telemetry.stores.interface import SAMPLES

EVER = [(-(2**63), 2**63 - 1)]
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WRITER = """
import sys
from pathlib import Path
from telemetry.stores.duckdb import DuckDBStore
from tests.integration.test_stores_damage import one_batch

store = DuckDBStore(Path(sys.argv[1]))
for number in range(1, 31):
    store.write(one_batch(number), watermark=number, spool="s")
    if number == 20:
        store.checkpoint("s")
print("written", flush=True)
sys.stdin.read()
"""
ROWS_A_BATCH = 400


def one_batch(number: int) -> pa.Table:
    rows = [
        {"device": "mill-1", "signal": f"signal_{signal}", "boot": "a", "device_ns": number * 1000 + row,
         "settled_ns": number * 1000 + row, "received_ns": number * 1000, "value": row / 7 + number, "flags": 0}
        for signal in range(4) for row in range(100)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=SAMPLES)


def write_and_die(path: Path) -> None:
    """30 batches, a checkpoint after 20, and no end: the write-ahead file holds the last ten."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "written\n"
    writer.send_signal(signal.SIGKILL)
    writer.communicate()


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(content)


def refill(store: DuckDBStore, last: int) -> None:
    """What the recorder does: drain again from the watermark."""
    for number in range(store.watermark("s") + 1, last + 1):
        store.write(one_batch(number), watermark=number, spool="s")


def assert_whole(store: DuckDBStore, last: int) -> None:
    found = store.read("mill-1", [], EVER)
    wanted = pa.concat_tables([one_batch(number) for number in range(1, last + 1)])
    order = [(name, "ascending") for name in ("signal", "device_ns")]
    assert found.sort_by(order).equals(wanted.sort_by(order))


@pytest.mark.faults
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("part", ["samples.duckdb", "samples.duckdb.wal"])
def test_a_flipped_byte_costs_nothing_that_the_spool_still_has(tmp_path: Path, part: str, seed: int) -> None:
    path = tmp_path / "samples.duckdb"
    write_and_die(path)
    file = tmp_path / part
    place = random.Random(seed).randrange(file.stat().st_size)
    flip(file, place)
    store = DuckDBStore(path)
    watermark = store.watermark("s")
    print(f"seed {seed}: byte {place} of {part}, watermark {watermark} of 30")
    repairs = store.take_repairs()
    assert [repair.kind for repair in repairs] == (["store-damaged"] if watermark < 30 else [])
    assert watermark in ({20, 30} if part.endswith("wal") else {0, 20, 30})
    refill(store, 30)
    assert_whole(store, 30)
    assert store.take_repairs() == []
    store.close()


@pytest.mark.faults_long
@pytest.mark.parametrize("part", ["samples.duckdb", "samples.duckdb.wal"])
def test_two_hundred_flipped_bytes_one_after_the_other(tmp_path: Path, part: str) -> None:
    pristine = tmp_path / "pristine"
    pristine.mkdir()
    write_and_die(pristine / "samples.duckdb")
    places = random.Random(part)
    repaired = 0
    for number in range(100):
        folder = tmp_path / str(number)
        folder.mkdir()
        for file in pristine.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        flip(folder / part, places.randrange((folder / part).stat().st_size))
        store = DuckDBStore(folder / "samples.duckdb")
        refill(store, 30)
        assert_whole(store, 30)
        repaired += len(store.take_repairs())
        store.close()
    print(f"{part}: 100 flips, {repaired} noticed and repaired, the others harmless")


def damage_main_file(path: Path) -> None:
    """Everywhere but in its head."""
    content = bytearray(path.read_bytes())
    for place in range(16_384, len(content), 4096):
        content[place] ^= 0xFF
    path.write_bytes(content)


def test_a_damaged_file_is_replaced_by_the_newest_backup(tmp_path: Path) -> None:
    path, backups = tmp_path / "samples.duckdb", tmp_path / "backups"
    store = DuckDBStore(path, backups=backups)
    for number in range(1, 21):
        store.write(one_batch(number), watermark=number, spool="s")
        if number in {5, 12}:
            made = store.back_up(backups, now=NOW.replace(minute=number))
            assert made.rows == number * ROWS_A_BATCH
    store.close()
    damage_main_file(path)
    store = DuckDBStore(path, backups=backups)
    with pytest.raises(StoreUnavailableError):
        store.watermark("s")
    assert store.watermark("s") == 12
    [repair] = store.take_repairs()
    assert (repair.kind, repair.watermarks, repair.received_ns) == ("store-restored", {"s": 12}, 12_000)
    assert "backup of 2026-11-23T12:12" in repair.detail
    assert (tmp_path / "samples.duckdb.damaged-1").exists()
    assert_whole(store, 12)
    refill(store, 20)
    assert_whole(store, 20)
    store.close()


def test_a_backup_that_is_damaged_itself_is_passed_over(tmp_path: Path) -> None:
    path, backups = tmp_path / "samples.duckdb", tmp_path / "backups"
    store = DuckDBStore(path, backups=backups)
    for number in range(1, 4):
        store.write(one_batch(number), watermark=number, spool="s")
        store.back_up(backups, now=NOW.replace(minute=number))
    store.close()
    damage_main_file(newest_first(backups)[0].path)
    (backups / "samples-20261123T120200Z.json").unlink()
    damage_main_file(path)
    (tmp_path / "samples.duckdb.open").touch()
    store = DuckDBStore(path, backups=backups)
    assert store.watermark("s") == 1
    assert store.take_repairs()[0].kind == "store-restored"
    store.close()


def test_a_checkpoint_reads_back_from_the_disk_and_notices_what_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "samples.duckdb"
    store = DuckDBStore(path)
    for number in range(1, 11):
        store.write(one_batch(number), watermark=number, spool="s")
    assert store.checkpoint("s").verified_rows == 10 * ROWS_A_BATCH
    assert store.checkpoint("s").verified_rows == 0
    store.write(one_batch(11), watermark=11, spool="s")
    with store._file.cursor() as (cursor, known):
        known.tally = replace(known.tally, hashes=known.tally.hashes + 1)  # as if another row had been written
        del cursor
    generation = store.generation
    with pytest.raises(StoreDamagedError, match="400 new samples otherwise than written"):
        store.checkpoint("s")
    assert store.watermark("s") == 11
    assert store.generation == generation + 1
    assert store.checkpoint("s").through == 11
    store.close()


def test_backups_are_made_while_samples_are_written(tmp_path: Path) -> None:
    store = DuckDBStore(tmp_path / "samples.duckdb")
    store.write(one_batch(1), watermark=1, spool="s")
    with store._file.keeping:  # as while the copy is made, in another thread
        store.write(one_batch(2), watermark=2, spool="s")
    first = store.back_up(tmp_path / "backups", now=NOW)
    store.write(one_batch(3), watermark=3, spool="s")
    assert (first.rows, first.watermarks) == (2 * ROWS_A_BATCH, {"s": 2})
    again = DuckDBStore(first.path)
    assert_whole(again, 2)
    again.close()
    store.back_up(tmp_path / "backups", now=NOW.replace(hour=13))
    assert len(forget_old(tmp_path / "backups", kept=1)) == 1
    assert [backup.watermarks for backup in newest_first(tmp_path / "backups")] == [{"s": 3}]
    store.close()


def test_a_file_held_by_another_process_is_not_taken_for_a_damaged_one(tmp_path: Path) -> None:
    path = tmp_path / "samples.duckdb"
    store = DuckDBStore(path)
    store.write(one_batch(1), watermark=1, spool="s")
    code = (
        "import sys; from pathlib import Path; from telemetry.stores.duckdb import DuckDBStore\n"
        "from telemetry.stores.errors import StoreUnavailableError\n"
        "try: DuckDBStore(Path(sys.argv[1])).watermark()\n"
        "except StoreUnavailableError as error: print(error.message)"
    )
    said = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True).stdout
    assert "cannot be opened" in said
    assert "lock" in said
    assert sorted(file.name for file in tmp_path.glob("*damaged*")) == []
    assert_whole(store, 1)
    store.close()
    assert not (tmp_path / "samples.duckdb.open").exists()
