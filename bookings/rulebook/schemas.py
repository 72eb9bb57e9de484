"""Rules as managers write them."""

import json
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from bookings.errors import OpeningHoursError
from bookings.opening import read_holidays, read_hours, read_week
from bookings.schemas import Instant, Reference

DeviceId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")]
TrainingName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")]
Minutes = Annotated[int, Field(ge=0, le=366 * 24 * 60)]
DayName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")
]


class ClosedDay(BaseModel):
    """A day on which the lab is closed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    day: date
    name: DayName


class RuleSettings(BaseModel):
    """What is set for the lab, a device class or a device; what is left out holds as set further out.

    Quotas add up: a company keeps those of the lab, of the class and of the device.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    opening_hours: dict[str, str] | None = None
    """By weekday (mon … sun) `HH:MM-HH:MM`, several separated by commas; a day left out is closed."""
    holidays: Annotated[str, StringConstraints(max_length=10)] | None = None
    """Country and perhaps region whose public holidays are kept, such as `PL-24`; empty: none."""
    closed_days: list[ClosedDay] | None = Field(None, max_length=400)
    """The lab's own closed days."""
    special_days: dict[date, str] | None = Field(None, max_length=400)
    """Days with opening hours of their own, even if they are holidays."""
    lead_minutes: Minutes | None = None
    """Bookings are made so long ahead at least."""
    horizon_days: int | None = Field(None, ge=1, le=730)
    """Bookings are open so many days ahead."""
    shortest_minutes: Minutes | None = None
    longest_minutes: int | None = Field(None, ge=1, le=31 * 24 * 60)
    granularity_minutes: int | None = Field(None, ge=0, le=1440)
    """Start and end lie on multiples of this after midnight; 0: anywhere."""
    setup_minutes: int | None = Field(None, ge=0, le=1440)
    """Instead of the catalogue's."""
    cleanup_minutes: int | None = Field(None, ge=0, le=1440)
    approval: bool | None = None
    """A company's booking is a request until the staff approves it."""
    approval_lapses_minutes: int | None = Field(None, ge=1, le=90 * 1440)
    """After this a request gives the slot back."""
    supervision: bool | None = None
    """An engineer must be booked with it."""
    qualifications: list[TrainingName] | None = Field(None, max_length=20)
    """Trainings that whoever books without an engineer must have."""
    needs_devices: list[DeviceId] | None = Field(None, max_length=19)
    """Devices that must be booked with it."""
    cancel_deadline_minutes: Minutes | None = None
    """Companies cancel so long before the start at least."""
    check_in_minutes: int | None = Field(None, ge=1, le=1440)
    """Who has not begun so long after the start has not shown up."""
    week_quota_minutes: int | None = Field(None, ge=1, le=7 * 24 * 60 * 20)
    """Of one company in one week."""
    pilot_quota_minutes: int | None = Field(None, ge=1, le=10_000_000)
    """Of one pilot."""
    most_concurrent: int | None = Field(None, ge=1, le=1000)
    """Bookings of one company that overlap."""
    most_open: int | None = Field(None, ge=1, le=10_000)
    """Bookings of one company that are ahead or running."""

    @field_validator("opening_hours")
    @classmethod
    def _hours_can_be_read(cls, days: dict[str, str] | None) -> dict[str, str] | None:
        if days is not None:
            _readable(lambda: read_week(days))
        return days

    @field_validator("holidays")
    @classmethod
    def _holidays_are_known(cls, code: str | None) -> str | None:
        if code is not None:
            _readable(lambda: read_holidays(code))
        return code

    @field_validator("special_days")
    @classmethod
    def _special_hours_can_be_read(cls, days: dict[date, str] | None) -> dict[date, str] | None:
        for day, text in (days or {}).items():
            _readable(partial(read_hours, text, field=f"special_days.{day.isoformat()}"))
        return days

    def given(self) -> dict[str, Any]:
        """The fields that are set, JSON-ready."""
        return self.model_dump(mode="json", exclude_none=True)


class QualificationRequest(BaseModel):
    """Somebody was trained."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    account_id: Reference
    name: TrainingName = Field(examples=["cnc-basics"])
    """As rules name it."""
    expires_at: Instant | None = None
    """Left out: never."""


def read_settings(stored: dict[str, Any]) -> RuleSettings:
    """What `RuleSettings.given` gave."""
    return RuleSettings.model_validate_json(json.dumps(stored))


def _readable(read: Callable[[], object]) -> None:
    try:
        read()
    except OpeningHoursError as error:
        raise ValueError(error.message.removeprefix("setting ")) from error
