"""Sign-in over HTTP, and who is asking."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.datastructures import URL

from lab.core.http import ClockDep, DatabaseDep, SettingsDep
from lab.core.idempotency import IdempotencyDep, once
from lab.core.settings import Settings
from lab.people import service
from lab.people.attempts import FailedAttempts
from lab.people.errors import NotSignedInError, SignInRefusedError
from lab.people.models import Account, ApiToken, Organisation
from lab.people.principals import Principal
from lab.people.rules import SESSION_LENGTH, check_scope
from lab.people.schemas import (
    AccountAnswer,
    AccountChange,
    MeAnswer,
    NewAccount,
    NewOrganisation,
    NewToken,
    NewTokenAnswer,
    OrganisationAnswer,
    OrganisationChange,
    PasswordChange,
    PasswordReset,
    SignInRequest,
    TokenAnswer,
)

SESSION_COOKIE = "pilotlab_session"

router = APIRouter(prefix="/api/v1", tags=["people"])


def bearer_token(request: Request) -> str | None:
    """The API token of `Authorization: Bearer …`, if there is one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def principal_of(request: Request, database: DatabaseDep, clock: ClockDep) -> Principal:
    """Who is asking: by API token, else by the cookie of the browser session.

    An API token's scope is checked here, by the method of the request, for every endpoint alike.

    Raises:
        NotSignedInError, TokenInvalidError: nobody known.
        ScopeMissingError: a token that was not made for this.
    """
    token, cookie = bearer_token(request), request.cookies.get(SESSION_COOKIE)
    if token is None and cookie is None:
        raise NotSignedInError("please sign in")
    with database.look() as session:
        if token is not None:
            principal = service.principal_of_token(session, token, clock.now())
        else:
            principal = service.principal_of_session(session, cookie or "", clock.now())
    check_scope(principal, request.method)
    request.state.principal = principal  # so that a page about a later mishap knows who reads it
    return principal


PrincipalDep = Annotated[Principal, Depends(principal_of)]


def attempts_of(request: Request) -> FailedAttempts:
    """The count of failed sign-ins of this application."""
    state = request.app.state
    if not hasattr(state, "failed_attempts"):
        state.failed_attempts = FailedAttempts()
    found: FailedAttempts = state.failed_attempts
    return found


def sign_in_guarded(request: Request, database: DatabaseDep, clock: ClockDep, *, sign_in: str, password: str) -> str:
    """Sign in, counting failures; the slow part (the password's hash) holds no write transaction.

    Raises:
        TooManyAttemptsError, SignInRefusedError: see there.
    """
    attempts, name = attempts_of(request), sign_in.strip().lower()
    address = request.client.host if request.client else ""
    attempts.check(name, address)
    try:
        with database.read() as session:
            account = service.authenticate(session, sign_in=name, password=password)
    except SignInRefusedError:
        attempts.note_failure(name, address)
        raise
    attempts.forget(name, address)
    return database.transact(lambda session: service.open_session(session, account.id, now=clock.now()))


def set_session_cookie(response: Response, request: Request, settings: Settings, token: str) -> None:
    """Give the browser its session: unreadable for scripts, never sent along from other sites."""
    response.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=int(SESSION_LENGTH.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=URL(settings.public_url or str(request.url)).scheme == "https",
    )


@router.post("/session", status_code=204)
def start_session(
    body: SignInRequest, request: Request, database: DatabaseDep, clock: ClockDep, settings: SettingsDep
) -> Response:
    """Sign in: sets the session cookie."""
    token = sign_in_guarded(request, database, clock, sign_in=body.sign_in, password=body.password)
    response = Response(status_code=204)
    set_session_cookie(response, request, settings, token)
    return response


@router.delete("/session", status_code=204)
def end_session(request: Request, database: DatabaseDep) -> Response:
    """Sign out: ends the session, also when it was over already."""
    cookie = request.cookies.get(SESSION_COOKIE)
    if cookie is not None:
        database.transact(lambda session: service.sign_out(session, cookie))
    response = Response(status_code=204)
    response.delete_cookie(SESSION_COOKIE)
    return response


@router.get("/me", response_model=MeAnswer)
def read_me(principal: PrincipalDep, database: DatabaseDep) -> MeAnswer:
    """Who is asking."""
    with database.read() as session:
        organisation = service.get_organisation(session, principal, principal.organisation_id)
    return MeAnswer(
        account_id=principal.account_id,
        name=principal.name,
        role=principal.role,
        organisation=OrganisationAnswer.model_validate(organisation),
        scopes=None if principal.scopes is None else sorted(principal.scopes),
    )


