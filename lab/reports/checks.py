"""Whether what a comparison takes for granted holds in these runs: looked at, never corrected away.

The checks look at residuals: what is left of every run's number when the arms (and blocks, drift, other factors) are
taken away. They are remarks, not tests of the hypothesis, and change neither interval nor verdict.

Sources: Brown, Forsythe (1974); Shapiro, Wilk (1965); Kendall's τ against the order; Iglewicz, Hoaglin (1993) for
outliers; change points by PELT (Killick, Fearnhead, Eckley 2012) of ruptures.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from lab.reports.language import say as _
from lab.reports.linear import Array
from lab.reports.numbers import format_number, format_quantity
from lab.reports.results import AssumptionCheck

LEAST_FOR_NORMALITY = 8
LEAST_FOR_ORDER = 8
LEAST_FOR_OUTLIERS = 6
LEAST_FOR_CHANGES = 12
_LEVEL = 0.05
_OUTLIER = 3.5
_PENALTY = 5.0
"""Of PELT, × variance × ln n: white noise of 12 to 48 runs is taken for a change in 0 to 4 of 100 pilots."""
_SHORTEST = 3


@dataclass(frozen=True, slots=True)
class Residuals:
    """What is left of the compared runs, in executed order."""

    runs: tuple[int, ...]
    """Their numbers."""
    treated: tuple[bool, ...]
    values: Array
    leverages: Array


def check_assumptions(left: Residuals, unit: str) -> tuple[AssumptionCheck, ...]:
    """Everything that can be looked at with as many runs as there are.

    Args:
        left: residuals of the fit that the comparison stands on.
        unit: for people.
    """
    if not len(left.values) or float(np.ptp(left.values)) == 0:
        return ()
    return (
        _spread(left, unit),
        _normality(left),
        _drift(left, unit),
        _autocorrelation(left),
        _outliers(left),
        _changes(left),
    )


def _spread(left: Residuals, unit: str) -> AssumptionCheck:
    treated = np.array(left.treated)
    treat, base = left.values[treated], left.values[~treated]
    sds = [math.sqrt(float(part @ part) / max(1, len(part) - 1)) for part in (base, treat)]
    fact = _(
        "runs spread by {base} (baseline) and {treat} (treatment)",
        base=format_quantity(sds[0], unit),
        treat=format_quantity(sds[1], unit),
    )
    if min(len(base), len(treat)) < 3:
        return _too_few("spread", _("Spread not checked: {fact}; too few runs to compare that.", fact=fact))
    p = float(stats.levene(base, treat, center="median").pvalue)
    if not p < _LEVEL:
        return AssumptionCheck(
            name="spread", status="ok", p_value=None if math.isnan(p) else p, sentence=_("Spread: {fact}.", fact=fact)
        )
    told = _("Spread: {fact}; the arms differ in how steady they are.", fact=fact)
    return AssumptionCheck(name="spread", status="caution", p_value=p, sentence=told)


def _normality(left: Residuals) -> AssumptionCheck:
    if len(left.values) < LEAST_FOR_NORMALITY:
        return _too_few("normality", _("Shape not checked: too few runs to see the shape of their spread."))
    found = stats.shapiro(left.values)
    p = float(found.pvalue)
    text = (
        _("Shape (Shapiro and Wilk): nothing speaks against normally spread runs.")
        if p >= _LEVEL
        else _(
            "Shape (Shapiro and Wilk): the runs do not spread normally; compare the interval with that of Hodges and "
            "Lehmann."
        )
    )
    return AssumptionCheck(
        name="normality",
        status="ok" if p >= _LEVEL else "caution",
        statistic=float(found.statistic),
        p_value=p,
        sentence=text,
    )


def _drift(left: Residuals, unit: str) -> AssumptionCheck:
    n = len(left.values)
    if n < LEAST_FOR_ORDER:
        return _too_few("drift", _("Drift not checked: too few runs to see a drift."))
    order = np.arange(n)
    found = stats.kendalltau(order, left.values)
    slope = float(stats.theilslopes(left.values, order).slope)
    p = float(found.pvalue)
    if not p < _LEVEL:
        text = _("Drift (Kendall): no drift over the executed order is seen.")
    else:
        text = _(
            "Drift (Kendall): the numbers drift over the executed order, by {change} from the first run to the last.",
            change=format_quantity(slope * (n - 1), unit, sign=True),
        )
    return AssumptionCheck(
        name="drift",
        status="ok" if not p < _LEVEL else "caution",
        statistic=float(found.statistic),
        p_value=p,
        sentence=text,
    )


def _autocorrelation(left: Residuals) -> AssumptionCheck:
    n = len(left.values)
    if n < LEAST_FOR_ORDER:
        return _too_few(
            "autocorrelation", _("Neighbours not checked: too few runs to see whether neighbours are alike.")
        )
    rho = lag_one(left.values)
    bound = float(stats.norm.ppf(1 - _LEVEL / 2)) / math.sqrt(n)
    alike = abs(rho + 1 / n) > bound  # residuals of independent runs lean to −1/n
    if not alike:
        text = _("Neighbours: runs that follow each other are not alike (correlation {rho}).", rho=_rho(rho))
    elif rho > 0:
        text = _(
            "Neighbours: runs that follow each other are alike (correlation {rho}); in truth there are fewer "
            "independent runs.",
            rho=_rho(rho),
        )
    else:
        text = _(
            "Neighbours: runs that follow each other are opposite (correlation {rho}); in truth there are fewer "
            "independent runs.",
            rho=_rho(rho),
        )
    return AssumptionCheck(name="autocorrelation", status="caution" if alike else "ok", statistic=rho, sentence=text)


def _rho(value: float) -> str:
    return format_number(value, decimals=2, sign=True)


def _outliers(left: Residuals) -> AssumptionCheck:
    if len(left.values) < LEAST_FOR_OUTLIERS:
        return _too_few("outliers", _("Outliers not checked: too few runs to call one unusual."))
    found = outliers(left.values, left.leverages)
    runs = tuple(left.runs[place] for place in found)
    named = _(
        "Outliers: run {runs} lies far from the others of its arm; kept, look at what happened there.",
        runs=", ".join(map(str, runs)),
    )
    return AssumptionCheck(
        name="outliers",
        status="caution" if runs else "ok",
        runs=runs,
        sentence=named if runs else _("Outliers: no run lies far from the others."),
    )


def _changes(left: Residuals) -> AssumptionCheck:
    if len(left.values) < LEAST_FOR_CHANGES:
        return _too_few("changes", _("Changes not checked: too few runs to look for a change of set-point."))
    runs = tuple(left.runs[place] for place in change_points(left.values))
    named = _(
        "Changes (PELT): the level seems to change at run {runs}; was something set differently from there on?",
        runs=", ".join(map(str, runs)),
    )
    return AssumptionCheck(
        name="changes",
        status="caution" if runs else "ok",
        runs=runs,
        sentence=named if runs else _("Changes (PELT): no change of level that the plan does not explain."),
    )


def lag_one(values: Array) -> float:
    """Correlation of each number with the one before."""
    centred = values - values.mean()
    return float(centred[1:] @ centred[:-1] / (centred @ centred))


def outliers(values: Array, leverages: Array) -> list[int]:
    """Places whose distance from the median is beyond 3.5 robust standard deviations (Iglewicz and Hoaglin)."""
    free = leverages < 1 - 1e-9
    rest = values / np.sqrt(np.where(free, 1 - leverages, 1.0))
    centre = float(np.median(rest))
    deviation = float(np.median(np.abs(rest - centre)))
    if deviation == 0:
        return []
    return [int(place) for place in np.flatnonzero(0.6745 * np.abs(rest - centre) / deviation > _OUTLIER)]


def change_points(values: Array) -> list[int]:
    """Places from which on the level is another one (PELT, least squares, penalty 5 σ² ln n, σ from neighbours)."""
    import ruptures  # here: only reports need it

    n = len(values)
    sigma = 1.4826 * float(np.median(np.abs(np.diff(values)))) / math.sqrt(2)
    if n < 2 * _SHORTEST or sigma == 0:
        return []
    found = ruptures.Pelt(model="l2", min_size=_SHORTEST, jump=1).fit(values.reshape(-1, 1) / sigma)
    return [int(place) for place in found.predict(pen=_PENALTY * math.log(n))[:-1]]


def _too_few(name: str, sentence: str) -> AssumptionCheck:
    return AssumptionCheck.model_validate({"name": name, "status": "not checked", "sentence": sentence})
