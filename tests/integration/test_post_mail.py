"""Mails arrive, once, or it can be seen that nobody knows (faults.md, row 21)."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.jobs import LEASE, Job, Worker
from lab.core.settings import Settings
from lab.people.principals import Role
from lab.post import jobs as post_jobs
from lab.post import service
from lab.post.jobs import post_handlers
from lab.post.models import Mail
from lab.post.service import TRIES, queue_mail
from tests.conftest import have
from tests.factories import MONDAY_MORNING, principal
from tests.post_office import INVITATION, PASSWORD, PostOffice, make_certificate

ENGINEER = principal(Role.ENGINEER)


ROOT = Path(__file__).parents[2]
_WORKER = """
import sys
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.jobs import Worker
from lab.core.settings import Settings
from lab.post.jobs import post_handlers
from tests.factories import MONDAY_MORNING

database, clock = Database(sys.argv[1]), LabClock(MONDAY_MORNING)
settings = Settings(
    smtp_host="127.0.0.1", smtp_port=int(sys.argv[2]), smtp_security="none", mail_from="lab@lab.example"
)
Worker(database, clock, post_handlers(database, clock, settings)).run_due()
"""
"""A process of its own, for tests that kill it."""


class KilledError(BaseException):
    """The process ends here; nothing after it is done."""


@pytest.fixture
def office() -> Iterator[PostOffice]:
    with PostOffice().open() as opened:
        yield opened


class PostRoom:
    """An installation's post: queues mails and lets a worker do what is due."""

    def __init__(self, database: Database, clock: LabClock, settings: Settings) -> None:
        self.database, self.clock, self.settings = database, clock, settings

    def queue(self, key: str = "booked-1", **more: Any) -> None:
        given = {"recipient": "anna@example.org", "subject": "Booked", "text": "Your slot is booked.\n"}
        with self.database.write() as session:
            queue_mail(session, key=key, now=self.clock.now(), **{**given, **more})

    def work(self) -> int:
        handlers = post_handlers(self.database, self.clock, self.settings)
        return Worker(self.database, self.clock, handlers).run_due()

    def work_when_due(self) -> int:
        """Let time pass until the next job is due, or its lease ends, and work."""
        with self.database.read() as session:
            due = session.scalar(sa.select(sa.func.min(Job.run_at)).where(Job.state.in_(["queued", "running"])))
        assert due is not None
        self.clock.jump_to(max(due, self.clock.now()))
        return self.work()

    def mail(self) -> Mail:
        with self.database.read() as session:
            return session.scalars(sa.select(Mail)).one()

    def send_again(self) -> None:
        mail_id = self.mail().id
        self.database.transact(
            lambda session: service.send_mail_again(session, ENGINEER, mail_id, mail_is_on=True, now=self.clock.now())
        )


@pytest.fixture
def room_at(each_database: Database, lab_clock: LabClock) -> Callable[[Settings], PostRoom]:
    return lambda settings: PostRoom(each_database, lab_clock, settings)


@pytest.fixture
def room(room_at: Callable[[Settings], PostRoom], office: PostOffice) -> PostRoom:
    return room_at(office.settings())


def test_a_mail_with_its_invitation_arrives(room: PostRoom, office: PostOffice) -> None:
    room.queue(calendar=INVITATION, calendar_method="REQUEST")
    assert room.work() == 1
    [mail], [envelope] = office.mails, office.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == ("lab@lab.example", ["anna@example.org"])
    assert (mail["To"], mail["Subject"]) == ("anna@example.org", "Booked")
    body = mail.get_body(("plain",))
    assert body is not None
    assert body.get_content().strip() == "Your slot is booked."
    [attached] = mail.iter_attachments()
    assert attached.get_payload(decode=True) == INVITATION.encode()
    assert (room.mail().state, room.mail().sent_at) == ("sent", MONDAY_MORNING)
    assert room.work() == 0


def test_one_key_is_one_mail(room: PostRoom, office: PostOffice) -> None:
    room.queue()
    room.queue(subject="Booked again")
    room.work()
    room.queue()
    assert room.work() == 0
    assert [mail["Subject"] for mail in office.mails] == ["Booked"]


