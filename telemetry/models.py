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
    offset_ns: Mapped[int] = mapped_column(sa.BigInteger)
    uncertain: Mapped[bool]
    """The settled time cannot be trusted (1970, offline boot, jump): staff-only until assigned (I4)."""
    noted_at: Mapped[datetime] = mapped_column(UtcDateTime)


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

    key: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    """Spool row and signal: the same fault noted twice is one letter."""
    device_id: Mapped[str | None] = mapped_column(sa.String(200))
    """As the topic names it; it may be unknown."""
    topic: Mapped[str] = mapped_column(sa.Text)
    signal: Mapped[str | None] = mapped_column(sa.String(200))
    reason: Mapped[str] = mapped_column(sa.String(60))
    detail: Mapped[str] = mapped_column(sa.Text)
    payload: Mapped[bytes] = mapped_column(sa.LargeBinary)
    """The first 64 KiB of the message."""
    payload_bytes: Mapped[int]
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
