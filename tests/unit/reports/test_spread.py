"""How much runs differ, as earlier runs tell it: within arms, within blocks where asked, and with its uncertainty."""

import numpy as np
import pytest

from lab.reports.spread import ASSURANCE, residual_spread, upper_spread


def run(value, arm, block=None, **levels):
    return {"value": value, "arm": arm, "block": block, "levels": levels}


def test_the_spread_is_that_within_arms_however_far_they_lie_apart():
    runs = [run(value, "a") for value in (1.0, 2.0, 3.0)] + [run(100 + value, "b") for value in (1.0, 3.0)]
    assert residual_spread(runs, within_blocks=False) == (3, pytest.approx(2.0 + 2.0))


def test_what_blocks_differ_by_counts_only_for_runs_that_are_not_compared_within_blocks():
    noise = {("a", 0): 0.1, ("b", 0): -0.1, ("a", 1): -0.1, ("b", 1): 0.1, ("a", 2): 0.0, ("b", 2): 0.0}
    runs = [run(10.0 * block + value, arm, str(block)) for (arm, block), value in noise.items()]
    freedom, squares = residual_spread(runs, within_blocks=True)
    assert (freedom, squares) == (2, pytest.approx(4 * 0.1**2))  # 6 runs − 2 arms − 3 blocks + 1
    freedom, squares = residual_spread(runs, within_blocks=False)
    assert freedom == 4
    assert squares > 100


def test_factors_that_were_varied_on_purpose_are_no_spread_and_a_period_only_within_blocks():
    runs = [run(5.0 * high + value, arm, coolant=high) for arm in "ab" for high in (0.0, 1.0) for value in (0.0, 0.2)]
    freedom, squares = residual_spread(runs, within_blocks=False)
    assert (freedom, squares) == (5, pytest.approx(8 * 0.1**2))
    runs = [run(3.0 * period, arm, period=period) for arm in "ab" for period in (1.0, 2.0)]
    assert residual_spread(runs, within_blocks=False) == (2, pytest.approx(2 * 4.5))
    assert residual_spread(runs, within_blocks=True) == (1, pytest.approx(0.0))


@pytest.mark.parametrize("runs", [[], [run(1.0, "a")], [run(1.0, "a"), run(2.0, "b")]])
def test_one_run_an_arm_tells_nothing(runs):
    assert residual_spread(runs, within_blocks=False)[0] == 0


def test_the_upper_end_is_the_textbook_one_and_shrinks_with_runs():
    assert upper_spread(1.0, 6) == pytest.approx(np.sqrt(6 / 3.0701), rel=1e-4)  # χ² table, 20 %, 6
    assert upper_spread(2.0, 10) == pytest.approx(2 * np.sqrt(10 / 6.1791), rel=1e-4)
    assert upper_spread(1.0, 1000) < 1.03


def test_the_true_spread_lies_below_the_upper_end_as_often_as_it_says():
    rng = np.random.default_rng(26)
    below = [
        upper_spread(float(np.std(rng.normal(size=7), ddof=1)), 6) >= 1.0 for _ in range(4000)
    ]  # 4,000 trials: ± 1.3 points at 95 %
    assert np.mean(below) == pytest.approx(ASSURANCE, abs=0.025)
