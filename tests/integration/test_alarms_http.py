"""Alarms and their rules over HTTP: who sees what, and what may be done about it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from httpx import Response

from lab.app import create_app
from lab.core.audit import changes_of
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.jobs import Job
from lab.core.settings import Settings
from lab.core.time import Span, to_nanoseconds
from telemetry.alarms import service
from telemetry.alarms.models import Alarm
from telemetry.alarms.service import RuleFacts
from tests.factories import MONDAY_MORNING, make_device, make_signal
from tests.placed_bookings import place_booking
from tests.web_client import Client, Town

HOUR = timedelta(hours=1)


class Lab:
    """A mill that two companies use one after the other, and what is asked about it."""

    def __init__(self, database: Database, clock: LabClock, folder: Path) -> None:
        self.database, self.clock, self.town = database, clock, Town(database, clock)
        with database.write() as session:
            mill = make_device(session, "mill-1", signals={"spindle_power_kw": "kW"})
            mill.signals.append(make_signal("door", type="enumeration", unit=None, choices=["open", "closed"]))
            mill.signals.append(make_signal("silent", expected_interval_ms=None))
            for company, start in ((self.town.foundry, 0), (self.town.joinery, 2)):
                begin = MONDAY_MORNING + start * HOUR
                place_booking(session, company.id, Span(begin, begin + HOUR))
        self.app = create_app(settings=Settings(data_dir=folder), database=database, clock=clock, store=None, live=None)

    def ask(self, who: str) -> Client:
        return self.town.program(self.app, who)

    def raise_alarm(
        self, rule: str = "r1", *, minutes: float = 10, since: float | None = None, device: str = "mill-1"
    ) -> str:
        at = MONDAY_MORNING + timedelta(minutes=minutes)
        before = None if since is None else to_nanoseconds(MONDAY_MORNING + timedelta(minutes=since))
        alarm = self.database.transact(
            lambda session: service.raise_alarm(
                session,
                RuleFacts(rule, device, "limit", "warning", "spindle_power_kw"),
                "spindle_power_kw is 3 kW, above 2 kW",
                at_ns=to_nanoseconds(at),
                now=self.clock.now(),
                value=3.0,
                from_ns=before,
            )
        )
        assert alarm is not None
        return alarm.id


@pytest.fixture
def lab(each_database: Database, lab_clock: LabClock, tmp_path: Path) -> Lab:
    return Lab(each_database, lab_clock, tmp_path)


def ids(response: Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [alarm["id"] for alarm in response.json()["alarms"]]


def test_a_company_sees_the_alarms_of_its_own_time_and_no_others(lab: Lab) -> None:
    inside = lab.raise_alarm("r1", minutes=10)
    between = lab.raise_alarm("r2", minutes=90)
    others = lab.raise_alarm("r3", minutes=130)
    of_no_device = lab.raise_alarm("recorder", minutes=11, device="")
    assert ids(lab.ask("engineer").get("/api/v1/alarms")) == [others, between, of_no_device, inside]
    assert ids(lab.ask("founder").get("/api/v1/alarms")) == [inside]
    assert ids(lab.ask("joiner").get("/api/v1/alarms")) == [others]
    assert ids(lab.ask("reader").get("/api/v1/alarms")) == []
    for who, alarm, status in (
        ("founder", inside, 200),
        ("founder", others, 404),
        ("founder", between, 404),
        ("founder", of_no_device, 404),
        ("reader", inside, 404),
        ("engineer", of_no_device, 200),
    ):
        assert lab.ask(who).get(f"/api/v1/alarms/{alarm}").status_code == status, (who, alarm)
        said = lab.ask(who).post(f"/api/v1/alarms/{alarm}/comment", json={"text": "hm"})
        assert said.status_code == status, (who, alarm, said.text)


def test_a_rate_that_is_taken_against_a_value_of_another_company_is_the_staffs(lab: Lab) -> None:
    of_both = lab.raise_alarm("r1", minutes=121, since=59)
    own = lab.raise_alarm("r2", minutes=122, since=121)
    assert ids(lab.ask("engineer").get("/api/v1/alarms")) == [own, of_both]
    assert ids(lab.ask("founder").get("/api/v1/alarms")) == []
    assert ids(lab.ask("joiner").get("/api/v1/alarms")) == [own]
    assert lab.ask("joiner").get(f"/api/v1/alarms/{of_both}").status_code == 404


def test_an_alarm_is_acknowledged_commented_and_cleared_and_its_history_tells_it(lab: Lab) -> None:
    alarm, engineer = lab.raise_alarm(), lab.ask("engineer")
    assert engineer.post(f"/api/v1/alarms/{alarm}/acknowledge", json={}).status_code == 200
    assert engineer.post(f"/api/v1/alarms/{alarm}/acknowledge", json={}).status_code == 409
    assert lab.ask("founder").post(f"/api/v1/alarms/{alarm}/comment", json={"text": "Is it safe?"}).status_code == 200
    assert engineer.post(f"/api/v1/alarms/{alarm}/clear", json={"text": "tool changed"}).status_code == 200
    assert engineer.post(f"/api/v1/alarms/{alarm}/clear", json={}).status_code == 409
    told = engineer.get(f"/api/v1/alarms/{alarm}").json()
    assert [(note["what"], note["text"]) for note in told["notes"][1:]] == [
        ("acknowledged", ""),
        ("commented", "Is it safe?"),
        ("cleared", "tool changed"),
    ]
    shown = lab.ask("founder").get(f"/api/v1/alarms/{alarm}").json()
    assert {note["by"] for note in shown["notes"]} == {None}
    assert (shown["rule"], shown["run"], shown["booking"]) == (None, None, None)
    assert ids(engineer.get("/api/v1/alarms", params={"open": "true"})) == []
    with lab.database.read() as session:
        assert [entry.what for entry in changes_of(session, "alarm", alarm)] == ["acknowledged", "commented", "cleared"]
        told_of = {job.key for job in session.query(Job).filter(Job.kind == "alarm")}
    assert told_of == {f"alarm:{alarm}:{what}" for what in ("raised", "acknowledged", "cleared")}


def test_the_value_with_which_an_alarm_clears_in_anothers_time_is_the_staffs(lab: Lab) -> None:
    alarm = lab.raise_alarm("r1", minutes=59)
    lab.clock.advance(2.5 * HOUR)  # the joinery has the mill now
    lab.database.transact(
        lambda session: service.clear_alarm(session, "r1", "it is 1.234 kW again", now=lab.clock.now())
    )
    texts = {}
    for who in ("engineer", "founder"):
        answer = lab.ask(who).get(f"/api/v1/alarms/{alarm}")
        texts[who] = answer.json()["notes"][-1]["text"]
        assert ("1.234" in answer.text) == (who == "engineer")
    assert texts == {"engineer": "it is 1.234 kW again", "founder": "it is over"}


@pytest.mark.parametrize("what", ["acknowledge", "clear"])
def test_only_the_staff_acknowledges_and_clears(lab: Lab, what: str) -> None:
    alarm = lab.raise_alarm()
    for who in ("founder", "joiner", "reader"):
        assert lab.ask(who).post(f"/api/v1/alarms/{alarm}/{what}", json={}).status_code == 403
    assert lab.ask("engineer").post(f"/api/v1/alarms/nothing/{what}", json={}).status_code == 404


def test_a_rule_has_one_open_alarm_at_a_time(lab: Lab) -> None:
    lab.raise_alarm("r1")
    again = lab.database.transact(
        lambda session: service.raise_alarm(
            session, RuleFacts("r1", "mill-1", "limit", "warning"), "again", at_ns=1, now=lab.clock.now()
        )
    )
    assert again is None
    with lab.database.write() as session:
        assert service.clear_alarm(session, "r1", "over", now=lab.clock.now()) is not None
        assert service.clear_alarm(session, "r1", "over", now=lab.clock.now()) is None
    lab.raise_alarm("r1", minutes=20)
    with lab.database.read() as session:
        assert session.query(Alarm).count() == 2


def test_pages_of_alarms_follow_each_other_also_for_a_company(lab: Lab) -> None:
    made = [lab.raise_alarm(f"r{number}", minutes=number) for number in range(7)]
    lab.raise_alarm("other", minutes=125)
    found: list[str] = []
    cursor: dict[str, Any] = {}
    for _ in range(4):
        answer = lab.ask("founder").get("/api/v1/alarms", params={"limit": 2, **cursor})
        found += ids(answer)
        cursor = {"cursor": answer.json()["next"]}
    assert found == made[::-1]
    assert cursor == {"cursor": None}


RULE = {"device": "mill-1", "signal": "spindle_power_kw", "definition": {"kind": "limit", "high": 2.0}}


def test_the_staff_makes_changes_and_ends_rules(lab: Lab) -> None:
    engineer = lab.ask("engineer")
    made = engineer.post("/api/v1/alarm-rules", json=RULE)
    assert made.status_code == 201, made.text
    rule, tag = made.json()["id"], made.headers["ETag"]
    lab.raise_alarm(rule)
    change = {"definition": {"kind": "limit", "high": 2.5, "hysteresis": 0.1}, "reason": "new tool"}
    changed = engineer.call("PATCH", f"/api/v1/alarm-rules/{rule}", json=change, headers={"If-Match": tag})
    assert changed.status_code == 200, changed.text
    assert changed.json()["definition"]["high"] == 2.5
    assert ids(engineer.get("/api/v1/alarms", params={"open": "true"})) == []
    stale = engineer.call("PATCH", f"/api/v1/alarm-rules/{rule}", json=change, headers={"If-Match": tag})
    assert stale.status_code == 412
    assert engineer.post(f"/api/v1/alarm-rules/{rule}/end", json={}).status_code == 200
    assert engineer.post(f"/api/v1/alarm-rules/{rule}/end", json={}).status_code == 409
    assert engineer.get("/api/v1/alarm-rules").json()["rules"] == []
    assert len(engineer.get("/api/v1/alarm-rules", params={"ended": "true"}).json()["rules"]) == 1
    with lab.database.read() as session:
        assert [entry.what for entry in changes_of(session, "alarm-rule", rule)] == ["created", "changed", "ended"]


@pytest.mark.parametrize("who", ["founder", "reader"])
def test_companies_do_not_see_rules(lab: Lab, who: str) -> None:
    assert lab.ask(who).get("/api/v1/alarm-rules").status_code == 403
    assert lab.ask(who).post("/api/v1/alarm-rules", json=RULE).status_code == 403


REFUSED: list[tuple[dict[str, Any], int, str | None]] = [
    ({"device": "mill-9"}, 404, "known-device"),
    ({"signal": "nothing"}, 422, "known-signal"),
    ({"signal": None}, 422, "number-signal"),
    ({"signal": "door"}, 422, "number-signal"),
    ({"definition": {"kind": "limit"}}, 422, None),
    ({"definition": {"kind": "limit", "high": 1, "low": 1}}, 422, None),
    ({"definition": {"kind": "limit", "high": "NaN"}}, 422, None),
    ({"definition": {"kind": "disk"}}, 422, None),
    ({"definition": {"kind": "rate", "most_per_s": 0}}, 422, None),
    ({"definition": {"kind": "limit", "high": 1, "delay_s": -1}}, 422, None),
    ({"signal": "silent", "definition": {"kind": "silence"}}, 422, "known-interval"),
    ({"signal": "door", "definition": {"kind": "state", "states": ["ajar"]}}, 422, "known-states"),
    ({"definition": {"kind": "state", "states": ["open"]}}, 422, "state-signal"),
    ({"signal": None, "definition": {"kind": "state", "states": ["Melting"]}}, 422, "known-states"),
    ({"definition": {"kind": "unbooked"}}, 422, "signal-and-above"),
    ({"signal": "door\x00"}, 422, "known-signal"),
]


def test_a_rule_that_could_never_be_right_is_refused_by_name(lab: Lab) -> None:
    engineer = lab.ask("engineer")
    for change, status, rule in REFUSED:
        answer = engineer.post("/api/v1/alarm-rules", json={**RULE, **change})
        assert answer.status_code == status, (change, answer.text)
        assert rule is None or answer.json()["rule"] == rule, (change, answer.text)
