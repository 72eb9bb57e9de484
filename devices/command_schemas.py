"""Commands as HTTP tells them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from devices.models import DeviceCommand

CommandName = Literal["stop", "report_seq"]


class CommandRequest(BaseModel):
    """A command to a machine."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    command: CommandName
    reason: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")
    ] = Field(examples=["smell of burning coolant"])
    """In words; the machine and the log are told."""


class CommandAnswer(BaseModel):
    """A command and what came of it."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    device: str
    command: str
    reason: str
    asked_by: str
    """Account id, or `system`."""
    asked_at: datetime
    expires_at: datetime
    answered_at: datetime | None
    result: str | None
    """done, refused, no-answer; null: on its way."""
    detail: str | None
    alarm: str | None
    run: str | None

    @classmethod
    def of(cls, command: DeviceCommand) -> "CommandAnswer":
        """From the table's row."""
        return cls(
            id=command.id,
            device=command.device_id,
            command=command.command,
            reason=command.reason,
            asked_by=command.asked_by,
            asked_at=command.asked_at,
            expires_at=command.expires_at,
            answered_at=command.answered_at,
            result=command.result,
            detail=command.detail,
            alarm=command.alarm_id,
            run=command.run_id,
        )


class CommandList(BaseModel):
    """Part of a device's commands."""

    commands: list[CommandAnswer]
    next: str | None
