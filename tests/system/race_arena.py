"""Where bookings race: companies, managers and one engineer with API tokens, devices and slots for each round."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from bookings import life, service
from bookings.models import Booking
from bookings.prices import publishing
from bookings.prices.rules import LegalBasis
from bookings.rulebook.models import RuleEntry
from bookings.rulebook.schemas import RuleSettings
from bookings.rules import Rules
from bookings.schemas import BookingRequest
from bookings.waitlist.models import WaitlistEntry
from bookings.waitlist.schemas import WaitRequest
from bookings.waitlist.service import join_waitlist, withdraw_entry
from lab.core.database import Database
from lab.core.settings import Settings
from lab.core.time import Span
from lab.people.models import Organisation
from lab.people.principals import Principal, Role
from lab.people.service import create_api_token
from tests.factories import MONDAY_MORNING, make_account, make_device, make_organisation
from tests.system.installation import ALWAYS_OPEN
from tests.system.web_processes import Shot, WebProcesses

T = TypeVar("T")

NOW = MONDAY_MORNING
"""What the steered clock of the web processes shows, all the time."""
USERS = 10
HOUR = timedelta(hours=1)
HALF = HOUR / 2
SETTINGS: dict[str, Any] = {"opening_hours": ALWAYS_OPEN, "holidays": ""}
RULES = Rules.from_settings(
    Settings(opening_hours=dict.fromkeys(["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "00:00-24:00"), holidays="")
)

BY_REQUEST, OVEN = "by-request", "oven"
"""Classes of devices: companies' bookings need approval; a company may have 90 minutes of them a week."""


@dataclass(frozen=True)
class Person:
    """Somebody with an API token."""

    principal: Principal
    token: str


