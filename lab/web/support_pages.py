"""Public support: programmes with their companies, the ledger of what was granted, and what others have granted."""

from datetime import UTC, date, datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from bookings.prices import publishing
from bookings.prices.models import Programme, ProgrammeMember
from bookings.prices.other_aid import counter_other_aid, list_other_aid, record_other_aid
from bookings.prices.other_aid_schemas import CounterRequest, OtherAidRequest
from bookings.prices.rules import LegalBasis
from bookings.prices.schemas import ProgrammeRequest
from bookings.prices.service import list_support
from lab.core.errors import ConflictError, InvalidError, NotFoundError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.paging import PageWish
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Principal
from lab.people.service import list_organisations
from lab.web.afterwards_pages import read_euros
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.rendering import page
from lab.web.wording import plain_words, sentence

router = APIRouter(prefix="/manage/support")

BASES = {
    LegalBasis.DE_MINIMIS: N_("de minimis, (EU) 2023/2831"),
    LegalBasis.GBER_25: N_("(EU) 651/2014 (GBER), article 25"),
    LegalBasis.GBER_28: N_("(EU) 651/2014 (GBER), article 28"),
    LegalBasis.MARKET: N_("market price, no support"),
    LegalBasis.NONE: N_("no state aid"),
}
_DONE = {
    "programme": N_("The programme is set up. Take companies into it; what they book from then on is on its terms."),
    "joined": N_("The company is in the programme. What it books from now on is on its terms."),
    "left": N_("The company is out of the programme. What it has booked stays as it is."),
    "recorded": N_("The aid is written down and counts from its granting date on."),
    "countered": N_("The entry is taken back by one of its own; both stay in the list."),
}
_TYPED = {
    "name": N_("Please give the programme a name."),
    "valid_from": N_("Please give the first day, such as 2026-12-01."),
    "valid_until": N_("Please give the last day, such as 2027-11-30, or leave it empty."),
    "price_per_mille": N_("Please give what a company pays in per cent, from 0 to 100."),
    "state_share_per_mille": N_("Please give the state’s share in per cent, from 0 to 100."),
    "grantor": N_("Please say who granted the aid."),
    "granted_at": N_("Please give the day on which it was granted, such as 2026-03-02."),
    "cents": N_("Please give the amount in euros, such as 12500 or 12500.50."),
    "reason": N_("Please say why the entry is taken back."),
}
_CHECK = N_("Please check what you have typed.")
_MOST = 100
_EARLIEST, _LATEST = 1990, 2200
Line = Annotated[str, Form(max_length=200)]


@router.get("")
def show_support(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    organisation_id: Annotated[str, Query(max_length=40)] = "",
    cursor: Annotated[str, Query(max_length=400)] = "",
    others: Annotated[str, Query(max_length=400)] = "",
    done: str = "",
) -> Response:
    """Everybody's, or one company's with what remains of its ceiling."""
    said = _(_DONE[done]) if done in _DONE else ""
    return _page(
        request,
        principal,
        database,
        clock,
        organisation_id=organisation_id,
        cursor=cursor,
        others_from=others,
        done=said,
    )


@router.post("/programmes")
def submit_programme(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    name: Line = "",
    legal_basis: Line = "",
    price: Line = "",
    share: Line = "",
    first: Line = "",
    last: Line = "",
) -> Response:
    """Set up a programme; its terms never change."""
    typed = {"name": name, "legal_basis": legal_basis, "price": price, "share": share, "first": first, "last": last}
    try:
        wish = ProgrammeRequest.model_validate(
            {
                "name": plain_words(name),
                "legal_basis": legal_basis,
                "price_per_mille": _per_mille(price),
                "state_share_per_mille": _per_mille(share),
                "valid_from": _midnight(first, settings.time_zone),
                "valid_until": _midnight(last, settings.time_zone, after=True) or last.strip() or None,
            }
        )
        database.transact(
            lambda session: publishing.create_programme(session, principal, **dict(wish), now=clock.now())
        )
    except ValidationError as error:
        return _page(request, principal, database, clock, problem=_fault(error), typed=typed)
    except (ConflictError, InvalidError) as error:
        problem = sentence(error.message, settings.time_zone)
        return _page(request, principal, database, clock, problem=problem, typed=typed)
    return RedirectResponse("/manage/support?done=programme", 303)


@router.post("/programmes/{programme_id}/companies")
def submit_company(
    request: Request,
    programme_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    organisation_id: Line = "",
) -> Response:
    """Take a company into a programme."""
    try:
        database.transact(
            lambda session: publishing.add_company(session, principal, programme_id, organisation_id, now=clock.now())
        )
    except (ConflictError, InvalidError) as error:
        problem = sentence(error.message, settings.time_zone)
        return _page(request, principal, database, clock, problem=problem)
    return RedirectResponse("/manage/support?done=joined", 303)


