"""Reading an operator's line: every wrong field is named."""

import math
from collections.abc import Mapping
from typing import Any

from simulators.errors import RefusedLineError

_LARGEST = 2**63 - 1


def integer(line: Mapping[str, Any], name: str) -> int:
    """A whole number of 64 bits that must be there.

    Raises:
        RefusedLineError: if it is not.
    """
    value = line.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _LARGEST:
        raise RefusedLineError(f"'{name}' must be a whole number, not {_shown(value)}")
    return value


def number(
    line: Mapping[str, Any], name: str, default: float | None = None, *, low: float = -math.inf, high: float = 1e12
) -> float:
    """A number from `low` to `high`.

    Raises:
        RefusedLineError: if it is none, or missing without a default.
    """
    if name not in line and default is not None:
        return default
    value = line.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise RefusedLineError(f"'{name}' must be a number from {low:g} to {high:g}, not {_shown(value)}")
    return float(value)


def text(line: Mapping[str, Any], name: str) -> str | None:
    """A text that may be missing.

    Raises:
        RefusedLineError: if it is something else.
    """
    value = line.get(name)
    if value is not None and not isinstance(value, str):
        raise RefusedLineError(f"'{name}' must be a text, not {_shown(value)}")
    return value


def names(line: Mapping[str, Any], name: str) -> list[str]:
    """A list of different names, not empty.

    Raises:
        RefusedLineError: if it is something else.
    """
    value = line.get(name)
    if not isinstance(value, list) or not value or not all(isinstance(entry, str) for entry in value):
        raise RefusedLineError(f"'{name}' must be a list of names, not {_shown(value)}")
    if len(set(value)) < len(value):
        raise RefusedLineError(f"'{name}' names something twice")
    return value


def fields(line: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object that may be missing.

    Raises:
        RefusedLineError: if it is something else.
    """
    value = line.get(name, {})
    if not isinstance(value, dict):
        raise RefusedLineError(f"'{name}' must be an object, not {_shown(value)}")
    return value


def flag(line: Mapping[str, Any], name: str, default: bool | None = None) -> bool:
    """True or false.

    Raises:
        RefusedLineError: if it is something else, or missing without a default.
    """
    value = line.get(name, default)
    if not isinstance(value, bool):
        raise RefusedLineError(f"'{name}' must be true or false, not {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    return repr(value)[:60]
