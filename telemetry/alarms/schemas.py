"""Alarms and their rules as HTTP tells them."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from devices.messages.times import format_time
from telemetry.alarms.definitions import AnyDefinition, Severity, read_definition
from telemetry.alarms.models import Alarm, AlarmRule
from telemetry.alarms.service import HistoryLine

Words = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$"),
]
DeviceName = Annotated[str, Field(min_length=1, max_length=40)]
_REQUEST = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class AlarmRuleRequest(BaseModel):
    """A rule for a signal, or for a machine."""

    model_config = _REQUEST

    device: DeviceName = Field(examples=["mill-1"])
    signal: str | None = Field(default=None, max_length=100, examples=["spindle_temperature_cel"])
    """left out: the machine itself, by its state."""
    severity: Severity = "warning"
    definition: AnyDefinition


class AlarmRuleChange(BaseModel):
    """Another definition or severity of a rule."""

    model_config = _REQUEST

    severity: Severity | None = None
    definition: AnyDefinition | None = None
    reason: Words | None = None


class WordsRequest(BaseModel):
    """Something said about an alarm."""

    model_config = _REQUEST

    text: Words


class ReasonRequest(BaseModel):
    """Something said about an alarm, if anything."""

    model_config = _REQUEST

    text: Words | None = None


class AlarmRuleAnswer(BaseModel):
    """A rule."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    device: str
    signal: str | None
    severity: str
    definition: dict[str, Any]
    source: str
    """`manual`, or `plan:` and the pilot whose stop criterion it is."""
    version: int
    changed_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, rule: AlarmRule) -> "AlarmRuleAnswer":
        """From the table's row."""
        return cls(
            id=rule.id,
            device=rule.device_id,
            signal=rule.signal,
            severity=rule.severity,
            definition=read_definition(rule).model_dump(mode="json"),
            source=rule.source,
            version=rule.version,
            changed_at=rule.changed_at,
            ended_at=rule.ended_at,
        )


class AlarmRuleList(BaseModel):
    """Part of the rules."""

    rules: list[AlarmRuleAnswer]
    next: str | None


class AlarmAnswer(BaseModel):
    """One alarm, from its beginning to its end."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str | None
    """null: it could not be written down yet (a full disk, a database that is away)."""
    rule: str | None
    """Only the staff is told."""
    kind: str
    severity: str
    device: str | None
    """null: the recording itself."""
    signal: str | None
    text: str
    value: float | None
    raised: str
    """Settled time of what raised it, RFC 3339 with up to nine digits."""
    raised_at: datetime
    acknowledged_at: datetime | None
    cleared_at: datetime | None
    booking: str | None
    run: str | None

    @classmethod
    def of(cls, alarm: Alarm, *, staff: bool) -> "AlarmAnswer":
        """From the table's row; only the staff is told of the run and the booking."""
        return cls(
            id=alarm.id,
            rule=alarm.rule_id if staff else None,
            kind=alarm.kind,
            severity=alarm.severity,
            device=alarm.device_id or None,
            signal=alarm.signal,
            text=alarm.text,
            value=alarm.value,
            raised=format_time(alarm.raised_ns),
            raised_at=alarm.raised_at,
            acknowledged_at=alarm.acknowledged_at,
            cleared_at=alarm.cleared_at,
            booking=alarm.booking_id if staff else None,
            run=alarm.run_id if staff else None,
        )


class AlarmList(BaseModel):
    """Part of the alarms."""

    alarms: list[AlarmAnswer]
    next: str | None


class AlarmNoteAnswer(BaseModel):
    """A line of an alarm's history."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    at: datetime
    by: str | None
    """Account id, or `system`; companies are not told."""
    what: str
    text: str

    @classmethod
    def of(cls, note: HistoryLine, *, staff: bool) -> "AlarmNoteAnswer":
        """From a line that may be read."""
        return cls(at=note.at, by=note.by if staff else None, what=note.what, text=note.text)


class AlarmHistory(AlarmAnswer):
    """An alarm with its history."""

    notes: list[AlarmNoteAnswer]
