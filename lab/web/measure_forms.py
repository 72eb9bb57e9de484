"""What a KPI is made of, on a form: which fields each kind of measure has, and a measure to and from them. Pure.

Fields of a form are named with a prefix (`kpis-0-`), so that several measures stand beside each other.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from devices.units import code_of_symbol, unit_symbol
from lab.core.errors import InvalidError
from lab.pilots.plans import Measure, RatioOfMeasures, Setting
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.wording import bare_number, one_line, typed_number

BASIC_KINDS = {
    "integral": N_("amount (from kW follow kWh)"),
    "mean": N_("mean of a signal"),
    "minimum": N_("least value of a signal"),
    "maximum": N_("greatest value of a signal"),
    "percentile": N_("percentile of a signal"),
    "duration": N_("how long the run takes"),
    "time_in_state": N_("how long a machine is in a state"),
    "edges": N_("how often a signal crosses a limit"),
    "count": N_("how many events a machine reports"),
    "event_value": N_("what an event of a machine says"),
    "signal_at_event": N_("value of a signal at an event"),
    "result_value": N_("what is found out about the part"),
}
KINDS = BASIC_KINDS | {
    "iso22400": N_("indicator of a machine (ISO 22400)"),
    "ratio": N_("one measure through another"),
}
"""Kind on the form → in words. The three of one signal's values are one kind in a plan, `statistic`."""
FIELDS: Mapping[str, tuple[str, ...]] = {
    "integral": ("signals",),
    "mean": ("signal",),
    "minimum": ("signal",),
    "maximum": ("signal",),
    "percentile": ("signal", "percent"),
    "duration": (),
    "time_in_state": ("device", "item_states", "modes"),
    "edges": ("signal", "threshold", "edge"),
    "count": ("device", "event", "where"),
    "event_value": ("device", "event", "field"),
    "signal_at_event": ("signal", "device", "event"),
    "result_value": ("field",),
    "iso22400": ("indicator", "device", "planned_s_per_item", "part_event", "result_field"),
    "ratio": (),
}
LABELS = {
    "measure": N_("How it is measured"),
    "signals": N_("Signals, added up"),
    "signal": N_("Signal"),
    "percent": N_("How many per cent lie below"),
    "device": N_("Machine"),
    "item_states": N_("States"),
    "modes": N_("Only in these modes"),
    "threshold": N_("Limit"),
    "edge": N_("Which way"),
    "event": N_("Event"),
    "where": N_("Only with these facts"),
    "field": N_("Name of the fact"),
    "indicator": N_("Indicator"),
    "planned_s_per_item": N_("Planned seconds for a part"),
    "part_event": N_("Event that tells of a finished part"),
    "result_field": N_("Its fact that says good, scrap or rework"),
    "unit": N_("Unit"),
}
CHOICES: Mapping[str, Mapping[str, str]] = {
    "edge": {"rising": N_("upwards"), "falling": N_("downwards")},
    "item_states": {
        "Executing": N_("working"),
        "NotExecuting": N_("not working"),
        "OutOfService": N_("out of service"),
        "NotAvailable": N_("not available"),
    },
    "modes": {
        "Processing": N_("making parts"),
        "Setup": N_("being set up"),
        "Maintenance": N_("being maintained"),
        "None": N_("none"),
    },
    "indicator": {
        "oee": N_("OEE"),
        "nee": N_("NEE"),
        "availability": N_("availability"),
        "effectiveness": N_("effectiveness"),
        "quality_ratio": N_("quality ratio"),
        "allocation_efficiency": N_("allocation efficiency"),
        "utilisation_efficiency": N_("utilisation efficiency"),
        "throughput_rate": N_("throughput rate"),
        "technical_efficiency": N_("technical efficiency"),
        "setup_ratio": N_("set-up ratio"),
        "scrap_ratio": N_("scrap ratio"),
        "first_pass_yield": N_("first pass yield"),
    },
}
"""Field → what can be chosen, in words; states and modes are those of OPC 40001-1."""
SEVERAL = {"signals", "item_states", "modes"}
"""Fields that hold more than one choice, each in a place of its own: `signals-0`, `signals-1` and so on."""
_STATISTICS = {"minimum", "maximum", "percentile"}
_DEFAULTS = {"part_event": "part_finished", "result_field": "result"}
SIDES = ("numerator", "denominator")
"""Of a ratio."""
_PIECE = re.compile(r'([^\s,;"]+)\s*((?:"[^"]*"|[^,;"])*)(?:[,;]|$)')


class FormError(InvalidError):
    """What was typed cannot be read; the message is in the language of the page."""


def typed_measure(measure: Measure, prefix: str) -> dict[str, str]:
    """A measure as the fields of a form."""
    if isinstance(measure, RatioOfMeasures):
        above, below = (
            typed_measure(side.measure, f"{prefix}{name}-") | {f"{prefix}{name}-unit": typed_unit(side.unit)}
            for name, side in (("numerator", measure.numerator), ("denominator", measure.denominator))
        )
        return {f"{prefix}measure": "ratio", **above, **below}
    facts = measure.model_dump()
    kind = facts.pop("kind")
    if kind == "statistic":
        kind = facts.pop("statistic")
    typed = {f"{prefix}measure": kind}
    for name, value in facts.items():
        if name in SEVERAL:
            chosen = [_typed_fact("signal", one) if name == "signals" else str(one) for one in value]
            typed |= {f"{prefix}{name}-{place}": one for place, one in enumerate(chosen)}
        else:
            typed[f"{prefix}{name}"] = _typed_fact(name, value)
    return typed


