"""Cash flows at any times: present value, and the internal rates of return, of which there may be none or several.

A cash flow that changes its sign once has exactly one internal rate above −100 %, one without a change has none
(Descartes' rule of signs, which also holds for times that are no whole years). With more changes there may be several,
and then no single one of them says whether an investment pays; the present value does.
"""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import brentq

_LOWEST, _HIGHEST = math.log(1e-6), math.log(1e6)  # of 1 + rate
_GRID = 4_001


def present_value(times: Sequence[float], amounts: Sequence[float], rate: float) -> float:
    """Worth at time 0.

    Args:
        times: years, ≥ 0.
        amounts: of any unit, one for each time; payments are negative.
        rate: > −1, as a share.
    """
    return math.fsum(amount * (1 + rate) ** -time for time, amount in zip(times, amounts, strict=True))


def sign_changes(amounts: Sequence[float]) -> int:
    """How often a cash flow, in order of time, turns from payments to earnings or back."""
    signs = [amount > 0 for amount in amounts if amount]
    return sum(before != after for before, after in itertools.pairwise(signs))


def internal_rates(times: Sequence[float], amounts: Sequence[float]) -> tuple[float, ...]:
    """All rates at which the present value is zero, rising; empty if there is none between −99.9999 % and 10⁶.

    Args:
        times: years, rising, ≥ 0.
        amounts: one for each time.
    """
    if sign_changes(amounts) == 0:
        return ()
    amount = np.asarray(amounts, float) / max(abs(amount) for amount in amounts)
    time = np.asarray(times, float) - (times[0] + times[-1]) / 2  # keeps both ends near 1; the roots stay in place

    def worth(log_growth: float) -> float:
        return float(np.dot(amount, np.exp(-log_growth * time)))

    places = np.linspace(_LOWEST, _HIGHEST, _GRID)
    worths = np.exp(-np.outer(places, time)) @ amount
    found = places[worths == 0].tolist()
    for index in np.flatnonzero(worths[:-1] * worths[1:] < 0).tolist():
        found.append(_root_between(worth, float(places[index]), float(places[index + 1])))
    return tuple(math.expm1(place) for place in sorted(found))


def _root_between(worth: Callable[[float], float], first: float, last: float) -> float:
    if worth(first) * worth(last) >= 0:  # the root is an end, and rounding decides on which side of zero that lies
        return min(first, last, key=lambda place: abs(worth(place)))
    return float(brentq(worth, first, last, xtol=1e-14, rtol=1e-13))
