"""The pages of alarms and of what has to be right before a booking."""

import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from lab.app import create_app
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.mqtt import BrokerAddress
from lab.core.settings import Settings
from lab.core.time import Span, to_nanoseconds
from simulators.connection import Broker
from simulators.protocol import Operator
from telemetry.alarms import service
from telemetry.alarms.service import RuleFacts
from telemetry.stores.duckdb import DuckDBStore
from tests.factories import MONDAY_MORNING, make_device
from tests.placed_bookings import place_booking
from tests.services import Mosquitto
from tests.web_client import Town, browser

HOUR = timedelta(hours=1)
NO_SAFETY = "This is no safety function"


class Lab:
    """A mill that the foundry has booked, at a real broker."""

    def __init__(self, database: Database, clock: LabClock, folder: Path, broker: Mosquitto) -> None:
        self.database, self.clock, self.town = database, clock, Town(database, clock)
        with database.write() as session:
            make_device(session, "mill-1")
            make_device(session, "robot-1")
            span = Span(MONDAY_MORNING, MONDAY_MORNING + HOUR)
            self.booking = place_booking(session, self.town.foundry.id, span, "mill-1").id
        self.store = DuckDBStore(folder / "samples.duckdb")
        self.app = create_app(
            settings=Settings(data_dir=folder, broker="external"),
            database=database,
            clock=clock,
            store=self.store,
            live=None,
            broker=BrokerAddress(broker.host, broker.port),
        )

    def raise_alarm(
        self, rule: str = "r1", *, minutes: float = 10, device: str = "mill-1", severity: str = "warning"
    ) -> str:
        at_ns = to_nanoseconds(MONDAY_MORNING + timedelta(minutes=minutes))
        facts = RuleFacts(rule, device, "limit", severity)
        text = "power of Mill 1 is 3 kW, above 2 kW"
        alarm = self.database.transact(
            lambda session: service.raise_alarm(session, facts, text, at_ns=at_ns, now=self.clock.now())
        )
        assert alarm is not None
        return alarm.id


@pytest.fixture
def lab(database: Database, lab_clock: LabClock, tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Lab]:
    lab = Lab(database, lab_clock, tmp_path, mosquitto)
    yield lab
    lab.store.close()


def test_an_engineer_works_off_an_alarm(lab: Lab) -> None:
    alarm, engineer = lab.raise_alarm(), lab.town.browser(lab.app, "engineer")
    assert f'href="/alarms/{alarm}"' in engineer.get("/alarms").text
    assert "I’ll take care of it" in engineer.get(f"/alarms/{alarm}").text
    for what, said in (("acknowledge", "on my way"), ("comment", "<b>worn</b>\x00 tool"), ("clear", "tool changed")):
        answer = engineer.post(f"/alarms/{alarm}/{what}", data={"text": said})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/alarms/{alarm}?done={what}")
    again = engineer.post(f"/alarms/{alarm}/acknowledge", data={})
    assert again.headers["location"] == f"/alarms/{alarm}?done=late"
    told = engineer.get(f"/alarms/{alarm}?done=clear").text
    assert "&lt;b&gt;worn&lt;/b&gt;" in told
    assert "on my way" in told
    assert "Clear the alarm" not in told
    assert "No alarm is open" in engineer.get("/alarms").text
    assert f'href="/alarms/{alarm}"' in engineer.get("/alarms?show=all").text


def test_a_company_sees_the_alarms_of_its_own_time_only_and_not_who_did_what(lab: Lab) -> None:
    inside, outside = lab.raise_alarm(), lab.raise_alarm("r2", minutes=90)
    lab.town.browser(lab.app, "engineer").post(f"/alarms/{inside}/acknowledge", data={})
    founder = lab.town.browser(lab.app, "founder")
    shown = founder.get("/alarms").text
    assert inside in shown
    assert outside not in shown
    page = founder.get(f"/alarms/{inside}").text
    assert lab.town.accounts["engineer"].name not in page
    assert "I’ll take care of it" not in page
    assert founder.get(f"/alarms/{outside}").status_code == 404
    assert founder.post(f"/alarms/{inside}/clear", data={}).status_code == 403
    lab.database.transact(
        lambda session: service.clear_alarm(session, "r1", "it is 1.234 kW again", now=lab.clock.now())
    )
    assert "1.234" in lab.town.browser(lab.app, "engineer").get(f"/alarms/{inside}").text
    assert "1.234" not in founder.get(f"/alarms/{inside}").text  # perhaps another company's
    assert lab.town.browser(lab.app, "joiner").get(f"/alarms/{inside}").status_code == 404


