"""CBOR waves of 1,000 float32 through the recorder, beside DuckDB's own append of Arrow tables of 100,000 rows.

The publisher, Mosquitto and the recorder are processes of their own; it is done when every sample is in DuckDB.
`python -m benchmarks.telemetry_waves [--quick]`.
"""

import statistics
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.measurement import Measurement, run_alone
from benchmarks.telemetry_load import SAMPLES_A_WAVE, memory_measurement, mosquitto, recorded

ROWS = 100_000


def measure(quick: bool) -> list[Measurement]:
    """Samples per second of both, measured in turn."""
    count, rounds = (3_000, 2) if quick else (20_000, 3)
    ours, limit = [], []
    with tempfile.TemporaryDirectory(prefix="pilotlab-bench-") as name:
        folder = Path(name)
        with mosquitto(folder / "broker", window=2000) as port:
            for turn in range(rounds):
                limit.append(append_rate(folder / f"append-{turn}.duckdb", 10 if quick else 50))
                ours.append(recorded("waves", folder, port, count))
    speed = statistics.median(one.samples_a_second for one in ours)
    cpu_us = statistics.median(one.cpu_seconds for one in ours) / count * 1e6
    memory_mb = max(one.memory_mb for one in ours)
    reference = statistics.median(limit)
    load = f"CBOR waves of {SAMPLES_A_WAVE} float32"
    what = f"{load} (processor {cpu_us:.0f} µs a message)"
    ratio = speed / reference
    return [
        Measurement(what, speed, "samples/s", reference, ratio, ">= 0.6 x Arrow append", ratio >= 0.6),
        memory_measurement(load, memory_mb),
    ]


def append_rate(path: Path, tables: int) -> float:
    """Rows per second of the limit: the columns that we keep, 100,000 rows a transaction, nothing checked."""
    connection = duckdb.connect(str(path))
    connection.execute(
        "CREATE TABLE samples (series INTEGER, device_ns BIGINT, settled_ns BIGINT, received_ns BIGINT, "
        "value DOUBLE, text VARCHAR, flags UTINYINT)"
    )
    random = np.random.default_rng(1)
    spent = 0.0
    for turn in range(tables):
        times = pa.array(np.arange(ROWS, dtype=np.int64) * 10 + turn * ROWS * 10)
        columns = {
            "series": pa.array(np.zeros(ROWS, dtype=np.int32)),
            "device_ns": times,
            "settled_ns": times,
            "received_ns": times,
            "value": pa.array(random.normal(0, 1, ROWS)),
            "text": pa.nulls(ROWS, pa.string()),
            "flags": pa.array(np.zeros(ROWS, dtype=np.uint8)),
        }
        table = pa.table(columns)
        started = time.perf_counter()
        connection.register("fresh", table)
        connection.execute("INSERT INTO samples SELECT * FROM fresh")
        connection.unregister("fresh")
        spent += time.perf_counter() - started
    connection.close()
    return tables * ROWS / spent


if __name__ == "__main__":
    run_alone(measure, "CBOR waves through the recorder beside DuckDB's own Arrow append")
