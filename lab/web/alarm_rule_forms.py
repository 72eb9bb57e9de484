"""Rules of alarms on a form: which fields a kind has, what was typed, and a rule in words. Pure."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from devices.models import Device, Signal
from devices.units import unit_symbol
from lab.reports.numbers import format_number
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.wording import number_text, plain_words
from telemetry.alarms.definitions import AnyDefinition, Definition, read_definition
from telemetry.alarms.models import AlarmRule

KINDS = {
    "limit": N_("a value leaves its limits"),
    "rate": N_("a value changes too fast"),
    "silence": N_("nothing comes any more"),
    "state": N_("a state is reached"),
    "unbooked": N_("the machine works although nobody has booked it"),
    "idle": N_("the machine is booked and does nothing"),
}
FIELDS: Mapping[str, tuple[str, ...]] = {
    "limit": ("low", "high", "hysteresis", "delay_s"),
    "rate": ("most_per_s", "over_s", "hysteresis", "delay_s"),
    "silence": ("after_s",),
    "state": ("states", "delay_s"),
    "unbooked": ("above", "after_s", "enabled"),
    "idle": ("above", "after_s", "enabled"),
}
USUAL_INTERVALS = "10"
"""Of a silence that nobody has given in seconds; a rule made by a program may have another number, and keeps it."""
LABELS = {
    "signal": N_("Signal"),
    "low": N_("Lower limit"),
    "high": N_("Upper limit"),
    "hysteresis": N_("Margin before the alarm clears"),
    "delay_s": N_("Only after so many seconds"),
    "most_per_s": N_("Most change in a second"),
    "over_s": N_("Taken over so many seconds"),
    "after_s": N_("After so many seconds"),
    "states": N_("Which states, with commas between"),
    "above": N_("It also works when the value is above"),
    "enabled": N_("Look for this"),
}
REQUIRED = {"most_per_s", "states"}
SAMPLED = ("limit", "rate", "silence", "state")
"""Kinds that can be tried on what was recorded."""
_DEFINITION: TypeAdapter[Definition] = TypeAdapter(AnyDefinition)


def fitting_signals(device: Device, kind: str) -> list[Signal]:
    """What a rule of this kind can look at."""
    if kind == "silence":
        return list(device.signals)
    numbers = kind != "state"
    return [signal for signal in device.signals if (signal.type == "number") is numbers]


def needs_signal(kind: str) -> bool:
    """Whether there is nothing to look at without one."""
    return kind in {"limit", "rate", "silence"}


def read_rule(kind: str, typed: Mapping[str, str]) -> Definition:
    """The definition that somebody has typed; an empty field leaves what is usual.

    Raises:
        ValidationError: naming the field.
    """
    given: dict[str, Any] = {"kind": kind}
    for field in (*FIELDS.get(kind, ()), *(("intervals",) if kind == "silence" else ())):
        said = plain_words(typed.get(field, ""))
        if field == "states":
            given[field] = [state.strip() for state in said.split(",") if state.strip()]
        elif field == "enabled":
            given[field] = said != "no"
        elif said:
            given[field] = said.replace(",", ".")
    return _DEFINITION.validate_python(given)


def typed_of(rule: AlarmRule) -> dict[str, str]:
    """A rule as its form shows it."""
    shown: dict[str, str] = {"signal": rule.signal or "", "severity": rule.severity}
    for field, value in read_definition(rule).model_dump(mode="json", exclude={"kind"}).items():
        if isinstance(value, bool):
            shown[field] = "yes" if value else "no"
        elif isinstance(value, list):
            shown[field] = ", ".join(value)
        elif value is not None:
            shown[field] = number_text(_exact(value))
    return shown


def _exact(value: float) -> str:
    """All its digits, so that a form that is only looked at changes nothing."""
    return str(value).removesuffix(".0")


def rule_words(rule: AlarmRule, device: Device | None) -> str:
    """A rule in one line: `Spindle power: above 6.5 kW, for 10 s`."""
    signal = next((one for one in device.signals if one.name == rule.signal), None) if device is not None else None
    unit = unit_symbol(signal.unit) if signal is not None else ""
    facts = read_definition(rule).model_dump()
    parts = _parts(rule.kind, facts, unit)
    if facts.get("delay_s"):
        parts.append(_("for %(time)s s", time=_number(facts["delay_s"])))
    label = signal.label if signal is not None else rule.signal
    said = ", ".join(parts)
    return f"{label}: {said}" if label else said


def _parts(kind: str, facts: Mapping[str, Any], unit: str) -> list[str]:
    match kind:
        case "limit":
            low, high = (None if facts[edge] is None else _quantity(facts[edge], unit) for edge in ("low", "high"))
            parts = [_("below %(limit)s", limit=low)] if low is not None else []
            return [*parts, *([_("above %(limit)s", limit=high)] if high is not None else [])]
        case "rate":
            return [_("changes by more than %(limit)s a second", limit=_quantity(facts["most_per_s"], unit))]
        case "silence" if facts["after_s"] is not None:
            return [_("silent for more than %(time)s s", time=_number(facts["after_s"]))]
        case "silence":
            return [_("silent for %(count)s times its interval", count=_number(facts["intervals"]))]
        case "state":
            return [_("is %(states)s", states=" / ".join(facts["states"]))]
        case _:
            words = _(KINDS.get(kind, kind))
            if not facts.get("enabled", True):
                return [_("not looked for: %(what)s", what=words)]
            return [words, _("for %(time)s s", time=_number(facts["after_s"]))]


def _number(value: float) -> str:
    return number_text(format_number(value))


def _quantity(value: float, unit: str) -> str:
    return f"{_number(value)} {unit}".strip()
