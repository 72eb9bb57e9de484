"""Tables: price lists, programmes with their companies, and the ledger of public support, others' aid beside it."""

from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from bookings.prices import constraints
from lab.core.database import Base, UtcDateTime


class PriceList(Base):
    """Prices from a day on. Never changed; a new one follows."""

    __tablename__ = "price_lists"

    version: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    valid_from: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    devices: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    """By device id `{"hour_cents": …, "setup_cents": …}`; a device left out has its catalogue price."""
    supervision_hour_cents: Mapped[int]
    created_by: Mapped[str] = mapped_column(sa.String(40))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Programme(Base):
    """A programme that pays a part of the price."""

    __tablename__ = "programmes"

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(200), unique=True)
    legal_basis: Mapped[str] = mapped_column(sa.String(20))
    """de-minimis, gber-25, gber-28, market or none."""
    price_per_mille: Mapped[int]
    """Of the market value, what the company pays."""
    state_share_per_mille: Mapped[int]
    """Of the difference, what counts as state aid."""
    valid_from: Mapped[datetime] = mapped_column(UtcDateTime)
    valid_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """The first instant at which it is over."""
    created_by: Mapped[str] = mapped_column(sa.String(40))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ProgrammeMember(Base):
    """A company in a programme."""

    __tablename__ = "programme_members"

    programme_id: Mapped[str] = mapped_column(sa.ForeignKey("programmes.id"), primary_key=True)
    organisation_id: Mapped[str] = mapped_column(sa.ForeignKey("organisations.id"), primary_key=True, index=True)
    added_by: Mapped[str] = mapped_column(sa.String(40))
    added_at: Mapped[datetime] = mapped_column(UtcDateTime)
    left_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SupportEntry(Base):
    """One line of the ledger of public support. Never changed, never deleted, only countered."""

    __tablename__ = "support_entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[str] = mapped_column(sa.ForeignKey("organisations.id"), index=True)
    programme_id: Mapped[str] = mapped_column(sa.ForeignKey("programmes.id"))
    legal_basis: Mapped[str] = mapped_column(sa.String(20))
    booking_id: Mapped[str | None] = mapped_column(sa.ForeignKey("bookings.id"), index=True)
    granted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """The granting date, from which three years roll; of a counter entry, that of the entry it counters."""
    cents: Mapped[int]
    """Negative in a counter entry."""
    counters: Mapped[int | None] = mapped_column(sa.ForeignKey("support_entries.id"), unique=True)
    """The entry that this one takes back; no entry is taken back twice."""
    written_by: Mapped[str] = mapped_column(sa.String(40))
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(sa.String(500))


class OtherAid(Base):
    """De minimis aid that a company had from somebody else, as it declared it. Never changed, only countered."""

    __tablename__ = "other_aids"

    id: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[str] = mapped_column(sa.ForeignKey("organisations.id"), index=True)
    grantor: Mapped[str] = mapped_column(sa.String(200))
    """Who granted it."""
    reference: Mapped[str | None] = mapped_column(sa.String(200))
    """Of the grantor's decision or of the company's declaration."""
    granted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """The granting date, from which three years roll; of a counter entry, that of the entry it counters."""
    cents: Mapped[int]
    """Negative in a counter entry."""
    counters: Mapped[int | None] = mapped_column(sa.ForeignKey("other_aids.id"), unique=True)
    """The entry that this one takes back; no entry is taken back twice."""
    written_by: Mapped[str] = mapped_column(sa.String(40))
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reason: Mapped[str | None] = mapped_column(sa.String(500))
    """Why it was taken back."""


constraints.attach(cast(sa.Table, SupportEntry.__table__), constraints.LEDGER)
constraints.attach(cast(sa.Table, OtherAid.__table__), constraints.OTHER_AID)
