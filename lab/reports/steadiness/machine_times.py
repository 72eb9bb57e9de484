"""What a machine spent a span of time on, from the states that it reported (ISO 22400-2 time elements).

States are those of OPC 40001-1: `MachineryItemState` × `OperationMode`. A time without a known state stays
unknown: it belongs to the planned busy time and to no use of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class TimeElement(StrEnum):
    """What a span counts as."""

    PRODUCTION = "APT"
    """Actual production time: executing in mode Processing."""
    SETUP = "AUST"
    """Actual unit set-up time: mode Setup, whatever the state."""
    DELAY = "ADET"
    """Actual unit delay time: in mode Processing, but not executing: malfunctions and minor stops."""
    PLANNED_DOWN = "planned downtime"
    """Mode Maintenance: not part of the planned busy time."""
    IDLE = "idle"
    """Nothing to do: no mode, or not available."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StateChange:
    """From this instant on the machine was in this state."""

    at_ns: int
    """Settled time."""
    item_state: str
    mode: str | None


@dataclass(frozen=True, slots=True)
class TimeElements:
    """Seconds by element; together they are the span."""

    production_s: float = 0.0
    setup_s: float = 0.0
    delay_s: float = 0.0
    planned_down_s: float = 0.0
    idle_s: float = 0.0
    unknown_s: float = 0.0

    @property
    def length_s(self) -> float:
        """All of it."""
        return self.busy_s + self.planned_down_s

    @property
    def busy_s(self) -> float:
        """PBT: planned busy time, the span less planned downtime."""
        return self.unit_busy_s + self.idle_s + self.unknown_s

    @property
    def processing_s(self) -> float:
        """AUPT: actual unit processing time, set-up and production."""
        return self.setup_s + self.production_s

    @property
    def unit_busy_s(self) -> float:
        """AUBT: actual unit busy time, processing and delays."""
        return self.processing_s + self.delay_s


def element_of(item_state: str, mode: str | None) -> TimeElement:
    """What a state counts as."""
    if mode == "Maintenance":
        return TimeElement.PLANNED_DOWN
    if mode == "Setup":
        return TimeElement.SETUP
    if mode == "Processing":
        return TimeElement.PRODUCTION if item_state == "Executing" else TimeElement.DELAY
    return TimeElement.DELAY if item_state == "OutOfService" else TimeElement.IDLE


_FIELDS = {
    TimeElement.PRODUCTION: "production_s",
    TimeElement.SETUP: "setup_s",
    TimeElement.DELAY: "delay_s",
    TimeElement.PLANNED_DOWN: "planned_down_s",
    TimeElement.IDLE: "idle_s",
    TimeElement.UNKNOWN: "unknown_s",
}


def stretches(changes: Iterable[StateChange], start_ns: int, end_ns: int) -> list[tuple[int, int, StateChange | None]]:
    """From when to when the machine was in which state within `[start_ns, end_ns)`; None: not known.

    Args:
        changes: in any order; those before the span say in which state it begins.
        start_ns: settled time.
        end_ns: settled time.
    """
    found: list[tuple[int, int, StateChange | None]] = []
    since, state = start_ns, None
    for change in sorted(changes, key=lambda one: one.at_ns):
        if change.at_ns >= end_ns:
            break
        if change.at_ns > since:
            found.append((since, change.at_ns, state))
            since = change.at_ns
        state = change
    return [*found, (since, end_ns, state)] if end_ns > since else found


def time_elements(changes: Iterable[StateChange], start_ns: int, end_ns: int) -> TimeElements:
    """How much of `[start_ns, end_ns)` went into what; see `stretches`."""
    seconds = dict.fromkeys(_FIELDS.values(), 0.0)
    for since, until, state in stretches(changes, start_ns, end_ns):
        element = TimeElement.UNKNOWN if state is None else element_of(state.item_state, state.mode)
        seconds[_FIELDS[element]] += (until - since) / 1e9
    return TimeElements(**seconds)


def seconds_in(
    changes: Iterable[StateChange], start_ns: int, end_ns: int, *, item_states: Iterable[str], modes: Iterable[str] = ()
) -> tuple[float, float]:
    """How long the machine was in some states, and for how long its state is known.

    Args:
        changes: as for `stretches`.
        start_ns: settled time.
        end_ns: settled time.
        item_states: those that count; none: all.
        modes: those that count; none: all.

    Returns:
        Seconds in them, seconds known.
    """
    wanted, in_modes = frozenset(item_states), frozenset(modes)
    inside = known = 0.0
    for since, until, state in stretches(changes, start_ns, end_ns):
        if state is None:
            continue
        length = (until - since) / 1e9
        known += length
        if (not wanted or state.item_state in wanted) and (not in_modes or (state.mode or "None") in in_modes):
            inside += length
    return inside, known


def failures(changes: Iterable[StateChange], start_ns: int, end_ns: int) -> list[float]:
    """How long each failure lasted, in seconds: FE of them, their sum the time to repair.

    A failure begins when the machine goes out of service, other than for maintenance, within the span.
    """
    lengths: list[float] = []
    before: StateChange | None = None
    for since, until, state in stretches(changes, start_ns, end_ns):
        if _failed(state):
            if _failed(before) and lengths:
                lengths[-1] += (until - since) / 1e9
            else:
                lengths.append((until - since) / 1e9)
        before = state
    return lengths


def _failed(state: StateChange | None) -> bool:
    return state is not None and state.item_state == "OutOfService" and state.mode != "Maintenance"
