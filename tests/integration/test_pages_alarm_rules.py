"""The pages on which the staff says when alarms are raised: a look at the past first, in both languages."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from devices.models import Device
from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from lab.core.time import to_nanoseconds
from telemetry.alarms.models import AlarmRule
from telemetry.models import MachineEvent
from telemetry.stores.duckdb import DuckDBStore
from tests.factories import MONDAY_MORNING, make_device, make_signal
from tests.telemetry_lab import samples
from tests.web_client import Client, Town

RULES = "/manage/alarm-rules"
LIMIT = {"device": "mill-1", "kind": "limit", "signal": "spindle_power_kw", "high": "6,5", "severity": "warning"}


class Lab:
    """A mill that has drawn much power twice, and stood still once."""

    def __init__(self, database: Database, clock: LabClock, folder: Path) -> None:
        self.database, self.town = database, Town(database, clock)
        with database.write() as session:
            mill = make_device(session, "mill-1", name="CNC mill")
            mill.signals.append(make_signal("door", type="enumeration", unit=None, choices=["open", "closed"]))
            at_ns = to_nanoseconds(MONDAY_MORNING) + 10**9
            known = {"device_id": "mill-1", "boot": "7f3a", "seq": 1, "kind": "state", "flags": 0}
            times = {"device_ns": at_ns, "settled_ns": at_ns, "received_ns": at_ns}
            session.add(MachineEvent(**known, **times, fields={"item_state": "OutOfService"}))
        self.store = DuckDBStore(folder / "samples.duckdb")
        high = [(float(second), 7.0 if second in {10, 11, 40} else 2.0) for second in range(60)]
        self.store.write(samples(*high), watermark=1)
        clock.advance(timedelta(minutes=10))
        settings = Settings(data_dir=folder)
        self.app = create_app(settings=settings, database=database, clock=clock, store=self.store, live=None)

    def browser(self, who: str = "engineer", language: str = "en") -> Client:
        client = self.town.browser(self.app, who)
        client.cookies.set("pilotlab_language", language)
        return client

    def rules(self) -> list[AlarmRule]:
        with self.database.read() as session:
            found = list(session.query(AlarmRule).order_by(AlarmRule.changed_at))
            session.expunge_all()
            return found


@pytest.fixture
def lab(database: Database, lab_clock: LabClock, tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(database, lab_clock, tmp_path)
    yield lab
    lab.store.close()


def test_a_rule_is_made_after_a_look_at_how_often_it_would_have_rung(lab: Lab) -> None:
    engineer = lab.browser()
    form = engineer.get(f"{RULES}/new?device=mill-1&kind=limit").text
    assert 'name="high"' in form
    look = engineer.post(f"{RULES}/new", data={**LIMIT, "look": "yes"})
    assert "It would have rung 2 times." in look.text
    assert "60 values" in look.text
    assert "08:00 CET (7)" in re.sub(r"\s+", " ", look.text)
    assert 'value="6,5"' in look.text
    assert lab.rules() == [], "looking makes nothing"
    assert "never have rung" in engineer.post(f"{RULES}/new", data={**LIMIT, "high": "9", "look": "yes"}).text
    done = engineer.post(f"{RULES}/new", data=LIMIT)
    assert "watched from now on" in engineer.get(done.headers["location"]).text
    (rule,) = lab.rules()
    assert (rule.device_id, rule.signal, rule.settings["high"]) == ("mill-1", "spindle_power_kw", 6.5)
    assert "above 6.5 kW" in engineer.get(RULES).text
    assert "powyżej 6,5 kW" in lab.browser(language="pl").get(RULES).text


def test_a_rule_is_changed_by_who_saw_its_present_form_and_switched_off(lab: Lab) -> None:
    engineer = lab.browser()
    engineer.post(f"{RULES}/new", data=LIMIT)
    (rule,) = lab.rules()
    shown = engineer.get(f"{RULES}/{rule.id}").text
    assert ('value="6.5"' in shown, f'value="{rule.version}"' in shown) == (True, True)
    change = {"high": "8", "low": "1", "hysteresis": "0.5", "delay_s": "5", "severity": "critical", "version": "1"}
    seen = engineer.post(f"{RULES}/{rule.id}", data={**change, "look": "yes"}).text
    assert "It would never have rung." in seen
    assert "done=changed" in engineer.post(f"{RULES}/{rule.id}", data=change).headers["location"]
    (rule,) = lab.rules()
    assert (rule.severity, rule.settings["low"], rule.version) == ("critical", 1.0, 2)
    assert "done=late" in engineer.post(f"{RULES}/{rule.id}", data=change).headers["location"]
    assert "done=ended" in engineer.post(f"{RULES}/{rule.id}/end", data={"reason": "no use"}).headers["location"]
    assert "above 8 kW" not in engineer.get(RULES).text
    assert "This rule does not change" in engineer.get(f"{RULES}/{rule.id}").text


@pytest.mark.parametrize(
    ("definition", "shown"),
    [
        ({"kind": "limit", "low": -0.1, "high": 1234567.875}, 'value="1234567,875"'),
        ({"kind": "limit", "high": 1e22, "hysteresis": 1 / 3}, 'value="0,3333333333333333"'),
        ({"kind": "silence", "intervals": 5, "after_s": None}, "puste: 5 × zwykły odstęp"),
    ],
)
def test_a_rule_that_a_program_made_keeps_every_digit_when_its_page_is_saved(
    lab: Lab, definition: dict[str, Any], shown: str
) -> None:
    with lab.database.write() as session:
        session.get_one(Device, "mill-1").signals[0].expected_interval_ms = 100.0
    made = lab.town.program(lab.app, "engineer").post(
        "/api/v1/alarm-rules", json={"device": "mill-1", "signal": "spindle_power_kw", "definition": definition}
    )
    assert made.status_code == 201, made.text
    (before,) = lab.rules()
    engineer = lab.browser(language="pl")
    page = engineer.get(f"{RULES}/{before.id}").text
    assert shown in page
    inputs = dict(re.findall(r'<input[^>]*name="([a-z_]+)"[^>]*value="([^"]*)"', page))
    assert (
        "done=changed" in engineer.post(f"{RULES}/{before.id}", data={**inputs, "severity": "info"}).headers["location"]
    )
    (after,) = lab.rules()
    assert (after.severity, after.settings) == ("info", before.settings)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "silence", "signal": "spindle_power_kw", "after_s": "60"}, "It would have rung once."),
        ({"kind": "state", "states": "OutOfService"}, "It would have rung once."),
        ({"kind": "rate", "signal": "spindle_power_kw", "most_per_s": "4"}, "It would have rung 3 times."),
        ({"kind": "unbooked", "after_s": "60", "enabled": "no"}, "cannot be tried"),
        ({"kind": "limit", "signal": "spindle_power_kw"}, "Please give a lower limit"),
        ({"kind": "limit", "signal": "spindle_power_kw", "high": "much"}, "Please check “Upper limit”"),
        ({"kind": "state", "states": "Dancing"}, "Dancing can never be; there are NotAvailable"),
        ({"kind": "state", "signal": "door", "states": "open"}, "It would never have rung."),
        ({"kind": "silence", "signal": "nothing"}, "Mill-1 has no signal nothing"),
        ({"kind": "idle", "above": "3"}, "Signal and above belong together"),
    ],
)
def test_every_kind_is_tried_on_the_past_or_refused_in_words(lab: Lab, fields: dict[str, str], said: str) -> None:
    answer = lab.browser().post(f"{RULES}/new", data={"device": "mill-1", "look": "yes", **fields})
    assert said in answer.text
    assert lab.browser(language="pl").post(f"{RULES}/new", data={"device": "mill-1", "look": "yes", **fields}).text
    assert answer.status_code in {200, 422}


def test_companies_see_none_of_it(lab: Lab) -> None:
    for path in (RULES, f"{RULES}/new?device=mill-1", f"{RULES}/alr_1"):
        assert lab.browser("founder").get(path).status_code == 403
    assert lab.browser("founder").post(f"{RULES}/new", data=LIMIT).status_code == 403
    assert lab.browser().get(f"{RULES}/alr_1").status_code == 404
