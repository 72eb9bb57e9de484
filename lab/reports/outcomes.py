"""From runs to what the report says about each KPI and each guard."""

from collections.abc import Sequence

from lab.pilots.plans import (
    AnalysisPlan,
    IndicatorOfMachine,
    Kpi,
)
from lab.pilots.units import unit_label
from lab.reports.adjusted import nuisances_of
from lab.reports.analysis import adjustment_of, compare_runs, compared_runs, values_of
from lab.reports.checks import Residuals, check_assumptions
from lab.reports.comparison import holm, mean_interval, not_worse_p, share_interval
from lab.reports.kpi_words import criterion_text, definition_text
from lab.reports.kpis import exceeds_planned_time, run_value
from lab.reports.language import marked as N_  # noqa: N812
from lab.reports.language import say as _
from lab.reports.linear import fit_effect
from lab.reports.numbers import decimals_of, format_interval, format_number, format_quantity, with_unit
from lab.reports.results import (
    ArmSummary,
    AssumptionCheck,
    Comparison,
    Criterion,
    GuardResult,
    GuardStatus,
    Interval,
    KpiResult,
    RunValue,
)
from lab.reports.sealing import SealedData
from lab.reports.steadiness.energy import energy_saving
from lab.reports.steadiness.findings import EnergySaving, Limits
from lab.reports.steadiness.process import capabilities_of, control_of
from lab.reports.verdict import decision_of, guard_status
from lab.reports.writing import relative_effect

_ROLES = {"primary": 0, "secondary": 1, "guard": 2}
_FEW = 5
_NOT_RANDOMISED = N_("The order was not randomised: a drift of the machine would be taken for an effect.")


def kpi_results(data: SealedData) -> tuple[KpiResult, ...]:
    """Every KPI of the plan: the primary first, then secondary ones (adjusted by Holm), then guards."""
    ordered = sorted(data.plan.kpis, key=lambda kpi: _ROLES[kpi.role])
    return _adjusted([_kpi_result(data, kpi) for kpi in ordered])


def is_oee(kpi: Kpi) -> bool:
    """Whether a KPI is an OEE, or one by its name."""
    measured = isinstance(kpi.measure, IndicatorOfMachine) and kpi.measure.indicator in {"oee", "nee"}
    return measured or "oee" in kpi.key


def counted(result: KpiResult, arm: str) -> list[float]:
    """The numbers of an arm that enter the comparison, in executed order."""
    return [run.value for run in result.runs if run.arm == arm and run.excluded is None and run.value is not None]


def guard_result(plan: AnalysisPlan, result: KpiResult, margin: float) -> GuardResult:
    """What the data say about a guard."""
    comparison = result.comparison
    base, treat = (counted(result, arm.name) for arm in (plan.baseline, plan.treatment))
    interval = None if comparison is None else _turned(comparison.improvement_interval)
    status = guard_status(interval, margin)
    return GuardResult(
        key=result.key,
        label=result.label,
        unit=result.unit,
        kind=result.kind,
        margin=margin,
        worsening=None if comparison is None else -comparison.improvement,
        interval=interval,
        status=status,
        p_value=None
        if comparison is None
        else not_worse_p(base, treat, comparison, direction=result.direction, margin=margin),
        sentence=_guard_sentence(result, interval, margin, status),
    )


def points(interval: Interval) -> Interval:
    """A difference of shares in percentage points."""
    return Interval(low=100 * interval.low, high=100 * interval.high)


def written_interval(interval: Interval, result: KpiResult | GuardResult, *, sign: bool = False) -> str:
    """An interval with its unit, ready to print."""
    if result.kind == "proportion":
        return format_interval(100 * interval.low, 100 * interval.high, _("percentage points"), decimals=0, sign=sign)
    return format_interval(interval.low, interval.high, result.unit, sign=sign)


def written_value(
    value: float, result: KpiResult | GuardResult, interval: Interval | None, *, sign: bool = False
) -> str:
    """A difference with its unit, to the digits that its interval allows."""
    if result.kind == "proportion":
        return format_quantity(100 * value, _("percentage points"), decimals=0, sign=sign)
    decimals = None if interval is None else decimals_of(interval.low, interval.high)
    return format_quantity(value, result.unit, decimals=decimals, sign=sign)


