"""The language that somebody chooses on the pages is the language of the mails that reach them."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from devices.commanding import Sender
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.jobs import Worker
from lab.core.mqtt import BrokerAddress
from lab.core.time import to_nanoseconds
from lab.people.models import Account
from lab.post.jobs import post_handlers
from lab.watch.jobs import watch_handlers
from telemetry.alarms.keeping import AlarmKeeper, RuleFacts
from tests.integration.test_pages import NOW, Lab
from tests.post_office import PostOffice
from tests.web_client import PASSWORD, Client, browser

SIGN_IN = {"sign_in": "founder@foundry.example", "password": PASSWORD}


@pytest.fixture
def lab(database: Database, lab_clock: LabClock, tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(database, lab_clock, tmp_path)
    with database.write() as session:
        founder = session.get_one(Account, lab.accounts["founder"].id)
        founder.sign_in, founder.name = SIGN_IN["sign_in"], "Zofia"
        session.get_one(Account, lab.accounts["engineer"].id).sign_in = "eve@lab.example"
    yield lab
    lab.store.close()


def signed_in(lab: Lab, **headers: str) -> Client:
    client = browser(lab.app())
    client.headers.update(headers)
    assert client.post("/sign-in", data=SIGN_IN).status_code == 303
    return client


def raise_alarm(lab: Lab, rule: str) -> None:
    """Let the mill draw too much power in the founder's own time."""
    facts = RuleFacts(rule, "mill-1", "limit", "critical", "spindle_power_kw")
    at_ns = to_nanoseconds(NOW.start + timedelta(minutes=1))
    AlarmKeeper(lab.database, lab.clock).raised(
        facts, "Spindle power of CNC mill is 3.5 kW, above 2 kW", at_ns=at_ns, value=3.5
    )


def mails_of(lab: Lab, office: PostOffice) -> dict[str, tuple[str, str]]:
    """Let all jobs run; subject and text of what really came, by recipient."""
    settings = office.settings(public_url="https://lab.example")
    sender, keeper = Sender(BrokerAddress("127.0.0.1", 1), "gliwice", lab.clock), AlarmKeeper(lab.database, lab.clock)
    watch = watch_handlers(lab.database, lab.clock, settings, sender, keeper)
    Worker(lab.database, lab.clock, {**watch, **post_handlers(lab.database, lab.clock, settings)}).run_due()
    found = {str(mail["To"]): (str(mail["Subject"]), mail.get_content().replace("\r\n", "\n")) for mail in office.mails}
    office.taken.clear()
    return found


def test_a_company_that_chooses_polish_gets_its_alarms_in_polish(lab: Lab) -> None:
    booking = lab.book("foundry", NOW, "mill-1")
    with lab.database.write() as session:
        session.merge(booking).booked_by = lab.accounts["founder"].id
    with PostOffice().open() as office:
        client = signed_in(lab)
        raise_alarm(lab, "r1")
        assert mails_of(lab, office)["founder@foundry.example"][0] == "CRITICAL ALARM: CNC mill"

        assert client.post("/preferences", data={"language": "pl", "next": "/"}).status_code == 303
        raise_alarm(lab, "r2")
        mails = mails_of(lab, office)
    subject, text = mails["founder@foundry.example"]
    assert subject == "ALARM KRYTYCZNY: CNC mill"
    assert text.startswith(
        "Dzień dobry, Zofia,\n\nCNC mill, Spindle power: 3,5 kW, powyżej 2 kW.\n\nMaszyna: CNC mill\nOd: 2026-11-23 "
    )
    assert "CET (Europe/Warsaw)" in text
    assert "\n\nAlarm: https://lab.example/alarms/" in text
    subject, text = mails["eve@lab.example"]
    assert subject == "CRITICAL ALARM: CNC mill"
    assert "Spindle power of CNC mill is 3.5 kW, above 2 kW." in text


def kept(lab: Lab) -> str | None:
    with lab.database.read() as session:
        return session.get_one(Account, lab.accounts["founder"].id).language


def test_the_browsers_language_is_kept_at_the_first_sign_in_and_a_choice_is_stronger(lab: Lab) -> None:
    client = signed_in(lab, **{"Accept-Language": "pl-PL,pl;q=0.9"})
    assert kept(lab) == "pl"
    client.post("/preferences", data={"language": "en", "next": "/"})
    assert kept(lab) == "en"
    elsewhere = signed_in(lab, **{"Accept-Language": "pl-PL,pl;q=0.9"})
    assert kept(lab) == "en"
    assert '<html lang="en">' in elsewhere.get("/").text


def test_nobody_is_known_to_read_a_language_that_is_not_here(lab: Lab) -> None:
    client = signed_in(lab)
    client.post("/preferences", data={"language": "xx", "next": "/"})
    assert kept(lab) is None
    stranger = browser(lab.app())
    assert stranger.post("/preferences", data={"language": "pl", "next": "/"}).status_code == 303


def test_a_manager_says_in_which_language_a_new_account_is_written_to(lab: Lab) -> None:
    form = {"organisation_id": lab.foundry.id, "name": "Ola", "sign_in": "ola@foundry.example", "role": "member"}
    assert lab.post("manager", "/manage/people/accounts", language="pl", **form).status_code == 200
    listed = lab.browser(lab.app(), "manager").get("/api/v1/accounts").json()
    assert [one["language"] for one in listed if one["name"] == "Ola"] == ["pl"]
    wrong = lab.post("manager", "/manage/people/accounts", language="tlh", **{**form, "sign_in": "b@foundry.example"})
    assert wrong.status_code == 422
