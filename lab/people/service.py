"""What is done with organisations, accounts, sign-ins and API tokens; the caller owns the transaction."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lab.core.audit import note_change
from lab.core.catalogues import Language, language_named
from lab.core.ids import new_id
from lab.people import repository
from lab.people.errors import (
    AccountUnknownError,
    LastManagerError,
    NotSignedInError,
    OrganisationNameTakenError,
    OrganisationUnknownError,
    SignInNameTakenError,
    SignInRefusedError,
    TokenInvalidError,
    TokenUnknownError,
)
from lab.people.models import Account, ApiToken, Organisation, WebSession
from lab.people.passwords import hash_password, hash_token, new_token, verify_password
from lab.people.principals import Principal, Role
from lab.people.rules import (
    SESSION_LENGTH,
    check_at_browser,
    check_organisation,
    check_password,
    check_role_fits,
    check_token_life,
    checked_language,
    checked_name,
    checked_scopes,
    checked_sign_in,
    checked_undertaking,
)

# --- organisations ---

_FACTS = ("name", "size_class", "nace", "region", "undertaking")
"""What of an organisation can be corrected; not its kind, to which its people's roles are bound."""


def create_organisation(
    session: Session,
    principal: Principal,
    *,
    name: str,
    kind: str = "company",
    size_class: str | None = None,
    nace: str | None = None,
    region: str | None = None,
    undertaking: str | None = None,
    now: datetime,
) -> Organisation:
    """Register the lab itself, a company or a partner (staff; as part of an undertaking, managers).

    Raises:
        ForbiddenError: for anybody else.
        OrganisationFactError: a fact of a wrong form.
        OrganisationNameTakenError: another one has this name.
    """
    principal.require_staff("register organisations")
    if undertaking is not None:
        principal.require_manager("say which companies are linked")
    name = checked_name(name)
    check_organisation(kind=kind, size_class=size_class, nace=nace, region=region)
    undertaking = checked_undertaking(undertaking)
    taken = _name_taken(name)
    if repository.organisation_named(session, name) is not None:
        raise taken
    organisation = Organisation(
        id=new_id("org"),
        name=name,
        kind=kind,
        size_class=size_class,
        nace=nace,
        region=region,
        undertaking=undertaking,
        created_at=now,
    )
    session.add(organisation)
    try:
        session.flush()
    except IntegrityError as error:  # somebody registered it between the look and the write
        raise taken from error
    return organisation


def change_organisation(
    session: Session, principal: Principal, organisation_id: str, facts: Mapping[str, str | None], *, now: datetime
) -> Organisation:
    """Correct the facts about an organisation (managers).

    Args:
        session: of a write transaction.
        principal: a manager.
        organisation_id: which.
        facts: of `name`, `size_class`, `nace`, `region` and `undertaking` those that change.
        now: the present instant.

    Raises:
        ForbiddenError: for anybody but managers.
        OrganisationUnknownError: there is none.
        BlankNameError, OrganisationFactError: a fact of a wrong form.
        OrganisationNameTakenError: another one has this name.
    """
    principal.require_manager("change organisations")
    get_organisation(session, principal, organisation_id)
    organisation = repository.lock_organisation(session, organisation_id)
    assert organisation is not None, "organisations are never deleted"
    before = {fact: getattr(organisation, fact) for fact in _FACTS}
    after = {**before, **{fact: facts[fact] for fact in _FACTS if fact in facts}}
    after["name"] = name = checked_name(after["name"] or "")
    check_organisation(
        kind=organisation.kind, size_class=after["size_class"], nace=after["nace"], region=after["region"]
    )
    after["undertaking"] = checked_undertaking(after["undertaking"])
    changed = [fact for fact in _FACTS if after[fact] != before[fact]]
    if not changed:
        return organisation
    namesake = repository.organisation_named(session, name)
    if namesake is not None and namesake.id != organisation.id:
        raise _name_taken(name)
    for fact in changed:
        setattr(organisation, fact, after[fact])
    try:
        session.flush()
    except IntegrityError as error:  # somebody took the name between the look and the write
        raise _name_taken(name) from error
    note_change(
        session,
        "organisation",
        organisation.id,
        "changed",
        by=principal.account_id,
        at=now,
        before={fact: before[fact] for fact in changed},
        after={fact: after[fact] for fact in changed},
    )
    return organisation


