"""How many points a screen can show: numbers keep their extremes in every part, the newest point stays."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from tsdownsample import MinMaxDownsampler

Value: TypeAlias = float | bool | str
Pointed = TypeVar("Pointed", bound=tuple[Any, ...])

_FEW = 1000
"""Up to so many points, arrays cost more than they save."""


def reduced(points: Sequence[Pointed], most: int) -> Sequence[Pointed]:
    """At most so many points of a signal.

    Args:
        points: tuples of time, value and what else belongs to them, in order of time.
        most: at least 5.
    """
    if len(points) <= most:
        return points
    if any(isinstance(point[1], bool | str) for point in points):
        return points[-most:]
    if len(points) > _FEW:
        values = np.fromiter((point[1] for point in points), np.float64, len(points))
        return [points[index] for index in kept(values, most).tolist()]
    count = (most - 1) // 2
    edges = [round(index * (len(points) - 1) / count) for index in range(count + 1)]
    found = []
    for start, end in pairwise(edges):
        part = range(start, end)
        found += sorted({min(part, key=lambda i: points[i][1]), max(part, key=lambda i: points[i][1])})
    return [points[index] for index in [*found, len(points) - 1]]


def kept(values: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """Places of at most `most` points (at least 5), in order: the extremes of parts of equal length, and the last.

    Parts are equal in points, not in time: cut by time, the library loses extremes where times come twice, and its
    floating point cannot hold nanoseconds since 1970.

    Args:
        values: (n,), finite.
        most: of the answer.
    """
    if len(values) <= most:
        return np.arange(len(values))
    downsampler = MinMaxDownsampler()  # type: ignore[no-untyped-call]
    places = downsampler.downsample(values, n_out=(most - 1) // 2 * 2)
    return np.union1d(places, [len(values) - 1]).astype(np.intp)
