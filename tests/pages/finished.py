"""A pilot of the stage whose runs are all made, with what its machines said in them: ready to be sealed."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count

import numpy as np
from sqlalchemy.orm import Session

from lab.core.database import Database
from lab.core.ids import new_id
from lab.core.time import Span, to_nanoseconds
from lab.pilots import service as pilots
from lab.pilots.examples import demo_economics, demo_plan
from lab.pilots.models import Run
from telemetry.sequences import note_received
from telemetry.stores.duckdb import DuckDBStore
from tests.integration.test_reports import _event, _samples
from tests.placed_bookings import place_booking
from tests.web_client import Town

_PLAN = demo_plan(runs_per_arm=3, economics=demo_economics())
_SECONDS = 60
_BATCHES: Iterator[int] = count(1_000)


def make_finished_pilot(town: Town, store: DuckDBStore, *, title: str, start: datetime) -> str:
    """The foundry's pilot with six runs from `start` on, each a minute long; its id."""
    database: Database = town.database

    def lay_out(session: Session) -> tuple[str, str, list[Run]]:
        manager = town.principal("manager")
        booking = place_booking(
            session, town.foundry.id, Span(start, start + timedelta(hours=1)), "meter-1", "mill-1", title=title
        )
        question = "Does the higher feed rate cut energy per part without hurting quality?"
        pilot = pilots.create_pilot(
            session, manager, organisation_id=town.foundry.id, title=title, question=question, now=start
        )
        pilots.write_plan(session, manager, pilot.id, _PLAN, now=start)
        pilots.lock_plan(session, manager, pilot.id, now=start)
        booking.pilot_id = pilot.id
        return pilot.id, booking.id, pilots.planned_runs(session, pilot.id)

    pilot_id, booking_id, runs = database.transact(lay_out)
    rng = np.random.default_rng(7)
    for run in runs:
        power_kw = 7.2 + rng.normal(0, 0.05) - (2.4 if run.arm == "fast" else 0)
        begin = start + run.number * timedelta(minutes=2)
        end = begin + timedelta(seconds=_SECONDS)
        store.write(_samples(to_nanoseconds(begin), to_nanoseconds(end), power_kw), watermark=next(_BATCHES))
        with database.write() as session:
            _make_run(session, town, pilot_id, booking_id, run.number, Span(begin, end))
    return pilot_id


def send_late(store: DuckDBStore, start: datetime) -> None:
    """Seven values of the second run that the meter kept to itself."""
    first_ns = to_nanoseconds(start + timedelta(minutes=4)) + 500_000_000
    store.write(_samples(first_ns, first_ns + 6_000_000_000, 7.0), watermark=next(_BATCHES))


def _make_run(session: Session, town: Town, pilot_id: str, booking_id: str, number: int, span: Span) -> None:
    engineer, boot = town.principal("engineer"), new_id("boot")
    pilots.start_run(session, engineer, pilot_id, number, booking_id, now=span.start)
    for kind, at in (("run_started", span.start), ("part_finished", span.end)):
        event = _event(kind, number, to_nanoseconds(at))
        event.boot = boot
        session.add(event)
    said = {
        "mill-1": {"boot": boot, "first_seq": 1, "last_seq": 10},
        "meter-1": {"boot": boot, "first_seq": 1, "last_seq": 3},
    }
    note_received(session, "mill-1", boot, range(1, 11))
    note_received(session, "meter-1", boot, [1, 3] if number == 2 else [1, 2, 3])
    result = {"finished": True, "passed": True, "roughness_um": 1.0 + number / 100}
    pilots.stop_run(
        session, engineer, pilot_id, number, result=result, completeness=said,
        now=span.end + timedelta(milliseconds=1),
    )  # fmt: skip
