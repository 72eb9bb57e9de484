"""What is proposed for a signal that was heard, and what somebody made of the proposal. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from devices.catalogue import ADDRESS, DeviceEntry, SignalEntry
from devices.units import SYMBOLS
from lab.web.languages import gettext as _
from lab.web.languages import marked as N_  # noqa: N812
from lab.web.wording import plain_words
from telemetry.models import HeardSignal

MOST_SIGNALS = 60
"""Of a device, on one form; the others are adopted one by one afterwards."""
FIELDS = {
    "id": N_("Short name"),
    "name": N_("Name"),
    "kind": N_("Kind"),
    "location": N_("Place in the lab"),
    "price_eur_per_hour": N_("Price in EUR per hour"),
    "signals": N_("Signals"),
    "label": N_("Display name"),
    "type": N_("What it is"),
    "unit": N_("Unit"),
    "range": N_("Plausible from … to …"),
    "choices": N_("Allowed words"),
    "description": N_("What it is for"),
    "capabilities": N_("What it can do"),
    "setup_minutes": N_("Minutes to prepare before a slot"),
    "cleanup_minutes": N_("Minutes to clean up after a slot"),
    "expected_interval_ms": N_("Time between two values"),
    "sensor": N_("Sensor"),
    "uncertainty": N_("Uncertainty"),
    "calibration_due": N_("Calibration due"),
}
TYPES = {
    "number": N_("a number"),
    "boolean": N_("yes or no"),
    "text": N_("a text"),
    "enumeration": N_("one of a few words"),
}
_ENDINGS = {"_kw": "kW", "_w": "W", "_v": "V", "_a": "A", "_nm": "N.m", "_cel": "Cel", "_c": "Cel", "_mm": "mm"}
_ENDINGS |= {"_um": "um", "_mm_s": "mm/s", "_rpm": "/min", "_hz": "Hz", "_percent": "%", "_pct": "%", "_bar": "bar"}
_BY_LENGTH = sorted(_ENDINGS, key=len, reverse=True)


@dataclass(frozen=True, slots=True)
class Proposal:
    """How a heard signal could stand in the catalogue.

    Attributes:
        heard: as the machine says it.
        name: as a catalogue may name it.
        label: as people read it.
        type: a key of `TYPES`.
        unit: UCUM code; empty: to be chosen.
        choices: of an enumeration, separated by commas.
    """

    heard: str
    name: str
    label: str
    type: str
    unit: str
    choices: str = ""


def propose(row: HeardSignal) -> Proposal:
    """From what was heard to an entry that mostly needs no change."""
    name = signal_name(row.name)
    kind = max(row.kinds, key=lambda one: row.kinds[one], default="number")
    unit = proposed_unit(row.unit_said, name) if kind == "number" else ""
    ending = next((one for one in _BY_LENGTH if name.endswith(one) and _ENDINGS[one] == unit), "")
    label = name.removesuffix(ending).replace("_", " ").strip()
    return Proposal(
        heard=row.name,
        name=name,
        label=(label[:1].upper() + label[1:])[:200] or name,
        type=kind if kind in TYPES else "text",
        unit=unit,
        choices=", ".join(row.examples) if kind == "text" else "",
    )


def signal_name(heard: str) -> str:
    """As a catalogue may name it: `CoolantTemp` → `coolant_temp`, `Axis1/Load [%]` → `axis1_load`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", heard)
    name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
    return (name if name[:1].isalpha() else f"signal_{name}".rstrip("_"))[:100]


def proposed_unit(said: str | None, name: str) -> str:
    """A UCUM code: of what the machine says, as a code or a symbol, else of how the name ends, else nothing."""
    if said:
        codes = [code for code, symbol in SYMBOLS.items() if said in (code, symbol) and said]
        if codes:
            return codes[0]
    return next((_ENDINGS[ending] for ending in _BY_LENGTH if name.endswith(ending)), "")


def device_id_of(heard: str) -> str:
    """Short name that a heard device can have in the catalogue; empty: its topics have a name that none can have."""
    if re.fullmatch(ADDRESS, heard):
        name = re.sub(r"[^a-z0-9]+", "-", heard.rpartition("/")[2].lower()).strip("-")[:40]
        return name if name[:1].isalpha() else f"device-{name}"[:40]
    return heard if re.fullmatch(r"[a-z][a-z0-9-]{0,39}", heard) else ""


def wrong_field(error: ValidationError) -> str:
    """The name of the first field that cannot be so, as people read it."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if isinstance(part, str)]
    known = place if "capabilities" in place else place[::-1]
    field = next((name for name in known if name in FIELDS), "")
    if not field:
        field = next((name for name in ("unit", "choices") if name in first["msg"]), "name")
    if field == "name" and error.title == SignalEntry.__name__:
        field = "id"
    return _(FIELDS[field])


def read_signal(typed: Mapping[str, str], *, ending: str = "", interval_ms: float | None = None) -> SignalEntry:
    """The entry that somebody has typed.

    Args:
        typed: the form.
        ending: of the names of its fields.
        interval_ms: typical time between two values, as heard.

    Raises:
        ValidationError: naming the field.
    """

    def field(name: str) -> str:
        return plain_words(typed.get(f"{name}{ending}", ""))

    kind = field("type") or "number"
    low, high = (field(edge).replace(",", ".") for edge in ("low", "high"))
    entry: dict[str, Any] = {"name": field("name"), "label": field("label"), "type": kind}
    if kind == "number":
        entry["unit"] = field("unit") or None
        entry["range"] = (low, high) if low or high else None
    if kind == "enumeration":
        entry["choices"] = [choice.strip() for choice in field("choices").split(",") if choice.strip()]
    if interval_ms is not None and interval_ms > 0:
        entry["expected_interval_ms"] = float(f"{interval_ms:.3g}")
    return SignalEntry.model_validate(entry)


def read_device(
    typed: Mapping[str, str], heard: str, rows: Sequence[HeardSignal]
) -> tuple[DeviceEntry, dict[str, str]]:
    """The device that somebody has typed, and which of its signals it calls otherwise (as heard → in the catalogue).

    Args:
        typed: the form; `take_0` and so on say which signals are wanted.
        heard: as its topics name it.
        rows: what was heard of it, in the form's order.

    Raises:
        ValidationError: naming the field.
    """
    taken = [(place, row) for place, row in enumerate(rows) if typed.get(f"take_{place}") == "yes"]
    signals = [read_signal(typed, ending=f"_{place}", interval_ms=row.interval_ms) for place, row in taken]
    entry = DeviceEntry.model_validate(
        {
            "id": plain_words(typed.get("id", "")),
            "name": plain_words(typed.get("device_name", "")),
            "kind": plain_words(typed.get("kind", "")),
            "location": plain_words(typed.get("location", "")),
            "price_eur_per_hour": plain_words(typed.get("price_eur_per_hour", "")).replace(",", ".") or "0",
            "signals": [signal.model_dump() for signal in signals],
            "addresses": [heard] if re.fullmatch(ADDRESS, heard) else [],
        }
    )
    pairs = [(row.name, signal.name) for (_, row), signal in zip(taken, signals, strict=True)]
    return entry, {said: name for said, name in pairs if said != name}
