"""What goes over HTTP about digital maturity."""

from collections.abc import Sequence
from datetime import date, datetime
from statistics import fmean
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lab.pilots.maturity.models import MaturityAssessment
from lab.pilots.maturity.rules import Stage
from lab.pilots.plans import Line


class MaturityScores(BaseModel):
    """0 to 100 in each dimension of the Commission's Digital Maturity Assessment."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

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


class MaturityRequest(MaturityScores):
    """One assessment."""

    assessed_on: date
    source: Line
    """Where the figures are from, such as the number of the questionnaire."""


class AssessmentAnswer(MaturityRequest):
    """One assessment as it is kept."""

    stage: Literal["T0", "T1", "T2"]
    overall: float
    """Mean of the six."""
    written_at: datetime

    @classmethod
    def of(cls, row: MaturityAssessment) -> "AssessmentAnswer":
        """From the table's row."""
        facts = {name: getattr(row, name) for name in cls.model_fields if name != "overall"}
        return cls.model_validate({**facts, "overall": overall(row)})


class MaturityAnswer(BaseModel):
    """The assessments of a pilot's company, and which are missing by now; nothing waits for them."""

    assessments: list[AssessmentAnswer]
    missing: list[Stage]
    warning: str | None

    @classmethod
    def of(cls, rows: Sequence[MaturityAssessment], missing: Sequence[Stage]) -> "MaturityAnswer":
        """From the table's rows."""
        warning = f"digital maturity has not been assessed at {' and '.join(missing)} yet" if missing else None
        return cls(assessments=[AssessmentAnswer.of(row) for row in rows], missing=list(missing), warning=warning)


def overall(row: MaturityAssessment) -> float:
    """Mean of the six dimensions, 0 to 100."""
    return round(fmean(float(getattr(row, name)) for name in MaturityScores.model_fields), 2)