class Arena:
    """A lab on one database, behind several web processes.

    Args:
        database: with all tables, empty.
        web: the processes on it.
    """

    def __init__(self, database: Database, web: WebProcesses) -> None:
        self.database, self.web = database, web
        self._serial = itertools.count(1)
        with database.write() as session:
            lab = make_organisation(session, "Lab", kind="lab")
            self.managers = [_person(session, Role.MANAGER, lab) for _ in range(USERS)]
            make_account(
                session, Role.ENGINEER, organisation=lab
            )  # the only one: who needs an engineer, needs this one
            self.companies = [_person(session, Role.MEMBER, make_organisation(session)) for _ in range(USERS)]
            together = make_organisation(session, "Many hands")
            self.colleagues = [_person(session, Role.MEMBER, together) for _ in range(USERS)]
            group = [make_organisation(session, undertaking="Group") for _ in range(USERS)]
            self.linked = [_person(session, Role.MEMBER, company) for company in group]
            _rule(session, BY_REQUEST, approval=True, approval_lapses_minutes=120)
            _rule(session, OVEN, week_quota_minutes=90)
            self._have_support(session)

    def _have_support(self, session: Session) -> None:
        manager = self.managers[0].principal
        programme = publishing.create_programme(
            session,
            manager,
            name="All of it is support",
            legal_basis=LegalBasis.DE_MINIMIS,
            price_per_mille=0,
            state_share_per_mille=1000,
            valid_from=NOW - timedelta(days=1),
            valid_until=None,
            now=NOW - timedelta(days=1),
        )
        for person in self.linked:
            publishing.add_company(
                session, manager, programme.id, person.principal.organisation_id, now=NOW - timedelta(hours=4)
            )

    def name(self, scenario: str) -> str:
        """A name that nothing else has."""
        return f"{scenario}-{next(self._serial)}"

    def devices(self, name: str, count: int = 1, **facts: Any) -> list[str]:
        """New devices."""
        ids = [f"{name}-{letter}" for letter in "abcdefghijklmnop"[:count]]
        with self.database.write() as session:
            for device_id in ids:
                make_device(session, device_id, signals={}, **facts)
        return ids

    # In this process, before and after the race

    def do(self, deed: Callable[[Session], T]) -> T:
        """Something in a transaction of its own."""
        return self.database.transact(deed)

    def book(self, person: Person, span: Span, *devices: str, title: str, earlier: timedelta = timedelta(0)) -> Booking:
        """A booking that is there before the race."""
        return self.do(lambda session: _book(session, person, span, devices, title, NOW - earlier))

    def book_each(self, wishes: Sequence[tuple[Person, Span]], *devices: str, title: str) -> list[Booking]:
        """Several of them."""
        return self.do(lambda session: [_book(session, *wish, devices, title, NOW) for wish in wishes])

    def ask_and_decline(self, persons: Sequence[Person], span: Span, device: str, *, title: str) -> list[Booking]:
        """Requests for one slot, each of which was declined before the next was made."""
        manager = self.managers[0].principal

        def work(session: Session) -> list[Booking]:
            asked = []
            for person in persons:
                asked.append(_book(session, person, span, (device,), title, NOW))
                life.decline_booking(session, manager, asked[-1].id, version=None, now=NOW)
            return asked

        return self.do(work)

    def wait(self, person: Person, span: Span, *devices: str, title: str) -> WaitlistEntry:
        """Stand in the line for exactly this span."""
        request = WaitRequest(
            device_ids=list(devices),
            earliest=span.start,
            latest=span.end,
            minutes=int(span.length / timedelta(minutes=1)),
            title=title,
        )
        return self.do(lambda session: join_waitlist(session, person.principal, request, now=NOW, rules=RULES))

    def leave(self, entries: Sequence[WaitlistEntry]) -> None:
        """Have nobody wait any more, those first who have no offer, so that none goes to the next in line."""
        with self.database.read() as session:
            now = [session.get_one(WaitlistEntry, entry.id) for entry in entries]
        for entry in sorted(now, key=lambda entry: entry.state == "offered"):
            if entry.state != "taken":
                who = next(one.principal for one in self.companies if one.principal.account_id == entry.account_id)
                self.do(
                    lambda session, who=who, entry=entry: withdraw_entry(session, who, entry.id, version=None, now=NOW)
                )

    def cancel(self, booking_id: str) -> None:
        """Give a slot back, so that the next round finds what this one found."""
        manager = self.managers[0].principal
        self.do(lambda session: life.cancel_booking(session, manager, booking_id, version=None, now=NOW, rules=RULES))

    # The requests of a race

    def shot(self, user: int, person: Person, path: str, body: dict[str, Any], **headers: str) -> Shot:
        """A request of this user, to the process whose turn it is."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return Shot(self.web.port_for(user), person.token, path, body, given)

    def create(
        self, user: int, person: Person, span: Span, *devices: str, title: str, supervised: bool = False, **headers: str
    ) -> Shot:
        """`POST /bookings`."""
        wish = {"device_ids": list(devices), **told(span), "title": title, "supervised": supervised}
        return self.shot(user, person, "/bookings", wish, **headers)

    def move(self, user: int, person: Person, booking: Booking, span: Span) -> Shot:
        """`POST /bookings/{id}/move`."""
        return self.shot(user, person, f"/bookings/{booking.id}/move", told(span))


def told(span: Span) -> dict[str, str]:
    """As JSON."""
    return {"start": span.start.isoformat(), "end": span.end.isoformat()}


def target(number: int) -> Span:
    """What a round is about: 08:00 to 09:00 UTC of a day of its own."""
    start = NOW.replace(hour=8) + timedelta(days=1 + number)
    return Span(start, start + HOUR)


def place(number: int, user: int) -> Span:
    """Where a user's booking is before it is moved: later on the same day, half an hour in every hour."""
    start = target(number).start + (2 + user) * HOUR
    return Span(start, start + HALF)


def _book(session: Session, person: Person, span: Span, devices: Sequence[str], title: str, now: datetime) -> Booking:
    request = BookingRequest(device_ids=list(devices), start=span.start, end=span.end, title=title)
    return service.book_devices(session, person.principal, request, now=now, rules=RULES)


def _rule(session: Session, kind: str, **settings: Any) -> None:
    RuleSettings.model_validate(settings)
    session.add(
        RuleEntry(scope="class", name=kind, settings=settings, version=1, changed_by="acc_manager", changed_at=NOW)
    )


def _person(session: Session, role: Role, organisation: Organisation) -> Person:
    account = make_account(session, role, organisation=organisation)
    principal = Principal(account.id, account.organisation_id, role, account.name)
    _, secret = create_api_token(session, principal, name="race", scopes=["read", "write"], now=NOW)
    return Person(principal, secret)
