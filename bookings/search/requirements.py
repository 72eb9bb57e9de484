"""What a device must be able to do, as people write it: `milling(axes>=3, travel_x_mm>=400)`; pure.

    requirement = name [ "(" condition { "," condition } ")" ]
    condition   = attribute [ operator value ]        without operator: the attribute is true
    operator    = ">=" | "<=" | "=" | ">" | "<"        also "==", "≥" and "≤"
    value       = number [unit] | "true" | "false" | text, in double quotes if it has commas or brackets

Names are compared without regard to case; spaces, hyphens and underscores are the same: `Energy metering` is
`energy-metering`. A unit may follow a number if the attribute's name ends in it: `travel_x_mm >= 400 mm`.
"""

import math
import re
from dataclasses import dataclass
from typing import TypeAlias

from bookings.search.errors import RequirementUnreadableError

Value: TypeAlias = float | bool | str

LONGEST_REQUIREMENT = 500
"""Characters."""
MOST_CONDITIONS = 20

_SHAPE = re.compile(r"\s*([^()]+?)\s*(?:\((.*)\)\s*)?", re.DOTALL)
_CONDITION = re.compile(r"\s*([^<>=≥≤\"]+?)\s*(?:(>=|<=|==|=|≥|≤|>|<)\s*(.*?)\s*)?", re.DOTALL)
_PARTS = re.compile(r'((?:[^,"]|"[^"]*")*)(?:,|$)')
_NUMBER = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*([a-zA-Z%]*)")
_SAME = {"==": "=", "≥": ">=", "≤": "<="}


@dataclass(frozen=True, slots=True)
class Condition:
    """What an attribute must be."""

    attribute: str
    operator: str
    """>=, <=, =, > or <."""
    value: Value

    def holds_for(self, found: Value) -> bool:
        """Whether a device's value will do; values of different kinds never do."""
        if isinstance(found, bool) or isinstance(self.value, bool):
            return isinstance(found, bool) and isinstance(self.value, bool) and found == self.value
        if isinstance(found, str) or isinstance(self.value, str):
            # `class=5` is asked of the text "5" as well: people do not know what the catalogue put in quotes.
            return self.operator == "=" and _alike(found) == _alike(self.value)
        match self.operator:
            case ">=":
                return found >= self.value
            case "<=":
                return found <= self.value
            case ">":
                return found > self.value
            case "<":
                return found < self.value
            case _:
                return found == self.value

    def __str__(self) -> str:
        """As one would write it."""
        return f"{self.attribute}{self.operator}{value_text(self.value)}"


@dataclass(frozen=True, slots=True)
class Requirement:
    """What one device must be able to do."""

    capability: str
    conditions: tuple[Condition, ...] = ()

    def __str__(self) -> str:
        """As one would write it."""
        inside = ", ".join(str(condition) for condition in self.conditions)
        return f"{self.capability}({inside})" if inside else self.capability


def read_requirement(text: str) -> Requirement:
    """Read one requirement.

    Raises:
        RequirementUnreadableError: saying what cannot be read.
    """
    if len(text) > LONGEST_REQUIREMENT:
        raise _unreadable(text, f"a capability has {LONGEST_REQUIREMENT} characters at most", "longest-requirement")
    match = _SHAPE.fullmatch(text)
    if match is None or not plain_name(match[1]):
        raise _unreadable(text, f"'{text[:60]}' is no capability such as milling or milling(axes>=3)")
    written = [] if match[2] is None or not match[2].strip() else _parts(text, match[2])
    if len(written) > MOST_CONDITIONS:
        raise _unreadable(text, f"a capability has {MOST_CONDITIONS} conditions at most", "most-conditions")
    conditions = dict.fromkeys(_read_condition(text, part) for part in written)
    return Requirement(plain_name(match[1]), tuple(sorted(conditions, key=str)))


def plain_name(text: str) -> str:
    """A capability's name as it is compared: `energy-metering`."""
    return "-".join(re.findall(r"[^\s_-]+", text.casefold()))


def plain_attribute(text: str) -> str:
    """An attribute's name as it is compared: `travel_x_mm`."""
    return plain_name(text).replace("-", "_")


def value_text(value: Value) -> str:
    """A value as one would write it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"' if re.search(r"[(),]", value) else value
    return f"{value:.12g}"


def _parts(text: str, inside: str) -> list[str]:
    if inside.count('"') % 2:
        raise _unreadable(text, f"'{text[:60]}': a quotation mark is not closed")
    found = _PARTS.findall(inside)
    return found[:-1] if found and found[-1] == "" and not inside.rstrip().endswith(",") else found


def _read_condition(text: str, part: str) -> Condition:
    match = _CONDITION.fullmatch(part)
    if match is None or not plain_attribute(match[1]) or match[3] == "":
        raise _unreadable(text, f"'{part.strip()[:60]}' is no condition such as axes>=3 or material=steel")
    attribute, operator = plain_attribute(match[1]), _SAME.get(match[2] or "=", match[2] or "=")
    value: Value = True if match[2] is None else _read_value(text, attribute, match[3])
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        if operator != "=":
            raise _unreadable(text, f"'{part.strip()[:60]}': only numbers are compared by {operator}; use =")
    elif not math.isfinite(value):
        raise _unreadable(text, f"'{part.strip()[:60]}': no machine has such a number")
    return Condition(attribute, operator, value)


def _read_value(text: str, attribute: str, written: str) -> Value:
    if written.startswith('"'):
        if len(written) < 2 or written.count('"') != 2 or not written.endswith('"'):
            raise _unreadable(text, f"'{written[:60]}': quotation marks stand around the whole of a text")
        return written[1:-1]
    if written.casefold() in {"true", "yes", "false", "no"}:
        return written.casefold() in {"true", "yes"}
    match = _NUMBER.fullmatch(written)
    if match is not None:
        unit = match[2].casefold()
        if not unit or attribute == unit or attribute.endswith(f"_{unit}"):
            return float(match[1])
    if any(character in written for character in '"()<>='):
        raise _unreadable(text, f"'{written[:60]}' is no value; put a text with such characters in quotation marks")
    return written


def _alike(value: Value) -> str:
    return " ".join(value_text(value).strip('"').casefold().split())


def _unreadable(text: str, fact: str, rule: str = "readable-requirement") -> RequirementUnreadableError:
    return RequirementUnreadableError(fact, field="capability", rule=rule, requirement=text[:LONGEST_REQUIREMENT])
