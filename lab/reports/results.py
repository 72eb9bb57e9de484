"""The one result object of a pilot: PDF, HTML page, JSON and charts are all made from it, so no number is typed twice.

Frozen values only; `Results.model_validate_json(results.model_dump_json())` gives the same object, bit for bit.
Numbers that are not known are `None`, never NaN. Times are aware UTC; `identification.time_zone` is for showing them.
All texts are plain sentences, ready to print, never markup.
"""

import operator
from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from lab.pilots.plans import AmendedPlan, AnalysisPlan, ArmRole
from lab.reports.economics.findings import (
    EconomicCase,
    InputFigure,
    MoreRuns,
    NpvDistribution,
    PublicSupport,
    TornadoBar,
)
from lab.reports.issue import ReportIssue
from lab.reports.language import marked as N_  # noqa: N812
from lab.reports.sealed import SealedAttachment, SealedNote
from lab.reports.steadiness.findings import ArmCapability, ControlFinding, EnergySaving, Limits, MachineRecord
from lab.reports.traces.findings import Trace
from lab.reports.value import Interval as Interval
from lab.reports.value import Value

RELATES_ONLY = N_("Results relate only to the items tested.")
LAB_OEE = N_("Lab OEE is not your plant's OEE.")


class Verdict(StrEnum):
    """What the lab advises (domain.md §2)."""

    INVEST = "Invest"
    INVEST_UNDER_CONDITIONS = "Invest under conditions"
    EXTEND = "Extend the pilot"
    DO_NOT_INVEST = "Do not invest"


class GuardStatus(StrEnum):
    """What the data say about a guard."""

    MET = "met"
    UNDECIDED = "undecided"
    FAILED = "failed"


class Identification(Value):
    """Which report on what, for whom (ISO/IEC 17025 §7.8)."""

    report_number: str
    version: int
    status: str
    """draft, reviewed or approved."""
    pilot_number: str
    pilot_title: str
    lab_name: str
    lab_address: str | None = Field(default=None, exclude_if=operator.not_)
    customer: str
    time_zone: str
    """IANA zone of the lab, for showing times."""
    dated: datetime
    """The report's own date: when it was approved, before that when the data were sealed. Also the PDF's time stamp."""
    data_from: datetime | None
    """Start of the first run."""
    data_to: datetime | None
    """End of the last run."""
    data_set_version: int


class EvidenceGrade(Value):
    """How much the design lets one conclude (domain.md §3)."""

    letter: Literal["A", "B", "C", "D", "E"]
    label: str
    """e.g. "randomised and replicated"."""
    reason: str


class PlannedCriterion(Value):
    """One criterion as it stood in the locked plan."""

    label: str
    text: str


class FormerVersion(Value):
    """An earlier version of the locked plan, which a later one has replaced."""

    version: int
    locked_at: datetime
    locked_by: str
    sha256: str


class PlanChange(Value):
    """One thing that a later version of the locked plan changed."""

    version: int
    """Of the plan since when it holds."""
    at: datetime
    by: str
    what: str
    """e.g. "break-even"."""
    before: str
    after: str
    criterion: bool
    """Whether what is found, or how it is judged, depends on it."""
    runs_made: int
    """How many runs had been started before."""
    reason: str
    sentence: str


class LockedPlan(Value):
    """The analysis plan as it was locked."""

    version: int
    locked_at: datetime
    locked_by: str
    sha256: str
    objective: str
    hypothesis: str
    criteria: tuple[PlannedCriterion, ...]
    written_after_data: bool
    written_after_data_sentence: str | None
    """To be printed wherever the criteria are, when the flag is set."""
    former: tuple[FormerVersion, ...] = Field(default=(), exclude_if=operator.not_)
    """Earlier versions, the first one first."""
    changes: tuple[PlanChange, ...] = Field(default=(), exclude_if=operator.not_)
    """What later versions changed, in their order."""
    changed_after_runs: str | None = Field(default=None, exclude_if=operator.not_)
    """To be printed wherever the criteria are, if one was changed after runs had been made."""
    document: AmendedPlan | AnalysisPlan | None = Field(default=None, exclude_if=operator.not_)
    """The whole plan; `None`: in a report from before it was printed."""


