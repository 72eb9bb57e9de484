"""The analysis plan: what is asked, how it is tried, and by which numbers it is decided, fixed before the first run.

The shape is here; whether it makes sense is for `lab.pilots.rules` to say, with a named refusal.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from lab.core.errors import InvalidError
from lab.pilots.economics.inputs import EconomicInputs
from lab.pilots.economics.rules import computed_break_even
from lab.pilots.plan_part import PlanPart

_NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"  # they break charts, tables and PostgreSQL
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
FieldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_NO_CONTROLS)]
Prose = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=_NO_CONTROLS)]
Setting = float | Line | bool
ItemState = Literal["NotAvailable", "OutOfService", "NotExecuting", "Executing"]
OperationMode = Literal["None", "Maintenance", "Setup", "Processing"]
ArmRole = Literal["baseline", "treatment", "other", "control_before", "control_after"]
Design = Literal[
    "completely_randomised", "blocked", "abab", "abba", "crossover", "factorial", "before_after", "as_recorded"
]


class Arm(PlanPart):
    """One way of working that is tried."""

    name: Name
    label: Line
    role: ArmRole
    """`other`: runs that are recorded and shown, but not compared. `control_before` and `control_after`: what was not
    changed, while what is tried was (before and after)."""
    settings: dict[FieldName, Setting] = Field(default={})


class Factor(PlanPart):
    """Something beside the arm that a factorial design sets to one of two levels."""

    name: FieldName
    label: Line
    low: Setting
    high: Setting


class SignalReference(PlanPart):
    """A signal of a device, by their names in the catalogue."""

    device: str = Field(min_length=1, max_length=40)
    signal: str = Field(min_length=1, max_length=100)


class IntegralOfSignals(PlanPart):
    """Integral over the run of the sum of one or several signals of one unit (kW → kWh), by trapezoids."""

    kind: Literal["integral"] = "integral"
    signals: tuple[SignalReference, ...] = Field(min_length=1)


class MeanOfSignal(PlanPart):
    """Time-weighted mean of a signal over the run."""

    kind: Literal["mean"] = "mean"
    signal: SignalReference


class DurationOfRun(PlanPart):
    """How long the run took, between its limits."""

    kind: Literal["duration"] = "duration"


class EventValue(PlanPart):
    """A field of the last event of a kind within the run."""

    kind: Literal["event_value"] = "event_value"
    device: str = Field(min_length=1, max_length=40)
    event: FieldName
    field: FieldName


class SignalAtEvent(PlanPart):
    """Value of a signal when a machine reports an event, the last of its kind within the run."""

    kind: Literal["signal_at_event"] = "signal_at_event"
    signal: SignalReference
    device: str = Field(min_length=1, max_length=40)
    """Who reports the event."""
    event: FieldName


class ResultValue(PlanPart):
    """A field of what was found out about the part, from the run table (`passed`, `roughness_um`)."""

    kind: Literal["result_value"] = "result_value"
    field: FieldName


class StatisticOfSignal(PlanPart):
    """Smallest, largest or a percentile of the values of a signal in the run."""

    kind: Literal["statistic"] = "statistic"
    signal: SignalReference
    statistic: Literal["minimum", "maximum", "percentile"]
    percent: float | None = Field(default=None, gt=0, lt=100)
    """Of a percentile: so many per cent of the values lie below it."""


class TimeInState(PlanPart):
    """How long a machine was in some of the states that it reports."""

    kind: Literal["time_in_state"] = "time_in_state"
    device: str = Field(min_length=1, max_length=40)
    item_states: tuple[ItemState, ...] = Field(min_length=1)
    modes: tuple[OperationMode, ...] = ()
    """Only in these modes; none: in any."""


class CountOfEdges(PlanPart):
    """How often a signal crosses a threshold in the run."""

    kind: Literal["edges"] = "edges"
    signal: SignalReference
    threshold: float
    """In the signal's unit."""
    edge: Literal["rising", "falling"] = "rising"


