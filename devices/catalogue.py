"""The catalogue: a YAML file that says what the lab owns, and every fault it may have."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from devices.errors import CatalogueError
from devices.units import explain_unknown_unit, is_known_unit
from lab.core.mqtt import PRODUCT_USER

CATALOGUES = Path(__file__).parent / "catalogues"
DEFAULT_CATALOGUE = CATALOGUES / "gliwice.yaml"
"""Five devices of a competence centre: what a new installation starts from, and what the simulators play."""
RECORDING_CATALOGUE = CATALOGUES / "recording.yaml"
"""The milling machine of the University of Michigan's recording, as its replay publishes it."""

MAX_CATALOGUE_BYTES = 4_000_000

Finite = Annotated[float, Field(allow_inf_nan=False)]


class SignalEntry(BaseModel):
    """One quantity that a device measures."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, str_strip_whitespace=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,99}$")
    """As the device writes it: small letters, digits and underscores, the unit at the end (`spindle_power_kw`)."""
    label: str = Field(min_length=1, max_length=200)
    """As people read it."""
    type: Literal["number", "boolean", "text", "enumeration"] = "number"
    unit: str | None = Field(None, max_length=40)
    """UCUM code; every number has one, `1` where it is a bare number."""
    range: tuple[Finite, Finite] | None = None
    """Lowest and highest plausible value; outside: stored and flagged."""
    choices: list[Annotated[str, Field(min_length=1, max_length=100)]] | None = None
    """What an enumeration may be."""
    expected_interval_ms: float | None = Field(None, gt=0, allow_inf_nan=False)
    sensor: str | None = Field(None, max_length=200)
    uncertainty: float | None = Field(None, ge=0, allow_inf_nan=False)
    """Expanded (k = 2), in the signal's unit."""
    calibration_due: date | None = None

    @field_validator("unit")
    @classmethod
    def _unit_is_known(cls, unit: str | None) -> str | None:
        if unit is not None and not is_known_unit(unit):
            raise ValueError(explain_unknown_unit(unit))
        return unit

    @field_validator("range")
    @classmethod
    def _range_goes_up(cls, span: tuple[float, float] | None) -> tuple[float, float] | None:
        if span is not None and span[0] >= span[1]:
            raise ValueError(f"the range {span[0]} to {span[1]} must go from low to high")
        return span

    @field_validator("choices")
    @classmethod
    def _choices_differ(cls, choices: list[str] | None) -> list[str] | None:
        if choices is not None and len(set(choices)) < len(choices):
            raise ValueError("the same choice stands twice")
        return choices

    @model_validator(mode="after")
    def _fits_its_type(self) -> "SignalEntry":
        if self.type == "number" and self.unit is None:
            raise ValueError("a number needs a unit (UCUM code); write 1 for a bare number")
        if self.type != "number" and (self.unit, self.range, self.uncertainty) != (None, None, None):
            raise ValueError(f"only a number has unit, range and uncertainty; this is of type {self.type}")
        if (self.type == "enumeration") != bool(self.choices):
            raise ValueError("an enumeration needs choices, and nothing else has any")
        return self


