"""Tables that the recorder keeps beside the samples.

Each row has a natural key, so that writing it twice is harmless.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from lab.core.database import Base, UtcDateTime


class ClockOffset(Base):
    """From this device time on, settled time = device time + offset; stored before the first sample that uses it."""

    __tablename__ = "clock_offsets"

    device_id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    boot: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    from_device_ns: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    from_seq: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, server_default="-1")
    """Number of the message that showed it. Earlier messages do not know it, so that a replay settles to the same
    times; -1: a birth showed it."""
    offset_ns: Mapped[int] = mapped_column(sa.BigInteger)
    uncertain: Mapped[bool]
    """The settled time cannot be trusted (1970, offline boot, jump): staff-only until assigned (I4)."""
    reason: Mapped[str] = mapped_column(sa.String(20), server_default="first")
    """first, drift, jump, set-right, no-date, offline-boot or buffered."""
    noted_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Boot(Base):
    """What is known of one run of a device's clock; remembered across starts of the recorder."""

    __tablename__ = "boots"

    device_id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    boot: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    first_received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_seq: Mapped[int] = mapped_column(sa.BigInteger)
    """Of the newest message that told the present time of the device; never lowered."""
    last_device_ns: Mapped[int] = mapped_column(sa.BigInteger)
    """That message's device time."""


class TimeAssignment(Base):
    """An uncertain span of a boot gets its time (I4); never changed, a later one overrides it."""

    __tablename__ = "time_assignments"
    __table_args__ = (sa.Index("ix_time_assignments_boot", "device_id", "boot"),)

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    device_id: Mapped[str] = mapped_column(sa.String(40))
    boot: Mapped[str] = mapped_column(sa.String(64))
    from_device_ns: Mapped[int] = mapped_column(sa.BigInteger)
    to_device_ns: Mapped[int] = mapped_column(sa.BigInteger)
    """The span is half-open, in device time."""
    from_seq: Mapped[int | None] = mapped_column(sa.BigInteger)
    """Where device times occur twice (a jump back): the span of message numbers as well, both ends included."""
    to_seq: Mapped[int | None] = mapped_column(sa.BigInteger)
    offset_ns: Mapped[int] = mapped_column(sa.BigInteger)
    """Settled time = device time + offset."""
    assigned_by: Mapped[str] = mapped_column(sa.String(40))
    """An account, or `system`: later messages have shown it."""
    assigned_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(sa.Text)
    applied_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Stored samples and events have the new time; None: the recorder has still to do it."""


class SequenceRange(Base):
    """Message numbers `first … last` (inclusive) of one boot that were all received; a hole between ranges is a gap."""

    __tablename__ = "sequence_ranges"

    device_id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    boot: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    first: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    last: Mapped[int] = mapped_column(sa.BigInteger)


class MachineEvent(Base):
    """An event or a change of state that a machine reported."""

    __tablename__ = "machine_events"
    __table_args__ = (sa.Index("ix_machine_events_settled", "device_id", "settled_ns"),)

    device_id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    boot: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    seq: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(60))
    """The event's name, or `state`."""
    device_ns: Mapped[int] = mapped_column(sa.BigInteger)
    settled_ns: Mapped[int] = mapped_column(sa.BigInteger)
    received_ns: Mapped[int] = mapped_column(sa.BigInteger)
    flags: Mapped[int]
    fields: Mapped[dict[str, Any]] = mapped_column(sa.JSON)


