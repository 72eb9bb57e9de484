"""How a report writes numbers: one place for digits, units, minus signs and spaces, for pages, PDF and sentences alike.

A number that comes with an interval is given to the second significant digit of the interval's half-width (as GUM 7.2.6
advises for uncertainties), so that all three end at the same decimal place; a number alone to four significant digits.
"""

import math
from collections.abc import Iterable

from lab.reports.language import present_language, say

MINUS = "\u2212"
GROUP = "\u202f"  # narrow no-break space between thousands
SPACE = "\u00a0"  # no-break space before a unit, so that a number never breaks over a line
MOST_DECIMALS = 9
DECIMAL = {"en": ".", "pl": ","}
"""Decimal sign by language."""


def format_number(value: float, *, decimals: int | None = None, sign: bool = False) -> str:
    """Write a number as people read it, e.g. `−0.0858`, `12 345`.

    Args:
        value: finite.
        decimals: places after the point; `None`: as `decimals_alone` says, zeros at the end cut.
        sign: put a plus sign before a positive number (for differences).
    """
    if decimals is None:
        text = f"{abs(value):,.{decimals_alone(value)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        text = f"{abs(value):,.{decimals}f}"
    text = text.replace(",", GROUP).replace(".", DECIMAL[present_language()])
    is_zero = not any(digit in text for digit in "123456789")
    if is_zero:
        return text
    return (MINUS if value < 0 else "+" if sign else "") + text


def decimals_alone(value: float, *, significant: int = 4) -> int:
    """Places after the point that show `significant` digits of a number; never less than 0."""
    if value == 0 or not math.isfinite(value):
        return 0
    return min(MOST_DECIMALS, max(0, significant - 1 - math.floor(math.log10(abs(value)))))


def decimals_together(values: Iterable[float]) -> int:
    """Places after the point for numbers that stand in one column: as many as the one that needs most by itself."""
    return max((_places(f"{abs(value):.{decimals_alone(value)}f}") for value in values), default=0)


def _places(text: str) -> int:
    return len(text.partition(".")[2].rstrip("0"))


def decimals_of(low: float, high: float) -> int:
    """Places after the point that show the half-width of an interval to two significant digits."""
    half = (high - low) / 2
    return decimals_alone(half, significant=2) if half > 0 else decimals_alone(max(abs(low), abs(high)))


def with_unit(text: str, unit: str) -> str:
    """A written number and its unit with a space that does not break; no space for an empty unit."""
    return f"{text}{SPACE}{unit}" if unit else text


def format_quantity(value: float, unit: str, *, decimals: int | None = None, sign: bool = False) -> str:
    """A number with its unit, e.g. `−0.0858 kWh`."""
    return with_unit(format_number(value, decimals=decimals, sign=sign), unit)


def format_interval(low: float, high: float, unit: str, *, decimals: int | None = None, sign: bool = False) -> str:
    """An interval in words, e.g. `−0.0945 to −0.0770 kWh`; decimals from its own width if not given."""
    places = decimals_of(low, high) if decimals is None else decimals
    first = format_number(low, decimals=places, sign=sign)
    return say("{low} to {high}", low=first, high=format_quantity(high, unit, decimals=places, sign=sign))