def test_no_mail_without_its_cause(room: PostRoom, office: PostOffice) -> None:
    def book(session: Session) -> None:
        queue_mail(session, key="1", recipient="anna@example.org", subject="Booked", text="", now=room.clock.now())
        raise KeyError

    with pytest.raises(KeyError):
        room.database.transact(book)
    assert room.work() == 0
    assert office.mails == []


def test_mail_waits_for_a_server_that_is_down_and_then_arrives_once(
    room_at: Callable[[Settings], PostRoom],
) -> None:
    office = PostOffice()
    room = room_at(office.settings())
    room.queue()
    for _ in range(3):
        assert room.work_when_due() == 1
        assert room.mail().state == "queued"
    assert "connect" in (room.mail().last_error or "").lower()
    with office.open():
        room.work_when_due()
    assert len(office.mails) == 1
    assert (room.mail().state, room.mail().last_error) == ("sent", None)


@pytest.mark.parametrize("where", ["refuse_recipient", "refuse_mail"])
def test_server_that_says_later_is_asked_later(room: PostRoom, office: PostOffice, where: str) -> None:
    setattr(office, where, "451 4.7.1 greylisted, come back")
    room.queue()
    room.work()
    assert (room.mail().state, room.mail().last_error) == ("queued", "451 4.7.1 greylisted, come back")
    setattr(office, where, None)
    room.work_when_due()
    assert (room.mail().state, len(office.mails)) == ("sent", 1)


@pytest.mark.parametrize("where", ["refuse_recipient", "refuse_mail"])
def test_server_that_says_never_is_not_asked_again_but_by_a_person(
    room: PostRoom, office: PostOffice, where: str
) -> None:
    setattr(office, where, "550 5.1.1 nobody here")
    room.queue()
    room.work()
    assert (room.mail().state, room.mail().last_error) == ("failed", "550 5.1.1 nobody here")
    room.clock.advance(timedelta(days=2))
    assert room.work() == 0
    setattr(office, where, None)
    room.send_again()
    room.work()
    assert (room.mail().state, len(office.mails)) == ("sent", 1)


def test_a_mail_that_finds_no_server_for_a_day_has_failed(room_at: Callable[[Settings], PostRoom]) -> None:
    room = room_at(PostOffice().settings())
    room.queue()
    for _ in range(TRIES):
        assert room.mail().state == "queued"
        room.work_when_due()
    assert room.mail().state == "failed"
    assert room.clock.now() - MONDAY_MORNING > timedelta(hours=24)
    room.clock.advance(timedelta(days=2))
    assert room.work() == 0


