"""From the last run of a pilot to its report and package. `python -m benchmarks.reports [--quick]`.

24 runs of 1 M and of 10 M samples, as they arrived in DuckDB. The reference is DuckDB alone, which copies the same
rows, as they lie, to Parquet files with zstd. Each is a process of its own, whose memory counts from its start.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb
import sqlalchemy as sa
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from sqlalchemy.orm import Session

from benchmarks.measurement import Measurement, run_alone
from benchmarks.sampled_pilot import RUNS, database_of, make_pilot
from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.settings import Settings
from lab.people.endpoints import SESSION_COOKIE
from lab.people.models import Account
from lab.people.principals import SYSTEM
from lab.people.service import open_session
from lab.reports.issuing import load_ahead, make_report
from lab.reports.service import seal_pilot
from lab.system import open_store
from tests.factories import MONDAY_MORNING

MOST_SECONDS = 10.0
MOST_MB = 1024.0
MOST_PAGE_MS = 200.0
_LATER = MONDAY_MORNING.replace(day=30)


@dataclass(frozen=True, slots=True)
class Reported:
    """What it took."""

    seal_s: float
    report_s: float
    cpu_s: float
    memory_mb: float
    page_ms: float
    data_mb: float

    @property
    def whole_s(self) -> float:
        """From the samples in the store to report and package."""
        return self.seal_s + self.report_s


def measure(quick: bool) -> list[Measurement]:
    """Time, memory and page of both sizes, and their proportion."""
    small, large = (200_000, 400_000) if quick else (1_000_000, 10_000_000)
    found, bare = {}, {}
    for size in (small, large):
        with tempfile.TemporaryDirectory(prefix="pilotlab-bench-") as name:
            folder = Path(name)
            pilot_id = make_pilot(folder, size)
            bare[size] = _alone(folder, "copy", pilot_id)
            found[size] = Reported(**_alone(folder, "report", pilot_id))
        print(f"{RUNS} x {size:,}: {found[size]}; bare copy: {bare[size]}", flush=True)
    first, second = found[small], found[large]
    grown = second.whole_s / first.whole_s
    return [
        _measurement(f"seal, report and package of {_runs(small)}", first.whole_s, "s", MOST_SECONDS),
        *(_beside(f"beside a bare copy of {_runs(size)}", found[size], bare[size]["wall_s"]) for size in found),
        *(_measurement(f"memory for {_runs(size)}", found[size].memory_mb, "MB", MOST_MB) for size in found),
        Measurement(
            f"time for {_runs(large)} beside {_runs(small)}",
            second.whole_s, "s", first.whole_s, grown, f"<= {large // small} x", grown <= large / small,
        ),
        *(_measurement(f"report page after {_runs(size)}", found[size].page_ms, "ms", MOST_PAGE_MS) for size in found),
    ]  # fmt: skip


def _runs(size: int) -> str:
    return f"{RUNS} runs x {size / 1e6:g} M samples"


def _measurement(name: str, value: float, unit: str, most: float) -> Measurement:
    return Measurement(name, value, unit, most, value / most, f"<= {most:g} {unit}", value <= most)


def _beside(name: str, found: Reported, bare_s: float) -> Measurement:
    return Measurement(name, found.whole_s, "s", bare_s, found.whole_s / bare_s, "no goal", met=True)


def _alone(folder: Path, what: str, pilot_id: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.reports", "--alone", what, str(folder), pilot_id]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _report(folder: Path, pilot_id: str) -> dict[str, float]:
    settings = Settings(data_dir=folder)
    database, store, clock = database_of(folder), open_store(settings), LabClock(_LATER)
    started, cpu = time.perf_counter(), time.process_time()
    load_ahead()  # as the job does
    data_set = seal_pilot(database, store, SYSTEM, pilot_id, data_dir=folder, clock=clock)
    sealed = time.perf_counter()
    report = make_report(database, SYSTEM, data_set.id, data_dir=folder, clock=clock)
    ended, cpu = time.perf_counter(), time.process_time() - cpu
    memory = _peak_mb()
    with database.write() as session:
        cookie = open_session(session, _engineer(session), now=clock.now())
    app = create_app(settings=settings, database=database, clock=clock, store=store, live=None)
    page_ms = asyncio.run(_page_ms(app, f"/reports/{report.id}", cookie))
    data_mb = sum(path.stat().st_size for path in (folder / data_set.folder).rglob("*.parquet")) / 1e6
    store.close()
    return asdict(Reported(sealed - started, ended - sealed, cpu, memory, page_ms, data_mb))


def _engineer(session: Session) -> str:
    return session.scalars(sa.select(Account.id).where(Account.sign_in == "engineer")).one()


async def _page_ms(app: FastAPI, address: str, cookie: str) -> float:
    """The slowest of ten after the first."""
    times = []
    async with AsyncClient(
        transport=ASGITransport(app), base_url="http://lab.example", cookies={SESSION_COOKIE: cookie}
    ) as browser:
        for _ in range(11):
            asked = time.perf_counter()
            answer = await browser.get(address)
            times.append((time.perf_counter() - asked) * 1000)
            if answer.status_code != 200:
                raise SystemExit(f"{address} answers {answer.status_code}")
    return max(times[1:])


def _copy(folder: Path, _: str) -> dict[str, float]:
    """The same rows with their names, as they lie, a file for each run's share of them."""
    started = time.perf_counter()
    with duckdb.connect(folder / "samples.duckdb", read_only=True, config={"memory_limit": "512MB"}) as rows:
        [(first, count)] = rows.execute("SELECT min(rowid), count(*) FROM samples").fetchall()
        for run in range(RUNS):
            start = first + run * count // RUNS
            rows.execute(
                f"""COPY (SELECT device, signal, boot, device_ns, settled_ns, received_ns, value, text, flags
                          FROM samples JOIN series ON id = series
                          WHERE samples.rowid >= {start} AND samples.rowid < {start + count // RUNS})
                    TO '{folder}/bare-{run}.parquet' (FORMAT parquet, COMPRESSION zstd)"""
            )
    size = sum(path.stat().st_size for path in folder.glob("bare-*.parquet")) / 1e6
    return {"wall_s": time.perf_counter() - started, "data_mb": size, "memory_mb": _peak_mb()}


def _peak_mb() -> float:
    """Most memory of this process since its start; what its parent took before does not count."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["--alone"]:
        print(json.dumps({"copy": _copy, "report": _report}[sys.argv[2]](Path(sys.argv[3]), sys.argv[4])))
    else:
        run_alone(measure, "seal, report and package")
