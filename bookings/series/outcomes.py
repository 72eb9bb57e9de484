"""What became of each of several wishes, and what that means for all of them: pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bookings.models import Booking
from bookings.series.errors import NothingBookedError
from lab.core.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, PilotLabError, StaleError

REFUSALS = (InvalidError, ConflictError, ForbiddenError, NotFoundError, StaleError)
"""What says no to one wish; anything else, such as a database that is too busy, ends the whole call."""


MOST_TOLD = 10
"""So many refusals are told where one is enough to undo everything: each looks for alternatives, which takes time."""


_PROPOSED = 3


class Mode(StrEnum):
    """What happens when some of the wishes are refused."""

    ALL = "all"
    """Then none is booked."""
    POSSIBLE = "possible"
    """Then the others are booked all the same."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one wish: a booking, or why not."""

    number: int
    """Counted from 1, in the order of the request."""
    name: str
    """What people call it."""
    facts: dict[str, Any]
    """By which a program knows it again, JSON-ready."""
    booking: Booking | None = None
    refusal: PilotLabError | None = None


def refusal_facts(error: PilotLabError) -> dict[str, Any]:
    """A refusal as part of an answer: its kind, its sentence and its facts, JSON-ready."""
    return {**error.facts, "kind": error.kind, "detail": error.message}


def proposals(outcomes: Sequence[Outcome]) -> int:
    """How many free times the next refusal has: none after many refusals, each of which takes a search of its own."""
    return _PROPOSED if sum(outcome.refusal is not None for outcome in outcomes) < MOST_TOLD else 0


def is_decided(outcomes: Sequence[Outcome], mode: Mode) -> bool:
    """Whether nothing is to be kept whatever comes next, and enough is told of why."""
    return mode is Mode.ALL and sum(outcome.refusal is not None for outcome in outcomes) >= MOST_TOLD


def require_enough(outcomes: Sequence[Outcome], mode: Mode, *, list_name: str | None = None) -> None:
    """Refuse the call if so much was refused that nothing is to be kept.

    Args:
        outcomes: of every wish, or up to where it `is_decided`.
        mode: what the caller wants.
        list_name: what the request calls the list of wishes; None: they come from one rule.

    Raises:
        PilotLabError: of the kind of the first refusal, with `number` and all `refusals`; `mode` is "all".
        NothingBookedError: every wish was refused; `mode` is "possible".
    """
    refused = [outcome for outcome in outcomes if outcome.refusal is not None]
    if not refused or (mode is Mode.POSSIBLE and len(refused) < len(outcomes)):
        return
    facts = [{"number": one.number, **one.facts, "refusal": refusal_facts(_refusal(one))} for one in refused]
    first = refused[0]
    reason = _refusal(first)
    if mode is Mode.POSSIBLE:
        raise NothingBookedError(
            f"nothing could be booked; number {first.number}, {first.name}: {reason.message}",
            rule="something-possible",
            refusals=facts,
        )
    more = f" (and {len(refused) - 1} more, see refusals)" if len(refused) > 1 else ""
    raise type(reason)(
        f"nothing is done, because of number {first.number}, {first.name}: {reason.message}{more}",
        **{**reason.facts, **_field(reason, first, list_name), "number": first.number, "refusals": facts},
    )


def _refusal(outcome: Outcome) -> PilotLabError:
    assert outcome.refusal is not None
    return outcome.refusal


def _field(reason: PilotLabError, outcome: Outcome, list_name: str | None) -> dict[str, str]:
    """What of the request is not right, by its place in the list."""
    field = reason.facts.get("field")
    if field is None or list_name is None:
        return {}
    return {"field": f"{list_name}.{outcome.number - 1}.{field}"}
