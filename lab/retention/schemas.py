"""What the endpoints of retention take and answer."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from lab.pilots.models import Pilot
from lab.reports.models import DataSet
from lab.retention.models import DataSetTerm, RetentionRule

Reason = Annotated[str | None, Field(max_length=1000, description="In your own words, for the log.")]


class RetentionSetting(BaseModel):
    """For how long samples are kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: Annotated[int, Field(ge=1, le=36_500)]
    reason: Reason = None


class RetentionRuleAnswer(BaseModel):
    """What is set for the lab or a pilot."""

    scope: str
    """`lab`, or the pilot's id."""
    pilot_number: str | None
    days: int
    version: int
    changed_by: str
    changed_at: datetime

    @classmethod
    def of(cls, rule: RetentionRule, pilot: Pilot | None = None) -> "RetentionRuleAnswer":
        """As the API shows it."""
        return cls(
            scope=rule.scope,
            pilot_number=None if pilot is None else pilot.number,
            days=rule.days,
            version=rule.version,
            changed_by=rule.changed_by,
            changed_at=rule.changed_at,
        )


class RetentionAnswer(BaseModel):
    """All that is set, and what holds where nothing is."""

    default_days: int | None
    """Of the installation's settings; null: for ever."""
    rules: list[RetentionRuleAnswer]


class SpanAnswer(BaseModel):
    """A span of settled time; null: without bound."""

    start: str | None
    end: str | None


class DevicePreview(BaseModel):
    """What would be deleted of a device now."""

    device: str
    samples: int
    spans: list[SpanAnswer]
    needed: list[SpanAnswer]
    """Time of runs that go on or are not sealed yet; it stays whatever the rules say."""


class DataSetTermAnswer(BaseModel):
    """A sealed data set, and until when it is kept."""

    data_set_id: str
    pilot_id: str
    version: int
    sealed_at: datetime
    keep_until: datetime | None
    """Null: for ever."""
    removed_at: datetime | None

    @classmethod
    def of(cls, data_set: DataSet, term: DataSetTerm | None) -> "DataSetTermAnswer":
        """As the API shows it."""
        return cls(
            data_set_id=data_set.id,
            pilot_id=data_set.pilot_id,
            version=data_set.version,
            sealed_at=data_set.sealed_at,
            keep_until=None if term is None else term.keep_until,
            removed_at=None if term is None else term.removed_at,
        )


class RetentionPreview(BaseModel):
    """What would be deleted if it were done now; nothing is."""

    at: datetime
    devices: list[DevicePreview]
    data_sets: list[DataSetTermAnswer]


class TermSetting(BaseModel):
    """Until when a sealed data set is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep_until: AwareDatetime | None
    """Null: for ever."""
    reason: Reason = None
    """Needed to keep it for a shorter time than before."""
