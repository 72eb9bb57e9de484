"""What goes over HTTP about documents of a pilot."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from lab.pilots.documents.models import PilotDocument
from lab.pilots.plans import Prose


class DocumentChange(BaseModel):
    """What a document shows, and whether the report shows it."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    caption: Prose
    """What it shows."""
    alt_text: Prose | None = None
    """Of a photo: what is to be seen, for who cannot see it; a photo in the report needs it."""
    in_report: bool
    """Whether the next sealed data set takes it along, and the report shows it."""


class DocumentRemoval(BaseModel):
    """Why a document is removed."""

    model_config = ConfigDict(extra="forbid")

    reason: Prose


class DocumentAnswer(BaseModel):
    """A document of a pilot; of a removed one, who removed it and why, but not its content."""

    id: str
    pilot_id: str
    name: str
    kind: str
    bytes: int
    sha256: str
    caption: str
    alt_text: str | None
    in_report: bool
    added_by_name: str
    added_at: datetime
    sealed_version: int | None
    removed_at: datetime | None
    removed_by_name: str | None
    removal_reason: str | None

    @classmethod
    def of(cls, row: PilotDocument) -> "DocumentAnswer":
        """From the table's row."""
        return cls.model_validate(row, from_attributes=True)