class CountOfEvents(PlanPart):
    """How many events of a kind a machine reports in the run."""

    kind: Literal["count"] = "count"
    device: str = Field(min_length=1, max_length=40)
    event: FieldName
    where: dict[FieldName, Setting] = Field(default={}, max_length=10)
    """Only those with these fields."""


Indicator = Literal[
    "availability",
    "effectiveness",
    "quality_ratio",
    "oee",
    "nee",
    "allocation_efficiency",
    "utilisation_efficiency",
    "throughput_rate",
    "technical_efficiency",
    "setup_ratio",
    "scrap_ratio",
    "first_pass_yield",
]
"""Of ISO 22400-2; `lab.reports.steadiness.iso22400` computes them."""


class IndicatorOfMachine(PlanPart):
    """An indicator of ISO 22400 from the states that a machine reports and the parts that it finishes in the run."""

    kind: Literal["iso22400"] = "iso22400"
    indicator: Indicator
    device: str = Field(min_length=1, max_length=40)
    planned_s_per_item: float | None = Field(default=None, gt=0)
    """PRI: planned run time per item; effectiveness, OEE and NEE need it."""
    part_event: FieldName = "part_finished"
    """The event that tells of a finished part."""
    result_field: FieldName = "result"
    """Its field that says `good`, `scrap` or `rework`. Beside it `reworked: true` says that a good part was not so at
    first: the first pass yield does without those."""


BasicMeasure = Annotated[
    IntegralOfSignals
    | MeanOfSignal
    | DurationOfRun
    | EventValue
    | SignalAtEvent
    | ResultValue
    | StatisticOfSignal
    | TimeInState
    | CountOfEdges
    | CountOfEvents,
    Field(discriminator="kind"),
]


class Quantity(PlanPart):
    """A measure with its unit: one side of a ratio."""

    measure: BasicMeasure
    unit: str = Field(min_length=1, max_length=40)
    """UCUM code."""


class RatioOfMeasures(PlanPart):
    """One measure through another: energy per part, removed metal per energy."""

    kind: Literal["ratio"] = "ratio"
    numerator: Quantity
    denominator: Quantity

    @property
    def unit(self) -> str:
        """UCUM code of the ratio."""
        below = self.denominator.unit
        return self.numerator.unit if below == "1" else f"{self.numerator.unit}/{below}"


Measure = Annotated[
    IntegralOfSignals
    | MeanOfSignal
    | DurationOfRun
    | EventValue
    | SignalAtEvent
    | ResultValue
    | StatisticOfSignal
    | TimeInState
    | CountOfEdges
    | CountOfEvents
    | IndicatorOfMachine
    | RatioOfMeasures,
    Field(discriminator="kind"),
]


class Tolerance(PlanPart):
    """Specification limits of a measured number, in the KPI's unit; one of the two may be missing."""

    low: float | None = None
    high: float | None = None


class Kpi(PlanPart):
    """One number a run, and how it is judged."""

    key: Name
    label: Line
    unit: str = Field(min_length=1, max_length=40)
    """UCUM code: `kW.h`, `s`, `um`; `1` for a proportion."""
    kind: Literal["number", "proportion"] = "number"
    """`proportion`: every run says yes or no."""
    direction: Literal["lower", "higher"]
    """Which way is better."""
    role: Literal["primary", "secondary", "guard"]
    margin: float | None = Field(default=None, gt=0)
    """Of a guard: the largest tolerable worsening, in the unit (proportions: 0 … 1)."""
    population: Literal["finished", "all"] = "finished"
    """`finished`: unfinished parts do not count, where the plan says `finished_only`; `all`: they do."""
    measure: Measure
    tolerance: Tolerance | None = None
    """What a part may measure: with it Pp, Ppk and, where there are blocks, Cp, Cpk are given for each arm."""


