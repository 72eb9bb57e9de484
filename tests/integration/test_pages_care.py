"""What the staff has to look after: on a machine's page, where nobody else sees it, and on the page of outages."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from bookings.outages.models import Outage
from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from lab.web.outage_pages import WHOLE_LAB
from telemetry.models import DeadLetterCount
from telemetry.stores.duckdb import DuckDBStore
from tests.factories import MONDAY_MORNING, make_device, make_signal
from tests.web_client import Town

HOUR = timedelta(hours=1)


def ticked(page: str) -> list[str]:
    """Signals that the history of a machine draws at once."""
    return re.findall(r'name="past" value="([^"]+)"[^>]* checked', page)


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


@pytest.mark.parametrize("look", ["", "yes"])
def test_only_who_says_the_whole_lab_takes_the_whole_lab_out_of_service(
    database: Database, lab_clock: LabClock, tmp_path: Path, look: str
) -> None:
    town, store = Town(database, lab_clock), DuckDBStore(tmp_path / "samples.duckdb")
    app = create_app(settings=Settings(data_dir=tmp_path), database=database, clock=lab_clock, store=store, live=None)
    with database.write() as session:
        make_device(session, "mill-1")
    manager = town.browser(app, "manager")
    assert '<option value="" disabled selected>' in manager.get("/manage/outages").text
    refused = manager.post("/manage/outages", data={"reason": "New floor", "look": look})
    assert refused.status_code == 422
    assert "Please say what is out of service" in refused.text
    assert 'id="effect"' not in refused.text
    with database.read() as session:
        assert session.scalars(sa.select(Outage)).all() == []
    store.close()


def test_the_whole_lab_is_for_the_manager_and_a_look_at_it_keeps_the_choice(
    database: Database, lab_clock: LabClock, tmp_path: Path
) -> None:
    town, store = Town(database, lab_clock), DuckDBStore(tmp_path / "samples.duckdb")
    app = create_app(settings=Settings(data_dir=tmp_path), database=database, clock=lab_clock, store=store, live=None)
    wish = {"device_id": WHOLE_LAB, "reason": "New floor"}
    engineer, manager = town.browser(app, "engineer"), town.browser(app, "manager")
    assert "the whole lab" not in engineer.get("/manage/outages").text
    assert engineer.post("/manage/outages", data=wish).status_code == 422
    looked = manager.post("/manage/outages", data=wish | {"look": "yes"}).text
    assert f'<option value="{WHOLE_LAB}" selected>' in looked
    assert manager.post("/manage/outages", data=wish).status_code == 303
    with database.read() as session:
        assert [one.device_id for one in session.scalars(sa.select(Outage))] == [None]
    store.close()


def test_numbers_are_drawn_at_first_and_what_is_on_or_off_only_where_there_are_none(
    database: Database, lab_clock: LabClock, tmp_path: Path
) -> None:
    town, store = Town(database, lab_clock), DuckDBStore(tmp_path / "samples.duckdb")
    app = create_app(settings=Settings(data_dir=tmp_path), database=database, clock=lab_clock, store=store, live=None)
    switches = [make_signal(name, type="boolean", unit=None) for name in ("a_door", "b_door")]
    numbers = [make_signal(name) for name in ("power", "force", "speed", "wear")]
    with database.write() as session:
        press, gate = (make_device(session, name, signals={}) for name in ("press-1", "gate-1"))
        press.signals.extend([*switches, *numbers])
        gate.signals.append(make_signal("open", type="boolean", unit=None))
    staff = town.browser(app, "engineer")
    found = ticked(staff.get("/devices/press-1").text)
    assert len(found) == 3
    assert set(found) < {"power", "force", "speed", "wear"}
    assert ticked(staff.get("/devices/gate-1").text) == ["open"]
    store.close()


def test_messages_are_filtered_by_the_name_of_a_machine_also_one_that_the_lab_does_not_know(
    database: Database, lab_clock: LabClock, tmp_path: Path
) -> None:
    town, store = Town(database, lab_clock), DuckDBStore(tmp_path / "samples.duckdb")
    app = create_app(settings=Settings(data_dir=tmp_path), database=database, clock=lab_clock, store=store, live=None)
    with database.write() as session:
        make_device(session, "mill-1", name="CNC mill")
    staff = town.browser(app, "engineer")
    assert '<option value="mill-1">CNC mill</option>' in staff.get("/manage/letters").text
    assert '<option value="mill-1" selected>CNC mill</option>' in staff.get("/manage/letters?device=mill-1").text
    assert '<option value="press-9" selected>press-9</option>' in staff.get("/manage/letters?device=press-9").text
    store.close()


def test_an_engineer_reads_what_an_hour_costs_now(database: Database, lab_clock: LabClock, tmp_path: Path) -> None:
    town, store = Town(database, lab_clock), DuckDBStore(tmp_path / "samples.duckdb")
    app = create_app(settings=Settings(data_dir=tmp_path), database=database, clock=lab_clock, store=store, live=None)
    with database.write() as session:
        make_device(session, "mill-1", name="CNC mill", price_cents_per_hour=8500)
    text = re.sub(r"<[^>]+>", " ", town.browser(app, "engineer").get("/manage/prices").text)
    assert "CNC mill 85.00 EUR per hour" in " ".join(text.split())
    store.close()
