"""Capability and control charts, against the worked examples of the NIST/SEMATECH e-Handbook of Statistical Methods."""

import math

import numpy as np
import pytest

from lab.reports.steadiness.capability import capability, performance
from lab.reports.steadiness.control_charts import cusum, ewma, individuals

FLOW = [49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1]


def spread(mean: float, sd: float, n: int) -> list[float]:
    """n values with exactly this mean and standard deviation."""
    numbers = np.linspace(-1, 1, n)
    return (mean + numbers * sd / numbers.std(ddof=1)).tolist()


def test_cp_and_cpk_of_section_6_1_6():
    found = performance(spread(16, 2, 50), lsl=8, usl=20, alpha=0.05)
    assert found.cp == pytest.approx(1.0)
    assert found.cpk == pytest.approx(0.6667, abs=5e-5)
    assert found.print_point


def test_the_intervals_are_those_of_chi_square_and_the_normal_approximation():
    found = performance(spread(16, 2, 30), lsl=8, usl=20, alpha=0.05)
    assert not found.print_point
    assert found.cp_interval.low == pytest.approx(math.sqrt(16.047 / 29), rel=1e-4)  # χ²(0.025; 29)
    assert found.cp_interval.high == pytest.approx(math.sqrt(45.722 / 29), rel=1e-4)  # χ²(0.975; 29)
    half = 1.959964 * math.sqrt(1 / (9 * 30) + found.cpk**2 / (2 * 29))
    assert found.cpk_interval.high - found.cpk == pytest.approx(half, rel=1e-6)


def test_capability_looks_within_subgroups_and_performance_at_everything():
    groups = [[9.9, 10.0, 10.1], [10.9, 11.0, 11.1]]
    within = capability(groups, lsl=8, usl=13, alpha=0.05)
    overall = performance([value for group in groups for value in group], lsl=8, usl=13, alpha=0.05)
    assert (within.sd, within.degrees) == (pytest.approx(0.1), 4)
    assert overall.cp < within.cp / 5


def test_one_limit_gives_cpk_only():
    found = performance(spread(16, 2, 20), lsl=None, usl=20, alpha=0.05)
    assert (found.cp, found.cp_interval) == (None, None)
    assert found.cpk == pytest.approx(4 / 6)


@pytest.mark.parametrize("groups", [[], [[1.0]], [[1.0, 1.0], [2.0, 2.0]]])
def test_without_spread_there_is_no_capability(groups):
    with pytest.raises(ValueError, match="spread"):
        capability(groups, lsl=0, usl=3, alpha=0.05)


def test_individuals_of_section_6_3_2_2_1():
    chart = individuals(FLOW)
    assert chart.centre == pytest.approx(50.81)
    assert (chart.lower[0], chart.upper[0]) == (pytest.approx(45.8151, abs=0.001), pytest.approx(55.8049, abs=0.001))
    assert chart.signals == ()


def test_ewma_of_section_6_3_2_4():
    values = [52.0, 47.0, 53.0, 49.3, 50.1, 47.0, 51.0, 50.1, 51.2, 50.5, *FLOW]
    chart = ewma(values, target=50, sd=2.0539, weight=0.3)
    told = [50.60, 49.52, 50.56, 50.18, 50.16, 49.21, 49.75, 49.85, 50.26, 50.33]
    told += [50.11, 49.36, 49.52, 50.05, 49.38, 49.92, 50.73, 51.23, 51.94, 51.99]
    assert chart.points == pytest.approx(told, abs=0.011)
    assert (chart.lower[0], chart.upper[0]) == (pytest.approx(47.4115, abs=0.001), pytest.approx(52.5884, abs=0.001))
    assert chart.signals == ()


def test_cusum_of_section_6_3_2_3():
    values = [
        324.925,
        324.675,
        324.725,
        324.350,
        325.350,
        325.225,
        324.125,
        324.525,
        325.225,
        324.600,
        324.625,
        325.150,
    ]
    values += [328.325, 327.250, 327.825, 328.500, 326.675, 327.775, 326.875, 328.350]
    found = cusum(values, target=325, allowance=0.318, decision=4.1959)
    assert found.above[12:14] == pytest.approx((3.01, 4.94), abs=0.01)
    assert found.signals[0] == 13
