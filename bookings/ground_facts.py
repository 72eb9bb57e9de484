"""What the gate asks the database, in as few statements as it can be asked.

Each statement is a trip to the server, and trips, not rows, are what a booking costs. So there are two: one before any
lock is taken (`standing_facts`), one when the devices are locked (`obstacles`), which therefore sees what whoever held
them before has written. Each is made once for each shape, without objects of the ORM.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from bookings.models import BookingDevice
from bookings.outages.models import Outage
from bookings.outages.repository import FACTS, near
from bookings.outages.rules import OutageFacts
from bookings.prices.repository import Pricing, pricing_of, pricing_query
from bookings.rulebook.models import RuleEntry
from bookings.rulebook.repository import RuleText
from lab.core.database import UtcDateTime, storable
from lab.core.time import Span
from lab.people.models import Organisation

_BETWEEN_FIELDS, _BETWEEN_ROWS = "\x1f", "\x1e"
"""JSON holds neither as it is, and names of classes and devices have none."""


@dataclass(frozen=True, slots=True)
class StandingFacts:
    """What does not depend on the time that is wished."""

    rule_texts: tuple[RuleText, ...]
    pricing: Pricing
    organisation_known: bool


@dataclass(frozen=True, slots=True)
class Obstacles:
    """What may be in the way of a wish."""

    outages: list[OutageFacts]
    """Those that may have spans near it."""
    taken: bool
    """Whether any device is held at that time."""


def standing_facts(session: Session, organisation_id: str, *, now: datetime) -> StandingFacts:
    """Rules, prices, programme, and whether there is such an organisation, in one statement.

    Args:
        session: to read in.
        organisation_id: who books.
        now: the instant whose prices and programmes count.
    """
    asked = {"now": now, "organisation_id": organisation_id if storable(organisation_id) else ""}
    *pricing, rules, known = session.connection().execute(_STANDING, asked).one()
    return StandingFacts(_rule_texts(rules), pricing_of(pricing), known is not None)


def obstacles(
    session: Session, reserved: Mapping[str, Span], window: Span, *, except_bookings: Collection[str] = ()
) -> Obstacles:
    """Outages of these devices and of the whole lab, and whether one of the devices is held, in one statement.

    Args:
        session: of a write transaction in which the devices are locked.
        reserved: by device, what would be held, buffers included.
        window: around all of it.
        except_bookings: do not count as held (they are being moved).
    """
    session.flush()  # what was written before in this transaction counts
    asked: dict[str, Any] = {"window_start": window.start, "window_end": window.end, "device_ids": list(reserved)}
    for number, (device_id, span) in enumerate(reserved.items()):
        asked |= {f"device_{number}": device_id, f"start_{number}": span.start, f"end_{number}": span.end}
    if except_bookings:
        asked["except_bookings"] = list(except_bookings)
    rows = session.connection().execute(_obstacles(len(reserved), bool(except_bookings)), asked).all()
    return Obstacles([OutageFacts(*facts) for _, *facts in rows if facts[0] is not None], bool(rows[0][0]))


def _standing() -> sa.Select[Any]:
    rules = cast(sa.Table, RuleEntry.__table__).c
    text = rules.scope + _BETWEEN_FIELDS + rules.name + _BETWEEN_FIELDS + sa.cast(rules.settings, sa.Text)
    organisations = cast(sa.Table, Organisation.__table__).c
    known = sa.select(organisations.id).where(organisations.id == sa.bindparam("organisation_id"))
    return pricing_query().add_columns(
        sa.select(sa.func.aggregate_strings(text, _BETWEEN_ROWS)).scalar_subquery(), known.scalar_subquery()
    )


_STANDING = _standing()


@lru_cache(maxsize=16)
def _rule_texts(rules: str | None) -> tuple[RuleText, ...]:
    rows = (row.split(_BETWEEN_FIELDS) for row in (rules or "").split(_BETWEEN_ROWS) if row)
    return tuple(sorted((scope, name, settings) for scope, name, settings in rows))


@lru_cache(maxsize=64)
def _obstacles(count: int, excepting: bool) -> sa.Select[Any]:
    held = cast(sa.Table, BookingDevice.__table__).c
    collides = (
        sa.and_(
            held.device_id == sa.bindparam(f"device_{number}"),
            held.reserved_end > sa.bindparam(f"start_{number}", type_=UtcDateTime),
            held.reserved_start < sa.bindparam(f"end_{number}", type_=UtcDateTime),
        )
        for number in range(count)
    )
    taken = sa.select(held.booking_id).where(held.active, sa.or_(*collides))
    if excepting:
        taken = taken.where(held.booking_id.not_in(sa.bindparam("except_bookings", expanding=True)))
    concerned = sa.or_(
        Outage.device_id.is_(None), Outage.device_id.in_(sa.bindparam("device_ids", expanding=True, type_=sa.String()))
    )
    window = (sa.bindparam("window_start", type_=UtcDateTime), sa.bindparam("window_end", type_=UtcDateTime))
    one = sa.select(taken.exists().label("taken")).subquery()
    return (
        sa.select(one.c.taken, *FACTS)
        .select_from(one.outerjoin(Outage, sa.and_(concerned, *near(*window))))
        .order_by(Outage.start_at, Outage.id)
    )
