"""How many runs a pilot needs: from the effect hoped for, break-even and the spread of runs, by the design's own test.

The verdict Invest asks that the lower end of the two-sided 95 % interval lies above break-even. So the effect to be
shown is what is hoped for less break-even, tested two-sided at α (domain.md §3: d = 1, α = 0.05 and power 0.8 give 17
runs an arm, 10 pairs; one-sided it would be 14 and 8). Powers by statsmodels.
"""

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.pilots.designs import factor_signs
from lab.pilots.plans import AnalysisPlan, Design

if TYPE_CHECKING:
    from statsmodels.stats.power import TTestIndPower, TTestPower

MOST_RUNS = 200
RESERVE = 0.15
STEP_MINUTES = 5
POWER = 0.8


@dataclass(frozen=True, slots=True)
class Size:
    """How large a pilot must be."""

    runs_per_arm: int | None
    """`None`: more than `MOST_RUNS`."""
    power: float
    """That these runs have (or `MOST_RUNS`, where there is no number)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What of a design bears on its power."""

    design: Design
    blocks: int = 0
    """Of a blocked design."""
    factors: int = 0
    """Beside the arm."""
    cells: int = 2
    """Combinations of a factorial."""
    controlled: bool = False
    """Whether a control takes part in before and after."""
    pairs: bool = False
    """Every block of a blocked design is a pair: there are as many blocks as runs an arm."""

    @property
    def step(self) -> int:
        """Runs an arm come in multiples of it."""
        match self.design:
            case "blocked":
                return 1 if self.pairs else max(1, self.blocks)
            case "abba" | "crossover":
                return 2
            case "factorial":
                return max(1, self.cells // 2)
            case _:
                return 1

    def freedom(self, runs: int) -> int:
        """Degrees of freedom that are left for the spread of so many runs an arm."""
        match self.design:
            case "blocked":
                return 2 * runs - (runs if self.pairs else self.blocks) - 1
            case "crossover":
                return runs - 2
            case "abab":
                return 2 * runs - 3
            case "abba":
                return 2 * runs - runs // 2 - 2
            case "factorial":
                return 2 * runs - 2 - self.factors
            case _:
                return (4 if self.controlled else 2) * (runs - 1)


RANDOMISED_LAYOUT = Layout("completely_randomised")


def layout_of(plan: AnalysisPlan) -> Layout:
    """What of a plan's design bears on its power."""
    blocks = len(plan.blocks or ())
    return Layout(
        plan.design,
        blocks=blocks,
        factors=len(plan.factors),
        cells=len(factor_signs(plan)) if plan.factors else 2,
        controlled=any(arm.role == "control_before" for arm in plan.arms),
        pairs=plan.design == "blocked" and blocks == plan.runs_per_arm,
    )


def runs_for(*, gain: float, sd: float, layout: Layout, alpha: float = 0.05, power: float = POWER) -> Size:
    """The least number of runs an arm that shows a gain with this power.

    Args:
        gain: what is hoped for less break-even, > 0, in the unit of `sd`.
        sd: what runs of one arm differ by (within a block, where there are blocks), > 0.
        layout: of the design.
        alpha: 1 − confidence level.
        power: probability of showing the gain.
    """
    best, step = 0.0, layout.step
    for runs in range(math.ceil(2 / step) * step, MOST_RUNS + 1, step):
        best = power_of(gain=gain, sd=sd, runs=runs, layout=layout, alpha=alpha)
        if best >= power:
            return Size(runs, best)
    return Size(None, best)


def power_of(*, gain: float, sd: float, runs: int, layout: Layout, alpha: float = 0.05) -> float:
    """The probability that so many runs an arm show a gain.

    Args:
        gain: what is hoped for less break-even, in the unit of `sd`.
        sd: what runs of one arm differ by, > 0.
        runs: an arm.
        layout: of the design.
        alpha: 1 − confidence level.
    """
    effect, df = gain / sd, layout.freedom(runs)
    if df < 1:
        return 0.0
    two, one = _tests()
    if df == 2 * runs - 2:
        found = float(two.power(effect, runs, alpha))
    else:  # the same non-central t with the degrees of freedom that the design leaves
        spread = 2.0 if layout.controlled else math.sqrt(2)
        found = float(one.power(effect / spread, runs, alpha, df=df))
    return 1.0 if math.isnan(found) else found  # the non-central t gives up where the power is 1 to all digits


@dataclass(frozen=True, slots=True)
class BookingTime:
    """How long the machines are needed."""

    sessions: int
    runs_a_session: int
    minutes_a_session: int

    @property
    def minutes(self) -> int:
        """All sessions together."""
        return self.sessions * self.minutes_a_session


def booking_time(
    runs: int, *, run_minutes: float, reset_minutes: float, setup_minutes: float, longest_minutes: int
) -> BookingTime:
    """Minutes to book: runs × (run + reset) + set-up, and 15 % in reserve, in steps of five minutes.

    Args:
        runs: of all arms.
        run_minutes: one run.
        reset_minutes: after each run, until the next one can begin.
        setup_minutes: at the beginning of every session.
        longest_minutes: of a session; a pilot that takes longer is cut into several.
    """
    for sessions in range(1, runs + 1):
        each = math.ceil(runs / sessions)
        exact = (each * (run_minutes + reset_minutes) + setup_minutes) * (1 + RESERVE)
        minutes = STEP_MINUTES * math.ceil(round(exact / STEP_MINUTES, 9))
        if minutes <= longest_minutes or sessions == runs:
            break
    return BookingTime(sessions, each, minutes)


def get_ready() -> threading.Thread:
    """Load the statistics in the background, so that nobody waits for them at the first answer.

    Returns:
        The thread that loads; it ends by itself.
    """
    thread = threading.Thread(target=_tests, name="load-statistics")
    thread.start()
    return thread


def _tests() -> "tuple[TTestIndPower, TTestPower]":
    from statsmodels.stats.power import TTestIndPower, TTestPower  # here: statistics take seconds to import

    return TTestIndPower(), TTestPower()
