"""What can go wrong with people: signing in, and what they are told about it."""

from lab.core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    TooManyError,
    UnauthenticatedError,
)


class NotSignedInError(UnauthenticatedError):
    """Nobody is signed in."""


class SignInRefusedError(UnauthenticatedError):
    """Name and password do not belong together, or the account is closed; which of these is not said."""


class TooManyAttemptsError(TooManyError):
    """Too many failed sign-ins. Facts: `retry_after_seconds`."""


class TokenInvalidError(UnauthenticatedError):
    """An API token is unknown, expired or revoked; which of these is not said."""


class ScopeMissingError(ForbiddenError):
    """An API token may not do this. Facts: `scope`."""


class LanguageUnknownError(InvalidError):
    """A language that pages and mails do not have. Facts: `field`, `rule`."""


class PasswordTooShortError(InvalidError):
    """A password with too few characters. Facts: `field`, `rule`, `limit`."""


class PasswordTooLongError(InvalidError):
    """A password so long that hashing it would be a burden. Facts: `field`, `rule`, `limit`."""


class PasswordIsNameError(InvalidError):
    """A password that is the sign-in name."""


class SignInNameError(InvalidError):
    """A sign-in name of a wrong form."""


class OrganisationFactError(InvalidError):
    """A fact about an organisation (kind, size, sector, region, undertaking) of a wrong form."""


class BlankNameError(InvalidError):
    """A name without a single letter, or one that is too long."""


class ScopeUnknownError(InvalidError):
    """A scope that does not exist, or none at all."""


class TokenLifeError(InvalidError):
    """A token that would be expired at once, or live too long."""


class PeriodReversedError(InvalidError):
    """A period of the log that ends before or at its start. Facts: `field`, `rule`."""


class OrganisationUnknownError(NotFoundError):
    """No such organisation, or not one that whoever asks may know of."""


class AccountUnknownError(NotFoundError):
    """No such account, or not one that whoever asks may know of."""


class TokenUnknownError(NotFoundError):
    """No such API token of this person."""


class OrganisationNameTakenError(ConflictError):
    """Another organisation has this name."""


class SignInNameTakenError(ConflictError):
    """Another account has this sign-in name."""


class LastManagerError(ConflictError):
    """The last lab manager cannot be closed: nobody could open accounts any more."""
