"""What a report says about the steadiness of a process, beside the comparison of the arms."""

from lab.reports.value import Interval, Value


class Limits(Value):
    """Specification limits, in the KPI's unit; one of the two may be missing."""

    low: float | None
    high: float | None


class Index(Value):
    """A pair of capability or performance indices with their intervals."""

    spread_index: float | None
    """Cp or Pp; `None` with one limit only."""
    spread_interval: Interval | None
    centred_index: float
    """Cpk or Ppk."""
    centred_interval: Interval
    degrees: int
    """Of freedom of the spread."""


class ArmCapability(Value):
    """How well the runs of one arm keep within the tolerance."""

    arm: str
    label: str
    n: int
    within: Index | None
    """Cp and Cpk, by the spread within blocks; `None` where no block has two runs of the arm, or no spread."""
    overall: Index | None
    """Pp and Ppk, by the spread of all; `None` with fewer than two runs, or no spread."""
    print_point: bool
    """Whether there are enough runs for the index itself to be printed beside its interval."""


class ArmControl(Value):
    """Limits of the chart of single values of one arm, in the KPI's unit."""

    arm: str
    centre: float
    sigma: float
    """By the mean moving range."""
    low: float
    high: float
    """Centre ± 2.66 mean moving ranges."""


class ControlFinding(Value):
    """Control charts (ISO 7870) on the runs that are compared, in executed order."""

    runs: tuple[int, ...]
    arm_of: tuple[str, ...]
    """Of each run."""
    values: tuple[float, ...]
    arms: tuple[ArmControl, ...]
    ewma: tuple[float, ...]
    """Of the distances from the arm's centre, in its sigma."""
    ewma_limit: float
    cusum_above: tuple[float, ...]
    """Of the same distances."""
    cusum_below: tuple[float, ...]
    cusum_limit: float
    outside: tuple[int, ...]
    """Runs outside the limits of single values."""
    ewma_signals: tuple[int, ...]
    """Runs at which the moving average lies outside its limits."""
    cusum_signals: tuple[int, ...]
    """Runs at which a cumulative sum exceeds its decision interval."""


class EnergySaving(Value):
    """What the treatment saved against the baseline's model (ISO 50006), in the KPI's unit."""

    model: float
    """Energy of a run by the baseline's model: the mean of its runs."""
    runs: tuple[int, ...]
    """That are compared, in executed order."""
    arm_of: tuple[str, ...]
    cusum: tuple[float, ...]
    """Model less actual energy, added up to each run."""
    expected: float
    """Of the treatment's runs, by the model."""
    actual: float
    saving: float
    """Expected less actual; below zero more was used."""


class MachineRecord(Value):
    """What a machine spent the runs of one arm on (ISO 22400-2 time elements), and how often it failed."""

    device: str
    arm: str
    label: str
    runs: int
    """That count as a whole."""
    production_s: float
    """APT."""
    setup_s: float
    """AUST."""
    delay_s: float
    """ADET."""
    idle_s: float
    planned_down_s: float
    unknown_s: float
    failures: int
    """FE: how often it went out of service, other than for maintenance."""
    up_s: float
    """Known time without failures and planned downtime."""
    repair_s: float
    mtbf_s: float | None
    """`None` without a failure."""
    mtbf_interval: Interval | None
    mtbf_at_least_s: float | None
    """Without a failure: the one-sided bound; `None` with one, or without time."""
    mttr_s: float | None
    mttr_interval: Interval | None
    """If repairs last exponentially."""
