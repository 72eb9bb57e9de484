"""From a sealed data set to the result object: pure, from the folder alone, so that anyone can do it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from lab.pilots.designs import RANDOMISED
from lab.pilots.units import unit_label
from lab.reports import advice
from lab.reports.economics.appraisal import appraise
from lab.reports.economics.writing import economic_key_numbers
from lab.reports.issue import ReportIssue, report_number
from lab.reports.kpi_words import criterion_text
from lab.reports.kpis import limits_of, states_of
from lab.reports.language import marked as N_  # noqa: N812
from lab.reports.language import say as _
from lab.reports.language import writing_in
from lab.reports.methods import DESIGNS, describe_statistics
from lab.reports.numbers import format_number
from lab.reports.outcomes import counted, guard_result, kpi_results
from lab.reports.photos import attachments_of
from lab.reports.plan_changes import changed_after_runs, former_versions, plan_changes
from lab.reports.quality import run_quality
from lab.reports.results import (
    LAB_OEE,
    RELATES_ONLY,
    ArmSetup,
    DeviceSetup,
    EvidenceGrade,
    GuardResult,
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
from lab.reports.steadiness.findings import MachineRecord
from lab.reports.steadiness.process import machine_record
from lab.reports.traces.typical import traces_of
from lab.reports.verdict import RULE, Evidence, grade_of, verdict_of
from lab.reports.within import with_intervals_within

WRITTEN_AFTER_DATA = N_(
    "The question, the criteria and this plan were written after the data existed. Nobody could be surprised by the "
    "numbers: read the result as a description of these runs, not as a test."
)

_LIBRARIES = ("pilotlab", "arch", "numpy", "pyarrow", "ruptures", "scipy", "statsmodels")
ROLES = {"primary": N_("primary"), "secondary": N_("secondary"), "guard": N_("guard")}
_SEEDED = RANDOMISED | {"crossover"}


@dataclass(frozen=True, slots=True)
class Decision:
    """What the data of a pilot come to by the locked rule."""

    kpis: tuple[KpiResult, ...]
    guards: tuple[GuardResult, ...]
    grade: EvidenceGrade
    verdict: Verdict


def decide(data: SealedData) -> Decision:
    """From samples to one number a run, to the comparison of the arms, to the verdict."""
    plan = data.plan
    kpis = kpi_results(data)
    primary = kpis[0]
    margins = {kpi.key: kpi.margin for kpi in plan.kpis if kpi.margin is not None}
    guards = tuple(guard_result(plan, kpi, margins[kpi.key]) for kpi in kpis if kpi.key in margins)
    grade = grade_of(_evidence(data, primary))
    improvement = None if primary.comparison is None else primary.comparison.improvement_interval
    verdict = verdict_of(improvement, plan.break_even, [guard.status for guard in guards], grade.letter)
    return Decision(kpis, guards, grade, verdict)


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
    with writing_in(issue.statement.language):
        return _results(data, issue)


def _results(data: SealedData, issue: ReportIssue) -> Results:
    plan = data.plan
    made = sorted(data.runs, key=lambda run: (run.executed_order is None, run.executed_order or 0, run.number))
    quality = tuple(run_quality(data, run) for run in made)
    found = decide(data)
    kpis, guards, grade, verdict = with_intervals_within(data, found.kpis), found.guards, found.grade, found.verdict
    primary = kpis[0]
    further = advice.further_runs(plan, primary, grade) if verdict is Verdict.EXTEND else None
    devices = _devices(data)
    locked = _locked_plan(data)
    told = () if locked.changed_after_runs is None else (locked.changed_after_runs,)
    economics = appraise(data, primary, further)
    return Results(
        identification=_identification(data, issue),
        issue=issue,
        question=data.pilot.question,
        answer=advice.answer(plan, verdict, primary, guards, grade),
        verdict=verdict,
        verdict_reasons=(*told, *advice.reasons(plan, verdict, primary, guards, grade)),
        verdict_rule=_(RULE, level=format_number(100 * (1 - plan.alpha))),
        grade=grade,
        key_numbers=advice.key_numbers(kpis) + economic_key_numbers(economics),
        risks=advice.risks(plan, kpis, guards, grade, quality, devices),
        next_step=advice.next_step(verdict, further),
        plan=locked,
        devices=devices,
        arms=tuple(ArmSetup(name=arm.name, label=arm.label, role=arm.role, settings=arm.settings) for arm in plan.arms),
        method=_method(data, locked, made, quality),
        quality=quality,
        kpis=kpis,
        guards=guards,
        machines=_machines(data),
        traces=traces_of(data, primary),
        further_runs=further,
        economics=economics,
        not_tested=plan.not_tested,
        attachments=attachments_of(data.pilot.attachments, data.manifest),
        notes=data.pilot.notes,
        statements=(_(RELATES_ONLY), *([_(LAB_OEE)] if any(kpi.is_oee for kpi in kpis) else [])),
        manifest=_manifest(data),
        software=tuple(SoftwareVersion(name=name, version=version(name)) for name in _LIBRARIES),
    )


def _machines(data: SealedData) -> tuple[MachineRecord, ...]:
    """Of every device that reported states in a run that counts, by arm."""
    records = []
    for device in data.devices:
        for arm in data.plan.arms:
            made = [(run, limits_of(data, run)) for run in data.runs if run.arm == arm.name and run.excluded is None]
            spans = [
                (states_of(data, run, device.id), limits.start_ns, limits.end_ns) for run, limits in made if limits
            ]
            if any(states for states, _, _ in spans):
                records.append(machine_record(device.id, arm, spans, alpha=data.plan.alpha))
    return tuple(records)


def _identification(data: SealedData, issue: ReportIssue) -> Identification:
    pilot = data.pilot
    return Identification(
        report_number=report_number(pilot.number, issue.version),
        version=issue.version,
        status=issue.status,
        pilot_number=pilot.number,
        pilot_title=pilot.title,
        lab_name=pilot.lab_name,
        lab_address=pilot.lab_address,
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
        controlled=any(arm.role == "control_before" for arm in data.plan.arms),
    )


def _executed(runs: Sequence[SealedRun]) -> list[SealedRun]:
    return sorted((run for run in runs if run.executed_order is not None), key=lambda run: run.executed_order or 0)


def _locked_plan(data: SealedData) -> LockedPlan:
    pilot, plan, changes = data.pilot, data.plan, plan_changes(data)
    return LockedPlan(
        version=pilot.plan_version,
        locked_at=pilot.plan_locked_at,
        locked_by=pilot.plan_locked_by,
        sha256=pilot.plan_sha256,
        objective=plan.objective,
        hypothesis=plan.hypothesis,
        criteria=tuple(
            PlannedCriterion(label=f"{kpi.label} ({_(ROLES[kpi.role])})", text=criterion_text(plan, kpi))
            for kpi in plan.kpis
        ),
        written_after_data=plan.written_after_data,
        written_after_data_sentence=_(WRITTEN_AFTER_DATA) if plan.written_after_data else None,
        former=former_versions(data),
        changes=changes,
        changed_after_runs=changed_after_runs(changes),
        document=plan,
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


def _method(data: SealedData, locked: LockedPlan, made: Sequence[SealedRun], quality: Sequence[RunQuality]) -> Method:
    plan = data.plan
    planned = sorted(data.runs, key=lambda run: run.number)
    executed = _executed(data.runs)
    return Method(
        design=plan.design,
        design_label=_(DESIGNS[plan.design]),
        randomised=plan.design in RANDOMISED,
        seed=plan.seed if plan.design in _SEEDED else None,
        alpha=plan.alpha,
        planned_order=tuple(OrderedRun(run=run.number, arm=run.arm, block=run.block) for run in planned),
        executed_order=tuple(OrderedRun(run=run.number, arm=run.arm, block=run.block) for run in executed),
        deviations=(*(change.sentence for change in locked.changes), *_deviations(data, executed, quality)),
        blinding=_("None: whoever ran the machine knew the arm of every run."),
        statistics=describe_statistics(plan),
    )


def _deviations(data: SealedData, executed: Sequence[SealedRun], quality: Sequence[RunQuality]) -> tuple[str, ...]:
    numbers = [run.number for run in executed]
    moved = [] if numbers == sorted(numbers) else [_("The runs were not made in the planned order.")]
    left_out = [
        _("Run {run} was left out: {reason}.", run=run.run, reason=run.excluded)
        for run in sorted(quality, key=lambda run: run.run)
        if run.excluded is not None and data.plan.arm(run.arm).role != "other"
    ]
    return (*moved, *left_out)


def _manifest(data: SealedData) -> Manifest:
    return Manifest(
        sha256=data.manifest_sha256,
        files=tuple(
            ManifestEntry(path=file.path, bytes=file.bytes, sha256=file.sha256) for file in data.manifest.files
        ),
    )
