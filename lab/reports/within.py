"""How sure a mean within one run is: samples that follow each other say less than as many independent ones.

This is for reading a single run. Whether arms differ is judged between runs, where all of it is contained.

Sources: Politis, Romano (1994), stationary bootstrap, with the block length of Politis, White (2004, corrected 2009),
by arch; Geyer (1992), initial positive sequence; batch means.
"""

import math

import numpy as np

from lab.pilots.plans import AnalysisPlan, IntegralOfSignals, Kpi, MeanOfSignal, measured_signals
from lab.pilots.units import conversion_factor, integral_factor
from lab.reports.kpis import in_order, limits_of, read_series
from lab.reports.linear import Array
from lab.reports.results import KpiResult, RunValue, WithinRun
from lab.reports.sealed import SealedRun
from lab.reports.sealing import SealedData

LEAST_SAMPLES = 20
MOST_GROUPS = 512
"""Longer series are averaged in groups of neighbours first: the mean of the groups is the same mean."""
RESAMPLES = 400


def with_intervals_within(data: SealedData, results: tuple[KpiResult, ...]) -> tuple[KpiResult, ...]:
    """Every run's number with its interval, for KPIs that are the mean or the integral of one signal."""
    kpis = {kpi.key: kpi for kpi in data.plan.kpis}
    runs = {run.number: run for run in data.runs}
    return tuple(
        result.model_copy(
            update={"runs": tuple(_with_interval(data, runs[run.run], kpis[result.key], run) for run in result.runs)}
        )
        if _of_one_signal(kpis[result.key])
        else result
        for result in results
    )


def _of_one_signal(kpi: Kpi) -> bool:
    """Whether a KPI is an integral or mean of one signal: what an interval of the mean says something about."""
    return isinstance(kpi.measure, (IntegralOfSignals, MeanOfSignal)) and len(measured_signals(kpi)) == 1


def interval_within(values: Array, *, alpha: float, seed: int) -> WithinRun | None:
    """The interval of the mean of samples that follow each other in equal steps.

    Args:
        values: (n,), in order of time, in any unit.
        alpha: 1 − confidence level.
        seed: of the resampling.

    Returns:
        `None` with fewer than 20 samples, or without any spread.
    """
    from arch.bootstrap import StationaryBootstrap, optimal_block_length  # here: it takes two seconds to import

    n = len(values)
    if n < LEAST_SAMPLES or not float(np.ptp(values)) > 1e-12 * float(np.abs(values).max()):
        return None
    groups = _grouped(values)
    if not float(np.ptp(groups)) > 0:
        return None
    best = float(optimal_block_length(groups)["stationary"].iloc[0])
    block = round(min(max(1.0, best if math.isfinite(best) else 1.0), len(groups) / 3))
    resampled = StationaryBootstrap(block, groups, seed=np.random.default_rng(seed)).apply(np.mean, RESAMPLES)
    low, high = np.quantile(resampled, [alpha / 2, 1 - alpha / 2])
    effective = effective_size(groups) * float(np.var(values)) / float(np.var(groups))
    return WithinRun(low=float(low), high=float(high), samples=n, effective_samples=min(float(n), effective))


def effective_size(values: Array) -> float:
    """How many independent samples would know the mean as well: n/(1 + 2Σρ), the smaller of two estimators of Σρ.

    Args:
        values: (n,), in order of time, not constant.
    """
    n = len(values)
    variance = float(np.var(values))
    batch = max(1, math.isqrt(n))
    means = values[: n // batch * batch].reshape(-1, batch).mean(axis=1)
    by_batches = n * variance / (batch * float(np.var(means, ddof=1))) if len(means) > 1 and np.ptp(means) > 0 else n
    return float(min(n, n / _correlation_time(values), by_batches))


def _correlation_time(values: Array) -> float:
    """1 + 2Σρ over the initial positive sequence: until two neighbouring correlations sum to nothing."""
    n = len(values)
    centred = values - values.mean()
    spectrum = np.fft.rfft(centred, 2 * n)
    correlations = np.fft.irfft(spectrum * np.conj(spectrum))[:n]
    correlations = correlations / correlations[0]
    pairs = correlations[: n // 2 * 2].reshape(-1, 2).sum(axis=1)
    positive = int(np.argmax(pairs <= 0)) if (pairs <= 0).any() else len(pairs)
    return max(1.0, 2 * float(pairs[:positive].sum()) - 1)


def _grouped(values: Array) -> Array:
    size = math.ceil(len(values) / MOST_GROUPS)
    if size == 1:
        return values
    whole = len(values) // size * size
    return np.asarray(values[:whole].reshape(-1, size).mean(axis=1), float)


def _with_interval(data: SealedData, run: SealedRun, kpi: Kpi, value: RunValue) -> RunValue:
    limits = limits_of(data, run) if value.value is not None else None
    if limits is None or value.value is None:
        return value
    ((device, signal),) = measured_signals(kpi)
    times, numbers = read_series(data, run, device, signal)
    _, samples = in_order(times, numbers, start_ns=limits.start_ns, end_ns=limits.end_ns)
    found = interval_within(samples, alpha=data.plan.alpha, seed=_seed(data.plan, run))
    if found is None:
        return value
    unit = data.signal_unit(device, signal) or ""
    factor = (
        integral_factor(unit, kpi.unit) * limits.length_s
        if isinstance(kpi.measure, IntegralOfSignals)
        else conversion_factor(unit, kpi.unit)
    )
    centre = float(samples.mean())
    about = {"low": value.value + factor * (found.low - centre), "high": value.value + factor * (found.high - centre)}
    return value.model_copy(update={"within": found.model_copy(update=about)})


def _seed(plan: AnalysisPlan, run: SealedRun) -> int:
    return (plan.seed + 7919 * run.number) % 2**63
