"""Every query on rules and qualifications."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from bookings.rulebook.models import Qualification, RuleEntry


def rule_rows(session: Session) -> list[tuple[str, str, int, dict[str, object]]]:
    """(scope, name, version, settings) of everything that is set."""
    query = sa.select(RuleEntry.scope, RuleEntry.name, RuleEntry.version, RuleEntry.settings)
    return [(scope, name, version, settings) for scope, name, version, settings in session.execute(query)]


def trainings_of(session: Session, account_id: str) -> dict[str, datetime | None]:
    """The trainings of a person that were not revoked, each with its last expiry (None: never)."""
    query = sa.select(Qualification.name, Qualification.expires_at).where(
        Qualification.account_id == account_id, Qualification.revoked_at.is_(None)
    )
    found: dict[str, datetime | None] = {}
    for name, expires in session.execute(query):
        known = found.get(name, expires)
        found[name] = None if known is None or expires is None else max(known, expires)
    return found