class CapabilityEntry(BaseModel):
    """Something the device can do, with what characterises it: `{name: milling, axes: 3, travel_x_mm: 500}`."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, str | int | Finite | bool]

    name: str = Field(min_length=1, max_length=100)


ADDRESS = r"^sparkplug:[^+#/|]+/[^+#/|]+(/[^+#/|]+)?$"
RESERVED_IDS = frozenset({PRODUCT_USER, "recorder"})
"""Names that the product uses at the broker: a device of that name could speak as the product."""


class DeviceEntry(BaseModel):
    """A machine or instrument."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, str_strip_whitespace=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    """Short name: small letters, digits and hyphens; a level of its topics and its sign-in name at the broker."""
    name: str = Field(min_length=1, max_length=200)
    kind: str = Field(min_length=1, max_length=60)
    description: str = ""
    location: str = Field("", max_length=200)
    capabilities: list[CapabilityEntry] = []
    price_eur_per_hour: Decimal = Field(ge=0, le=100_000, decimal_places=2)
    setup_minutes: int = Field(0, ge=0, le=1440)
    cleanup_minutes: int = Field(0, ge=0, le=1440)
    software_version: str | None = Field(None, max_length=60)
    signals: list[SignalEntry] = Field(min_length=1)
    addresses: list[Annotated[str, Field(pattern=ADDRESS, max_length=300)]] = []
    """Where it is heard besides its own topics: `sparkplug:group/node` or `sparkplug:group/node/device`."""

    @field_validator("id")
    @classmethod
    def _id_is_not_ours(cls, device_id: str) -> str:
        if device_id in RESERVED_IDS:
            raise ValueError(f"'{device_id}' is how Pilot Lab itself signs in at the broker; choose another name")
        return device_id

    @field_validator("signals")
    @classmethod
    def _signal_names_differ(cls, signals: list[SignalEntry]) -> list[SignalEntry]:
        _require_different([signal.name for signal in signals], "signal")
        return signals

    @property
    def price_cents_per_hour(self) -> int:
        """The price in integer cents."""
        return int(self.price_eur_per_hour * 100)


class Catalogue(BaseModel):
    """What a lab owns."""

    model_config = ConfigDict(extra="forbid")

    devices: list[DeviceEntry] = Field(min_length=1)

    @field_validator("devices")
    @classmethod
    def _device_ids_differ(cls, devices: list[DeviceEntry]) -> list[DeviceEntry]:
        _require_different([device.id for device in devices], "device")
        return devices


def load_catalogue(path: Path) -> Catalogue:
    """Read a catalogue file.

    Raises:
        CatalogueError: naming every fault with its place in the file.
    """
    try:
        if path.stat().st_size > MAX_CATALOGUE_BYTES:
            raise CatalogueError(f"{path.name} is larger than {MAX_CATALOGUE_BYTES // 1_000_000} MB: no catalogue")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CatalogueError(f"{path.name} is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise CatalogueError(f"{path} cannot be read: {error.strerror}") from error
    return parse_catalogue(text, name=path.name)


def parse_catalogue(text: str, *, name: str = "the catalogue") -> Catalogue:
    """Read a catalogue from YAML (or JSON) text; `name` stands in the messages.

    Raises:
        CatalogueError: naming every fault with its place in the text.
    """
    try:
        content = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise CatalogueError(f"{name} is no YAML: {_one_line(error)}", faults=[]) from error
    try:
        return Catalogue.model_validate(content)
    except ValidationError as error:
        faults = [
            {"place": _place(fault["loc"], content), "message": fault["msg"].removeprefix("Value error, ")}
            for fault in error.errors(include_url=False)
        ]
        count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
        listed = "; ".join(f"{fault['place']}: {fault['message']}" for fault in faults)
        raise CatalogueError(f"{name} has {count}: {listed}", faults=faults) from error


class _StrictLoader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice, where YAML's usual answer is to forget the first."""


def _mapping_without_repetition(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"'{key.value}' is given twice", key.start_mark)
            seen.add(key.value)
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_repetition)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _require_different(names: list[str], what: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two entries for the {what} {', '.join(twice)}")


def _place(location: tuple[int | str, ...], content: Any) -> str:
    """Say where: `devices[1] (robot-1).signals[0] (torque_nm).unit`."""
    text, here = "", content
    for step in location:
        if isinstance(step, int):
            text += f"[{step}]"
            here = here[step] if isinstance(here, list) and step < len(here) else None
            name = (here.get("id") or here.get("name")) if isinstance(here, dict) else None
            text += f" ({str(name)[:60]})" if name else ""
        else:
            text += f".{step}" if text else step
            here = here.get(step) if isinstance(here, dict) else None
    return text or "the file"
