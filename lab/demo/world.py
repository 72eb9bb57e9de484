"""The lab of the demonstration: Gliwice, five devices, two companies, one person for each role."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from bookings.prices.publishing import add_company, create_programme
from bookings.prices.rules import LegalBasis
from devices.catalogue import load_catalogue
from devices.service import import_catalogue, issue_credentials
from lab.administration import lab_organisation
from lab.core.broker import new_password
from lab.core.database import Database
from lab.core.settings import Settings
from lab.people.models import Account
from lab.people.principals import SYSTEM, Principal, Role
from lab.people.service import create_account, create_api_token, create_organisation


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the demonstration, with the sign-in that is printed."""

    role: Role
    name: str
    organisation: str
    organisation_id: str
    sign_in: str
    password: str
    token: str


@dataclass(frozen=True, slots=True)
class World:
    """Everybody and everything that the demonstration needs."""

    people: tuple[Person, ...]
    device_passwords: dict[str, str]

    def person(self, role: Role) -> Person:
        """The first person of a role."""
        return next(person for person in self.people if person.role is role)


_COMPANIES = (
    ("Metalforma Zabrze sp. z o.o.", "small", "C25.62", "PL22A"),
    ("Drukarnia 3D Rybnik s.c.", "micro", "C22.29", "PL227"),
)
_PEOPLE = (
    (Role.MANAGER, "Ewa Nowak", None, "manager"),
    (Role.ENGINEER, "Piotr Zieliński", None, "engineer"),
    (Role.MEMBER, "Anna Kowalska", 0, "anna"),
    (Role.MEMBER, "Jan Wójcik", 1, "jan"),
    (Role.RECIPIENT, "Maria Lis", 0, "maria"),
)


def make_world(settings: Settings, database: Database, catalogues: Iterable[Path], *, now: datetime) -> World:
    """Fill an empty database; passwords are new each time and exist nowhere else in clear.

    Args:
        settings: of the demonstration.
        database: empty, at this release's schema.
        catalogues: files of devices; each device gets credentials at the broker.
        now: the lab's time.
    """
    loaded = [load_catalogue(path) for path in catalogues]

    def work(session: Session) -> World:
        passwords: dict[str, str] = {}
        for catalogue in loaded:
            import_catalogue(session, SYSTEM, catalogue, now=now)
            for device in catalogue.devices:
                passwords[device.id] = new_password()
                issue_credentials(session, SYSTEM, device.id, password=passwords[device.id])
        people = _make_people(session, settings, now)
        _make_programme(session, people, now)
        return World(people, passwords)

    return database.transact(work)


def _make_people(session: Session, settings: Settings, now: datetime) -> tuple[Person, ...]:
    own = lab_organisation(session, settings, now=now)
    companies = [
        create_organisation(
            session, SYSTEM, name=name, kind="company", size_class=size, nace=nace, region=region, now=now
        )
        for name, size, nace, region in _COMPANIES
    ]
    people = []
    for role, name, company, sign_in in _PEOPLE:
        organisation = own if company is None else companies[company]
        password = new_password()[:14]
        account = create_account(
            session,
            SYSTEM,
            organisation_id=organisation.id,
            sign_in=sign_in,
            name=name,
            role=role,
            password=password,
            now=now,
        )
        people.append(
            Person(role, name, organisation.name, organisation.id, sign_in, password, _token(session, account, now))
        )
    return tuple(people)


def _make_programme(session: Session, people: tuple[Person, ...], now: datetime) -> None:
    """A programme pays seven tenths of what a slot is worth, four fifths of that from the state, to both companies."""
    programme = create_programme(
        session,
        SYSTEM,
        name="Test before invest",
        legal_basis=LegalBasis.DE_MINIMIS,
        price_per_mille=300,
        state_share_per_mille=800,
        valid_from=now,
        valid_until=None,
        now=now,
    )
    for company in dict.fromkeys(person.organisation_id for person in people if person.role is Role.MEMBER):
        add_company(session, SYSTEM, programme.id, company, now=now)


def _token(session: Session, account: Account, now: datetime) -> str:
    principal = Principal(account.id, account.organisation_id, Role(account.role), account.name)
    scopes = ["read"] if principal.role is Role.RECIPIENT else ["read", "write"]
    _, secret = create_api_token(session, principal, name="demonstration", scopes=scopes, now=now)
    return secret