class SignalSetup(Value):
    """One measured quantity that the report uses."""

    name: str
    label: str
    unit: str | None
    low: float | None
    high: float | None
    rate_hz: float | None
    sensor: str | None
    uncertainty: float | None
    """Expanded (k = 2), in the signal's unit."""
    calibration_due: date | None
    calibration_overdue: bool
    """At the end of the last run."""


class DeviceSetup(Value):
    """One device of the set-up."""

    id: str
    name: str
    kind: str
    location: str
    software_version: str | None
    signals: tuple[SignalSetup, ...]


class ArmSetup(Value):
    """One way of working that was tried."""

    name: str
    label: str
    role: ArmRole
    """`other`: recorded and shown, not compared by the plan."""
    settings: dict[str, float | str | bool]


class OrderedRun(Value):
    """A place in an order of runs."""

    run: int
    arm: str
    block: str | None = None


class Method(Value):
    """How it was done."""

    design: str
    """Short name, e.g. `completely_randomised`."""
    design_label: str
    randomised: bool
    seed: int | None
    alpha: float
    planned_order: tuple[OrderedRun, ...]
    executed_order: tuple[OrderedRun, ...]
    deviations: tuple[str, ...]
    blinding: str
    statistics: tuple[str, ...]
    """One sentence per method used, with its library."""


class Missing(Value):
    """Message numbers `first … last` (inclusive) that never came."""

    first: int
    last: int


class DeviceQuality(Value):
    """What came of one device in one run."""

    device: str
    boot: str | None
    first_seq: int | None
    last_seq: int | None
    expected_messages: int | None
    """`None`: unknown, because nobody asked the device for its last message number."""
    received_messages: int | None
    missing: tuple[Missing, ...]
    samples: int
    duplicates: int
    """Samples stored twice in spite of one identity; counted, not assumed to be 0."""
    late: int
    buffered: int
    skewed: int
    out_of_range: int
    clock_offset_ms: float | None
    """Settled less device time, the largest in size; `None` without samples."""


class SignalCoverage(Value):
    """How much of a run a signal covers."""

    device: str
    signal: str
    samples: int
    longest_gap_s: float | None
    coverage_percent: float


class RunQuality(Value):
    """Data quality of one run."""

    run: int
    arm: str
    executed_order: int | None
    started_at: datetime | None
    ended_at: datetime | None
    duration_s: float | None
    devices: tuple[DeviceQuality, ...]
    coverage: tuple[SignalCoverage, ...]
    coverage_percent: float | None
    """The worst of the signals that the KPIs need."""
    excluded: str | None
    """The reason, if the run is left out; it names the KPIs for which it counts nevertheless."""
    result: dict[str, float | str | bool | None]
    """What was found out about the part."""


class WithinRun(Value):
    """How sure the number of one run is, from its own samples; runs are compared with each other, not by this."""

    low: float
    high: float
    """Interval in the KPI's unit, by the stationary bootstrap."""
    samples: int
    effective_samples: float
    """How many independent samples would say as much."""


class RunValue(Value):
    """One run's number for one KPI."""

    run: int
    arm: str
    executed_order: int | None
    block: str | None = None
    """What the run is compared within, where the design has blocks."""
    levels: dict[str, float | str | bool] = Field(default={})
    """Levels of other factors; the period of a crossover."""
    value: float | None
    """For a proportion 1 (yes) or 0 (no); `None`: not available, `excluded` says why."""
    excluded: str | None
    """Why the run does not enter the comparison of this KPI; `None`: it does."""
    coverage_percent: float | None
    within: WithinRun | None = None
    """`None`: not the mean or the integral of one signal, or too few samples."""


