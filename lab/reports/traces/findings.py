"""The course of signals over a typical run of each arm."""

from lab.reports.value import Value


class TraceLine(Value):
    """One run's course, from its start on."""

    arm: str
    label: str
    run: int
    seconds: tuple[float, ...]
    """Since the start of the run, increasing; middles of equal portions of it that hold samples."""
    values: tuple[float, ...]
    """Means of these portions, in the signal's unit."""
    low: float
    """Smallest sample of the run."""
    high: float


class Trace(Value):
    """One signal over the typical runs."""

    device: str
    signal: str
    label: str
    unit: str
    lines: tuple[TraceLine, ...]
