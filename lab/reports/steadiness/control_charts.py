"""Control charts on run or part values, in the order in which they were made (ISO 7870).

They show whether a machine drifted or jumped by itself. They are no test of the pilot's question.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

INDIVIDUALS_FACTOR = 2.66
"""3 / d₂ for moving ranges of two values."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Points with the limits at each."""

    points: tuple[float, ...]
    centre: float
    lower: tuple[float, ...]
    upper: tuple[float, ...]

    @property
    def signals(self) -> tuple[int, ...]:
        """Indices of the points outside their limits."""
        triples = zip(self.points, self.lower, self.upper, strict=True)
        return tuple(index for index, (point, low, high) in enumerate(triples) if not low <= point <= high)


def individuals(values: Sequence[float]) -> Chart:
    """Shewhart's chart of single values: x̄ ± 2.66 · mean moving range (ISO 7870-2).

    Args:
        values: at least two, in the order in which they were made.
    """
    numbers = np.asarray(values, float)
    centre = float(numbers.mean())
    reach = INDIVIDUALS_FACTOR * float(np.abs(np.diff(numbers)).mean())
    n = len(numbers)
    return Chart(tuple(numbers.tolist()), centre, (centre - reach,) * n, (centre + reach,) * n)


def ewma(values: Sequence[float], *, target: float, sd: float, weight: float = 0.3, reach: float = 3.0) -> Chart:
    """Exponentially weighted moving average (ISO 7870-6), with limits as for a long series.

    Args:
        values: in the order in which they were made.
        target: where it starts and ought to stay.
        sd: of single values.
        weight: λ of the newest value, 0 … 1.
        reach: limits in standard deviations of the average.
    """
    points, average = [], target
    for value in values:
        average = weight * value + (1 - weight) * average
        points.append(average)
    width = reach * sd * math.sqrt(weight / (2 - weight))
    n = len(points)
    return Chart(tuple(points), target, (target - width,) * n, (target + width,) * n)


@dataclass(frozen=True, slots=True)
class Cusum:
    """Two-sided sums of what lies beyond the allowance."""

    above: tuple[float, ...]
    below: tuple[float, ...]
    decision: float

    @property
    def signals(self) -> tuple[int, ...]:
        """Indices at which a sum exceeds the decision interval."""
        pairs = zip(self.above, self.below, strict=True)
        return tuple(index for index, pair in enumerate(pairs) if max(pair) > self.decision)


def cusum(values: Sequence[float], *, target: float, allowance: float, decision: float) -> Cusum:
    """Tabular cumulative sums (ISO 7870-4).

    Args:
        values: in the order in which they were made.
        target: where they ought to be.
        allowance: k, in the unit of the values.
        decision: h, in the unit of the values.
    """
    above, below = [0.0], [0.0]
    for value in values:
        above.append(max(0.0, above[-1] + value - target - allowance))
        below.append(max(0.0, below[-1] + target - allowance - value))
    return Cusum(tuple(above[1:]), tuple(below[1:]), decision)
