"""What goes over HTTP about what happens after a report."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lab.pilots.plans import Line, Prose
from lab.reports.afterwards.models import FollowUp, ReportAcceptance


class AcceptanceRequest(BaseModel):
    """The company's word on a report."""

    model_config = ConfigDict(extra="forbid")

    comment: Prose | None = None


class AcceptanceAnswer(BaseModel):
    """Who accepted a report, and when."""

    report_id: str
    name: str
    accepted_at: datetime
    comment: str | None

    @classmethod
    def of(cls, row: ReportAcceptance) -> "AcceptanceAnswer":
        """From the table's row."""
        return cls.model_validate(row, from_attributes=True)


class FollowUpRequest(BaseModel):
    """What became of a pilot."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    invested: Literal["yes", "no", "not yet"]
    amount_cents: int | None = Field(default=None, ge=0, le=10**13)
    """How much, if it is known."""
    funding: Line | None = None
    """Where the money came from: own money, a loan, a grant."""
    source: Line
    """How this is known: a telephone call, an invoice."""
    comment: Prose | None = None


class FollowUpAnswer(BaseModel):
    """A follow-up and what was answered."""

    pilot_id: str
    months: int
    due_at: datetime
    reminded_at: datetime | None
    invested: str | None
    amount_cents: int | None
    funding: str | None
    source: str | None
    comment: str | None
    answered_at: datetime | None

    @classmethod
    def of(cls, row: FollowUp) -> "FollowUpAnswer":
        """From the table's row."""
        return cls.model_validate(row, from_attributes=True)


class FollowUpLine(FollowUpAnswer):
    """A follow-up in the list of all."""

    pilot: str
    """Its number."""
    company: str
