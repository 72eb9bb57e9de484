"""Which figure moves the result most: each by ±20 %, the others at their likely values (tornado)."""

from lab.pilots.economics.cash_flow import likely_terms, net_present_value
from lab.pilots.economics.inputs import ESTIMATES, EconomicInputs
from lab.reports.economics.findings import TornadoBar

SHARE = 0.2
EFFECT = "effect"
_MOST = {"discount_rate": 1.0, "grant_share": 1.0}


def tornado(inputs: EconomicInputs, effect: float, *, scale: float = 1.0) -> tuple[TornadoBar, ...]:
    """How far the net present value moves with every figure, the largest swing first; a figure of 0 has no bar.

    Args:
        inputs: of the company.
        effect: the improvement seen, in the unit of the primary KPI.
        scale: from that unit to the report's (percentage points for shares).
    """
    bars = []
    for key in (EFFECT, *ESTIMATES):
        middle = effect if key == EFFECT else float(getattr(inputs, key).likely)
        if middle == 0:
            continue
        less, more = middle * (1 - SHARE), min(middle * (1 + SHARE), _MOST.get(key, float("inf")))
        worths = [_worth(inputs, key, value, effect) for value in (less, more)]
        shown = scale if key == EFFECT else 1.0
        bars.append(
            TornadoBar(
                key=key,
                less=less * shown,
                more=more * shown,
                npv_less_cents=worths[0],
                npv_more_cents=worths[1],
                swing_cents=abs(worths[1] - worths[0]),
            )
        )
    return tuple(sorted(bars, key=lambda bar: -bar.swing_cents))


def _worth(inputs: EconomicInputs, key: str, value: float, effect: float) -> int:
    if key == EFFECT:
        return round(float(net_present_value(likely_terms(inputs), value)))
    return round(float(net_present_value(likely_terms(inputs, **{key: value}), effect)))
