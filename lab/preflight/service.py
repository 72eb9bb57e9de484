"""What is checked before a booking: the lines that an engineer works off before a company comes. For the staff."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from bookings.models import Booking
from bookings.service import get_booking
from devices.models import Device, DeviceBirth
from devices.repository import all_births, all_devices, find_devices
from lab.access.service import grant_for
from lab.core.errors import UnavailableError
from lab.core.findings import Finding
from lab.core.settings import Settings
from lab.core.time import to_nanoseconds
from lab.people.principals import Principal
from lab.pilots import repository as pilots
from lab.pilots.plans import AnalysisPlan, read_plan
from lab.preflight.broker import BrokerTrial, broker_lines, keeping_of, message_rate
from lab.preflight.lines import LOOKED_AT, DeviceSeen, SignalSeen, alarm_lines, device_lines, recorder_lines
from telemetry.alarms.repository import open_alarms
from telemetry.grants import Grant
from telemetry.leases import lease_name
from telemetry.models import ClockOffset, RecorderLease
from telemetry.queries import visible_spans
from telemetry.stores.interface import SampleStore
from telemetry.times.service import boot_heard_since

_STILL_ON_ITS_WAY = timedelta(seconds=3)
"""What was said in the last moments may not be stored yet."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What is looked at besides the database."""

    settings: Settings
    store: SampleStore | None
    trial: BrokerTrial | None
    """Of the broker; `None`: this program knows none."""


def preflight(
    session: Session, principal: Principal, booking_id: str, *, parts: Parts, now: datetime
) -> tuple[Booking, list[Finding]]:
    """Everything that has to be right for a booking, red lines first in each part.

    Args:
        session: to read in.
        principal: an engineer or a manager.
        booking_id: the booking.
        parts: what is looked at besides the database.
        now: the present instant.

    Raises:
        ForbiddenError: for anybody but the staff.
        BookingUnknownError: if there is none.
    """
    principal.require_staff("see what has to be right before a booking")
    booking = get_booking(session, principal, booking_id)
    ids = sorted(row.device_id for row in booking.devices)
    devices, births = find_devices(session, ids), all_births(session)
    plan, lines = _plan_of(session, booking)
    grant = grant_for(session, principal)
    for device_id in ids:
        try:
            lines += device_lines(_seen(session, grant, parts.store, devices[device_id], births, plan, now))
        except UnavailableError as error:
            lines.append(Finding("wrong", "store", error.message, "see that the store of samples runs"))
    lines += _broker(session, parts, births)
    lease = session.get(RecorderLease, lease_name(parts.settings.lab))
    lines += recorder_lines(
        lease.health if lease is not None else None,
        age=timedelta(0) if lease is None or parts.settings.steered_clock is not None else now - lease.health_at,
        low_disk_bytes=parts.settings.low_disk_bytes,
        spool_max_bytes=parts.settings.spool_max_bytes,
    )
    found = [alarm for device_id in ids for alarm in open_alarms(session, device_id=device_id)]
    lines += alarm_lines([(alarm.severity, alarm.text) for alarm in found])
    return booking, lines


def _plan_of(session: Session, booking: Booking) -> tuple[AnalysisPlan | None, list[Finding]]:
    row = pilots.latest_plan(session, booking.pilot_id) if booking.pilot_id is not None else None
    if row is None:
        return None, []
    plan = read_plan(row.document)
    lines = []
    if row.locked_at is None:
        todo = "lock it before the first run; afterwards nobody changes it unseen"
        lines.append(Finding("mind", "plan", "the analysis plan is not locked yet", todo))
    missing = sorted(plan.devices() - {one.device_id for one in booking.devices})
    if missing:
        fact = f"the analysis plan needs {', '.join(missing)}, which is not booked"
        lines.append(Finding("wrong", "plan", fact, "book it for the same time"))
    return plan, lines or [Finding("good", "plan", "is locked, and everything that it needs is booked")]


def _seen(
    session: Session,
    grant: Grant,
    store: SampleStore | None,
    device: Device,
    births: dict[str, DeviceBirth],
    plan: AnalysisPlan | None,
    now: datetime,
) -> DeviceSeen:
    birth = births.get(device.id)
    end_ns = to_nanoseconds(now - _STILL_ON_ITS_WAY)
    span = (end_ns - LOOKED_AT // timedelta(microseconds=1) * 1000, end_ns)
    planned = _planned(plan, device)
    looked_at = [one for one in device.signals if one.name in planned or one.expected_interval_ms is not None]
    online = None if birth is None else birth.died_at is None
    boot = birth.boot if birth is not None else boot_heard_since(session, device.id, now - LOOKED_AT)
    sending = online or (birth is None and boot is not None)
    came: dict[str, int] = {}
    uncertain = 0
    if store is not None and sending and looked_at:
        came, uncertain = _counts(store, grant, device.id, [one.name for one in looked_at], span)
    signals = [
        SignalSeen(one.label, one.expected_interval_ms, came.get(one.name, 0), one.name in planned) for one in looked_at
    ]
    offset_s = _offset_s(session, device.id, boot) if boot is not None else None
    return DeviceSeen(device.id, device.name, online, tuple(signals), offset_s, uncertain, sending=bool(sending))


def _planned(plan: AnalysisPlan | None, device: Device) -> set[str]:
    """Signals that the booking needs; without a plan, all of which it is known how often they come."""
    if plan is None:
        return {one.name for one in device.signals if one.expected_interval_ms is not None}
    stops = {(one.signal.device, one.signal.signal) for one in plan.stop}
    return {signal for device_id, signal in plan.signals() | stops if device_id == device.id}


def _counts(
    store: SampleStore, grant: Grant, device: str, signals: list[str], span: tuple[int, int]
) -> tuple[dict[str, int], int]:
    """Signal → values that came, and how many of all have a time that cannot be trusted."""
    spans = visible_spans(grant, device, *span)
    every, certain = (
        store.coverage(device, signals, spans, longest_gap_ns=span[1] - span[0], uncertain=uncertain)
        for uncertain in (True, False)
    )
    came: dict[str, int] = {}
    for row in every.to_pylist():
        came[row["signal"]] = came.get(row["signal"], 0) + row["count"]
    return came, sum(came.values()) - sum(certain.column("count").to_pylist())


def _offset_s(session: Session, device_id: str, boot: str) -> float | None:
    offset_ns = session.scalar(
        sa.select(ClockOffset.offset_ns)
        .where(ClockOffset.device_id == device_id, ClockOffset.boot == boot)
        .order_by(ClockOffset.from_seq.desc(), ClockOffset.from_device_ns.desc())
        .limit(1)
    )
    return None if offset_ns is None else offset_ns / 1e9


def _broker(session: Session, parts: Parts, births: dict[str, DeviceBirth]) -> list[Finding]:
    online = {device_id for device_id, birth in births.items() if birth.died_at is None}
    intervals = [
        [signal.expected_interval_ms for signal in device.signals]
        for device in all_devices(session)
        if device.id in online
    ]
    settings = parts.settings
    return broker_lines(
        parts.trial,
        keeping_of(settings),
        rate=message_rate(intervals),
        max_payload_bytes=settings.max_payload_bytes,
    )
