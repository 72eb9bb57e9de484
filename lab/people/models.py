"""Tables: organisations, accounts, sign-ins and API tokens."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from lab.core.database import Base, UtcDateTime


class Organisation(Base):
    """The lab itself, a company, or a partner."""

    __tablename__ = "organisations"

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(200), unique=True)
    kind: Mapped[str] = mapped_column(sa.String(20))
    """lab, company or partner."""
    size_class: Mapped[str | None] = mapped_column(sa.String(20))
    """micro, small, medium or large (EU recommendation 2003/361/EC)."""
    nace: Mapped[str | None] = mapped_column(sa.String(10))
    """Sector, NACE Rev. 2."""
    region: Mapped[str | None] = mapped_column(sa.String(5))
    """NUTS region, e.g. PL22A."""
    undertaking: Mapped[str | None] = mapped_column(sa.String(60), index=True)
    """Companies with the same name here are linked: one single undertaking in the sense of (EU) 2023/2831."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Account(Base):
    """A person who can sign in."""

    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    organisation_id: Mapped[str] = mapped_column(sa.ForeignKey("organisations.id"), index=True)
    sign_in: Mapped[str] = mapped_column(sa.String(200), unique=True)
    """Sign-in name, lower case (an e-mail address or a short name)."""
    name: Mapped[str] = mapped_column(sa.String(200))
    role: Mapped[str] = mapped_column(sa.String(20))
    password_hash: Mapped[str] = mapped_column(sa.String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    language: Mapped[str | None] = mapped_column(sa.String(10))
    """Of the mails to this person (en, pl): what they have chosen on the pages; None: nothing yet, so the lab's."""


class WebSession(Base):
    """A browser that is signed in; only the hash of its cookie is kept."""

    __tablename__ = "web_sessions"

    token_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    account_id: Mapped[str] = mapped_column(sa.ForeignKey("accounts.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ApiToken(Base):
    """A program that may act for a person; only the hash is kept."""

    __tablename__ = "api_tokens"

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    account_id: Mapped[str] = mapped_column(sa.ForeignKey("accounts.id"), index=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(sa.JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
