"""What the lab advises: pure functions of the intervals, the guards and the evidence (domain.md §3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lab.pilots.designs import ALTERNATING, RANDOMISED
from lab.pilots.power import RANDOMISED_LAYOUT, Layout, runs_for
from lab.reports.language import marked as N_  # noqa: N812
from lab.reports.language import say as _
from lab.reports.results import EvidenceGrade, GuardStatus, Interval, Verdict

Letter = Literal["A", "B", "C", "D", "E"]

RULE = N_(
    "Invest: the lower bound of the improvement's {level} % interval lies above break-even, every guard is met, and "
    "the evidence is of grade A to C. Invest under conditions: the same with a guard undecided, or grade D. Do not "
    "invest: the upper bound lies below break-even, or a guard has failed. Extend the pilot: everything else; grade E "
    "is never more than this."
)

LABELS: dict[Letter, str] = {
    "A": N_("randomised and replicated"),
    "B": N_("alternating (ABAB) or crossover"),
    "C": N_("before and after, with a control"),
    "D": N_("before and after"),
    "E": N_("demonstration only"),
}


def verdict_of(
    improvement: Interval | None, break_even: float, guards: Sequence[GuardStatus], grade: Letter
) -> Verdict:
    """The verdict by the locked rule.

    Args:
        improvement: interval of the primary KPI's improvement; `None`: no inference possible.
        break_even: Δ0, in the same unit.
        guards: what the data say about each.
        grade: of the evidence.
    """
    if GuardStatus.FAILED in guards or (improvement is not None and improvement.high < break_even):
        return Verdict.DO_NOT_INVEST
    if improvement is None or improvement.low <= break_even or grade == "E":
        return Verdict.EXTEND
    if GuardStatus.UNDECIDED in guards or grade == "D":
        return Verdict.INVEST_UNDER_CONDITIONS
    return Verdict.INVEST


def decision_of(improvement: Interval | None, break_even: float) -> Literal["above", "below", "open", "no inference"]:
    """Where the interval of the improvement lies against break-even; touching it leaves the question open."""
    if improvement is None:
        return "no inference"
    if improvement.low > break_even:
        return "above"
    return "below" if improvement.high < break_even else "open"


def guard_status(worsening: Interval | None, margin: float) -> GuardStatus:
    """What the interval of a worsening says about the largest tolerable one ("not worse than", both bounds).

    Met is the same as the half of TOST that matters (Schuirmann 1987), one-sided at α/2: the level at which "not worse
    than" is shown in drug trials (ICH E9, 3.3.2), and the interval that is printed. See `not_worse_p`.
    """
    if worsening is None:
        return GuardStatus.UNDECIDED
    if worsening.high < margin:
        return GuardStatus.MET
    return GuardStatus.FAILED if worsening.low > margin else GuardStatus.UNDECIDED


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the grade is made of."""

    design: str
    demonstration_only: bool
    written_after_data: bool
    order_followed: bool
    """Whether the executed order of the arms is the planned one."""
    least_runs: int
    """Counted runs of the smaller of the two arms."""
    controlled: bool = False
    """Whether a control that was not changed was measured before and after."""


def grade_of(evidence: Evidence) -> EvidenceGrade:
    """How much the design lets one conclude, with the reason."""
    letter, reason = _graded(evidence)
    return EvidenceGrade(letter=letter, label=_(LABELS[letter]), reason=reason)


def _graded(evidence: Evidence) -> tuple[Letter, str]:
    if evidence.demonstration_only:
        return "E", _("The pilot was planned as a demonstration; nothing is to be concluded from it.")
    if evidence.least_runs < 2:
        return "E", _("An arm has fewer than two runs that count: nothing shows how much runs differ by themselves.")
    randomised = evidence.design in RANDOMISED
    if evidence.written_after_data:
        if randomised:
            return "D", _("The criteria were written after the data existed.")
        return "D", _("The criteria were written after the data existed, and the order of the runs was not randomised.")
    if evidence.design == "before_after" and evidence.controlled:
        return "C", _("Before was compared with after, less what changed in a control that was left as it was.")
    if not randomised and evidence.design not in ALTERNATING:
        return "D", _("The order of the runs was not randomised: a change over time would look like an effect.")
    if not evidence.order_followed:
        if randomised:
            return "D", _("The randomised order was not followed: a change over time would look like an effect.")
        return "D", _("The alternating order was not followed: a change over time would look like an effect.")
    if randomised:
        if evidence.design == "blocked":
            return "A", _(
                "The order of the runs was randomised, within blocks, with a stored seed, and each arm was run several "
                "times."
            )
        return "A", _("The order of the runs was randomised with a stored seed, and each arm was run several times.")
    return "B", _("The arms took turns several times, so that a steady change over time does not look like an effect.")


@dataclass(frozen=True, slots=True)
class RunsNeeded:
    """How many runs an arm a decision takes, all told."""

    per_arm: int | None
    """`None`: more than anybody would make, or not to be said."""
    further: int | None


def runs_needed(
    *,
    improvement: float,
    break_even: float,
    sd: float,
    runs: int,
    alpha: float,
    layout: Layout = RANDOMISED_LAYOUT,
) -> RunsNeeded:
    """Runs an arm with which an effect as large as the one seen would be told from break-even, with power 0.8.

    Args:
        improvement: as seen.
        break_even: Δ0.
        sd: run-to-run standard deviation, > 0; what is left of it where the design takes something away.
        runs: already made, of the smaller arm.
        alpha: 1 − confidence level.
        layout: of the runs.
    """
    gain = abs(improvement - break_even)
    size = runs_for(gain=gain, sd=sd, layout=layout, alpha=alpha) if gain > 0 else None
    if size is None or size.runs_per_arm is None:
        return RunsNeeded(None, None)
    return RunsNeeded(size.runs_per_arm, max(1, size.runs_per_arm - runs))
