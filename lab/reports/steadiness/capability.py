"""Process capability and performance (ISO 22514-2) with their intervals, which are what is to be read.

Cp and Cpk rest on the spread within subgroups, Pp and Ppk on that of all values. Below about fifty values the point
estimate says little: print the interval only (`PRINT_POINT_FROM`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from lab.reports.value import Interval

PRINT_POINT_FROM = 50


@dataclass(frozen=True, slots=True)
class Capability:
    """Cp or Pp, and Cpk or Ppk."""

    n: int
    sd: float
    degrees: int
    """Of freedom of the spread, ν."""
    cp: float | None
    """None with one limit only."""
    cp_interval: Interval | None
    cpk: float
    cpk_interval: Interval

    @property
    def print_point(self) -> bool:
        """Whether there are enough values for the point estimate to be printed beside its interval."""
        return self.n >= PRINT_POINT_FROM


def capability(
    subgroups: Sequence[Sequence[float]], *, lsl: float | None, usl: float | None, alpha: float
) -> Capability:
    """Cp and Cpk: spread pooled within subgroups.

    Args:
        subgroups: values, in any unit; at least one with two values, no spread of zero.
        lsl: lower specification limit, same unit.
        usl: upper one; one of the two may be missing, not both.
        alpha: 1 − confidence level.

    Raises:
        ValueError: without a limit, or without any spread within subgroups.
    """
    groups = [np.asarray(group, float) for group in subgroups if len(group)]
    degrees = sum(len(group) - 1 for group in groups)
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    values = np.concatenate(groups) if groups else np.empty(0)
    return _capability(values, squares, degrees, lsl, usl, alpha)


def performance(values: Sequence[float], *, lsl: float | None, usl: float | None, alpha: float) -> Capability:
    """Pp and Ppk: the spread of all values; see `capability`."""
    numbers = np.asarray(values, float)
    squares = float(((numbers - numbers.mean()) ** 2).sum()) if len(numbers) else 0.0
    return _capability(numbers, squares, len(numbers) - 1, lsl, usl, alpha)


def _capability(
    values: np.ndarray, squares: float, degrees: int, lsl: float | None, usl: float | None, alpha: float
) -> Capability:
    if lsl is None and usl is None:
        raise ValueError("capability needs a specification limit")
    if degrees < 1 or squares <= 0:
        raise ValueError("capability needs a spread: several different values in a subgroup")
    n, sd, mean = len(values), math.sqrt(squares / degrees), float(values.mean())
    sides = [(usl - mean) / (3 * sd)] if usl is not None else []
    sides += [(mean - lsl) / (3 * sd)] if lsl is not None else []
    cpk = min(sides)
    half = float(stats.norm.ppf(1 - alpha / 2)) * math.sqrt(1 / (9 * n) + cpk**2 / (2 * degrees))
    cp, cp_interval = None, None
    if usl is not None and lsl is not None:
        cp = (usl - lsl) / (6 * sd)
        low, high = (math.sqrt(float(stats.chi2.ppf(part, degrees)) / degrees) for part in (alpha / 2, 1 - alpha / 2))
        cp_interval = Interval(low=cp * low, high=cp * high)
    return Capability(n, sd, degrees, cp, cp_interval, cpk, Interval(low=cpk - half, high=cpk + half))
