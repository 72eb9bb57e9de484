"""Who is told of what becomes of a booking, in which words, and what hangs on the mail."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from icalendar import Calendar, Event
from sqlalchemy.orm import Session

from bookings import life, service
from bookings.models import Booking
from bookings.notices import JOB_KIND, announce, notice_handlers, tell
from bookings.outages.models import Outage
from bookings.schemas import BookingRequest
from lab.core.clock import LabClock
from lab.core.database import Database
from lab.core.jobs import Job, Worker
from lab.core.settings import Settings
from lab.core.time import Span
from lab.people.models import Account
from lab.people.principals import Principal, Role
from lab.people.service import choose_language
from lab.post.models import Mail, Webhook, WebhookDelivery
from tests.booking_lab import RULES, at
from tests.factories import make_account, make_device, make_organisation

T = TypeVar("T")

SETTINGS = Settings(mail_from="Pilot Lab <lab@lab.example>", public_url="https://pilot.example")


class Office:
    """A foundry (Anna), a joinery (Bert), a lab (Ewa and Edek, engineers, Greta, manager), and their mails."""

    def __init__(self, database: Database, clock: LabClock) -> None:
        self.database, self.clock = database, clock
        with database.write() as session:
            make_device(session, "mill-1")
            make_device(session, "meter-1")
            self.lab = make_organisation(session, "Lab", kind="lab")
            self.foundry = make_organisation(session, "Odlewnia Łąkowa")
            self.joinery = make_organisation(session, "Joinery")
            self.accounts = {
                name: make_account(
                    session, role, organisation=where, name=name.title(), sign_in=f"{name}@{domain}.example"
                )
                for name, role, where, domain in (
                    ("anna", Role.MEMBER, self.foundry, "foundry"),
                    ("bert", Role.MEMBER, self.joinery, "joinery"),
                    ("edek", Role.ENGINEER, self.lab, "lab"),
                    ("ewa", Role.ENGINEER, self.lab, "lab"),
                    ("greta", Role.MANAGER, self.lab, "lab"),
                )
            }

    def who(self, name: str) -> Principal:
        account = self.accounts[name]
        return Principal(account.id, account.organisation_id, Role(account.role), account.name)

    def do(self, work: Callable[[Session], T]) -> T:
        return self.database.transact(work)

    def book(self, name: str, span: Span, *, approval: bool = False, **facts: Any) -> Booking:
        wish = {"device_ids": ["mill-1"], "title": "Żeliwo, próba 1", **facts}
        request = BookingRequest(start=span.start, end=span.end, **wish)
        rules = replace(RULES, approval=approval)
        return self.do(
            lambda session: service.book_devices(session, self.who(name), request, now=self.clock.now(), rules=rules)
        )

    def post(self, **settings: Any) -> list[Mail]:
        """Let the notices' jobs run; the mails that they wrote, by recipient."""
        worker = Worker(
            self.database,
            self.clock,
            notice_handlers(self.database, self.clock, SETTINGS.model_copy(update=settings)),
            only=[JOB_KIND],
        )
        before = {mail.id for mail in self.mails()}
        worker.run_due()
        with self.database.read() as session:
            jobs = session.execute(sa.select(Job.state, Job.last_error).where(Job.kind == JOB_KIND)).all()
        assert {job.state for job in jobs} <= {"done"}, jobs
        return [mail for mail in self.mails() if mail.id not in before]

    def mails(self) -> list[Mail]:
        with self.database.read() as session:
            return list(session.scalars(sa.select(Mail).order_by(Mail.recipient, Mail.queued_at)))

    def events(self) -> list[WebhookDelivery]:
        with self.database.read() as session:
            return list(session.scalars(sa.select(WebhookDelivery).order_by(WebhookDelivery.event)))

    def webhook(self, organisation_id: str, *events: str) -> str:
        with self.database.write() as session:
            hook = Webhook(
                id=f"whk_{organisation_id[-8:]}",
                organisation_id=organisation_id,
                url="https://receiver.example/",
                secret="s",
                events=list(events),
                created_by="acc_anna",
                created_at=self.clock.now(),
                disabled_at=None,
            )
            session.add(hook)
        return hook.id


