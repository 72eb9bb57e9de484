"""When the lab and its machines are open, as the form to book says and draws it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from bookings.opening import OpeningHours
from bookings.rulebook.answers import CalendarAnswer
from bookings.rulebook.service import load_rulebook
from bookings.rules import Rules
from devices.models import Device
from lab.web.wording import opening_hours

_EARLIEST, _LATEST = 6, 20
"""The calendar's day, unless something opens earlier or closes later."""


@dataclass(frozen=True, slots=True)
class ShownHours:
    """Opening hours in words, and what the calendar draws of them."""

    lab: str
    """Of the lab; empty: it is closed every day."""
    own: dict[str, str]
    """Id → hours of the machines that have others; empty: closed every day."""
    day: tuple[str, str]
    """From when to when the calendar shows a day."""


def shown_hours(session: Session, devices: Sequence[Device], rules: Rules) -> ShownHours:
    """What managers have set, over the settings.

    Args:
        session: to read in.
        devices: that can be chosen.
        rules: `Rules.from_settings`.
    """
    book = load_rulebook(session, rules)
    lab = book.rules_of("", "").calendars[0]
    others = {device.id: book.rules_of(device.id, device.kind).calendars[0] for device in devices}
    own = {device_id: calendar for device_id, calendar in others.items() if calendar != lab}
    return ShownHours(
        _words(lab), {device_id: _words(calendar) for device_id, calendar in own.items()}, _day([lab, *own.values()])
    )


def _words(calendar: OpeningHours) -> str:
    return opening_hours(CalendarAnswer.of(calendar).opening_hours)


def _day(calendars: Sequence[OpeningHours]) -> tuple[str, str]:
    hours = [one for calendar in calendars for day in calendar.days for one in day]
    hours += [one for calendar in calendars for _day, special in calendar.special for one in special]
    first = min([_EARLIEST, *(one.opens.total_seconds() // 3600 for one in hours)])
    last = max([_LATEST, *(-(-one.closes.total_seconds() // 3600) for one in hours)])
    return f"{int(first):02}:00", f"{int(last):02}:00"
