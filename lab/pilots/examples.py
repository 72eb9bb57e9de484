"""Two whole plans: that of the demonstration on simulated machines, and that of the recording of a real mill."""

from lab.pilots.economics.inputs import CentsEstimate, EconomicInputs, Estimate
from lab.pilots.economics.rules import computed_break_even
from lab.pilots.plans import (
    AnalysisPlan,
    Arm,
    DurationOfRun,
    IntegralOfSignals,
    Kpi,
    ResultValue,
    RunLimits,
    SignalReference,
)

QUESTION = "Does the higher feed rate cut energy and time per part without hurting quality?"

RECORDING_DEVICE = "mill-umich"
RECORDED_FEEDS = (6, 20, 6, 6, 20, 6, 20, 20, 15, 12, 3, 3, 3, 3, 6, 20, 3, 3)
"""Feed rate, mm/s, of the recording's experiments 1 … 18, from its run table."""


def demo_plan(
    *,
    break_even_kwh: float = 0.02,
    expected_kwh: float = 0.04,
    baseline_feed_mm_s: float = 6.0,
    treatment_feed_mm_s: float = 9.0,
    runs_per_arm: int = 6,
    seed: int = 2026,
    economics: EconomicInputs | None = None,
) -> AnalysisPlan:
    """The plan of the demonstration: `mill-1` cuts, `meter-1` counts its energy.

    Args:
        break_even_kwh: saving of energy per part at which the faster feed just pays.
        expected_kwh: saving that the company hopes for.
        baseline_feed_mm_s: today's feed rate.
        treatment_feed_mm_s: the one to be tried.
        runs_per_arm: parts per feed rate.
        seed: of the randomised order.
        economics: the company's figures; break-even then follows from them.
    """
    if economics is not None:
        break_even_kwh = computed_break_even(economics)
    return AnalysisPlan(
        objective="Find out whether a higher feed rate on the mill saves energy and time per part at equal quality.",
        hypothesis=f"At {treatment_feed_mm_s:g} mm/s a part takes at least {break_even_kwh:.3g} kWh less than at "
        f"{baseline_feed_mm_s:g} mm/s, and its surface is not rougher by more than 0.3 µm.",
        arms=(
            _feed_arm("standard", baseline_feed_mm_s, "baseline"),
            _feed_arm("fast", treatment_feed_mm_s, "treatment"),
        ),
        kpis=(
            Kpi(
                key="energy_per_part",
                label="Energy per part",
                unit="kW.h",
                direction="lower",
                role="primary",
                measure=IntegralOfSignals(signals=(SignalReference(device="meter-1", signal="active_power_kw"),)),
            ),
            Kpi(
                key="run_time",
                label="Run time",
                unit="s",
                direction="lower",
                role="secondary",
                measure=DurationOfRun(),
            ),
            Kpi(
                key="roughness",
                label="Surface roughness Ra",
                unit="um",
                direction="lower",
                role="guard",
                margin=0.3,
                measure=ResultValue(field="roughness_um"),
            ),
        ),
        economics=economics,
        break_even=break_even_kwh,
        expected=expected_kwh,
        design="completely_randomised",
        runs_per_arm=runs_per_arm,
        seed=seed,
        limits=RunLimits(device="mill-1"),
        not_tested=(
            "Other materials, tools and parts than the one that was cut.",
            "Tool life over more parts than these.",
            "The company's own machine, operators and surroundings.",
        ),
    )


def demo_economics() -> EconomicInputs:
    """The figures of the demonstration's company: tools, programs and training for the faster feed on its mills."""
    return EconomicInputs(
        investment_cents=CentsEstimate(low=700_000, likely=840_000, high=1_100_000),
        lifetime_years=Estimate(low=6, likely=8, high=10),
        discount_rate=Estimate(low=0.06, likely=0.08, high=0.10),
        grant_share=Estimate(likely=0.20),
        yearly_volume=Estimate(low=320_000, likely=400_000, high=450_000),
        unit_value_cents=Estimate(low=18.0, likely=22.0, high=30.0),
        running_costs_cents=CentsEstimate(low=40_000, likely=60_000, high=90_000),
    )


def recording_plan() -> AnalysisPlan:
    """The plan of the recording: all 18 runs, feed 3 against feed 6 mm/s, finished parts only.

    The data existed before; the plan says so, and nobody can get more than evidence grade D from it.
    """
    powers = ("x_power_kw", "y_power_kw", "spindle_power_kw")
    return AnalysisPlan(
        objective="Find out whether the higher feed rate saves drive energy and time per part at equal quality.",
        hypothesis="At 6 mm/s a finished part takes at least 2 Wh less drive energy than at 3 mm/s, and no fewer parts "
        "are finished and pass the inspection.",
        arms=tuple(
            _feed_arm(f"feed-{feed}", feed, {3: "baseline", 6: "treatment"}.get(feed, "other"))
            for feed in sorted(set(RECORDED_FEEDS))
        ),
        kpis=(
            Kpi(
                key="energy_per_part",
                label="Drive energy per part",
                unit="W.h",
                direction="lower",
                role="primary",
                measure=IntegralOfSignals(
                    signals=tuple(SignalReference(device=RECORDING_DEVICE, signal=power) for power in powers)
                ),
            ),
            Kpi(
                key="run_time",
                label="Run time",
                unit="s",
                direction="lower",
                role="secondary",
                measure=DurationOfRun(),
            ),
            Kpi(
                key="passed",
                label="Finished part passed inspection",
                unit="1",
                kind="proportion",
                direction="higher",
                role="guard",
                margin=0.10,
                measure=ResultValue(field="passed"),
            ),
            Kpi(
                key="finished",
                label="Part finished",
                unit="1",
                kind="proportion",
                direction="higher",
                role="guard",
                margin=0.10,
                population="all",
                measure=ResultValue(field="finished"),
            ),
        ),
        break_even=2.0,
        expected=4.0,
        design="as_recorded",
        order=tuple(f"feed-{feed}" for feed in RECORDED_FEEDS),
        seed=2018,
        limits=RunLimits(device=RECORDING_DEVICE, end_events=("part_finished", "part_abandoned")),
        written_after_data=True,
        not_tested=(
            "Other materials than wax, other parts and other machines.",
            "Energy of the whole machine: only the X, Y and spindle drives were recorded, no controls, no coolant.",
            "Clamp pressure and tool wear: they differed between the runs and were not balanced over the feed rates.",
            "Doubtful rows: the recording's authors warn of a feed of 50 and an X position of 198; they are kept.",
            "Feed rates of 12, 15 and 20 mm/s: recorded and shown, but not compared.",
        ),
    )


def _feed_arm(name: str, feed_mm_s: float, role: str) -> Arm:
    return Arm.model_validate(
        {
            "name": name,
            "label": f"feed {feed_mm_s:g} mm/s",
            "role": role,
            "settings": {"feed_mm_s": float(feed_mm_s)},
        }
    )
