"""How a rule is written down, by its kind, and what `telemetry.alarms.rules` makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator

from telemetry.alarms.errors import AlarmRuleInvalidError, SilenceUnmeasurableError
from telemetry.alarms.models import AlarmRule
from telemetry.alarms.rules import LimitRule, RateRule, Rule, SilenceRule, StateRule

Severity = Literal["info", "warning", "critical"]
Delay = Annotated[float, Field(ge=0, le=86_400)]
StateName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
ITEM_STATES = ("NotAvailable", "OutOfService", "NotExecuting", "Executing")
"""What a machine may say of itself (OPC 40001-1); looked at where a rule of state names no signal."""


class Definition(BaseModel):
    """A rule as it is written down: frozen, nothing unknown, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class LimitDefinition(Definition):
    """A value below `low` or above `high`."""

    kind: Literal["limit"]
    low: float | None = None
    high: float | None = None
    hysteresis: float = Field(default=0.0, ge=0)
    """How far inside the value must be again for the alarm to clear, in the signal's unit."""
    delay_s: Delay = 0.0
    """How long every value must be outside before the alarm is raised."""

    @model_validator(mode="after")
    def _says_something(self) -> "LimitDefinition":
        if self.low is None and self.high is None:
            raise ValueError("a limit needs low, high or both")
        if self.low is not None and self.high is not None and self.low + 2 * self.hysteresis >= self.high:
            raise ValueError("low and high leave no room between them, hysteresis counted on both sides")
        return self


class RateDefinition(Definition):
    """A value that rises or falls too fast."""

    kind: Literal["rate"]
    most_per_s: float = Field(gt=0)
    """In the signal's unit, a second."""
    over_s: float = Field(default=0.0, ge=0, le=3600)
    """Over which time the change is taken; 0: from one value to the next."""
    hysteresis: float = Field(default=0.0, ge=0)
    delay_s: Delay = 0.0


class SilenceDefinition(Definition):
    """Nothing has come for a while."""

    kind: Literal["silence"]
    intervals: float = Field(default=10.0, ge=2, le=1_000_000)
    """How many of the signal's expected intervals; where `after_s` is not given."""
    after_s: float | None = Field(default=None, gt=0, le=30 * 86_400)


class StateDefinition(Definition):
    """A text, an enumeration or a truth (`true`, `false`) is one of these; without a signal, the machine's state."""

    kind: Literal["state"]
    states: tuple[StateName, ...] = Field(min_length=1, max_length=50)
    delay_s: Delay = 0.0


class UnbookedDefinition(Definition):
    """The machine works although nobody has booked it."""

    kind: Literal["unbooked"]
    above: float | None = None
    """Of the rule's signal: also more than this is work; else only the state Executing."""
    after_s: float = Field(default=60.0, ge=0, le=86_400)
    enabled: bool = True


class IdleDefinition(Definition):
    """The machine is booked and does nothing."""

    kind: Literal["idle"]
    above: float | None = None
    """Of the rule's signal: also more than this is work; else only the state Executing."""
    after_s: float = Field(default=900.0, ge=60, le=86_400)
    enabled: bool = True


AnyDefinition = Annotated[
    LimitDefinition | RateDefinition | SilenceDefinition | StateDefinition | UnbookedDefinition | IdleDefinition,
    Field(discriminator="kind"),
]
_ANY: TypeAdapter[
    LimitDefinition | RateDefinition | SilenceDefinition | StateDefinition | UnbookedDefinition | IdleDefinition
] = TypeAdapter(AnyDefinition)

SAMPLE_KINDS = ("limit", "rate", "silence", "state")
"""Followed by the recorder, sample by sample."""
ACTIVITY_KINDS = ("unbooked", "idle")
"""Looked at every few seconds, together with the bookings."""


@dataclass(frozen=True, slots=True)
class SignalKind:
    """What must be known of a signal to judge a rule."""

    type: str
    expected_interval_ms: float | None
    unit: str = ""
    """As people write it."""
    choices: tuple[str, ...] | None = None
    label: str = ""
    """What people call it."""


def written(definition: Definition) -> dict[str, Any]:
    """As it is stored, beside the column `kind`."""
    return definition.model_dump(mode="json", exclude={"kind"})


def read_definition(rule: AlarmRule) -> Definition:
    """A stored rule's definition; what else its settings hold (a run, devices to stop) is left out."""
    return _definition(rule.kind, rule.settings)


def _definition(kind: str, settings: Mapping[str, Any]) -> Definition:
    known = {name: value for name, value in settings.items() if name not in {"run_id", "stops"}}
    return _ANY.validate_python({"kind": kind, **known})


def rule_of(rule: AlarmRule, signal: SignalKind | None) -> Rule:
    """What is to be followed.

    Raises:
        SilenceUnmeasurableError, AlarmRuleInvalidError: as `check_definition`.
    """
    definition = read_definition(rule)
    match definition:
        case LimitDefinition():
            return LimitRule(definition.low, definition.high, definition.hysteresis, definition.delay_s)
        case RateDefinition():
            return RateRule(definition.most_per_s, definition.over_s, definition.hysteresis, definition.delay_s)
        case SilenceDefinition():
            return SilenceRule(_silence_s(definition, signal))
        case StateDefinition():
            return StateRule(frozenset(definition.states), definition.delay_s)
        case _:
            raise AlarmRuleInvalidError(f"a rule of kind {rule.kind} is not followed by samples", rule="sample-kind")


def check_definition(definition: Definition, signal: SignalKind | None) -> None:
    """Refuse a rule that could never be right.

    Args:
        definition: of the rule.
        signal: which it looks at; `None`: the machine itself.

    Raises:
        AlarmRuleInvalidError: naming the field.
        SilenceUnmeasurableError: no interval is known.
    """
    match definition:
        case LimitDefinition() | RateDefinition():
            if signal is None or signal.type != "number":
                raise AlarmRuleInvalidError(
                    "limits and rates need a signal that is a number", field="signal", rule="number-signal"
                )
        case SilenceDefinition():
            if signal is None:
                raise AlarmRuleInvalidError("silence is that of a signal; name one", field="signal", rule="signal")
            _silence_s(definition, signal)
        case StateDefinition():
            _check_states(definition, signal)
        case UnbookedDefinition() | IdleDefinition():
            if (signal is None) != (definition.above is None):
                raise AlarmRuleInvalidError(
                    "signal and above belong together; give both, or neither for the state alone",
                    field="above",
                    rule="signal-and-above",
                )
        case _:
            raise AlarmRuleInvalidError("there is no such kind of rule", field="definition", rule="known-kind")


def _check_states(definition: StateDefinition, signal: SignalKind | None) -> None:
    known: tuple[str, ...] | None = ITEM_STATES
    if signal is not None:
        if signal.type == "number":
            raise AlarmRuleInvalidError("a number has limits, no states", field="signal", rule="state-signal")
        known = ("true", "false") if signal.type == "boolean" else signal.choices
    unknown = [state for state in definition.states if known is not None and state not in known]
    if unknown:
        raise AlarmRuleInvalidError(
            f"{', '.join(unknown)} can never be; there are {', '.join(known or ())}",
            field="states",
            rule="known-states",
            nearest=list(known or ()),
        )


def _silence_s(definition: SilenceDefinition, signal: SignalKind | None) -> float:
    if definition.after_s is not None:
        return definition.after_s
    if signal is None or signal.expected_interval_ms is None:
        raise SilenceUnmeasurableError(
            "nobody knows how often this signal is sent; give after_s", field="after_s", rule="known-interval"
        )
    return definition.intervals * signal.expected_interval_ms / 1000
