"""Pure decisions on plans: does a plan make sense."""

from collections import Counter
from collections.abc import Mapping

from lab.pilots.designs import check_design, randomised_order
from lab.pilots.economics.rules import check_break_even
from lab.pilots.errors import (
    ArmsError,
    EffectZeroError,
    ExpectedEffectError,
    GuardMarginError,
    OneRunArmError,
    PlanFormError,
    PrimaryKpiError,
    UnitMismatchError,
    UnknownArmError,
    UnknownSignalError,
)
from lab.pilots.plans import (
    AnalysisPlan,
    CountOfEdges,
    CountOfEvents,
    DurationOfRun,
    IndicatorOfMachine,
    IntegralOfSignals,
    Kpi,
    MeanOfSignal,
    Measure,
    RatioOfMeasures,
    SignalAtEvent,
    SignalReference,
    StatisticOfSignal,
    StopCriterion,
    TimeInState,
    measured_signals,
)
from lab.pilots.units import conversion_factor, integral_factor

LARGEST_ALPHA = 0.1
"""1 − the lowest confidence level from which a verdict may follow; the usual one is 95 %."""
SignalUnits = Mapping[str, Mapping[str, str | None]]
"""Device → signal → UCUM unit (`None`: not a number)."""


def check_plan(plan: AnalysisPlan, units: SignalUnits) -> None:
    """Refuse a plan that cannot lead to an honest answer.

    Args:
        plan: the plan.
        units: what the catalogue has.

    Raises:
        InvalidError: one of the kinds drawn in `lab.pilots.errors`, for the first fault found.
    """
    _check_arms(plan)
    _check_kpis(plan)
    _check_effects(plan)
    _check_confidence(plan)
    _check_runs(plan)
    _check_devices(plan, units)
    for position, kpi in enumerate(plan.kpis):
        _check_measure(kpi, units, field=f"kpis.{position}")
        _check_tolerance(kpi, field=f"kpis.{position}.tolerance")
    for position, criterion in enumerate(plan.stop):
        _check_stop(criterion, units, field=f"stop.{position}")


def _check_arms(plan: AnalysisPlan) -> None:
    names = [arm.name for arm in plan.arms]
    if len(set(names)) < len(names):
        raise ArmsError("two arms have the same name; give each its own", field="arms", rule="names-differ")
    for role in ("baseline", "treatment"):
        found = [arm.name for arm in plan.arms if arm.role == role]
        if len(found) != 1:
            raise ArmsError(
                f"a plan needs exactly one {role} arm, this one has {len(found)}", field="arms", rule=f"one-{role}"
            )


def _check_kpis(plan: AnalysisPlan) -> None:
    keys = [kpi.key for kpi in plan.kpis]
    if len(set(keys)) < len(keys):
        raise PlanFormError("two KPIs have the same key; give each its own", field="kpis", rule="keys-differ")
    primary = [kpi.key for kpi in plan.kpis if kpi.role == "primary"]
    if len(primary) != 1:
        raise PrimaryKpiError(
            f"a plan needs exactly one primary KPI, this one has {len(primary)}; the verdict stands on it",
            field="kpis",
            rule="one-primary",
            primary=primary,
        )
    for kpi in plan.kpis:
        if (kpi.role == "guard") != (kpi.margin is not None):
            raise GuardMarginError(
                f"KPI {kpi.key}: a guard needs a margin, and only a guard has one", field="margin", rule="guard-margin"
            )


def _check_effects(plan: AnalysisPlan) -> None:
    if plan.economics is not None:
        check_break_even(plan.economics, plan.break_even)
    for field in ("break_even", "expected"):
        if getattr(plan, field) <= 0:
            raise EffectZeroError(
                f"{field} must be an improvement above zero in the unit of {plan.primary.key}"
                + ("; give it, or the economics from which it follows" if field == "break_even" else ""),
                field=field,
                rule="above-zero",
            )
    if plan.expected <= plan.break_even:
        raise ExpectedEffectError(
            f"the expected effect {plan.expected:g} is not above break-even {plan.break_even:g}: "
            "even if everything goes as hoped the pilot could not say Invest",
            field="expected",
            rule="above-break-even",
        )


def _check_confidence(plan: AnalysisPlan) -> None:
    if plan.alpha > LARGEST_ALPHA:
        raise PlanFormError(
            f"only {100 * (1 - plan.alpha):g} of 100 such intervals would hold the true effect, too few to advise on "
            f"money; {100 * (1 - LARGEST_ALPHA):g} are the least, 95 are usual",
            field="alpha",
            rule="confidence",
            nearest=LARGEST_ALPHA,
        )


