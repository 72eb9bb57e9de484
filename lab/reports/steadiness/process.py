"""From the runs of a pilot to capability, control charts and machine records."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

from lab.pilots.plans import Arm, Kpi
from lab.reports.steadiness.capability import PRINT_POINT_FROM, Capability, capability, performance
from lab.reports.steadiness.control_charts import cusum, ewma, individuals
from lab.reports.steadiness.findings import ArmCapability, ArmControl, ControlFinding, Index, MachineRecord
from lab.reports.steadiness.iso22400 import mean_time_between_failures, mean_time_to_repair, no_failure_bound
from lab.reports.steadiness.machine_times import StateChange, TimeElements, failures, time_elements

LEAST_TO_CHART = 5
"""Runs of an arm, from which limits out of them say something."""
_WEIGHT, _REACH = 0.2, 3.0
_ALLOWANCE, _DECISION = 0.5, 5.0
"""Of sigma: a shift by one sigma is found soonest (ISO 7870-4)."""


class CountedRun(Protocol):
    """A run that counts, with its number for a KPI."""

    @property
    def run(self) -> int:
        """Its number."""

    @property
    def arm(self) -> str:
        """Its arm."""

    @property
    def block(self) -> str | None:
        """Its block, where the design has blocks."""

    @property
    def value(self) -> float | None:
        """Not None here."""


def capabilities_of(
    kpi: Kpi, arms: Sequence[Arm], runs: Sequence[CountedRun], *, alpha: float
) -> tuple[ArmCapability, ...]:
    """Capability of every arm against the KPI's tolerance; nothing without one.

    Args:
        kpi: with or without tolerance.
        arms: of the plan.
        runs: that count.
        alpha: 1 − confidence level.
    """
    if kpi.tolerance is None:
        return ()
    low, high = kpi.tolerance.low, kpi.tolerance.high
    found = []
    for arm in arms:
        of_arm = [run for run in runs if run.arm == arm.name and run.value is not None]
        values = [run.value or 0.0 for run in of_arm]
        groups: defaultdict[str, list[float]] = defaultdict(list)
        for run in of_arm:
            if run.block is not None:
                groups[run.block].append(run.value or 0.0)
        blocks = list(groups.values())
        found.append(
            ArmCapability(
                arm=arm.name,
                label=arm.label,
                n=len(values),
                within=_index(capability(blocks, lsl=low, usl=high, alpha=alpha)) if _varies(blocks) else None,
                overall=_index(performance(values, lsl=low, usl=high, alpha=alpha)) if _varies([values]) else None,
                print_point=len(values) >= PRINT_POINT_FROM,
            )
        )
    return tuple(found)


def _varies(groups: Sequence[Sequence[float]]) -> bool:
    """Whether there is any spread within the groups that is more than the last bit of a number."""
    return any(len(group) > 1 and max(group) - min(group) > 1e-12 * max(map(abs, group)) for group in groups)


def _index(found: Capability) -> Index:
    return Index(
        spread_index=found.cp,
        spread_interval=found.cp_interval,
        centred_index=found.cpk,
        centred_interval=found.cpk_interval,
        degrees=found.degrees,
    )


def control_of(runs: Sequence[CountedRun]) -> ControlFinding | None:
    """Control charts over the runs of all arms, each measured from the centre of its own arm.

    Args:
        runs: that are compared, in executed order.

    Returns:
        `None` if an arm has fewer than five, or no spread from run to run.
    """
    values = {run.run: run.value for run in runs if run.value is not None}
    kept = [run for run in runs if run.run in values]
    arms = {}
    for name in dict.fromkeys(run.arm for run in kept):
        own = [values[run.run] for run in kept if run.arm == name]
        if len(own) < LEAST_TO_CHART:
            return None
        chart = individuals(own)
        sigma = (chart.upper[0] - chart.centre) / 3
        if not sigma > 1e-12 * abs(chart.centre):
            return None
        arms[name] = ArmControl(arm=name, centre=chart.centre, sigma=sigma, low=chart.lower[0], high=chart.upper[0])
    if not arms:
        return None
    distances = [(values[run.run] - arms[run.arm].centre) / arms[run.arm].sigma for run in kept]
    average = ewma(distances, target=0.0, sd=1.0, weight=_WEIGHT, reach=_REACH)
    sums = cusum(distances, target=0.0, allowance=_ALLOWANCE, decision=_DECISION)
    numbers = tuple(run.run for run in kept)
    return ControlFinding(
        runs=numbers,
        arm_of=tuple(run.arm for run in kept),
        values=tuple(values[number] for number in numbers),
        arms=tuple(arms.values()),
        ewma=average.points,
        ewma_limit=average.upper[0],
        cusum_above=sums.above,
        cusum_below=sums.below,
        cusum_limit=sums.decision,
        outside=tuple(run.run for run, distance in zip(kept, distances, strict=True) if abs(distance) > 3 + 1e-9),
        ewma_signals=tuple(numbers[place] for place in average.signals),
        cusum_signals=tuple(numbers[place] for place in sums.signals),
    )


def machine_record(
    device: str, arm: Arm, spans: Sequence[tuple[Sequence[StateChange], int, int]], *, alpha: float
) -> MachineRecord:
    """What a machine spent the runs of an arm on.

    Args:
        device: that reports states.
        arm: whose runs.
        spans: of each run: the states that it reported, start and end in nanoseconds.
        alpha: 1 − confidence level.
    """
    times = [time_elements(states, start_ns, end_ns) for states, start_ns, end_ns in spans]
    repairs = [length for states, start_ns, end_ns in spans for length in failures(states, start_ns, end_ns)]

    def total(name: str) -> float:
        return float(sum(getattr(one, name) for one in times))

    repair_s = float(sum(repairs))
    up_s = max(0.0, sum(_known(one) for one in times) - repair_s)
    mtbf, mtbf_interval = mean_time_between_failures(up_s, len(repairs), alpha=alpha) if up_s > 0 else (None, None)
    mttr, mttr_interval = mean_time_to_repair(repair_s, len(repairs), alpha=alpha)
    return MachineRecord(
        device=device,
        arm=arm.name,
        label=arm.label,
        runs=len(spans),
        **{name: total(name) for name in _ELEMENTS},
        failures=len(repairs),
        up_s=up_s,
        repair_s=repair_s,
        mtbf_s=mtbf,
        mtbf_interval=mtbf_interval,
        mtbf_at_least_s=no_failure_bound(up_s, alpha=alpha) if not repairs and up_s > 0 else None,
        mttr_s=mttr,
        mttr_interval=mttr_interval,
    )


_ELEMENTS = ("production_s", "setup_s", "delay_s", "idle_s", "planned_down_s", "unknown_s")


def _known(times: TimeElements) -> float:
    return times.length_s - times.unknown_s - times.planned_down_s