def _kpi_result(data: SealedData, kpi: Kpi) -> KpiResult:
    plan = data.plan
    made = sorted(data.runs, key=lambda run: (run.executed_order is None, run.executed_order or 0, run.number))
    runs = tuple(run_value(data, run, kpi) for run in made)
    base, treat = (values_of(runs, arm.name) for arm in (plan.baseline, plan.treatment))
    comparison, no_inference = compare_runs(plan, kpi, runs)
    counting = [run for run in runs if run.value is not None and run.excluded is None]
    checks = _checks(plan, kpi, runs) if comparison is not None and kpi.kind == "number" else ()
    result = KpiResult(
        key=kpi.key,
        label=kpi.label,
        unit=unit_label(kpi.unit),
        kind=kpi.kind,
        direction=kpi.direction,
        role=kpi.role,
        definition=definition_text(plan, kpi),
        runs=runs,
        arms=tuple(_arm_summary(plan, kpi, arm.name, values_of(runs, arm.name)) for arm in plan.arms),
        comparison=comparison,
        no_inference=no_inference,
        assumptions=(
            *_planned_time(data, kpi),
            *_assumptions(plan, kpi, base, treat, comparison),
            *(check.sentence for check in checks if check.status == "caution"),
        ),
        checks=checks,
        criterion=_criterion(plan, kpi, comparison) if kpi.role == "primary" else None,
        energy=_energy(plan, kpi, runs),
        is_oee=is_oee(kpi),
        tolerance=None if kpi.tolerance is None else Limits(low=kpi.tolerance.low, high=kpi.tolerance.high),
        capabilities=capabilities_of(kpi, plan.arms, counting, alpha=plan.alpha),
        control=control_of(compared_runs(plan, runs)) if kpi.kind == "number" else None,
        sentence="",
    )
    return result.model_copy(update={"sentence": _sentence(result)})


def _energy(plan: AnalysisPlan, kpi: Kpi, runs: Sequence[RunValue]) -> EnergySaving | None:
    """What was saved; not where a control says how much would have changed anyway."""
    if kpi.kind != "number" or any(arm.role == "control_before" for arm in plan.arms):
        return None
    used = compared_runs(plan, runs)
    return energy_saving(used, unit=kpi.unit, baseline=plan.baseline.name, treatment=plan.treatment.name)


def _adjusted(results: Sequence[KpiResult]) -> tuple[KpiResult, ...]:
    """Secondary KPIs are looked at together: their p values are adjusted by Holm."""
    tested = [
        result
        for result in results
        if result.role == "secondary" and result.comparison is not None and result.comparison.p_value is not None
    ]
    p_values = [result.comparison.p_value or 0.0 for result in tested if result.comparison is not None]
    adjusted = dict(zip([result.key for result in tested], holm(p_values), strict=True))
    return tuple(
        result.model_copy(update={"comparison": result.comparison.model_copy(update={"p_holm": adjusted[result.key]})})
        if result.key in adjusted and result.comparison is not None
        else result
        for result in results
    )


def _arm_summary(plan: AnalysisPlan, kpi: Kpi, name: str, values: Sequence[float]) -> ArmSummary:
    arm = plan.arm(name)
    n = len(values)
    mean = sum(values) / n if n else None
    proportion = kpi.kind == "proportion"
    interval = share_interval(values, plan.alpha) if proportion else mean_interval(values, plan.alpha)
    squares = sum((value - mean) ** 2 for value in values) if mean is not None else 0.0
    return ArmSummary(
        arm=name,
        label=arm.label,
        role=arm.role,
        n=n,
        mean=mean,
        sd=(squares / (n - 1)) ** 0.5 if n > 1 and not proportion else None,
        low=None if interval is None else interval.low,
        high=None if interval is None else interval.high,
        successes=int(sum(values)) if proportion else None,
    )


def _criterion(plan: AnalysisPlan, kpi: Kpi, comparison: Comparison | None) -> Criterion:
    improvement = None if comparison is None else comparison.improvement_interval
    decision = decision_of(improvement, plan.break_even)
    return Criterion(
        text=criterion_text(plan, kpi),
        break_even=plan.break_even,
        expected=plan.expected,
        met=None if comparison is None else decision == "above",
        decision=decision,
    )


def _assumptions(
    plan: AnalysisPlan, kpi: Kpi, base: Sequence[float], treat: Sequence[float], comparison: Comparison | None
) -> tuple[str, ...]:
    if comparison is None:
        return ()
    notes = [_("Runs are taken as independent of each other.")]
    notes += _of_design(plan, kpi)
    if min(len(base), len(treat)) < _FEW:
        notes.append(
            _(
                "Only {n} runs in an arm: the interval rests on the assumption that runs spread normally.",
                n=min(len(base), len(treat)),
            )
            if kpi.kind == "number"
            else _("Only {n} parts in an arm: a share is known only roughly.", n=min(len(base), len(treat)))
        )
    return tuple(notes)


def _planned_time(data: SealedData, kpi: Kpi) -> list[str]:
    """Effectiveness above 1 is told, never clipped: the planned time of a part is wrong."""
    if not isinstance(kpi.measure, IndicatorOfMachine):
        return []
    measure = kpi.measure
    found = [run.number for run in data.runs if run.ended_at is not None and exceeds_planned_time(data, run, measure)]
    if not found:
        return []
    return [
        _(
            "More was made than the planned time of a part, {planned} s, allows (run {runs}): that time is wrong, and "
            "so is this number.",
            planned=format_number(measure.planned_s_per_item or 0),
            runs=", ".join(map(str, found)),
        )
    ]


