"""The rules as they are now."""

import json
from functools import lru_cache

from sqlalchemy.orm import Session

from bookings.rulebook import repository
from bookings.rulebook.book import Rulebook
from bookings.rulebook.schemas import RuleSettings
from bookings.rules import Rules


def load_rulebook(session: Session, defaults: Rules) -> Rulebook:
    """What managers have set, over the defaults of the settings.

    Args:
        session: to read in.
        defaults: `Rules.from_settings`.
    """
    rows = repository.rule_rows(session)
    return Rulebook(defaults, {(scope, name): _read(json.dumps(settings)) for scope, name, _, settings in rows})


@lru_cache(maxsize=1024)
def _read(settings: str) -> RuleSettings:
    """The settings of one row; they stay the same from booking to booking."""
    return RuleSettings.model_validate_json(settings)
