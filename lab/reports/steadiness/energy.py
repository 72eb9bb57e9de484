"""Energy saved against a baseline, run by run (ISO 50006, ISO 50015).

The baseline model is the mean energy of a run of the baseline arm: a run is one part, so that the number of parts is
its relevant variable, and the conditions of the reporting period are the runs of the treatment.
"""

from collections.abc import Sequence

from lab.reports.steadiness.findings import EnergySaving
from lab.reports.steadiness.process import CountedRun

ENERGY_UNITS = frozenset({"kW.h", "W.h", "J", "kJ", "MJ"})
"""UCUM codes of what is taken for energy."""


def energy_saving(runs: Sequence[CountedRun], *, unit: str, baseline: str, treatment: str) -> EnergySaving | None:
    """What the treatment's runs saved against the baseline's model, added up in executed order.

    Args:
        runs: that are compared, in executed order.
        unit: UCUM code of their numbers.
        baseline: name of the arm that the model comes from.
        treatment: name of the arm that is held against it.

    Returns:
        `None` where the numbers are no energy, or an arm has no run.
    """
    kept = [(run.run, run.arm, run.value) for run in runs if run.value is not None]
    before = [value for _, arm, value in kept if arm == baseline]
    after = [value for _, arm, value in kept if arm == treatment]
    if unit not in ENERGY_UNITS or not before or not after:
        return None
    model = sum(before) / len(before)
    sums, total = [], 0.0
    for _, _, value in kept:
        total += model - value
        sums.append(total)
    return EnergySaving(
        model=model,
        runs=tuple(number for number, _, _ in kept),
        arm_of=tuple(arm for _, arm, _ in kept),
        cusum=tuple(sums),
        expected=model * len(after),
        actual=sum(after),
        saving=model * len(after) - sum(after),
    )
