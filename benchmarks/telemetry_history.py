"""One-minute buckets of one signal over an hour, among very many samples, as the store answers them.

100 signals at 10 Hz, as they arrived; hours and signals are drawn by chance. What HTTP adds is measured elsewhere.
`python -m benchmarks.telemetry_history [--quick]`.
"""

import random
import resource
import tempfile
import time
from pathlib import Path

from benchmarks.measurement import Measurement, run_alone
from benchmarks.telemetry_disk import RATE_HZ, SIGNALS, START_NS, fill
from telemetry.stores.duckdb import DuckDBStore

HOUR_NS = 3_600 * 10**9
MINUTE_NS = 60 * 10**9
GOAL_MS = 30.0


def measure(quick: bool) -> list[Measurement]:
    """The slowest of twenty and the usual one, before and after compaction."""
    samples, questions = (8_000_000, 40) if quick else (100_000_000, 200)
    with tempfile.TemporaryDirectory(prefix="pilotlab-bench-") as name:
        store = DuckDBStore(Path(name) / "samples.duckdb", memory_limit="512MB")
        count = fill(store, samples // SIGNALS)
        store.checkpoint()
        before = time.process_time()
        plain = _ask(store, count, questions)
        each_ms = (time.process_time() - before) * 1000 / questions
        store.compact(before_ns=2**63 - 1)
        compacted = _ask(store, count, questions)
        store.close()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{count:,} samples, {each_ms:.1f} ms of processor time an answer, "
        f"{memory:.0f} MB of memory at most, loading included"
    )
    return [
        _measurement(f"1-minute buckets of an hour among {count / 1e6:.0f} M rows, p95, {state}", times)
        for state, times in (("as arrived", plain), ("compacted", compacted))
    ]


def _ask(store: DuckDBStore, count: int, questions: int) -> list[float]:
    dice = random.Random(7)
    length_ns = count // SIGNALS * 10**9 // RATE_HZ
    times = []
    for _ in range(questions):
        start = START_NS + dice.randrange(max(1, length_ns - HOUR_NS))
        signal = f"signal_{dice.randrange(SIGNALS):03}"
        asked = time.perf_counter()
        found = store.buckets("mill-1", signal, [(start, start + HOUR_NS)], width_ns=MINUTE_NS)
        times.append((time.perf_counter() - asked) * 1000)
        if not found.num_rows:
            raise SystemExit("an answer is empty")
    return sorted(times)


def _measurement(name: str, times: list[float]) -> Measurement:
    p95 = times[int(len(times) * 0.95)]
    return Measurement(name, p95, "ms", GOAL_MS, p95 / GOAL_MS, f"<= {GOAL_MS:.0f} ms", p95 <= GOAL_MS)


if __name__ == "__main__":
    run_alone(measure, "buckets of an hour among very many samples")
