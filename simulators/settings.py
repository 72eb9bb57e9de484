"""Reading the settings of a machine from an operator's line."""

import math
from collections.abc import Mapping
from typing import Any

from simulators.errors import RefusedLineError


def read_settings(
    given: Mapping[str, Any], *, machine: str, allowed: Mapping[str, tuple[float, float, float]]
) -> dict[str, float]:
    """The machine's settings, the usual value where none is given.

    Args:
        given: by name.
        machine: for the message.
        allowed: name → (lowest, usual, highest).

    Raises:
        RefusedLineError: naming the setting that is unknown, no number, or out of range.
    """
    unknown = sorted(set(given) - set(allowed))
    if unknown:
        raise RefusedLineError(f"the {machine} has no setting {unknown[0]!r}; it has {', '.join(allowed)}")
    settings = {}
    for name, (low, usual, high) in allowed.items():
        value = given.get(name, usual)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise RefusedLineError(f"setting {name} of the {machine} is no number: {value!r}")
        if not low <= value <= high:
            raise RefusedLineError(f"setting {name} of the {machine} is {value}; it must be from {low} to {high}")
        settings[name] = float(value)
    return settings