def _of_design(plan: AnalysisPlan, kpi: Kpi) -> list[str]:
    """What the design leaves to trust."""
    steady = _("What is compared is taken to spread alike in both arms.")
    match plan.design:
        case "blocked":
            notes = [_("The effect is taken to be the same in every block."), steady]
        case "abab" | "abba":
            notes = [_("The arms took turns: a change in step with the turns would be taken for an effect."), steady]
        case "crossover":
            notes = [_("What a subject did first is taken not to matter for what it did next."), steady]
        case "factorial":
            notes = [_("The effect is taken to be the same at all levels of the other factors."), steady]
            if plan.generators is not None:
                notes.append(_("Only a fraction of the combinations was tried: joint effects may hide in the effect."))
        case "before_after" if len(plan.arms) > 2:
            notes = [_("Without the change, both would have gone the same way from before to after.")]
        case _:
            notes = [] if plan.design == "completely_randomised" else [_(_NOT_RANDOMISED)]
            notes.append(_("The two arms may differ in spread; Welch's interval allows for that."))
    if kpi.kind == "number":
        return notes
    return [_(_NOT_RANDOMISED)] if _(_NOT_RANDOMISED) in notes else []


def _checks(plan: AnalysisPlan, kpi: Kpi, runs: Sequence[RunValue]) -> tuple[AssumptionCheck, ...]:
    used = compared_runs(plan, runs)
    treated = [run.arm == plan.treatment.name for run in used]
    adjustment = adjustment_of(plan, used)
    if plan.design in {"abab", "abba"} and adjustment is not None:
        adjustment = None  # a drift that is allowed for is told all the same
    fit = fit_effect(
        [run.value or 0.0 for run in used], treated, None if adjustment is None else nuisances_of(adjustment)
    )
    if fit is None:
        return ()
    left = Residuals(tuple(run.run for run in used), tuple(treated), fit.residuals, fit.leverages)
    return check_assumptions(left, unit_label(kpi.unit))


def _sentence(result: KpiResult) -> str:
    if result.comparison is None:
        return f"{result.label}: {result.no_inference}."
    base, treat = (next(arm for arm in result.arms if arm.role == role) for role in ("baseline", "treatment"))
    comparison = result.comparison
    facts = {"label": result.label, "level": format_number(100 * comparison.level)}
    interval = written_interval(comparison.interval, result, sign=True)
    change = written_value(comparison.difference, result, comparison.interval, sign=True)
    if result.kind == "proportion":
        return _(
            "{label}: {base} and {treat}; difference {change} ({level} % interval {interval}).",
            base=written_share(base),
            treat=written_share(treat),
            change=change,
            interval=interval,
            **facts,
        )
    decimals = decimals_of(comparison.interval.low, comparison.interval.high)
    first, last = (format_number(arm.mean or 0.0, decimals=decimals) for arm in (base, treat))
    relative = relative_effect(result)
    percent = f", {with_unit(relative, '%')}" if relative else ""
    facts |= {
        "first": first,
        "last": with_unit(last, result.unit),
        "change": f"{change}{percent}",
        "interval": interval,
    }
    if comparison.difference < 0:
        return _("{label} fell from {first} to {last}: {change} ({level} % interval {interval}).", **facts)
    return _("{label} rose from {first} to {last}: {change} ({level} % interval {interval}).", **facts)


def written_share(arm: ArmSummary) -> str:
    """How many of an arm's runs said yes."""
    return _("{yes} of {n} ({arm})", yes=arm.successes, n=arm.n, arm=arm.label)


def _guard_sentence(result: KpiResult, interval: Interval | None, margin: float, status: GuardStatus) -> str:
    limit = written_value(margin, result, None)
    if interval is None:
        return _("Undecided: {reason}.", reason=result.no_inference)
    reach = written_interval(interval, result, sign=True)
    match status:
        case GuardStatus.MET:
            return _(
                "Met: the change for the worse lies within {reach}, the margin is {limit}.", reach=reach, limit=limit
            )
        case GuardStatus.FAILED:
            return _(
                "Failed: the change for the worse lies within {reach}, all of it beyond the margin of {limit}.",
                reach=reach,
                limit=limit,
            )
        case GuardStatus.UNDECIDED:
            return _(
                "Undecided: the change for the worse lies within {reach}, on both sides of the margin of {limit}.",
                reach=reach,
                limit=limit,
            )


def _turned(interval: Interval) -> Interval:
    return Interval(low=-interval.high, high=-interval.low)
