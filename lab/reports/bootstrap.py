"""Bootstrap draws: of an effect from run means (for economics), and of a mean within a run."""

from collections.abc import Sequence

import numpy as np

from lab.reports.comparison import Direction, NoInferenceError, require_runs
from lab.reports.linear import Array, block_columns, fit_effect

DRAWS = 10_000
_AT_ONCE = 2_000_000
"""Numbers in memory at a time."""


def effect_draws(
    baseline: Sequence[float],
    treatment: Sequence[float],
    *,
    direction: Direction,
    seed: int,
    n: int = DRAWS,
    blocks: tuple[Sequence[str], Sequence[str]] | None = None,
) -> Array:
    """Draws of the improvement, from the runs themselves.

    Each draw deals every run a deviation that was seen in its own arm, so that arms may differ in spread and in shape.
    A deviation is made larger by what the fit has taken from it (1/√(1 − leverage), as in MacKinnon and White's HC2):
    without that, draws from six runs spread 9 % too little.

    Args:
        baseline: one number a run.
        treatment: one number a run.
        direction: which way is better.
        seed: of the draws (numpy's PCG64).
        n: how many.
        blocks: the block of each run of the baseline and of the treatment; only differences within blocks count.

    Returns:
        (n,), the improvement (more is better) in the unit of the numbers.

    Raises:
        NoInferenceError: with fewer than two runs in an arm, no block with both arms, or without any spread.
    """
    require_runs(len(baseline), len(treatment))
    values = np.concatenate([np.asarray(treatment, float), np.asarray(baseline, float)])
    treated = np.arange(len(values)) < len(treatment)
    columns = None if blocks is None else block_columns([*blocks[1], *blocks[0]])
    fit = fit_effect(values, treated.tolist(), columns)
    if fit is None or fit.df < 1 or fit.sd <= 1e-12 * float(np.abs(values).max()):
        raise NoInferenceError("no inference possible: the runs show no spread against which to judge a difference")
    free = fit.leverages < 1 - 1e-9
    deviations = np.where(free, fit.residuals / np.sqrt(np.where(free, 1 - fit.leverages, 1.0)), 0.0)
    rng = np.random.default_rng(seed)
    draws = np.full(n, fit.effect)
    for arm in (treated, ~treated):
        own, weights = deviations[arm & free], fit.weights[arm & free]
        if not len(own):
            continue
        own = own - own.mean()
        step = max(1, _AT_ONCE // len(own))
        for first in range(0, n, step):
            dealt = own[rng.integers(0, len(own), (min(step, n - first), len(own)))]
            draws[first : first + step] += dealt @ weights
    return draws if direction == "higher" else -draws
