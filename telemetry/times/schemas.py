"""Clocks and assigned times as HTTP tells them. Device times are RFC 3339 with nine digits, as if they were right."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from devices.messages.times import EARLIEST_NS, LATEST_NS, format_time
from telemetry.models import TimeAssignment
from telemetry.settling import ChangePoint
from telemetry.times.rules import Span
from telemetry.times.service import BootTimes


class ClockPointAnswer(BaseModel):
    """From a message and a device time on this is believed, or doubted."""

    from_seq: int
    from_device_time: str
    offset_ms: float
    uncertain: bool
    reason: str

    @classmethod
    def of(cls, point: ChangePoint) -> "ClockPointAnswer":
        """From the pure form."""
        return cls(
            from_seq=point.from_seq,
            from_device_time=format_time(point.from_device_ns),
            offset_ms=point.offset_ns / 1e6,
            uncertain=point.uncertain,
            reason=point.reason,
        )


class DeviceSpanAnswer(BaseModel):
    """Device time `[from_device_time, to_device_time)`; null: without an end."""

    from_device_time: str | None
    to_device_time: str | None

    @classmethod
    def of(cls, span: Span) -> "DeviceSpanAnswer":
        """From nanoseconds."""
        return cls(
            from_device_time=format_time(span[0]) if span[0] > EARLIEST_NS else None,
            to_device_time=format_time(span[1]) if span[1] < LATEST_NS else None,
        )


class TimeAssignmentAnswer(BaseModel):
    """Uncertain samples that have got their time."""

    id: str
    boot: str
    span: DeviceSpanAnswer
    from_seq: int | None
    to_seq: int | None
    offset_ms: float
    assigned_by: str
    """An account, or `system`: later messages have shown it."""
    assigned_at: datetime
    reason: str
    applied_at: datetime | None
    """Null: the recorder has still to do it."""

    @classmethod
    def of(cls, row: TimeAssignment) -> "TimeAssignmentAnswer":
        """From the table's row."""
        return cls(
            id=row.id,
            boot=row.boot,
            span=DeviceSpanAnswer.of((row.from_device_ns, row.to_device_ns)),
            from_seq=row.from_seq,
            to_seq=row.to_seq,
            offset_ms=row.offset_ns / 1e6,
            assigned_by=row.assigned_by,
            assigned_at=row.assigned_at,
            reason=row.reason,
            applied_at=row.applied_at,
        )


class BootAnswer(BaseModel):
    """One start of a device and its clock."""

    boot: str
    first_received_at: datetime
    last_received_at: datetime
    points: list[ClockPointAnswer]
    doubtful: list[DeviceSpanAnswer]
    assignments: list[TimeAssignmentAnswer]
    gaps: list[tuple[int, int]]
    """Message numbers (first and last of each gap) that never came, the first thousand gaps."""

    @classmethod
    def of(cls, found: BootTimes) -> "BootAnswer":
        """From the service's answer."""
        return cls(
            boot=found.boot.boot,
            first_received_at=found.boot.first_received_at,
            last_received_at=found.boot.last_received_at,
            points=[ClockPointAnswer.of(point) for point in found.points],
            doubtful=[DeviceSpanAnswer.of(span) for span in found.doubtful],
            assignments=[TimeAssignmentAnswer.of(row) for row in found.assignments],
            gaps=found.gaps,
        )


class ClocksAnswer(BaseModel):
    """The clocks of a device by boot, the one heard last first."""

    device: str
    boots: list[BootAnswer]


class TimeAssignmentRequest(BaseModel):
    """When uncertain samples were really taken."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    boot: str = Field(min_length=1, max_length=64)
    """As the device names it."""
    from_device_time: str | None = Field(None, max_length=60)
    """First device time, RFC 3339 with a zone; null: from the beginning of the boot."""
    to_device_time: str | None = Field(None, max_length=60)
    """First device time that is not meant any more; null: to the end of the boot."""
    from_seq: int | None = Field(None, ge=0, le=2**63 - 1)
    """First message number, where device times occur twice because the clock was set back."""
    to_seq: int | None = Field(None, ge=0, le=2**63 - 1)
    """Last message number."""
    offset_ms: float | None = Field(None, ge=-4e12, le=4e12, allow_inf_nan=False)
    """True minus device time; null: as of the rest of the boot."""
    reason: str = Field(min_length=3, max_length=1000, pattern=r"^[^\x00]*$")
    """How you know; kept with the assignment."""
