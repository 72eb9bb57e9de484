"""From the locked figures and the effect seen to everything that the report says about money."""

import math

from lab.pilots.economics.cash_flow import (
    Array,
    Terms,
    break_even_effect,
    cash_flows,
    discounted_payback_years,
    likely_terms,
    net_present_value,
    payback_years,
    profitability_index,
    yearly_cash_flow,
)
from lab.pilots.economics.inputs import ESTIMATES, EconomicInputs
from lab.pilots.economics.rates import internal_rates
from lab.pilots.plans import AnalysisPlan
from lab.pilots.units import unit_label
from lab.reports import advice
from lab.reports.bootstrap import effect_draws_of
from lab.reports.comparison import NoInferenceError
from lab.reports.economics.findings import EconomicCase, InputFigure, MoreRuns, PublicSupport
from lab.reports.economics.monte_carlo import DRAWS, distribution_of, draw_terms
from lab.reports.economics.more_runs import expected_losses, spread_after, value_of_runs, worth_line
from lab.reports.economics.sensitivity import tornado
from lab.reports.economics.support import CURRENCY, public_support
from lab.reports.economics.writing import format_money, sentences_of
from lab.reports.language import say as _
from lab.reports.outcomes import counted
from lab.reports.results import Economics, FurtherRuns, KpiResult
from lab.reports.sealing import SealedData
from lab.reports.writing import decimals_of_kpi


def appraise(data: SealedData, primary: KpiResult, further: FurtherRuns | None) -> Economics:
    """What the investment is worth, from the sealed data alone.

    Args:
        data: the sealed data, with the figures of the company in their plan.
        primary: what came of the primary KPI.
        further: how many more runs would decide, where that is known.
    """
    plan, support = data.plan, public_support(data.pilot.bookings)
    given = _as_planned(plan, support)
    if plan.economics is None:
        return given
    if primary.comparison is None:
        return given.model_copy(update={"not_appraised": f"{primary.label}: {primary.no_inference}."})
    base, treat = (counted(primary, arm.name) for arm in (plan.baseline, plan.treatment))
    try:
        effects = effect_draws_of(plan, primary, seed=plan.seed, n=DRAWS)
    except NoInferenceError as reason:
        return given.model_copy(update={"not_appraised": f"{primary.label}: {reason}."})
    inputs, effect, scale = plan.economics, primary.comparison.improvement, _scale(plan)
    terms, drawn = likely_terms(inputs), draw_terms(inputs, seed=plan.seed)
    granted = inputs.grant_share.likely > 0
    found = given.model_copy(
        update={
            "effect": effect * scale,
            "yearly_cash_flow_cents": round(float(yearly_cash_flow(terms, effect))),
            "with_grant": _case(terms, effect, scale),
            "without_grant": _case(likely_terms(inputs, grant_share=0.0), effect, scale) if granted else None,
            "tornado": tornado(inputs, effect, scale=scale),
            "distribution": distribution_of(drawn, effects, seed=plan.seed),
            "more_runs": _more_runs(
                inputs, drawn, effects, runs=min(len(base), len(treat)), further=further, run_cost=_run_cost(data)
            ),
        }
    )
    return found.model_copy(update={"sentences": sentences_of(found, decimals=decimals_of_kpi(primary))})


def _as_planned(plan: AnalysisPlan, support: PublicSupport | None) -> Economics:
    inputs, scale = plan.economics, _scale(plan)
    facts = {
        "limit": advice.of_primary(plan, plan.break_even),
        "expected": advice.of_primary(plan, plan.expected),
    }
    return Economics(
        break_even=plan.break_even * scale,
        expected=plan.expected * scale,
        unit=_("percentage points") if plan.primary.kind == "proportion" else unit_label(plan.primary.unit),
        sentence=_(
            "The investment just pays at an improvement of {limit}; {expected} is hoped for. Both were given with the "
            "plan; this report does not check them against prices.",
            **facts,
        )
        if inputs is None
        else _(
            "By the company's own figures, locked with the plan, the investment just pays at an improvement of "
            "{limit}; {expected} is hoped for.",
            **facts,
        ),
        currency=None if inputs is None else inputs.currency,
        inputs=() if inputs is None else _figures(inputs),
        support=support,
    )


