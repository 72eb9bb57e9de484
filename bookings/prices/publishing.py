"""What managers publish: price lists and programmes, which never change. The caller owns the transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bookings.errors import UnknownDevicesError
from bookings.prices import repository
from bookings.prices.errors import (
    CompanyInProgrammeError,
    CompanyNotInProgrammeError,
    NoCompanyError,
    PriceListUnknownError,
    PricesPublishedError,
    ProgrammeNameTakenError,
    ProgrammeUnknownError,
)
from bookings.prices.models import PriceList, Programme, ProgrammeMember
from bookings.prices.rules import LegalBasis, require_not_past, require_terms
from lab.core.audit import note_change
from lab.core.ids import new_id
from lab.core.paging import Page, PageWish
from lab.core.time import aware_utc
from lab.people.errors import OrganisationUnknownError
from lab.people.models import Organisation
from lab.people.principals import Principal
from lab.people.repository import lock_organisation


@dataclass(frozen=True, slots=True)
class ListedPrice:
    """What a device costs in a price list."""

    hour_cents: int
    setup_cents: int


def publish_price_list(
    session: Session,
    principal: Principal,
    *,
    name: str,
    valid_from: datetime | None,
    devices: Mapping[str, ListedPrice],
    supervision_hour_cents: int,
    now: datetime,
    seen: int | None = None,
) -> PriceList:
    """Publish prices that hold from an instant on, until others follow (managers). They never change.

    Args:
        session: of a write transaction.
        principal: a manager.
        name: for people.
        valid_from: from when on; None: from now on.
        devices: by id; a device left out has its catalogue's price and no price for set-up.
        supervision_hour_cents: of an engineer.
        now: the present instant.
        seen: the newest version that was there when somebody decided on these prices, 0 for none; None: whichever is.

    Raises:
        ForbiddenError: for anybody but managers.
        NaiveTimeError, PriceListPastError: from then on it cannot hold.
        UnknownDevicesError: there is no such device.
        PricesPublishedError: there is a newer version than the one seen.
    """
    start = require_publishable(session, principal, valid_from=valid_from, devices=devices, now=now)
    if seen is not None and repository.newest_price_list(session) != seen:
        raise PricesPublishedError(
            "prices were published meanwhile; look at them before you publish others", field="seen", rule="newest-seen"
        )
    price_list = PriceList(
        name=name,
        valid_from=start,
        devices={device_id: asdict(price) for device_id, price in sorted(devices.items())},
        supervision_hour_cents=supervision_hour_cents,
        created_by=principal.account_id,
        created_at=now,
    )
    session.add(price_list)
    session.flush()
    after = {"name": name, "valid_from": start.isoformat()}
    _note(session, "price-list", str(price_list.version), "published", principal, now, after=after)
    return price_list


def require_publishable(
    session: Session,
    principal: Principal,
    *,
    valid_from: datetime | None,
    devices: Mapping[str, ListedPrice],
    now: datetime,
) -> datetime:
    """The instant from which prices would hold, if they can be published.

    Raises:
        ForbiddenError, NaiveTimeError, PriceListPastError, UnknownDevicesError: see `publish_price_list`.
    """
    principal.require_manager("publish prices")
    start = now if valid_from is None else aware_utc(valid_from, field="valid_from")
    require_not_past(start, now=now)
    known = {device.id for device in repository.find_devices(session, list(devices))}
    unknown = sorted(set(devices) - known)
    if unknown:
        raise UnknownDevicesError(
            f"there is no device {', '.join(unknown[:10])}", field="devices", rule="known-device", devices=unknown
        )
    return start


def ends_of(price_lists: Sequence[PriceList]) -> dict[int, datetime | None]:
    """When others follow each of these price lists, by version; None: nothing follows yet.

    One that ends when it begins never holds: a later version begins at the same instant.
    """
    order = sorted(price_lists, key=lambda one: (one.valid_from, one.version))
    following: list[datetime | None] = [one.valid_from for one in order[1:]]
    return {one.version: end for one, end in zip(order, [*following, None], strict=True)} if order else {}


def list_price_lists(
    session: Session, principal: Principal, wish: PageWish, *, now: datetime
) -> tuple[Page[PriceList], int | None]:
    """The price lists, the newest first, and the version that counts now (staff).

    Raises:
        ForbiddenError: for anybody else, who see prices in their quotes.
    """
    principal.require_staff("read price lists; ask for a quote instead")
    return repository.list_price_lists(session, wish), repository.price_list_in_force(session, now=now)


def get_price_list(session: Session, principal: Principal, version: int) -> PriceList:
    """One price list (staff).

    Raises:
        ForbiddenError: for anybody else.
        PriceListUnknownError: there is no such version.
    """
    principal.require_staff("read price lists; ask for a quote instead")
    found = repository.find_price_list(session, version)
    if found is None:
        raise PriceListUnknownError("there is no such price list", field="version", rule="known-price-list")
    return found


def create_programme(
    session: Session,
    principal: Principal,
    *,
    name: str,
    legal_basis: LegalBasis,
    price_per_mille: int,
    state_share_per_mille: int,
    valid_from: datetime,
    valid_until: datetime | None,
    now: datetime,
) -> Programme:
    """Set up a programme that pays a part of the price (managers). Its terms never change.

    Args:
        session: of a write transaction.
        principal: a manager.
        name: for people, unique.
        legal_basis: on what ground; market and none give no support.
        price_per_mille: of the market value, what a company pays.
        state_share_per_mille: of the rest, what counts as state aid.
        valid_from: bookings made from then on are in it.
        valid_until: bookings made from then on are not any more; None: without end.
        now: the present instant.

    Raises:
        ForbiddenError: for anybody but managers.
        NaiveTimeError, EmptySpanError, ProgrammeTermsError: terms that contradict themselves.
        ProgrammeNameTakenError: another one has this name.
    """
    principal.require_manager("set up programmes")
    valid_from = aware_utc(valid_from, field="valid_from")
    valid_until = None if valid_until is None else aware_utc(valid_until, field="valid_until")
    require_terms(
        legal_basis, state_share_per_mille=state_share_per_mille, valid_from=valid_from, valid_until=valid_until
    )
    taken = ProgrammeNameTakenError(f"there is already a programme named {name}", field="name", rule="unique")
    if repository.programme_named(session, name) is not None:
        raise taken
    programme = Programme(
        id=new_id("prg"),
        name=name,
        legal_basis=legal_basis.value,
        price_per_mille=price_per_mille,
        state_share_per_mille=state_share_per_mille,
        valid_from=valid_from,
        valid_until=valid_until,
        created_by=principal.account_id,
        created_at=now,
    )
    try:
        with session.begin_nested():
            session.add(programme)
    except IntegrityError as error:  # somebody set it up between the look and the write
        raise taken from error
    terms = {
        "name": name,
        "legal_basis": programme.legal_basis,
        "price_per_mille": price_per_mille,
        "state_share_per_mille": state_share_per_mille,
    }
    _note(session, "programme", programme.id, "created", principal, now, after=terms)
    return programme


def list_programmes(session: Session, principal: Principal) -> list[Programme]:
    """The programmes by name (staff).

    Raises:
        ForbiddenError: for anybody else.
    """
    principal.require_staff("see programmes")
    return repository.list_programmes(session)


def get_programme(
    session: Session, principal: Principal, programme_id: str
) -> tuple[Programme, list[tuple[ProgrammeMember, str]]]:
    """One programme, with the companies that are or were in it and their names (staff).

    Raises:
        ForbiddenError: for anybody else.
        ProgrammeUnknownError: there is none.
    """
    principal.require_staff("see programmes")
    programme = _known_programme(session, programme_id)
    return programme, repository.members(session, programme.id)


def add_company(
    session: Session, principal: Principal, programme_id: str, organisation_id: str, *, now: datetime
) -> ProgrammeMember:
    """Take a company into a programme: what it books from now on is on its terms (managers). Twice is no error.

    Raises:
        ForbiddenError: for anybody but managers.
        ProgrammeUnknownError, OrganisationUnknownError: there is none.
        NoCompanyError: the lab itself is in no programme.
        CompanyInProgrammeError: it is in another one that holds at the same time.
    """
    principal.require_manager("take companies into programmes")
    programme = _known_programme(session, programme_id)
    company = _locked_company(session, organisation_id)
    own = None
    for member, other in repository.memberships(session, company.id):
        if other.id == programme.id:
            own = member
        elif member.left_at is None and _overlap(programme, other):
            raise CompanyInProgrammeError(
                f"{company.name} is in the programme “{other.name}” at that time; take it out of that one first",
                field="organisation_id",
                rule="one-programme-at-a-time",
                programme_id=other.id,
            )
    if own is not None and own.left_at is None:
        return own
    if own is None:
        own = ProgrammeMember(
            programme_id=programme.id,
            organisation_id=company.id,
            added_by=principal.account_id,
            added_at=now,
            left_at=None,
        )
        session.add(own)
    else:
        own.added_by, own.added_at, own.left_at = principal.account_id, now, None
    session.flush()
    _note(session, "programme", programme.id, "company added", principal, now, after={"organisation_id": company.id})
    return own


def remove_company(
    session: Session, principal: Principal, programme_id: str, organisation_id: str, *, now: datetime
) -> ProgrammeMember:
    """Take a company out of a programme (managers): what it has booked stays as it is. Twice is no error.

    Raises:
        ForbiddenError: for anybody but managers.
        ProgrammeUnknownError, OrganisationUnknownError, CompanyNotInProgrammeError: there is none.
    """
    principal.require_manager("take companies out of programmes")
    programme = _known_programme(session, programme_id)
    company = _locked_company(session, organisation_id)
    known = repository.memberships(session, company.id)
    member = next((member for member, of in known if of.id == programme.id), None)
    if member is None:
        raise CompanyNotInProgrammeError(
            f"{company.name} is not in the programme “{programme.name}”",
            field="organisation_id",
            rule="company-in-programme",
        )
    if member.left_at is None:
        member.left_at = now
        before = {"organisation_id": company.id}
        _note(session, "programme", programme.id, "company removed", principal, now, before=before)
        session.flush()
    return member


def _known_programme(session: Session, programme_id: str) -> Programme:
    found = repository.find_programme(session, programme_id)
    if found is None:
        raise ProgrammeUnknownError("there is no such programme", field="programme_id", rule="known-programme")
    return found


def _locked_company(session: Session, organisation_id: str) -> Organisation:
    """Locked, so that two managers at once cannot take it into two programmes."""
    found = lock_organisation(session, organisation_id)
    if found is None:
        raise OrganisationUnknownError(
            "there is no such organisation", field="organisation_id", rule="known-organisation"
        )
    if found.kind == "lab":
        raise NoCompanyError(
            "the lab itself is in no programme; name a company or a partner", field="organisation_id", rule="company"
        )
    return found


def _overlap(one: Programme, other: Programme) -> bool:
    return (one.valid_until is None or other.valid_from < one.valid_until) and (
        other.valid_until is None or one.valid_from < other.valid_until
    )


def _note(
    session: Session,
    subject: str,
    subject_id: str,
    what: str,
    principal: Principal,
    now: datetime,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    note_change(session, subject, subject_id, what, by=principal.account_id, at=now, before=before, after=after)
