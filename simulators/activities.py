"""What every simulated machine offers: it works or rests, and either can be asked what its sensors show."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

Value: TypeAlias = float | bool | str
Settings: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that a machine reports as an event."""

    at_s: float
    """Since the start of the activity."""
    name: str
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Burst:
    """Evenly spaced samples of fast signals, taken at once."""

    rate_hz: float
    waves: dict[str, list[float]]


class Activity(Protocol):
    """A machine at work on one part, or at rest. Times are seconds since its start, energies kWh, powers kW."""

    @property
    def duration_s(self) -> float:
        """How long the work takes; infinite for a rest."""
        ...

    @property
    def occurrences(self) -> Sequence[Occurrence]:
        """What is reported on the way, by time."""
        ...

    @property
    def result(self) -> dict[str, Any]:
        """What can be found out about the part in the end."""
        ...

    def values(self, t: float) -> dict[str, Value]:
        """What the sensors show at `t`, noise included."""
        ...

    def burst(self, t: float) -> Burst | None:
        """The fast sensors at `t`, for a machine that has some."""
        ...

    def power_kw(self, t: float) -> float:
        """What the machine draws from the mains at `t`, without the noise of a meter."""
        ...

    def energy_kwh(self, t: float) -> float:
        """What it has drawn from 0 to `t`: the integral of `power_kw`, exactly."""
        ...


class Machine(Protocol):
    """A machine that makes parts."""

    @property
    def signals(self) -> tuple[str, ...]:
        """Names of everything it measures."""
        ...

    @property
    def interval_s(self) -> float:
        """Between two data messages."""
        ...

    @property
    def burst_interval_s(self) -> float | None:
        """Between two bursts; `None`: no fast sensors."""
        ...

    def work(self, settings: Settings, *, run: int, rng: random.Random) -> Activity:
        """Begin a part.

        Raises:
            RefusedLineError: naming the setting that is unknown or out of range.
        """
        ...

    def rest(self, *, rng: random.Random) -> Activity:
        """Stand idle."""
        ...