def _name_taken(name: str) -> OrganisationNameTakenError:
    return OrganisationNameTakenError(f"there is already an organisation named {name}", field="name", rule="unique")


def get_organisation(session: Session, principal: Principal, organisation_id: str) -> Organisation:
    """An organisation: any for staff, their own for everybody else.

    Raises:
        OrganisationUnknownError: there is none, or it is another's.
    """
    found = repository.organisation(session, organisation_id)
    if found is None or not (principal.is_staff or principal.organisation_id == organisation_id):
        raise OrganisationUnknownError(
            "there is no such organisation", field="organisation_id", rule="known-organisation"
        )
    return found


def list_organisations(session: Session, principal: Principal) -> Sequence[Organisation]:
    """Organisations by name: all for staff, their own for everybody else."""
    return repository.organisations(session, only=None if principal.is_staff else principal.organisation_id)


# --- accounts ---

_ACCOUNT_FACTS = ("name", "role", "organisation_id")
"""What of an account can be changed by a manager; not the sign-in name, by which its owner is known."""


def create_account(
    session: Session,
    principal: Principal,
    *,
    organisation_id: str,
    sign_in: str,
    name: str,
    role: Role | str,
    password: str,
    language: str | None = None,
    now: datetime,
) -> Account:
    """Open an account (managers).

    Raises:
        OrganisationUnknownError: no such organisation.
        SignInNameError, OrganisationFactError, BlankNameError: a fact of a wrong form.
        PasswordTooShortError, PasswordTooLongError, PasswordIsNameError: a password that is no good one.
        LanguageUnknownError: a language that is not here.
        SignInNameTakenError: another account has this sign-in name.
    """
    principal.require_manager("open accounts")
    check_at_browser(principal, "open accounts")
    organisation = get_organisation(session, principal, organisation_id)
    sign_in, name, role = checked_sign_in(sign_in), checked_name(name), Role(role)
    check_role_fits(role, organisation.kind)
    check_password(password, sign_in=sign_in)
    taken = SignInNameTakenError(f"the sign-in name {sign_in} is taken", field="sign_in", rule="unique")
    if repository.account_signing_in_as(session, sign_in) is not None:
        raise taken
    account = Account(
        id=new_id("acc"),
        organisation_id=organisation.id,
        sign_in=sign_in,
        name=name,
        role=role.value,
        password_hash=hash_password(password),
        created_at=now,
        disabled_at=None,
        language=checked_language(language),
    )
    session.add(account)
    try:
        session.flush()
    except IntegrityError as error:  # somebody took it between the look and the write
        raise taken from error
    facts = {"sign_in": sign_in, "name": name, "role": role.value, "organisation_id": organisation.id}
    _note(session, account, "opened", by=principal, at=now, after=facts)
    return account


def change_account(
    session: Session, principal: Principal, account_id: str, facts: Mapping[str, str], *, now: datetime
) -> Account:
    """Give somebody another name, role or organisation (managers); what they did before stays with the former one.

    With another role or organisation their API tokens end: those were made for what they were.

    Args:
        session: of a write transaction.
        principal: a manager.
        account_id: whose.
        facts: of `name`, `role` and `organisation_id` those that change.
        now: the present instant.

    Raises:
        ForbiddenError: for anybody but managers.
        AccountUnknownError, OrganisationUnknownError: there is none.
        BlankNameError, OrganisationFactError: a fact of a wrong form.
        LastManagerError: the lab would be left without a manager.
    """
    principal.require_manager("change accounts")
    check_at_browser(principal, "change accounts")
    managers = repository.lock_open_managers(session)
    account = _lock_account(session, account_id)
    before = {fact: getattr(account, fact) for fact in _ACCOUNT_FACTS}
    after = {**before, **{fact: facts[fact] for fact in _ACCOUNT_FACTS if fact in facts}}
    after["name"], role = checked_name(after["name"]), Role(after["role"])
    check_role_fits(role, get_organisation(session, principal, after["organisation_id"]).kind)
    changed = [fact for fact in _ACCOUNT_FACTS if after[fact] != before[fact]]
    if "role" in changed:
        _keep_a_manager(managers, account)
    for fact in changed:
        setattr(account, fact, after[fact])
    if set(changed) - {"name"}:
        repository.revoke_tokens_of(session, account.id, now=now)
    if changed:
        was, is_now = ({fact: told[fact] for fact in changed} for told in (before, after))
        _note(session, account, "changed", by=principal, at=now, before=was, after=is_now)
    return account


