"""The staff takes something out of service.

An outage cancels nothing. Whoever declares one is told which bookings it hits, and so are their owners. Devices are
locked in the order of their ids, as for bookings: what is booked before is told, what comes after is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bookings.errors import DevicesRetiredError, UnknownDevicesError
from bookings.models import Booking
from bookings.notices import Notice, announce
from bookings.outages import repository
from bookings.outages.alternatives import NEAR_DAYS, other_times
from bookings.outages.history import snapshot
from bookings.outages.models import Outage
from bookings.outages.rules import (
    FURTHER_NOTICE,
    Hit,
    OutageFacts,
    hits_of,
    last_end_of,
    outage_spans,
    require_may_change,
    require_times,
)
from bookings.outages.schemas import OutageRequest
from bookings.repository import find_devices, lock_devices
from bookings.rules import Rules
from devices.models import Device
from lab.core.audit import note_change
from lab.core.ids import new_id
from lab.core.time import Span, aware_utc
from lab.people.principals import Principal

MOST_ADVISED = 50
"""For so many of the bookings that an outage hits, the soonest ones, other times are looked for."""


@dataclass(frozen=True, slots=True)
class HitBooking:
    """A booking that an outage hits."""

    booking: Booking
    hit: Hit
    alternatives: Sequence[Span] | None
    """None: not looked for; there are too many."""


@dataclass(frozen=True, slots=True)
class Declared:
    """An outage, and what it hits, the soonest first."""

    facts: OutageFacts
    outage: Outage | None
    """None: only looked at."""
    hits: Sequence[HitBooking]


def preview_outage(
    session: Session, principal: Principal, request: OutageRequest, *, now: datetime, defaults: Rules
) -> Declared:
    """What an outage would hit, without declaring it.

    Raises:
        ForbiddenError, OutageInvalidError, RecurrenceError, UnknownDevicesError, DevicesRetiredError: it would be
            refused.
    """
    facts = _facts(principal, request, now=now, zone=defaults.zone)
    if facts.device_id is not None:
        _require_in_service(facts.device_id, find_devices(session, [facts.device_id]))
    return Declared(facts, None, _hits(session, facts, now=now, defaults=defaults))


def declare_outage(
    session: Session, principal: Principal, request: OutageRequest, *, now: datetime, defaults: Rules
) -> Declared:
    """Take a device, or the whole lab, out of service, and have everybody told whose booking is in the way.

    Args:
        session: of a write transaction.
        principal: staff; a manager if it is the whole lab.
        request: what, when and why.
        now: the present instant.
        defaults: the rules where no manager has set anything.

    Raises:
        ForbiddenError: not by this principal.
        NaiveTimeError, EmptySpanError, OutageInvalidError, RecurrenceError: no outage is like this.
        UnknownDevicesError, DevicesRetiredError: nothing to take out of service.
    """
    facts = _facts(principal, request, now=now, zone=defaults.zone)
    if facts.device_id is None:
        repository.lock_every_device(session)
    else:
        _require_in_service(facts.device_id, lock_devices(session, [facts.device_id]))
    hits = _hits(session, facts, now=now, defaults=defaults)
    outage = Outage(
        id=facts.id,
        device_id=facts.device_id,
        kind=facts.kind,
        start_at=facts.start,
        end_at=facts.end,
        rrule=facts.rrule,
        last_end_at=facts.last_end,
        reason=facts.reason,
        declared_by=principal.account_id,
        declared_at=now,
        withdrawn_at=None,
        version=1,
    )
    session.add(outage)
    session.flush()
    note_change(
        session,
        "outage",
        outage.id,
        "declared",
        by=principal.account_id,
        at=now,
        after=snapshot(outage),
        reason=facts.reason,
    )
    for hit in hits:
        announce(session, hit.booking, Notice.OUTAGE_HIT, now=now, cause=outage.id)
    return Declared(facts, outage, hits)


def _facts(principal: Principal, request: OutageRequest, *, now: datetime, zone: str) -> OutageFacts:
    require_may_change(principal, request.device_id, "declare")
    start = aware_utc(request.start, field="start")
    end = None if request.end is None else aware_utc(request.end, field="end")
    require_times(start, end, now=now)
    last = last_end_of(request.kind, start, end, request.rrule, zone)
    return OutageFacts(
        new_id("out"), request.device_id, request.kind.value, start, end, request.rrule, last, request.reason
    )


def _hits(session: Session, facts: OutageFacts, *, now: datetime, defaults: Rules) -> list[HitBooking]:
    """What is ahead or running within the outage, in a constant number of statements."""
    last = facts.last_end or FURTHER_NOTICE
    if last <= now:
        return []
    window = Span(max(facts.start, now), last)
    held = repository.held_after(session, facts.device_id, window, now=now)
    if not held:
        return []
    margin = timedelta(days=NEAR_DAYS + 2)  # other times are looked for around what is hit
    near = Span(min(one.span.start for one in held) - margin, max(one.span.end for one in held) + margin)
    new = outage_spans([facts], near, zone=defaults.zone)
    hits = hits_of(facts.device_id, [one.span for one in new if one.span.end > now], held)
    bookings = repository.bookings_by_id(session, [hit.booking_id for hit in hits])
    advised = [bookings[hit.booking_id] for hit in hits[:MOST_ADVISED]]
    found = other_times(session, advised, new, now=now, defaults=defaults)
    return [HitBooking(bookings[hit.booking_id], hit, found.get(hit.booking_id)) for hit in hits]


def _require_in_service(device_id: str, found: Sequence[Device]) -> None:
    if not found:
        raise UnknownDevicesError(
            f"there is no device {device_id}", field="device_id", rule="known-device", devices=[device_id]
        )
    if found[0].retired_at is not None:
        raise DevicesRetiredError(
            f"{device_id}: no longer in service", field="device_id", rule="device-in-service", devices=[device_id]
        )
