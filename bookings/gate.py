"""The one gate through which every reservation passes (I1), and the search for what is free.

The rules come first, then the devices locked in the order of their ids, then what is held already, then the database's
own constraint, which has the last word.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bookings import constraints, repository
from bookings.conflicts import busy_error
from bookings.errors import DeviceBusyError, DevicesRetiredError, UnknownDevicesError
from bookings.rules import LIMITS, Limits, OpeningHours, free_openings, require_allowed, require_device_ids
from bookings.slots import Buffers, free_starts, nearest_spans
from devices.models import Device
from lab.core.time import Span
from lab.people.principals import Principal

_NEAR_DAYS = 14
"""Alternatives are looked for this far around the wish first, and up to the horizon only if there are too few."""


def lock_bookable_devices(session: Session, device_ids: Sequence[str]) -> list[Device]:
    """These devices, sorted and kept from other bookings until the transaction ends.

    Raises:
        UnknownDevicesError, DevicesRetiredError: not all of them can be booked.
    """
    return _require_bookable(repository.lock_devices(session, device_ids), device_ids)


def _require_bookable(devices: list[Device], device_ids: Sequence[str]) -> list[Device]:
    known = {device.id for device in devices}
    unknown = [device_id for device_id in device_ids if device_id not in known]
    if unknown:
        raise UnknownDevicesError(
            f"there is no device {', '.join(unknown)}", field="device_ids", rule="known-device", devices=unknown
        )
    retired = [device.id for device in devices if device.retired_at is not None]
    if retired:
        raise DevicesRetiredError(
            f"{', '.join(retired)}: no longer in service", field="device_ids", rule="device-in-service", devices=retired
        )
    return sorted(devices, key=lambda device: device.id)


def reserve(
    session: Session,
    principal: Principal,
    devices: Sequence[Device],
    span: Span,
    write: Callable[[], None],
    *,
    now: datetime,
    hours: OpeningHours,
    limits: Limits,
    except_booking: str | None = None,
) -> None:
    """The gate: write rows that hold devices (locked, sorted), unless somebody else holds one.

    What is held already is looked up first, for a refusal that costs little; then the database judges what was
    written.

    Raises:
        DeviceBusyError: with the conflicts as this principal may know them, and alternatives.
    """
    wishes = {device.id: buffers_of(device).around(span) for device in devices}

    def refusal() -> DeviceBusyError:
        found = repository.find_conflicts(session, wishes, except_booking=except_booking)
        alternatives = free_alternatives(
            session, list(wishes), span, now=now, hours=hours, limits=limits, except_booking=except_booking
        )
        return busy_error(principal, list(wishes), found, alternatives)

    if repository.find_conflicts(session, wishes, except_booking=except_booking):
        raise refusal()
    try:
        with session.begin_nested():
            write()
            constraints.enforce_now(session)
    except IntegrityError as error:
        if not constraints.is_device_busy(error):
            raise
        raise refusal() from error


def free_alternatives(
    session: Session,
    device_ids: Sequence[str],
    span: Span,
    *,
    now: datetime,
    hours: OpeningHours,
    count: int = 3,
    limits: Limits = LIMITS,
    except_booking: str | None = None,
) -> list[Span]:
    """Spans as long as the wish in which all these devices are free under all rules, the nearest first.

    Args:
        session: to read in.
        device_ids: all needed at once.
        span: the wish; it is the first answer if it is free.
        now: the present instant.
        hours: the lab's opening hours.
        count: how many at most; fewer only if there are not so many up to the horizon.
        limits: how long and how far ahead.
        except_booking: does not count as held (it is being moved).

    Raises:
        RuleBrokenError, UnknownDevicesError, DevicesRetiredError: no span like this can be booked.
    """
    wanted = require_device_ids(device_ids)
    require_allowed(span, now=now, hours=hours, limits=limits)
    devices = _require_bookable(repository.find_devices(session, wanted), wanted)
    buffers = {device.id: buffers_of(device) for device in devices}
    found: list[Span] = []
    for days in (_NEAR_DAYS, limits.horizon.days + 1):
        openings = free_openings(span, days=days, now=now, hours=hours, limits=limits)
        if openings:
            window = _widest(buffers.values()).around(Span(openings[0].start, openings[-1].end))
            held = repository.reserved_spans(session, wanted, window, except_booking=except_booking)
            reserved = ((taken, buffers[device_id]) for device_id, taken in held)
            starts = free_starts(span.length, reserved=reserved, openings=openings)
            found = nearest_spans(span, starts, count=count)
        if len(found) >= count:
            break
    return found


def buffers_of(device: Device) -> Buffers:
    """Set-up and clean-up time of a device."""
    return Buffers(timedelta(minutes=device.setup_minutes), timedelta(minutes=device.cleanup_minutes))


def _widest(buffers: Iterable[Buffers]) -> Buffers:
    every = list(buffers)
    return Buffers(max(one.setup for one in every), max(one.cleanup for one in every))