def _lock_account(session: Session, account_id: str) -> Account:
    account = repository.lock_account(session, account_id)
    if account is None:
        raise AccountUnknownError("there is no such account", field="account_id", rule="known-account")
    return account


def _keep_a_manager(managers: Collection[str], account: Account) -> None:
    """Refuse to let the last lab manager go."""
    if set(managers) == {account.id}:
        raise LastManagerError("this is the last lab manager; open another manager's account first")


def _note(
    session: Session,
    account: Account,
    what: str,
    *,
    by: Principal,
    at: datetime,
    before: Mapping[str, str] | None = None,
    after: Mapping[str, str] | None = None,
) -> None:
    note_change(session, "account", account.id, what, by=by.account_id, at=at, before=before, after=after)


def list_accounts(session: Session, principal: Principal) -> Sequence[Account]:
    """Accounts by name: all for staff, those of their own organisation for everybody else."""
    return repository.accounts(session, organisation_id=None if principal.is_staff else principal.organisation_id)


def reset_password(session: Session, principal: Principal, *, sign_in: str, password: str, now: datetime) -> Account:
    """Give somebody a new password (managers). Ends their browser sessions and revokes their API tokens.

    Raises:
        AccountUnknownError: no such account.
        PasswordTooShortError, PasswordTooLongError, PasswordIsNameError: a rule.
    """
    principal.require_manager("reset passwords")
    check_at_browser(principal, "reset passwords")
    account = repository.account_signing_in_as(session, sign_in.strip().lower())
    if account is None:
        raise AccountUnknownError(
            f"there is no account with the sign-in name {sign_in[:100]}", field="sign_in", rule="known-account"
        )
    check_password(password, sign_in=account.sign_in)
    account.password_hash = hash_password(password)
    repository.delete_sessions_of(session, account.id)
    repository.revoke_tokens_of(session, account.id, now=now)
    _note(session, account, "password-reset", by=principal, at=now)
    return account


def change_password(session: Session, principal: Principal, *, old: str, new: str) -> None:
    """Change one's own password. Ends all browser sessions of the account; API tokens stay.

    Raises:
        SignInRefusedError: the old password is wrong.
        PasswordTooShortError, PasswordTooLongError, PasswordIsNameError: a rule.
    """
    check_at_browser(principal, "change passwords")
    account = repository.account(session, principal.account_id)
    if account is None or not verify_password(old, account.password_hash):
        raise SignInRefusedError("the present password is not right", field="old")
    check_password(new, sign_in=account.sign_in)
    account.password_hash = hash_password(new)
    repository.delete_sessions_of(session, account.id)


def language_of(session: Session, principal: Principal) -> Language | None:
    """The language that somebody has chosen, if they have."""
    account = repository.account(session, principal.account_id)
    return language_named(account.language) if account is not None else None


def choose_language(session: Session, principal: Principal, language: str) -> None:
    """Keep the language that somebody has chosen for themselves; mails come in it from now on.

    Raises:
        LanguageUnknownError: a language that is not here.
    """
    chosen = checked_language(language)
    account = repository.account(session, principal.account_id)
    if account is not None and account.language != chosen:
        account.language = chosen


def disable_account(session: Session, principal: Principal, account_id: str, *, now: datetime) -> Account:
    """Close an account (managers): its sessions end and its tokens are refused from now on; its history stays.

    Raises:
        AccountUnknownError: no such account.
        LastManagerError: it is the last open account of a lab manager.
    """
    principal.require_manager("close accounts")
    check_at_browser(principal, "close accounts")
    managers = repository.lock_open_managers(session)
    account = _lock_account(session, account_id)
    if account.disabled_at is not None:
        return account
    _keep_a_manager(managers, account)
    account.disabled_at = now
    repository.delete_sessions_of(session, account.id)
    _note(session, account, "closed", by=principal, at=now)
    return account