@pytest.fixture
def office(each_database: Database, lab_clock: LabClock) -> Office:
    return Office(each_database, lab_clock)


def invited(mail: Mail) -> tuple[str, Event]:
    """Method and event of the attached invitation, which must say the same as the mail."""
    assert mail.calendar is not None
    calendar = Calendar.from_ical(mail.calendar)
    assert calendar["METHOD"] == mail.calendar_method
    [event] = calendar.events
    assert event["ATTENDEE"] == f"mailto:{mail.recipient}"
    assert event["ORGANIZER"] == "mailto:lab@lab.example"
    return str(mail.calendar_method), event


def test_who_books_gets_a_confirmation_with_the_invitation(office: Office) -> None:
    booking = office.book("anna", at(9, length=2))
    [mail] = office.post()
    assert (mail.recipient, mail.about) == ("anna@foundry.example", booking.id)
    assert mail.subject == "Booking confirmed: Żeliwo, próba 1, 23 November 2026 09:00"
    assert mail.text == (
        "Hello Anna,\n\n"
        "your booking is confirmed.\n\n"
        "What:           Żeliwo, próba 1\n"
        "Company:        Odlewnia Łąkowa\n"
        "Machines:       Mill 1\n"
        "When:           Monday 23 November 2026, 09:00–11:00 (Europe/Warsaw, UTC+1)\n"
        "Done by:        Anna\n\n"
        "See it here: https://pilot.example/bookings\n\n"
        "Competence Centre for Industry 4.0, Gliwice\n"
        "This mail was written by the lab's booking system; answers to it are not read.\n"
    )
    method, event = invited(mail)
    assert (method, event["UID"], event["SEQUENCE"]) == ("REQUEST", f"{booking.id}@gliwice", 0)
    assert (event["STATUS"], event.start, event.end) == ("CONFIRMED", booking.start_at, booking.end_at)


def test_everybody_is_told_in_the_language_that_they_read(office: Office) -> None:
    """Anna has chosen Polish, Ewa English; Greta has chosen nothing and is told in the lab's own."""
    for name, language in (("anna", "pl"), ("ewa", "en")):
        office.do(lambda session, who=name, code=language: choose_language(session, office.who(who), code))
    office.book("anna", at(9, length=2), approval=True, engineer_id=office.who("ewa").account_id)
    anna, ewa, greta = sorted(office.post(language="pl"), key=lambda mail: mail.recipient.partition("@")[0])
    assert anna.subject == "Prośba przyjęta: Żeliwo, próba 1, 23 listopada 2026 09:00"
    assert "Kiedy:          poniedziałek 23 listopada 2026, 09:00–11:00 (Europe/Warsaw, UTC+1)\n" in anna.text
    assert "Stan: czeka na zatwierdzenie" in str(invited(anna)[1]["DESCRIPTION"])
    assert ewa.text.startswith("Hello Ewa,\n\nyou would supervise this slot.")
    assert "State: requested" in str(invited(ewa)[1]["DESCRIPTION"])
    assert greta.subject.startswith("Prośba o termin czeka na decyzję: ")


def test_nothing_is_written_inside_the_request(office: Office) -> None:
    office.book("anna", at(9))
    assert office.mails() == []


def test_a_change_that_is_not_kept_is_not_told(office: Office) -> None:
    booking = office.book("anna", at(9))
    office.post()

    def change_and_fail(session: Session) -> None:
        announce(session, booking, "cancelled", now=office.clock.now())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        office.do(change_and_fail)
    assert office.post() == []


