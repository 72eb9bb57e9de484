"""Other times for bookings that an outage hits; the same few statements for one booking as for many."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from bookings.alternatives import steps_of
from bookings.models import Booking
from bookings.outages import repository
from bookings.outages.rules import OutageSpan, outage_spans
from bookings.repository import find_devices
from bookings.rulebook.book import Rulebook
from bookings.rulebook.service import load_rulebook
from bookings.rules import Rules, closed_starts, free_openings
from bookings.slots import Buffers, free_starts, nearest_spans, without
from devices.models import Device
from lab.core.time import Span

NEAR_DAYS = 14
"""Other times are looked for this far around each booking."""

_NO_BUFFERS = Buffers()


@dataclass(frozen=True, slots=True)
class _Calendar:
    """What is known of the time in which other times are looked for."""

    book: Rulebook
    devices: Mapping[str, Device]
    reserved: Sequence[tuple[str, str, Span]]
    """(device or engineer, booking, span)."""
    outages: Sequence[OutageSpan]


def other_times(
    session: Session,
    bookings: Sequence[Booking],
    new: Iterable[OutageSpan],
    *,
    now: datetime,
    defaults: Rules,
    count: int = 3,
) -> dict[str, list[Span]]:
    """For each booking the nearest spans as long, on the same devices and with the same engineer, free under the rules.

    Args:
        session: to read in.
        bookings: with devices and engineers loaded.
        new: the outage that is not written yet.
        now: the present instant.
        defaults: what holds where no manager has set anything.
        count: how many for each at most.
    """
    if not bookings:
        return {}
    margin = timedelta(days=NEAR_DAYS + 2)  # buffers last a day at most
    window = Span(min(one.start_at for one in bookings) - margin, max(one.end_at for one in bookings) + margin)
    devices = sorted({row.device_id for one in bookings for row in one.devices})
    engineers = sorted({row.account_id for one in bookings for row in one.engineers})
    held = [(one.device_id, one.booking_id, one.span) for one in repository.devices_reserved(session, devices, window)]
    if engineers:
        held += repository.engineers_reserved(session, engineers, window)
    known = outage_spans(repository.outages_near(session, devices, window), window, zone=defaults.zone)
    calendar = _Calendar(
        load_rulebook(session, defaults),
        {device.id: device for device in find_devices(session, devices)},
        held,
        [*known, *(one for one in new if one.span.overlaps(window))],
    )
    return {one.id: _nearest(one, calendar, now=now, count=count) for one in bookings}


def _nearest(booking: Booking, calendar: _Calendar, *, now: datetime, count: int) -> list[Span]:
    wish = Span(booking.start_at, booking.end_at)
    devices = [calendar.devices[row.device_id] for row in booking.devices]
    rules = calendar.book.joint(devices)
    if wish.length > rules.longest or wish.length < rules.shortest:
        return []
    buffers = {device.id: calendar.book.buffers(device) for device in devices}
    near = wish.widened(before=timedelta(days=NEAR_DAYS + 2), after=timedelta(days=NEAR_DAYS + 2))
    wider = {device_id: own.around(wish) for device_id, own in buffers.items()}
    outages = [outage for outage in calendar.outages if outage.span.overlaps(near)]
    openings = without(free_openings(wish, days=NEAR_DAYS, now=now, rules=rules), closed_starts(wider, wish, outages))
    needed = {**buffers, **{row.account_id: _NO_BUFFERS for row in booking.engineers}}
    reserved = [
        (span, needed[what])
        for what, other, span in calendar.reserved
        if what in needed and other != booking.id and span.overlaps(near)
    ]
    starts = free_starts(wish.length, reserved=reserved, openings=openings)
    return nearest_spans(wish, starts, count=count, steps=steps_of(rules))
