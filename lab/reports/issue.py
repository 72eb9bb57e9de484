"""What people add to a report: who wrote, reviewed and approved it, and what only people can say (domain.md §6).

Measured numbers never stand here. An issue goes into the data package as `issue.json`, so that a report can be made
again from its package alone.
"""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lab.pilots.plans import Line, Prose
from lab.reports.language import Language

Status = Literal["draft", "reviewed", "approved"]


class IssuePart(BaseModel):
    """A part of an issue: frozen, nothing unknown, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class Signature(IssuePart):
    """Somebody who stands for a report by name."""

    name: Line
    role: Line
    """As people read it: Lab engineer, Lab manager."""
    at: datetime


class Readiness(IssuePart):
    """Technology readiness level of the solution, before and after the pilot (ISO 16290)."""

    before: int = Field(ge=1, le=9)
    after: int = Field(ge=1, le=9)
    reason: Prose


class Maturity(IssuePart):
    """Digital maturity of the company, by the Commission's Digital Maturity Assessment: 0 to 100 in each dimension."""

    stage: Literal["T0", "T1", "T2"]
    assessed_on: date
    strategy: float = Field(ge=0, le=100)
    """Digital business strategy."""
    readiness: float = Field(ge=0, le=100)
    """Digital readiness."""
    people: float = Field(ge=0, le=100)
    """Human-centric digitalisation."""
    data: float = Field(ge=0, le=100)
    """Data management and security."""
    automation: float = Field(ge=0, le=100)
    """Automation and artificial intelligence."""
    green: float = Field(ge=0, le=100)
    """Green digitalisation."""


class Risk(IssuePart):
    """What may go wrong with the investment, as people see it."""

    text: Prose
    likelihood: Literal["low", "medium", "high"]
    impact: Literal["low", "medium", "high"]
    answer: Prose | None = None
    """What can be done about it."""


class NextStep(IssuePart):
    """Something to be done, by somebody, by a day."""

    text: Prose
    owner: Line
    due: date | None = None


class Change(IssuePart):
    """Why a version replaced the one before."""

    version: int
    at: datetime
    by: Line
    reason: Prose


class Statement(IssuePart):
    """What people say in a report, free to be changed while it is a draft."""

    language: Language = "en"
    """That the whole report is written in; what people type stays as it is."""
    authors: tuple[Line, ...] = Field(default=(), max_length=20)
    funding_notice: Prose | None = None
    readiness: Readiness | None = None
    maturity: tuple[Maturity, ...] = Field(default=(), max_length=3)
    risks: tuple[Risk, ...] = Field(default=(), max_length=20)
    transfer: Prose | None = None
    """What will be different at the company's own site."""
    recommendation: Prose | None = None
    """What the lab adds to the verdict, which it cannot change."""
    next_steps: tuple[NextStep, ...] = Field(default=(), max_length=20)
    funding: tuple[Prose, ...] = Field(default=(), max_length=20)
    """Sources of money that may fit."""


class ReportIssue(IssuePart):
    """One version of a report in one state."""

    version: int = Field(default=1, ge=1)
    status: Status = "draft"
    statement: Statement = Statement()
    reviewed: Signature | None = None
    approved: Signature | None = None
    replaces: str | None = None
    """Number of the report that this version corrects."""
    changes: tuple[Change, ...] = ()
    """One line for every version but the first."""


def report_number(pilot_number: str, version: int) -> str:
    """For people: every version of a report has a number of its own, `PL-2026-001-R2`."""
    return f"{pilot_number}-R{version}"
