"""What goes over HTTP about notes on a pilot."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from lab.pilots.notes.models import PilotNote

NoteText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=5000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$"),
]
"""Several lines of plain text."""


class NoteRequest(BaseModel):
    """A new note."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    text: NoteText
    staff_only: bool = False
    """Whether the company does not see it; for the staff."""
    in_report: bool = False
    """Whether the report prints it, for all its readers; for the staff, and never a note for the staff alone."""

    @model_validator(mode="after")
    def _one_or_the_other(self) -> "NoteRequest":
        if self.staff_only and self.in_report:
            raise ValueError("a note for the staff alone is never printed in the report; choose one of the two")
        return self


class NoteAnswer(BaseModel):
    """A note, with who wrote it and when."""

    id: str
    pilot_id: str
    text: str
    staff_only: bool
    in_report: bool
    name: str
    written_at: datetime

    @classmethod
    def of(cls, row: PilotNote) -> "NoteAnswer":
        """From the table's row."""
        return cls.model_validate(row, from_attributes=True)
