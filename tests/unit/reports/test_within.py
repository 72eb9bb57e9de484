"""Samples that follow each other say less: how much less, against what theory says of AR(1)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from lab.reports.within import effective_size, interval_within

RHO = 0.9


def samples(n, seed, rho=RHO):
    """AR(1) with variance 1 and mean 5."""
    rng = np.random.default_rng(seed)
    start = rng.normal()
    return 5 + lfilter([1.0], [1.0, -rho], rng.normal(0, np.sqrt(1 - rho**2), n), zi=[rho * start])[0]


def test_effective_size_is_that_of_the_correlation():
    # n (1 − ρ)/(1 + ρ) = 4000 / 19 = 211; the smaller of two estimators lies somewhat below
    found = [effective_size(samples(4000, seed)) for seed in range(30)]
    assert 130 <= np.mean(found) <= 230


def test_independent_samples_count_nearly_all():
    found = [effective_size(samples(2000, seed, rho=0.0)) for seed in range(30)]
    assert 1300 <= np.mean(found) <= 2000


def test_interval_covers_the_mean_about_as_often_as_it_says():
    found = [interval_within(samples(1000, seed), alpha=0.05, seed=1) for seed in range(150)]
    covered = np.mean([one.low <= 5 <= one.high for one in found])
    assert covered >= 0.86  # 53 independent samples' worth, and a naive interval would cover in about a third


def test_many_samples_are_averaged_in_groups_without_losing_what_they_know():
    values = samples(200_000, 3)
    found = interval_within(values, alpha=0.05, seed=1)
    assert found.samples == 200_000
    assert 5_000 <= found.effective_samples <= 13_000  # in truth 10,526
    assert found.low <= values.mean() <= found.high


def test_too_few_or_constant_samples_have_no_interval():
    assert interval_within(samples(19, 1), alpha=0.05, seed=1) is None
    assert interval_within(np.ones(100), alpha=0.05, seed=1) is None


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 99), st.sampled_from([1e-3, 1e3]))
def test_unit_of_a_signal_scales_the_interval(seed, scale):
    values = samples(200, seed)
    first, second = (interval_within(numbers, alpha=0.05, seed=1) for numbers in (values, scale * values))
    assert second.low == pytest.approx(scale * first.low)
    assert second.effective_samples == pytest.approx(first.effective_samples)


def test_the_same_seed_gives_the_same_interval():
    values = samples(300, 2)
    assert interval_within(values, alpha=0.05, seed=4) == interval_within(values, alpha=0.05, seed=4)
