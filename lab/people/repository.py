"""Every query about people."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from lab.core.database import UtcDateTime, storable
from lab.people.models import Account, ApiToken, Organisation, WebSession
from lab.people.principals import Principal, Role


def organisation(session: Session, organisation_id: str) -> Organisation | None:
    """The organisation with this id."""
    return session.get(Organisation, organisation_id) if storable(organisation_id) else None


def lock_organisation(session: Session, organisation_id: str) -> Organisation | None:
    """The organisation with this id as it is now, kept from other changes until this transaction ends."""
    if not storable(organisation_id):
        return None
    return session.scalar(
        sa.select(Organisation)
        .where(Organisation.id == organisation_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


def organisation_named(session: Session, name: str) -> Organisation | None:
    """The organisation with this name, whatever the case."""
    return session.scalar(sa.select(Organisation).where(sa.func.lower(Organisation.name) == name.lower()))


def organisations(session: Session, *, only: str | None = None) -> Sequence[Organisation]:
    """All organisations by name, or the one with this id."""
    query = sa.select(Organisation).order_by(Organisation.name)
    if only is not None:
        query = query.where(Organisation.id == only)
    return session.scalars(query).all()


def account(session: Session, account_id: str) -> Account | None:
    """The account with this id."""
    return session.get(Account, account_id) if storable(account_id) else None


def lock_account(session: Session, account_id: str) -> Account | None:
    """The account with this id as it is now, kept from other changes until this transaction ends."""
    if not storable(account_id):
        return None
    return session.scalar(
        sa.select(Account)
        .where(Account.id == account_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


def account_signing_in_as(session: Session, sign_in: str) -> Account | None:
    """The account with this sign-in name (lower case)."""
    return session.scalar(sa.select(Account).where(Account.sign_in == sign_in)) if storable(sign_in) else None


def accounts(session: Session, *, organisation_id: str | None = None) -> Sequence[Account]:
    """Accounts by name, of all organisations or one."""
    query = sa.select(Account).order_by(Account.name, Account.id)
    if organisation_id is not None:
        query = query.where(Account.organisation_id == organisation_id)
    return session.scalars(query).all()


def names_of_accounts(session: Session, account_ids: Collection[str]) -> dict[str, str]:
    """The names of those of these accounts that exist, by id."""
    found = session.execute(sa.select(Account.id, Account.name).where(Account.id.in_(account_ids)))
    return dict(found.all())


def lock_open_managers(session: Session) -> set[str]:
    """Ids of the lab managers who can sign in, kept from other changes until this transaction ends."""
    query = sa.select(Account.id).where(Account.role == Role.MANAGER, Account.disabled_at.is_(None))
    return set(session.scalars(query.order_by(Account.id).with_for_update(key_share=True)))


_PRINCIPAL = (Account.id, Account.organisation_id, Account.role, Account.name)
_NOW = sa.bindparam("now", type_=UtcDateTime)
# Made once, without objects of the ORM: every request asks one of them.
_OF_SESSION = (
    sa.select(*_PRINCIPAL)
    .join(WebSession, WebSession.account_id == Account.id)
    .where(
        WebSession.token_hash == sa.bindparam("token_hash"), WebSession.expires_at > _NOW, Account.disabled_at.is_(None)
    )
)
_OF_TOKEN = (
    sa.select(*_PRINCIPAL, ApiToken.scopes)
    .join(ApiToken, ApiToken.account_id == Account.id)
    .where(
        ApiToken.token_hash == sa.bindparam("token_hash"),
        ApiToken.revoked_at.is_(None),
        sa.or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > _NOW),
        Account.disabled_at.is_(None),
    )
)


def principal_of_session(session: Session | sa.Connection, token_hash: str, *, now: datetime) -> Principal | None:
    """The open account behind a browser session that has not expired."""
    row = session.execute(_OF_SESSION, {"token_hash": token_hash, "now": now}).first()
    return None if row is None else Principal(row[0], row[1], Role(row[2]), row[3])


def principal_of_token(session: Session | sa.Connection, token_hash: str, *, now: datetime) -> Principal | None:
    """The open account behind an API token that is neither expired nor revoked, and what the token may do."""
    row = session.execute(_OF_TOKEN, {"token_hash": token_hash, "now": now}).first()
    return None if row is None else Principal(row[0], row[1], Role(row[2]), row[3], frozenset(row[4]))


def delete_session(session: Session, token_hash: str) -> None:
    """Forget one browser session."""
    session.execute(sa.delete(WebSession).where(WebSession.token_hash == token_hash))


def delete_sessions_of(session: Session, account_id: str) -> None:
    """Forget all browser sessions of an account."""
    session.execute(sa.delete(WebSession).where(WebSession.account_id == account_id))


def delete_expired_sessions(session: Session, *, now: datetime) -> None:
    """Forget browser sessions that have run out."""
    session.execute(sa.delete(WebSession).where(WebSession.expires_at <= now))


def token(session: Session, token_id: str) -> ApiToken | None:
    """The API token with this id."""
    return session.get(ApiToken, token_id) if storable(token_id) else None


def tokens_of(session: Session, account_id: str) -> Sequence[ApiToken]:
    """The API tokens of an account, newest first, revoked ones included."""
    return session.scalars(
        sa.select(ApiToken).where(ApiToken.account_id == account_id).order_by(ApiToken.created_at.desc(), ApiToken.id)
    ).all()


def revoke_tokens_of(session: Session, account_id: str, *, now: datetime) -> None:
    """Revoke all API tokens of an account."""
    session.execute(
        sa.update(ApiToken)
        .where(ApiToken.account_id == account_id, ApiToken.revoked_at.is_(None))
        .values(revoked_at=now)
    )
