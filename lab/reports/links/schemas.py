"""What goes over HTTP about links to reports."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from lab.pilots.plans import Line
from lab.reports.links.models import ReportLink


class NewReportLink(BaseModel):
    """For whom a link is, and for how long."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    label: Line
    """For whom: a name or a company."""
    days: int = 30
    """How long it leads to the report: 1 to 366."""


class ReportLinkAnswer(BaseModel):
    """A link, without its secret."""

    id: str
    report_id: str
    label: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    opened: int
    last_opened_at: datetime | None

    @classmethod
    def of(cls, link: ReportLink) -> "ReportLinkAnswer":
        """From the table's row."""
        return cls.model_validate(link, from_attributes=True)


class NewReportLinkAnswer(ReportLinkAnswer):
    """A fresh link; its address is shown only now."""

    url: str


class ReportLinkList(BaseModel):
    """The links to a report, the newest first."""

    links: list[ReportLinkAnswer]
