"""How states, times, prices and values read on a page."""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date

from bookings.search.requirements import plain_name
from devices.units import unit_symbol
from lab.core.errors import InvalidError
from lab.core.time import in_zone
from lab.reports.numbers import format_number, format_quantity
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.languages import present_language
from lab.web.refusals import said

BOOKING_STATES = {
    "requested": N_("waiting for approval"),
    "confirmed": N_("confirmed"),
    "in_use": N_("running now"),
    "done": N_("done"),
    "cancelled": N_("cancelled"),
    "no_show": N_("not used"),
}
PILOT_STATES = {
    "accepted": N_("being planned"),
    "planned": N_("plan locked, ready to run"),
    "running": N_("runs in progress"),
    "sealed": N_("data complete, report in preparation"),
    "reported": N_("report ready"),
}
ROLES = {
    "member": N_("member"),
    "engineer": N_("lab engineer"),
    "manager": N_("lab manager"),
    "recipient": N_("report reader"),
}
COMPANY_SIZES = {"micro": N_("micro"), "small": N_("small"), "medium": N_("medium"), "large": N_("large")}
ALARM_SEVERITIES = {
    "info": N_("to know"),
    "warning": N_("look at it"),
    "critical": N_("act now"),
}
ALARM_NOTES = {
    "raised": N_("noticed"),
    "acknowledged": N_("taken on"),
    "commented": N_("said"),
    "cleared": N_("cleared"),
    "told": N_("told people"),
    "stop-done": N_("machine stopped"),
    "stop-refused": N_("machine not stopped"),
    "stop-unanswered": N_("machine did not answer"),
}
"""What was done about an alarm, as people read it."""
VERDICTS = (N_("Invest"), N_("Invest under conditions"), N_("Extend the pilot"), N_("Do not invest"))
CHANGES = {
    "created": N_("booked"),
    "requested": N_("asked for"),
    "approved": N_("approved by the lab"),
    "declined": N_("declined by the lab"),
    "lapsed": N_("lapsed without an answer"),
    "moved": N_("moved"),
    "extended": N_("given another end"),
    "cancelled": N_("cancelled"),
    "started": N_("begun"),
    "finished": N_("finished"),
    "no-show": N_("nobody came"),
    "outage-hit": N_("hit by an outage"),
    "reinstated": N_("given back"),
    "offered": N_("offered to those who waited for it"),
    "accepted": N_("taken by those who waited for it"),
}
"""What became of a booking."""
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
    """The time of day in the lab to the second, with the zone's own short name."""
    return in_zone(instant, zone).strftime("%H:%M:%S %Z")


def lab_second(instant: datetime, zone: str) -> str:
    """A date and time to the second, for a table that names the zone."""
    wall = in_zone(instant, zone)
    return f"{_written_date(wall)}, {wall:%H:%M:%S}"


def lab_until(instant: datetime, now: datetime, zone: str) -> str:
    """An end that is near: the time of day and the zone alone if it is today, else with the date."""
    if in_zone(instant, zone).date() == in_zone(now, zone).date():
        return in_zone(instant, zone).strftime("%H:%M %Z")
    return lab_time(instant, zone)


def lab_span(start: datetime, end: datetime, zone: str) -> str:
    """A span in the lab, the date once if it is one day: `Mon 23 Nov 2026, 08:00–10:00 CET`."""
    first, last = in_zone(start, zone), in_zone(end, zone)
    if first.date() == last.date() and first.utcoffset() == last.utcoffset():
        return f"{_written_date(first)}, {first:%H:%M}–{last:%H:%M %Z}"
    return f"{lab_time(start, zone)} – {lab_time(end, zone)}"


def _written_date(day: date) -> str:
    if present_language() == "en":
        return f"{day:%a} {day.day} {day:%b %Y}"
    return str(format_date(day, "EEE d MMM y", locale=present_language()))


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
    """Money in euros as the reports write it, e.g. `45.00 EUR`, in Polish `45,00 EUR`."""
    return f"{number(cents / 100, decimals=2)}\u00a0EUR"


def file_size(size: int) -> str:
    """How large a file is: `830 kB`, `4.2 MB`."""
    if size < 999_500:
        return f"{max(1, round(size / 1000))}\u00a0kB"
    return f"{number_text(f'{size / 1_000_000:.1f}')}\u00a0MB"


def typed_number(value: float | None) -> str:
    """A number in a field, to be changed: all of its digits; empty: there is none."""
    if value is None:
        return ""
    short = f"{value:.15g}"
    return number_text(short if float(short) == value else repr(float(value)))


def number_text(written: str) -> str:
    """A number as `lab.reports.numbers` writes it, with the decimal sign of the present language."""
    return written if present_language() == "en" else written.replace(".", ",")


def bare_number(typed: str) -> str:
    """A number as somebody has typed it, without grouping and with a point: `1 200,50` → `1200.50`."""
    return "".join(typed.split()).replace(",", ".")


def number(value: float, *, decimals: int = 0) -> str:
    """A number as the reports write it in the present language, e.g. `12 500.50`, in Polish `12 500,50`."""
    return number_text(format_number(value, decimals=decimals))


