"""Tables: sealed data sets and the reports made from them."""

from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from lab.core.database import Base, UtcDateTime
from lab.pilots.constraints import attach
from lab.reports import constraints


class DataSet(Base):
    """The sealed data of a pilot; never changed, a correction is a new version (I5)."""

    __tablename__ = "data_sets"
    __table_args__ = (sa.UniqueConstraint("pilot_id", "version"),)

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    pilot_id: Mapped[str] = mapped_column(sa.ForeignKey("pilots.id"))
    version: Mapped[int]
    sealed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    folder: Mapped[str] = mapped_column(sa.Text)
    """Relative to the data folder."""
    manifest_sha256: Mapped[str] = mapped_column(sa.String(64))


class Report(Base):
    """A report on a sealed data set."""

    __tablename__ = "reports"
    __table_args__ = (sa.UniqueConstraint("pilot_id", "version"),)

    id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    pilot_id: Mapped[str] = mapped_column(sa.ForeignKey("pilots.id"))
    data_set_id: Mapped[str] = mapped_column(sa.ForeignKey("data_sets.id"))
    number: Mapped[str] = mapped_column(sa.String(40), unique=True)
    version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    verdict: Mapped[str] = mapped_column(sa.String(40))
    results: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    """The one result object from which PDF, HTML and JSON are made."""
    pdf_sha256: Mapped[str] = mapped_column(sa.String(64))
    package_sha256: Mapped[str] = mapped_column(sa.String(64))
    folder: Mapped[str] = mapped_column(sa.Text)
    """Relative to the data folder: report.pdf, package.zip, charts/*.svg."""
    status: Mapped[str] = mapped_column(sa.String(20), default="draft")
    """draft, reviewed or approved; an approved report does not change."""
    issue: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    """What people say in it, and who stands for it (`lab.reports.issue.ReportIssue`)."""
    revision: Mapped[int] = mapped_column(default=1)
    """Counts the changes of `issue`."""
    written_revision: Mapped[int] = mapped_column(default=1)
    """The revision from which the files were written; a smaller one: they are being written again."""

    @property
    def is_written(self) -> bool:
        """Whether the files say what `issue` says."""
        return self.written_revision == self.revision

    @property
    def is_final(self) -> bool:
        """Whether it is approved and written as approved."""
        return self.status == "approved" and self.is_written


attach(cast(sa.Table, DataSet.__table__), constraints.UPGRADE)
attach(cast(sa.Table, Report.__table__), constraints.REPORTS)
