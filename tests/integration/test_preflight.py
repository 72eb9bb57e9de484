"""Before a booking: what is not right is red and says what to do, over HTTP and with real brokers."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from devices.models import DeviceBirth
from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.mqtt import BrokerAddress
from lab.core.settings import Settings
from lab.core.time import Span
from lab.pilots import service as pilots
from lab.pilots.examples import demo_plan
from telemetry.models import ClockOffset, RecorderLease
from telemetry.stores.duckdb import DuckDBStore
from telemetry.stores.interface import Flag
from tests.factories import MONDAY_MORNING, make_device, make_signal
from tests.placed_bookings import place_booking
from tests.services.window_peer import WindowPeer
from tests.telemetry_lab import samples
from tests.web_client import Town

HOUR = timedelta(hours=1)
GIB = 1024**3


class Lab:
    """A booked mill with two signals, a recorder that says that it is well, and a broker set up weakly."""

    def __init__(self, database: Database, clock: LabClock, folder: Path, peer: WindowPeer, **settings: Any) -> None:
        self.database, self.clock, self.town = database, clock, Town(database, clock)
        self.store = DuckDBStore(folder / "samples.duckdb")
        with database.write() as session:
            mill = make_device(session, "mill-1", signals={})
            mill.signals.append(make_signal("spindle_power_kw", expected_interval_ms=1000.0))
            mill.signals.append(make_signal("door", type="text", unit=None, expected_interval_ms=None))
            make_device(session, "meter-1", signals={"active_power_kw": "kW"})
            robot = make_device(session, "robot-1", signals={})
            robot.signals.append(make_signal("joint_1_deg", expected_interval_ms=20.0))
            span = Span(MONDAY_MORNING, MONDAY_MORNING + HOUR)
            self.booking = place_booking(session, self.town.foundry.id, span, "mill-1").id
            health = {"connected": True, "problem": None, "lag_seconds": 0.0, "spool_bytes": 10}
            session.add(
                RecorderLease(
                    name="recorder/gliwice",
                    holder="h",
                    epoch=1,
                    beat=1,
                    spool_id="s",
                    health={**health, "disk_free_bytes": 50 * GIB},
                    health_at=clock.now(),
                )
            )
            for device in ("mill-1", "robot-1"):
                birth = DeviceBirth(device_id=device, boot="7f3a", signals=[], born_at=clock.now(), died_at=None)
                session.add(birth)
            session.add(
                ClockOffset(
                    device_id="mill-1",
                    boot="7f3a",
                    from_device_ns=0,
                    from_seq=1,
                    offset_ns=0,
                    uncertain=False,
                    reason="first",
                    noted_at=clock.now(),
                )
            )
        address = BrokerAddress(peer.host, peer.port)
        self.app = create_app(
            settings=Settings(data_dir=folder, broker="external", **settings),
            database=database,
            clock=clock,
            store=self.store,
            live=None,
            broker=address,
        )

    def lines(self, booking: str | None = None) -> list[tuple[str, str, str]]:
        path = f"/api/v1/bookings/{booking or self.booking}/preflight"
        answer = self.town.program(self.app, "engineer").get(path)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        found = [(line["level"], line["part"], line["fact"]) for line in body["lines"]]
        assert all(line["what_to_do"] for line in body["lines"] if line["level"] == "wrong")
        assert body["ready"] == ("wrong" not in {level for level, _, _ in found})
        return found


@pytest.fixture
def peer():
    with WindowPeer(20, queue=1000) as peer:
        yield peer


def test_a_weak_broker_is_named_before_the_booking(
    each_database: Database, lab_clock: LabClock, tmp_path: Path, peer: WindowPeer
) -> None:
    lab = Lab(each_database, lab_clock, tmp_path, peer, broker_persistence=False)
    said = {(level, fact) for level, part, fact in lab.lines() if part == "broker"}
    assert ("mind", "passes on only 20 messages at once (in-flight window)") in said
    assert ("wrong", "loses what it holds when it restarts") in said
    assert ("wrong", "keeps only 1020 messages while the recorder is away, which lasts 20 s") in said
    lab.store.close()


def test_what_arrives_at_its_rate_is_green_and_what_does_not_is_not(
    database: Database, lab_clock: LabClock, tmp_path: Path, peer: WindowPeer
) -> None:
    lab = Lab(database, lab_clock, tmp_path, peer, broker_persistence=True)
    assert ("mind", "Mill 1", "Spindle power kw: 0 of 60 values in the last minute") not in lab.lines()
    assert ("wrong", "Mill 1", "Spindle power kw: 0 of 60 values in the last minute") in lab.lines()
    lab.store.write(samples(*((second, 1.0) for second in range(-65, 0))), watermark=1)
    lines = lab.lines()
    assert ("good", "Mill 1", "is online") in lines
    assert ("good", "Mill 1", "1 of 1 signals arrive") in lines
    assert ("good", "Mill 1", "its clock is right within a second") in lines
    assert ("good", "recorder", "runs and is connected") in lines
    assert ("good", "disk", "50.0 GiB free") in lines
    lab.clock.advance(timedelta(minutes=5))
    lab.store.write(samples(*((240 + second, 1.0) for second in range(40))), watermark=2)
    lab.store.write(samples(*((280 + second, 1.0) for second in range(9)), flags=int(Flag.UNCERTAIN)), watermark=3)
    lines = lab.lines()
    assert ("wrong", "Mill 1", "Spindle power kw: 49 of 60 values in the last minute") in lines
    assert ("wrong", "Mill 1", "9 values of the last minute have a time that nobody can be sure of") in lines
    assert ("wrong", "recorder", "The recorder has said nothing for 300 s") in lines
    lab.store.close()


def test_the_plan_says_which_machines_and_signals_matter(
    database: Database, lab_clock: LabClock, tmp_path: Path, peer: WindowPeer
) -> None:
    lab = Lab(database, lab_clock, tmp_path, peer)
    founder = lab.town.principal("founder")
    with database.write() as session:
        now = lab_clock.now()
        pilot = pilots.create_pilot(
            session, founder, organisation_id=lab.town.foundry.id, title="T", question="Q?", now=now
        )
        pilots.write_plan(session, founder, pilot.id, demo_plan(runs_per_arm=2), now=now)
        booking = place_booking(
            session, lab.town.foundry.id, Span(now + HOUR, now + 2 * HOUR), "mill-1", pilot_id=pilot.id
        ).id
    lines = lab.lines(booking)
    assert ("wrong", "plan", "the analysis plan needs meter-1, which is not booked") in lines
    assert ("mind", "plan", "the analysis plan is not locked yet") in lines
    assert ("mind", "Mill 1", "Spindle power kw: 0 of 60 values in the last minute") in lines
    lab.store.close()


def test_only_the_staff_sees_it(database: Database, lab_clock: LabClock, tmp_path: Path, peer: WindowPeer) -> None:
    lab = Lab(database, lab_clock, tmp_path, peer)
    for who in ("founder", "joiner", "reader"):
        answer = lab.town.program(lab.app, who).get(f"/api/v1/bookings/{lab.booking}/preflight")
        assert answer.status_code == 403
    assert lab.town.program(lab.app, "engineer").get("/api/v1/bookings/bkg_nothing/preflight").status_code == 404
    assert peer.counts.received == 0, "nobody who may not ask makes the broker work"
    lab.store.close()
