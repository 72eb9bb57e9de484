"""Writing to InfluxDB beside a bare poster of prepared lines.

The same server and the same samples in the same lines and requests: the poster only sends lines that were made before;
ours looks for what is stored, makes the lines, sends them, and the watermark. A batch is what the recorder takes at
once under load. `python -m benchmarks.telemetry_influx [--quick]`.
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
from telemetry.stores.influxdb.connection import BYTES_PER_REQUEST
from telemetry.stores.influxdb.lines import sample_lines
from telemetry.stores.interface import ROWS, SampleBatch
from tests.services.influxdb import InfluxDB, start_influxdb

SIGNALS = 20
MESSAGES_A_BATCH = 2_000
START_NS = 1_795_435_200_000_000_000


def measure(quick: bool) -> list[Measurement]:
    """Samples a second of both, medians of several rounds; they take turns batch by batch."""
    batches, rounds = (10, 3) if quick else (40, 5)
    made = [_batch(number) for number in range(batches)]
    count = batches * MESSAGES_A_BATCH * SIGNALS
    rates: list[tuple[float, float]] = []
    processor = 0.0
    with tempfile.TemporaryDirectory(prefix="pilotlab-bench-") as name:
        server = start_influxdb(Path(name) / "influxdb")
        try:
            for _ in range(rounds):
                ours, limit, took = _take_turns(server.create_bucket(), server.create_bucket(), made)
                rates.append((count / ours, count / limit))
                processor += took
        finally:
            server.remove()
    mine, theirs = statistics.median(rate for rate, _ in rates), statistics.median(rate for _, rate in rates)
    ratio = statistics.median(ours / limit for ours, limit in rates)
    print(f"processor time of ours: {processor / rounds / count * 1e6:.2f} us a sample")
    print(f"ratios of the rounds: {', '.join(f'{ours / limit:.2f}' for ours, limit in rates)}")
    return [Measurement("InfluxDB writes", mine, "samples/s", theirs, ratio, ">= 0.8", ratio >= 0.8)]


def _take_turns(mine: InfluxDB, theirs: InfluxDB, batches: list[SampleBatch]) -> tuple[float, float, float]:
    """Seconds of ours, seconds of the poster, and processor seconds of ours."""
    store = InfluxDBStore(mine.url, mine.token, mine.org, mine.bucket)
    store.watermark("bench")  # connects
    made = [sample_lines(batch).lines for batch in batches]
    bodies = [[lines.part(*piece) for piece in lines.pieces(BYTES_PER_REQUEST)] for lines in made]
    ours = limit = processor = 0.0
    for number, (batch, requests) in enumerate(zip(batches, bodies, strict=True), start=1):
        started, before = time.perf_counter(), time.process_time()
        if store.write(batch, watermark=number, spool="bench").stored != batch.rows.num_rows:
            raise SystemExit("not all samples were stored")
        processor += time.process_time() - before
        between = time.perf_counter()
        for body in requests:
            _post(theirs, body)
        ours += between - started
        limit += time.perf_counter() - between
    if store.watermark("bench") != len(batches):
        raise SystemExit("the watermark is not stored")
    store.close()
    return ours, limit, processor


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


def _post(server: InfluxDB, body: bytes) -> None:
    url = f"{server.url}/api/v2/write?org={server.org}&bucket={server.bucket}&precision=ns"
    request = urllib.request.Request(url, data=body, headers={"Authorization": f"Token {server.token}"})
    urllib.request.urlopen(request, timeout=60).close()


if __name__ == "__main__":
    run_alone(measure, "writing to InfluxDB beside a bare poster")
