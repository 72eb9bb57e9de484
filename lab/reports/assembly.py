"""From a sealed data set to the result object: pure, from the folder alone, so that anyone can do it again."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from lab.pilots.units import unit_label
from lab.reports import advice
from lab.reports.economics.appraisal import appraise
from lab.reports.economics.writing import economic_key_numbers
from lab.reports.issue import ReportIssue, report_number
from lab.reports.outcomes import counted, criterion_text, guard_result, kpi_results
from lab.reports.quality import run_quality
from lab.reports.results import (
    LAB_OEE,
    RELATES_ONLY,
    ArmSetup,
    DeviceSetup,
    Identification,
    KpiResult,
    LockedPlan,
    Manifest,
    ManifestEntry,
    Method,
    OrderedRun,
    PlannedCriterion,
    Results,
    RunQuality,
    SignalSetup,
    SoftwareVersion,
    Verdict,
)
from lab.reports.sealed import SealedDevice, SealedRun, SealedSignal
from lab.reports.sealing import SealedData, read_data_set
from lab.reports.verdict import RULE, Evidence, grade_of, verdict_of

WRITTEN_AFTER_DATA = (
    "The question, the criteria and this plan were written after the data existed. Nobody could be surprised by the "
    "numbers: read the result as a description of these runs, not as a test."
)

_LIBRARIES = ("pilotlab", "numpy", "pyarrow", "scipy", "statsmodels")
_DESIGNS = {
    "completely_randomised": "Completely randomised",
    "as_recorded": "As recorded: the runs were made earlier, in an order that was not randomised",
}


def compute_results(folder: Path, *, manifest_sha256: str | None = None, issue: ReportIssue | None = None) -> Results:
    """Everything that a report says about a sealed data set.

    Args:
        folder: of the data set: manifest.json and the files that it names.
        manifest_sha256: what the manifest must have, where that is known.
        issue: what people say in the report; None: nothing yet, a first draft.

    Raises:
        DataSetAlteredError: if a file is missing or not what was sealed.
    """
    data, issue = read_data_set(folder, manifest_sha256=manifest_sha256), issue or ReportIssue()
    plan = data.plan
    made = sorted(data.runs, key=lambda run: (run.executed_order is None, run.executed_order or 0, run.number))
    quality = tuple(run_quality(data, run) for run in made)
    kpis = kpi_results(data)
    primary = kpis[0]
    margins = {kpi.key: kpi.margin for kpi in plan.kpis if kpi.margin is not None}
    guards = tuple(guard_result(kpi, margins[kpi.key]) for kpi in kpis if kpi.key in margins)
    grade = grade_of(_evidence(data, primary))
    improvement = None if primary.comparison is None else primary.comparison.improvement_interval
    verdict = verdict_of(improvement, plan.break_even, [guard.status for guard in guards], grade.letter)
    further = advice.further_runs(plan, primary, grade) if verdict is Verdict.EXTEND else None
    devices = _devices(data)
    economics = appraise(data, primary, further)
    return Results(
        identification=_identification(data, issue),
        issue=issue,
        question=data.pilot.question,
        answer=advice.answer(plan, verdict, primary, guards, grade),
        verdict=verdict,
        verdict_reasons=advice.reasons(plan, verdict, primary, guards, grade),
        verdict_rule=RULE,
        grade=grade,
        key_numbers=advice.key_numbers(kpis) + economic_key_numbers(economics),
        risks=advice.risks(plan, kpis, guards, grade, quality, devices),
        next_step=advice.next_step(verdict, further),
        plan=_locked_plan(data),
        devices=devices,
        arms=tuple(ArmSetup(name=arm.name, label=arm.label, role=arm.role, settings=arm.settings) for arm in plan.arms),
        method=_method(data, made, quality),
        quality=quality,
        kpis=kpis,
        guards=guards,
        further_runs=further,
        economics=economics,
        not_tested=plan.not_tested,
        statements=(RELATES_ONLY, LAB_OEE) if any("oee" in kpi.key for kpi in kpis) else (RELATES_ONLY,),
        manifest=_manifest(data),
        software=tuple(SoftwareVersion(name=name, version=version(name)) for name in _LIBRARIES),
    )


def _identification(data: SealedData, issue: ReportIssue) -> Identification:
    pilot = data.pilot
    return Identification(
        report_number=report_number(pilot.number, issue.version),
        version=issue.version,
        status=issue.status,
        pilot_number=pilot.number,
        pilot_title=pilot.title,
        lab_name=pilot.lab_name,
        customer=pilot.customer,
        time_zone=pilot.time_zone,
        dated=pilot.sealed_at if issue.approved is None else issue.approved.at,
        data_from=min((run.started_at for run in data.runs if run.started_at is not None), default=None),
        data_to=max((run.ended_at for run in data.runs if run.ended_at is not None), default=None),
        data_set_version=pilot.data_set_version,
    )


def _evidence(data: SealedData, primary: KpiResult) -> Evidence:
    executed = _executed(data.runs)
    planned = sorted(executed, key=lambda run: run.number)
    return Evidence(
        design=data.plan.design,
        demonstration_only=data.plan.demonstration_only,
        written_after_data=data.plan.written_after_data,
        order_followed=[run.arm for run in executed] == [run.arm for run in planned],
        least_runs=min(len(counted(primary, arm.name)) for arm in (data.plan.baseline, data.plan.treatment)),
    )


def _executed(runs: Sequence[SealedRun]) -> list[SealedRun]:
    return sorted((run for run in runs if run.executed_order is not None), key=lambda run: run.executed_order or 0)


def _locked_plan(data: SealedData) -> LockedPlan:
    pilot, plan = data.pilot, data.plan
    return LockedPlan(
        version=pilot.plan_version,
        locked_at=pilot.plan_locked_at,
        locked_by=pilot.plan_locked_by,
        sha256=pilot.plan_sha256,
        objective=plan.objective,
        hypothesis=plan.hypothesis,
        criteria=tuple(
            PlannedCriterion(label=f"{kpi.label} ({kpi.role})", text=criterion_text(plan, kpi)) for kpi in plan.kpis
        ),
        written_after_data=plan.written_after_data,
        written_after_data_sentence=WRITTEN_AFTER_DATA if plan.written_after_data else None,
    )


def _devices(data: SealedData) -> tuple[DeviceSetup, ...]:
    used = data.plan.signals()
    return tuple(
        DeviceSetup(
            id=device.id,
            name=device.name,
            kind=device.kind,
            location=device.location,
            software_version=device.software_version,
            signals=tuple(
                _signal(data, device, signal) for signal in device.signals if (device.id, signal.name) in used
            ),
        )
        for device in data.devices
    )


def _signal(data: SealedData, device: SealedDevice, signal: SealedSignal) -> SignalSetup:
    last_day = max((run.ended_at for run in data.runs if run.ended_at is not None), default=data.pilot.sealed_at).date()
    return SignalSetup(
        name=signal.name,
        label=signal.label,
        unit=unit_label(signal.unit),
        low=signal.low,
        high=signal.high,
        rate_hz=1000 / signal.expected_interval_ms if signal.expected_interval_ms else None,
        sensor=signal.sensor,
        uncertainty=signal.uncertainty,
        calibration_due=signal.calibration_due,
        calibration_overdue=signal.calibration_due is not None and signal.calibration_due < last_day,
    )


def _method(data: SealedData, made: Sequence[SealedRun], quality: Sequence[RunQuality]) -> Method:
    plan = data.plan
    planned = sorted(data.runs, key=lambda run: run.number)
    executed = _executed(data.runs)
    return Method(
        design=plan.design,
        design_label=_DESIGNS[plan.design],
        randomised=plan.design == "completely_randomised",
        seed=plan.seed if plan.design == "completely_randomised" else None,
        alpha=plan.alpha,
        planned_order=tuple(OrderedRun(run=run.number, arm=run.arm) for run in planned),
        executed_order=tuple(OrderedRun(run=run.number, arm=run.arm) for run in executed),
        deviations=_deviations(data, executed, quality),
        blinding="None: whoever ran the machine knew the arm of every run.",
        statistics=_statistics(data),
    )


def _deviations(data: SealedData, executed: Sequence[SealedRun], quality: Sequence[RunQuality]) -> tuple[str, ...]:
    numbers = [run.number for run in executed]
    moved = [] if numbers == sorted(numbers) else ["The runs were not made in the planned order."]
    left_out = [
        f"Run {run.run} was left out: {run.excluded}."
        for run in sorted(quality, key=lambda run: run.run)
        if run.excluded is not None and data.plan.arm(run.arm).role != "other"
    ]
    return (*moved, *left_out)


def _statistics(data: SealedData) -> tuple[str, ...]:
    level = f"{100 * (1 - data.plan.alpha):g} %"
    sentences = [
        "Each run is reduced to one number per KPI; runs are compared, never samples.",
        f"Difference of means with Welch's {level} interval, allowing for unequal spread (statsmodels).",
        "Hodges–Lehmann shift with its distribution-free interval, and a permutation test of the means (numpy).",
        "Standardised effect: Hedges' g (statsmodels).",
    ]
    if any(kpi.kind == "proportion" for kpi in data.plan.kpis):
        sentences.append(f"Shares: Newcombe's hybrid score {level} interval of the difference (statsmodels).")
    if any(kpi.role == "guard" for kpi in data.plan.kpis):
        sentences.append(
            f"A guard is met if the whole {level} interval of the change for the worse lies below its margin."
        )
    if sum(kpi.role == "secondary" for kpi in data.plan.kpis) > 1:
        sentences.append("The p values of secondary KPIs are adjusted by Holm (statsmodels).")
    return tuple(sentences)


def _manifest(data: SealedData) -> Manifest:
    return Manifest(
        sha256=data.manifest_sha256,
        files=tuple(
            ManifestEntry(path=file.path, bytes=file.bytes, sha256=file.sha256) for file in data.manifest.files
        ),
    )