def read_measure(typed: Mapping[str, str], prefix: str, *, basic: bool = False) -> dict[str, Any]:
    """The measure that somebody has typed, as a plan's document has it.

    Args:
        typed: the form.
        prefix: of the names of its fields.
        basic: whether it is a side of a ratio, which cannot be a ratio itself.

    Raises:
        FormError: if a number or a unit cannot be read.
    """
    kind = typed.get(f"{prefix}measure", "")
    if kind not in (BASIC_KINDS if basic else KINDS):
        raise FormError(_("Please choose how it is measured."), field=f"{prefix}measure")
    if kind == "ratio":
        return {"kind": kind, **{side: _read_side(typed, f"{prefix}{side}-") for side in SIDES}}
    facts: dict[str, Any] = {"kind": "statistic", "statistic": kind} if kind in _STATISTICS else {"kind": kind}
    facts |= {name: _read_fact(typed, prefix, name) for name in FIELDS[kind]}
    return {name: value for name, value in facts.items() if value is not None}


def typed_unit(code: str) -> str:
    """A unit in a field: as people write it, where that can be read back."""
    symbol = unit_symbol(code)
    return symbol if code_of_symbol(symbol) == code else code


def read_unit(typed: str, field: str) -> str:
    """The UCUM code of a unit that was typed; one for a ratio may be no unit of the table.

    Raises:
        FormError: if it is none.
    """
    written = one_line(typed)
    code = code_of_symbol(written)
    if code is None and not all(code_of_symbol(part) for part in written.split("/")):
        raise FormError(_("“%(unit)s” is no unit that is known here.", unit=written[:40]), field=field)
    return code or written


def read_number(typed: Mapping[str, str], name: str) -> str | None:
    """A number that was typed, with a point; `None`: nothing was."""
    return bare_number(one_line(typed.get(name, ""))) or None


def typed_settings(settings: Mapping[str, Setting]) -> str:
    """Settings in one line: `feed_mm_s 9, tool "A, new", coolant true`."""
    return ", ".join(f"{name} {typed_setting(value)}" for name, value in settings.items())


def typed_setting(value: Setting) -> str:
    """One setting as `read_setting` reads it back."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        short = f"{value:.15g}"
        return short if float(short) == value else repr(value)
    return value if read_setting(value) == value and not re.search('[,;"]', value) else f'"{value}"'


def read_setting(text: str) -> Setting:
    """A number, `true`, `false`, or a text, which may stand in quotes."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1]
    if text in {"true", "false"}:
        return text == "true"
    number = float(text) if re.fullmatch(r"-?\d{1,20}(\.\d{1,30})?(e[-+]?\d{1,3})?", text) else math.inf
    return text if math.isinf(number) else number


def read_settings(text: str, field: str) -> dict[str, Setting]:
    """The settings of one line.

    Raises:
        FormError: if a piece has no value.
    """
    found: dict[str, Setting] = {}
    for key, value in _PIECE.findall(one_line(text)):
        if not value.strip():
            raise FormError(
                _("Please give settings with their values, with commas between, for example: feed_mm_s 9, tool A"),
                field=field,
            )
        found[key] = read_setting(value.strip())
    return found


def chosen(typed: Mapping[str, str], prefix: str, name: str) -> list[str]:
    """What is chosen of a field that holds several."""
    places = sorted((key for key in typed if re.fullmatch(rf"{re.escape(prefix)}{name}-\d{{1,3}}", key)), key=_place)
    return [one for one in (one_line(typed[place]) for place in places) if one]


def _read_side(typed: Mapping[str, str], prefix: str) -> dict[str, Any]:
    unit = read_unit(typed.get(f"{prefix}unit", ""), f"{prefix}unit")
    return {"measure": read_measure(typed, prefix, basic=True), "unit": unit}


def _typed_fact(name: str, value: Any) -> str:
    match value:
        case None:
            return ""
        case dict() if name == "signal":
            return f"{value['device']}.{value['signal']}"
        case dict():
            return typed_settings(value)
        case float():
            return typed_number(value)
        case _:
            return str(value)


def _read_fact(typed: Mapping[str, str], prefix: str, name: str) -> Any:
    if name in SEVERAL:
        return [_signal(one) if name == "signals" else one for one in chosen(typed, prefix, name)]
    text = one_line(typed.get(f"{prefix}{name}", ""))
    match name:
        case "signal":
            return _signal(text)
        case "where":
            return read_settings(text, f"{prefix}{name}")
        case "percent" | "threshold" | "planned_s_per_item":
            return bare_number(text) or None
        case _:
            return text or _DEFAULTS.get(name, "")


def _place(key: str) -> int:
    return int(key.rpartition("-")[2])


def _signal(text: str) -> dict[str, str]:
    device, _dot, signal = text.partition(".")
    return {"device": device, "signal": signal}
