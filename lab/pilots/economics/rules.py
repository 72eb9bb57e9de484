"""Pure decisions on the company's figures: do they make sense, and which effect makes the investment just pay."""

import math

from lab.pilots.economics.cash_flow import break_even_effect, likely_terms
from lab.pilots.economics.inputs import ESTIMATES, EconomicInputs, Estimate
from lab.pilots.errors import BreakEvenError, EconomicRangeError, EstimateOrderError

_ABOVE_ZERO = ("investment_cents", "lifetime_years", "yearly_volume", "unit_value_cents")
_HIGHEST = {"lifetime_years": 100.0, "discount_rate": 1.0, "grant_share": 1.0}
_SAME = 1e-6  # relative; a number that somebody copied is the same


def check_inputs(inputs: EconomicInputs) -> None:
    """Refuse figures that make no sense.

    Raises:
        EstimateOrderError: if low ≤ likely ≤ high does not hold.
        EconomicRangeError: for a figure that is negative, zero where it must not be, or above what it can be.
    """
    for name in ESTIMATES:
        estimate: Estimate = getattr(inputs, name)
        field = f"economics.{name}"
        _check_order(estimate, name, field)
        if estimate.lowest < 0:
            raise EconomicRangeError(f"{name} cannot be negative", field=field, rule="not-negative", nearest=0)
        if name in _ABOVE_ZERO and estimate.lowest == 0:
            raise EconomicRangeError(f"{name} must be above zero, its low value too", field=field, rule="above-zero")
        highest = _HIGHEST.get(name, math.inf)
        if estimate.highest > highest:
            raise EconomicRangeError(
                f"{name} can be {highest:g} at most, its high value too; a share of 8 per cent is written as 0.08"
                if highest == 1
                else f"{name} can be {highest:g} at most, its high value too",
                field=field,
                rule="at-most",
                nearest=highest,
            )
    if inputs.run_cost_cents is not None and inputs.run_cost_cents < 0:
        raise EconomicRangeError(
            "run_cost_cents cannot be negative", field="economics.run_cost_cents", rule="not-negative", nearest=0
        )


def computed_break_even(inputs: EconomicInputs) -> float:
    """The improvement of the primary KPI at which the investment just pays, by the likely figures.

    Raises:
        InvalidError: as `check_inputs`, and BreakEvenError if the investment pays without any effect.
    """
    check_inputs(inputs)
    effect = float(break_even_effect(likely_terms(inputs)))
    if effect <= 0:
        raise BreakEvenError(
            "by these figures the investment pays without any improvement, so a pilot has nothing to decide; check the "
            "grant, the residual value and the running costs",
            field="economics",
            rule="needs-an-effect",
        )
    return effect


def check_break_even(inputs: EconomicInputs, break_even: float) -> None:
    """Refuse a break-even effect that is not that of the figures.

    Raises:
        InvalidError: as `computed_break_even`, and BreakEvenError if the two differ.
    """
    computed = computed_break_even(inputs)
    if not math.isclose(computed, break_even, rel_tol=_SAME):
        raise BreakEvenError(
            f"break_even is {break_even:g}, but by the company's figures the investment just pays at {computed:.6g}; "
            "leave break_even out to take that, or put the figures right",
            field="break_even",
            rule="as-computed",
            nearest=computed,
        )


def _check_order(estimate: Estimate, name: str, field: str) -> None:
    if not estimate.lowest <= estimate.likely <= estimate.highest:
        raise EstimateOrderError(
            f"{name} is {estimate.lowest:g} at the lowest, {estimate.likely:g} most likely and {estimate.highest:g} at "
            "the highest; they must rise in this order",
            field=field,
            rule="low-likely-high",
        )
