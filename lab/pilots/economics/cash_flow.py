"""Worth of an investment whose yearly cash flow is level: NPV, payback, profitability index (domain.md §5).

    NPV = −I₀(1−g) + Σ CF_t/(1+r)^t + R/(1+r)^n        CF = effect × volume × value of one unit − running costs

Every number may be an array of draws; arrays broadcast against each other. A lifetime of, say, 6.5 years counts six
whole years and half of the cash flow at 6.5 years, so that no figure jumps where a lifetime is varied.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lab.pilots.economics.inputs import ESTIMATES, EconomicInputs

Array: TypeAlias = npt.NDArray[np.float64]

NEVER = np.inf
"""Payback of an investment that is not paid back within its lifetime."""


@dataclass(frozen=True, slots=True)
class Terms:
    """One number, or one array of draws, for every input; units as in `EconomicInputs`."""

    investment_cents: Array
    lifetime_years: Array
    discount_rate: Array
    grant_share: Array
    residual_value_cents: Array
    yearly_volume: Array
    unit_value_cents: Array
    running_costs_cents: Array

    @property
    def own_investment_cents(self) -> Array:
        """What the company pays itself: I₀(1−g)."""
        return self.investment_cents * (1 - self.grant_share)

    @property
    def value_of_effect_cents(self) -> Array:
        """What an effect of 1 brings in a year."""
        return self.yearly_volume * self.unit_value_cents


def terms_of(numbers: Mapping[str, float | Array]) -> Terms:
    """Terms from numbers by the inputs' names."""
    return Terms(**{name: np.asarray(numbers[name], dtype=np.float64) for name in ESTIMATES})


def likely_terms(inputs: EconomicInputs, **changed: float) -> Terms:
    """The likely value of every input, but for those that are `changed`."""
    return terms_of({name: getattr(inputs, name).likely for name in ESTIMATES} | changed)


def yearly_cash_flow(terms: Terms, effect: Array | float) -> Array:
    """Cents a year, for an improvement of the primary KPI in its unit."""
    return np.asarray(effect * terms.value_of_effect_cents - terms.running_costs_cents)


def annuity_factor(rate: Array, years: Array) -> Array:
    """Present value of 1 a year at the end of each of so many years: Σ (1+r)^−t, by its closed form.

    Args:
        rate: > −1, as a share.
        years: > 0; a part of a year brings its part of 1 at its end.
    """
    whole = np.floor(years)
    return _annuity_of_whole_years(rate, whole) + (years - whole) * (1 + rate) ** -years


def net_present_value(terms: Terms, effect: Array | float) -> Array:
    """Worth today, in cents, of all that is paid and earned, after the grant."""
    factor = annuity_factor(terms.discount_rate, terms.lifetime_years)
    residual = terms.residual_value_cents * (1 + terms.discount_rate) ** -terms.lifetime_years
    return np.asarray(-terms.own_investment_cents + yearly_cash_flow(terms, effect) * factor + residual)


def profitability_index(terms: Terms, effect: Array | float) -> Array:
    """PI = 1 + NPV/I₀, with the whole investment below the line, whoever pays it."""
    return np.asarray(1 + net_present_value(terms, effect) / terms.investment_cents)


def break_even_effect(terms: Terms) -> Array:
    """The effect at which NPV = 0: Δ0 of the plan, in the unit of the primary KPI. Not above 0: it pays by itself."""
    factor = annuity_factor(terms.discount_rate, terms.lifetime_years)
    residual = terms.residual_value_cents * (1 + terms.discount_rate) ** -terms.lifetime_years
    needed = (terms.own_investment_cents - residual) / factor + terms.running_costs_cents
    return np.asarray(needed / terms.value_of_effect_cents)


def payback_years(terms: Terms, effect: Array | float) -> Array:
    """Years until the yearly cash flows have brought back the company's own part of the investment.

    Cash flows are taken as spread evenly over each year. What only the residual value brings back is paid back at the
    end of the lifetime; what nothing brings back gives `NEVER`.
    """
    return _payback(terms, effect, np.zeros_like(terms.discount_rate))


def discounted_payback_years(terms: Terms, effect: Array | float) -> Array:
    """The same with cash flows discounted: within the lifetime exactly if NPV ≥ 0."""
    return _payback(terms, effect, terms.discount_rate)


def cash_flows(terms: Terms, effect: float) -> tuple[list[float], list[float]]:
    """Times (years) and amounts (cents) of everything that is paid and earned, for terms of one number each."""
    years, flow = float(terms.lifetime_years), float(yearly_cash_flow(terms, effect))
    whole = int(years)
    times = [float(year) for year in range(whole + 1)]
    amounts = [-float(terms.own_investment_cents), *[flow] * whole]
    if years > whole:
        times.append(years)
        amounts.append((years - whole) * flow)
    amounts[-1] += float(terms.residual_value_cents)
    return times, amounts


def _payback(terms: Terms, effect: Array | float, rate: Array) -> Array:
    own, flow, rate, years, residual = np.broadcast_arrays(
        terms.own_investment_cents,
        yearly_cash_flow(terms, effect),
        rate,
        terms.lifetime_years,
        terms.residual_value_cents,
    )
    earned = flow * annuity_factor(rate, years)
    back = earned + residual * (1 + rate) ** -years
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(flow > 0, own / flow, NEVER)
        exact = np.where(rate > 0, -np.log1p(-np.minimum(rate * ratio, 1.0)) / np.log1p(rate), ratio)
    whole = np.minimum(np.floor(np.where(np.isfinite(exact), exact, 0.0)), np.floor(years))
    last_year = whole >= np.floor(years)
    year_factor = (1 + rate) ** -np.where(last_year, years, whole + 1)
    with np.errstate(invalid="ignore"):
        within = whole + (ratio - _annuity_of_whole_years(rate, whole)) / year_factor
    by_flows = np.where((flow > 0) & (earned >= own), np.minimum(within, years), np.where(back >= own, years, NEVER))
    return np.asarray(np.where(own <= 0, 0.0, by_flows))


def _annuity_of_whole_years(rate: Array, years: Array) -> Array:
    safe = np.where(rate == 0, 1.0, rate)
    return np.asarray(np.where(rate == 0, years, -np.expm1(-years * np.log1p(safe)) / safe))
