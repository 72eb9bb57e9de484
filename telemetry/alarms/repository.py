"""Every query on alarms."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lab.core.database import storable
from lab.core.paging import Keyset, Page, PageWish, cursor_of, read_page
from lab.core.time import to_nanoseconds
from telemetry.alarms.models import Alarm, AlarmNote, AlarmRule
from telemetry.grants import Grant

NEWEST_FIRST = Keyset("alarms", (Alarm.raised_at, Alarm.id), descending=True)
RULES = Keyset("alarm-rules", (AlarmRule.device_id, AlarmRule.id))
_AT_ONCE = 500


def find_rule(session: Session, rule_id: str, *, lock: bool = False) -> AlarmRule | None:
    """A rule, ended or not."""
    if not storable(rule_id):
        return None
    query = sa.select(AlarmRule).where(AlarmRule.id == rule_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return session.scalar(query)


def page_of_rules(session: Session, page: PageWish, *, device_id: str | None, ended: bool) -> Page[AlarmRule]:
    """Rules by device; those that have ended only if asked for."""
    query = sa.select(AlarmRule)
    if device_id is not None:
        query = query.where(AlarmRule.device_id == device_id)
    if not ended:
        query = query.where(AlarmRule.ended_at.is_(None))
    return read_page(session, query, RULES, page)


def rules_in_force(session: Session, kinds: Sequence[str]) -> list[AlarmRule]:
    """Rules of these kinds that have not ended."""
    query = sa.select(AlarmRule).where(AlarmRule.ended_at.is_(None), AlarmRule.kind.in_(kinds))
    return list(session.scalars(query.order_by(AlarmRule.id)))


def rules_of_source(session: Session, source: str) -> list[AlarmRule]:
    """Rules of one source that have not ended."""
    return list(session.scalars(sa.select(AlarmRule).where(AlarmRule.source == source, AlarmRule.ended_at.is_(None))))


def find_alarm(session: Session, alarm_id: str, *, lock: bool = False) -> Alarm | None:
    """An alarm, open or cleared."""
    if not storable(alarm_id):
        return None
    query = sa.select(Alarm).where(Alarm.id == alarm_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return session.scalar(query)


def open_alarm(session: Session, rule_id: str, *, lock: bool = False) -> Alarm | None:
    """The open alarm of a rule."""
    query = sa.select(Alarm).where(Alarm.rule_id == rule_id, Alarm.cleared_at.is_(None))
    return session.scalar(query.with_for_update() if lock else query)


def rules_with_open_alarm(session: Session) -> set[str]:
    """Ids of the rules whose alarm is open."""
    return set(session.scalars(sa.select(Alarm.rule_id).where(Alarm.cleared_at.is_(None))))


def looked_at_until(session: Session, rule_ids: Sequence[str]) -> dict[str, int]:
    """Rule → settled time up to which its samples have surely been looked at: what raised or cleared its last alarm."""
    query = sa.select(Alarm.rule_id, sa.func.max(Alarm.raised_ns), sa.func.max(Alarm.cleared_at))
    rows = session.execute(query.where(Alarm.rule_id.in_(rule_ids)).group_by(Alarm.rule_id))
    return {
        rule_id: max(raised_ns, to_nanoseconds(cleared_at) if cleared_at is not None else raised_ns)
        for rule_id, raised_ns, cleared_at in rows
    }


def open_alarms(session: Session, *, device_id: str | None = None, limit: int = 1000) -> list[Alarm]:
    """Open alarms, the newest first."""
    query = sa.select(Alarm).where(Alarm.cleared_at.is_(None))
    if device_id is not None:
        query = query.where(Alarm.device_id == device_id)
    return list(session.scalars(query.order_by(Alarm.raised_at.desc(), Alarm.id.desc()).limit(limit)))


def add_alarm(session: Session, alarm: Alarm) -> bool:
    """Keep a new alarm; `False`: the rule has an open one already, or this very one was raised before a restart."""
    known = sa.or_(Alarm.cleared_at.is_(None), Alarm.raised_ns == alarm.raised_ns)
    if session.scalar(sa.select(Alarm.id).where(Alarm.rule_id == alarm.rule_id, known).limit(1)) is not None:
        return False
    try:
        with session.begin_nested():
            session.add(alarm)
    except IntegrityError:  # another process at the same moment
        return False
    return True


def is_within(grant: Grant, alarm: Alarm) -> bool:
    """Whether all that an alarm tells was said in the time that a grant opens."""
    return all(grant.covers(alarm.device_id, at_ns) for at_ns in (alarm.from_ns, alarm.raised_ns))


def page_of_alarms(
    session: Session, page: PageWish, *, grant: Grant | None, device_id: str | None, only_open: bool
) -> Page[Alarm]:
    """Alarms, the newest first.

    Args:
        session: to read in.
        page: which part.
        grant: only those raised within it; `None`: all, also those of no device.
        device_id: only of this device.
        only_open: only those that have not cleared.
    """
    query = sa.select(Alarm)
    if device_id is not None:
        query = query.where(Alarm.device_id == device_id)
    if only_open:
        query = query.where(Alarm.cleared_at.is_(None))
    if grant is None:
        return read_page(session, query, NEWEST_FIRST, page)
    query = query.where(Alarm.device_id.in_({span.device_id for span in grant.spans}))
    seen: list[Alarm] = []
    wish: PageWish | None = PageWish(_AT_ONCE, page.cursor)
    while wish is not None and len(seen) <= page.limit:
        found = read_page(session, query, NEWEST_FIRST, wish)
        seen += [alarm for alarm in found.rows if is_within(grant, alarm)]
        wish = PageWish(_AT_ONCE, found.next) if found.next is not None else None
    rows, more = seen[: page.limit], len(seen) > page.limit
    return Page(rows, cursor_of(NEWEST_FIRST, (rows[-1].raised_at, rows[-1].id)) if more else None)


def notes_of(session: Session, alarm_id: str) -> list[AlarmNote]:
    """An alarm's history, the oldest first."""
    return list(session.scalars(sa.select(AlarmNote).where(AlarmNote.alarm_id == alarm_id).order_by(AlarmNote.id)))


def add_note(session: Session, alarm_id: str, what: str, text: str, *, by: str, at: datetime) -> None:
    """Add a line to an alarm's history."""
    session.add(AlarmNote(alarm_id=alarm_id, at=at, by=by, what=what, text=text))
