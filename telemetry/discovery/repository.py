"""Every query on what was heard."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from lab.core.time import from_nanoseconds
from telemetry.discovery.hearing import MOST_EXAMPLES, MOST_NAMES, Heard
from telemetry.models import HeardSignal
from telemetry.validation import is_storable_text

MOST_ROWS = 20_000
"""Of all devices together: names can be invented."""


def add_heard(session: Session, heard: Sequence[Heard]) -> None:
    """Add what is new to what is stored."""
    rows = int(session.scalar(sa.select(sa.func.count()).select_from(HeardSignal)) or 0) if heard else 0
    names: dict[str, int] = {}
    for new in heard:
        row = session.get(HeardSignal, (new.device, new.name))
        if row is None:
            if new.device not in names:
                names[new.device] = _names_of(session, new.device)
            if rows >= MOST_ROWS or names[new.device] >= MOST_NAMES:
                continue
            rows, names[new.device] = rows + 1, names[new.device] + 1
            row = HeardSignal(
                device_id=new.device,
                name=new.name,
                kinds={},
                count=0,
                examples=[],
                first_at=from_nanoseconds(new.first_ns),
            )
            session.add(row)
        row.origin = new.origin
        row.count += new.count
        row.kinds = {kind: row.kinds.get(kind, 0) + new.kinds.get(kind, 0) for kind in {*row.kinds, *new.kinds}}
        row.low = min((value for value in (row.low, new.low) if value is not None), default=None)
        row.high = max((value for value in (row.high, new.high) if value is not None), default=None)
        row.examples = list(dict.fromkeys([*row.examples, *new.examples]))[:MOST_EXAMPLES]
        row.unit_said = new.unit_said or row.unit_said
        row.interval_ms = new.interval_ms or row.interval_ms
        row.last_at = from_nanoseconds(new.last_ns)
    session.flush()


def _names_of(session: Session, device: str) -> int:
    query = sa.select(sa.func.count()).select_from(HeardSignal).where(HeardSignal.device_id == device)
    return int(session.scalar(query) or 0)


def list_heard(session: Session, *, device: str | None, limit: int) -> list[HeardSignal]:
    """What was heard and is not adopted, the latest first."""
    query = sa.select(HeardSignal).where(HeardSignal.adopted_at.is_(None))
    if device is not None:
        query = query.where(HeardSignal.device_id == device if is_storable_text(device) else sa.false())
    order = (HeardSignal.last_at.desc(), HeardSignal.device_id, HeardSignal.name)
    return list(session.scalars(query.order_by(*order).limit(limit)))


def find_heard(session: Session, device: str, name: str) -> HeardSignal | None:
    """What is said under one name."""
    return session.get(HeardSignal, (device, name)) if is_storable_text(device) and is_storable_text(name) else None


def note_adopted(session: Session, device: str, name: str, *, now: datetime) -> None:
    """It is in the catalogue now."""
    session.execute(
        sa.update(HeardSignal).where(HeardSignal.device_id == device, HeardSignal.name == name).values(adopted_at=now)
    )