def test_before_a_booking_red_lines_say_what_to_do_and_a_machine_can_be_stopped(lab: Lab, mosquitto: Mosquitto) -> None:
    engineer = lab.town.browser(lab.app, "engineer")
    path = f"/bookings/{lab.booking}/preflight"
    page = engineer.get(path)
    assert page.status_code == 200
    assert "Not ready" in page.text
    assert "has not been heard" in page.text
    assert NO_SAFETY in page.text
    mill = Operator(Broker(mosquitto.host, mosquitto.port), lab="gliwice", seed=1, ended=threading.Event())
    anchor = lab.clock.anchor
    mill.do({"do": "clock", "real_ns": anchor.real_ns, "lab_ns": anchor.lab_ns, "rate": 0})
    assert mill.do({"do": "start", "device": "mill-1"})["ok"]
    try:
        asked = engineer.post(f"/bookings/{lab.booking}/stop", data={"device": "mill-1", "reason": "smoke"})
        assert (asked.status_code, asked.headers["location"]) == (303, f"{path}#stop")
        text = engineer.get(path).text
        assert "has stopped" in text
        assert "smoke" in text
        assert "<strong>mill-1</strong>" not in text, "people know it by its name"
    finally:
        mill.leave()
    other = engineer.post(f"/bookings/{lab.booking}/stop", data={"device": "robot-1", "reason": "x"})
    assert other.status_code == 404


def test_the_board_asks_for_the_light_of_each_booking_of_the_day(lab: Lab) -> None:
    engineer = lab.town.browser(lab.app, "engineer")
    assert engineer.get("/").text.count(f'hx-get="/bookings/{lab.booking}/light"') >= 1
    light = engineer.get(f"/bookings/{lab.booking}/light").text
    assert f'href="/bookings/{lab.booking}/preflight"' in light
    assert 'class="light wrong"' in light
    assert "not ready" in light, "a colour alone says nothing to who cannot see it"
    assert "<html" not in light
    for who in ("founder", "reader"):
        assert lab.town.browser(lab.app, who).get(f"/bookings/{lab.booking}/light").status_code in {403, 404}


def test_a_screen_on_the_wall_tells_a_visitor_nothing_of_a_company(lab: Lab) -> None:
    lab.raise_alarm()
    silent = RuleFacts("r2", "mill-1", "silence", "warning")
    text = "Feed of Mill 1 has sent nothing for more than 180 s"
    lab.database.transact(
        lambda session: service.raise_alarm(
            session, silent, text, at_ns=to_nanoseconds(MONDAY_MORNING), now=lab.clock.now()
        )
    )
    with lab.database.write() as session:
        later = Span(MONDAY_MORNING + 2 * HOUR, MONDAY_MORNING + 3 * HOUR)
        following = place_booking(session, lab.town.joinery.id, later, "mill-1", title="Oak tops").id
    asked = {"question": "Would a robot pack it?", "company": "Bakery", "contact": "Ola", "mail": "ola@example.org"}
    assert browser(lab.app).post("/ask", data=asked).status_code < 400
    engineer = lab.town.browser(lab.app, "engineer")
    secrets = ("Foundry", "Joinery", "Feed rates", "Oak tops", "new enquiry", "3 kW")
    board, wall = (engineer.get(address).text.replace("\u00a0", " ") for address in ("/", "/?wall=yes"))
    assert all(secret in board for secret in secrets)
    assert [secret for secret in secrets if secret in wall] == []
    assert "booked until" in wall
    assert "Alarm: look at it" in wall
    assert text in wall, "what to look after, where it tells nothing that was measured"
    lights = re.findall(r'hx-get="(/bookings/[^"]+/light[^"]*)"', wall)
    assert [light.split("/")[2] for light in lights] == [following]
    light = engineer.get(lights[0]).text
    assert "not ready" in light
    assert "Oak tops" not in light


def test_the_board_is_red_only_where_somebody_has_to_act_now(lab: Lab) -> None:
    engineer = lab.town.browser(lab.app, "engineer")
    lab.raise_alarm()
    assert re.findall(r'class="card (alarmed|warned)', engineer.get("/").text) == ["warned"]
    lab.raise_alarm("r2", severity="critical")
    assert re.findall(r'class="card (alarmed|warned)', engineer.get("/").text) == ["alarmed"]


def test_companies_neither_check_nor_stop(lab: Lab) -> None:
    for who in ("founder", "joiner", "reader"):
        client = lab.town.browser(lab.app, who)
        assert client.get(f"/bookings/{lab.booking}/preflight").status_code == 403
        assert client.post(f"/bookings/{lab.booking}/stop", data={"device": "mill-1"}).status_code == 403


def test_staff_find_both_pages(lab: Lab) -> None:
    engineer, founder = lab.town.browser(lab.app, "engineer"), lab.town.browser(lab.app, "founder")
    assert 'href="/alarms"' in engineer.get("/").text
    assert f"/bookings/{lab.booking}/preflight" in engineer.get("/bookings").text
    assert "/preflight" not in founder.get("/bookings").text