def test_a_move_tells_from_where_to_where_and_why(office: Office) -> None:
    booking = office.book("anna", at(9), engineer_id=office.who("ewa").account_id)
    office.post()
    with office.database.write() as session:  # so that nobody else can take over from Ewa
        session.get_one(Account, office.who("edek").account_id).disabled_at = office.clock.now()
    sunday = at(10, day=29)
    office.do(
        lambda session: service.move_booking(
            session,
            office.who("greta"),
            booking.id,
            sunday,
            version=1,
            now=office.clock.now(),
            rules=RULES,
            override="The fair needs\nthe hall",
        )
    )
    anna, ewa = office.post()
    assert (anna.recipient, ewa.recipient) == ("anna@foundry.example", "ewa@lab.example")
    assert "your booking has been moved" in anna.text
    assert "When:           Sunday 29 November 2026, 10:00–11:00 (Europe/Warsaw, UTC+1)\n" in anna.text
    assert "Before:         Monday 23 November 2026, 09:00–10:00 (Europe/Warsaw, UTC+1)\n" in anna.text
    assert "Done by:        Greta\nReason:         The fair needs the hall\n" in anna.text
    assert "a slot that you supervise has been moved" in ewa.text
    for mail in (anna, ewa):
        method, event = invited(mail)
        assert (method, event["SEQUENCE"], event.start) == ("REQUEST", 1, sunday.start)


def test_a_request_asks_the_managers_and_holds_the_slot_for_the_company(office: Office) -> None:
    office.book("anna", at(9, day=30), approval=True)
    anna, greta = office.post()
    assert anna.subject.startswith("Request received: ")
    assert "The slot is held for you until " in anna.text
    assert "(Europe/Warsaw, UTC+1)" in anna.text
    assert invited(anna)[1]["STATUS"] == "TENTATIVE"
    assert (greta.recipient, greta.calendar) == ("greta@lab.example", None)
    assert greta.subject.startswith("Please decide on a request: ")
    assert "Odlewnia Łąkowa asks for a slot. Please approve or decline it by " in greta.text


@pytest.mark.parametrize(
    ("deed", "method", "words"),
    [
        (life.approve_booking, "REQUEST", "the lab has approved your booking"),
        (life.decline_booking, "CANCEL", "the lab has declined your request"),
    ],
)
def test_a_decision_is_told_to_who_asked(office: Office, deed: Callable[..., Booking], method: str, words: str) -> None:
    booking = office.book("anna", at(9, day=30), approval=True)
    office.post()
    why = {"reason": "The spindle is worn"} if deed is life.decline_booking else {}
    office.do(lambda session: deed(session, office.who("greta"), booking.id, version=1, now=office.clock.now(), **why))
    [mail] = office.post()
    assert words in mail.text
    assert ("Reason:         The spindle is worn" in mail.text) == bool(why)
    assert (invited(mail)[0], invited(mail)[1]["SEQUENCE"]) == (method, 1)


def test_a_cancelled_booking_leaves_the_calendars_of_all_who_had_it(office: Office) -> None:
    booking = office.book("anna", at(9, day=30), engineer_id=office.who("ewa").account_id)
    office.post()
    office.do(
        lambda session: life.cancel_booking(
            session,
            office.who("anna"),
            booking.id,
            version=1,
            now=office.clock.now(),
            rules=RULES,
            reason="No material",
        )
    )
    mails = office.post()
    assert [mail.recipient for mail in mails] == ["anna@foundry.example", "ewa@lab.example"]
    for mail in mails:
        assert "Reason:         No material" in mail.text
        method, event = invited(mail)
        assert (method, event["STATUS"], event["SEQUENCE"], event["UID"]) == (
            "CANCEL",
            "CANCELLED",
            1,
            f"{booking.id}@gliwice",
        )


