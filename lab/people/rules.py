"""Rules about people: pure decisions."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from lab.core.catalogues import LANGUAGES, Language, language_named
from lab.core.errors import ForbiddenError
from lab.people.errors import (
    BlankNameError,
    LanguageUnknownError,
    OrganisationFactError,
    PasswordIsNameError,
    PasswordTooLongError,
    PasswordTooShortError,
    ScopeMissingError,
    ScopeUnknownError,
    SignInNameError,
    TokenLifeError,
)
from lab.people.models import Account
from lab.people.principals import STAFF, Principal, Role

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 256
LONGEST_NAME = 200
SESSION_LENGTH = timedelta(hours=12)
"""A working day; then people sign in again."""
LONGEST_TOKEN_LIFE = timedelta(days=366)
SCOPES = frozenset({"read", "write"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
KINDS = ("lab", "company", "partner")
SIZE_CLASSES = ("micro", "small", "medium", "large")

_SIGN_IN = re.compile(r"[a-z0-9](?:[a-z0-9._+-]{0,98}[a-z0-9])?(?:@[a-z0-9](?:[a-z0-9.-]{0,97}[a-z0-9])?)?")
_NACE = re.compile(r"[A-V]|(?:[A-V])?\d{2}(?:\.\d{1,2}(?:\.[A-Z])?)?")  # with the letter that PKD adds: 25.62.Z
_NUTS = re.compile(r"[A-Z]{2}[A-Z0-9]{0,3}")
_UNDERTAKING = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,58}[a-z0-9])?")


def checked_sign_in(sign_in: str) -> str:
    """The sign-in name as it is kept: lower case, without blanks around it.

    Raises:
        SignInNameError: unless it is an e-mail address or a short name.
    """
    name = sign_in.strip().lower()
    if not _SIGN_IN.fullmatch(name):
        raise SignInNameError(
            "a sign-in name is an e-mail address or a short name of letters, digits, dots and hyphens",
            field="sign_in",
            rule="sign-in-form",
        )
    return name


def checked_name(name: str, *, field: str = "name") -> str:
    """A name of a person, an organisation or a token, without blanks around it.

    Raises:
        BlankNameError: if it is empty or too long.
    """
    stripped = name.strip()
    if not stripped or not stripped.isprintable():
        raise BlankNameError("please give a name of letters on one line", field=field, rule="name-needed")
    if len(stripped) > LONGEST_NAME:
        raise BlankNameError(
            f"the name is longer than {LONGEST_NAME} characters", field=field, rule="name-length", limit=LONGEST_NAME
        )
    return stripped


def check_password(password: str, *, sign_in: str) -> None:
    """Refuse a password that is easy to guess by its form. Length is what counts; no character classes are asked for.

    Raises:
        PasswordTooShortError: below `SHORTEST_PASSWORD` characters.
        PasswordTooLongError: above `LONGEST_PASSWORD` characters.
        PasswordIsNameError: when it is the sign-in name.
    """
    if len(password) < SHORTEST_PASSWORD:
        raise PasswordTooShortError(
            f"a password has at least {SHORTEST_PASSWORD} characters; three or four unrelated words make a good one",
            field="password",
            rule="password-length",
            limit=SHORTEST_PASSWORD,
        )
    if len(password) > LONGEST_PASSWORD:
        raise PasswordTooLongError(
            f"a password has at most {LONGEST_PASSWORD} characters",
            field="password",
            rule="password-length",
            limit=LONGEST_PASSWORD,
        )
    if password.strip().lower() == sign_in.lower():
        raise PasswordIsNameError(
            "the password is the sign-in name; please choose another", field="password", rule="password-not-name"
        )


def check_organisation(*, kind: str, size_class: str | None, nace: str | None, region: str | None) -> None:
    """Refuse facts about an organisation that no programme figure could count.

    Raises:
        OrganisationFactError: naming the field and what it may be.
    """
    if kind not in KINDS:
        raise OrganisationFactError(
            f"the kind is one of {', '.join(KINDS)}", field="kind", rule="choice", choices=KINDS
        )
    if size_class is not None and size_class not in SIZE_CLASSES:
        raise OrganisationFactError(
            f"the size is one of {', '.join(SIZE_CLASSES)}", field="size_class", rule="choice", choices=SIZE_CLASSES
        )
    if nace is not None and not _NACE.fullmatch(nace):
        raise OrganisationFactError(
            "the sector is a NACE or PKD code such as C25 or 25.62.Z", field="nace", rule="nace-form"
        )
    if region is not None and not _NUTS.fullmatch(region):
        raise OrganisationFactError("the region is a NUTS code such as PL22A", field="region", rule="nuts-form")


def checked_undertaking(undertaking: str | None) -> str | None:
    """The name that linked companies share, as it is kept: lower case, so that one spelling is one undertaking.

    Raises:
        OrganisationFactError: unless it is a short name, such as a group's or a tax number.
    """
    if undertaking is None:
        return None
    name = undertaking.strip().lower()
    if not _UNDERTAKING.fullmatch(name):
        raise OrganisationFactError(
            "the undertaking is a short name of letters, digits, dots and hyphens, such as kowalski-group, "
            "the same for all companies that are linked",
            field="undertaking",
            rule="undertaking-form",
        )
    return name


def checked_scopes(scopes: Iterable[str]) -> list[str]:
    """The scopes of a token, sorted, each once.

    Raises:
        ScopeUnknownError: if one does not exist or there is none.
    """
    chosen = set(scopes)
    if not chosen or not chosen <= SCOPES:
        raise ScopeUnknownError(
            'a token has the scopes "read", "write" or both', field="scopes", rule="choice", choices=sorted(SCOPES)
        )
    return sorted(chosen)


def check_token_life(expires_at: datetime | None, *, now: datetime) -> None:
    """Refuse a token that is expired at once or lives longer than a year.

    Raises:
        TokenLifeError: with the latest allowed end as `nearest`.
    """
    if expires_at is None:
        return
    if not now < expires_at <= now + LONGEST_TOKEN_LIFE:
        raise TokenLifeError(
            f"a token ends in the future, at most {LONGEST_TOKEN_LIFE.days} days from now",
            field="expires_at",
            rule="token-life",
            nearest=(now + LONGEST_TOKEN_LIFE).isoformat(),
        )


def check_scope(principal: Principal, method: str) -> None:
    """Refuse what an API token was not made for: reading needs "read", everything else needs "write".

    Raises:
        ScopeMissingError: naming the scope that is missing.
    """
    if principal.scopes is None:
        return
    needed = "read" if method in SAFE_METHODS else "write"
    if needed not in principal.scopes:
        raise ScopeMissingError(
            f"this token may not {'read' if needed == 'read' else 'change anything'}; "
            f'make one with the scope "{needed}"',
            scope=needed,
            rule="token-scope",
        )


def check_at_browser(principal: Principal, what: str) -> None:
    """Refuse a program: some things are only for a person who signed in with a password.

    Raises:
        ForbiddenError: naming `what`, which completes "an API token may not …".
    """
    if principal.scopes is not None:
        raise ForbiddenError(f"an API token may not {what}; sign in instead", rule="person-only")


def check_role_fits(role: Role, kind: str) -> None:
    """Refuse staff outside the lab, and companies' roles inside it.

    Raises:
        OrganisationFactError: naming the role.
    """
    if (role in STAFF) != (kind == "lab"):
        raise OrganisationFactError(
            "engineers and managers belong to the lab; members and recipients to a company or partner",
            field="role",
            rule="role-fits-organisation",
        )


def mail_language(account: Account, default: Language) -> Language:
    """The language of mails to somebody: the one that they read the pages in, if they have ever chosen one."""
    return language_named(account.language) or default


def checked_language(code: str | None) -> Language | None:
    """The language that somebody reads; None: not known.

    Raises:
        LanguageUnknownError: for a code that is none of ours.
    """
    if code is not None and language_named(code) is None:
        raise LanguageUnknownError(
            f"there is no language {code[:20]!r} here; there are {' and '.join(LANGUAGES)}",
            field="language",
            rule="known-language",
        )
    return language_named(code)
