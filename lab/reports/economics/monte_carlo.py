"""All uncertainty at once: the company's figures from PERT distributions, the effect from the pilot's own draws.

Figures are drawn by inverting their distribution function at random numbers of a stream of their own, so that one
more figure, another library or another processor does not change the draws of the others.
"""

import math

import numpy as np
from scipy.special import betaincinv

from lab.pilots.economics.cash_flow import Array, Terms, net_present_value, payback_years, terms_of
from lab.pilots.economics.inputs import ESTIMATES, EconomicInputs, Estimate
from lab.reports.economics.findings import NpvDistribution, Quantiles

DRAWS = 10_000
_BINS = 32  # about
_NICE = (1.0, 2.0, 2.5, 5.0, 10.0)


def draw_pert(estimate: Estimate, uniforms: Array) -> Array:
    """Draws of a figure: beta distribution over low … high with mean (low + 4 likely + high)/6.

    Source: Malcolm, Roseboom, Clark, Fazar (1959), the usual form with weight 4 of the likely value.

    Args:
        estimate: low < high.
        uniforms: random numbers in [0, 1).
    """
    low, width = estimate.lowest, estimate.highest - estimate.lowest
    first = 1 + 4 * (estimate.likely - low) / width
    return np.asarray(low + width * betaincinv(first, 6 - first, uniforms))


def draw_terms(inputs: EconomicInputs, *, seed: int, n: int = DRAWS) -> Terms:
    """Draws of every figure; one that is certain stays one number."""
    numbers: dict[str, float | Array] = {}
    for place, name in enumerate(ESTIMATES, start=1):
        estimate: Estimate = getattr(inputs, name)
        uniforms = np.random.default_rng([seed, place]).random(n)
        numbers[name] = estimate.likely if estimate.is_certain else draw_pert(estimate, uniforms)
    return terms_of(numbers)


def distribution_of(terms: Terms, effects: Array, *, seed: int) -> NpvDistribution:
    """What the draws say about net present value and payback.

    Args:
        terms: draws of the figures.
        effects: draws of the effect, as many.
        seed: that they were made with, to be printed.
    """
    worth = net_present_value(terms, effects)
    paybacks = np.broadcast_to(payback_years(terms, effects), effects.shape)
    edges, counts = histogram(worth)
    return NpvDistribution(
        draws=len(effects),
        seed=seed,
        npv_cents=_quantiles(np.rint(worth)),
        payback_years=_quantiles(paybacks),
        never_paid_back=float(np.isinf(paybacks).mean()),
        probability_positive=float((worth > 0).mean()),
        edges_cents=edges,
        counts=counts,
    )


def histogram(amounts: Array) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Edges at multiples of a round width, so that 0 is one if it lies within, and how many amounts lie in each bin."""
    low, high = math.floor(amounts.min()), math.ceil(amounts.max())
    width = max(1, round(_round_width((high - low) / _BINS)))
    edges = tuple(number * width for number in range(low // width, high // width + 2))  # whole, however large
    counts, _ = np.histogram(amounts, bins=np.array(edges, np.float64))
    return edges, tuple(counts.tolist())


def _round_width(width: float) -> float:
    if width <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(width))
    return size * next(step for step in _NICE if step * size >= width * (1 - 1e-9))


def _quantiles(numbers: Array) -> Quantiles:
    """Of what was drawn, each of them a draw itself; infinite ones are the largest."""
    p10, p50, p90 = np.quantile(numbers, (0.1, 0.5, 0.9), method="inverted_cdf").tolist()
    p10, p50, p90 = (None if math.isinf(quantile) else quantile for quantile in (p10, p50, p90))
    return Quantiles(p10=p10, p50=p50, p90=p90)
