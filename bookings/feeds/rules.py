"""Whose calendar one may read, and what of it: pure decisions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bookings.feeds.errors import CalendarSubjectMissingError, CalendarSubjectUnknownError, NoCalendarsError
from lab.people.principals import Principal, Role

LOOK_BACK = timedelta(days=90)
"""How long what is over stays in a feed."""

GONE_FOR = timedelta(days=30)
"""How long what was cancelled stays, as cancelled, so that every reader learns of it."""

MOST_LINKS = 50
"""Links in use that one person may have."""


class CalendarKind(StrEnum):
    """Whose calendar."""

    PERSON = "person"
    """What this person booked or supervises."""
    DEVICE = "device"
    """When a device is taken."""
    COMPANY = "company"
    """What a company booked."""


@dataclass(frozen=True, slots=True)
class Window:
    """What a feed looks back to. Forward it has no end: whatever is booked is told."""

    since: datetime
    """Bookings that were over before are left out."""
    gone_since: datetime
    """So are those that were cancelled before."""


def window_at(now: datetime) -> Window:
    """The window at an instant."""
    return Window(now - LOOK_BACK, now - GONE_FOR)


def has_calendars(principal: Principal) -> bool:
    """Whether this person has any business with the calendar."""
    return principal.is_staff or principal.role is Role.MEMBER


def chosen_subject(principal: Principal, kind: CalendarKind, subject_id: str | None) -> str:
    """Whose calendar is meant, where this principal may have it: without a name one's own.

    That there is such a device, company or person is still to be looked up.

    Raises:
        NoCalendarsError: for recipients of reports.
        CalendarSubjectMissingError: a device must be named.
        CalendarSubjectUnknownError: another person's or company's.
    """
    if not has_calendars(principal):
        raise NoCalendarsError(
            "you can read reports here; ask the lab for a member's account to read calendars", rule="members-book"
        )
    own = {CalendarKind.PERSON: principal.account_id, CalendarKind.COMPANY: principal.organisation_id}
    subject = subject_id or own.get(kind)
    if subject is None:
        raise CalendarSubjectMissingError(
            "say which device in subject_id", field="subject_id", rule="device-calendar-names-device"
        )
    if not may_read(principal, kind, subject):
        raise unknown_subject(kind)
    return subject


def may_read(principal: Principal, kind: CalendarKind, subject_id: str) -> bool:
    """Whether this principal may read a calendar at all; of a device's, strangers' bookings show as busy only."""
    if kind is CalendarKind.DEVICE:
        return has_calendars(principal)
    if kind is CalendarKind.COMPANY:
        return principal.owns(subject_id)
    return principal.is_staff or (principal.role is Role.MEMBER and principal.account_id == subject_id)


def unknown_subject(kind: CalendarKind) -> CalendarSubjectUnknownError:
    """The one refusal for what is not there and for what is none of the asker's business."""
    return CalendarSubjectUnknownError(
        f"there is no such {kind.value} whose calendar you may read", field="subject_id", rule=f"known-{kind.value}"
    )
