"""What is answered about rules and trainings."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from pydantic import BaseModel, ConfigDict

from bookings.opening import WEEKDAYS, DayHours, OpeningHours
from bookings.rulebook.book import Booked, Rulebook
from bookings.rulebook.impact import Affected
from bookings.rulebook.models import Qualification, RuleEntry
from bookings.rulebook.schemas import ClosedDay, RuleSettings, read_settings
from bookings.rulebook.setting import MOST_TOLD, Effect
from bookings.rulebook.targets import Scope
from bookings.rules import Quota
from bookings.states import BookingState

_MINUTE = timedelta(minutes=1)


class RuleAnswer(BaseModel):
    """What is set for the lab, a device class or a device."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    scope: Scope
    name: str
    """Empty for the lab, the class, or the device's id."""
    settings: RuleSettings
    """null: holds as set further out."""
    version: int
    """Counts changes; the ETag is this number in quotes."""
    changed_by: str
    changed_at: datetime

    @classmethod
    def of(cls, entry: RuleEntry) -> "RuleAnswer":
        """Translate a row."""
        return cls(
            scope=Scope(entry.scope),
            name=entry.name,
            settings=read_settings(entry.settings),
            version=entry.version,
            changed_by=entry.changed_by,
            changed_at=entry.changed_at,
        )


class CalendarAnswer(BaseModel):
    """When something is open."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    opening_hours: dict[str, str]
    """By weekday; a day left out is closed."""
    holidays: str
    """Country and perhaps region whose public holidays are kept; empty: none."""
    closed_days: list[ClosedDay]
    special_days: dict[date, str]
    """Days with opening hours of their own, even if they are holidays."""

    @classmethod
    def of(cls, calendar: OpeningHours) -> "CalendarAnswer":
        """Translate a calendar."""
        return cls(
            opening_hours={day: _hours(hours) for day, hours in zip(WEEKDAYS, calendar.days, strict=True) if hours},
            holidays=calendar.holidays,
            closed_days=[ClosedDay(day=day, name=name) for day, name in calendar.closed],
            special_days={day: _hours(hours) for day, hours in calendar.special},
        )


class BuffersAnswer(BaseModel):
    """Time that a device needs before and after each use."""

    device_id: str
    setup_minutes: int
    cleanup_minutes: int


class QuotaAnswer(BaseModel):
    """How much one company may book; null: as much as it likes."""

    scope: Scope
    name: str
    week_quota_minutes: int | None
    pilot_quota_minutes: int | None
    most_concurrent: int | None
    most_open: int | None

    @classmethod
    def of(cls, quota: Quota) -> "QuotaAnswer":
        """Translate a quota."""
        return cls(
            scope=Scope(quota.scope),
            name=quota.name,
            week_quota_minutes=_minutes(quota.week),
            pilot_quota_minutes=_minutes(quota.pilot),
            most_concurrent=quota.concurrent,
            most_open=quota.open,
        )


class EffectiveRules(BaseModel):
    """What holds for these devices in one booking: of each rule the strictest."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    device_ids: list[str]
    time_zone: str
    """Of the lab's wall clock, which opening hours, steps and weeks go by."""
    calendars: list[CalendarAnswer]
    """All must be open."""
    lead_minutes: int
    horizon_days: int
    shortest_minutes: int
    longest_minutes: int
    granularity_minutes: int
    """Start and end lie on multiples of this after midnight; 0: anywhere."""
    buffers: list[BuffersAnswer]
    approval: bool
    """A company's booking is a request until the staff approves it."""
    approval_lapses_minutes: int
    supervision: bool
    """An engineer must be booked with it."""
    qualifications: list[str]
    """Trainings that whoever books without an engineer must have."""
    needs_devices: list[str]
    """Devices that must be booked with these."""
    cancel_deadline_minutes: int
    check_in_minutes: int | None
    quotas: list[QuotaAnswer]

    @classmethod
    def of(cls, book: Rulebook, devices: Sequence[Booked]) -> "EffectiveRules":
        """Put together what holds for these devices."""
        rules = book.joint(devices)
        buffers = [(device.id, book.buffers(device)) for device in devices]
        device_ids = [device.id for device in devices]
        return cls(
            device_ids=device_ids,
            time_zone=rules.zone,
            calendars=[CalendarAnswer.of(calendar) for calendar in rules.calendars],
            lead_minutes=rules.lead // _MINUTE,
            horizon_days=rules.horizon.days,
            shortest_minutes=rules.shortest // _MINUTE,
            longest_minutes=rules.longest // _MINUTE,
            granularity_minutes=rules.granularity // _MINUTE,
            buffers=[
                BuffersAnswer(
                    device_id=device_id, setup_minutes=one.setup // _MINUTE, cleanup_minutes=one.cleanup // _MINUTE
                )
                for device_id, one in buffers
            ],
            approval=rules.approval,
            approval_lapses_minutes=rules.approval_lapses // _MINUTE,
            supervision=rules.supervision,
            qualifications=sorted(rules.qualifications),
            needs_devices=sorted(rules.needs.difference(device_ids)),
            cancel_deadline_minutes=rules.cancel_deadline // _MINUTE,
            check_in_minutes=_minutes(rules.check_in),
            quotas=[QuotaAnswer.of(quota) for quota in rules.quotas],
        )


