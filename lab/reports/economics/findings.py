"""What the report says about money: the parts of `lab.reports.results.Economics`.

Amounts are whole cents of `Economics.currency`; those of public support are euro cents. Years and shares are numbers.
"""

from datetime import datetime

from lab.reports.value import Value


class InputFigure(Value):
    """One of the company's figures, in the unit of `lab.pilots.economics.inputs.EconomicInputs`."""

    key: str
    """Its name there, e.g. `investment_cents`."""
    low: float
    likely: float
    high: float


class EconomicCase(Value):
    """The investment at the likely figures and the effect seen, with or without the grant."""

    own_investment_cents: int
    """What the company pays itself."""
    npv_cents: int
    internal_rates: tuple[float, ...]
    """As shares; none, one or several."""
    payback_years: float | None
    """`None`: not within the lifetime."""
    discounted_payback_years: float | None
    profitability_index: float
    """1 + NPV/I₀."""
    break_even: float
    """The effect at which NPV = 0, in the report's unit of the effect."""


class TornadoBar(Value):
    """How far the net present value moves with one figure, the others staying as they are."""

    key: str
    """Of an `InputFigure`, or `effect`."""
    less: float
    """The figure at −20 %; the effect in the report's unit."""
    more: float
    """The figure at +20 %, or the most that it can be."""
    npv_less_cents: int
    npv_more_cents: int
    swing_cents: int
    """Between the two, ≥ 0."""


class Quantiles(Value):
    """Of 10 draws, one lies below P10, five below P50, nine below P90."""

    p10: float | None
    """`None`: so many draws are never paid back that this one lies beyond the lifetime."""
    p50: float | None
    p90: float | None


class NpvDistribution(Value):
    """What all uncertainty together does to the net present value: figures of the company and effect, drawn at once."""

    draws: int
    seed: int
    npv_cents: Quantiles
    payback_years: Quantiles
    """Draws that are never paid back count as later than all others."""
    never_paid_back: float
    """Share of the draws that are not paid back within their lifetime."""
    probability_positive: float
    """Share of the draws with NPV > 0."""
    edges_cents: tuple[int, ...]
    """Of the histogram's bins, rising, of one width; 0 is an edge if it lies between the first and the last."""
    counts: tuple[int, ...]
    """Draws in `[edge, next edge)`."""


class MoreRuns(Value):
    """What a wrong decision costs in the mean, because chance moved the effect, and what more runs would save of it."""

    per_arm: int
    """Further runs an arm that are looked at."""
    loss_if_bought_cents: int
    """Expected loss of investing now, against knowing the effect."""
    loss_if_not_cents: int
    """Expected gain that is given up by not investing."""
    certainty_cents: int
    """The smaller of the two: what knowing the effect exactly would be worth, and so the most for any further run."""
    worth_cents: int
    """Of those further runs: by how much they lower the expected loss (expected value of sample information)."""
    run_cost_cents: int | None
    """Of one run; `None`: not known."""
    cost_cents: int | None
    """Of those further runs in both arms."""
    sentence: str


class SupportedSlot(Value):
    """One slot of the pilot, as quoted."""

    booking: str
    start: datetime
    end: datetime
    market_value_cents: int
    price_cents: int
    support_cents: int
    programme: str | None
    legal_basis: str
    state_share_per_mille: int | None


class PublicSupport(Value):
    """Who paid for the pilot itself: support = (market value − price charged) × state share, each slot for itself."""

    slots: tuple[SupportedSlot, ...]
    market_value_cents: int
    price_cents: int
    support_cents: int
    legal_bases: tuple[str, ...]
    """Of the slots, each once."""
