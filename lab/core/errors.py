"""The one tree of errors. `lab/app.py` has the one table from these kinds to HTTP.

PilotLabError
├── InvalidError          what was asked for breaks a rule or makes no sense
├── UnauthenticatedError  nobody is signed in, or the sign-in is wrong
├── ForbiddenError        signed in, but not allowed
├── NotFoundError         there is no such thing, or its existence is private
├── ConflictError         it collides with the present state
├── StaleError            it was decided on an older version
├── TooManyError          too often, or too much at once
├── UnavailableError      a part is down; the same call may succeed later
└── SetupError            the installation is wrong; the start is refused (exit code 2)

Domain packages derive their own errors from one of these kinds and state the fact in the name.
"""

from typing import Any, ClassVar


class PilotLabError(Exception):
    """Base of every error that a person is meant to read.

    Args:
        message: one sentence: the fact and, where there is one, the way out.
        facts: what a program needs to react (field, rule, limit, alternatives), JSON-ready.
    """

    kind: ClassVar[str] = "error"

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts


class InvalidError(PilotLabError):
    """What was asked for breaks a rule or makes no sense. Facts: `field`, `rule`, often `nearest`."""

    kind = "invalid"


class UnauthenticatedError(PilotLabError):
    """Nobody is signed in, or the sign-in is wrong."""

    kind = "unauthenticated"


class ForbiddenError(PilotLabError):
    """Signed in, but not allowed."""

    kind = "forbidden"


class NotFoundError(PilotLabError):
    """There is no such thing, or whoever asks may not know that there is."""

    kind = "not-found"


class ConflictError(PilotLabError):
    """It collides with the present state."""

    kind = "conflict"


class StaleError(PilotLabError):
    """It was decided on an older version of the thing."""

    kind = "stale"


class TooManyError(PilotLabError):
    """Too often, or too much at once."""

    kind = "too-many"


class UnavailableError(PilotLabError):
    """A part is down; the same call may succeed later."""

    kind = "unavailable"


class SetupError(PilotLabError):
    """The installation or its settings are wrong; the program does not start (one line, exit code 2)."""

    kind = "setup"
