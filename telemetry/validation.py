"""Whether a value may be stored as a sample of its signal. Pure; a fault is a value, not an error."""

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from devices.service import SignalFacts

LONGEST_TEXT = 4096
LONGEST_BOOT = 64
LARGEST_SEQ = 2**63 - 1
LARGEST_EXACT = 2**53
"""A larger whole number is stored rounded, and flagged as out of range."""


class Fault(NamedTuple):
    """Why a value, or a message, cannot be stored."""

    reason: str
    """Short and stable, for a program."""
    detail: str
    """For a person."""


Checked: TypeAlias = tuple[float | None, str | None, bool]
"""A value that can be stored: a number or a text, the other `None`, and whether it is out of the signal's range."""


def check_value(value: Any, facts: SignalFacts) -> Checked | Fault:
    """Check one value against what is known of its signal."""
    if facts.type == "number":
        return _check_number(value, facts)
    if facts.type == "boolean":
        if isinstance(value, bool):
            return float(value), None, False
        return _wrong_type(value, "true or false")
    if not isinstance(value, str):
        return _wrong_type(value, "text")
    if facts.choices is not None and value not in facts.choices:
        return Fault("not-a-choice", f"{value[:60]!r} is none of {', '.join(sorted(facts.choices))}"[:400])
    if len(value) > LONGEST_TEXT:
        return Fault("text-too-long", f"{len(value)} characters, {LONGEST_TEXT} are the most")
    if not is_storable_text(value):
        return Fault("not-text", "it contains U+0000 or half a surrogate pair")
    return None, value, False


def check_wave(
    values: list[Any] | NDArray[np.float64], facts: SignalFacts
) -> tuple[NDArray[np.float64], NDArray[np.bool_]] | Fault:
    """Check an evenly spaced series.

    Returns:
        Values and, for each, whether it is out of range, or a whole number that is kept rounded; a `Fault` if it is
        no series of numbers. Values that are not finite are NaN: the caller leaves them out and says so.
    """
    if facts.type != "number":
        return Fault("wrong-type", f"a wave is a series of numbers, the signal is {facts.type}")
    if not isinstance(values, np.ndarray):
        kinds = set(map(type, values))
        if not kinds <= {int, float}:
            odd = next(value for value in values if type(value) not in {int, float})
            return _wrong_type(odd, "a number")
    try:
        numbers = np.array(values, dtype=np.float64)
    except OverflowError:
        return Fault("not-finite", "a whole number is too large")
    numbers[~np.isfinite(numbers)] = np.nan
    out = np.zeros(len(numbers), dtype=np.bool_)
    if facts.low is not None:
        out |= numbers < facts.low
    if facts.high is not None:
        out |= numbers > facts.high
    if not isinstance(values, np.ndarray) and (np.abs(numbers) >= LARGEST_EXACT).any():
        out |= [type(one) is int and abs(one) > LARGEST_EXACT for one in values]
    return numbers, out


def is_storable_text(text: str) -> bool:
    """Whether every database of ours can keep it."""
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def boot_fault(boot: str) -> Fault | None:
    """What is wrong with the name of a boot."""
    if not 0 < len(boot) <= LONGEST_BOOT:
        return Fault("wrong-form", f"boot has {len(boot)} characters; 1 to {LONGEST_BOOT} are allowed")
    return None if is_storable_text(boot) else Fault("wrong-form", "boot contains U+0000 or half a surrogate pair")


def _check_number(value: Any, facts: SignalFacts) -> Checked | Fault:
    kind = type(value)
    inexact = False
    if kind is not float:
        if kind is not int:
            return _wrong_type(value, "a number")
        inexact = abs(value) > LARGEST_EXACT
        try:
            value = float(value)
        except OverflowError:
            return Fault("not-finite", "the whole number is too large")
    if not math.isfinite(value):
        return Fault("not-finite", f"{value} is no finite number")
    low, high = facts.low, facts.high
    return value, None, (low is not None and value < low) or (high is not None and value > high) or inexact


def _wrong_type(value: Any, wanted: str) -> Fault:
    if isinstance(value, dict) and "unsupported" in value:
        return Fault("unsupported-type", f"{str(value['unsupported'])[:60]} cannot be stored as a sample")
    return Fault("wrong-type", f"{str(value)[:60]!r} is not {wanted}")
