"""What was heard, as HTTP tells it, and how it is adopted."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from devices.catalogue import DeviceEntry, SignalEntry
from telemetry.letters.schemas import NO_CONTROLS
from telemetry.models import HeardSignal


class HeardSignalAnswer(BaseModel):
    """What a machine says under a name that the catalogue does not know."""

    device: str
    name: str
    origin: str
    """Format: json, cbor, senml or sparkplug."""
    kinds: dict[str, int]
    """How often it was a number, a boolean, a text or something else."""
    count: int
    low: float | None
    high: float | None
    examples: list[str]
    unit_said: str | None
    interval_ms: float | None
    """Typical time between two values."""
    first_at: datetime
    last_at: datetime

    @classmethod
    def of(cls, row: HeardSignal) -> "HeardSignalAnswer":
        """From the table's row."""
        return cls(
            device=row.device_id,
            name=row.name,
            origin=row.origin,
            kinds=row.kinds,
            count=row.count,
            low=row.low,
            high=row.high,
            examples=row.examples,
            unit_said=row.unit_said,
            interval_ms=row.interval_ms,
            first_at=row.first_at,
            last_at=row.last_at,
        )


class _Wish(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    device: str = Field(min_length=1, max_length=40, pattern=NO_CONTROLS)
    heard: str = Field(min_length=1, max_length=200, pattern=NO_CONTROLS)
    """As the machine says it."""


class SignalAdoption(_Wish):
    """A heard signal as it shall stand in the catalogue."""

    signal: SignalEntry


class AliasAdoption(_Wish):
    """A heard signal that is one of the catalogue's, under another name."""

    signal: str = Field(min_length=1, max_length=100, pattern=NO_CONTROLS)
    """As the catalogue names it."""


class DeviceAdoption(BaseModel):
    """A heard device as it shall stand in the catalogue."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: DeviceEntry