def test_worker_killed_after_the_server_took_the_mail_leaves_a_doubt_and_no_second_mail(
    room: PostRoom, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> str:
        raise KilledError

    room.queue()
    with monkeypatch.context() as patch:
        patch.setattr(post_jobs, "note_outcome", die)
        with pytest.raises(KilledError):
            room.work()
    assert len(office.mails) == 1
    assert room.mail().state == "sending"
    room.clock.advance(LEASE)
    room.work()
    assert room.mail().state == "doubtful"
    room.clock.advance(timedelta(days=2))
    assert room.work() == 0
    assert len(office.mails) == 1


@pytest.mark.faults
@pytest.mark.parametrize(("moment", "state"), [("on_recipient", "sent"), ("on_mail", "doubtful")])
def test_process_killed_at_any_moment_of_the_talk_sends_one_mail(
    room: PostRoom, office: PostOffice, moment: str, state: str
) -> None:
    room.queue()
    address = room.database.url.render_as_string(hide_password=False)
    process = subprocess.Popen([sys.executable, "-c", _WORKER, address, str(office.port)], cwd=ROOT)

    def kill() -> None:
        process.kill()
        process.wait(10)

    setattr(office, moment, kill)
    assert process.wait(30) == -signal.SIGKILL
    setattr(office, moment, None)
    room.clock.advance(LEASE)
    room.work()
    room.clock.advance(timedelta(days=2))
    room.work()
    assert (room.mail().state, len(office.mails)) == (state, 1)


def test_doubt_is_noted_even_if_the_worker_died_at_the_last_attempt(
    room: PostRoom, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.refuse_recipient = "451 later"
    room.queue()
    for _ in range(TRIES - 1):
        room.work_when_due()
    office.refuse_recipient = None

    def die(*_: object, **__: object) -> str:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(post_jobs, "note_outcome", die)
        with pytest.raises(KilledError):
            room.work_when_due()
    room.work_when_due()
    assert (room.mail().state, len(office.mails)) == ("doubtful", 1)


def test_worker_killed_before_the_server_could_take_the_mail_leaves_no_doubt(
    room: PostRoom, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> bool:
        raise KilledError

    room.queue()
    with monkeypatch.context() as patch:
        patch.setattr(post_jobs, "begin_sending", die)
        with pytest.raises(KilledError):
            room.work()
    room.clock.advance(LEASE)
    room.work()
    assert (room.mail().state, len(office.mails)) == ("sent", 1)


def test_connection_lost_while_the_mail_is_handed_over_is_a_doubt(
    room: PostRoom, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.post.smtp.HANDING_OVER_SECONDS", 0.3)
    slow = office.hold_answer()
    room.queue()
    room.work()
    slow.set()
    assert room.mail().state == "doubtful"
    assert "while the mail was handed over" in (room.mail().last_error or "")
    room.clock.advance(timedelta(days=2))
    assert room.work() == 0


def test_person_settles_a_doubt_with_a_copy_that_can_be_known_as_one(
    room: PostRoom, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.post.smtp.HANDING_OVER_SECONDS", 0.3)
    slow = office.hold_answer()
    room.queue()
    room.work()
    slow.set()
    office.on_mail = None
    room.send_again()
    room.work()
    assert room.mail().state == "sent"
    first, second = office.mails
    assert first["Message-ID"] == second["Message-ID"]


def test_two_workers_with_one_mail_send_it_once(room: PostRoom, office: PostOffice) -> None:
    """The second takes the job over while the first, slower than its lease, is still at it."""

    def take_over() -> None:
        room.clock.advance(LEASE)
        room.work()

    office.on_mail = take_over
    room.queue()
    room.work()
    assert (room.mail().state, len(office.mails)) == ("sent", 1)


def test_without_a_mail_server_mails_are_kept_and_say_so_and_nothing_old_is_sent_later(
    room_at: Callable[[Settings], PostRoom], office: PostOffice
) -> None:
    room = room_at(Settings())
    room.queue()
    room.work()
    assert room.mail().state == "off"
    room.settings = office.settings()
    room.clock.advance(timedelta(days=2))
    assert room.work() == 0
    room.send_again()
    room.work()
    assert (room.mail().state, len(office.mails)) == ("sent", 1)


@pytest.fixture
def certificate(tmp_path: Path) -> Any:
    return have(lambda: make_certificate(tmp_path, "IP:127.0.0.1"))


def test_mail_goes_through_starttls_with_a_password(
    certificate: Any, room_at: Callable[[Settings], PostRoom], monkeypatch: pytest.MonkeyPatch
) -> None:
    server_side, trusted = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    office = PostOffice()
    room = room_at(office.settings(smtp_security="starttls", smtp_username="lab", smtp_password=PASSWORD))
    room.queue()
    with office.open(tls=server_side):
        room.work()
    assert (room.mail().state, len(office.mails)) == ("sent", 1)


@pytest.mark.parametrize(
    ("more", "trust", "said"),
    [
        ({"smtp_password": "wrong"}, True, "535"),
        ({}, False, "certificate verify failed"),
        ({"smtp_security": "none"}, True, "via TLS"),
    ],
)
def test_mail_waits_while_the_way_to_the_server_is_set_up_wrongly(
    certificate: Any,
    room_at: Callable[[Settings], PostRoom],
    monkeypatch: pytest.MonkeyPatch,
    more: dict[str, str],
    trust: bool,
    said: str,
) -> None:
    server_side, trusted = certificate
    if trust:
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    office = PostOffice()
    given = {"smtp_security": "starttls", "smtp_username": "lab", "smtp_password": PASSWORD, **more}
    room = room_at(office.settings(**given))
    room.queue()
    with office.open(tls=server_side):
        room.work()
    assert room.mail().state == "queued"
    assert said in (room.mail().last_error or "")
    assert office.mails == []
