"""Are more runs worth their cost: the expected loss of a wrong decision, and how much of it further runs would save.

Net present value is a straight line in the effect, W(e) = W₀ + b·e, with the company's figures at their means: more
runs tell nothing about those. Investing now loses E[max(−W, 0)] in the mean against knowing the effect, not investing
E[max(W, 0)]; the smaller of the two is what certainty about the effect is worth. After m further runs an arm the
estimate lies around today's with standard deviation s·√(m/(n+m)), where s is how uncertain the effect is after n runs
an arm; hence the expected value of the sample information (Raiffa and Schlaifer, *Applied Statistical Decision Theory*,
1961, for a normal mean with known spread and no opinion beforehand):

    EVSI = σ·φ(μ/σ) − |μ|·Φ(−|μ|/σ),    μ = W(today's estimate),  σ = |b|·s·√(m/(n+m))

It counts money only: neither the time that more runs take nor what the company learns by them.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from lab.pilots.economics.cash_flow import Array, Terms, net_present_value

_FAR = 37.0
"""Standard deviations from zero beyond which nothing is left of the normal distribution in double precision."""


@dataclass(frozen=True, slots=True)
class Losses:
    """Expected losses in cents, all ≥ 0."""

    if_bought: float
    if_not: float

    @property
    def certainty(self) -> float:
        """What knowing the effect exactly would be worth."""
        return min(self.if_bought, self.if_not)


def worth_line(terms: Terms) -> tuple[float, float]:
    """(W₀, b) of the mean net present value W₀ + b·effect over all draws of the figures, in cents."""
    nothing, one = (float(np.mean(net_present_value(terms, effect))) for effect in (0.0, 1.0))
    return nothing, one - nothing


def expected_losses(line: tuple[float, float], effects: Array) -> Losses:
    """What either decision loses in the mean because chance moved the effect that was seen."""
    worth = line[0] + line[1] * effects
    return Losses(if_bought=float(np.maximum(-worth, 0).mean()), if_not=float(np.maximum(worth, 0).mean()))


def value_of_runs(mean_worth: float, spread: float) -> float:
    """Expected value of sample information, in the unit of its arguments.

    Args:
        mean_worth: of investing, by today's estimate.
        spread: standard deviation of that worth as further runs will move it, ≥ 0.
    """
    if spread <= abs(mean_worth) / _FAR:
        return 0.0
    place = abs(mean_worth) / spread
    return max(0.0, float(spread * norm.pdf(place) - abs(mean_worth) * norm.cdf(-place)))


def spread_after(line: tuple[float, float], effects: Array, *, runs: int, further: int) -> float:
    """Standard deviation, in cents, by which further runs will move the worth.

    Args:
        line: as `worth_line` gives it.
        effects: draws of the effect, from the runs made.
        runs: made, of the smaller arm, ≥ 1.
        further: runs an arm.
    """
    return abs(line[1]) * float(np.std(effects)) * math.sqrt(further / (runs + further))
