"""Writing to InfluxDB beside a bare poster of prepared lines.

The same server and the same samples: the poster only sends lines that were made before; ours looks for what is stored,
makes the lines, sends them, and the watermark. `python -m benchmarks.telemetry_influx [--quick]`.
"""

import statistics
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.measurement import Measurement, run_alone
from telemetry.stores.batches import column_of
from telemetry.stores.influxdb import InfluxDBStore
from telemetry.stores.interface import ROWS, SampleBatch
from telemetry.stores.line_protocol import sample_lines
from tests.services.influxdb import InfluxDB, start_influxdb

SIGNALS = 20
MESSAGES_A_BATCH = 500
LINES_A_POST = 10_000
START_NS = 1_795_435_200_000_000_000


def measure(quick: bool) -> list[Measurement]:
    """Samples a second of both, medians of several rounds each, one after the other."""
    batches, rounds = (10, 2) if quick else (40, 3)
    ours, limit, processor = [], [], []
    with tempfile.TemporaryDirectory(prefix="pilotlab-bench-") as name:
        server = start_influxdb(Path(name) / "influxdb")
        try:
            made = [_batch(number) for number in range(batches)]
            count = batches * MESSAGES_A_BATCH * SIGNALS
            for _ in range(rounds):
                limit.append(count / _post(server.create_bucket(), made))
                before = time.process_time()
                ours.append(count / _store(server.create_bucket(), made))
                processor.append((time.process_time() - before) / count * 1e6)
        finally:
            server.remove()
    mine, theirs = statistics.median(ours), statistics.median(limit)
    print(f"processor time of ours: {statistics.median(processor):.2f} us a sample")
    return [
        Measurement("InfluxDB writes", mine, "samples/s", theirs, mine / theirs, ">= 0.8", mine / theirs >= 0.8),
    ]


def _batch(number: int) -> SampleBatch:
    series = tuple(("mill-1", f"signal_{place:02}", "boot-1") for place in range(SIGNALS))
    total = MESSAGES_A_BATCH * SIGNALS
    first = START_NS + number * MESSAGES_A_BATCH * 100_000_000
    times = np.repeat(first + np.arange(MESSAGES_A_BATCH, dtype=np.int64) * 100_000_000, SIGNALS)
    values = np.round(np.random.default_rng(number).normal(20, 5, total), 3)
    columns = [
        column_of(np.tile(np.arange(SIGNALS, dtype=np.int32), MESSAGES_A_BATCH)),
        *(column_of(times), column_of(times), column_of(times + 2_000_000)),
        column_of(values),
        pa.nulls(total, pa.string()),
        column_of(np.zeros(total, dtype=np.uint8)),
    ]
    return SampleBatch(series, pa.Table.from_arrays(columns, schema=ROWS))


def _post(server: InfluxDB, batches: list[SampleBatch]) -> float:
    lines = [line for batch in batches for line in sample_lines(batch.samples())]
    bodies = [b"\n".join(lines[start : start + LINES_A_POST]) for start in range(0, len(lines), LINES_A_POST)]
    url = f"{server.url}/api/v2/write?org={server.org}&bucket={server.bucket}&precision=ns"
    started = time.perf_counter()
    for body in bodies:
        request = urllib.request.Request(url, data=body, headers={"Authorization": f"Token {server.token}"})
        urllib.request.urlopen(request, timeout=60).close()
    return time.perf_counter() - started


def _store(server: InfluxDB, batches: list[SampleBatch]) -> float:
    store = InfluxDBStore(server.url, server.token, server.org, server.bucket)
    started = time.perf_counter()
    for number, batch in enumerate(batches, start=1):
        if store.write(batch, watermark=number, spool="bench").stored != batch.rows.num_rows:
            raise SystemExit("not all samples were stored")
    took = time.perf_counter() - started
    store.close()
    return took


if __name__ == "__main__":
    run_alone(measure, "writing to InfluxDB beside a bare poster")
