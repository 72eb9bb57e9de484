"""What the report advises, in sentences: answer, reasons, risks, next step, further runs, the few key numbers."""

import math
from collections.abc import Sequence

from lab.pilots.plans import AnalysisPlan, ResultValue
from lab.pilots.power import layout_of
from lab.pilots.units import unit_label
from lab.reports.comparison import WELCH, spread
from lab.reports.language import say as _
from lab.reports.numbers import format_number, format_quantity, with_unit
from lab.reports.outcomes import counted, written_interval, written_share, written_value
from lab.reports.results import (
    DeviceSetup,
    EvidenceGrade,
    FurtherRuns,
    GuardResult,
    GuardStatus,
    KeyNumber,
    KpiResult,
    RunQuality,
    Verdict,
)
from lab.reports.verdict import runs_needed
from lab.reports.writing import relative_effect

_MOST_KEY_NUMBERS = 5


def answer(
    plan: AnalysisPlan, verdict: Verdict, primary: KpiResult, guards: Sequence[GuardResult], grade: EvidenceGrade
) -> str:
    """The answer to the pilot's question, in one sentence."""
    limit = of_primary(plan, plan.break_even)
    if primary.comparison is None:
        effect = _("the runs allow no conclusion")
    else:
        interval = primary.comparison.improvement_interval
        gain = written_value(primary.comparison.improvement, primary, interval)
        effect = _(
            "{kpi} improves by {gain} ({level} % interval {interval})",
            kpi=mid_sentence(primary.label),
            gain=gain,
            level=format_number(100 * primary.comparison.level),
            interval=written_interval(interval, primary),
        )
    failed = [guard.label for guard in guards if guard.status is GuardStatus.FAILED]
    match verdict:
        case Verdict.INVEST:
            return _(
                "Yes: with {treatment}, {effect}, more than the {limit} at which the investment just pays, and nothing "
                "that had to stay as good got worse than agreed.",
                treatment=mid_sentence(plan.treatment.label),
                effect=effect,
                limit=limit,
            )
        case Verdict.INVEST_UNDER_CONDITIONS:
            return _(
                "Yes, under conditions: {effect}, more than the {limit} at which the investment just pays, but "
                "{conditions}.",
                effect=effect,
                limit=limit,
                conditions=_conditions(guards, grade),
            )
        case Verdict.DO_NOT_INVEST if failed:
            return _(
                "No: {guards} got worse by more than the agreed margin.",
                guards=_listed([mid_sentence(label) for label in failed]),
            )
        case Verdict.DO_NOT_INVEST:
            return _(
                "No: {effect}, less than the {limit} at which the investment just pays.", effect=effect, limit=limit
            )
        case Verdict.EXTEND:
            return _(
                "Not answered yet: {effect}, which does not settle whether it is more than the {limit} at which the "
                "investment just pays.",
                effect=effect,
                limit=limit,
            )


def reasons(
    plan: AnalysisPlan, verdict: Verdict, primary: KpiResult, guards: Sequence[GuardResult], grade: EvidenceGrade
) -> tuple[str, ...]:
    """Why this verdict and no better one, by the locked rule."""
    limit = of_primary(plan, plan.break_even)
    decision = primary.criterion.decision if primary.criterion is not None else "no inference"
    found = {
        "above": _("The whole interval of the improvement lies above break-even ({limit}).", limit=limit),
        "below": _("The whole interval of the improvement lies below break-even ({limit}).", limit=limit),
        "open": _("The interval of the improvement lies on both sides of break-even ({limit}).", limit=limit),
        "no inference": f"{primary.label}: {primary.no_inference}.",
    }[decision]
    rank = {GuardStatus.FAILED: 0, GuardStatus.UNDECIDED: 1, GuardStatus.MET: 2}
    ordered = sorted(guards, key=lambda guard: rank[guard.status])
    judged = [f"{guard.label} – {_lowered(guard.sentence)}" for guard in ordered]
    facts = {"letter": grade.letter, "label": grade.label}
    match grade.letter:
        case "D":
            evidence = _(
                "Evidence grade {letter}, {label}: the best verdict that it allows is Invest under conditions.", **facts
            )
        case "E":
            evidence = _("Evidence grade {letter}, {label}: it allows no advice to invest.", **facts)
        case _:
            evidence = _("Evidence grade {letter}, {label}.", **facts)
    guard_decides = verdict is Verdict.DO_NOT_INVEST and decision != "below"
    return (*judged, found, evidence) if guard_decides else (found, *judged, evidence)


