"""What goes over HTTP about reports."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from lab.core.jobs import Job
from lab.reports.models import Report


class ReportSummary(BaseModel):
    """A report, without what it says."""

    id: str
    pilot_id: str
    number: str
    version: int
    created_at: datetime
    verdict: str
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

    @classmethod
    def of(cls, job: Job) -> "SealAnswer":
        """From the table's row."""
        return cls(job=job.id, state=job.state)
