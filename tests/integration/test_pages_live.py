"""The live page in a real browser, behind a real broker."""

import itertools
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from devices.messages.native import Data, encode
from devices.messages.topics import topic
from lab.core.database import Database
from lab.core.mqtt import connect, new_client
from lab.people.models import Account
from lab.people.service import open_session
from tests.services import Mosquitto
from tests.services.browser import Page, opened_browser
from tests.telemetry_lab import LAB, TelemetryLab, served_lab

SIZES = {"laptop": (1280, 800), "phone": (390, 800)}
STATUS = "document.getElementById('live-status').textContent"
CURVE = "Number(document.querySelector('.strip:nth-child(2) .plot').dataset.points)"  # the first is the feed
DRAWN = """(() => {
    const canvas = document.querySelector('.strip:nth-child(2) canvas');
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    return data.some((value, place) => place % 4 === 3 && value > 0);
})()"""
CELL = "document.querySelector('#latest tr[data-signal=spindle_power_kw] td').textContent"


class Machine:
    """Publishes as mill-1."""

    def __init__(self, lab: TelemetryLab, broker: Mosquitto) -> None:
        self._lab, self._seq = lab, itertools.count(1)
        self._client = new_client(broker.address(), "mill-1")
        connect(self._client, broker.address())
        self._client.loop_start()

    def say(self, value: float) -> None:
        """A second of lab time later."""
        self._lab.clock.advance(timedelta(seconds=1))
        message = Data(
            boot="7f3a", seq=next(self._seq), time=self._lab.clock.now_ns(), values={"spindle_power_kw": value}
        )
        self._client.publish(topic(LAB, "mill-1", "data"), encode(message), qos=1).wait_for_publish(10)

    def say_until_seen(self, page: Page, value: float) -> None:
        """Right after a connection the first message may come before the subscription."""
        until = time.monotonic() + 20
        while page.read(CELL) != str(value):
            assert time.monotonic() < until, page.read("document.body.innerText")
            self.say(value)
            time.sleep(0.2)

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def cookie_of(lab: TelemetryLab, company: str) -> dict[str, str]:
    """A signed-in session of a member of this company."""
    with lab.database.write() as session:
        account = session.query(Account).filter_by(organisation_id=lab.organisations[company]).first()
        assert account is not None
        return {"pilotlab_session": open_session(session, account.id, now=lab.clock.now())}


@pytest.mark.parametrize("size", SIZES)
def test_a_member_sees_values_move_is_told_of_a_lost_connection_and_of_the_end(
    database: Database, own_mosquitto: Mosquitto, chromium: Path, tmp_path: Path, size: str
) -> None:
    with (
        served_lab(database, tmp_path, address=own_mosquitto.address()) as lab,
        opened_browser(chromium, tmp_path / "profile") as page,
    ):
        now = lab.clock.now()
        lab.book("alfa", now - timedelta(hours=1), now + timedelta(hours=1))
        width, height = SIZES[size]
        page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        page.open(f"{lab.url}/devices/mill-1", cookies=cookie_of(lab, "alfa"))
        page.wait_for(f"document.getElementById('live-status') && {STATUS}.includes('waiting for the machine')")
        machine = Machine(lab, own_mosquitto)
        machine.say_until_seen(page, 1.25)
        machine.say(1.75)
        page.wait_for(f"{STATUS} === 'live' && {CELL} === '1.75' && {CURVE} >= 2")
        assert page.read(DRAWN)
        label = "document.querySelector('.strip:nth-child(2) [role=img]').getAttribute('aria-label')"
        page.wait_for(f"{label} === 'Spindle power kw, last minute: 1.25 to 1.75\u00a0kW'")
        _choose_another_signal(page)
        assert page.read("document.documentElement.scrollWidth <= window.innerWidth")
        machine.stop()
        own_mosquitto.stop()
        page.wait_for(f"{STATUS}.includes('connection to the machines lost')")
        lab.clock.advance(timedelta(hours=2))
        page.wait_for(f"{STATUS} === 'your slot has ended'")
        assert page.complaints == []


def _choose_another_signal(page: Page) -> None:
    shown: Callable[[], int] = lambda: page.read("document.querySelectorAll('.strip').length")  # noqa: E731
    before = shown()
    page.read("document.querySelector('input[name=signal]:checked').click()")
    assert shown() == before - 1
    page.read("document.querySelector('input[name=signal]:not(:checked)').click()")
    assert shown() == before
