"""The rules as they are now."""

from collections.abc import Mapping
from functools import lru_cache

from sqlalchemy.orm import Session

from bookings.rulebook import repository
from bookings.rulebook.book import Rulebook
from bookings.rulebook.repository import RuleText
from bookings.rulebook.schemas import RuleSettings
from bookings.rules import Rules


def load_rulebook(session: Session, defaults: Rules) -> Rulebook:
    """What managers have set, over the defaults of the settings.

    It takes part in every booking: one statement, a second one only where devices need others, and the same rules are
    worked out once only.

    Args:
        session: to read in.
        defaults: `Rules.from_settings`.
    """
    return read_rulebook(session, tuple(repository.rule_texts(session)), defaults)


def read_rulebook(session: Session, texts: tuple[RuleText, ...], defaults: Rules) -> Rulebook:
    """The rules that these rows say; at most one statement, only where devices need others."""
    if not texts:
        return Rulebook(defaults, {})
    needed = _needed(texts)
    kinds = tuple(repository.kinds_in_service(session, needed)) if needed else ()
    return _book(defaults, texts, kinds)


def needed_devices(entries: Mapping[tuple[str, str], RuleSettings]) -> frozenset[str]:
    """Devices that any others need."""
    return frozenset(device_id for entry in entries.values() for device_id in entry.needs_devices or ())


@lru_cache(maxsize=64)
def _entries(texts: tuple[RuleText, ...]) -> dict[tuple[str, str], RuleSettings]:
    return {(scope, name): RuleSettings.model_validate_json(text) for scope, name, text in texts}


@lru_cache(maxsize=64)
def _needed(texts: tuple[RuleText, ...]) -> frozenset[str]:
    return needed_devices(_entries(texts))


@lru_cache(maxsize=64)
def _book(defaults: Rules, texts: tuple[RuleText, ...], kinds: tuple[tuple[str, str], ...]) -> Rulebook:
    return Rulebook(defaults, _entries(texts), dict(kinds))