def risks(
    plan: AnalysisPlan,
    kpis: Sequence[KpiResult],
    guards: Sequence[GuardResult],
    grade: EvidenceGrade,
    quality: Sequence[RunQuality],
    devices: Sequence[DeviceSetup],
) -> tuple[str, ...]:
    """What a director must know before signing, most important first."""
    by_key = {kpi.key: kpi for kpi in kpis}
    found = [_open_guard(by_key[guard.key], guard) for guard in guards if guard.status is not GuardStatus.MET]
    unfinished = _unfinished(plan, quality)
    found += dict.fromkeys(unfinished.values())
    found += [_price(by_key[guard.key], guard) for guard in guards if _is_surely_worse(guard)]
    if grade.letter in "DE":
        found.append(grade.reason)
    found += _left_out(plan, [run for run in quality if run.run not in unfinished])
    gaps = sorted({part.device for run in quality for part in run.devices if part.missing})
    if gaps:
        found.append(_("Messages of {devices} are missing; see the data quality.", devices=_listed(gaps)))
    overdue = [
        _("{signal} of {device}", signal=signal.label, device=device.id)
        for device in devices
        for signal in device.signals
        if signal.calibration_overdue
    ]
    if overdue:
        found.append(_("Calibration overdue: {signals}.", signals=_listed(overdue)))
    return tuple(found)


def next_step(verdict: Verdict, further: FurtherRuns | None) -> str:
    """What to do now, and who."""
    match verdict:
        case Verdict.INVEST:
            return _(
                "Customer: prepare the purchase; customer and lab: agree on how the effect is checked at the "
                "customer's own site."
            )
        case Verdict.INVEST_UNDER_CONDITIONS:
            return _(
                "Customer and lab: before the purchase, settle the open points named above or agree on watching them."
            )
        case Verdict.DO_NOT_INVEST:
            return _("Customer and lab: talk about other settings or other equipment; do not buy on these numbers.")
        case Verdict.EXTEND:
            if further is None or further.per_arm is None:
                return _("Customer and lab: decide whether more runs are worth their cost, then book the slots.")
            return _(
                "Customer and lab: decide whether {n} more runs an arm are worth their cost, then book the slots.",
                n=further.per_arm,
            )


def further_runs(plan: AnalysisPlan, primary: KpiResult, grade: EvidenceGrade) -> FurtherRuns:
    """How many more runs an arm would decide, if the effect is as large as the one seen."""
    if grade.letter == "E" and plan.demonstration_only:
        return FurtherRuns(
            per_arm=None, sentence=_("More runs of a demonstration decide nothing; a randomised pilot would.")
        )
    base, treat = counted(primary, plan.baseline.name), counted(primary, plan.treatment.name)
    sd = _spread_left(primary, base, treat)
    if primary.comparison is None or not sd:
        return FurtherRuns(
            per_arm=None, sentence=_("No number can be given before each arm has two runs that count and that differ.")
        )
    needed = runs_needed(
        improvement=primary.comparison.improvement,
        break_even=plan.break_even,
        sd=sd,
        runs=min(len(base), len(treat)),
        alpha=plan.alpha,
        layout=layout_of(plan),
    )
    if needed.further is None:
        return FurtherRuns(
            per_arm=None,
            sentence=_("The effect seen lies so near to break-even that no reasonable number of runs would part them."),
        )
    return FurtherRuns(
        per_arm=needed.further,
        sentence=_(
            "About {further} more runs an arm ({total} in all) would decide with 80 % probability, if the effect is as "
            "large as the one seen.",
            further=needed.further,
            total=needed.per_arm,
        ),
    )


def _spread_left(primary: KpiResult, base: Sequence[float], treat: Sequence[float]) -> float | None:
    """What runs differ by when everything is taken away that the design allows for."""
    found = primary.comparison
    if found is None or found.standard_error is None or found.method == _(WELCH):
        return spread(base, treat)
    groups = 2 if any(arm.role == "control_before" for arm in primary.arms) else 1
    return found.standard_error / math.sqrt(groups * (1 / len(base) + 1 / len(treat)))


def key_numbers(kpis: Sequence[KpiResult]) -> tuple[KeyNumber, ...]:
    """The three to five numbers of the decision page."""
    return tuple(_key_number(kpi) for kpi in kpis[:_MOST_KEY_NUMBERS])