class RunLimits(PlanPart):
    """What a device reports when a run begins and ends, to the instant: events, or its state."""

    device: str = Field(min_length=1, max_length=40)
    start_event: FieldName = "run_started"
    end_events: tuple[FieldName, ...] = Field(default=("part_finished",), min_length=1)
    item_states: tuple[ItemState, ...] = Field(default=(), max_length=4)
    """In place of events: from when the device first reports one of these states until it last leaves them."""


class StopCriterion(PlanPart):
    """A value at which a run is stopped: the machines are sent `stop`, and what they answer is checked.

    It is no safety function: it goes over the network and may come late or not at all.
    """

    signal: SignalReference
    low: float | None = None
    """Stop below it, in the signal's unit."""
    high: float | None = None
    """Stop above it."""
    delay_s: float = Field(default=0.0, ge=0, le=3600)
    """How long every value must be beyond the limit."""
    stops: tuple[Annotated[str, Field(min_length=1, max_length=40)], ...] = Field(default=(), max_length=10)
    """Devices to stop; none: the signal's own."""

    @property
    def devices(self) -> tuple[str, ...]:
        """Devices to stop."""
        return self.stops or (self.signal.device,)


class AnalysisPlan(PlanPart):
    """What is asked, how it is tried, and how it is decided."""

    objective: Prose
    hypothesis: Prose
    arms: tuple[Arm, ...]
    kpis: tuple[Kpi, ...]
    economics: EconomicInputs | None = None
    """What the investment costs and what an improvement is worth, by the company's own figures."""
    break_even: float = 0.0
    """Effect at which the investment just pays (Δ0): an improvement of the primary KPI, in its unit, > 0.

    Left out: computed from `economics`, and kept as a number, so that it is locked with the plan.
    """
    expected: float
    """Effect that the company hopes for (Δ1), above break-even."""
    design: Design
    """`as_recorded`: the runs were made earlier, in an order that nobody can change any more."""
    runs_per_arm: int | None = Field(default=None, le=1000)
    """Of every design but a recorded one, all blocks together."""
    blocks: tuple[Name, ...] | None = Field(default=None, max_length=200)
    """Of a blocked design: its shifts, batches or tools, in the order in which they come; every block holds every arm
    equally often. Of a crossover: its subjects."""
    factors: tuple[Factor, ...] = Field(default=(), max_length=6)
    """Of a factorial design: what is varied beside the arm, which is its primary factor."""
    generators: Annotated[str, Field(pattern=r"^[a-gA-G +-]{1,60}$")] | None = None
    """Of a fraction: a column for the arm, then one for each factor (`a b ab`); left out: all combinations."""
    order: tuple[Name, ...] | None = Field(default=None, max_length=2000)
    """Of a recorded design: the arm of every run, in the order in which they were made."""
    seed: int = Field(ge=0, le=2**63 - 1)
    """Of the randomised order and of every random draw of the analysis."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    limits: RunLimits | None = None
    """Limits of a run for integrals, means and durations; without: when people started and stopped it."""
    finished_only: bool = True
    """Whether unfinished parts are left out of KPIs whose population is `finished`."""
    longest_gap_s: float = Field(default=5.0, gt=0)
    """A longer silence of a signal is not bridged."""
    least_coverage_percent: float = Field(default=95.0, ge=0, le=100)
    """Below it a run has no number for the KPI."""
    written_after_data: bool = False
    """The criteria were written when the data already existed: evidence grade D at most."""
    demonstration_only: bool = False
    """Nothing is to be concluded: evidence grade E."""
    not_tested: tuple[Prose, ...] = ()
    """What the pilot says nothing about."""
    stop: tuple[StopCriterion, ...] = Field(default=(), max_length=20)
    """Values at which a run is stopped. No safety function."""

    @model_validator(mode="before")
    @classmethod
    def _compute_break_even(cls, given: Any) -> Any:
        """Take break-even from the economics where it is left out; what cannot be computed is refused by the rules."""
        if not isinstance(given, dict) or given.get("economics") is None or given.get("break_even") is not None:
            return given
        rest = {name: value for name, value in given.items() if name != "break_even"}
        try:
            return rest | {"break_even": computed_break_even(EconomicInputs.model_validate(given["economics"]))}
        except (ValidationError, InvalidError):
            return rest

    def arm(self, name: str) -> Arm:
        """The arm of this name.

        Raises:
            KeyError: if the plan has none.
        """
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise KeyError(name)

    @property
    def baseline(self) -> Arm:
        """What is compared with."""
        return next(arm for arm in self.arms if arm.role == "baseline")

    @property
    def treatment(self) -> Arm:
        """What is tried."""
        return next(arm for arm in self.arms if arm.role == "treatment")

    @property
    def primary(self) -> Kpi:
        """The KPI that decides."""
        return next(kpi for kpi in self.kpis if kpi.role == "primary")

    def signals(self) -> set[tuple[str, str]]:
        """(device, signal) that the KPIs need."""
        needed: set[tuple[str, str]] = set()
        for kpi in self.kpis:
            needed.update(measured_signals(kpi))
        return needed

    def devices(self) -> set[str]:
        """Devices that the KPIs need, for a signal or an event, and those of the stop criteria."""
        spoken = {device for device, _ in self.signals()}
        for kpi in self.kpis:
            spoken.update(
                measure.device
                for measure in basic_measures(kpi.measure)
                if isinstance(measure, (EventValue, SignalAtEvent, TimeInState, CountOfEvents, IndicatorOfMachine))
            )
        for criterion in self.stop:
            spoken.update({criterion.signal.device, *criterion.devices})
        return spoken if self.limits is None else spoken | {self.limits.device}


class Amendment(PlanPart):
    """What a later version of a locked plan says of the one before it; hashed with the rest of the plan."""

    version: int = Field(ge=1)
    """Of the plan that it replaces."""
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Of that plan's document."""
    reason: Prose
    """Why it was changed, in the person's own words."""


