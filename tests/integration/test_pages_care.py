"""What the staff has to look after on a machine's page, and nobody else sees."""

from datetime import timedelta
from pathlib import Path

from bookings.outages.models import Outage
from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from telemetry.models import DeadLetterCount
from telemetry.stores.duckdb import DuckDBStore
from tests.factories import MONDAY_MORNING, make_device
from tests.web_client import Town

HOUR = timedelta(hours=1)


def test_outages_ahead_and_lost_messages_are_told_to_the_staff_alone(
    database: Database, lab_clock: LabClock, tmp_path: Path
) -> None:
    town, store = Town(database, lab_clock), DuckDBStore(tmp_path / "samples.duckdb")
    app = create_app(settings=Settings(data_dir=tmp_path), database=database, clock=lab_clock, store=store, live=None)
    with database.write() as session:
        make_device(session, "mill-1")
    assert "Nothing: no outage ahead" in town.browser(app, "engineer").get("/devices/mill-1").text
    with database.write() as session:
        outage = {"id": "out_1", "device_id": "mill-1", "kind": "planned", "reason": "New spindle", "version": 1}
        times = {"start_at": MONDAY_MORNING + HOUR, "end_at": MONDAY_MORNING + 3 * HOUR}
        declared = {"declared_by": "acc", "declared_at": MONDAY_MORNING, "last_end_at": times["end_at"]}
        session.add(Outage(**outage, **times, **declared))
        count = {"device_id": "mill-1", "signal": "tilt", "reason": "unknown-signal", "kept": 3, "beyond": 4}
        session.add(DeadLetterCount(**count, first_at=MONDAY_MORNING, last_at=MONDAY_MORNING))
    staff = town.browser(app, "engineer").get("/devices/mill-1").text
    assert "Mon 23 Nov 2026, 09:00–11:00 CET: New spindle" in staff
    assert "the machine has no signal of this name" in staff
    assert ">7<" in staff
    member = town.browser(app, "founder").get("/devices/mill-1").text
    assert "the machine has no signal of this name" not in member
    assert "To look after" not in member
    store.close()