class ArmSummary(Value):
    """The runs of one arm for one KPI."""

    arm: str
    label: str
    role: ArmRole
    n: int
    mean: float | None
    """For a proportion the share of runs with yes, 0 … 1."""
    sd: float | None
    """`None` below two runs and for proportions."""
    low: float | None
    high: float | None
    """Interval of the mean or share at the confidence level; `None` where it cannot be given."""
    successes: int | None
    """Of a proportion."""


class AssumptionCheck(Value):
    """One thing that a comparison takes for granted, looked at in these runs; it changes no number."""

    name: Literal["spread", "normality", "drift", "autocorrelation", "outliers", "changes"]
    status: Literal["ok", "caution", "not checked"]
    statistic: float | None = None
    p_value: float | None = None
    """`None` where there is no test, or too few runs for one."""
    runs: tuple[int, ...] = ()
    """Outliers, or the first runs after a change of level."""
    sentence: str


class Comparison(Value):
    """Treatment less baseline, in the KPI's unit unless said otherwise. No field here is made without inference."""

    difference: float
    percent: float | None
    """Of the baseline mean; `None` where that is zero."""
    interval: Interval
    """Of the difference."""
    interval_percent: Interval | None
    """The same as a share of the baseline mean, which is taken as exact."""
    level: float
    """Confidence level, e.g. 0.95."""
    method: str
    """e.g. "Welch's t interval" or "Newcombe's hybrid score interval"."""
    df: float | None
    standard_error: float | None = None
    """Of the difference, on `df` degrees of freedom; `None` for proportions."""
    p_value: float | None
    """Two-sided, of no difference at all."""
    p_holm: float | None
    """Secondary KPIs: adjusted by Holm for looking at several."""
    improvement: float
    """The difference with the sign turned so that more is better."""
    improvement_interval: Interval
    hodges_lehmann: float | None
    hodges_lehmann_interval: Interval | None
    permutation_p: float | None
    permutation_method: str | None
    """e.g. "exact, all 924 arrangements"."""
    hedges_g: float | None
    hedges_g_interval: Interval | None


class Criterion(Value):
    """The primary KPI's criterion as locked, as an improvement in the KPI's unit."""

    text: str
    break_even: float
    expected: float
    met: bool | None
    """Whether the lower bound lies above break-even; `None`: no inference possible."""
    decision: Literal["above", "below", "open", "no inference"]
    """Where the interval of the improvement lies against break-even."""


class KpiResult(Value):
    """One KPI: every run's number and the comparison of the arms."""

    key: str
    label: str
    unit: str
    """As people read it: `kWh`, `s`, `µm`; empty for a proportion or a bare number."""
    kind: Literal["number", "proportion"]
    direction: Literal["lower", "higher"]
    """Which way is better."""
    role: Literal["primary", "secondary", "guard"]
    definition: str
    runs: tuple[RunValue, ...]
    """In executed order, excluded ones too."""
    arms: tuple[ArmSummary, ...]
    comparison: Comparison | None
    no_inference: str | None
    """Why there is no comparison."""
    assumptions: tuple[str, ...]
    """What was looked at, and what to be careful about."""
    checks: tuple[AssumptionCheck, ...] = ()
    """The assumptions one by one, those that hold too."""
    criterion: Criterion | None
    """Of the primary KPI."""
    tolerance: Limits | None = None
    """Specification limits, where the plan has them."""
    capabilities: tuple[ArmCapability, ...] = ()
    """Of each arm against the tolerance."""
    control: ControlFinding | None = None
    """Control charts over the runs; `None` for proportions and with few runs."""
    energy: EnergySaving | None = None
    """Of a KPI that is an energy."""
    is_oee: bool = False
    """An OEE or NEE of ISO 22400: the lab's, not the plant's."""
    sentence: str
    """What a director reads."""


class GuardResult(Value):
    """A KPI that must not get worse by more than its margin."""

    key: str
    """Of the `KpiResult` with the same key."""
    label: str
    unit: str
    kind: Literal["number", "proportion"]
    margin: float
    """Largest tolerable worsening, > 0, in the unit (proportions: 0 … 1)."""
    worsening: float | None
    """Treatment against baseline, more is worse; `None`: not known."""
    interval: Interval | None
    """Of the worsening."""
    status: GuardStatus
    p_value: float | None = None
    """One-sided, of being worse by the margin or more (the half of TOST that matters); met below α/2."""
    sentence: str


