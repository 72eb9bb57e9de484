"""Rules of booking as a form shows them and as somebody types them."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from bookings.errors import OpeningHoursError
from bookings.opening import WEEKDAYS, read_hours
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.wording import lab_date, one_line, opening_hours, plain_words, weekday

NUMBERS = {
    "lead_minutes": N_("Booked at least so many minutes ahead"),
    "horizon_days": N_("Open for bookings so many days ahead"),
    "shortest_minutes": N_("Shortest booking in minutes"),
    "longest_minutes": N_("Longest booking in minutes"),
    "granularity_minutes": N_("Bookings start and end every so many minutes"),
    "setup_minutes": N_("Minutes to prepare before a slot"),
    "cleanup_minutes": N_("Minutes to clean up after a slot"),
    "week_quota_minutes": N_("Most minutes of one company in a week"),
    "pilot_quota_minutes": N_("Most minutes of one pilot"),
    "most_concurrent": N_("Most bookings of one company at the same time"),
    "most_open": N_("Most bookings of one company ahead"),
    "approval_lapses_minutes": N_("An unanswered request lapses after so many minutes"),
    "cancel_deadline_minutes": N_("Cancelled at least so many minutes before the start"),
    "check_in_minutes": N_("Counts as not shown up so many minutes after the start"),
}
SWITCHES = {
    "approval": N_("The lab approves each booking of a company"),
    "supervision": N_("Used with an engineer only"),
}
OTHERS = {
    "opening_hours": N_("Opening hours"),
    "holidays": N_("Public holidays kept"),
    "closed_days": N_("Closed days"),
    "special_days": N_("Days with other hours"),
    "qualifications": N_("Trainings needed to book without an engineer"),
    "needs_devices": N_("Booked only together with"),
}
LABELS: Mapping[str, str] = {**NUMBERS, **SWITCHES, **OTHERS}
NO_HOLIDAYS = "-"
"""Typed for: no public holidays are kept."""
_SHORT_HOUR = re.compile(r"(?<!\d)(\d):")
_SEPARATORS = re.compile(r"[\s,;]+")


class UnreadableRuleError(ValueError):
    """A field that cannot be read."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.label = label
        """Of the field, in the page's language."""


def typed_rules(typed: Mapping[str, str], kept: Mapping[str, Any]) -> dict[str, Any]:
    """What the fields say; an empty one sets nothing.

    Args:
        typed: the form.
        kept: what is set now: that something is none of all (no training, no closed day) has no words of its own on
            the form and stays.

    Raises:
        UnreadableRuleError: naming the first field that cannot be read.
    """
    given: dict[str, Any] = {name: typed[name].strip() for name in NUMBERS if typed.get(name, "").strip()}
    given |= {name: typed[name] == "yes" for name in SWITCHES if typed.get(name) in {"yes", "no"}}
    if holidays := one_line(typed.get("holidays", "")):
        given["holidays"] = "" if holidays == NO_HOLIDAYS else holidays
    lists = {
        "opening_hours": _week(typed),
        "closed_days": [{"day": day, "name": name} for day, name in _dated(typed, "closed_days")],
        "special_days": {day: _hours(hours, _(OTHERS["special_days"])) for day, hours in _dated(typed, "special_days")},
        "qualifications": [name for name in _SEPARATORS.split(one_line(typed.get("qualifications", ""))) if name],
        "needs_devices": [name.removeprefix("needs_") for name in sorted(typed) if name.startswith("needs_")],
    }
    return given | {name: value for name, value in lists.items() if value or kept.get(name) == value}


def rules_as_typed(settings: Mapping[str, Any]) -> dict[str, str]:
    """What is set, as the form shows it."""
    shown = {name: str(settings[name]) for name in NUMBERS if name in settings}
    shown |= {name: "yes" if settings[name] else "no" for name in SWITCHES if name in settings}
    shown |= {f"hours_{day}": text.replace(",", ", ") for day, text in settings.get("opening_hours", {}).items()}
    if "holidays" in settings:
        shown["holidays"] = settings["holidays"] or NO_HOLIDAYS
    shown["closed_days"] = "\n".join(f"{one['day']} {one['name']}" for one in settings.get("closed_days", ()))
    shown["special_days"] = "\n".join(f"{day} {text}" for day, text in sorted(settings.get("special_days", {}).items()))
    shown["qualifications"] = ", ".join(settings.get("qualifications", ()))
    return shown | {f"needs_{device_id}": "yes" for device_id in settings.get("needs_devices", ())}


def rule_in_words(name: str, value: Any, device_names: Mapping[str, str]) -> str:
    """One rule that is set, as a line says it."""
    if isinstance(value, bool):
        said = _("yes") if value else _("no")
    elif name == "opening_hours":
        said = opening_hours(value)
    elif name == "closed_days":
        said = ", ".join(f"{_day(one['day'])} ({one['name']})" for one in value)
    elif name == "special_days":
        said = ", ".join(f"{_day(day)} {text.replace('-', '–')}" for day, text in sorted(value.items()))
    elif name == "needs_devices":
        said = ", ".join(device_names.get(device_id, device_id) for device_id in value)
    else:
        said = ", ".join(value) if isinstance(value, list) else str(value)
    return f"{_(LABELS.get(name, name))}: {said or _('none')}"


def _week(typed: Mapping[str, str]) -> dict[str, str]:
    days = {day: one_line(typed.get(f"hours_{day}", "")) for day in WEEKDAYS}
    called = _(OTHERS["opening_hours"])
    return {day: _hours(text, f"{called}, {weekday(day)}") for day, text in days.items() if text}


def _hours(text: str, label: str) -> str:
    """`7:00 – 19:00` as it is stored: `07:00-19:00`."""
    written = _SHORT_HOUR.sub(r"0\1:", "".join(text.replace("–", "-").split()))
    try:
        read_hours(written, field=label)
    except OpeningHoursError:
        raise UnreadableRuleError(label) from None
    return written


def _dated(typed: Mapping[str, str], name: str) -> list[tuple[str, str]]:
    """Lines such as `2026-12-24 Christmas Eve`: the day, and what is said of it."""
    found = []
    for line in plain_words(typed.get(name, "")).splitlines():
        day, _space, rest = line.strip().partition(" ")
        if day and not rest.strip():
            raise UnreadableRuleError(_(OTHERS[name]))
        found += [(day, rest.strip())] if day else []
    return found


def _day(text: str) -> str:
    return lab_date(date.fromisoformat(text), "")
