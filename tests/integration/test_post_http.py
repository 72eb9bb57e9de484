"""The staff sees what became of mails; nobody reads other people's mail."""

import pytest
from fastapi import FastAPI

from lab.app import create_app
from lab.core.audit import AuditEntry
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.settings import Settings
from lab.post.models import Mail
from lab.post.service import queue_mail
from tests.web_client import Town, program

WITH_SERVER = Settings(smtp_host="127.0.0.1", mail_from="lab@lab.example")


@pytest.fixture
def town(database: Database, lab_clock: LabClock) -> Town:
    return Town(database, lab_clock)


@pytest.fixture
def app(town: Town) -> FastAPI:
    return create_app(settings=WITH_SERVER, database=town.database, clock=town.clock, store=None, live=None)


def put(town: Town, state: str) -> str:
    """A mail in that state; its id."""
    with town.database.write() as session:
        queue_mail(
            session,
            key=state,
            recipient=f"{state}@example.org",
            subject="Booked",
            text="of nobody else's business",
            now=town.clock.now(),
            about="bkg_1",
        )
        mail = session.query(Mail).filter_by(key=state).one()
        mail.state = state
        return mail.id


def test_staff_sees_mails_by_state_without_their_text(app: FastAPI, town: Town) -> None:
    for state in ("sent", "doubtful", "failed"):
        put(town, state)
    answer = town.program(app, "engineer").get("/api/v1/mails")
    assert {mail["state"] for mail in answer.json()["mails"]} == {"sent", "doubtful", "failed"}
    assert "business" not in answer.text
    [mail] = town.program(app, "manager").get("/api/v1/mails?state=doubtful").json()["mails"]
    assert (mail["recipient"], mail["about"]) == ("doubtful@example.org", "bkg_1")
    assert len(town.program(app, "engineer").get("/api/v1/mails?count=2").json()["mails"]) == 2
    assert town.program(app, "engineer").get("/api/v1/mails?state=lost").status_code == 422


@pytest.mark.parametrize("who", ["founder", "reader"])
def test_nobody_else_sees_mails_or_sends_them(app: FastAPI, town: Town, who: str) -> None:
    mail = put(town, "failed")
    assert town.program(app, who).get("/api/v1/mails").status_code == 403
    assert town.program(app, who).post(f"/api/v1/mails/{mail}/send").status_code == 403
    assert program(app).get("/api/v1/mails").status_code == 401


@pytest.mark.parametrize("state", ["failed", "doubtful", "off"])
def test_staff_sends_again_what_did_not_get_through_and_it_is_noted_who(app: FastAPI, town: Town, state: str) -> None:
    path = f"/api/v1/mails/{put(town, state)}/send"
    engineer = town.program(app, "engineer")
    assert engineer.post(path).json()["state"] == "queued"
    assert engineer.post(path).status_code == 409, "it is on its way"
    with town.database.read() as session:
        [entry] = session.query(AuditEntry).filter_by(subject="mail")
        assert (entry.by, entry.before) == (town.accounts["engineer"].id, {"state": state})


@pytest.mark.parametrize("state", ["queued", "sending", "sent"])
def test_what_is_on_its_way_or_sent_is_not_sent_again(app: FastAPI, town: Town, state: str) -> None:
    refused = town.program(app, "engineer").post(f"/api/v1/mails/{put(town, state)}/send")
    assert (refused.status_code, refused.json()["rule"]) == (409, "sent-once")


def test_without_a_mail_server_nothing_is_sent_again(town: Town) -> None:
    app = create_app(settings=Settings(), database=town.database, clock=town.clock, store=None, live=None)
    refused = town.program(app, "engineer").post(f"/api/v1/mails/{put(town, 'off')}/send")
    assert (refused.status_code, refused.json()["rule"]) == (409, "mail-server")


@pytest.mark.parametrize("mail", ["mail_unknown", "mail_%00"])
def test_a_mail_that_does_not_exist(app: FastAPI, town: Town, mail: str) -> None:
    assert town.program(app, "engineer").post(f"/api/v1/mails/{mail}/send").status_code == 404