@router.put("/me/password", status_code=204)
def change_password(body: PasswordChange, principal: PrincipalDep, database: DatabaseDep) -> None:
    """Change one's own password; everybody signed in with the old one is signed out."""
    database.transact(lambda session: service.change_password(session, principal, old=body.old, new=body.new))


@router.get("/organisations", response_model=list[OrganisationAnswer])
def list_organisations(principal: PrincipalDep, database: DatabaseDep) -> Sequence[Organisation]:
    """Organisations: all for staff, one's own for everybody else."""
    with database.read() as session:
        return service.list_organisations(session, principal)


@router.post("/organisations", status_code=201, response_model=OrganisationAnswer)
def create_organisation(
    body: NewOrganisation, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep, request_key: IdempotencyDep
) -> Response:
    """Register an organisation (staff)."""
    return once(
        request_key,
        database,
        principal,
        clock,
        lambda session: service.create_organisation(session, principal, **body.model_dump(), now=clock.now()),
        answer=OrganisationAnswer.model_validate,
    )


@router.get("/organisations/{organisation_id}", response_model=OrganisationAnswer)
def read_organisation(organisation_id: str, principal: PrincipalDep, database: DatabaseDep) -> Organisation:
    """One organisation."""
    with database.read() as session:
        return service.get_organisation(session, principal, organisation_id)


@router.patch("/organisations/{organisation_id}", response_model=OrganisationAnswer)
def change_organisation(
    organisation_id: str, body: OrganisationChange, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> Organisation:
    """Correct facts about an organisation (managers); what is left out stays as it is."""
    facts = body.model_dump(exclude_unset=True)
    return database.transact(
        lambda session: service.change_organisation(session, principal, organisation_id, facts, now=clock.now())
    )


@router.get("/accounts", response_model=list[AccountAnswer])
def list_accounts(principal: PrincipalDep, database: DatabaseDep) -> Sequence[Account]:
    """Accounts: all for staff, those of one's own organisation for everybody else."""
    with database.read() as session:
        return service.list_accounts(session, principal)


@router.post("/accounts", status_code=201, response_model=AccountAnswer)
def create_account(body: NewAccount, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> Account:
    """Open an account (managers)."""
    return database.transact(
        lambda session: service.create_account(session, principal, **body.model_dump(), now=clock.now())
    )


@router.patch("/accounts/{account_id}", response_model=AccountAnswer)
def change_account(
    account_id: str, body: AccountChange, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep
) -> Account:
    """Give somebody another name, role or organisation (managers); what is left out stays as it is."""
    facts = body.model_dump(mode="json", exclude_unset=True)
    return database.transact(
        lambda session: service.change_account(session, principal, account_id, facts, now=clock.now())
    )


@router.post("/accounts/password-reset", status_code=204)
def reset_password(body: PasswordReset, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> None:
    """Give somebody a new password (managers); ends their sessions and revokes their tokens."""
    database.transact(
        lambda session: service.reset_password(
            session, principal, sign_in=body.sign_in, password=body.password, now=clock.now()
        )
    )


@router.post("/accounts/{account_id}/disable", response_model=AccountAnswer)
def disable_account(account_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> Account:
    """Close an account (managers)."""
    return database.transact(lambda session: service.disable_account(session, principal, account_id, now=clock.now()))


@router.get("/tokens", response_model=list[TokenAnswer])
def list_tokens(principal: PrincipalDep, database: DatabaseDep) -> Sequence[ApiToken]:
    """One's own API tokens."""
    with database.read() as session:
        return service.list_api_tokens(session, principal)


@router.post("/tokens", status_code=201, response_model=NewTokenAnswer)
def create_token(body: NewToken, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> NewTokenAnswer:
    """Make an API token; its secret is shown only in this answer."""
    token, secret = database.transact(
        lambda session: service.create_api_token(session, principal, **body.model_dump(), now=clock.now())
    )
    return NewTokenAnswer(**TokenAnswer.model_validate(token).model_dump(), secret=secret)


@router.delete("/tokens/{token_id}", response_model=TokenAnswer)
def revoke_token(token_id: str, principal: PrincipalDep, database: DatabaseDep, clock: ClockDep) -> ApiToken:
    """Revoke an API token; it works no more from this moment on."""
    return database.transact(lambda session: service.revoke_api_token(session, principal, token_id, now=clock.now()))
