"""What goes over HTTP about pilots."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from lab.pilots.closing import unproven_devices
from lab.pilots.models import Pilot, Plan, Run
from lab.pilots.plans import AnalysisPlan, FieldName, Line, Prose, Setting

_LARGEST_SEQ = 2**63 - 1


class PilotRequest(BaseModel):
    """A new pilot."""

    model_config = ConfigDict(extra="forbid")

    organisation_id: str | None = Field(default=None, max_length=40)
    """Left out: the own company."""
    title: Line
    question: Prose


class RunStart(BaseModel):
    """Which booking the run uses."""

    model_config = ConfigDict(extra="forbid")

    booking_id: str = Field(max_length=40)


class MessageClaim(BaseModel):
    """Which messages a device says that it sent in a run."""

    model_config = ConfigDict(extra="forbid")

    boot: str = Field(min_length=1, max_length=64, pattern="^[^\\x00]*$")
    first_seq: int = Field(ge=0, le=_LARGEST_SEQ)
    last_seq: int = Field(ge=0, le=_LARGEST_SEQ)


class RunStop(BaseModel):
    """What was found out about the part, and what the devices say that they sent."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    result: Annotated[dict[FieldName, Setting | None], Field(max_length=100)]
    completeness: Annotated[dict[Annotated[str, Field(max_length=40)], MessageClaim], Field(max_length=100)] = {}


class RunExclusion(BaseModel):
    """Why a run does not count."""

    model_config = ConfigDict(extra="forbid")

    reason: Prose


class PlanAmendment(BaseModel):
    """A locked plan as it is to be, and why it is changed."""

    model_config = ConfigDict(extra="forbid")

    plan: AnalysisPlan
    reason: Prose


class PilotAnswer(BaseModel):
    """A pilot."""

    id: str
    number: str
    organisation_id: str
    title: str
    question: str
    state: str
    created_at: datetime

    @classmethod
    def of(cls, pilot: Pilot) -> "PilotAnswer":
        """From the table's row."""
        return cls.model_validate(pilot, from_attributes=True)


class PlanAnswer(BaseModel):
    """An analysis plan; locked, if there is a time."""

    pilot_id: str
    version: int
    locked_at: datetime | None
    locked_by: str | None
    sha256: str | None
    document: dict[str, Any]

    @classmethod
    def of(cls, plan: Plan) -> "PlanAnswer":
        """From the table's row."""
        return cls.model_validate(plan, from_attributes=True)


class RunAnswer(BaseModel):
    """A run."""

    number: int
    arm: str
    block: str | None
    """What the run is compared within: its shift, batch, tool, pair or subject."""
    levels: dict[str, Setting]
    """Levels of the other factors of a factorial design; the period of a crossover."""
    executed_order: int | None
    booking_id: str | None
    started_at: datetime | None
    ended_at: datetime | None
    result: dict[str, Any]
    excluded: str | None
    unproven: list[str] = []
    """Devices that did not say themselves, at its end, how much they had sent: nobody knows whether all has come."""

    @classmethod
    def of(cls, run: Run) -> "RunAnswer":
        """From the table's row."""
        answer = cls.model_validate(run, from_attributes=True)
        return answer.model_copy(update={"unproven": unproven_devices(run)})
