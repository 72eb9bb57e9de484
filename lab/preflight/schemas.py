"""The check before a booking as HTTP tells it."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from lab.core.findings import Finding, Level


class LineAnswer(BaseModel):
    """One line: how it stands with one part."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    level: Level
    """good: green; mind: it works, but; wrong: red."""
    part: str
    fact: str
    what_to_do: str


class PreflightAnswer(BaseModel):
    """Everything that has to be right for a booking."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    booking: str
    looked_at: datetime
    ready: bool
    """Whether no line is red."""
    lines: list[LineAnswer]

    @classmethod
    def of(cls, booking_id: str, lines: Sequence[Finding], *, now: datetime) -> "PreflightAnswer":
        """From the findings."""
        return cls(
            booking=booking_id,
            looked_at=now,
            ready=not any(line.level == "wrong" for line in lines),
            lines=[
                LineAnswer(level=line.level, part=line.part, fact=line.fact, what_to_do=line.what_to_do)
                for line in lines
            ],
        )