class KeyNumber(Value):
    """One of the three to five numbers of the decision page."""

    label: str
    value: float | None
    unit: str
    interval: Interval | None
    text: str
    """Ready to print, with unit and interval."""


class FurtherRuns(Value):
    """How many more runs an arm would decide."""

    per_arm: int | None
    """`None`: no number can be given; the sentence says why."""
    sentence: str


class Economics(Value):
    """What the investment is worth: by the locked plan's figures and the effect that the pilot has seen."""

    break_even: float
    expected: float
    unit: str
    sentence: str
    """Where break-even comes from."""
    currency: str | None = None
    """ISO 4217; `None`: the plan has no figures of the company, and nothing below but the public support is known."""
    inputs: tuple[InputFigure, ...] = ()
    """As locked."""
    effect: float | None = None
    """The improvement seen, from which everything below is computed; in `unit`."""
    yearly_cash_flow_cents: int | None = None
    with_grant: EconomicCase | None = None
    without_grant: EconomicCase | None = None
    """`None` also where no grant is counted on: `with_grant` is then the only case."""
    tornado: tuple[TornadoBar, ...] = ()
    """The largest swing first."""
    distribution: NpvDistribution | None = None
    more_runs: MoreRuns | None = None
    not_appraised: str | None = None
    """Why there are figures of the company and yet nothing is computed from them."""
    sentences: tuple[str, ...] = ()
    """What a director reads."""
    support: PublicSupport | None = None
    """`None`: the sealed data have no prices."""


class Attachment(SealedAttachment):
    """A photo or document that goes with the report."""

    bytes: int
    sha256: str


class ManifestEntry(Value):
    """One sealed file."""

    path: str
    bytes: int
    sha256: str


class Manifest(Value):
    """The input manifest; it does not contain the report."""

    sha256: str
    """Of manifest.json itself; printed in the PDF."""
    files: tuple[ManifestEntry, ...]


class SoftwareVersion(Value):
    """A program or library that took part."""

    name: str
    version: str


class Results(Value):
    """Everything that a report says."""

    format: Literal[1] = 1
    identification: Identification
    issue: ReportIssue
    """What people say in this version, and who stands for it."""
    question: str
    answer: str
    """One sentence."""
    verdict: Verdict
    verdict_reasons: tuple[str, ...]
    """Why this verdict and no better one, by the locked rule; in order of weight."""
    verdict_rule: str
    grade: EvidenceGrade
    key_numbers: tuple[KeyNumber, ...]
    risks: tuple[str, ...]
    next_step: str
    plan: LockedPlan
    devices: tuple[DeviceSetup, ...]
    arms: tuple[ArmSetup, ...]
    method: Method
    quality: tuple[RunQuality, ...]
    """In executed order."""
    kpis: tuple[KpiResult, ...]
    """The primary first, then secondary ones, then guards."""
    guards: tuple[GuardResult, ...]
    machines: tuple[MachineRecord, ...] = ()
    """What the machines spent the runs on, by device and arm; of those that report states."""
    traces: tuple[Trace, ...] = ()
    """The primary KPI's signals over a typical run of each arm."""
    further_runs: FurtherRuns | None
    """Given with the verdict Extend."""
    economics: Economics
    not_tested: tuple[str, ...]
    attachments: tuple[Attachment, ...] = ()
    """Photos and documents, in the order in which they were added."""
    notes: tuple[SealedNote, ...] = ()
    """What was written down for the report, in this order."""
    statements: tuple[str, ...]
    """To be printed as they stand: `RELATES_ONLY` always, `LAB_OEE` where an OEE is shown, and others."""
    manifest: Manifest
    software: tuple[SoftwareVersion, ...]

    @property
    def primary(self) -> KpiResult:
        """The KPI that the verdict stands on."""
        return self.kpis[0]