# --- sign-in ---


def authenticate(session: Session, *, sign_in: str, password: str) -> Account:
    """The account to which name and password belong; takes as long for names that do not exist.

    Raises:
        SignInRefusedError: they do not belong together, or the account is closed.
    """
    account = repository.account_signing_in_as(session, sign_in.strip().lower())
    fits = verify_password(password, None if account is None else account.password_hash)
    if account is None or not fits or account.disabled_at is not None:
        raise SignInRefusedError("sign-in name and password do not belong together; please try again")
    return account


def open_session(session: Session, account_id: str, *, now: datetime) -> str:
    """Start a browser session of an account that has been authenticated; returns the secret for the cookie."""
    repository.delete_expired_sessions(session, now=now)
    token = new_token("pls")
    session.add(
        WebSession(token_hash=hash_token(token), account_id=account_id, created_at=now, expires_at=now + SESSION_LENGTH)
    )
    session.flush()
    return token


def sign_in(session: Session, *, sign_in: str, password: str, now: datetime) -> str:
    """Sign in with a password; returns the secret for the cookie, valid for `SESSION_LENGTH`.

    Raises:
        SignInRefusedError: name and password do not belong together, or the account is closed.
    """
    return open_session(session, authenticate(session, sign_in=sign_in, password=password).id, now=now)


def sign_out(session: Session, token: str) -> None:
    """End a browser session; one that is unknown or over is no error."""
    repository.delete_session(session, hash_token(token))


def principal_of_session(session: Session | Connection, token: str, now: datetime) -> Principal:
    """Who is behind a cookie.

    Raises:
        NotSignedInError: the session is unknown or over, or the account is closed.
    """
    principal = repository.principal_of_session(session, hash_token(token), now=now)
    if principal is None:
        raise NotSignedInError("you are not signed in any more; please sign in")
    return principal


# --- API tokens ---


def create_api_token(
    session: Session,
    principal: Principal,
    *,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
    now: datetime,
) -> tuple[ApiToken, str]:
    """Make a token with which a program may act for this person; returns it with its secret, shown only now.

    Raises:
        ForbiddenError: a token may not make tokens.
        ScopeUnknownError, TokenLifeError, BlankNameError: a rule.
        AccountUnknownError: whoever asks has no account.
    """
    check_at_browser(principal, "make API tokens")
    check_token_life(expires_at, now=now)
    if repository.account(session, principal.account_id) is None:
        raise AccountUnknownError("only somebody with an account can have API tokens", account=principal.account_id)
    secret = new_token("plt")
    token = ApiToken(
        id=new_id("tok"),
        account_id=principal.account_id,
        name=checked_name(name),
        token_hash=hash_token(secret),
        scopes=checked_scopes(scopes),
        created_at=now,
        expires_at=expires_at,
        revoked_at=None,
    )
    session.add(token)
    session.flush()
    return token, secret


def list_api_tokens(session: Session, principal: Principal) -> Sequence[ApiToken]:
    """One's own tokens, newest first; the secrets are not kept and cannot be shown."""
    return repository.tokens_of(session, principal.account_id)


def revoke_api_token(session: Session, principal: Principal, token_id: str, *, now: datetime) -> ApiToken:
    """Revoke one of one's own tokens; at once, for ever. Doing it twice is no error.

    Raises:
        TokenUnknownError: no such token of this person.
    """
    token = repository.token(session, token_id)
    if token is None or token.account_id != principal.account_id:
        raise TokenUnknownError("you have no such API token", field="token_id", rule="known-token")
    token.revoked_at = token.revoked_at or now
    return token


def principal_of_token(session: Session | Connection, secret: str, now: datetime) -> Principal:
    """Who is behind an API token, with the token's scopes.

    Raises:
        TokenInvalidError: it is unknown, expired or revoked, or the account is closed.
    """
    principal = repository.principal_of_token(session, hash_token(secret), now=now)
    if principal is None:
        raise TokenInvalidError("this API token is not valid; make a new one on your account")
    return principal
