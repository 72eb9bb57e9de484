"""A pilot whose runs are all made, with very many samples of them in DuckDB, as the recorder leaves them behind.

A mill with 19 signals and a meter, each at 1 kHz, in 24 runs; all signals of a moment lie beside each other.
"""

from datetime import timedelta
from pathlib import Path

import duckdb

from bookings.models import Booking, BookingDevice
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.migration import migrate
from lab.core.time import to_nanoseconds
from lab.pilots import service as pilots
from lab.pilots.examples import demo_economics, demo_plan
from lab.pilots.models import Run
from lab.pilots.plans import AnalysisPlan, Kpi, MeanOfSignal, SignalReference, StatisticOfSignal
from telemetry.models import MachineEvent
from telemetry.stores.duckdb import schema
from tests.factories import MONDAY_MORNING, make_device
from tests.web_client import Town

RUNS = 24
SIGNALS = 20
RATE_HZ = 1000
PAUSE = timedelta(seconds=30)
_MILL = tuple(f"load_{number:02}_kw" for number in range(1, SIGNALS))


def database_of(folder: Path) -> Database:
    """The pilot's database; the folder is also the data folder."""
    return Database(f"sqlite:///{folder / 'lab.sqlite'}")


def make_pilot(folder: Path, samples_a_run: int) -> str:
    """Make the runs and their samples in a new folder.

    Returns:
        Id of the pilot.
    """
    database, clock = database_of(folder), LabClock(MONDAY_MORNING)
    migrate(database)
    town = Town(database, clock)
    length = timedelta(seconds=samples_a_run // SIGNALS / RATE_HZ)
    with database.write() as session:
        make_device(session, "mill-1", signals=dict.fromkeys(_MILL, "kW"))
        make_device(session, "meter-1", signals={"active_power_kw": "kW"})
        booking = Booking(
            id="bkg_1", organisation_id=town.foundry.id, booked_by="acc", title="", state="confirmed", version=1,
            start_at=MONDAY_MORNING, end_at=MONDAY_MORNING + RUNS * (length + 2 * PAUSE), created_at=MONDAY_MORNING,
        )  # fmt: skip
        span = {"reserved_start": booking.start_at, "reserved_end": booking.end_at, "active": True}
        booking.devices = [BookingDevice(device_id=device, **span) for device in ("meter-1", "mill-1")]
        session.add(booking)
        founder = town.principal("founder")
        pilot = pilots.create_pilot(
            session, founder, organisation_id=town.foundry.id, title="Feed", question="Does it pay?", now=clock.now()
        )
        pilots.write_plan(session, founder, pilot.id, _plan(), now=clock.now())
        pilots.lock_plan(session, founder, pilot.id, now=clock.now())
    with database.read() as session:
        runs = pilots.planned_runs(session, pilot.id)
    rows = schema.open_file(folder / "samples.duckdb", memory_limit="1GB")
    schema.make_tables(rows)
    rows.execute("INSERT INTO series SELECT range, 'mill-1', format('load_{:02}_kw', range), 'm' FROM range(1, 20)")
    rows.execute("INSERT INTO series VALUES (0, 'meter-1', 'active_power_kw', 'e')")
    for run in runs:
        _make_run(town, clock, pilot.id, run, length, rows)
    rows.close()
    database.engine.dispose()
    return pilot.id


def _plan() -> AnalysisPlan:
    plan = demo_plan(runs_per_arm=RUNS // 2, economics=demo_economics())
    first, second = (SignalReference(device="mill-1", signal=name) for name in _MILL[:2])
    further = (
        Kpi(
            key="load", label="Mean load", unit="kW", direction="lower", role="secondary",
            measure=MeanOfSignal(signal=first),
        ),
        Kpi(
            key="peak", label="Peak load", unit="kW", direction="lower", role="secondary",
            measure=StatisticOfSignal(signal=second, statistic="percentile", percent=99),
        ),
    )  # fmt: skip
    return plan.model_copy(update={"kpis": plan.kpis + further})


def _make_run(
    town: Town, clock: LabClock, pilot_id: str, run: Run, length: timedelta, rows: duckdb.DuckDBPyConnection
) -> None:
    engineer = town.principal("engineer")
    clock.advance(PAUSE)
    start = clock.now()
    with town.database.write() as session:
        pilots.start_run(session, engineer, pilot_id, run.number, "bkg_1", now=start)
    moments = int(length.total_seconds() * RATE_HZ)
    rows.execute(
        """INSERT INTO samples
           SELECT n % $signals, tick, tick, tick + 1_000_000 + 1_000 * (random() * 5_000)::INT,
                  round($level * (1 + n % $signals) + sin(n / 40_000) + 0.3 * random(), 3), NULL, 0
           FROM (SELECT range AS n, $start + range // $signals * $step AS tick FROM range($count))""",
        {
            "signals": SIGNALS,
            "level": 7.2 - (2.4 if run.arm == "fast" else 0) + 0.01 * (run.number % 7),
            "start": to_nanoseconds(start),
            "step": 10**9 // RATE_HZ,
            "count": moments * SIGNALS,
        },
    )
    clock.advance(length)
    with town.database.write() as session:
        for seq, kind, at in ((0, "run_started", start), (1, "part_finished", clock.now())):
            session.add(
                MachineEvent(
                    device_id="mill-1", boot="m", seq=2 * run.number + seq, kind=kind, fields={}, flags=0,
                    **dict.fromkeys(("device_ns", "settled_ns", "received_ns"), to_nanoseconds(at)),
                )
            )  # fmt: skip
    clock.advance(timedelta(milliseconds=1))
    result = {"finished": True, "passed": True, "roughness_um": 1.0 + run.number / 100}
    with town.database.write() as session:
        pilots.stop_run(session, engineer, pilot_id, run.number, result=result, completeness={}, now=clock.now())
