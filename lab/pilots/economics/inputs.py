"""The company's own figures in the analysis plan. Whether they make sense is for `lab.pilots.economics.rules` to say.

Money is in cents of the named currency: amounts are whole cents, a price of one unit may have fractions of a cent.
"""

from typing import Annotated

from pydantic import Field

from lab.pilots.plan_part import PlanPart

MOST = 1e12
"""In size, of any figure: EUR 10 billion. Keeps the arithmetic far from overflow; nobody means more."""
_Number = Annotated[float, Field(ge=-MOST, le=MOST)]
_Cents = Annotated[int, Field(ge=-MOST, le=MOST)]


class Estimate(PlanPart):
    """A figure that is not known exactly."""

    likely: _Number
    """The best guess."""
    low: _Number | None = None
    """Hardly less than this. Left out: as `likely`, so that on this side nothing is uncertain."""
    high: _Number | None = None
    """Hardly more than this. Left out: as `likely`."""

    @property
    def lowest(self) -> float:
        """`low`, or what stands for it."""
        return self.likely if self.low is None else self.low

    @property
    def highest(self) -> float:
        """`high`, or what stands for it."""
        return self.likely if self.high is None else self.high

    @property
    def is_certain(self) -> bool:
        """Whether it is one number."""
        return self.lowest == self.highest


class CentsEstimate(Estimate):
    """An amount of money that is not known exactly, in whole cents."""

    likely: _Cents
    """The best guess."""
    low: _Cents | None = None
    """Hardly less than this. Left out: as `likely`."""
    high: _Cents | None = None
    """Hardly more than this. Left out: as `likely`."""


class EconomicInputs(PlanPart):
    """What the investment costs and what an improvement of the primary KPI is worth, by the company's own figures.

    What has no default must be given: nobody else knows it.
    """

    currency: str = Field(default="EUR", pattern="^[A-Z]{3}$")
    """ISO 4217 code. All amounts are in its hundredth part."""
    investment_cents: CentsEstimate
    """Paid at once, at the start: equipment, delivery, installation, training. Before any grant; > 0."""
    lifetime_years: Estimate
    """How long the equipment is used, > 0. A part of a year gives its part of the yearly cash flow, at its end."""
    discount_rate: Estimate = Estimate(likely=0.08)
    """What money costs the company in a year, as a share (0.08 = 8 %), 0 … 1.

    Default 8 %: between a bank loan and what owners of a small company expect of their own money. Cash flows are taken
    in today's prices; who expects prices to rise takes that off the rate.
    """
    grant_share: Estimate = Estimate(likely=0.0)
    """Part of the investment that a grant pays, as a share, 0 … 1. Default: none."""
    residual_value_cents: CentsEstimate = CentsEstimate(likely=0)
    """What the equipment still brings at the end of its life. Default: nothing, the cautious choice."""
    yearly_volume: Estimate
    """How often a year the improvement is made, > 0: parts a year for a KPI per part, hours for one per hour."""
    unit_value_cents: Estimate
    """What one unit of the primary KPI is worth, > 0: cents per kWh, per second; of a proportion, cents per part."""
    running_costs_cents: CentsEstimate = CentsEstimate(likely=0)
    """What the equipment costs every year on top of today's costs: service, licences, tools, energy. Default: none."""
    run_cost_cents: _Cents | None = None
    """What one more run of the pilot would cost the company, not negative: lab, material, people.

    Default: what the company paid for the pilot's slots, shared out over its runs.
    """


ESTIMATES = (
    "investment_cents",
    "lifetime_years",
    "discount_rate",
    "grant_share",
    "residual_value_cents",
    "yearly_volume",
    "unit_value_cents",
    "running_costs_cents",
)
"""Names of the inputs that are estimates, in the order in which people read them."""
