"""What people say and hear over HTTP about organisations, accounts, sign-in and API tokens."""

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from lab.core.catalogues import Language
from lab.people.principals import Role


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


class SignInRequest(_Request):
    """Name and password."""

    sign_in: str = Field(max_length=200)
    password: str = Field(max_length=1000)


class NewOrganisation(_Request):
    """An organisation to register."""

    name: str
    kind: str = "company"
    """lab, company or partner."""
    size_class: str | None = None
    """micro, small, medium or large."""
    nace: str | None = None
    """Sector, NACE Rev. 2, e.g. C25."""
    region: str | None = None
    """NUTS region, e.g. PL22A."""
    undertaking: str | None = None
    """A short name that linked companies share: public support is counted over all of them (managers)."""


class OrganisationChange(_Request):
    """Other facts about an organisation; what is left out stays as it is."""

    name: str = ""
    size_class: str | None = None
    """micro, small, medium or large."""
    nace: str | None = None
    """Sector, NACE Rev. 2, e.g. C25."""
    region: str | None = None
    """NUTS region, e.g. PL22A."""
    undertaking: str | None = None
    """A short name that linked companies share: public support is counted over all of them."""


class OrganisationAnswer(_Answer):
    """An organisation."""

    id: str
    name: str
    kind: str
    size_class: str | None
    nace: str | None
    region: str | None
    undertaking: str | None
    """Companies with the same name here are linked: one single undertaking."""
    created_at: datetime


class NewAccount(_Request):
    """An account to open."""

    organisation_id: str
    sign_in: str
    """An e-mail address or a short name."""
    name: str
    role: Role
    password: str = Field(max_length=1000)
    language: Language | None = None
    """Of the mails to this person, until they choose one on the pages; null: the lab's."""


class AccountChange(_Request):
    """Other facts about an account; what is left out stays as it is."""

    name: str = ""
    role: Role = Role.MEMBER
    organisation_id: str = ""


class AccountAnswer(_Answer):
    """An account."""

    id: str
    organisation_id: str
    sign_in: str
    name: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None
    language: str | None
    """Of the mails to this person; null: they have chosen none, so the lab's."""


class PasswordChange(_Request):
    """The present password and the next one."""

    old: str = Field(max_length=1000)
    new: str = Field(max_length=1000)


class PasswordReset(_Request):
    """A new password for somebody."""

    sign_in: str
    password: str = Field(max_length=1000)


class NewToken(_Request):
    """An API token to make."""

    name: str
    """What it is for, so that its owner recognises it later."""
    scopes: list[Literal["read", "write"]]
    expires_at: AwareDatetime | None = None


class TokenAnswer(_Answer):
    """An API token without its secret."""

    id: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class NewTokenAnswer(TokenAnswer):
    """A fresh API token."""

    secret: str
    """Shown this once; send it as `Authorization: Bearer …`."""


class MeAnswer(_Answer):
    """Who is asking."""

    account_id: str
    name: str
    role: Role
    organisation: OrganisationAnswer
    scopes: list[str] | None
    """Of the API token; null at a browser."""