class RulesAnswer(BaseModel):
    """The rules of the lab."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    entries: list[RuleAnswer] | None
    """What managers have set, the widest first; null: for the staff only."""
    effective: EffectiveRules | None
    """null: no device was named."""


class ReasonAnswer(BaseModel):
    """Why a booking would be refused."""

    rule: str
    fact: str


class AffectedAnswer(BaseModel):
    """A booking that would not be allowed any more; it stays."""

    booking_id: str
    organisation_id: str
    title: str
    state: BookingState
    start: datetime
    end: datetime
    device_ids: list[str]
    reasons: list[ReasonAnswer]

    @classmethod
    def of(cls, affected: Affected) -> "AffectedAnswer":
        """Translate a booking."""
        booking = affected.booking
        return cls(
            booking_id=booking.id,
            organisation_id=booking.organisation_id,
            title=booking.title,
            state=booking.state,
            start=booking.span.start,
            end=booking.span.end,
            device_ids=list(booking.device_ids),
            reasons=[ReasonAnswer(rule=rule, fact=fact) for rule, fact in affected.reasons],
        )


class EffectAnswer(BaseModel):
    """What a change of the rules would do to bookings that have not begun."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    judged: int
    """How many of them were looked at, the soonest first."""
    complete: bool
    """Whether those are all that the change may concern."""
    count: int
    """How many of them would not be allowed any more."""
    bookings: list[AffectedAnswer]
    """The soonest of those."""

    @classmethod
    def of(cls, effect: Effect) -> "EffectAnswer":
        """Translate an effect."""
        return cls(
            judged=effect.judged,
            complete=effect.complete,
            count=len(effect.affected),
            bookings=[AffectedAnswer.of(affected) for affected in effect.affected[:MOST_TOLD]],
        )


class RuleChangeAnswer(BaseModel):
    """What was changed, or, of a dry run, what it would do."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    entry: RuleAnswer | None
    """What is set now; null: nothing, or this was a dry run."""
    effect: EffectAnswer | None
    """Of a dry run."""


class QualificationAnswer(BaseModel):
    """A person's training. Times are UTC."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    account_id: str
    name: str
    granted_by: str
    granted_at: datetime
    expires_at: datetime | None
    """null: never."""
    revoked_at: datetime | None

    @classmethod
    def of(cls, training: Qualification) -> "QualificationAnswer":
        """Translate a row."""
        return cls(
            id=training.id,
            account_id=training.account_id,
            name=training.name,
            granted_by=training.granted_by,
            granted_at=training.granted_at,
            expires_at=training.expires_at,
            revoked_at=training.revoked_at,
        )


class QualificationList(BaseModel):
    """Trainings by when they were granted."""

    qualifications: list[QualificationAnswer]
    next: str | None = None
    """Cursor of the next page; null: this is the last."""


def _minutes(length: timedelta | None) -> int | None:
    return None if length is None else length // _MINUTE


def _hours(hours: Sequence[DayHours]) -> str:
    return ",".join(f"{_clock(one.opens)}-{_clock(one.closes)}" for one in hours)


def _clock(since_midnight: timedelta) -> str:
    return f"{since_midnight // timedelta(hours=1):02}:{since_midnight % timedelta(hours=1) // _MINUTE:02}"
