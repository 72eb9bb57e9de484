"""How states, times, prices and values read on a page."""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from devices.models import DeviceBirth
from devices.units import unit_symbol
from lab.core.errors import InvalidError
from lab.core.time import in_zone
from lab.reports.numbers import format_number, format_quantity

BOOKING_STATES = {
    "requested": "waiting for approval",
    "confirmed": "confirmed",
    "in_use": "running now",
    "done": "done",
    "cancelled": "cancelled",
    "no_show": "not used",
}
PILOT_STATES = {
    "accepted": "being planned",
    "planned": "plan locked, ready to run",
    "running": "runs in progress",
    "sealed": "data complete, report in preparation",
    "reported": "report ready",
}
ROLES = {
    "member": "member",
    "engineer": "lab engineer",
    "manager": "lab manager",
    "recipient": "report reader",
}
ALARM_SEVERITIES = {
    "info": "to know",
    "warning": "look at it",
    "critical": "act now",
}
ALARM_NOTES = {
    "raised": "noticed",
    "acknowledged": "taken on",
    "commented": "said",
    "cleared": "over",
    "told": "told people",
    "stop-done": "machine stopped",
    "stop-refused": "machine not stopped",
    "stop-unanswered": "machine did not answer",
}
"""What was done about an alarm, as people read it."""
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_WRITTEN_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class LabTimeError(InvalidError):
    """A date and time that cannot be read, or that the lab's clock never shows."""


def lab_date(instant: datetime | date, zone: str) -> str:
    """A date in the lab, e.g. `Mon 23 Nov 2026`."""
    return _written_date(in_zone(instant, zone) if isinstance(instant, datetime) else instant)


def lab_time(instant: datetime, zone: str) -> str:
    """A date and time in the lab, with the zone's own short name, which tells summer from winter time."""
    wall = in_zone(instant, zone)
    return f"{_written_date(wall)}, {wall:%H:%M %Z}"


def lab_clock(instant: datetime, zone: str) -> str:
    """The time of day in the lab to the second."""
    return in_zone(instant, zone).strftime("%H:%M:%S")


def lab_until(instant: datetime, now: datetime, zone: str) -> str:
    """An end that is near: the time of day alone if it is today, else with the date."""
    if in_zone(instant, zone).date() == in_zone(now, zone).date():
        return in_zone(instant, zone).strftime("%H:%M")
    return lab_time(instant, zone)


def lab_span(start: datetime, end: datetime, zone: str) -> str:
    """A span in the lab, the date once if it is one day: `Mon 23 Nov 2026, 08:00–10:00 CET`."""
    first, last = in_zone(start, zone), in_zone(end, zone)
    if first.date() == last.date() and first.utcoffset() == last.utcoffset():
        return f"{_written_date(first)}, {first:%H:%M}–{last:%H:%M %Z}"
    return f"{lab_time(start, zone)} – {lab_time(end, zone)}"


def _written_date(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b %Y}"


def field_time(instant: datetime, zone: str) -> str:
    """An instant as a browser's date-and-time field wants it: the lab's wall clock without zone."""
    return in_zone(instant, zone).strftime("%Y-%m-%dT%H:%M")


def read_field_time(text: str, zone: str, *, field: str) -> datetime:
    """The instant that somebody means who typed a wall clock time of the lab.

    In the hour that autumn repeats, the first one is meant.

    Raises:
        LabTimeError: if it is no date and time, or falls into the hour that spring skips.
    """
    try:
        typed = datetime.fromisoformat(text)
    except ValueError as error:
        raise LabTimeError(
            f"the {field} is a date and a time such as 2026-11-23 09:00", field=field, rule="date-and-time"
        ) from error
    if typed.tzinfo is not None:
        return typed
    instant = typed.replace(tzinfo=ZoneInfo(zone))
    back = in_zone(datetime.fromtimestamp(instant.timestamp(), ZoneInfo("UTC")), zone)
    if back.replace(tzinfo=None) != typed:
        raise LabTimeError(
            f"the lab's clocks skip {typed:%H:%M} on {typed:%d %B} (summer time begins); please take a later time",
            field=field,
            rule="existing-time",
        )
    return instant


