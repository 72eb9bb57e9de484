"""Tables: pilots, their analysis plans and their runs."""

from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from lab.core.database import Base, UtcDateTime
from lab.pilots import constraints


class Pilot(Base):
    """A company's question to the lab, and its way to an answer."""

    __tablename__ = "pilots"

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    number: Mapped[str] = mapped_column(sa.String(40), unique=True)
    """For people, e.g. PL-2026-001."""
    organisation_id: Mapped[str] = mapped_column(sa.ForeignKey("organisations.id"), index=True)
    title: Mapped[str] = mapped_column(sa.String(200))
    question: Mapped[str] = mapped_column(sa.Text)
    state: Mapped[str] = mapped_column(sa.String(20))
    """accepted, planned (plan locked), running, sealed, reported."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Plan(Base):
    """An analysis plan; once locked it does not change (I5)."""

    __tablename__ = "plans"
    __table_args__ = (sa.UniqueConstraint("pilot_id", "version"),)

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    pilot_id: Mapped[str] = mapped_column(sa.ForeignKey("pilots.id"))
    version: Mapped[int]
    document: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    """`lab.pilots.plans.AnalysisPlan` as JSON."""
    locked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    locked_by: Mapped[str | None] = mapped_column(sa.String(40))
    sha256: Mapped[str | None] = mapped_column(sa.String(64))
    """Of the document in canonical JSON."""


class Run(Base):
    """One part, cycle or batch: the experimental unit."""

    __tablename__ = "runs"
    __table_args__ = (sa.UniqueConstraint("pilot_id", "number"),)

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    pilot_id: Mapped[str] = mapped_column(sa.ForeignKey("pilots.id"))
    plan_id: Mapped[str] = mapped_column(sa.ForeignKey("plans.id"))
    booking_id: Mapped[str | None] = mapped_column(sa.String(40))
    """Whose time the run used; known from its start on."""
    number: Mapped[int]
    """Place in the planned order, from 1."""
    arm: Mapped[str] = mapped_column(sa.String(40))
    block: Mapped[str | None] = mapped_column(sa.String(40))
    """What the run is compared within: its shift, batch, tool, pair or subject."""
    levels: Mapped[dict[str, Any]] = mapped_column(sa.JSON, server_default="{}")
    """Levels of the other factors of a factorial design; the period of a crossover."""
    executed_order: Mapped[int | None]
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    result: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    """What was found out about the part: {"finished": true, "passed": true, "roughness_um": 1.4}."""
    completeness: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
    """By device: {"mill-1": {"boot": …, "first_seq": …, "last_seq": …}}, noted at the stop."""
    excluded: Mapped[str | None] = mapped_column(sa.Text)
    """The reason, if the run does not count; excluded runs are kept and shown."""


constraints.attach(cast(sa.Table, Plan.__table__), constraints.PLANS)
constraints.attach(cast(sa.Table, Run.__table__), constraints.RUNS)
