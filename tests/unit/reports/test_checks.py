"""What a comparison takes for granted is looked at, named, and changes no number."""

import numpy as np
import pytest

from lab.reports.checks import Residuals, change_points, check_assumptions, lag_one


def found(values, treated=None):
    """The checks by name, of residuals in executed order."""
    values = np.asarray(values, float)
    arms = tuple(place % 2 == 0 for place in range(len(values))) if treated is None else tuple(treated)
    left = Residuals(tuple(range(1, len(values) + 1)), arms, values - values.mean(), np.full(len(values), 0.1))
    return {check.name: check for check in check_assumptions(left, "kWh")}


def noise(n, seed=1):
    return np.random.default_rng(seed).normal(0, 1, n)


def test_quiet_runs_give_no_reason_to_be_careful():
    checks = found(noise(16, seed=2))
    assert {check.status for check in checks.values()} == {"ok"}
    assert all(check.sentence.endswith(".") for check in checks.values())


def test_a_drift_is_named_with_its_size():
    check = found(noise(16) * 0.2 + np.arange(16) * 0.5)["drift"]
    assert check.status == "caution"
    assert "drift over the executed order, by +7" in check.sentence


def test_an_unusual_run_is_named_and_kept():
    values = noise(12, seed=2)
    values[4] += 15
    check = found(values)["outliers"]
    assert (check.status, check.runs) == ("caution", (5,))
    assert "kept" in check.sentence


def test_an_undeclared_change_of_set_point_is_found_at_its_run():
    values = noise(20) * 0.3
    values[12:] += 3
    check = found(values)["changes"]
    assert (check.status, check.runs) == ("caution", (13,))


def test_noise_is_rarely_taken_for_a_change():
    taken = sum(bool(change_points(noise(24, seed=seed))) for seed in range(300))
    assert taken <= 30


def test_arms_of_different_spread_are_named():
    values = noise(24)
    values[::2] *= 8
    assert found(values)["spread"].status == "caution"


def test_runs_like_their_neighbours_are_named():
    values = np.convolve(noise(40), np.ones(6), mode="valid")
    check = found(values)["autocorrelation"]
    assert check.status == "caution"
    assert check.statistic == pytest.approx(lag_one(values - values.mean()))


def test_skewed_runs_are_named():
    check = found(np.exp(2 * noise(24)))["normality"]
    assert check.status == "caution"
    assert check.p_value < 0.05


def test_few_runs_are_not_tested_at_all():
    checks = found([1.0, 2.0, 1.5, 2.5])
    assert {check.status for check in checks.values()} == {"not checked"}
    assert all(check.p_value is None for check in checks.values())


def test_constant_residuals_are_not_looked_at():
    assert found([1.0] * 8) == {}
