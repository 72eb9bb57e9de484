"""What time itself changes: requests lapse, slots nobody came to are given back, used ones are done."""

from collections.abc import Collection
from datetime import datetime
from functools import partial

import structlog
from sqlalchemy.orm import Session

from bookings import repository
from bookings.life import end_unused, end_use, give_back, rules_of
from bookings.models import Booking
from bookings.notices import Notice
from bookings.rulebook.service import load_rulebook
from bookings.rules import Rules
from bookings.states import BookingState
from lab.core.database import Database
from lab.people.principals import SYSTEM

log = structlog.get_logger(__name__)

_AT_ONCE = 500
"""More than this waits for the next time."""


def keep_time(database: Database, *, now: datetime, rules: Rules) -> int:
    """Change what is due; several processes may do so at once.

    Args:
        database: where bookings are.
        now: the present instant.
        rules: `Rules.from_settings`.

    Returns:
        How many bookings were changed.
    """
    with database.read() as session:
        check_ins = load_rulebook(session, rules).has_check_ins
        due = repository.due_bookings(session, now=now, begun=check_ins, limit=_AT_ONCE)
    changed = 0
    for booking_id in due:
        changed += database.transact(partial(_judge, booking_id=booking_id, now=now, rules=rules))
    if changed:
        log.info("time has changed bookings", count=changed)
    return changed


def lapse_requests(session: Session, booking_ids: Collection[str], *, now: datetime) -> list[Booking]:
    """Have those of these requests lapse whose time is over; what somebody decides just now is left to them."""
    return [
        give_back(session, booking, Notice.LAPSED, by=SYSTEM, now=now)
        for booking in repository.lock_lapsed(session, booking_ids, now=now)
    ]


def _judge(session: Session, booking_id: str, *, now: datetime, rules: Rules) -> bool:
    booking = repository.lock_booking(session, booking_id)
    if booking is None or (booking.start_at > now and booking.state != BookingState.REQUESTED):
        return False
    if booking.state == BookingState.REQUESTED:
        if booking.lapses_at is None or booking.lapses_at > now:
            return False
        give_back(session, booking, Notice.LAPSED, by=SYSTEM, now=now)
        return True
    if booking.state == BookingState.CONFIRMED:
        check_in = rules_of(session, booking, rules).check_in
        if check_in is not None and now >= min(booking.start_at + check_in, booking.end_at):
            end_unused(session, booking, by=SYSTEM, now=now)
            return True
    if booking.state in {BookingState.CONFIRMED, BookingState.IN_USE} and booking.end_at <= now:
        end_use(session, booking, by=SYSTEM, now=now)
        return True
    return False