class DeadLetter(Base):
    """A message or a value that could not be stored, with the reason. Staff-only."""

    __tablename__ = "dead_letters"
    __table_args__ = (sa.Index("ix_dead_letters_device", "device_id", "received_at"),)

    key: Mapped[str] = mapped_column(sa.String(300), primary_key=True)
    """Spool, row of it, and signal: the same fault noted twice is one letter."""
    device_id: Mapped[str | None] = mapped_column(sa.String(200))
    """As the topic names it; it may be unknown."""
    topic: Mapped[str] = mapped_column(sa.Text)
    signal: Mapped[str | None] = mapped_column(sa.String(200))
    reason: Mapped[str] = mapped_column(sa.String(60))
    detail: Mapped[str] = mapped_column(sa.Text)
    payload: Mapped[bytes] = mapped_column(sa.LargeBinary)
    """The message, whole unless it is larger than any that is taken."""
    payload_bytes: Mapped[int]
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    spool_id: Mapped[str | None] = mapped_column(sa.String(40))
    number: Mapped[int | None] = mapped_column(sa.BigInteger)
    """Row of the spool."""
    entered_after_ns: Mapped[int | None] = mapped_column(sa.BigInteger)
    """As of the message when it came, so that a replay settles to the same time."""
    retained: Mapped[bool] = mapped_column(server_default=sa.false())
    replayed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Read again after the cause was mended, and stored; None: still dead."""


class DeadLetterCount(Base):
    """How many letters of a kind are kept, and how many came beyond the limit."""

    __tablename__ = "dead_letter_counts"

    device_id: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    """As the topic names it; empty: none."""
    signal: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    """Empty: the message as a whole."""
    reason: Mapped[str] = mapped_column(sa.String(60), primary_key=True)
    kept: Mapped[int]
    beyond: Mapped[int] = mapped_column(sa.BigInteger)
    first_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)


class HeardSignal(Base):
    """What is said under a name that the catalogue does not know."""

    __tablename__ = "heard_signals"

    device_id: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    """As the topic names it; it may be unknown itself."""
    name: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    origin: Mapped[str] = mapped_column(sa.String(20))
    """Format: json, cbor, senml or sparkplug."""
    kinds: Mapped[dict[str, int]] = mapped_column(sa.JSON)
    """How often it was of which kind: number, boolean, text."""
    count: Mapped[int] = mapped_column(sa.BigInteger)
    low: Mapped[float | None]
    high: Mapped[float | None]
    examples: Mapped[list[str]] = mapped_column(sa.JSON)
    unit_said: Mapped[str | None] = mapped_column(sa.String(40))
    interval_ms: Mapped[float | None]
    """Typical time between two values."""
    first_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
    adopted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ReplayRequest(Base):
    """Somebody of the staff asks for dead letters to be read again; the recorder does it."""

    __tablename__ = "replay_requests"

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    device_id: Mapped[str] = mapped_column(sa.String(200))
    signal: Mapped[str | None] = mapped_column(sa.String(200))
    asked_by: Mapped[str] = mapped_column(sa.String(40))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    outcome: Mapped[dict[str, int] | None] = mapped_column(sa.JSON)
    """How many letters were stored, and how many are still dead."""


class RecorderLease(Base):
    """Who records for a lab; at most one does at a time."""

    __tablename__ = "recorder_leases"

    name: Mapped[str] = mapped_column(sa.String(100), primary_key=True)
    holder: Mapped[str] = mapped_column(sa.String(100))
    epoch: Mapped[int]
    """Raised by every takeover."""
    beat: Mapped[int] = mapped_column(sa.BigInteger)
    """Raised while the holder lives; whoever waits sees it stand still by its own clock."""
    spool_id: Mapped[str] = mapped_column(sa.String(40))
    health: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    health_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RecordingIncident(Base):
    """Something is missing, or was repaired: what exactly, and since when."""

    __tablename__ = "recording_incidents"

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(40))
    """spool-damaged, store-damaged, store-restored, session-lost, spool-full, disk-full, broker-away."""
    device_id: Mapped[str | None] = mapped_column(sa.String(40))
    from_ns: Mapped[int | None] = mapped_column(sa.BigInteger)
    to_ns: Mapped[int | None] = mapped_column(sa.BigInteger)
    """Of what is missing, in received time."""
    from_number: Mapped[int | None] = mapped_column(sa.BigInteger)
    to_number: Mapped[int | None] = mapped_column(sa.BigInteger)
    """Of what is missing, in rows of the spool."""
    messages: Mapped[int | None] = mapped_column(sa.BigInteger)
    detail: Mapped[str] = mapped_column(sa.Text)
    noted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
