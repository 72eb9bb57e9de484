"""Key performance indicators of ISO 22400-2:2014, from time elements and quantities. Pure; a share is 0 … 1.

What cannot be said is `None`: a ratio to nothing is no number. Nothing is clipped: effectiveness above 1 says that the
planned run time per item is wrong.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scipy import stats

from lab.pilots.plans import Indicator
from lab.reports.steadiness.machine_times import TimeElements
from lab.reports.value import Interval


@dataclass(frozen=True, slots=True)
class Quantities:
    """Parts of a span; `None`: not counted."""

    produced: int | None = None
    """PQ."""
    good: int | None = None
    """GQ."""
    scrap: int | None = None
    """SQ."""
    rework: int | None = None
    """RQ."""
    good_first: int | None = None
    """GP: good without rework."""
    inspected: int | None = None
    """IP."""


@dataclass(frozen=True, slots=True)
class Production:
    """Everything that the indicators of a span are made of."""

    times: TimeElements
    quantities: Quantities
    planned_s_per_item: float | None = None
    """PRI: planned run time per item."""
    order_s: float | None = None
    """AOET: actual order execution time, from its start to its end; None: the span."""


def indicator(name: Indicator, production: Production) -> float | None:
    """One indicator.

    Args:
        name: which.
        production: of the span.

    Returns:
        A share 0 …, for `throughput_rate` parts per second; None where it cannot be said.
    """
    return _INDICATORS[name](production)


def availability(production: Production) -> float | None:
    """A = APT / PBT."""
    return _ratio(production.times.production_s, production.times.busy_s)


def effectiveness(production: Production) -> float | None:
    """E = PRI · PQ / APT; may exceed 1, see `wrong_planned_time`."""
    planned, produced = production.planned_s_per_item, production.quantities.produced
    if planned is None or produced is None:
        return None
    return _ratio(planned * produced, production.times.production_s)


def quality_ratio(production: Production) -> float | None:
    """QR = GQ / PQ."""
    return _ratio(production.quantities.good, production.quantities.produced)


def oee(production: Production) -> float | None:
    """OEE = A · E · QR. Lab OEE is not your plant's OEE."""
    return _product(availability(production), effectiveness(production), quality_ratio(production))


def nee(production: Production) -> float | None:
    """NEE = AUPT / PBT · E · QR: set-up is no loss."""
    share = _ratio(production.times.processing_s, production.times.busy_s)
    return _product(share, effectiveness(production), quality_ratio(production))


def wrong_planned_time(production: Production) -> bool:
    """Whether more was made than the planned time per item allows: then that time is wrong, and so is the OEE."""
    found = effectiveness(production)
    return found is not None and found > 1


def mean_time_between_failures(up_s: float, failures: int, *, alpha: float) -> tuple[float | None, Interval | None]:
    """MTBF = ΣTBF / FE with its interval [2T/χ²(1−α/2; 2r+2), 2T/χ²(α/2; 2r)] (time-terminated, exponential).

    Args:
        up_s: observed time between failures, in seconds, > 0.
        failures: r.
        alpha: 1 − confidence level.

    Returns:
        The mean (None without a failure) and its interval; without a failure only the lower bound is known, so none.
    """
    if failures == 0:
        return None, None
    low = 2 * up_s / float(stats.chi2.ppf(1 - alpha / 2, 2 * failures + 2))
    high = 2 * up_s / float(stats.chi2.ppf(alpha / 2, 2 * failures))
    return up_s / failures, Interval(low=low, high=high)


def no_failure_bound(up_s: float, *, alpha: float) -> float:
    """What MTBF surely exceeds when nothing failed, one-sided: 2T/χ²(1−α; 2), in seconds."""
    return 2 * up_s / float(stats.chi2.ppf(1 - alpha, 2))


def mean_time_to_repair(repair_s: float, failures: int, *, alpha: float) -> tuple[float | None, Interval | None]:
    """MTTR = ΣTTR / FE with its interval [2ΣTTR/χ²(1−α/2; 2r), 2ΣTTR/χ²(α/2; 2r)], if repairs last exponentially.

    Args:
        repair_s: of all failures, in seconds.
        failures: r.
        alpha: 1 − confidence level.
    """
    if failures == 0 or repair_s <= 0:
        return None, None
    low, high = (2 * repair_s / float(stats.chi2.ppf(part, 2 * failures)) for part in (1 - alpha / 2, alpha / 2))
    return repair_s / failures, Interval(low=low, high=high)


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _product(*factors: float | None) -> float | None:
    found = 1.0
    for factor in factors:
        if factor is None:
            return None
        found *= factor
    return found


_INDICATORS: Mapping[Indicator, Callable[[Production], float | None]] = {
    "availability": availability,
    "effectiveness": effectiveness,
    "quality_ratio": quality_ratio,
    "oee": oee,
    "nee": nee,
    "allocation_efficiency": lambda it: _ratio(it.times.unit_busy_s, it.times.busy_s),
    "utilisation_efficiency": lambda it: _ratio(it.times.production_s, it.times.unit_busy_s),
    "throughput_rate": lambda it: _ratio(
        it.quantities.produced, it.times.length_s if it.order_s is None else it.order_s
    ),
    "technical_efficiency": lambda it: _ratio(it.times.production_s, it.times.production_s + it.times.delay_s),
    "setup_ratio": lambda it: _ratio(it.times.setup_s, it.times.processing_s),
    "scrap_ratio": lambda it: _ratio(it.quantities.scrap, it.quantities.produced),
    "first_pass_yield": lambda it: _ratio(it.quantities.good_first, it.quantities.inspected),
}
