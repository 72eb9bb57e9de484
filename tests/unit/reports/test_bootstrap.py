"""Draws of an effect spread as the interval of the comparison does, and follow from the seed alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.reports.bootstrap import effect_draws
from lab.reports.comparison import NoInferenceError, compare_numbers

BASELINE = [10.0, 12.0, 11.0, 13.0, 9.0, 11.0]
TREATMENT = [8.0, 9.0, 7.0, 10.0, 8.5, 7.5]


def test_draws_lie_about_the_effect_and_spread_as_its_standard_error():
    draws = effect_draws(BASELINE, TREATMENT, direction="lower", seed=1, n=40_000)
    error = np.sqrt(np.var(BASELINE, ddof=1) / 6 + np.var(TREATMENT, ddof=1) / 6)
    assert draws.mean() == pytest.approx(8 / 3, abs=0.02)
    assert draws.std() == pytest.approx(error, rel=0.02)


def test_draws_within_pairs_spread_as_the_differences_of_pairs_do():
    shifts = [0.0, 50.0, -30.0, 80.0, 10.0, -60.0]
    base = [value + shift for value, shift in zip(BASELINE, shifts, strict=True)]
    treat = [value + shift for value, shift in zip(TREATMENT, shifts, strict=True)]
    pairs = ["a", "b", "c", "d", "e", "f"]
    draws = effect_draws(base, treat, direction="lower", seed=1, n=40_000, blocks=(pairs, pairs))
    differences = np.subtract(base, treat)
    assert draws.mean() == pytest.approx(differences.mean(), abs=0.02)
    assert draws.std() == pytest.approx(differences.std(ddof=1) / np.sqrt(6), rel=0.02)


def test_draws_agree_with_welchs_interval():
    rng = np.random.default_rng(2)
    base, treat = rng.normal(0, 1, 40), rng.normal(1, 3, 25)
    found = compare_numbers(base, treat, direction="higher", alpha=0.05, seed=1).improvement_interval
    low, high = np.quantile(effect_draws(base, treat, direction="higher", seed=1), [0.025, 0.975])
    assert (low, high) == (pytest.approx(found.low, abs=0.12), pytest.approx(found.high, abs=0.12))


def test_the_same_seed_gives_the_same_draws_and_another_one_others():
    first, again, other = (effect_draws(BASELINE, TREATMENT, direction="lower", seed=seed, n=50) for seed in (7, 7, 8))
    assert (first == again).all()
    assert (first != other).any()


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([1e-3, 1e3]), st.floats(-1e3, 1e3))
def test_unit_and_origin_of_the_numbers_do_not_matter(scale, shift):
    first = effect_draws(BASELINE, TREATMENT, direction="lower", seed=1, n=20)
    moved = [[scale * (value + shift) for value in arm] for arm in (BASELINE, TREATMENT)]
    second = effect_draws(*moved, direction="lower", seed=1, n=20)
    assert second == pytest.approx(scale * first, rel=1e-6, abs=1e-9 * scale)


def test_no_draws_where_no_inference_is_possible():
    with pytest.raises(NoInferenceError):
        effect_draws([1.0], [2.0, 3.0], direction="lower", seed=1)
    with pytest.raises(NoInferenceError, match="no spread"):
        effect_draws([1.0, 1.0], [2.0, 2.0], direction="lower", seed=1)
    with pytest.raises(NoInferenceError):
        effect_draws([1.0, 2.0], [2.0, 3.5], direction="lower", seed=1, blocks=(["a", "a"], ["b", "b"]))
