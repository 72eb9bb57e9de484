"""Tables of the calendar. The database itself keeps a device from being reserved twice (I1)."""

from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from bookings import constraints
from lab.core.database import Base, UtcDateTime


def _when_created(context: Any) -> datetime:
    """What is new was not changed since."""
    created: datetime = context.get_current_parameters()["created_at"]
    return created


class Booking(Base):
    """A span on one or several devices, for a company."""

    __tablename__ = "bookings"
    __table_args__ = (
        sa.Index("ix_bookings_span", "start_at", "end_at"),
        sa.Index("ix_bookings_company_span", "organisation_id", "start_at", "end_at"),
        # What time itself changes is looked up every few seconds: requests that lapse, slots that begin and end.
        sa.Index("ix_bookings_state", "state", "end_at"),
        sa.CheckConstraint("end_at > start_at", name="end_after_start"),
    )

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    organisation_id: Mapped[str] = mapped_column(sa.ForeignKey("organisations.id"))
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
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime, default=_when_created)
    cancelled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_as: Mapped[str | None] = mapped_column(sa.String(20))
    """How a cancelled booking came to be so: cancelled, declined or lapsed."""
    supervised: Mapped[bool] = mapped_column(default=False)
    """Whether an engineer of the lab is booked with it."""
    series_id: Mapped[str | None] = mapped_column(sa.String(40), index=True)
    lapses_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Of a request: when it gives the slot back, unless it is approved before."""
    used_from: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Check-in, or the machine's own word."""
    used_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    price_list_version: Mapped[int | None]
    """None: the catalogue's prices."""
    programme_id: Mapped[str | None] = mapped_column(sa.String(40))
    market_value_cents: Mapped[int | None]
    price_cents: Mapped[int | None]
    """What the company pays."""
    support_cents: Mapped[int | None]
    """Public support: (market value - price) x state share."""
    quote: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
    """The quote's lines, as `bookings.prices.schemas.QuoteFacts` tells them."""

    devices: Mapped[list["BookingDevice"]] = relationship(
        back_populates="booking", order_by="BookingDevice.device_id", cascade="all, delete-orphan"
    )
    engineers: Mapped[list["BookingEngineer"]] = relationship(
        back_populates="booking", order_by="BookingEngineer.account_id", cascade="all, delete-orphan"
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


class BookingEngineer(Base):
    """The engineer who supervises a booking; nobody supervises two at one time."""

    __tablename__ = "booking_engineers"
    __table_args__ = (
        sa.CheckConstraint("reserved_end > reserved_start", name="end_after_start"),
        sa.Index(
            "ix_booking_engineers_reserved",
            "account_id",
            "reserved_end",
            "reserved_start",
            sqlite_where=sa.text("active = 1"),
            postgresql_where=sa.text("active"),
        ),
    )

    booking_id: Mapped[str] = mapped_column(sa.ForeignKey("bookings.id"), primary_key=True)
    account_id: Mapped[str] = mapped_column(sa.ForeignKey("accounts.id"), primary_key=True)
    reserved_start: Mapped[datetime] = mapped_column(UtcDateTime)
    """Start of the booking."""
    reserved_end: Mapped[datetime] = mapped_column(UtcDateTime)
    active: Mapped[bool]

    booking: Mapped[Booking] = relationship(back_populates="engineers")


constraints.attach(cast(sa.Table, BookingDevice.__table__), constraints.DEVICES)
constraints.attach(cast(sa.Table, BookingEngineer.__table__), constraints.ENGINEERS)


class BookingSeries(Base):
    """Bookings made by one recurrence."""

    __tablename__ = "booking_series"

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    organisation_id: Mapped[str] = mapped_column(sa.ForeignKey("organisations.id"), index=True)
    rrule: Mapped[str] = mapped_column(sa.String(500))
    created_by: Mapped[str] = mapped_column(sa.String(40))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
