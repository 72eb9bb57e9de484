"""Every query on rules and qualifications."""

from collections.abc import Collection
from datetime import datetime
from typing import TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import Session

from bookings.rulebook.models import Qualification, RuleEntry
from devices.models import Device

RuleText: TypeAlias = tuple[str, str, str]
"""(scope, name, settings as JSON) of one entry."""

_TEXTS = sa.select(RuleEntry.scope, RuleEntry.name, sa.cast(RuleEntry.settings, sa.Text)).order_by(
    RuleEntry.scope, RuleEntry.name
)


def rule_texts(session: Session) -> list[RuleText]:
    """Everything that is set, as it stands there: unread, so that what was read before need not be read again."""
    return [(scope, name, text) for scope, name, text in session.execute(_TEXTS)]


def kinds_in_service(session: Session, device_ids: Collection[str]) -> list[tuple[str, str]]:
    """(id, kind) of those of these devices that are in service, by id."""
    query = sa.select(Device.id, Device.kind).where(Device.id.in_(device_ids), Device.retired_at.is_(None))
    return [(device_id, kind) for device_id, kind in session.execute(query.order_by(Device.id))]


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