def test_an_engineer_who_is_relieved_is_told_so(office: Office) -> None:
    booking = office.book("anna", at(9, day=30), engineer_id=office.who("ewa").account_id)
    office.book("bert", at(9, day=27), device_ids=["meter-1"], engineer_id=office.who("ewa").account_id)
    office.post()
    office.do(
        lambda session: service.move_booking(
            session, office.who("anna"), booking.id, at(9, day=27), version=1, now=office.clock.now(), rules=RULES
        )
    )
    anna, edek, ewa = office.post()
    assert invited(anna)[0] == invited(edek)[0] == "REQUEST"
    assert "you no longer supervise this slot" in ewa.text
    assert invited(ewa)[0] == "CANCEL"
    assert invited(ewa)[1]["STATUS"] == "CANCELLED"
    outage = declare(office, at(8, day=27, length=4), "Spindle worn")
    office.do(lambda session: announce(session, booking, "outage-hit", now=office.clock.now(), cause=outage))
    assert [mail.recipient for mail in office.post()] == ["anna@foundry.example", "edek@lab.example"]


def test_use_is_told_to_programs_only(office: Office) -> None:
    booking = office.book("anna", at(9))
    office.post()
    office.webhook(office.foundry.id)
    office.clock.advance(timedelta(hours=1, minutes=5))
    office.do(lambda session: life.start_use(session, booking.id, now=office.clock.now()))
    assert office.post() == []
    assert [event.event for event in office.events()] == ["booking.started"]


def test_who_is_hit_by_an_outage_gets_reason_and_other_times(office: Office) -> None:
    booking = office.book("anna", at(9, day=30, length=2))
    office.post()
    outage = declare(office, at(8, day=30, length=4), "Spindle <bearing> worn")
    office.do(lambda session: announce(session, booking, "outage-hit", now=office.clock.now(), cause=outage))
    [mail] = office.post()
    assert mail.subject.startswith("Out of service during your booking: ")
    assert "Out of service: Mill 1, Monday 30 November 2026, 08:00–12:00 (Europe/Warsaw, UTC+1)\n" in mail.text
    assert "Reason:         Spindle <bearing> worn\n" in mail.text
    assert "These times are free instead" in mail.text
    assert "  Monday 30 November 2026, 12:00–14:00 (Europe/Warsaw, UTC+1)\n" in mail.text
    assert mail.calendar is None


def test_two_outages_are_told_both_and_a_withdrawn_one_not_at_all(office: Office) -> None:
    booking = office.book("anna", at(9, day=30, length=2))
    office.post()
    causes = [declare(office, at(8 + hour, day=30, length=2), f"Reason {hour}") for hour in range(3)]
    with office.database.write() as session:
        for cause in causes:
            announce(session, booking, "outage-hit", now=office.clock.now(), cause=cause)
        session.get_one(Outage, causes[2]).withdrawn_at = office.clock.now()
    assert len(office.post()) == 2
    assert {word for mail in office.mails() for word in ("Reason 0", "Reason 1", "Reason 2") if word in mail.text} == {
        "Reason 0",
        "Reason 1",
    }


def declare(office: Office, span: Span, reason: str) -> str:
    """An outage of the mill, without anybody being told."""
    with office.database.write() as session:
        outage = Outage(
            id=f"out_{reason[-8:].replace(' ', '_')}",
            device_id="mill-1",
            kind="planned",
            start_at=span.start,
            end_at=span.end,
            rrule=None,
            last_end_at=span.end,
            reason=reason,
            declared_by="acc_greta",
            declared_at=office.clock.now(),
            withdrawn_at=None,
            version=1,
        )
        session.add(outage)
    return outage.id


def test_a_notice_that_runs_twice_is_one_mail_and_one_event(office: Office) -> None:
    office.webhook(office.foundry.id)
    booking = office.book("anna", at(9))
    office.post()
    payload = {"booking_id": booking.id, "what": "created", "version": 1, "cause": None}
    for _ in range(2):
        office.do(lambda session: tell(session, payload, settings=SETTINGS, now=office.clock.now()))
    assert len(office.mails()) == 1
    assert len(office.events()) == 1


