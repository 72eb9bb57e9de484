"""Which devices can do what; pure.

A device's catalogue entry lists capabilities with attributes: `{"name": "milling", "axes": 3, "travel_x_mm": 500, …}`.
An attribute asked for without its axis letter, such as `travel_mm`, means any axis that the device names
(`travel_x_mm`, `travel_y_mm`, `travel_z_mm`): a mill of 500 × 400 × 350 mm has 400 mm of travel. Whoever needs a
certain axis names it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from bookings.search.errors import CapabilityUnknownError, CapabilityUnmetError
from bookings.search.requirements import Requirement, Value, plain_attribute, plain_name, value_text

_MOST_NAMED = 30
"""Of names and devices, in an error."""


@dataclass(frozen=True, slots=True)
class Capability:
    """Something that one device can do."""

    device_id: str
    name: str
    attributes: Mapping[str, Value]
    """By plain name, short forms without axis letter not included."""

    def values_of(self, attribute: str) -> list[Value]:
        """The values that an attribute stands for: its own, else those of all axes; none: it has no such attribute."""
        if attribute in self.attributes:
            return [self.attributes[attribute]]
        return [value for name, value in self.attributes.items() if short_form(name) == attribute]

    def meets(self, requirement: Requirement) -> bool:
        """Whether this will do."""
        if self.name != requirement.capability:
            return False
        for condition in requirement.conditions:
            found = self.values_of(condition.attribute)
            if not any(condition.holds_for(value) for value in found):
                return False
        return True


def read_capabilities(entries: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Capability]:
    """The capabilities of devices.

    Args:
        entries: by device id, `Device.capabilities`.
    """
    return [
        Capability(
            device_id,
            plain_name(str(entry.get("name", ""))),
            {
                plain_attribute(key): value
                for key, value in entry.items()
                if key != "name" and isinstance(value, (str, int, float))
            },
        )
        for device_id, listed in entries.items()
        for entry in listed
    ]


def short_form(attribute: str) -> str | None:
    """An attribute's name without its axis letter: `travel_mm` of `travel_x_mm`; None: it has no such letter."""
    parts = attribute.split("_")
    for position, part in enumerate(parts):
        if position and len(part) == 1 and part.isalpha():
            return "_".join(parts[:position] + parts[position + 1 :])
    return None


def require_devices(requirement: Requirement, known: Sequence[Capability], *, count: int = 1) -> list[str]:
    """The devices that meet a requirement, sorted.

    Args:
        requirement: what one device must be able to do.
        known: the capabilities of all devices in service.
        count: so many of them are needed at least.

    Raises:
        CapabilityUnknownError: no device has the capability, or none of those has an attribute; with what is near.
        CapabilityUnmetError: there are not so many.
    """
    named = [capability for capability in known if capability.name == requirement.capability]
    if not named:
        names = sorted({capability.name for capability in known})
        raise _unknown(f"no device in service does '{requirement.capability[:60]}'", requirement.capability, names)
    attributes = sorted({name for capability in named for name in _askable(capability)})
    for condition in requirement.conditions:
        if condition.attribute not in attributes:
            fact = f"'{condition.attribute[:60]}' is not known of {requirement.capability}"
            raise _unknown(fact, condition.attribute, attributes)
    found = sorted({capability.device_id for capability in named if capability.meets(requirement)})
    if len(found) < count:
        there = "; ".join(_described(capability, requirement) for capability in named[:_MOST_NAMED])
        fact = f"no device in service meets {requirement}" if not found else f"only {len(found)} meet {requirement}"
        raise CapabilityUnmetError(
            f"{fact}; there is {there}",
            field="capability",
            rule="capability-met",
            requirement=str(requirement),
            devices=sorted({capability.device_id for capability in named})[:_MOST_NAMED],
        )
    return found


@dataclass(frozen=True, slots=True)
class AttributeRange:
    """What devices have of one attribute.

    Attributes:
        name: as one asks for it.
        stands_for: of a short form, the attributes of the axes; else empty.
        lowest: of numbers; of a short form the least of each device's longest axis, which is what must be enough.
        highest: likewise the greatest.
        choices: other values, as one writes them.
    """

    name: str
    stands_for: tuple[str, ...]
    lowest: float | None
    highest: float | None
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CapabilityRange:
    """What the lab has of one capability."""

    name: str
    device_ids: tuple[str, ...]
    attributes: tuple[AttributeRange, ...]


def ranges_of(known: Iterable[Capability]) -> list[CapabilityRange]:
    """What one may ask for, by name."""
    by_name: dict[str, list[Capability]] = {}
    for capability in known:
        by_name.setdefault(capability.name, []).append(capability)
    return [
        CapabilityRange(
            name,
            tuple(sorted({capability.device_id for capability in found})),
            tuple(_range(attribute, found) for attribute in sorted({one for each in found for one in _askable(each)})),
        )
        for name, found in sorted(by_name.items())
    ]


def _range(attribute: str, found: Sequence[Capability]) -> AttributeRange:
    several = [values for capability in found if (values := capability.values_of(attribute))]
    numbers = [
        max(numeric)
        for values in several
        if (numeric := [value for value in values if not isinstance(value, (str, bool))])
    ]
    others = {value_text(value) for values in several for value in values if isinstance(value, (str, bool))}
    exact = any(attribute in capability.attributes for capability in found)
    axes = {name for capability in found for name in capability.attributes if short_form(name) == attribute}
    return AttributeRange(
        attribute,
        () if exact else tuple(sorted(axes)),
        min(numbers) if numbers else None,
        max(numbers) if numbers else None,
        tuple(sorted(others)),
    )


def _askable(capability: Capability) -> set[str]:
    short = {short_form(name) for name in capability.attributes}
    return set(capability.attributes) | {name for name in short if name}


def _described(capability: Capability, requirement: Requirement) -> str:
    """A device with its values of what is asked for."""
    asked = [condition.attribute for condition in requirement.conditions]
    values = [
        f"{name} {value_text(value)}"
        for name, value in capability.attributes.items()
        if name in asked or (short_form(name) in asked and short_form(name) not in capability.attributes)
    ]
    return f"{capability.device_id} ({', '.join(values)})" if values else capability.device_id


def _unknown(fact: str, wanted: str, known: Sequence[str]) -> CapabilityUnknownError:
    near = get_close_matches(wanted, known, n=3, cutoff=0.5)
    near += [name for name in known if name not in near and (wanted in name or name in wanted) and name][:3]
    if near:
        advice = f"did you mean {' or '.join(near)}?"
    elif known:
        advice = f"known are {', '.join(known[:_MOST_NAMED])}"
    else:
        advice = "nothing is known at all"
    return CapabilityUnknownError(
        f"{fact}; {advice}", field="capability", rule="known-capability", nearest=near, known=list(known[:_MOST_NAMED])
    )