def booking_state(state: str) -> str:
    """How a booking stands."""
    return _(BOOKING_STATES.get(state, state))


def pilot_state(state: str) -> str:
    """How far a pilot is."""
    return _(PILOT_STATES.get(state, state))


def alarm_severity(severity: str) -> str:
    """How serious an alarm is."""
    return _(ALARM_SEVERITIES.get(severity, severity))


def role_name(role: str) -> str:
    """What somebody is here."""
    return _(ROLES.get(role, role))


def company_size(size_class: str) -> str:
    """How large a company is, by the Commission's classes."""
    return _(COMPANY_SIZES.get(size_class, size_class))


CAPABILITIES = {
    "milling": N_("milling"),
    "condition-monitoring": N_("condition monitoring"),
    "energy-metering": N_("energy metering"),
    "conveying": N_("conveying"),
    "additive-manufacturing": N_("3D printing"),
    "handling": N_("handling with a robot"),
    "vision-inspection": N_("inspection by camera"),
}
"""The frequent ones, as people call them."""


def capability_name(name: str) -> str:
    """What a machine can do, in words."""
    key = plain_name(name)
    return _(CAPABILITIES.get(key, key.replace("-", " ")))


def change_name(what: str) -> str:
    """What became of a booking."""
    return _(CHANGES.get(what, what))


def verdict_name(verdict: str) -> str:
    """What a report advises."""
    return _(verdict)


def value_text(value: float | None, text: str | None, signal_type: str) -> str:
    """A measured value as people read it."""
    if text is not None:
        return text
    if value is None:
        return "–"
    if signal_type == "boolean":
        return _("yes") if value else _("no")
    return number_text(format_number(value))


def verdict_key(verdict: str) -> str:
    """A verdict as a key for the style sheet: `do-not-invest`."""
    return verdict.lower().replace(" ", "-")


def sentence(message: str, zone: str) -> str:
    """A message of an error as a sentence: capital at the start, full stop at the end, times as the lab shows them."""
    text = _WRITTEN_TIME.sub(lambda found: lab_time(datetime.fromisoformat(found[0]), zone), said(message))
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def plain_words(text: str) -> str:
    """What somebody has typed into a field, without what no database and no page can show."""
    return _CONTROLS.sub(" ", text.replace("\r\n", "\n")).strip()


def one_line(text: str) -> str:
    """The same of a field that has one line."""
    return " ".join(plain_words(text).split())


def minutes_long(minutes: int) -> str:
    """How long a slot is: `30 min`, `1 h`, `1 h 30 min`."""
    hours, rest = divmod(minutes, 60)
    return " ".join([*([f"{hours} h"] if hours else []), *([f"{rest} min"] if rest else [])])


def short_duration(length: timedelta) -> str:
    """How long a run took, to the second: `3 min 20 s`."""
    minutes, seconds = divmod(round(length.total_seconds()), 60)
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"


def quantity(value: float, unit: str) -> str:
    """A number with its unit, from a UCUM code."""
    return number_text(format_quantity(value, unit_symbol(unit)))


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
    "_mpx": "Mpx",
    "_mm": "mm",
    "_min": "min",
    "_s": "s",
    "_v": "V",
    "_g": "g",
}
"""How names of settings and results end, the longer endings first."""


_FINDINGS = (N_("passed"), N_("result"), N_("operator"), N_("material"))
"""What mostly stands in a run's record, beside `finished`."""
_CHARACTERISTICS = (
    N_("axes"), N_("travel x"), N_("travel y"), N_("travel z"), N_("spindle"), N_("payload"), N_("reach"), N_("width"),
    N_("length"), N_("resolution"), N_("process"), N_("volume x"), N_("volume y"), N_("volume z"), N_("class"),
    N_("phases"), N_("feed"), N_("roughness"),
)  # fmt: skip
"""How capabilities and settings are mostly characterised; what else a catalogue says is said as it stands there."""
_OUTCOMES = {"good": N_("good"), "scrap": N_("scrap"), "rework": N_("rework")}


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
        shown = _("yes") if value else _("no")
    elif isinstance(value, int | float):
        shown = number_text(format_number(value))
    elif isinstance(value, list | tuple):
        shown = ", ".join(str(part) for part in value)
    else:
        shown = _(_OUTCOMES.get(str(value), str(value))) if name == "result" else str(value)
    return f"{_(words)}{between}{shown}" + (f" {_UNITS_IN_NAMES[unit]}" if unit else "")


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
        first, last = (weekday(day, form="EEE") for day in (days[0], days[-1]))
        named = first if len(days) == 1 else f"{first}–{last}"
        parts.append(f"{named} {times.replace('-', '–')}")
    return ", ".join(parts)


def weekday(name: str, *, form: str = "cccc") -> str:
    """`mon` as people write it: `Monday`, `poniedziałek`; with the form `EEE` short: `Mon`, `pon.`."""
    monday = date(2026, 11, 23)
    written = format_date(monday + timedelta(_WEEKDAYS.index(name)), form, locale=present_language())
    return str(written)