def test_a_late_notice_says_that_it_is_late_and_never_undoes_the_later_one(office: Office) -> None:
    office.webhook(office.foundry.id)
    booking = office.book("anna", at(9, day=30))
    office.do(
        lambda session: service.move_booking(
            session, office.who("anna"), booking.id, at(13, day=30), version=1, now=office.clock.now(), rules=RULES
        )
    )
    for what, version in (("moved", 2), ("created", 1)):
        payload = {"booking_id": booking.id, "what": what, "version": version, "cause": None}
        office.do(
            lambda session, payload=payload: tell(session, payload, settings=SETTINGS, now=office.clock.now())  # type: ignore[misc]
        )
    [late] = [mail for mail in office.mails() if "confirmed" in mail.subject]
    assert "When:           Monday 30 November 2026, 09:00–10:00" in late.text
    assert (
        "It has been changed again since then. Now it is confirmed: Monday 30 November 2026, 13:00–14:00" in late.text
    )
    assert (invited(late)[1]["SEQUENCE"], invited(late)[1].start) == (1, at(13, day=30).start)
    created, moved = office.events()
    assert (created.payload["booking"]["version"], created.payload["booking"]["start"]) == (1, "2026-11-30T08:00:00Z")
    assert (moved.payload["booking"]["version"], moved.payload["booking"]["start"]) == (2, "2026-11-30T12:00:00Z")
    assert moved.payload["before"]["start"] == "2026-11-30T08:00:00+00:00"


def test_a_request_that_is_decided_already_asks_nobody(office: Office) -> None:
    booking = office.book("anna", at(9, day=30), approval=True)
    office.do(
        lambda session: life.approve_booking(
            session, office.who("greta"), booking.id, version=1, now=office.clock.now()
        )
    )
    assert [mail.recipient for mail in office.post()] == ["anna@foundry.example"]


def test_only_the_company_and_the_lab_hear_of_a_booking(office: Office) -> None:
    office.webhook(office.foundry.id)
    office.webhook(office.joinery.id)
    office.webhook(office.lab.id, "booking.created")
    office.book("anna", at(9), engineer_id=office.who("ewa").account_id)
    assert [mail.recipient for mail in office.post()] == ["anna@foundry.example", "ewa@lab.example"]
    events = office.events()
    assert {event.webhook_id for event in events} == {f"whk_{one.id[-8:]}" for one in (office.foundry, office.lab)}
    for event in events:
        text = str(event.payload)
        assert "Anna" not in text
        assert "@" not in text
        assert event.payload["booking"]["booked_by"] == office.who("anna").account_id


@pytest.mark.parametrize(
    "facts", [{"sign_in": "anna"}, {"disabled_at": True}, {"role": "recipient"}, {"organisation_id": "joinery"}]
)
def test_who_has_no_address_or_no_business_any_more_gets_no_mail(
    database: Database, lab_clock: LabClock, facts: dict[str, Any]
) -> None:
    office = Office(database, lab_clock)
    office.book("anna", at(9))
    values = {"True": lab_clock.now(), "joinery": office.joinery.id}
    with database.write() as session:
        account = session.get_one(Account, office.who("anna").account_id)
        for name, value in facts.items():
            setattr(account, name, values.get(str(value), value))
    assert office.post() == []


def test_without_an_address_of_the_lab_there_are_mails_without_invitations(
    database: Database, lab_clock: LabClock
) -> None:
    office = Office(database, lab_clock)
    office.book("anna", at(9))
    [mail] = office.post(mail_from=None, public_url=None)
    assert (mail.calendar, mail.calendar_method) == (None, None)
    assert "See it here" not in mail.text


def test_a_booking_that_is_gone_harms_nobody(database: Database, lab_clock: LabClock) -> None:
    office = Office(database, lab_clock)
    payload = {"booking_id": "bkg_none", "what": "created", "version": 1, "cause": None}
    office.do(lambda session: tell(session, payload, settings=SETTINGS, now=lab_clock.now()))
    assert office.mails() == []