def _scale(plan: AnalysisPlan) -> float:
    return 100.0 if plan.primary.kind == "proportion" else 1.0


def _figures(inputs: EconomicInputs) -> tuple[InputFigure, ...]:
    estimates = [(name, getattr(inputs, name)) for name in ESTIMATES]
    return tuple(
        InputFigure(key=name, low=estimate.lowest, likely=estimate.likely, high=estimate.highest)
        for name, estimate in estimates
    )


def _case(terms: Terms, effect: float, scale: float) -> EconomicCase:
    return EconomicCase(
        own_investment_cents=round(float(terms.own_investment_cents)),
        npv_cents=round(float(net_present_value(terms, effect))),
        internal_rates=internal_rates(*cash_flows(terms, effect)),
        payback_years=_within(payback_years(terms, effect)),
        discounted_payback_years=_within(discounted_payback_years(terms, effect)),
        profitability_index=float(profitability_index(terms, effect)),
        break_even=float(break_even_effect(terms)) * scale,
    )


def _within(years: Array) -> float | None:
    return None if math.isinf(float(years)) else float(years)


def _run_cost(data: SealedData) -> int | None:
    """As the company says, else what it paid for the pilot's slots, shared out over the runs that were made."""
    inputs, made = data.plan.economics, sum(run.ended_at is not None for run in data.runs)
    if inputs is not None and inputs.run_cost_cents is not None:
        return inputs.run_cost_cents
    if not data.pilot.bookings or not made or inputs is None or inputs.currency != CURRENCY:
        return None
    return round(sum(booking.price_cents for booking in data.pilot.bookings) / made)


def _more_runs(
    inputs: EconomicInputs,
    drawn: Terms,
    effects: Array,
    *,
    runs: int,
    further: FurtherRuns | None,
    run_cost: int | None,
) -> MoreRuns:
    more = runs if further is None or further.per_arm is None else further.per_arm
    line = worth_line(drawn)
    losses = expected_losses(line, effects)
    mean_worth = line[0] + line[1] * float(effects.mean())
    worth = round(value_of_runs(mean_worth, spread_after(line, effects, runs=runs, further=more)))
    cost = None if run_cost is None else 2 * more * run_cost
    found = MoreRuns(
        per_arm=more,
        loss_if_bought_cents=round(losses.if_bought),
        loss_if_not_cents=round(losses.if_not),
        certainty_cents=round(losses.certainty),
        worth_cents=worth,
        run_cost_cents=run_cost,
        cost_cents=cost,
        sentence="",
    )
    return found.model_copy(update={"sentence": _runs_sentence(found, inputs.currency)})


def _runs_sentence(found: MoreRuns, currency: str) -> str:
    if found.cost_cents is None:
        against = _("what they cost is not known here")
    elif found.worth_cents > found.cost_cents:
        against = _("they would cost about {cost}, so they are worth it", cost=format_money(found.cost_cents, currency))
    else:
        against = _(
            "they would cost about {cost}, so they cost more than they are worth in money",
            cost=format_money(found.cost_cents, currency),
        )
    return _(
        "Chance may have moved the effect. Compared with knowing it exactly, the decision to invest now costs "
        "{if_bought} on average, and the decision not to invest {if_not}. {n} more runs of each way of working would "
        "save {worth} of that; {against}.",
        if_bought=format_money(found.loss_if_bought_cents, currency),
        if_not=format_money(found.loss_if_not_cents, currency),
        n=found.per_arm,
        worth=format_money(found.worth_cents, currency),
        against=against,
    )