def mid_sentence(label: str) -> str:
    """A label as it stands within a sentence; abbreviations keep their capitals."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


def _open_guard(kpi: KpiResult, guard: GuardResult) -> str:
    if kpi.kind == "proportion":
        status = {
            GuardStatus.MET: _("{guard}: {shares}; the guard is met.", guard=guard.label, shares=_shares(kpi)),
            GuardStatus.FAILED: _("{guard}: {shares}; the guard is failed.", guard=guard.label, shares=_shares(kpi)),
        }
        undecided = _("{guard}: {shares}; the guard is undecided.", guard=guard.label, shares=_shares(kpi))
        return status.get(guard.status, undecided)
    return f"{guard.label} – {_lowered(guard.sentence)}"


def _is_surely_worse(guard: GuardResult) -> bool:
    return guard.status is GuardStatus.MET and guard.interval is not None and guard.interval.low > 0


def _price(kpi: KpiResult, guard: GuardResult) -> str:
    """A guard may be met and still be the price of the improvement."""
    assert guard.interval is not None
    return _(
        "{guard} does get worse, by {interval}, within the margin that was agreed before.",
        guard=guard.label,
        interval=written_interval(guard.interval, kpi, sign=True),
    )


def _shares(kpi: KpiResult) -> str:
    return _listed([written_share(arm) for arm in kpi.arms if arm.role != "other"])


def _key_number(kpi: KpiResult) -> KeyNumber:
    comparison = kpi.comparison
    if kpi.kind == "proportion":
        text = _shares(kpi)
    elif comparison is None:
        text = _("no inference possible")
    else:
        relative = relative_effect(kpi)
        percent = f" ({with_unit(relative, '%')})" if relative else ""
        text = _(
            "{change}, {level} % interval {interval}",
            change=f"{written_value(comparison.difference, kpi, comparison.interval, sign=True)}{percent}",
            level=format_number(100 * comparison.level),
            interval=written_interval(comparison.interval, kpi, sign=True),
        )
    return KeyNumber(
        label=kpi.label,
        value=None if comparison is None else comparison.difference,
        unit=kpi.unit,
        interval=None if comparison is None else comparison.interval,
        text=text,
    )


def _conditions(guards: Sequence[GuardResult], grade: EvidenceGrade) -> str:
    open_guards = [mid_sentence(guard.label) for guard in guards if guard.status is GuardStatus.UNDECIDED]
    points = []
    if open_guards:
        points.append(_("whether it costs quality is still open ({guards})", guards=_listed(open_guards)))
    if grade.letter == "D":
        points.append(_("the evidence is only of grade D ({label})", label=grade.label))
    return _listed(points)


def _unfinished(plan: AnalysisPlan, quality: Sequence[RunQuality]) -> dict[int, str]:
    """Run → what is said of its arm, for every run whose part was not finished."""
    if any(isinstance(kpi.measure, ResultValue) and kpi.measure.field == "finished" for kpi in plan.kpis):
        return {}  # a KPI of its own says it
    found: dict[int, str] = {}
    for arm in (plan.baseline, plan.treatment):
        noted = [run for run in quality if run.arm == arm.name and isinstance(run.result.get("finished"), bool)]
        lost = [run for run in noted if run.result["finished"] is False]
        if lost:
            runs = _listed([str(run.run) for run in lost])
            said = _(
                "{arm}: {lost} of {all} parts not finished (run {runs}).",
                arm=arm.label, lost=len(lost), all=len(noted), runs=runs,
            )  # fmt: skip
            found |= {run.run: said for run in lost}
    return found


def _left_out(plan: AnalysisPlan, quality: Sequence[RunQuality]) -> list[str]:
    """Each reason once with the runs that do not count for it."""
    reasons: dict[str, list[str]] = {}
    for run in quality:
        if run.excluded is not None and plan.arm(run.arm).role != "other":
            reasons.setdefault(run.excluded, []).append(str(run.run))
    return [
        _("Run {runs} does not count: {reason}.", runs=runs[0], reason=reason)
        if len(runs) == 1
        else _("Runs {runs} do not count: {reason}.", runs=_listed(runs), reason=reason)
        for reason, runs in ((reason.rstrip("."), runs) for reason, runs in reasons.items())
    ]


def of_primary(plan: AnalysisPlan, value: float) -> str:
    """An amount of the primary KPI with its unit, ready to print."""
    if plan.primary.kind == "proportion":
        return format_quantity(100 * value, _("percentage points"))
    return format_quantity(value, unit_label(plan.primary.unit))


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _listed(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return _("{first} and {last}", first=", ".join(names[:-1]), last=names[-1])
