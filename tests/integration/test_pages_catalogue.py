"""Managers change what the catalogue says of machines and signals, and nobody else does."""

from pathlib import Path

import pytest
from sqlalchemy import select

from devices.models import Device
from devices.service import get_device, known_signals
from lab.app import create_app
from lab.core.audit import AuditEntry
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from telemetry.stores.duckdb import DuckDBStore
from tests.factories import MONDAY_MORNING, make_device
from tests.web_client import Client, Town

MACHINE = {
    "name": "CNC mill 2", "kind": "cnc-mill", "location": "Hall B", "description": "Cuts.",
    "abilities": "milling, axes 5, travel_x_mm 500.5\ncondition monitoring",
    "price_eur_per_hour": "91,50", "setup_minutes": "10", "cleanup_minutes": "20",
}  # fmt: skip
SIGNAL = {
    "label": "Spindle power", "low": "0", "high": "12,5", "expected_interval_ms": "100", "sensor": "drive",
    "uncertainty": "0,02", "calibration_due": "2026-11-20",
}  # fmt: skip


class Lab:
    """One mill and its pages."""

    def __init__(self, database: Database, folder: Path) -> None:
        clock = LabClock(MONDAY_MORNING)
        self.town = Town(database, clock)
        self.database = database
        with database.write() as session:
            make_device(session, "mill-1", signals={"power_kw": "kW"})
        self.store = DuckDBStore(folder / "samples.duckdb")
        self.app = create_app(
            settings=Settings(data_dir=folder), database=database, clock=clock, store=self.store, live=None
        )

    def browser(self, who: str = "manager") -> Client:
        return self.town.browser(self.app, who)

    def mill(self) -> Device:
        with self.database.read() as session:
            device = get_device(session, "mill-1")
            assert device.signals
            session.expunge_all()
        return device


@pytest.fixture
def lab(database: Database, tmp_path: Path):
    lab = Lab(database, tmp_path)
    yield lab
    lab.store.close()


def test_a_manager_changes_a_machine_and_everybody_reads_it(lab: Lab) -> None:
    manager = lab.browser()
    assert 'href="/manage/devices"' in manager.get("/manage").text
    answer = manager.post("/manage/devices/mill-1", data=MACHINE, follow_redirects=True)
    assert "It is changed." in answer.text
    mill = lab.mill()
    assert (mill.name, mill.price_cents_per_hour, mill.setup_minutes, mill.cleanup_minutes) == (
        "CNC mill 2",
        9150,
        10,
        20,
    )
    assert mill.capabilities == [
        {"name": "milling", "axes": 5, "travel_x_mm": 500.5},
        {"name": "condition monitoring"},
    ]
    seen = lab.browser("founder").get("/devices/mill-1").text
    assert "CNC mill 2" in seen
    assert "91.50\u00a0EUR" in seen
    assert "CNC mill 2" in lab.browser("founder").get("/machines?can=milling").text
    # What is shown to be changed is what was stored: sent as it stands, it changes nothing.
    form = manager.get("/manage/devices/mill-1").text
    assert "milling, axes 5, travel_x_mm 500.5\ncondition monitoring" in form
    again = manager.post("/manage/devices/mill-1", data=MACHINE, follow_redirects=True)
    assert "Nothing was different." in again.text


def test_a_manager_changes_a_signal_and_the_recorder_judges_by_it(lab: Lab) -> None:
    manager = lab.browser()
    answer = manager.post("/manage/devices/mill-1/signals/power_kw", data=SIGNAL, follow_redirects=True)
    assert "It is changed." in answer.text
    with lab.database.read() as session:
        facts = known_signals(session)["mill-1"]["power_kw"]
    assert (facts.low, facts.high, facts.expected_interval_ms, facts.unit) == (0, 12.5, 100, "kW")
    listed = manager.get("/manage/devices").text
    assert "overdue: 1" in listed
    assert "Fri 20 Nov 2026" in listed
    assert 'value="0.02"' in manager.get("/manage/devices/mill-1").text


def test_each_change_is_in_the_log_with_what_it_was_before(lab: Lab) -> None:
    lab.browser().post("/manage/devices/mill-1", data=MACHINE)
    lab.browser().post("/manage/devices/mill-1/signals/power_kw", data=SIGNAL)
    with lab.database.read() as session:
        first, second = session.scalars(
            select(AuditEntry).where(AuditEntry.subject == "device").order_by(AuditEntry.id)
        )
    assert first.by == second.by == lab.town.accounts["manager"].id
    assert first.before is not None
    assert first.after is not None
    assert first.after["name"] == "CNC mill 2"
    assert "signals" not in first.after
    assert second.after is not None
    assert [signal["sensor"] for signal in second.after["signals"]] == ["drive"]


@pytest.mark.parametrize(
    ("path", "typed", "field"),
    [
        ("", {**MACHINE, "name": ""}, "Name"),
        ("", {**MACHINE, "price_eur_per_hour": "cheap"}, "Price in EUR per hour"),
        ("", {**MACHINE, "price_eur_per_hour": "-1"}, "Price in EUR per hour"),
        ("", {**MACHINE, "setup_minutes": "1.5"}, "Minutes to prepare before a slot"),
        ("", {**MACHINE, "abilities": ", axes 3"}, "What it can do"),
        ("/signals/power_kw", {**SIGNAL, "low": "5", "high": "1"}, "Plausible from … to …"),
        ("/signals/power_kw", {**SIGNAL, "low": "", "high": "1"}, "Plausible from … to …"),
        ("/signals/power_kw", {**SIGNAL, "uncertainty": "nan"}, "Uncertainty"),
        ("/signals/power_kw", {**SIGNAL, "calibration_due": "soon"}, "Calibration due"),
        ("/signals/power_kw", {**SIGNAL, "expected_interval_ms": "0"}, "Time between two values"),
    ],
)
def test_what_cannot_be_is_named_and_nothing_is_changed(lab: Lab, path: str, typed: dict[str, str], field: str) -> None:
    before = lab.mill()
    answer = lab.browser().post(f"/manage/devices/mill-1{path}", data=typed)
    assert answer.status_code == 422
    assert f"Please check “{field}”" in answer.text
    for value in typed.values():
        assert not value or value.split("\n")[0] in answer.text, "what was typed is still there"
    after = lab.mill()
    assert (after.name, after.price_cents_per_hour, after.capabilities) == (
        before.name,
        before.price_cents_per_hour,
        before.capabilities,
    )
    assert after.signals[0].calibration_due is None


@pytest.mark.parametrize("who", ["founder", "engineer", "reader"])
def test_nobody_but_a_manager_sees_or_changes_them(lab: Lab, who: str) -> None:
    browser = lab.browser(who)
    assert browser.get("/manage/devices").status_code == 403
    assert browser.get("/manage/devices/mill-1").status_code == 403
    assert browser.post("/manage/devices/mill-1", data=MACHINE).status_code == 403
    assert browser.post("/manage/devices/mill-1/signals/power_kw", data=SIGNAL).status_code == 403
    assert lab.mill().name != "CNC mill 2"


def test_an_unknown_machine_or_signal_is_not_found(lab: Lab) -> None:
    manager = lab.browser()
    assert manager.get("/manage/devices/lathe-9").status_code == 404
    assert manager.post("/manage/devices/lathe-9", data=MACHINE).status_code == 404
    assert manager.post("/manage/devices/mill-1/signals/nothing", data=SIGNAL).status_code == 404