def price(cents: int) -> str:
    """Money in euros, e.g. `EUR 45.00`."""
    return f"EUR {cents / 100:,.2f}"


def value_text(value: float | None, text: str | None, signal_type: str) -> str:
    """A measured value as people read it."""
    if text is not None:
        return text
    if value is None:
        return "–"
    if signal_type == "boolean":
        return "yes" if value else "no"
    return format_number(value)


def device_state(birth: DeviceBirth | None) -> tuple[str, str]:
    """Whether a device is connected: a key for the style sheet, and the words."""
    if birth is None:
        return "unknown", "not connected yet"
    if birth.died_at is not None:
        return "offline", "offline"
    return "online", "online"


def verdict_key(verdict: str) -> str:
    """A verdict as a key for the style sheet: `do-not-invest`."""
    return verdict.lower().replace(" ", "-")


def sentence(message: str, zone: str) -> str:
    """A message of an error as a sentence: capital at the start, full stop at the end, times as the lab shows them."""
    text = _WRITTEN_TIME.sub(lambda found: lab_time(datetime.fromisoformat(found[0]), zone), message)
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def plain_words(text: str) -> str:
    """What somebody has typed into a field, without what no database and no page can show."""
    return _CONTROLS.sub(" ", text.replace("\r\n", "\n")).strip()


def short_duration(length: timedelta) -> str:
    """How long a run took, to the second: `3 min 20 s`."""
    minutes, seconds = divmod(round(length.total_seconds()), 60)
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"


def quantity(value: float, unit: str) -> str:
    """A number with its unit, from a UCUM code."""
    return format_quantity(value, unit_symbol(unit))


_UNITS_IN_NAMES = {
    "_mm_s": "mm/s",
    "_rpm": "1/min",
    "_percent": "%",
    "_kwh": "kWh",
    "_kw": "kW",
    "_kg": "kg",
    "_nm": "N·m",
    "_cel": "°C",
    "_hz": "Hz",
    "_um": "µm",
    "_mm": "mm",
    "_min": "min",
    "_s": "s",
    "_v": "V",
    "_g": "g",
}
"""How names of settings and results end, the longer endings first."""


def named_value(name: str, value: object, *, between: str = " ") -> str:
    """A setting, a capability or a finding by its name, e.g. `feed 6 mm/s`, `passed: yes`.

    Args:
        name: as programs write it; a unit at its end goes behind the value.
        value: a number, a truth, a text or a list of these.
        between: what stands between name and value.
    """
    unit = next((ending for ending in _UNITS_IN_NAMES if name.endswith(ending)), "")
    words = name.removesuffix(unit).replace("_", " ")
    if isinstance(value, bool):
        shown = "yes" if value else "no"
    elif isinstance(value, int | float):
        shown = format_number(value)
    elif isinstance(value, list | tuple):
        shown = ", ".join(str(part) for part in value)
    else:
        shown = str(value)
    return f"{words}{between}{shown}" + (f" {_UNITS_IN_NAMES[unit]}" if unit else "")


def opening_hours(hours: Mapping[str, str]) -> str:
    """Opening hours by weekday as people write them: `Mon–Fri 07:00–19:00, Sat 08:00–12:00`."""
    groups: list[tuple[list[str], str]] = []
    for index, day in enumerate(_WEEKDAYS):
        if day not in hours:
            continue
        previous = _WEEKDAYS[index - 1] if index else ""
        if groups and groups[-1][1] == hours[day] and groups[-1][0][-1] == previous:
            groups[-1][0].append(day)
        else:
            groups.append(([day], hours[day]))
    parts = []
    for days, times in groups:
        named = days[0].title() if len(days) == 1 else f"{days[0].title()}–{days[-1].title()}"
        parts.append(f"{named} {times.replace('-', '–')}")
    return ", ".join(parts)
