"""The pages that connect a machine, over a real recorder: heard, adopted, and what it said before becomes samples."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.app import create_app
from lab.core.clock import SystemClock
from lab.core.database import Database
from lab.core.settings import Settings
from telemetry.discovery.service import list_heard
from telemetry.letters.service import list_replays
from telemetry.recorder import Recorder
from telemetry.stores.duckdb import DuckDBStore
from tests.integration.recording import BOOT, Publisher, add_mill, now_ns, stored
from tests.integration.test_discovery import wait_until
from tests.integration.test_recorder import new_recorder
from tests.services import Mosquitto
from tests.web_client import Client, Town


class Lab:
    """Pages beside a recorder at a real broker."""

    def __init__(self, database: Database, broker: Mosquitto, folder: Path) -> None:
        self.database = database
        self.town = Town(database, SystemClock())
        add_mill(database)
        self.store = DuckDBStore(folder / "samples.duckdb")
        self.recorder: Recorder = new_recorder(broker.address(), database, self.store, folder)
        self.recorder.start()
        self.publisher = Publisher(broker.address())
        settings = Settings(data_dir=folder)
        self.app = create_app(settings=settings, database=database, clock=SystemClock(), store=self.store, live=None)

    def browser(self, who: str = "engineer") -> Client:
        return self.town.browser(self.app, who)

    def heard(self, device: str) -> Any:
        return wait_until(lambda: self._heard(device))

    def _heard(self, device: str) -> list[str]:
        with self.database.read() as session:
            return [row.name for row in list_heard(session, self.town.principal("engineer"), device=device)]

    def outcome(self, device: str) -> Any:
        def look() -> Any:
            with self.database.read() as session:
                return list_replays(session, self.town.principal("engineer"), device=device)[0].outcome

        return wait_until(look)

    def close(self) -> None:
        self.publisher.close()
        self.recorder.stop()
        self.store.close()


@pytest.fixture
def lab(database: Database, own_mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(database, own_mosquitto, tmp_path)
    yield lab
    lab.close()


def test_an_unknown_signal_is_adopted_on_its_page_and_what_was_said_becomes_samples(lab: Lab) -> None:
    for seq in range(20):
        values = {"CoolantTemp": 20.0 + seq, "SPINDLE.PWR": 1.0 + seq}
        lab.publisher.send("data", {"boot": BOOT, "seq": seq, "time": now_ns(), "values": values})
    assert lab.recorder.wait_until_stored("mill-1", BOOT, 19, timeout=10)
    assert sorted(lab.heard("mill-1")) == ["CoolantTemp", "SPINDLE.PWR"]
    engineer = lab.browser()
    listed = engineer.get("/manage/heard").text
    assert "CoolantTemp" in listed
    assert "20 to 39" in listed
    letters = engineer.get("/manage/letters?device=mill-1").text
    assert "the machine has no signal of this name" in letters
    key = re.search(r'href="(/manage/letters/[^"?]+/CoolantTemp)"', letters)
    assert key is not None
    letter = engineer.get(key[1]).text
    assert "&#34;CoolantTemp&#34;: 39.0" in letter
    assert "/manage/heard/signal?device=mill-1&amp;heard=CoolantTemp" in letter
    form = engineer.get("/manage/heard/signal?device=mill-1&heard=CoolantTemp").text
    assert 'value="coolant_temp"' in form

    typed = {"device": "mill-1", "heard": "CoolantTemp", "name": "coolant_temp_cel", "label": "Coolant"}
    typed |= {"type": "number", "unit": "Cel", "low": "0", "high": "90"}
    unfit = engineer.post("/manage/heard/signal", data={**typed, "unit": ""})
    assert (unfit.status_code, "Please check “Unit”" in unfit.text) == (422, True)
    taken = engineer.post("/manage/heard/signal", data={**typed, "name": "spindle_power_kw"})
    assert (taken.status_code, "has a signal spindle_power_kw already" in taken.text) == (422, True)
    done = engineer.post("/manage/heard/signal", data=typed)
    assert done.status_code == 303, done.text
    assert "is being read again" in engineer.get(done.headers["location"]).text
    assert lab.outcome("mill-1") == {"stored": 20, "still_dead": 20}, "the other signal of the same messages is unknown"
    assert [row["value"] for row in stored(lab.store, ["coolant_temp_cel"])] == [20.0 + seq for seq in range(20)]

    alias = {"device": "mill-1", "heard": "SPINDLE.PWR", "signal": "spindle_power_kw"}
    assert engineer.post("/manage/heard/alias", data=alias).status_code == 303
    assert lab.outcome("mill-1") == {"stored": 20, "still_dead": 0}
    assert [row["value"] for row in stored(lab.store, ["spindle_power_kw"])] == [1.0 + seq for seq in range(20)]
    assert "Nothing is heard" in engineer.get("/manage/heard").text
    assert engineer.post("/manage/heard/alias", data=alias).status_code == 404, "it is adopted already"


def test_an_unknown_machine_is_adopted_with_the_signals_that_are_ticked(lab: Lab) -> None:
    for seq in range(5):
        values = {"torque_nm": float(seq), "CoolantTemp": 20.0, "noise": 0.1}
        lab.publisher.send("data", {"boot": "a", "seq": seq, "time": now_ns(), "values": values}, device="press-9")
    assert sorted(lab.heard("press-9")) == ["CoolantTemp", "noise", "torque_nm"]
    manager = lab.browser("manager")
    assert "Adopt this machine" in manager.get("/manage/heard").text
    assert "the lab does not know this machine" in manager.get("/manage/letters").text
    form = manager.get("/manage/heard/device?device=press-9").text
    assert form.count('type="checkbox"') == 3
    typed = {"device": "press-9", "id": "press-9", "device_name": "Press", "kind": "press", "price_eur_per_hour": "30"}
    typed |= {"take_0": "yes", "name_0": "coolant_cel", "label_0": "Coolant", "type_0": "number", "unit_0": "Cel"}
    typed |= {"take_2": "yes", "name_2": "torque_nm", "label_2": "Torque", "type_2": "number", "unit_2": ""}
    unfit = manager.post("/manage/heard/device", data=typed)
    assert (unfit.status_code, 'value="Press"' in unfit.text) == (422, True)
    done = manager.post("/manage/heard/device", data={**typed, "unit_2": "N.m"})
    assert done.status_code == 303, done.text
    assert lab.outcome("press-9")["stored"] > 0
    assert [row["value"] for row in stored(lab.store, ["torque_nm"], device="press-9")] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert [row["value"] for row in stored(lab.store, ["coolant_cel"], device="press-9")] == [20.0] * 5
    assert "Press" in manager.get("/machines").text


def test_a_machine_whose_name_no_catalogue_takes_is_told_what_to_change(lab: Lab) -> None:
    lab.publisher.send("data", {"boot": "a", "seq": 0, "time": now_ns(), "values": {"x": 1}}, device="Press_9")
    lab.heard("Press_9")
    told = lab.browser().get("/manage/heard/device?device=Press_9").text
    assert "Change the topic on the machine" in told
    assert 'name="device_name"' not in told


def test_companies_see_none_of_it(lab: Lab) -> None:
    lab.publisher.send("data", b"\xff{\x00")
    wait_until(lambda: "no text" in lab.browser().get("/manage/letters").text)
    found = re.search(r'href="(/manage/letters/[^"?]+)"', lab.browser().get("/manage/letters?device=mill-1").text)
    assert found is not None
    assert "ff7b00" in lab.browser().get(found[1]).text
    for who in ("founder", "reader"):
        for path in ("/manage/heard", "/manage/letters", found[1], "/manage/heard/device?device=press-9"):
            assert lab.browser(who).get(path).status_code == 403
        assert lab.browser(who).post("/manage/letters/replays", data={"device": "mill-1"}).status_code == 403