class AmendedPlan(AnalysisPlan):
    """A later version of a locked plan: it names the one before."""

    amends: Amendment


def read_plan(document: Any) -> AnalysisPlan:
    """The plan of a stored document: an `AmendedPlan` if it names a version before.

    Raises:
        ValidationError: if it is none.
    """
    amended = isinstance(document, Mapping) and "amends" in document
    return (AmendedPlan if amended else AnalysisPlan).model_validate(document)


def measured_signals(kpi: Kpi) -> list[tuple[str, str]]:
    """(device, signal) that a KPI is made of; empty where it is made of events or the run table."""
    return [place for measure in basic_measures(kpi.measure) for place in signals_of(measure)]


def signals_of(measure: Measure) -> list[tuple[str, str]]:
    """(device, signal) that a measure is made of; of a ratio none, see `basic_measures`."""
    return [(reference.device, reference.signal) for reference in _references(measure)]


def basic_measures(measure: Measure) -> tuple[Measure, ...]:
    """What a measure is made of: both sides of a ratio, else itself."""
    if isinstance(measure, RatioOfMeasures):
        return measure.numerator.measure, measure.denominator.measure
    return (measure,)


def _references(measure: Measure) -> tuple[SignalReference, ...]:
    match measure:
        case IntegralOfSignals(signals=signals):
            return signals
        case (
            MeanOfSignal(signal=reference)
            | StatisticOfSignal(signal=reference)
            | CountOfEdges(signal=reference)
            | SignalAtEvent(signal=reference)
        ):
            return (reference,)
        case _:
            return ()


def canonical_json(document: object) -> bytes:
    """JSON with sorted keys and no spaces, UTF-8: the same value gives the same bytes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def plan_sha256(document: object) -> str:
    """SHA-256 (hex) of a plan's document in canonical JSON."""
    return hashlib.sha256(canonical_json(document)).hexdigest()
