"""A small lab in the middle of a working day, served over HTTP, with something of everything that pages show."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import uvicorn
from sqlalchemy.orm import Session

from bookings.prices.publishing import ListedPrice, publish_price_list
from bookings.rules import Rules
from bookings.series.schemas import SeriesRequest
from bookings.series.service import book_series
from devices.catalogue import DEFAULT_CATALOGUE, load_catalogue
from devices.messages.native import Birth, Death
from devices.photos import keep_photo, prepare_photo
from devices.service import import_catalogue, record_birth, record_death
from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.ids import new_id
from lab.core.mqtt import BrokerAddress
from lab.core.settings import Settings
from lab.core.time import Span, to_nanoseconds
from lab.people.principals import SYSTEM
from lab.people.service import open_session
from lab.pilots import service as pilots
from lab.pilots.enquiries import service as enquiries
from lab.pilots.enquiries.schemas import EnquiryRequest
from lab.reports.afterwards.service import plan_follow_ups
from lab.reports.charts import draw_charts
from lab.reports.links.service import create_link
from lab.reports.models import DataSet, Report
from lab.reports.service import seal_pilot
from lab.serving import listen
from telemetry.alarms import service as alarms
from telemetry.alarms.definitions import LimitDefinition
from telemetry.alarms.service import RuleFacts
from telemetry.live.hub import LiveHub
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.interface import SAMPLES
from tests.factories import MONDAY_MORNING
from tests.pages.drawer import fill_drawer, machine_photo
from tests.pages.finished import make_finished_pilot, send_late
from tests.pages.unplaced import fill_unplaced
from tests.placed_bookings import place_booking
from tests.unit.reports.report_examples import example_document, example_plan
from tests.web_client import Town

NOWHERE = BrokerAddress("127.0.0.1", 1)
NOW = MONDAY_MORNING + timedelta(hours=2)
"""Monday 2026-11-23, 10:00 in Gliwice."""
_HOUR = timedelta(hours=1)


@dataclass
class Stage:
    """The served lab; ids of what is in it, by a short name."""

    url: str
    town: Town
    clock: LabClock
    store: DuckDBStore
    folder: Path
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        """Behind the pages."""
        return self.town.database

    def cookie(self, who: str) -> dict[str, str]:
        """What a browser holds in which this person is signed in."""
        with self.database.write() as session:
            token = open_session(session, self.town.accounts[who].id, now=self.clock.now())
        return {"name": "pilotlab_session", "value": token, "url": self.url}


@contextmanager
def served_stage(
    database: Database, folder: Path, *, broker: BrokerAddress = NOWHERE, rate: float = 0.0
) -> Iterator[Stage]:
    """Fill an empty database and serve the pages on a free port.

    Args:
        database: empty, with all tables.
        folder: for samples and reports.
        broker: of live values.
        rate: of the lab's clock, which shows `NOW` at first.
    """
    clock = LabClock(NOW, rate=rate)
    store, live = DuckDBStore(folder / "samples.duckdb"), LiveHub(broker, "gliwice", clock=clock)
    settings = Settings(data_dir=folder, broker="external")
    app = create_app(settings=settings, database=database, clock=clock, store=store, live=live, broker=broker)
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=3, ws="none")
    )
    listener = listen("127.0.0.1", 0)
    stage = Stage(f"http://127.0.0.1:{listener.getsockname()[1]}", Town(database, clock), clock, store, folder)
    database.transact(lambda session: _fill(session, stage, folder))
    _fill_samples(store, clock)
    _fill_finished(stage, folder)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server ended"
        time.sleep(0.01)
    try:
        yield stage
    finally:
        live.end_streams()
        server.should_exit = True
        thread.join()
        live.stop()
        store.close()
        listener.close()


def _fill(session: Session, stage: Stage, folder: Path) -> None:
    town, ids = stage.town, stage.ids
    import_catalogue(session, SYSTEM, load_catalogue(DEFAULT_CATALOGUE), now=NOW)
    for device in ("conveyor-1", "meter-1", "mill-1", "printer-1"):
        record_birth(session, device, Birth(boot="7f3a", time=(NOW - 3 * _HOUR).isoformat()), now=NOW - 3 * _HOUR)
    record_death(session, "conveyor-1", Death(boot="7f3a"), now=NOW - _HOUR)
    looks = "The mill from its front: a grey box with a window, behind it the spindle"
    keep_photo(session, town.principal("manager"), "mill-1", prepare_photo(machine_photo()), looks, now=NOW)
    foundry, joinery = town.foundry.id, town.joinery.id
    slot = Span(NOW - _HOUR, NOW + 2 * _HOUR)
    ids["pilot"], ids["planned"] = _pilots(session, stage)
    ids["drafted"] = _drafted(session, stage)
    running = place_booking(
        session, foundry, slot, "meter-1", "mill-1", title="Feed trial", price_cents=25200, pilot_id=ids["planned"]
    )
    ids["running"] = running.id
    tomorrow = Span(NOW + 23 * _HOUR, NOW + 25 * _HOUR)
    ids["coming"] = place_booking(session, foundry, tomorrow, "mill-1", title="Second feed trial", price_cents=17000).id
    place_booking(session, joinery, Span(NOW + 4 * _HOUR, NOW + 6 * _HOUR), "mill-1", title="Secret trial")
    place_booking(session, joinery, Span(NOW, NOW + 5 * _HOUR), "printer-1", title="Brackets in PETG")
    asked = Span(NOW + 47 * _HOUR, NOW + 50 * _HOUR)
    ids["asked"] = place_booking(
        session,
        foundry,
        asked,
        "robot-1",
        title="Gripper test",
        state="requested",
        price_cents=18000,
        lapses_at=NOW + 30 * _HOUR,
    ).id
    ids["series"] = _series(session, town)
    _prices_to_come(session, town)
    past = Span(NOW - 72 * _HOUR, NOW - 70 * _HOUR)
    place_booking(session, foundry, past, "mill-1", title="First look", state="done", price_cents=17000)
    ids["report"] = _report(session, ids["pilot"], folder)
    fill_drawer(session, town, ids["planned"], folder)
    plan_follow_ups(session, ids["pilot"], approved_at=NOW - timedelta(days=200), now=NOW)
    ids["shared"] = create_link(session, town.principal("manager"), ids["report"], label="The bank", days=30, now=NOW)[
        1
    ]
    for rule, device, severity, text in (
        ("r1", "mill-1", "warning", "Spindle power of CNC mill is 6.9 kW, above 6.5 kW"),
        ("r2", "conveyor-1", "critical", "Belt speed of Conveyor with vision has sent nothing for more than 180 s"),
    ):
        at_ns = to_nanoseconds(NOW - timedelta(minutes=4))
        alarm = alarms.raise_alarm(session, RuleFacts(rule, device, "limit", severity), text, at_ns=at_ns, now=NOW)
        ids[f"alarm-{device}"] = alarm.id if alarm is not None else ""
    question = EnquiryRequest(
        company="Piekarnia Nowa", contact="Zofia Mazur", mail="zofia@example.org", question="Can a robot pack bread?"
    )
    ids["alarm-rule"] = alarms.create_rule(
        session,
        town.principal("engineer"),
        device_id="mill-1",
        signal="spindle_power_kw",
        severity="warning",
        definition=LimitDefinition(kind="limit", high=6.5, hysteresis=0.2, delay_s=5),
        now=NOW - 3 * _HOUR,
    ).id
    ids["letter"] = fill_unplaced(session, NOW)
    ids["enquiry"] = enquiries.ask(session, None, question, now=NOW - 3 * _HOUR).id


def _series(session: Session, town: Town) -> str:
    """Three Fridays with the meter, late in the day."""
    first = at_lab(4, 17)
    wish = SeriesRequest(
        device_ids=["meter-1"],
        start=first,
        end=first + _HOUR,
        title="Idle power, each week",
        rrule="FREQ=WEEKLY;COUNT=3",
    )
    rules = Rules.from_settings(Settings())
    return book_series(session, town.principal("founder"), wish, now=NOW, rules=rules).series.id


def _prices_to_come(session: Session, town: Town) -> None:
    """Published already; they change nothing this year."""
    publish_price_list(
        session,
        town.principal("manager"),
        name="Prices 2027",
        valid_from=at_lab(39, 0),
        devices={"mill-1": ListedPrice(9_000, 2_500), "robot-1": ListedPrice(6_500, 0)},
        supervision_hour_cents=4_500,
        now=NOW - _HOUR,
    )


def _pilots(session: Session, stage: Stage) -> tuple[str, str]:
    manager, made = stage.town.principal("manager"), []
    for title, question, days in (
        ("Faster feed", "Does the higher feed rate cut energy and time per part without hurting quality?", 20),
        ("Softer start", "Does a softer start of the spindle save energy?", 2),
    ):
        now = NOW - timedelta(days=days)
        pilot = pilots.create_pilot(
            session, manager, organisation_id=stage.town.foundry.id, title=title, question=question, now=now
        )
        pilots.write_plan(session, manager, pilot.id, example_plan(), now=now)
        pilots.lock_plan(session, manager, pilot.id, now=now + timedelta(hours=3))
        made.append(pilot)
    made[0].state = "reported"
    return made[0].id, made[1].id


def _fill_finished(stage: Stage, folder: Path) -> None:
    """A pilot that is ready to be sealed, and one that is sealed and drafted, to which something came later."""
    town, store = stage.town, stage.store
    start = NOW - timedelta(days=4)
    stage.ids["finished"] = make_finished_pilot(town, store, title="Fewer rejects", start=start)
    late = make_finished_pilot(town, store, title="Blunt tools", start=start + 2 * _HOUR)
    data_set = seal_pilot(stage.database, store, SYSTEM, late, data_dir=folder, clock=stage.clock)
    send_late(store, start + 2 * _HOUR)
    with stage.database.write() as session:
        draft = _report(session, late, folder, data_set_id=data_set.id, number="R-2026-002", status="draft")
    stage.ids |= {"late": late, "draft": draft}


def _drafted(session: Session, stage: Stage) -> str:
    """The joinery's pilot, whose plan an engineer is writing."""
    engineer = stage.town.principal("engineer")
    pilot = pilots.create_pilot(
        session, engineer, organisation_id=stage.town.joinery.id, title="Finer tool", question="Does a finer tool pay?",
        now=NOW - _HOUR,
    )  # fmt: skip
    pilots.write_plan(session, engineer, pilot.id, example_plan(), now=NOW - _HOUR)
    return pilot.id


