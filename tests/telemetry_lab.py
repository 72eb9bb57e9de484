"""A small lab served over HTTP: devices, two companies, the staff, a store, and a hub for live streams."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pyarrow as pa
import uvicorn
from fastapi import FastAPI
from sqlalchemy.orm import Session

from bookings.models import Booking, BookingDevice
from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.ids import new_id
from lab.core.mqtt import BrokerAddress
from lab.core.settings import Settings
from lab.core.time import to_nanoseconds
from lab.people import service as people
from lab.people.principals import Principal, Role
from lab.serving import listen
from telemetry.live.hub import LiveHub
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.interface import SAMPLES
from tests.factories import MONDAY_MORNING, make_account, make_device, make_organisation, make_signal

LAB = "gliwice"
NOW_NS = to_nanoseconds(MONDAY_MORNING)
SECOND = 1_000_000_000
UNREACHABLE = BrokerAddress("127.0.0.1", 1)


@dataclass(frozen=True, slots=True)
class TelemetryLab:
    """The served lab; `secrets` are the API tokens of the people."""

    url: str
    app: FastAPI
    database: Database
    clock: LabClock
    store: DuckDBStore
    live: LiveHub
    server: uvicorn.Server
    secrets: dict[str, str]
    organisations: dict[str, str]

    def client(self, who: str) -> httpx.Client:
        """What `engineer`, `alfa`, `beta` or `recipient` asks with."""
        return httpx.Client(
            base_url=f"{self.url}/api/v1", headers={"Authorization": f"Bearer {self.secrets[who]}"}, timeout=20
        )

    def book(self, company: str, start: datetime, end: datetime, device: str = "mill-1") -> str:
        """A confirmed booking, past the rules."""
        booking = Booking(
            id=new_id("bkg"),
            organisation_id=self.organisations[company],
            booked_by="acc",
            title="Milling",
            start_at=start,
            end_at=end,
            state="confirmed",
            version=1,
            created_at=MONDAY_MORNING - timedelta(days=9),
            devices=[BookingDevice(device_id=device, reserved_start=start, reserved_end=end, active=True)],
        )
        with self.database.write() as session:
            session.add(booking)
        return booking.id


def samples(*rows: tuple[float, float | str], signal: str = "spindle_power_kw", flags: int = 0) -> pa.Table:
    """Samples of mill-1: seconds after Monday morning, and a value."""
    table = []
    for second, value in rows:
        at = NOW_NS + round(second * SECOND)
        number, text = (None, value) if isinstance(value, str) else (float(value), None)
        known = {"device": "mill-1", "signal": signal, "boot": "7f3a", "device_ns": at, "settled_ns": at}
        table.append({**known, "received_ns": at + 1000, "value": number, "text": text, "flags": flags})
    return pa.Table.from_pylist(table, schema=SAMPLES)


@contextmanager
def served_lab(
    database: Database, folder: Path, *, address: BrokerAddress = UNREACHABLE, rate: float = 0.0
) -> Iterator[TelemetryLab]:
    """Serve the lab on a free port.

    Args:
        database: empty, with all tables.
        folder: for the store.
        address: of the broker behind the live streams.
        rate: of the lab's clock, which shows Monday morning at first.
    """
    clock = LabClock(MONDAY_MORNING, rate=rate)
    store = DuckDBStore(folder / "samples.duckdb")
    live = LiveHub(address, LAB, clock=clock)
    secrets, organisations = database.transact(_people_and_devices)
    app = create_app(settings=Settings(data_dir=folder), database=database, clock=clock, store=store, live=live)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=3))
    listener = listen("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    until = time.monotonic() + 10
    while not server.started and time.monotonic() < until:
        time.sleep(0.01)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield TelemetryLab(url, app, database, clock, store, live, server, secrets, organisations)
    finally:
        live.end_streams()
        server.should_exit = True
        thread.join()
        live.stop()
        store.close()
        listener.close()


def _people_and_devices(session: Session) -> tuple[dict[str, str], dict[str, str]]:
    signals = {"spindle_power_kw": "kW", "feed_mm_s": "mm/s"}
    mill = make_device(session, "mill-1", signals=signals)
    mill.signals += [make_signal("program", type="text", unit=None), make_signal("door_open", type="boolean")]
    make_device(session, "robot-1")
    secrets, organisations = {}, {}
    roles = {"engineer": Role.ENGINEER, "alfa": Role.MEMBER, "beta": Role.MEMBER, "recipient": Role.RECIPIENT}
    for who, role in roles.items():
        organisation = make_organisation(session, who.title(), kind="lab" if who == "engineer" else "company")
        account = make_account(session, role, organisation=organisation)
        owner = Principal(account.id, organisation.id, role, account.name)
        _, secrets[who] = people.create_api_token(
            session, owner, name="test", scopes=["read", "write"], now=MONDAY_MORNING
        )
        organisations[who] = organisation.id
    return secrets, organisations
