"""What goes over HTTP about reports."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from lab.core.jobs import Job
from lab.pilots.plans import Prose
from lab.reports.models import Report


class Reasoned(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")

    reason: Prose


class ReportSummary(BaseModel):
    """A report, without what it says."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    pilot_id: str
    number: str
    version: int
    created_at: datetime
    verdict: str
    status: str
    """draft, reviewed or approved."""
    revision: int
    """Counts its changes; the version for If-Match."""
    is_written: bool
    """Whether its files say what it says; a moment after a change they do."""
    pdf_sha256: str
    package_sha256: str

    @classmethod
    def of(cls, report: Report) -> "ReportSummary":
        """From the table's row."""
        return cls.model_validate(report, from_attributes=True)


class ReportAnswer(ReportSummary):
    """A report with everything that it says (`lab.reports.results.Results` as JSON)."""

    results: dict[str, Any]

    @classmethod
    def of(cls, report: Report) -> "ReportAnswer":
        """From the table's row."""
        return cls.model_validate(report, from_attributes=True)


class SealAnswer(BaseModel):
    """The job that seals and reports."""

    job: str
    state: str
    due: datetime
    """Not before this: late messages are waited for."""

    @classmethod
    def of(cls, job: Job) -> "SealAnswer":
        """From the table's row."""
        return cls(job=job.id, state=job.state, due=job.run_at)


class LateArrivalAnswer(BaseModel):
    """A signal of a run of which the store has another number of samples than the sealed data."""

    model_config = ConfigDict(from_attributes=True)

    run: int
    device: str
    signal: str
    sealed: int
    now: int


class LateArrivals(BaseModel):
    """What the newest sealed data do not have."""

    data_set_version: int
    arrivals: list[LateArrivalAnswer]
