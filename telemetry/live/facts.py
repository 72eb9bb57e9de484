"""What a live stream has to know of a device, read once for all its viewers."""

from collections.abc import Collection
from itertools import groupby

import sqlalchemy as sa
from sqlalchemy.orm import Session

from devices.models import Signal, SignalAlias
from devices.service import SignalFacts
from telemetry.boot_clock import BootClock
from telemetry.live.rings import DeviceFacts
from telemetry.models import ClockOffset
from telemetry.settling import ChangePoint

_NEWEST = 64
"""Change points by which the boots are found that a device may speak of next."""


def facts_of(session: Session, device: str, heard: Collection[str] = ()) -> DeviceFacts:
    """Read what is known of a device.

    Args:
        session: to read in.
        device: which one.
        heard: boots whose clocks are needed besides the newest ones.
    """
    columns = (Signal.name, Signal.type, Signal.unit, Signal.choices)
    known = {
        row.name: SignalFacts(row.type, choices=None if row.choices is None else frozenset(row.choices), unit=row.unit)
        for row in session.execute(sa.select(*columns).where(Signal.device_id == device))
    }
    units = {name: signal.unit for name, signal in known.items()}
    aliases = session.execute(sa.select(SignalAlias.heard, SignalAlias.signal).where(SignalAlias.device_id == device))
    names = {row.heard: row.signal for row in aliases}
    return DeviceFacts(frozenset(units), _clocks(session, device, heard), names, units, known)


def _clocks(session: Session, device: str, heard: Collection[str]) -> dict[str, BootClock]:
    newest = (
        sa.select(ClockOffset.boot)
        .where(ClockOffset.device_id == device)
        .order_by(ClockOffset.noted_at.desc())
        .limit(_NEWEST)
    )
    boots = set(heard) | set(session.scalars(newest))
    rows = session.scalars(
        sa.select(ClockOffset)
        .where(ClockOffset.device_id == device, ClockOffset.boot.in_(boots))
        .order_by(ClockOffset.boot, ClockOffset.from_device_ns)
    )
    return {
        boot: BootClock(
            ChangePoint(row.from_device_ns, row.offset_ns, row.uncertain, row.from_seq, row.reason) for row in points
        )
        for boot, points in groupby(rows, key=lambda row: row.boot)
    }
