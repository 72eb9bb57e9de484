"""Tables of alarms: the rules, the episodes, and what was done about each."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from lab.core.database import Base, UtcDateTime


class AlarmRule(Base):
    """When an alarm is raised."""

    __tablename__ = "alarm_rules"

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    device_id: Mapped[str] = mapped_column(sa.String(40), index=True)
    signal: Mapped[str | None] = mapped_column(sa.String(100))
    kind: Mapped[str] = mapped_column(sa.String(20))
    """limit, rate, silence or state; unbooked, idle, disk or recorder, which the product itself watches."""
    settings: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    """By kind: low, high, hysteresis, delay_s, …"""
    severity: Mapped[str] = mapped_column(sa.String(10))
    """info, warning or critical."""
    organisation_id: Mapped[str | None] = mapped_column(sa.String(40))
    """Whose pilot it belongs to; None: the lab's own."""
    source: Mapped[str] = mapped_column(sa.String(60))
    """`manual`, `lab`, or `plan:` and the pilot, whose stop criterion it is."""
    version: Mapped[int]
    changed_by: Mapped[str] = mapped_column(sa.String(40))
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Alarm(Base):
    """One episode: raised, perhaps acknowledged, cleared."""

    __tablename__ = "alarms"
    __table_args__ = (
        sa.Index(
            "uq_alarms_open",
            "rule_id",
            unique=True,
            sqlite_where=sa.text("cleared_at IS NULL"),
            postgresql_where=sa.text("cleared_at IS NULL"),
        ),
        sa.Index("ix_alarms_raised", "device_id", "raised_at"),
    )

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    rule_id: Mapped[str] = mapped_column(sa.String(40), index=True)
    device_id: Mapped[str] = mapped_column(sa.String(40))
    signal: Mapped[str | None] = mapped_column(sa.String(100))
    kind: Mapped[str] = mapped_column(sa.String(20))
    severity: Mapped[str] = mapped_column(sa.String(10))
    organisation_id: Mapped[str | None] = mapped_column(sa.String(40))
    """Who had the device then; None: nobody."""
    booking_id: Mapped[str | None] = mapped_column(sa.String(40))
    run_id: Mapped[str | None] = mapped_column(sa.String(40))
    raised_ns: Mapped[int] = mapped_column(sa.BigInteger)
    """Settled time of the value that raised it."""
    raised_at: Mapped[datetime] = mapped_column(UtcDateTime)
    from_ns: Mapped[int] = mapped_column(sa.BigInteger)
    """Settled time of the oldest value that it tells of: of a rate the one before; else `raised_ns`."""
    acknowledged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    acknowledged_by: Mapped[str | None] = mapped_column(sa.String(40))
    cleared_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    value: Mapped[float | None]
    text: Mapped[str] = mapped_column(sa.Text)


class AlarmNote(Base):
    """One line of an alarm's history."""

    __tablename__ = "alarm_notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    alarm_id: Mapped[str] = mapped_column(sa.ForeignKey("alarms.id"), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    by: Mapped[str] = mapped_column(sa.String(40))
    what: Mapped[str] = mapped_column(sa.String(20))
    """raised, acknowledged, commented, cleared, told, stop-sent, stop-done, stop-refused or stop-unanswered."""
    text: Mapped[str] = mapped_column(sa.Text)
