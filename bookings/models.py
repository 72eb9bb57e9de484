"""Tables of the calendar. The database itself keeps a device from being reserved twice (I1)."""

from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from bookings import constraints
from lab.core.database import Base, UtcDateTime


class Booking(Base):
    """A span on one or several devices, for a company."""

    __tablename__ = "bookings"
    __table_args__ = (
        sa.Index("ix_bookings_span", "start_at", "end_at"),
        sa.CheckConstraint("end_at > start_at", name="end_after_start"),
    )

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    organisation_id: Mapped[str] = mapped_column(sa.ForeignKey("organisations.id"), index=True)
    pilot_id: Mapped[str | None] = mapped_column(sa.String(40), index=True)
    booked_by: Mapped[str] = mapped_column(sa.String(40))
    """Account id."""
    title: Mapped[str] = mapped_column(sa.String(200))
    start_at: Mapped[datetime] = mapped_column(UtcDateTime)
    end_at: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(sa.String(20))
    """requested, confirmed, in_use, done, cancelled or no_show."""
    version: Mapped[int]
    """Counts changes; the ETag."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    cancelled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    devices: Mapped[list["BookingDevice"]] = relationship(
        back_populates="booking", order_by="BookingDevice.device_id", cascade="all, delete-orphan"
    )


class BookingDevice(Base):
    """One device of a booking, with its buffers."""

    __tablename__ = "booking_devices"
    __table_args__ = (
        sa.CheckConstraint("reserved_end > reserved_start", name="end_after_start"),
        # What is reserved from an instant on is read from here: by the triggers, the conflicts and the slot search.
        sa.Index(
            "ix_booking_devices_reserved",
            "device_id",
            "reserved_end",
            "reserved_start",
            sqlite_where=sa.text("active = 1"),
            postgresql_where=sa.text("active"),
        ),
    )

    booking_id: Mapped[str] = mapped_column(sa.ForeignKey("bookings.id"), primary_key=True)
    device_id: Mapped[str] = mapped_column(sa.ForeignKey("devices.id"), primary_key=True)
    reserved_start: Mapped[datetime] = mapped_column(UtcDateTime)
    """Start less the device's set-up time."""
    reserved_end: Mapped[datetime] = mapped_column(UtcDateTime)
    """End plus the device's clean-up time."""
    active: Mapped[bool]
    """Whether it holds or held the device: requested, confirmed, in use, done, or cancelled after its start."""

    booking: Mapped[Booking] = relationship(back_populates="devices")


constraints.attach(cast(sa.Table, BookingDevice.__table__))


class BookingChange(Base):
    """The history of a booking: who, when, from what, to what, why. Never changed, never deleted."""

    __tablename__ = "booking_changes"

    id: Mapped[int] = mapped_column(primary_key=True)
    booking_id: Mapped[str] = mapped_column(sa.ForeignKey("bookings.id"), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    by: Mapped[str] = mapped_column(sa.String(40))
    what: Mapped[str] = mapped_column(sa.String(40))
    before: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
    after: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
    reason: Mapped[str | None] = mapped_column(sa.Text)
