"""Bytes a sample takes on the disk: 100 slowly varying signals at 10 Hz, as they arrive and compacted.

Samples come as the recorder stores them: a batch each time, all signals of a message beside each other, every column
(both times, reception, flags) included, with a checkpoint each minute. The goal judges the file, free blocks included.
`python -m benchmarks.telemetry_disk [--quick]`.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.measurement import Measurement, peak_memory_mb, run_alone
from telemetry.stores.batches import column_of
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.interface import ROWS, SampleBatch

SIGNALS = 100
RATE_HZ = 10
START_NS = 1_795_435_200_000_000_000
MESSAGES_A_BATCH = 600
"""A minute, after which the recorder asks for a checkpoint."""


def measure(quick: bool) -> list[Measurement]:
    """Both sizes, and what the work cost."""
    hours = 0.5 if quick else 6.0
    with tempfile.TemporaryDirectory(prefix="pilotlab-bench-") as name:
        store = DuckDBStore(Path(name) / "samples.duckdb")
        started = time.process_time()
        count = fill(store, int(hours * 3600 * RATE_HZ))
        stored_s = time.process_time() - started
        plain = store.size_bytes() / count
        used_plain = _used_bytes(store) / count
        started = time.process_time()
        done = store.compact(before_ns=2**63 - 1)
        compacted_s = time.process_time() - started
        compacted = store.size_bytes() / count
        used_compacted = _used_bytes(store) / count
        store.close()
    memory = peak_memory_mb()
    print(
        f"{count:,} samples stored in {stored_s:.1f} s and {done.rows:,} compacted in {compacted_s:.1f} s of processor "
        f"time, {memory:.0f} MB of memory at most, {done.doubles} doubles; "
        f"without free blocks {used_plain:.2f} bytes a sample as arrived, {used_compacted:.2f} compacted"
    )
    return [
        _measurement("bytes a sample on disk, as arrived", plain, 6.0),
        _measurement("bytes a sample on disk, compacted", compacted, 4.5),
    ]


def _measurement(name: str, value: float, most: float) -> Measurement:
    return Measurement(name, value, "bytes", most, value / most, f"<= {most}", value <= most)


def _used_bytes(store: DuckDBStore) -> int:
    """Without the free blocks that the next samples take."""
    with store._file.cursor() as (cursor, _):
        [(used,)] = cursor.execute("SELECT used_blocks * block_size FROM pragma_database_size()").fetchall()
    return int(used)


def fill(store: DuckDBStore, messages: int, *, signals: int = SIGNALS) -> int:
    """Store messages of a machine that varies slowly; gives the number of samples."""
    random = np.random.default_rng(2026)
    series = tuple(("mill-1", f"signal_{number:03}", "boot-1") for number in range(signals))
    level = random.uniform(0, 100, signals)
    scale = 10.0 ** random.integers(-2, 1, signals)
    for first in range(0, messages, MESSAGES_A_BATCH):
        count = min(MESSAGES_A_BATCH, messages - first)
        steps = random.normal(0, 0.3, (count, signals)) * scale
        path = level + np.cumsum(steps, axis=0)
        level = path[-1]
        values = np.round(path, 2)  # sensors tell so many digits
        ticks = np.arange(first, first + count, dtype=np.int64) * (10**9 // RATE_HZ)
        device = START_NS + ticks + random.integers(-200_000, 200_000, count) // 1000 * 1000
        received = device + random.integers(1_000_000, 6_000_000, count)
        times, arrivals = np.repeat(device, signals), np.repeat(received, signals)
        total = count * signals
        columns = [
            column_of(np.tile(np.arange(signals, dtype=np.int32), count)),
            column_of(times),
            column_of(times),
            column_of(arrivals),
            column_of(values.ravel()),
            pa.nulls(total, pa.string()),
            column_of(np.zeros(total, dtype=np.uint8)),
        ]
        store.write(SampleBatch(series, pa.Table.from_arrays(columns, schema=ROWS)), watermark=first + count)
        store.checkpoint()
    return messages * signals


if __name__ == "__main__":
    run_alone(measure, "what a sample takes on the disk")
