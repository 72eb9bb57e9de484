"""Writing to InfluxDB beside bare posters of prepared lines.

The same server and the same samples in the same lines and requests: the posters only send lines that were made before,
one request after the other and two at once; ours looks for what is stored, makes the lines, sends them, two at once,
and the watermark. A batch is what the recorder takes at once under load.
`python -m benchmarks.telemetry_influx [--quick]`.
"""

import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from benchmarks.measurement import Measurement, run_alone
from telemetry.stores.batches import column_of
from telemetry.stores.influxdb import InfluxDBStore
from telemetry.stores.influxdb.lines import Lines, sample_lines
from telemetry.stores.influxdb.store import ROWS_A_REQUEST
from telemetry.stores.interface import ROWS, SampleBatch
from tests.services.influxdb import InfluxDB, InfluxDBServer, start_influxdb

SIGNALS = 20
MESSAGES_A_BATCH = 2_000
START_NS = 1_795_435_200_000_000_000


def measure(quick: bool) -> list[Measurement]:
    """Samples a second of ours and both posters, medians of several rounds; they take turns batch by batch."""
    batches, rounds = (10, 3) if quick else (40, 5)
    made = [_batch(number) for number in range(batches)]
    bodies = [[bytes(lines.content) for lines in _requests(batch)] for batch in made]
    with tempfile.TemporaryDirectory(prefix="pilotlab-bench-") as name:
        server = start_influxdb(Path(name) / "influxdb")
        try:
            turns = [_take_turns(server, made, bodies) for _ in range(rounds)]
        finally:
            server.remove()
    count = batches * MESSAGES_A_BATCH * SIGNALS
    processor = statistics.mean(one.processor_s for one in turns)
    print(f"processor time of ours: {processor / count * 1e6:.2f} us a sample")
    return [
        _measurement("one request after the other", count, [(one.ours_s, one.single_s) for one in turns]),
        _measurement("two at once, as ours", count, [(one.ours_s, one.double_s) for one in turns]),
    ]


def _measurement(poster: str, count: int, seconds: list[tuple[float, float]]) -> Measurement:
    ours = statistics.median(count / own for own, _ in seconds)
    theirs = statistics.median(count / limit for _, limit in seconds)
    ratios = [limit / own for own, limit in seconds]
    print(f"ratios to a poster of {poster}: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")
    ratio = statistics.median(ratios)
    name = f"InfluxDB writes, beside a bare poster of {poster}"
    return Measurement(name, ours, "samples/s", theirs, ratio, ">= 0.8", ratio >= 0.8)


class _Turns(NamedTuple):
    """Seconds."""

    ours_s: float
    processor_s: float
    single_s: float
    double_s: float


def _take_turns(server: InfluxDBServer, batches: list[SampleBatch], bodies: list[list[bytes]]) -> _Turns:
    mine, single, double = (server.create_bucket() for _ in range(3))
    store = InfluxDBStore(mine.url, mine.token, mine.org, mine.bucket)
    store.watermark("bench")  # connects
    ours_s = processor_s = single_s = double_s = 0.0
    with ThreadPoolExecutor(2) as poster:
        for number, (batch, requests) in enumerate(zip(batches, bodies, strict=True), start=1):
            started, before = time.perf_counter(), time.process_time()
            if store.write(batch, watermark=number, spool="bench").stored != batch.rows.num_rows:
                raise SystemExit("not all samples were stored")
            processor_s += time.process_time() - before
            ours_s += time.perf_counter() - started
            started = time.perf_counter()
            for body in requests:
                _post(single, body)
            single_s += time.perf_counter() - started
            started = time.perf_counter()
            list(poster.map(_post, [double] * len(requests), requests))
            double_s += time.perf_counter() - started
    if store.watermark("bench") != len(batches):
        raise SystemExit("the watermark is not stored")
    store.close()
    return _Turns(ours_s, processor_s, single_s, double_s)


def _requests(batch: SampleBatch) -> Iterator[Lines]:
    for first in range(0, batch.rows.num_rows, ROWS_A_REQUEST):
        yield sample_lines(SampleBatch(batch.series, batch.rows.slice(first, ROWS_A_REQUEST))).lines


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