def _report(
    session: Session,
    pilot_id: str,
    folder: Path,
    *,
    data_set_id: str = "",
    number: str = "R-2026-001",
    status: str = "approved",
) -> str:
    document = example_document()
    if not data_set_id:
        data_set_id = new_id("dst")
        facts = {"version": 1, "sealed_at": NOW, "folder": "pilots/data", "manifest_sha256": "0" * 64}
        session.add(DataSet(id=data_set_id, pilot_id=pilot_id, **facts))
        session.flush()
    report = Report(
        id=new_id("rpt"),
        pilot_id=pilot_id,
        data_set_id=data_set_id,
        number=number,
        version=1,
        created_at=NOW,
        verdict="Invest",
        results=document,
        pdf_sha256="0" * 64,
        package_sha256="0" * 64,
        folder=f"reports/{pilot_id}",
        status=status,
    )
    session.add(report)
    session.flush()
    charts = folder / report.folder / "charts"
    charts.mkdir(parents=True)
    for name, drawing in draw_charts(document).items():
        (charts / name).write_bytes(drawing)
    (folder / report.folder / "report.pdf").write_bytes(b"%PDF-1.7 the report")
    (folder / report.folder / "package.zip").write_bytes(b"PK the package")
    return report.id


def _fill_samples(store: DuckDBStore, clock: LabClock) -> None:
    """Twenty minutes of a mill at 2 Hz, up to now."""
    count = 2400
    times = clock.now_ns() - np.arange(count, 0, -1, dtype=np.int64) * 500_000_000
    wave = np.sin(np.arange(count) / 60)
    signals = {"spindle_power_kw": 2 + wave, "feed_mm_s": 12 + 4 * wave, "tool_wear_um": np.linspace(20, 31, count)}
    for number, (signal, values) in enumerate(signals.items(), start=1):
        known = {"device": "mill-1", "signal": signal, "boot": "7f3a"}
        columns = {name: [text] * count for name, text in known.items()}
        columns |= {"device_ns": times, "settled_ns": times, "received_ns": times + 1, "value": values}
        columns |= {"text": pa.nulls(count, pa.string()), "flags": np.zeros(count, np.uint8)}
        store.write(pa.table(columns, schema=SAMPLES), watermark=number)


def at_lab(days: int, hour: int) -> datetime:
    """A full hour of the lab's winter time, days after the stage's Monday."""
    return MONDAY_MORNING + timedelta(days=days, hours=hour - 8)
