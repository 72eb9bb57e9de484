"""People and companies: who may sign in, as what, and what they are trained for."""

import secrets
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from bookings.rulebook import trainings
from lab.core.errors import ConflictError, InvalidError, NotFoundError
from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.paging import PageWish
from lab.people import service
from lab.people.endpoints import PrincipalDep
from lab.people.principals import Role
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.rendering import page
from lab.web.training_names import known_trainings
from lab.web.wording import ROLES, plain_words, sentence

router = APIRouter(prefix="/manage/people")

_MOST = 500
_KINDS = ("company", "partner")
"""That a page registers; the lab is there from the first start."""
_PASSWORD_BYTES = 12
_DONE = {
    "company": N_("The company is registered."),
    "corrected": N_("What is known of the company is changed. It stands in the log of changes."),
    "changed": N_("The account is changed. It stands in the log of changes."),
    "closed": N_("The account is closed. Nobody can sign in with it."),
    "trained": N_("The training is noted."),
    "ended": N_("The training is ended."),
}
Line = Annotated[str, Form(max_length=200)]


@router.get("")
def show_people(request: Request, principal: PrincipalDep, database: DatabaseDep, done: str = "") -> Response:
    """Companies, accounts and trainings."""
    return _page(request, principal, database, done=_(_DONE[done]) if done in _DONE else "")


@router.post("/companies")
def submit_company(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    name: Line = "",
    kind: Line = "company",
    size_class: Line = "",
    nace: Line = "",
    region: Line = "",
) -> Response:
    """Register a company or a partner."""
    facts = _company_facts(size_class, nace, region)
    if kind not in _KINDS:
        return _page(request, principal, database, problem=_("Please check what you have typed."))
    try:
        database.transact(
            lambda session: service.create_organisation(
                session, principal, name=plain_words(name), kind=kind, **facts, now=clock.now()
            )
        )
    except (InvalidError, ConflictError) as error:
        return _page(request, principal, database, problem=sentence(error.message, settings.time_zone))
    return RedirectResponse("/manage/people?done=company", 303)


@router.post("/companies/{organisation_id}/change")
def submit_company_change(
    request: Request,
    organisation_id: str,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    name: Line = "",
    size_class: Line = "",
    nace: Line = "",
    region: Line = "",
    undertaking: Line = "",
) -> Response:
    """Correct what is known of a company; what is left empty is not known any more."""
    facts = {"name": plain_words(name), **_company_facts(size_class, nace, region)}
    facts["undertaking"] = plain_words(undertaking) or None
    try:
        database.transact(
            lambda session: service.change_organisation(session, principal, organisation_id, facts, now=clock.now())
        )
    except (InvalidError, ConflictError) as error:
        return _page(request, principal, database, problem=sentence(error.message, settings.time_zone))
    return RedirectResponse("/manage/people?done=corrected#companies", 303)


def _company_facts(size_class: str, nace: str, region: str) -> dict[str, str | None]:
    return {
        "size_class": size_class or None,
        "nace": plain_words(nace).upper() or None,
        "region": plain_words(region).upper() or None,
    }


@router.post("/accounts")
def submit_account(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    organisation_id: Line = "",
    sign_in: Line = "",
    name: Line = "",
    role: Line = Role.MEMBER,
    language: Line = "",
) -> Response:
    """Open an account with a password that is shown once."""
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    try:
        database.transact(
            lambda session: service.create_account(
                session,
                principal,
                organisation_id=organisation_id,
                sign_in=plain_words(sign_in),
                name=plain_words(name),
                role=role,
                password=password,
                language=language or None,
                now=clock.now(),
            )
        )
    except (InvalidError, ConflictError, NotFoundError) as error:
        return _page(request, principal, database, problem=sentence(error.message, settings.time_zone))
    return _page(request, principal, database, shown=(plain_words(sign_in), password))


@router.post("/accounts/change")
def submit_change(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    account_id: Line = "",
    role: Line = "",
    organisation_id: Line = "",
) -> Response:
    """Give somebody another role or company; what is left empty stays as it is."""
    facts = {fact: said for fact, said in (("role", role), ("organisation_id", organisation_id)) if said}
    try:
        database.transact(
            lambda session: service.change_account(session, principal, account_id, facts, now=clock.now())
        )
    except (InvalidError, ConflictError, NotFoundError) as error:
        return _page(request, principal, database, problem=sentence(error.message, settings.time_zone))
    return RedirectResponse("/manage/people?done=changed", 303)


@router.post("/accounts/{account_id}/close")
def submit_closing(account_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> Response:
    """Nobody can sign in with it any more."""
    database.transact(lambda session: service.disable_account(session, principal, account_id, now=clock.now()))
    return RedirectResponse("/manage/people?done=closed", 303)


@router.post("/passwords")
def submit_password(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    sign_in: Line = "",
) -> Response:
    """A new password for somebody who has forgotten it, shown once."""
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    try:
        database.transact(
            lambda session: service.reset_password(
                session, principal, sign_in=sign_in, password=password, now=clock.now()
            )
        )
    except (InvalidError, NotFoundError) as error:
        return _page(request, principal, database, problem=sentence(error.message, settings.time_zone))
    return _page(request, principal, database, shown=(sign_in, password))


@router.post("/trainings")
def submit_training(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    clock: ClockDep,
    settings: SettingsDep,
    account_id: Line = "",
    name: Line = "",
    days: Annotated[int, Form(ge=1, le=3660)] = 730,
) -> Response:
    """Note that somebody was trained, for so many days."""
    now = clock.now()
    try:
        database.transact(
            lambda session: trainings.grant_qualification(
                session,
                principal,
                account_id=account_id,
                name=plain_words(name).lower(),
                expires_at=now + timedelta(days=days),
                now=now,
            )
        )
    except (InvalidError, ConflictError, NotFoundError) as error:
        return _page(request, principal, database, problem=sentence(error.message, settings.time_zone))
    return RedirectResponse("/manage/people?done=trained", 303)


@router.post("/trainings/{qualification_id}/end")
def submit_end(qualification_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> Response:
    """The training counts no more."""
    database.transact(
        lambda session: trainings.revoke_qualification(session, principal, qualification_id, now=clock.now())
    )
    return RedirectResponse("/manage/people?done=ended", 303)


def _page(
    request: Request,
    principal: PrincipalDep,
    database: DatabaseDep,
    *,
    done: str = "",
    problem: str = "",
    shown: tuple[str, str] | None = None,
) -> Response:
    principal.require_staff("look after people")
    with database.read() as session:
        organisations = service.list_organisations(session, principal)
        accounts = service.list_accounts(session, principal)
        return page(
            request,
            "people.html",
            title=_("People"),
            principal=principal,
            status=422 if problem else 200,
            here="/manage/people",
            organisations=organisations,
            organisation_names={one.id: one.name for one in organisations},
            accounts=accounts,
            account_names={one.id: one.name for one in accounts},
            training_names=known_trainings(session, principal),
            trainings=trainings.page_of_qualifications(session, principal, PageWish(_MOST)).rows,
            roles=list(ROLES),
            done=done,
            problem=problem,
            shown=shown,
        )