def _check_runs(plan: AnalysisPlan) -> None:
    check_design(plan)
    names = {arm.name for arm in plan.arms}
    unknown = sorted(set(plan.order or ()) - names)
    if unknown:
        raise UnknownArmError(
            f"the order names {', '.join(unknown)}, which the plan does not have", field="order", rule="known-arm"
        )
    counts = Counter(randomised_order(plan))
    for arm in (plan.baseline, plan.treatment):
        if counts[arm.name] < 2:
            raise OneRunArmError(
                f"arm {arm.name} has {counts[arm.name]} run(s); at least 2 are needed to see their spread",
                field="order" if plan.order is not None else "runs_per_arm",
                rule="two-runs",
                nearest=2,
            )


def _check_devices(plan: AnalysisPlan, units: SignalUnits) -> None:
    for device in sorted(plan.devices()):
        if device not in units:
            raise UnknownSignalError(
                f"the lab has no device {device}", field="device", rule="known-device", device=device
            )


def _check_tolerance(kpi: Kpi, *, field: str) -> None:
    if kpi.tolerance is None:
        return
    low, high = kpi.tolerance.low, kpi.tolerance.high
    if kpi.kind != "number" or (low is None and high is None) or (low is not None and high is not None and low >= high):
        raise PlanFormError(
            f"KPI {kpi.key}: a tolerance needs low, high or both, low below high, and a KPI that is a number",
            field=field,
            rule="tolerance",
        )


def _check_stop(criterion: StopCriterion, units: SignalUnits, *, field: str) -> None:
    device, signal = criterion.signal.device, criterion.signal.signal
    if signal not in units[device]:
        raise UnknownSignalError(
            f"device {device} has no signal {signal}", field=field, rule="known-signal", nearest=sorted(units[device])
        )
    if units[device][signal] is None:
        raise UnitMismatchError(
            f"signal {signal} of {device} is not a number; a run is stopped by one",
            field=field,
            rule="number-signal",
            signal=signal,
        )
    low, high = criterion.low, criterion.high
    if (low is None and high is None) or (low is not None and high is not None and low >= high):
        raise PlanFormError(
            "a stop criterion needs low, high or both, and low below high", field=field, rule="stop-limit"
        )


def _check_measure(kpi: Kpi, units: SignalUnits, *, field: str) -> None:
    if kpi.kind == "proportion" and kpi.unit != "1":
        raise UnitMismatchError(
            f"KPI {kpi.key}: a proportion has the unit 1", field=field, rule="units-match", nearest=["1"]
        )
    for device, signal in measured_signals(kpi):
        if signal not in units[device]:
            raise UnknownSignalError(
                f"device {device} has no signal {signal}",
                field=field,
                rule="known-signal",
                nearest=sorted(units[device]),
            )
        if units[device][signal] is None:
            raise UnitMismatchError(
                f"signal {signal} of {device} is not a number", field=field, rule="units-match", signal=signal
            )
    if isinstance(kpi.measure, RatioOfMeasures):
        for side in (kpi.measure.numerator, kpi.measure.denominator):
            _check_unit(side.measure, side.unit, units, field=field)
        _require_unit(kpi.measure.unit, kpi.unit, field=field)
    else:
        _check_unit(kpi.measure, kpi.unit, units, field=field)


def _check_unit(measure: Measure, unit: str, units: SignalUnits, *, field: str) -> None:
    """Refuse a unit in which the measure cannot be given."""
    match measure:
        case IntegralOfSignals(signals=signals):
            for reference in signals:
                integral_factor(_unit_of(reference, units), unit)
        case MeanOfSignal(signal=reference) | StatisticOfSignal(signal=reference) | SignalAtEvent(signal=reference):
            conversion_factor(_unit_of(reference, units), unit)
        case DurationOfRun() | TimeInState():
            conversion_factor("s", unit)
        case CountOfEdges() | CountOfEvents():
            _require_unit("1", unit, field=field)
        case IndicatorOfMachine(indicator=indicator):
            _require_unit("/h" if indicator == "throughput_rate" else "1", unit, field=field)
            if indicator in {"effectiveness", "oee", "nee"} and measure.planned_s_per_item is None:
                raise PlanFormError(
                    f"{indicator} needs planned_s_per_item, the planned run time of a part in seconds",
                    field=field,
                    rule="planned-time",
                )
        case _:
            pass
    if isinstance(measure, StatisticOfSignal) and (measure.statistic == "percentile") != (measure.percent is not None):
        raise PlanFormError(
            "a percentile needs percent, and only a percentile has it", field=field, rule="percent-of-percentile"
        )


def _unit_of(reference: SignalReference, units: SignalUnits) -> str:
    return units[reference.device][reference.signal] or "1"


def _require_unit(wanted: str, unit: str, *, field: str) -> None:
    if unit != wanted:
        raise UnitMismatchError(
            f"this is measured in {wanted}, not in {unit}", field=field, rule="units-match", nearest=[wanted]
        )