@router.post("/programmes/{programme_id}/companies/{organisation_id}/leave")
def submit_leave(
    programme_id: str, organisation_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> Response:
    """Take it out again."""
    database.transact(
        lambda session: publishing.remove_company(session, principal, programme_id, organisation_id, now=clock.now())
    )
    return RedirectResponse("/manage/support?done=left", 303)


@router.post("/other-aid")
def submit_other_aid(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    organisation_id: Line = "",
    grantor: Line = "",
    reference: Line = "",
    granted: Line = "",
    amount: Line = "",
) -> Response:
    """Write down what a company declares to have had from somebody else."""
    typed = {"grantor": grantor, "reference": reference, "granted": granted, "amount": amount}
    try:
        wish = OtherAidRequest.model_validate(
            {
                "organisation_id": organisation_id,
                "grantor": plain_words(grantor),
                "granted_at": _midnight(granted, settings.time_zone),
                "cents": read_euros(amount),
                "reference": plain_words(reference) or None,
            }
        )
        database.transact(lambda session: record_other_aid(session, principal, **dict(wish), now=clock.now()))
    except ValidationError as error:
        return _page(
            request, principal, database, clock, organisation_id=organisation_id, problem=_fault(error), typed=typed
        )
    except InvalidError as error:
        problem = sentence(error.message, settings.time_zone)
        return _page(request, principal, database, clock, organisation_id=organisation_id, problem=problem, typed=typed)
    return RedirectResponse(f"/manage/support?organisation_id={wish.organisation_id}&done=recorded#others", 303)


@router.post("/other-aid/{aid_id}/take-back")
def submit_counter(
    request: Request,
    aid_id: int,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Take back an entry that was wrong; nothing is deleted."""
    try:
        wish = CounterRequest(reason=plain_words(reason))
        entry = database.transact(
            lambda session: counter_other_aid(session, principal, aid_id, reason=wish.reason, now=clock.now())
        )
    except ValidationError as error:
        return _page(request, principal, database, clock, problem=_fault(error))
    except ConflictError as error:
        problem = sentence(error.message, settings.time_zone)
        return _page(request, principal, database, clock, problem=problem)
    return RedirectResponse(f"/manage/support?organisation_id={entry.organisation_id}&done=countered#others", 303)


def _fault(error: ValidationError) -> str:
    where = error.errors()[0]["loc"]
    return _(_TYPED.get(str(where[0]) if where else "", _CHECK))


def _per_mille(typed: str) -> int | None:
    """Thousandths of a share that was typed in per cent; `None`: it is none."""
    text = typed.strip().removesuffix("%").strip().replace(",", ".")
    try:
        thousandths = float(text) * 10
    except ValueError:
        return None
    return round(thousandths) if 0 <= thousandths <= 1000 and abs(thousandths - round(thousandths)) < 1e-6 else None


def _midnight(typed: str, zone: str, *, after: bool = False) -> datetime | None:
    """The first instant of a day in the lab, or of the day after it; `None`: no day was typed."""
    try:
        day = date.fromisoformat(typed.strip())
    except ValueError:
        return None
    if not _EARLIEST <= day.year <= _LATEST:
        return None
    if after:
        day = date.fromordinal(day.toordinal() + 1)
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _programmes(session: Session, principal: Principal) -> list[tuple[Programme, list[tuple[ProgrammeMember, str]]]]:
    found = publishing.list_programmes(session, principal)
    return [publishing.get_programme(session, principal, programme.id) for programme in found]


def _page(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    *,
    organisation_id: str = "",
    cursor: str = "",
    others_from: str = "",
    done: str = "",
    problem: str = "",
    typed: dict[str, str] | None = None,
) -> Response:
    principal.require_staff("see public support")
    now = clock.now()
    with database.read() as session:
        organisations = [one for one in list_organisations(session, principal) if one.kind != "lab"]
        try:
            whose = organisation_id or None
            view = list_support(session, principal, whose, PageWish(_MOST, cursor or None), now=now)
            others = list_other_aid(session, principal, whose, PageWish(_MOST, others_from or None), now=now)
        except (InvalidError, NotFoundError):
            view = list_support(session, principal, None, PageWish(_MOST), now=now)
            others = list_other_aid(session, principal, None, PageWish(_MOST), now=now)
        programmes = _programmes(session, principal)
        return page(
            request,
            "support.html",
            title=_("Public support"),
            principal=principal,
            status=422 if problem else 200,
            here="/manage/support",
            view=view,
            others=others.page,
            countered=others.countered,
            organisations=organisations,
            organisation_names={one.id: one.name for one in organisations},
            programmes=programmes,
            programme_names={programme.id: programme.name for programme, _members in programmes},
            bases={basis.value: _(words) for basis, words in BASES.items()},
            typed=typed or {},
            done=done,
            problem=problem,
        )
